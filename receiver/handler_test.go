package receiver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/receiver"
	"github.com/hookswitch/hookswitch/signature"
)

const secret = "a secret of the webhook"

func entity(id string, event interaction.Event) interaction.EntityEvent {
	return interaction.EntityEvent{Event: event, Entity: interaction.Entity{
		ID: id, MediaType: interaction.MediaChat, Subtype: interaction.SubtypeInboundNew,
		SelfURI: "https://cc.example" + interaction.SelfPath(interaction.MediaChat, "s", id),
	}}
}

func started(ids ...string) []byte {
	payload := interaction.Payload{OperationID: "op-1"}
	for _, id := range ids {
		payload.Entities = append(payload.Entities, entity(id, interaction.EventStarted))
	}
	return payload.Append(nil)
}

// rejections collects what OnReject gets.
type rejections struct {
	mu   sync.Mutex // Guards errs.
	errs []error
}

func (r *rejections) add(_ *http.Request, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

func (r *rejections) last() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.errs) == 0 {
		return nil
	}
	return r.errs[len(r.errs)-1]
}

// serve starts a receiver on loopback.
func serve(t *testing.T, config receiver.Config) (*httptest.Server, *rejections) {
	t.Helper()
	rejected := &rejections{}
	config.Secrets = [][]byte{[]byte(secret)}
	config.OnReject = rejected.add
	handler, err := receiver.New(config)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server, rejected
}

type answer struct {
	status int
	header http.Header
	body   string
}

// do fails with Error, not Fatal, so that it may be called from any goroutine; its answer is zero then.
func do(t *testing.T, request *http.Request) answer {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

func newPost(t *testing.T, url string, body []byte) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		panic(err) // A URL of httptest always parses.
	}
	request.Header.Set(signature.HubHeader, signature.SHA1([]byte(secret), body))
	return request
}

func post(t *testing.T, url string, body []byte) answer {
	t.Helper()
	return do(t, newPost(t, url, body))
}

