package api

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

const (
	headerIdempotency = "Idempotency-Key"
	headerReplayed    = "Idempotency-Replayed"
	// idempotencyKeyBytesMax bounds an Idempotency-Key.
	idempotencyKeyBytesMax = 255
)

// call is one request on its way through the server. It is the request's own ResponseWriter, so that whoever has the
// writer has the call, and the status is known afterwards.
type call struct {
	http.ResponseWriter
	server *Server
	r      *http.Request
	now    time.Time
	center hook.ContactCenter
	// row is the route's, on those that are not open.
	row *row
	// by is who makes the call, on routes that are not open.
	by hook.Caller
	// key is the Idempotency-Key, or empty.
	key  string
	body []byte
	// refused is what is wrong with the body as a whole.
	refused *Problem
	// status is what was answered, zero before.
	status int
	// placed is whether it has a place among those that are worked on, and reserved how many bytes of their memory: see load.
	placed   bool
	reserved int
}

// callOf returns the call of a huma context; huma passes the writer on as it is.
func callOf(ctx huma.Context) *call {
	_, w := humago.Unwrap(ctx)
	c, ok := w.(*call)
	if !ok {
		panic("a request that did not come through Handler")
	}
	return c
}

// WriteHeader notes the status.
func (c *call) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write notes the status that a write without one means.
func (c *call) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find the connection.
func (c *call) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// answer is what a handler answers.
type answer struct {
	status int
	body   []byte
	// mediaType is that of the body; empty means JSON.
	mediaType string
	// stream writes the body itself, when it is set.
	stream func(*call)
}

// send writes an answer or, for an error, its problem.
func (c *call) send(a *answer, err error) {
	var before *store.AnsweredError
	switch {
	case errors.As(err, &before):
		c.Header().Set(headerReplayed, "true")
		a = &answer{status: before.Status, body: before.Body}
		if before.Status >= http.StatusBadRequest {
			a.mediaType = typeProblem
		}
	case err != nil:
		p := c.server.problem(err)
		for name, values := range p.header {
			c.Header()[name] = values
		}
		a = &answer{status: p.Status, mediaType: typeProblem}
		if strings.HasPrefix(c.r.URL.Path, nexusPrefix) {
			a.mediaType, a.body = typeJSON, c.nexusProblem(p)
		} else {
			a.body = p.encode()
		}
	case a.stream != nil:
		a.stream(c)
		return
	}
	if a.mediaType == "" {
		a.mediaType = typeJSON
	}
	if a.body != nil {
		c.Header().Set("Content-Type", a.mediaType)
	}
	c.WriteHeader(a.status)
	// A write that fails means that the caller is gone: there is nobody to tell, and nothing to undo.
	_, _ = c.Write(a.body)
}

// request is embedded in the input of every route: huma resolves it together with the parameters.
type request struct {
	*call
}

// Resolve finds the call, and the query parameters and the idempotency key that are wrong.
func (q *request) Resolve(ctx huma.Context) []error {
	q.call = callOf(ctx)
	var fields []hook.FieldError
	if q.r.URL.RawQuery != "" {
		fields = unknownQuery(ctx.Operation(), q.r.URL.Query())
	}
	if given, ok := q.r.Header[headerIdempotency]; ok && q.r.Method == http.MethodPost {
		if len(given) == 1 && printable(given[0]) {
			q.key = given[0]
		} else {
			fields = append(fields, hook.FieldError{
				Field:   "header." + headerIdempotency,
				Message: fmt.Sprintf("must be one text of 1 to %d printable ASCII characters", idempotencyKeyBytesMax),
			})
		}
	}
	if fields == nil {
		return nil
	}
	return faults(fields)
}

// unknownQuery names the parameters that the route does not have: a misspelt filter that is ignored would show too much.
func unknownQuery(op *huma.Operation, query map[string][]string) (fields []hook.FieldError) {
next:
	for name, values := range query {
		if len(fields) == fieldProblemsMax {
			return fields
		}
		for _, p := range op.Parameters {
			if p.In == "query" && p.Name == name {
				if len(values) > 1 {
					fields = append(fields, hook.FieldError{Field: "query." + clip(name), Message: "is given more than once"})
				}
				continue next
			}
		}
		fields = append(fields, hook.FieldError{Field: "query." + clip(name), Message: "is not a parameter of this request"})
	}
	return fields
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= idempotencyKeyBytesMax
}

