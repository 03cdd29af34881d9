package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/api"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/internal/store"
)

const (
	adminKey  = "the-admin-key-of-this-test"
	publicURL = "https://hookswitch.example"
)

// harness is a server on a real store, in the test's own process and folder.
type harness struct {
	tb      testing.TB
	store   *store.Store
	server  *api.Server
	handler http.Handler
}

// scriptedTester answers every test in the same way.
type scriptedTester struct{ attempt hook.Attempt }

func (s scriptedTester) Test(context.Context, *hook.Webhook) hook.Attempt { return s.attempt }

func start(tb testing.TB, change ...func(*api.Options)) *harness {
	tb.Helper()
	ctx := tb.Context()
	s, err := store.Open(ctx, store.Options{Sealer: sealtest.Keyset(), Database: filepath.Join(tb.TempDir(), "test.db"), PublicURL: publicURL})
	if err != nil {
		tb.Fatal(err)
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(run) }()
	tb.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			tb.Errorf("Run: %v", err)
		}
		if err := s.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return startOn(tb, s, change...)
}

// startOn starts a server on a store that runs.
func startOn(tb testing.TB, s *store.Store, change ...func(*api.Options)) *harness {
	tb.Helper()
	if err := s.SetAdminKey(tb.Context(), time.Now(), sha256.Sum256([]byte(adminKey))); err != nil {
		tb.Fatal(err)
	}
	o := api.Options{
		Store: s, PublicURL: publicURL, Version: "v0.0.0-test",
		Tester: scriptedTester{hook.Attempt{Number: 1, StartedAt: time.Now(), Duration: 12345 * time.Microsecond, Status: 200, Response: []byte("thanks"), Timing: hook.Timing{FirstByte: 12 * time.Millisecond}}},
	}
	for _, c := range change {
		c(&o)
	}
	server := api.New(o)
	return &harness{tb: tb, store: s, server: server, handler: server.Handler()}
}

// reply is an answer with its body read.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func newRequest(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("x-api-key", adminKey)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func (h *harness) do(r *http.Request) reply {
	h.tb.Helper()
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		h.tb.Fatal(err)
	}
	return reply{w.Code, w.Result().Header, body}
}

// call sends a body with the admin key; header holds names and values in turn.
func (h *harness) call(method, path, body string, header ...string) reply {
	h.tb.Helper()
	r := newRequest(method, path, body)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return h.do(r)
}

// must is call where a status is expected; the body is decoded.
func (h *harness) must(status int, method, path, body string, header ...string) map[string]any {
	h.tb.Helper()
	r := h.call(method, path, body, header...)
	if r.status != status {
		h.tb.Fatalf("%s %s: status %d, want %d: %s", method, path, r.status, status, r.body)
	}
	return r.object(h.tb)
}

func (r reply) object(tb testing.TB) map[string]any {
	tb.Helper()
	if len(r.body) == 0 {
		return nil
	}
	var v map[string]any
	if err := json.Unmarshal(r.body, &v); err != nil {
		tb.Fatalf("answer is not a JSON object: %v: %s", err, r.body)
	}
	return v
}

// wrong returns the locations and messages of a problem document, and fails when the answer is not one.
func (r reply) wrong(tb testing.TB) map[string]string {
	tb.Helper()
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		tb.Fatalf("Content-Type %q of status %d: %s", got, r.status, r.body)
	}
	var p api.Problem
	if err := json.Unmarshal(r.body, &p); err != nil {
		tb.Fatalf("problem: %v: %s", err, r.body)
	}
	if p.Status != r.status || p.Title == "" || p.Type == "" || p.Detail == "" {
		tb.Fatalf("incomplete problem of status %d: %s", r.status, r.body)
	}
	at := map[string]string{}
	for _, e := range p.Errors {
		if e.Message == "" {
			tb.Errorf("%s has no message", e.Location)
		}
		if _, twice := at[e.Location]; twice {
			tb.Errorf("%s is named twice: %s", e.Location, r.body)
		}
		at[e.Location] = e.Message
	}
	return at
}

// interactions counts what is stored.
func (h *harness) interactions() int {
	h.tb.Helper()
	return len(items(h.must(200, "GET", "/v1/interactions?limit=200", ""), "items"))
}

func (h *harness) webhooks() int {
	h.tb.Helper()
	return len(items(h.must(200, "GET", "/v1/webhooks?limit=200", ""), "items"))
}