func TestNew(t *testing.T) {
	handle := func(context.Context, interaction.EntityEvent, receiver.Delivery) error { return nil }
	for name, test := range map[string]struct {
		config receiver.Config
		want   error
	}{
		"complete":     {receiver.Config{Secrets: [][]byte{[]byte("s")}, Handle: handle}, nil},
		"no secret":    {receiver.Config{Handle: handle}, receiver.ErrNoSecret},
		"empty secret": {receiver.Config{Secrets: [][]byte{[]byte("s"), {}}, Handle: handle}, receiver.ErrNoSecret},
		"no function":  {receiver.Config{Secrets: [][]byte{[]byte("s")}}, receiver.ErrNoFunc},
	} {
		if _, err := receiver.New(test.config); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

func TestHandles(t *testing.T) {
	type call struct {
		Event    interaction.EntityEvent
		Delivery receiver.Delivery
	}
	var calls []call
	server, rejected := serve(t, receiver.Config{
		Handle: func(_ context.Context, e interaction.EntityEvent, d receiver.Delivery) error {
			calls = append(calls, call{e, d})
			return nil
		},
	})
	request := newPost(t, server.URL, started("i-1", "i-2"))
	for name, value := range map[string]string{
		interaction.AttemptHeader: "3", interaction.DeliveryHeader: "d-1", interaction.ContactCenterHeader: "cc",
		interaction.TraceHeader: "0af7651916cd43dd8448eb211c80319c", interaction.TestHeader: "true",
	} {
		request.Header.Set(name, value)
	}
	got := do(t, request)
	if want := `{"status":{"code":0,"message":"OK"},"data":{"ids":[{"id":"i-1"},{"id":"i-2"}]}}`; got.status != 200 || got.body != want {
		t.Errorf("answered %d %s", got.status, got.body)
	}
	if got := got.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %s", got)
	}
	delivery := receiver.Delivery{
		OperationID: "op-1", ID: "d-1", Attempt: 3, ContactCenterID: "cc", TraceID: "0af7651916cd43dd8448eb211c80319c", Test: true,
	}
	want := []call{
		{entity("i-1", interaction.EventStarted), delivery},
		{entity("i-2", interaction.EventStarted), delivery},
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}

	// A body like the original's, with neither a second signature nor a header of ours; then the same once more.
	calls = nil
	finished := interaction.Payload{OperationID: "op-2", Entities: []interaction.EntityEvent{entity("i-1", interaction.EventFinished)}}
	for range 2 {
		if got := post(t, server.URL, finished.Append(nil)); got.status != 200 || !strings.Contains(got.body, `[{"id":"i-1"}]`) {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	}
	want = []call{{finished.Entities[0], receiver.Delivery{OperationID: "op-2"}}}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if err := rejected.last(); err != nil {
		t.Errorf("OnReject got %v", err)
	}
}

func TestRefuses(t *testing.T) {
	valid := started("i-1")
	signed := func(body []byte) http.Header {
		return http.Header{"X-Hub-Signature": {signature.SHA1([]byte(secret), body)}}
	}
	wrong := signature.SHA1([]byte("wrong"), valid)
	expected := signature.SHA1([]byte(secret), valid)[5:]
	for name, test := range map[string]struct {
		method string
		body   string
		header http.Header
		status int
		answer string
		is     error
	}{
		"GET": {http.MethodGet, "", signed(nil), 405, `{"title":"Only POST is allowed","status":405,"reason":"method"}`, receiver.ErrMethod},
		"no signature": {
			http.MethodPost, string(valid),
			http.Header{},
			401,
			`{"title":"The signature is not verified","status":401,"reason":"no_header"}`, signature.NoHeader,
		},
		"wrong secret": {
			http.MethodPost, string(valid),
			http.Header{"X-Hub-Signature": {wrong}},
			401,
			`{"title":"The signature is not verified","status":401,"reason":"wrong_secret"}`, signature.WrongSecret,
		},
		"changed body": {
			http.MethodPost, string(valid) + "\n", signed(valid), 401,
			`{"title":"The signature is not verified","status":401,"reason":"body_changed"}`, signature.BodyChanged,
		},
		"unsigned garbage": {
			http.MethodPost, "{",
			http.Header{"X-Hub-Signature": {wrong}},
			401,
			`{"title":"The signature is not verified","status":401,"reason":"wrong_secret"}`, signature.WrongSecret,
		},
		"signed garbage": {
			http.MethodPost, "{", signed([]byte("{")), 400,
			`{"title":"The body is not an Interactions Webhook","status":400,"reason":"malformed",` +
				`"errors":[{"location":"body","message":"is not JSON: unexpected end of JSON input (at byte 1)"}]}`, nil,
		},
		"signed, wrong fields": {
			http.MethodPost, `{"operationId":"o","data":{}}`, signed([]byte(`{"operationId":"o","data":{}}`)), 400,
			`{"title":"The body is not an Interactions Webhook","status":400,"reason":"malformed",` +
				`"errors":[{"location":"body.data.entities","message":"is missing"}]}`, nil,
		},
		"too large": {
			http.MethodPost, strings.Repeat("x", 513), signed([]byte(strings.Repeat("x", 513))), 413,
			`{"title":"The body is too large","status":413,"reason":"too_large"}`, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, rejected := serve(t, receiver.Config{
				BodyBytesMax: 512,
				Handle: func(context.Context, interaction.EntityEvent, receiver.Delivery) error {
					t.Error("the function was called")
					return nil
				},
			})
			request, err := http.NewRequestWithContext(t.Context(), test.method, server.URL, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header = test.header
			got := do(t, request)
			if got.status != test.status || got.body != test.answer {
				t.Errorf("answered %d %s\nwant     %d %s", got.status, got.body, test.status, test.answer)
			}
			if got := got.header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type %s", got)
			}
			if allow := got.header.Get("Allow"); (allow == "POST") != (test.status == 405) {
				t.Errorf("Allow %q", allow)
			}
			if err := rejected.last(); err == nil || test.is != nil && !errors.Is(err, test.is) || strings.Contains(err.Error(), expected) {
				t.Errorf("OnReject got %v", err)
			}
		})
	}
}

// TestBodyBound sends a body without a Content-Length, one byte over the limit and then exactly at it.
func TestBodyBound(t *testing.T) {
	body := started("i-1")
	for size, want := range map[int64]int{int64(len(body)) - 1: 413, int64(len(body)): 200} {
		server, rejected := serve(t, receiver.Config{
			BodyBytesMax: size,
			Handle:       func(context.Context, interaction.EntityEvent, receiver.Delivery) error { return nil },
		})
		request := newPost(t, server.URL, body)
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), -1
		if got := do(t, request); got.status != want {
			t.Errorf("limit %d: answered %d %s", size, got.status, got.body)
		}
		var large *http.MaxBytesError
		if err := rejected.last(); errors.As(err, &large) != (want == 413) {
			t.Errorf("limit %d: OnReject got %v", size, err)
		}
	}
}