// read reads and decodes the body into dst by the route's shape; meaning then judges it. What comes back goes to huma
// beside what is wrong with the parameters.
func (q *request) read(ctx huma.Context, dst any, meaning func() []hook.FieldError) []error {
	sh, ok := ctx.Operation().Metadata[metaShape].(*shape)
	if !ok { // a row without a body whose input reads one
		return []error{newProblem(http.StatusInternalServerError, "the route has no shape")}
	}
	q.giveUpPlace() // a body may dribble, and nobody else waits for that
	if q.refused = q.readBody(sh); q.refused == nil {
		q.refused = q.renewLate() // who dribbles a body keeps no door open
	}
	if q.refused == nil {
		q.refused = q.enter()
	}
	if q.refused == nil {
		if len(q.body) == 0 && sh.optional {
			return nil
		}
		var values int
		if values, q.refused = measure(q.body, sh.valuesMost()); q.refused == nil {
			q.refused = q.reserve(values * valueBytes)
		}
		if q.refused != nil {
			return q.refuse()
		}
		var fields []hook.FieldError
		if fields, q.refused = sh.decode(q.body, "body", dst, meaning); q.refused == nil {
			return faults(fields)
		}
	}
	return q.refuse()
}

// refuse gives huma what is wrong with the body as a whole; its headers it would forget.
func (q *request) refuse() []error {
	for name, values := range q.refused.header {
		q.Header()[name] = values
	}
	return []error{q.refused}
}

func (c *call) readBody(sh *shape) *Problem {
	if sent := c.r.Header.Get("Content-Type"); sent != "" && sent != typeJSON {
		kind, _, err := mime.ParseMediaType(sent)
		merges := c.r.Method == http.MethodPatch && kind == typeMergePatch
		if err != nil || kind != typeJSON && !merges {
			return newUnsupported(c.r.Method)
		}
	}
	if coding := c.r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return newProblem(http.StatusUnsupportedMediaType, "the body must be sent as it is, without a Content-Encoding").with("Accept-Encoding", "identity")
	}
	tooLarge := newTooLarge(sh.bytesMax)
	if c.r.ContentLength > int64(sh.bytesMax) {
		return tooLarge()
	}
	// One byte more than is promised, so that the end is seen without growing.
	buf := make([]byte, 0, min(max(c.r.ContentLength, bodyBytesUsual), bodyBytesTrusted)+1)
	if busy := c.reserve(cap(buf)); busy != nil {
		return busy
	}
	for {
		n, err := c.r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > sh.bytesMax:
			return tooLarge()
		case errors.Is(err, io.EOF):
			c.body = buf
			return nil
		case err != nil:
			return newProblem(http.StatusBadRequest, "the body could not be read to its end")
		case len(buf) == cap(buf):
			grown := min(2*cap(buf), sh.bytesMax+1)
			if busy := c.reserve(grown - cap(buf)); busy != nil {
				return busy
			}
			buf = append(make([]byte, 0, grown), buf...)
		}
	}
}

// bodyBytesUsual is how large a body usually is, where its length is not announced.
const bodyBytesUsual = 511

func newUnsupported(method string) *Problem {
	wanted := typeJSON
	if method == http.MethodPatch {
		wanted += " or " + typeMergePatch
	}
	return newProblem(http.StatusUnsupportedMediaType, "the body must be sent with Content-Type: "+wanted)
}

func newTooLarge(bytesMax int) func() *Problem {
	return func() *Problem {
		return newProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", bytesMax))
	}
}

// once is what the store needs to answer a repeated request as it answered the first; nil without an Idempotency-Key.
func once[T any](c *call, answered func(T) (*answer, error)) *store.Once[T] {
	if c.key == "" {
		return nil
	}
	return &store.Once[T]{Key: c.key, Fingerprint: c.fingerprint(), Encode: keep(answered)}
}

// onceSecret is once for an answer that shows a secret, which is stored sealed.
func onceSecret[T any](c *call, answered func(T) (*answer, error)) *store.Once[T] {
	o := once(c, answered)
	if o != nil {
		o.Secret = true
		// Who repeats a request must be who made it: the answer is shown to nobody else.
		h := sha256.New()
		h.Write(o.Fingerprint[:])
		h.Write([]byte(c.by.Actor))
		o.Fingerprint = [sha256.Size]byte(h.Sum(nil))
	}
	return o
}

func (c *call) fingerprint() [sha256.Size]byte {
	h := sha256.New()
	for _, part := range [...]string{c.r.Method, c.r.URL.Path} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	h.Write(c.body)
	return [sha256.Size]byte(h.Sum(nil))
}

// done encodes v as the answer with the status. Every answer of ours ends its line, for those who read it in a terminal.
func done(status int, v any) (*answer, error) {
	body, err := encode(v)
	if err != nil {
		return nil, err
	}
	return &answer{status: status, body: append(body, '\n')}, nil
}

// keep makes an encoder for [once] of the function that makes a handler's answer. A verdict on the change (an unknown record,
// a conflict) is an answer that is given again too; trouble is not.
func keep[T any](answered func(T) (*answer, error)) func(T, error) (store.Answer, bool) {
	return func(v T, err error) (store.Answer, bool) {
		var a *answer
		if err == nil {
			a, err = answered(v)
		}
		if err == nil {
			return store.Answer{Status: a.status, Body: a.body}, true
		}
		if p, ok := problemOf(err); ok && (p.Status == http.StatusNotFound || p.Status == http.StatusConflict) {
			return store.Answer{Status: p.Status, Body: p.encode()}, true
		}
		return store.Answer{}, false
	}
}
