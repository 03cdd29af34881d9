package console

import (
	"bytes"
	"cmp"
	"errors"
	"net/http"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

const (
	// eventReadsMax is how many live pages of events read some, and make rows of them, at the same time.
	eventReadsMax = 2
	// eventsEvery bounds how often a live page of events looks for more: commits are many.
	eventsEvery = 250 * time.Millisecond
	// eventsCatchUp is its rest while there is more already: what one browser is sent keeps no processor busy.
	eventsCatchUp = 50 * time.Millisecond
	// eventsBehindMax is how many events a live page sends without having reached the end; it then goes on there, and says so.
	eventsBehindMax = 5_000
)

// rowEvents is the row of the stream: what it needs is looked at again and again.
func rowEvents() row { return row{needs: hook.PermitEventsRead} }

// eventStream is one live page of events.
type eventStream struct {
	live
	filter eventFilter
	cursor string
	// asked is the request as it came: what is looked at again and again is looked at in that one.
	asked *http.Request
	// behind is how many events were read since the end was reached.
	behind int
	// took is how long the last look took.
	took time.Duration
}

// eventRest is how long a live page of events rests after a look: so long that all that are watched keep one processor busy at most. Each
// makes its rows for itself, which 256 of them can do all the time where much happens; few notice nothing of it.
func eventRest(least, took time.Duration, watched int) time.Duration {
	return max(least, took*time.Duration(watched))
}

// streamEvents sends rows for events as they happen, from the cursor on that the browser has last (HTML, "Server-sent events": the
// Last-Event-ID header), else from the page's. Rows that are not sent whole are not shown by the browser, and are sent again.
func (s *Server) streamEvents(c *call) (answer, error) {
	if !wantsEvents(c.r) { // a person, or a program that would wait for the end
		return goTo(c.url("live")), nil
	}
	filter, wrong := c.eventFilterOf()
	if len(wrong) > 0 {
		return answer{}, &hook.InvalidError{Fields: []hook.FieldError{{Field: "filter", Message: "is not one of this page"}}}
	}
	r := rowEvents()
	st := &eventStream{live: live{call: c, row: &r}, asked: c.r, filter: filter, cursor: cmp.Or(c.r.Header.Get("Last-Event-ID"), c.r.FormValue("after"), store.EventsLatest)}
	// A wrong cursor is told before the stream begins.
	if _, _, err := s.options.Store.Events(c.ctx(), c.center.Number, st.cursor, 1); errors.Is(err, hook.ErrBadID) {
		return answer{}, &hook.InvalidError{Fields: []hook.FieldError{{Field: "after", Message: "is not a cursor of events"}}}
	} else if err != nil {
		return answer{}, err
	}
	end, ok := c.follow()
	if !ok {
		return answer{written: true}, nil
	}
	defer end()
	st.run()
	return answer{written: true}, nil
}

// run sends what there is, and waits for more.
func (st *eventStream) run() {
	watch := st.server.options.Store.WatchEvents(st.center.Number)
	defer watch.Close()
	over := time.NewTimer(liveLasts)
	defer over.Stop()
	if !st.write("retry: 2000\n\n") {
		return
	}
	for {
		arrived := watch.Arrived() // asked for before the look, so that nothing arrives unseen in between
		more, ok := st.send()
		if !ok {
			return
		}
		if more {
			if !st.rest(over.C, nil, eventRest(eventsCatchUp, st.took, len(st.server.live))) {
				return
			}
			continue
		}
		if looked := time.Now(); !st.rest(over.C, arrived, liveSilenceMax) || !st.rest(over.C, nil, eventRest(eventsEvery, st.took, len(st.server.live))-time.Since(looked)) {
			return
		}
	}
}

// rest waits until something has arrived, or for a time, and reports whether the stream goes on.
func (st *eventStream) rest(over <-chan time.Time, arrived <-chan struct{}, most time.Duration) bool {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-arrived:
		return true
	case <-timer.C:
		return true
	case <-over:
	case <-st.ctx().Done():
	case <-st.server.draining:
	}
	return false
}

// send sends the next events that are wanted. more says that there are more than were looked at; ok is false where the stream is over.
func (st *eventStream) send() (more, ok bool) {
	st.now, st.r = st.server.now(), st.asked
	if err := st.admit(st.row); err != nil {
		st.write("event: gone\ndata:\n\n")
		return false, false
	}
	st.filter.readable = st.by.MayRead // a key's permissions may have changed
	found, rows, err := st.look()
	if errors.Is(err, errUnfit) {
		return false, false
	} else if err != nil {
		return false, st.write("event: stale\ndata:\n\n")
	}
	if len(found) == 0 {
		st.behind = 0
		return false, st.now.Sub(st.sentAt) < liveSilenceMax || st.write(": still here\n\n")
	}
	text := "id: " + st.cursor + "\n" + rows + "\n"
	if more = len(found) == store.PageLimitMax; !more {
		st.behind = 0
	} else if st.behind += len(found); st.behind >= eventsBehindMax {
		text += st.skip()
	}
	return more, st.write(text)
}

// rows makes a message of those events that are wanted, newest first; where none is, the message is the cursor alone.
func (st *eventStream) rows(found []store.EventRecord) (string, error) {
	page := &eventsPage{}
	for i := len(found) - 1; i >= 0; i-- {
		if st.filter.wants(&found[i]) {
			page.Rows = append(page.Rows, st.eventRow(&found[i]))
		}
	}
	if len(page.Rows) == 0 {
		return "", nil
	}
	var rows bytes.Buffer
	if err := st.server.templates.part(&rows, "events", "rows", page); err != nil {
		st.server.options.Log.Error("a page of the console cannot be kept up to date", "page", "events", "error", err)
		return "", errUnfit
	}
	return "event: rows\ndata: " + oneLine(rows.String()) + "\n", nil
}

// skip goes on at the end, and makes the message that says so. Where the end cannot be found now, it is looked for after the next page.
func (st *eventStream) skip() string {
	end, err := st.server.options.Store.EventsBack(st.ctx(), st.center.Number, 0)
	if err != nil {
		return ""
	}
	st.behind, st.cursor = 0, end
	return "id: " + end + "\nevent: skipped\ndata:\n\n"
}

// look reads the events after the cursor, moves it, and makes the message of them.
func (st *eventStream) look() (found []store.EventRecord, rows string, err error) {
	select {
	case st.server.updates.reads <- struct{}{}:
		defer func() { <-st.server.updates.reads }()
	case <-st.ctx().Done():
		return nil, "", st.ctx().Err()
	}
	began := time.Now()
	defer func() { st.took = time.Since(began) }()
	found, next, err := st.server.options.Store.Events(st.ctx(), st.center.Number, st.cursor, store.PageLimitMax)
	if err == nil {
		st.cursor = next
		rows, err = st.rows(found)
	}
	return found, rows, err
}
