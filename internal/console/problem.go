package console

import (
	"errors"
	"net/http"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// permissionError is a page for others.
type permissionError struct{ needs string }

// Error says what the page needs.
func (e *permissionError) Error() string { return "This takes " + e.needs + "." }

// formError is a form that could not be read.
type formError struct{ reason error }

// Error says why.
func (e *formError) Error() string { return "read form: " + e.reason.Error() }

// Unwrap returns the reason.
func (e *formError) Unwrap() error { return e.reason }

// problemPage is the page of an error.
type problemPage struct {
	frame
	Status int
	Text   string
	// Instance names an internal error in the server's log.
	Instance string
}

// problem decides what a person sees of an error.
func (c *call) problem(err error) answer {
	var (
		before   *store.AnsweredError
		needs    *permissionError
		invalid  *hook.InvalidError
		conflict *hook.ConflictError
		form     *formError
		tooLarge *http.MaxBytesError
	)
	switch {
	case errors.As(err, &before) && before.Status == http.StatusSeeOther: // the same form again: what came of it the first time
		return goTo(string(before.Body))
	case errors.Is(err, errSignedOut):
		return c.askToSignIn()
	case errors.As(err, &needs):
		return c.problemPage(http.StatusForbidden, "Not permitted", needs.Error()+" Sign in with a key that has it, or ask who administers this contact centre.")
	case errors.Is(err, hook.ErrNotFound), errors.Is(err, hook.ErrBadID):
		return c.problemPage(http.StatusNotFound, "Not found", "There is nothing here: it never existed in this contact centre, or its retention has ended.")
	case errors.As(err, &conflict):
		return c.problemPage(http.StatusConflict, "Not possible now", conflict.Error())
	case errors.As(err, &invalid):
		return c.problemPage(http.StatusUnprocessableEntity, "That does not fit", invalid.Error())
	case errors.As(err, &tooLarge):
		return c.problemPage(http.StatusRequestEntityTooLarge, "Too large", "The form is larger than a form of this console can be.")
	case errors.As(err, &form):
		return c.problemPage(http.StatusBadRequest, "Not understood", "The form could not be read. Go back and send it again.")
	case errors.Is(err, errBusy), errors.Is(err, hook.ErrUnavailable), errors.Is(err, hook.ErrLocked):
		c.w.Header().Set("Retry-After", "1")
		return c.problemPage(http.StatusServiceUnavailable, "Not available now", err.Error())
	case errors.Is(err, hook.ErrReused):
		return c.problemPage(http.StatusUnprocessableEntity, "Sent twice", "This form was sent before with other values. Open its page again.")
	default:
		return c.unexpected(err)
	}
}

// unexpected is an internal error: the person gets a name for it and no more.
func (c *call) unexpected(err error) answer {
	id, random := c.newID()
	if random != nil {
		id = "unknown"
	}
	c.server.options.Log.Error("the console failed", "instance", id, "method", c.r.Method, "path", c.r.URL.Path, "error", err)
	a := c.problemPage(http.StatusInternalServerError, "Something went wrong", "The server's log says what, beside the number below.")
	if page, ok := a.view.(*problemPage); ok {
		page.Instance = id
	}
	return a
}

func (c *call) problemPage(status int, title, text string) answer {
	return answer{status: status, page: "problem", view: &problemPage{frame: c.frame(title), Status: status, Text: text}}
}
