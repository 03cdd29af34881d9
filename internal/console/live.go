package console

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// liveMax is how many pages are kept up to date at a time; those beyond it stay as they are.
	liveMax = 256
	// liveWriteMax is how long a browser may take for one update.
	liveWriteMax = 10 * time.Second
	// liveLasts is how long one connection is used; the browser then makes another.
	liveLasts = 15 * time.Minute
	// liveSilenceMax is how long nothing is sent before a comment is, so that proxies keep the connection.
	liveSilenceMax = 15 * time.Second
)

// wantsEvents reports whether a browser's script asks for updates of a page (HTML, "Server-sent events").
func wantsEvents(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// live is one page that is kept up to date.
type live struct {
	*call
	row     *row
	handler handler
	// shared is what is made for all who watch the same, where the row says so.
	shared *update
	sent   string
	sentAt time.Time
}

// errUnfit says that a template does not fit its view, which is in the log.
var errUnfit = errors.New("the page cannot be kept up to date")

// follow takes a place among the pages that are kept up to date, and gives the one among those that are made back; end undoes both. Where
// there is none, the browser is told.
func (c *call) follow() (end func(), ok bool) {
	select {
	case c.server.live <- struct{}{}:
	default:
		c.w.Header().Set("Retry-After", "60")
		http.Error(c.w, "too many pages are kept up to date at the same time", http.StatusServiceUnavailable)
		return nil, false
	}
	<-c.server.pages // who only waits takes no place from those for whom a page is made
	c.w.Header().Set("Content-Type", "text/event-stream")
	c.w.Header().Set("X-Accel-Buffering", "no") // asks nginx, which would hold events back, to pass them on
	return func() {
		c.server.pages <- struct{}{}
		<-c.server.live
	}, true
}

// stream makes the page's region "live" anew from time to time, and sends it when it has changed.
func (c *call) stream(r *row, h handler) {
	end, ok := c.follow()
	if !ok {
		return
	}
	defer end()
	l := &live{call: c, row: r, handler: h}
	defer func() { c.server.updates.leave(l.shared) }()
	if !l.write("retry: 5000\n\n") {
		return
	}
	over := time.NewTimer(liveLasts)
	defer over.Stop()
	tick := time.NewTicker(r.live)
	defer tick.Stop()
	for l.update() {
		select {
		case <-tick.C:
		case <-over.C:
			return
		case <-c.ctx().Done():
			return
		case <-c.server.draining:
			return
		}
	}
}

// update sends the region if it is another one than before, and reports whether there is somebody who reads it and may.
func (l *live) update() bool {
	l.now = l.server.now()
	if err := l.admit(l.row); err != nil {
		l.write("event: gone\ndata:\n\n")
		return false
	}
	message, err := l.message()
	switch {
	case errors.Is(err, errUnfit):
		return false
	case err != nil: // the record may be gone, or the store away: the page stays as it was
		return l.write("event: stale\ndata:\n\n")
	case message == l.sent:
		return l.now.Sub(l.sentAt) < liveSilenceMax || l.write(": still here\n\n")
	}
	l.sent = message
	return l.write(message)
}

// message is what there is to be sent: made now, or for another one who watches the same, half of the row's time ago at most.
func (l *live) message() (string, error) {
	if !l.row.shared {
		return l.make()
	}
	if name := l.sharedName(); l.shared == nil || l.shared.name != name { // or the key has other permissions since
		l.server.updates.leave(l.shared)
		l.shared = l.server.updates.join(name)
	}
	return l.shared.get(l.ctx(), l.server.draining, l.now.Add(-l.row.live/2), l.now, l.make)
}

// make makes the region as a message.
func (l *live) make() (string, error) {
	l.attemptBytes = 0
	a, err := l.handler(l.call)
	if err != nil {
		return "", err
	}
	if a.page == "" { // it leads elsewhere
		return "", hook.ErrNotFound
	}
	var region bytes.Buffer
	if err := l.server.templates.part(&region, a.page, "live", a.view); err != nil {
		l.server.options.Log.Error("a page of the console cannot be kept up to date", "page", a.page, "error", err)
		return "", errUnfit
	}
	return "event: live\ndata: " + oneLine(region.String()) + "\n\n", nil
}

// write sends a part of the stream, and reports whether the browser took it in time.
func (l *live) write(text string) bool {
	out := http.NewResponseController(l.w)
	if out.SetWriteDeadline(time.Now().Add(liveWriteMax)) != nil {
		return false
	}
	if _, err := io.WriteString(l.w, text); err != nil {
		return false
	}
	l.sentAt = l.now
	return out.Flush() == nil
}
