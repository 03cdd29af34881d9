package console

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// call is one request on its way through the console.
type call struct {
	server *Server
	w      http.ResponseWriter
	r      *http.Request
	now    time.Time
	// by is who asks, on routes that are not open, and center the contact centre that the page is about.
	by     hook.Caller
	center hook.ContactCenter
	// nonce tells one look at a live page from another; it is empty until a page needs it.
	nonce string
	// attemptBytes is how much of the page the requests and responses of attempts take.
	attemptBytes int
}

// ctx is the request's, with the actor for the audit log.
func (c *call) ctx() context.Context { return c.r.Context() }

// answer is what a handler answers: a page, or where the browser goes next.
type answer struct {
	// status of a page; zero means 200.
	status int
	// page names a template, and view is what it shows.
	page string
	view any
	// location is where the browser goes next; flash is shown there.
	location string
	flash    *flash
	// written is whether the handler has answered itself.
	written bool
}

// show answers with a page.
func show(page string, view any) answer { return answer{page: page, view: view} }

// wrong answers with a page whose form has wrong fields.
func wrong(page string, view any) answer {
	return answer{status: http.StatusUnprocessableEntity, page: page, view: view}
}

// goTo sends the browser to another page, after a change was made.
func goTo(location string) answer { return answer{location: location} }

// saying shows a text on the next page.
func (a answer) saying(text string) answer {
	a.flash = &flash{Text: text}
	return a
}

// warning shows a text on the next page about something that was not done.
func (a answer) warning(text string) answer {
	a.flash = &flash{Text: text, Bad: true}
	return a
}

// linking puts a link to a page of the console behind the text.
func (a answer) linking(label, location string) answer {
	a.flash.URL, a.flash.Label = location, label
	return a
}

// send writes an answer or, for an error, its page.
func (c *call) send(a answer, err error) {
	if err != nil {
		if a = c.problem(err); a.written {
			return
		}
	}
	switch {
	case a.written:
	case a.location != "":
		if a.flash != nil {
			c.keepFlash(a.flash)
		}
		http.Redirect(c.w, c.r, a.location, http.StatusSeeOther)
	default:
		c.write(a)
	}
}

// write renders a page whole before the first byte of it is sent: a view that does not fit is a 500 and no half page.
func (c *call) write(a answer) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	var page bytes.Buffer
	if err := c.server.templates.render(&page, a.page, a.view); err != nil {
		c.server.options.Log.Error("a page of the console cannot be shown", "page", a.page, "error", err)
		http.Error(c.w, "the page cannot be shown; the server's log says why", http.StatusInternalServerError)
		return
	}
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.w.WriteHeader(a.status)
	// A write that fails means that the browser is gone: there is nobody to tell, and nothing to undo.
	_, _ = c.w.Write(page.Bytes())
}
