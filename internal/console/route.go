package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// pagesMax is how many pages are made at a time; more wait for pageWaitMax and are then refused.
	pagesMax    = 64
	pageWaitMax = 2 * time.Second
	// formBytesMax bounds the body of a form: the settings of a webhook may hold certificates.
	formBytesMax = 256 << 10
	// openFormBytesMax bounds that of somebody who is not signed in.
	openFormBytesMax = 16 << 10
	// formsMax is how many forms are read at a time, formWaitMax how long one waits for its turn, and formReadMax how long it may take: whoever
	// dribbles one keeps nobody else from a page.
	formsMax    = 128
	formWaitMax = pageWaitMax
	formReadMax = 10 * time.Second
)

// access is whom a page is for, beside the permission that its row says it needs.
type access uint8

const (
	// forCenter pages are about the contact centre in their path. It is the zero value.
	forCenter access = iota
	// forInstallation pages are about all contact centres: for callers that belong to none and are admins.
	forInstallation
	// forAnyone pages are for everybody who is signed in.
	forAnyone
)

// row is what the route table says of a page or a form.
type row struct {
	// needs is the permission that it takes; empty means that any caller of the contact centre may see it.
	needs  hook.Permission
	access access
	// live is how often the page's region "live" is made anew for those who look at it; zero means never.
	live time.Duration
	// shared is whether that region looks the same to all who have the same permissions: it names nobody and has no form.
	shared bool
}

// handler answers a request of somebody who is let in.
type handler func(*call) (answer, error)

// open adds a route for everybody, signed in or not.
func (s *Server) open(pattern string, h handler) { s.add(pattern, nil, h) }

// handle adds a route for those who are signed in and permitted.
func (s *Server) handle(pattern string, r row, h handler) { s.add(pattern, &r, h) }

func (s *Server) add(pattern string, r *row, h handler) {
	s.patterns = append(s.patterns, pattern)
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) {
		c := &call{server: s, w: w, r: req, now: s.now()}
		securityHeaders(w.Header())
		err := c.prepare(r)
		if err == nil {
			err = enter(req.Context(), s.pages, pageWaitMax)
		}
		if err != nil {
			c.send(answer{}, err)
			return
		}
		defer func() { <-s.pages }()
		if r != nil && r.live > 0 && wantsEvents(req) {
			c.stream(r, h)
			return
		}
		c.send(h(c))
	})
}

// enter takes one of the places, or says that there is none for so long.
func enter(ctx context.Context, places chan<- struct{}, most time.Duration) error {
	select {
	case places <- struct{}{}:
		return nil
	default:
	}
	wait, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	select {
	case places <- struct{}{}:
		return nil
	case <-wait.Done():
		return errBusy
	}
}

// errBusy says that too many pages are being made.
var errBusy = errors.New("too many pages are asked for at the same time; try again in a moment")

// prepare finds out what is asked and by whom. r is nil for what is open to everybody.
func (c *call) prepare(r *row) error {
	most := int64(openFormBytesMax)
	if r != nil {
		if err := c.admit(r); err != nil {
			return err
		}
		most = formBytesMax
	}
	if c.r.Method == http.MethodPost {
		return c.readForm(most)
	}
	if err := c.r.ParseForm(); err != nil {
		return &formError{err}
	}
	return nil
}

// readForm reads the body of a POST, before that takes a place from others: it may come slowly.
func (c *call) readForm(most int64) error {
	if err := enter(c.ctx(), c.server.forms, formWaitMax); err != nil {
		return err
	}
	defer func() { <-c.server.forms }()
	// Where the connection has no deadlines, as in tests without one, the server's own bounds it.
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(formReadMax))
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, most)
	if err := c.r.ParseForm(); err != nil {
		return &formError{err}
	}
	return nil
}

// admit finds who asks, whether that may, and which contact centre the page is about.
func (c *call) admit(r *row) error {
	if err := c.recognise(); err != nil {
		return err
	}
	switch r.access {
	case forAnyone:
		return nil
	case forCenter, forInstallation:
	}
	center, err := c.server.options.Store.ContactCenter(hook.ContactCenterID(c.r.PathValue("center")))
	if err != nil || c.by.Center != 0 && c.by.Center != center.Number {
		return hook.ErrNotFound // what is another's looks like what does not exist
	}
	c.center = center
	switch {
	case r.access == forInstallation && !c.by.Administers():
		return &permissionError{"an admin of the installation"}
	case r.needs != "" && !c.by.Permits(r.needs):
		return &permissionError{"the permission " + string(r.needs)}
	}
	if c.r.Method == http.MethodPost { // a read changes nothing
		c.r = c.r.WithContext(hook.WithActor(c.r.Context(), c.by.Actor.From(c.r.RemoteAddr)))
	}
	return nil
}

// centers returns the contact centres that the caller may look at.
func (c *call) centers() []hook.ContactCenter {
	return slices.DeleteFunc(c.server.options.Store.ContactCenters(), func(one hook.ContactCenter) bool {
		return c.by.Center != 0 && c.by.Center != one.Number
	})
}
