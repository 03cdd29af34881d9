package walk_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/cli"
	"github.com/hookswitch/hookswitch/internal/pgtest"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
)

const (
	adminKey = "walk-test-admin-key"
	// awaitMax bounds every wait; it is reached only when the test fails.
	awaitMax = 30 * time.Second
	// lookEvery is how often a condition is looked at that nobody announces.
	lookEvery = 10 * time.Millisecond
)

// onEach runs the test on a fresh store of each engine, beside other tests.
func onEach(t *testing.T, test func(t *testing.T, s *server)) {
	t.Helper()
	t.Parallel()
	for _, engine := range []struct {
		name     string
		database func(t *testing.T) string
	}{
		{"sqlite", func(t *testing.T) string { return filepath.Join(t.TempDir(), "walk.db") }},
		{"postgres", func(t *testing.T) string { return pgtest.Database(t) }},
	} {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			test(t, serve(t, engine.name, engine.database(t)))
		})
	}
}

// server is the whole program, within the test's process.
type server struct {
	t      *testing.T
	engine string
	url    string
	client *http.Client
}

func serve(t *testing.T, engine, database string, flags ...string) *server {
	t.Helper()
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	variables := map[string]string{"HOOKSWITCH_ADMIN_KEY": adminKey, "HOOKSWITCH_MASTER_KEYSET": sealtest.Text}
	go func() {
		defer w.Close()
		ended <- cli.Run(ctx, cli.System{
			Args: append([]string{
				"serve", "--listen", "127.0.0.1:0", "--database", database, "--allow-private-targets", "127.0.0.0/8", "--log-format", "json",
			}, flags...),
			Env: func(name string) (string, bool) {
				value, ok := variables[name]
				return value, ok
			},
			Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: w,
		})
	}()
	transport := &http.Transport{}
	s := &server{t: t, engine: engine, client: &http.Client{Transport: transport}}
	lines := bufio.NewScanner(r)
	var said []string
	for s.url == "" && lines.Scan() {
		said = append(said, lines.Text())
		var line struct{ Msg, URL string }
		if err := json.Unmarshal(lines.Bytes(), &line); err == nil && line.Msg == "listening" {
			s.url = line.URL
		}
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines.Scan() {
			continue // or the server waits for its log
		}
	}()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("the server ended with %d", code)
		}
		<-read
	})
	if s.url == "" {
		t.Fatalf("the server does not listen: %s", strings.Join(said, "\n"))
	}
	return s
}

// call makes a request and reads its answer into v, unless that is nil.
func (s *server) call(method, path string, body, v any) {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatalf("encode body: %v", err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatalf("make request: %v", err)
	}
	r.Header.Set("x-api-key", adminKey)
	resp, err := s.client.Do(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		s.t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, answer, err)
	}
	if v != nil {
		if err := json.Unmarshal(answer, v); err != nil {
			s.t.Fatalf("%s %s: decode %s: %v", method, path, answer, err)
		}
	}
}

// await waits until the condition holds.
func (s *server) await(what string, holds func() bool) {
	s.t.Helper()
	limit := time.NewTimer(awaitMax)
	defer limit.Stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit.C:
			s.t.Fatalf("%s: not within %v", what, awaitMax)
		}
	}
}

// receive starts a receiver of webhooks that answers everything in this way, and returns its URL.
func (s *server) receive(status int, answer string) string {
	s.t.Helper()
	return s.receiver(status, answer).url
}

// receiver is a receiver of webhooks.
type receiver struct {
	url, text string

	mu     sync.Mutex // guards both below
	status int
	posts  int
}

func (s *server) receiver(status int, answer string) *receiver {
	s.t.Helper()
	to := &receiver{status: status, text: answer}
	target := httptest.NewServer(to)
	s.t.Cleanup(target.Close)
	to.url = target.URL
	return to
}

// ServeHTTP counts and answers.
func (to *receiver) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	to.mu.Lock()
	defer to.mu.Unlock()
	to.posts++
	w.WriteHeader(to.status)
	_, _ = io.WriteString(w, to.text) // the sender may be gone
}

// answer makes it answer with another status from now on.
func (to *receiver) answer(status int) {
	to.mu.Lock()
	defer to.mu.Unlock()
	to.status = status
}

// taken returns how often it was posted to.
func (to *receiver) taken() int {
	to.mu.Lock()
	defer to.mu.Unlock()
	return to.posts
}

// subscribe makes a webhook without redeliveries, and with other settings, and returns its id.
func (s *server) subscribe(url string, settings map[string]any) string {
	s.t.Helper()
	body := map[string]any{"url": url, "retry": map[string]any{"attempts": 0}}
	maps.Copy(body, settings)
	var made struct{ ID string }
	s.call(http.MethodPost, "/v1/webhooks", body, &made)
	return made.ID
}

// chat makes an interaction that waits in a queue and returns its id.
func (s *server) chat(queue string) string {
	s.t.Helper()
	var made struct{ ID string }
	s.call(http.MethodPost, "/v1/interactions", map[string]any{"mediaType": "chat", "subtype": "InboundNew", "queue": queue}, &made)
	return made.ID
}

// deliveries counts the deliveries to a webhook in a state.
func (s *server) deliveries(webhook, state string) int {
	s.t.Helper()
	var list struct{ Items []struct{ State string } }
	s.call(http.MethodGet, "/v1/deliveries?webhookId="+webhook+"&state="+state, nil, &list)
	return len(list.Items)
}
