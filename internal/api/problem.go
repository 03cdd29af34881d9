package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	typeJSON    = "application/json"
	typeProblem = "application/problem+json"
	// typeMergePatch is what a PATCH may call its body (RFC 7396, section 4).
	typeMergePatch = "application/merge-patch+json"
	// retryAfterSeconds is what a 503 and a 429 ask callers to wait.
	retryAfterSeconds = "1"
	// valueBytesMax bounds how much of a wrong value a problem repeats.
	valueBytesMax = 64
	// notTime is what is wrong with a text that is not a time.
	notTime = "must be a time of the form 2026-11-22T16:00:00Z"
)

// Problem is an answer that refuses: a problem document (RFC 9457, section 3).
type Problem struct {
	Type     string         `json:"type" doc:"Always about:blank: the status and the errors say what kind of problem it is."`
	Title    string         `json:"title" doc:"The status in words."`
	Status   int            `json:"status" minimum:"400" maximum:"599"`
	Detail   string         `json:"detail" doc:"What went wrong with this request."`
	Instance string         `json:"instance,omitempty" doc:"Names this occurrence in the server's log (internal errors only)."`
	Errors   []FieldProblem `json:"errors,omitempty" doc:"Every wrong field at once."`

	header http.Header
}

// FieldProblem is one wrong field of a request.
type FieldProblem struct {
	Location string `json:"location" doc:"Where: path, query, header or body, and the path of the field, such as body.retry.timeout."`
	Message  string `json:"message" doc:"What is wrong and what would be right."`
	Value    string `json:"value,omitempty" doc:"What was given, as text, shortened; never a secret."`
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status; huma asks for it.
func (p *Problem) GetStatus() int { return p.Status }

func newProblem(status int, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

func (p *Problem) with(name, value string) *Problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(name, value)
	return p
}

// invalid is the problem that names wrong fields.
func invalid(fields []hook.FieldError) *Problem {
	p := newProblem(http.StatusUnprocessableEntity, "the request holds wrong fields; errors names each of them")
	for _, f := range fields {
		p.add(f.Field, f.Message, f.Value)
	}
	return p
}

// add names a wrong field; a field that is named already is not named twice, and there is an end to it.
func (p *Problem) add(location, message, value string) {
	for _, e := range p.Errors {
		if e.Location == location {
			return
		}
	}
	if len(p.Errors) == fieldProblemsMax {
		return
	}
	if secretLocation(location) {
		value = ""
	}
	p.Errors = append(p.Errors, FieldProblem{Location: location, Message: message, Value: clip(value)})
}

// wholeSeconds is a wait as Retry-After writes it (RFC 9110, section 10.2.3): not shorter than it is, and at least a second.
func wholeSeconds(wait time.Duration) string {
	return strconv.FormatInt(int64(max((wait+time.Second-1)/time.Second, 1)), 10)
}

// secretLocation reports whether the value at a place is, or may hold, a credential. Names are compared without case,
// because a misspelt field is refused with its value too.
func secretLocation(location string) bool {
	lower := strings.ToLower(location)
	for _, name := range []string{"secret", "headers", "authorization", "password", "tls"} {
		if strings.Contains(lower, name) {
			return true
		}
	}
	return false
}

func clip(s string) string {
	if len(s) <= valueBytesMax {
		return s
	}
	return strings.ToValidUTF8(s[:valueBytesMax], "") + "…"
}

// problemOf is the one table from errors to problems. What is not in it is internal: ok is false.
func problemOf(err error) (p *Problem, ok bool) {
	var (
		made     *Problem
		wrong    *hook.InvalidError
		conflict *hook.ConflictError
		token    *hook.TokenError
		unjudged *hook.UnjudgedError
	)
	switch {
	case errors.As(err, &made):
		return made, true
	case errors.As(err, &wrong):
		return invalid(wrong.Fields), true
	case errors.As(err, &conflict):
		return newProblem(http.StatusConflict, conflict.Error()), true
	case errors.As(err, &token):
		return invalidToken(token), true
	case errors.As(err, &unjudged):
		return tokenUnjudged(unjudged), true
	case errors.Is(err, hook.ErrNotFound):
		return newProblem(http.StatusNotFound, "there is no such record in this contact centre"), true
	case errors.Is(err, hook.ErrBadID):
		return newProblem(http.StatusUnprocessableEntity, "an identifier is not one"), true
	case errors.Is(err, hook.ErrReused):
		p := newProblem(http.StatusUnprocessableEntity, "the idempotency key was used before with another request")
		p.add("header.Idempotency-Key", "was used before with another request", "")
		return p, true
	case errors.Is(err, hook.ErrLocked):
		return newProblem(http.StatusServiceUnavailable, "what this is about is sealed under a master key that this server does not hold; "+
			"an operator sees more with `hookswitch keys master`, and another node may answer").with("Retry-After", retryAfterSeconds), true
	case errors.Is(err, hook.ErrUnavailable):
		return newProblem(http.StatusServiceUnavailable, "the store cannot commit now; the same request may succeed later").
			with("Retry-After", retryAfterSeconds), true
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return newProblem(http.StatusServiceUnavailable,
			"the request ended before its outcome was known; repeat it with the same Idempotency-Key").
			with("Retry-After", retryAfterSeconds), true
	default:
		return nil, false
	}
}

// problem is problemOf with an end: an error that the table does not know is logged under a new reference, and the caller
// is told the reference and nothing else.
func (s *Server) problem(err error) *Problem {
	if p, ok := problemOf(err); ok {
		return p
	}
	return s.internal(err)
}

// internal logs what nobody outside is told.
func (s *Server) internal(cause error) *Problem {
	p := newProblem(http.StatusInternalServerError, "an internal error; the server's log has it under this instance")
	if id, err := s.newID(s.now()); err == nil { // without randomness the problem has no instance, and is no less told
		p.Instance = "urn:uuid:" + id.String()
	}
	s.log.LogAttrs(context.Background(), slog.LevelError, "request failed", slog.String("instance", p.Instance), slog.Any("error", cause))
	return p
}

// wrongParameters makes our problem of huma's, which lists what was wrong with parameters and, through the resolvers,
// bodies. It is a huma.Transformer, so it sees every answer that huma writes by itself.
func (s *Server) wrongParameters(ctx huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	var p *Problem
	switch c := callOf(ctx); {
	case model.Status >= http.StatusInternalServerError:
		return s.internal(errors.New(model.Detail)), nil
	case c.refused != nil:
		p = c.refused
		p.add("body", p.Detail, "")
	default:
		p = invalid(nil)
		p.Status, p.Title = model.Status, http.StatusText(model.Status)
	}
	for _, e := range model.Errors {
		if e.Location == "" { // what refused is about no field of its own
			continue
		}
		value := ""
		if e.Value != nil {
			value = fmt.Sprint(e.Value)
		}
		p.add(e.Location, readable(e.Message), value)
	}
	return p, nil
}

// readable says in our words what huma says of a parameter that it cannot read (func parseInto of its huma.go): of a time it names Go's
// layout, and of an id what it is in Go.
func readable(message string) string {
	if strings.HasPrefix(message, "invalid date/time for format ") {
		return notTime
	}
	if said, ok := strings.CutPrefix(message, "invalid value: "); ok {
		return strings.TrimPrefix(said, hook.ErrBadID.Error()+": ")
	}
	return message
}

// fault is one wrong field on its way through huma.
type fault hook.FieldError

func (f *fault) Error() string { return f.Field + ": " + f.Message }

// ErrorDetail tells huma the field.
func (f *fault) ErrorDetail() *huma.ErrorDetail {
	d := &huma.ErrorDetail{Location: f.Field, Message: f.Message}
	if f.Value != "" {
		d.Value = f.Value
	}
	return d
}

func faults(fields []hook.FieldError) []error {
	out := make([]error, len(fields))
	for i := range fields {
		out[i] = (*fault)(&fields[i])
	}
	return out
}

func (p *Problem) encode() []byte {
	body, err := json.Marshal(p)
	if err != nil { // a struct of texts and numbers always encodes
		return []byte(`{"status":500}` + "\n")
	}
	return append(body, '\n')
}
