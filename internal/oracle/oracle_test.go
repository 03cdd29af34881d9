package oracle_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/cli"
)

const (
	adminKey = "oracle-test-admin-key"
	// givenSecret is one that a person might choose, with what tends to break on its way through headers and files.
	givenSecret = "It's a Secret to Everybody: ü & \"quotes\" \\ "
	// deliveryMax bounds a delivery.
	deliveryMax = 30 * time.Second
	// pollEvery is how often a condition is looked at that nobody announces.
	pollEvery = 10 * time.Millisecond
)

// server is the whole program, within the test's process.
type server struct {
	t   *testing.T
	url string
}

func serve(t *testing.T) *server {
	t.Helper()
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	database := filepath.Join(t.TempDir(), "oracle.db")
	go func() {
		defer w.Close()
		ended <- cli.Run(ctx, cli.System{
			Args: []string{
				"serve", "--listen", "127.0.0.1:0", "--database", database, "--public-url", "https://hookswitch.example",
				"--allow-private-targets", "127.0.0.0/8", "--log-format", "json",
			},
			Env: func(name string) (string, bool) {
				if name == "HOOKSWITCH_ADMIN_KEY" {
					return adminKey, true
				}
				return "", false
			},
			Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: w,
		})
	}()
	s := &server{t: t}
	lines := bufio.NewScanner(r)
	for s.url == "" && lines.Scan() {
		var line struct{ Msg, URL string }
		if err := json.Unmarshal(lines.Bytes(), &line); err == nil && line.Msg == "listening" {
			s.url = line.URL
		}
	}
	go drain(r)
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("the server ended with %d", code)
		}
	})
	if s.url == "" {
		t.Fatal("the server does not listen")
	}
	return s
}

// call makes a request and reads its answer into v.
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
	resp, err := http.DefaultClient.Do(r)
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

// subscribe makes a webhook without redeliveries and returns its id and secret; an empty secret has the server make one.
func (s *server) subscribe(target, secret string) (id, actual string) {
	s.t.Helper()
	settings := map[string]any{"url": target, "retry": map[string]any{"attempts": 0}}
	if secret != "" {
		settings["secret"] = secret
	}
	var made struct{ ID, Secret string }
	s.call(http.MethodPost, "/v1/webhooks", settings, &made)
	return made.ID, made.Secret
}

// delivery is a delivery as the API shows it.
type delivery struct {
	ID, Event, OperationID, State string
	LastAttempt                   struct {
		Status   int
		Error    string
		Response string
	}
}

// chat makes an interaction and stops it, and returns both deliveries to the webhook once they are resolved.
func (s *server) chat(webhook, media string) []delivery {
	s.t.Helper()
	var made struct{ ID string }
	s.call(http.MethodPost, "/v1/interactions", map[string]any{"mediaType": media, "subtype": "InboundNew", "queue": "support"}, &made)
	s.call(http.MethodPost, "/v1/interactions/"+made.ID+"/stop", map[string]any{"by": "workflow"}, nil)
	limit := time.NewTimer(deliveryMax)
	defer limit.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		var list struct{ Items []delivery }
		s.call(http.MethodGet, "/v1/deliveries?webhookId="+webhook+"&interactionId="+made.ID, nil, &list)
		open := 0
		for _, d := range list.Items {
			if d.State == "pending" {
				open++
			}
		}
		if open == 0 && len(list.Items) == 2 {
			return list.Items
		}
		select {
		case <-tick.C:
		case <-limit.C:
			s.t.Fatalf("not delivered after %v: %+v", deliveryMax, list.Items)
		}
	}
}