// unreadable fails the test when anybody reads from it.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// TestAnnouncedBodyIsNotRead: a body that says it is too large is refused before it is read.
func TestAnnouncedBodyIsNotRead(t *testing.T) {
	handler, err := receiver.New(receiver.Config{
		Secrets:  [][]byte{[]byte(secret)},
		Handle:   func(context.Context, interaction.EntityEvent, receiver.Delivery) error { return nil },
		OnReject: func(*http.Request, error) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodPost, "/", unreadable{t})
	request.ContentLength = receiver.BodyBytesMaxDefault + 1
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	if recorder.Code != 413 {
		t.Errorf("answered %d", recorder.Code)
	}
}

func TestFailureLetsTheRetryThrough(t *testing.T) {
	// The function's own error must not pass for one of ours, whatever it wraps.
	failures := []error{errors.New("database at 10.0.0.7 is down"), &signature.Error{Reason: signature.WrongSecret}, receiver.ErrBusy}
	calls := map[string]int{}
	server, rejected := serve(t, receiver.Config{
		Handle: func(_ context.Context, e interaction.EntityEvent, _ receiver.Delivery) error {
			calls[e.Entity.ID]++
			if n := calls[e.Entity.ID]; e.Entity.ID == "bad" && n <= len(failures) {
				return failures[n-1]
			}
			return nil
		},
	})
	body := started("good", "bad", "later")
	for _, failure := range failures {
		got := post(t, server.URL, body)
		if want := `{"title":"An event could not be handled","status":500,"reason":"failed"}`; got.status != 500 || got.body != want {
			t.Errorf("answered %d %s", got.status, got.body)
		}
		err := rejected.last()
		if !errors.Is(err, failure) || !strings.Contains(err.Error(), `handle STARTED of "bad"`) {
			t.Errorf("OnReject got %v, want %v", err, failure)
		}
	}
	for range 2 {
		if got := post(t, server.URL, body); got.status != 200 {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	}
	if diff := cmp.Diff(map[string]int{"good": 1, "bad": len(failures) + 1, "later": 1}, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestProblemIsJSON(t *testing.T) {
	server, _ := serve(t, receiver.Config{
		Handle: func(context.Context, interaction.EntityEvent, receiver.Delivery) error { return nil },
	})
	var problem struct{ Title, Reason string }
	if err := json.Unmarshal([]byte(post(t, server.URL, []byte(`{"operationId":"<\"\u2028"}`)).body), &problem); err != nil {
		t.Fatal(err)
	}
	if problem.Reason != "malformed" {
		t.Errorf("reason %q", problem.Reason)
	}
}
