package cli_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/trace/tracetest"
)

// A trace goes on through the server: from the headers of the request that makes the event to those of the POST, and to the
// collector the acceptance, a failed attempt and the one that was acknowledged.
func TestServeTraces(t *testing.T) {
	const id, span = "80f198ee56343ba864fe8b2a57d3eff7", "e457b5a2e4d86bd1"
	collects := tracetest.New(t)
	posts := make(chan http.Header, 4)
	receives := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Hookswitch-Attempt") == "1" && r.Header.Get("X-B3-TraceId") == id {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		posts <- r.Header
	}))
	defer receives.Close()

	server := launch(t, []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey}, "", "serve", "--listen", "127.0.0.1:0", "--allow-private-targets", "127.0.0.0/8",
		"--otlp-endpoint", collects.URL, "--trace-sample", "0", "--database", filepath.Join(t.TempDir(), "h.db"))
	url := server.await(&server.stderr, `msg=listening url=(\S+)`)[1]
	env := []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey, "HOOKSWITCH_SERVER=" + url}
	if code, _, stderr := run(t, env, "", "webhooks", "create", "--url", receives.URL, "--retry-timeout", "100ms"); code != 0 {
		t.Fatal(stderr)
	}
	create := func(b3 string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/interactions",
			strings.NewReader(`{"mediaType":"chat","subtype":"InboundNew","queue":"q"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Api-Key", adminKey)
		r.Header.Set("B3", b3)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusCreated {
			t.Fatalf("the server answers %s", answer.Status)
		}
	}
	create(id + "-" + span + "-1")
	spans := make([]string, 2)
	for i := range spans {
		h := <-posts
		if h.Get("X-B3-TraceId") != id || h.Get("X-B3-Sampled") != "1" {
			t.Errorf("attempt %d carries %v", i+1, h)
		}
		spans[i] = h.Get("X-B3-SpanId")
	}
	create("0") // no trace: it is one of its own, and of those nothing is sampled
	if h := <-posts; h.Get("X-B3-TraceId") == id || h.Get("X-B3-Sampled") != "0" {
		t.Errorf("an event of no trace carries %v", h)
	}
	if code := server.stop(); code != 0 {
		t.Fatalf("the server ended with %d: %s", code, server.stderr.String())
	}
	var sent []string
	for _, s := range collects.Spans() {
		which := hex.EncodeToString(s.GetSpanId())
		if strings.HasPrefix(s.GetName(), "accept") {
			which = "under " + hex.EncodeToString(s.GetParentSpanId())
		}
		sent = append(sent, fmt.Sprintf("%x %s %s", s.GetTraceId(), s.GetName(), which))
	}
	check := func(want string) {
		if !slices.Contains(sent, want) {
			t.Errorf("no span %q among %q", want, sent)
		}
	}
	check(id + " accept STARTED under " + span)
	check(id + " deliver STARTED " + spans[0])
	check(id + " deliver STARTED " + spans[1])
	if len(sent) != 3 {
		t.Errorf("%d spans were sent: %q", len(sent), sent)
	}
}