// wire is a way from the server to a verifier on which a body may be changed.
func wire(t *testing.T, target string, change func([]byte) []byte) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender is gone
		}
		on, err := http.NewRequestWithContext(r.Context(), r.Method, target, bytes.NewReader(change(body)))
		if err != nil {
			t.Errorf("make request: %v", err)
			return
		}
		on.Header = r.Header.Clone()
		resp, err := http.DefaultTransport.RoundTrip(on)
		if err != nil {
			t.Errorf("pass on: %v", err)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		if _, err := io.Copy(w, resp.Body); err != nil {
			t.Errorf("pass back: %v", err)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestForeignVerifiers delivers to each verifier: as it should be, and in each way in which it must be refused.
func TestForeignVerifiers(t *testing.T) {
	s := serve(t)
	for _, v := range verifiers() {
		t.Run(v.name, func(t *testing.T) {
			s := &server{t: t, url: s.url}
			url := v.start(t, givenSecret)
			for _, test := range []struct {
				name   string
				url    string
				secret string
				want   int
			}{
				{"ours", url, givenSecret, http.StatusOK},
				{"ours through a wire that changes nothing", wire(t, url, func(b []byte) []byte { return b }), givenSecret, http.StatusOK},
				{"another secret", url, strings.ToUpper(givenSecret), refusal},
				{"another secret that only ends otherwise", url, givenSecret + "!", refusal},
				{"another operation id", wire(t, url, otherDigit), givenSecret, refusal},
				{"another event", wire(t, url, otherEvent), givenSecret, refusal},
				{"the same JSON in other bytes", wire(t, url, indented), givenSecret, refusal},
			} {
				t.Run(test.name, func(t *testing.T) {
					s := &server{t: t, url: s.url}
					id, _ := s.subscribe(test.url, test.secret)
					for _, media := range []string{"chat", "email"} {
						for _, d := range s.chat(id, media) {
							check(t, d, test.want)
						}
					}
					s.call(http.MethodDelete, "/v1/webhooks/"+id, nil, nil)
				})
			}
		})
	}
}

// TestForeignVerifiersTakeMadeSecret has the server make the secret, and starts each verifier with it.
func TestForeignVerifiersTakeMadeSecret(t *testing.T) {
	s := serve(t)
	for _, v := range verifiers() {
		t.Run(v.name, func(t *testing.T) {
			s := &server{t: t, url: s.url}
			// The webhook is there before its receiver: the secret is known only then.
			id, secret := s.subscribe("http://127.0.0.1:9/", "")
			s.call(http.MethodPatch, "/v1/webhooks/"+id, map[string]any{"url": v.start(t, secret)}, nil)
			for _, d := range s.chat(id, "chat") {
				check(t, d, http.StatusOK)
			}
			s.call(http.MethodDelete, "/v1/webhooks/"+id, nil, nil)
		})
	}
}

// check checks what the verifier answered, and what the server made of it.
func check(t *testing.T, d delivery, want int) {
	t.Helper()
	state := "exhausted"
	if want == http.StatusOK {
		state = "delivered"
	}
	triggered := strings.Contains(d.LastAttempt.Response, "triggered "+d.OperationID+" "+d.Event)
	if d.State != state || d.LastAttempt.Status != want || triggered != (want == http.StatusOK) {
		t.Errorf("%s is %s: the verifier answered %d %q (error %q), want %s and %d", d.Event, d.State, d.LastAttempt.Status, d.LastAttempt.Response,
			d.LastAttempt.Error, state, want)
	}
}

// otherDigit changes one digit of the operation id, which is the first value of the body.
func otherDigit(body []byte) []byte {
	changed := bytes.Clone(body)
	at := bytes.Index(changed, []byte(`":"`)) + len(`":"`)
	if changed[at] == '0' {
		changed[at] = '1'
	} else {
		changed[at] = '0'
	}
	return changed
}

func otherEvent(body []byte) []byte {
	if bytes.Contains(body, []byte("STARTED")) {
		return bytes.Replace(body, []byte("STARTED"), []byte("FINISHED"), 1)
	}
	return bytes.Replace(body, []byte("FINISHED"), []byte("STARTED"), 1)
}

func indented(body []byte) []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		return nil // an empty body is refused too, but not for the reason that is tested: the body of ours is JSON
	}
	return out.Bytes()
}
