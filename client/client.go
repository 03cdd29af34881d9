package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// problemBytesMax bounds how much of an answer that refuses is read.
const problemBytesMax = 1 << 20

// Dial makes a client of the server at a base URL such as http://127.0.0.1:8480. The contact centre is needed for an admin
// key that does not mean the default one, and may be empty otherwise. It connects to nothing before the first call.
func Dial(server, key, contactCenter string, options ...ClientOption) (*ClientWithResponses, error) {
	sign := func(_ context.Context, r *http.Request) error {
		r.Header.Set("x-api-key", key)
		if contactCenter != "" && r.Header.Get("x-ccid") == "" {
			r.Header.Set("x-ccid", contactCenter)
		}
		return nil
	}
	c, err := NewClient(server, append([]ClientOption{WithRequestEditorFn(sign)}, options...)...)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	c.Client = refusals{c.Client}
	return &ClientWithResponses{c}, nil
}

// refusals turns answers that refuse into errors.
type refusals struct{ HttpRequestDoer }

// Do sends the request; the error is a *Problem when the answer's status is 400 or more.
func (d refusals) Do(r *http.Request) (*http.Response, error) {
	response, err := d.HttpRequestDoer.Do(r)
	if err != nil || response.StatusCode < http.StatusBadRequest {
		return response, err
	}
	defer func() { _ = response.Body.Close() }() // it was read as far as it matters
	body, err := io.ReadAll(io.LimitReader(response.Body, problemBytesMax))
	if err != nil {
		return nil, fmt.Errorf("read the problem of status %d: %w", response.StatusCode, err)
	}
	return nil, readProblem(response, body)
}

// readProblem makes a problem of an answer that refuses, be it a problem document, the envelope of the selfUri reads, or
// something that stands between here and the server.
func readProblem(response *http.Response, body []byte) *Problem {
	p := &Problem{}
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err == nil && kind == "application/problem+json" && json.Unmarshal(body, p) == nil && p.Status != 0 {
		return p
	}
	*p = Problem{Type: "about:blank", Title: http.StatusText(response.StatusCode), Status: int64(response.StatusCode)}
	var envelope NexusAnswer
	if err == nil && kind == "application/json" && json.Unmarshal(body, &envelope) == nil && envelope.Status.Code != "" {
		p.Detail = envelope.Status.Code + ": " + envelope.Status.Detail
		return p
	}
	const shown = 200
	p.Detail = "the answer is not one of Hookswitch: " + string(bytes.ToValidUTF8(body[:min(len(body), shown)], nil))
	return p
}

// Error returns the status, the detail and every wrong field.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s: %s", p.Status, p.Title, p.Detail)
	if p.Errors != nil {
		for _, e := range *p.Errors {
			fmt.Fprintf(&b, "; %s %s", e.Location, e.Message)
		}
	}
	return b.String()
}
