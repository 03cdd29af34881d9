package token_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/token"
)

// world answers posts within a bubble, where there is no network: an authorization server and a receiver.
type world struct {
	tb testing.TB
	// asked and posted count the requests.
	asked, posted int
	// expiresIn is what the server says; nothing leaves it out.
	expiresIn string
	// broken answers in place of the server, if set.
	broken *hook.Answer
	// revoked are tokens that the receiver takes no more; all refuses every one.
	revoked map[string]bool
	all     bool
	// delay is how long the server takes.
	delay  time.Duration
	header http.Header
}

func (w *world) Send(ctx context.Context, p hook.Post) hook.Answer {
	if strings.HasPrefix(p.URL.Host, "receiver") {
		w.posted++
		w.header = p.Header
		if w.all || w.revoked[p.Header.Get("Authorization")] {
			return hook.Answer{Status: http.StatusUnauthorized}
		}
		return hook.Answer{Status: http.StatusOK}
	}
	w.asked++
	if w.delay > 0 {
		select {
		case <-time.After(min(w.delay, p.Timeout)):
		case <-ctx.Done():
		}
		if w.delay > p.Timeout {
			return hook.Answer{Failure: hook.FailureTimeout, Error: fmt.Sprintf("no response within %s", p.Timeout)}
		}
	}
	if w.broken != nil {
		return *w.broken
	}
	body := map[string]any{"access_token": fmt.Sprintf("token-%d", w.asked), "token_type": "Bearer"}
	if w.expiresIn != "" {
		body["expires_in"] = json.Number(w.expiresIn)
	}
	text, err := json.Marshal(body)
	if err != nil {
		w.tb.Error(err)
	}
	return hook.Answer{Status: http.StatusOK, Response: text}
}

// pass lets time go by.
func pass(d time.Duration) { <-time.After(d) }

// send posts once and checks how often the server was asked in all, and which token went out.
func (w *world) send(s *token.Sender, asked int, bearer string) hook.Answer {
	w.tb.Helper()
	a := s.Send(w.tb.Context(), post(w.tb, "https://receiver.example", "https://tokens.example", 10*time.Second))
	if got := w.header.Get("Authorization"); w.asked != asked || got != "Bearer "+bearer {
		w.tb.Errorf("asked %d times, want %d; sent %q, want %q: %+v", w.asked, asked, got, bearer, a)
	}
	return a
}

// in runs a test in a bubble.
func in(t *testing.T, w *world, test func(s *token.Sender)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w.tb = t
		test(token.New(w, "v1"))
	})
}

// A token is used until it must be renewed: a minute before its end, or a quarter of a short life; five minutes where nothing is said.
func TestRenewedBeforeItExpires(t *testing.T) {
	for name, test := range map[string]struct {
		expiresIn string
		life      time.Duration
	}{
		"an hour":         {"3600", 59 * time.Minute},
		"a short one":     {"40", 30 * time.Second},
		"with a fraction": {"40.0", 30 * time.Second},
		"nothing said":    {"", 4 * time.Minute},
		"zero":            {"0", 4 * time.Minute},
		"negative":        {"-1", 4 * time.Minute},
		"for ever":        {"1e300", 24*time.Hour - time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{expiresIn: test.expiresIn}
			in(t, w, func(s *token.Sender) {
				w.send(s, 1, "token-1")
				pass(test.life - time.Millisecond)
				w.send(s, 1, "token-1")
				pass(time.Millisecond)
				w.send(s, 2, "token-2")
			})
		})
	}
}

// While a token can still be used, a renewal that fails or hangs costs no post.
func TestOldTokenWhileTheServerIsDown(t *testing.T) {
	w := &world{expiresIn: "3600"}
	in(t, w, func(s *token.Sender) {
		w.send(s, 1, "token-1")
		pass(59 * time.Minute)
		w.broken = &hook.Answer{Status: 503}
		w.send(s, 2, "token-1")
		w.send(s, 2, "token-1") // the failure is kept
		pass(10 * time.Second)
		w.delay = time.Hour
		if a := w.send(s, 3, "token-1"); a.Took != 5*time.Second {
			t.Errorf("took %v", a.Took)
		}
		w.delay = 0
		pass(time.Minute)
		if a := s.Send(w.tb.Context(), post(w.tb, "https://receiver.example", "https://tokens.example", time.Second)); a.Failure != hook.FailureToken {
			t.Errorf("a token that has expired was used: %+v", a)
		}
	})
}

// A failure is kept for ten seconds, or for as long as the server asks for, up to a minute.
func TestFailureIsKept(t *testing.T) {
	for name, test := range map[string]struct{ asks, kept time.Duration }{
		"nothing asked": {0, 10 * time.Second}, "half a minute": {30 * time.Second, 30 * time.Second}, "a day": {24 * time.Hour, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{broken: &hook.Answer{Status: 429, RetryAfter: test.asks}, header: http.Header{"Authorization": {"Bearer "}}}
			in(t, w, func(s *token.Sender) {
				if a := w.send(s, 1, ""); a.RetryAfter != test.asks || a.Failure != hook.FailureToken {
					t.Errorf("%+v", a)
				}
				pass(test.kept - time.Millisecond)
				w.send(s, 1, "")
				pass(time.Millisecond)
				w.broken = nil
				w.send(s, 2, "token-2")
			})
		})
	}
}

// A time that was too short for one post says nothing about posts that have more.
func TestShortTimeoutIsNotEverybodys(t *testing.T) {
	w := &world{delay: 3 * time.Second}
	in(t, w, func(s *token.Sender) {
		a := s.Send(w.tb.Context(), post(w.tb, "https://receiver.example", "https://tokens.example", time.Second))
		if a.Failure != hook.FailureToken || a.Took != time.Second {
			t.Errorf("%+v", a)
		}
		w.send(s, 2, "token-2")
	})
}

// A receiver's 401 drops a token, and the post is repeated once with a fresh one; a receiver that never takes any costs one request for a
// token in ten seconds.
func TestRejectedToken(t *testing.T) {
	w := &world{expiresIn: "3600", revoked: map[string]bool{}}
	in(t, w, func(s *token.Sender) {
		w.send(s, 1, "token-1")
		pass(10 * time.Second)
		w.revoked["Bearer token-1"] = true
		if a := w.send(s, 2, "token-2"); a.Status != http.StatusOK || w.posted != 3 {
			t.Errorf("%d posts: %+v", w.posted, a)
		}
		w.all = true
		for range 5 { // the token is young: it is not to blame
			if a := w.send(s, 2, "token-2"); a.Status != http.StatusUnauthorized {
				t.Errorf("%+v", a)
			}
		}
		if w.posted != 8 {
			t.Errorf("%d posts, want 8", w.posted)
		}
		pass(10 * time.Second)
		w.send(s, 3, "token-3")
		w.send(s, 3, "token-3")
		pass(10 * time.Second)
		w.broken = &hook.Answer{Status: 500}
		if a := w.send(s, 4, "token-3"); a.Status != http.StatusUnauthorized || a.Failure != hook.FailureNone {
			t.Errorf("what the receiver said is lost: %+v", a)
		}
	})
}

// What is kept is bounded: the token that was used least recently makes room.
func TestKeptTokensAreBounded(t *testing.T) {
	w := &world{expiresIn: "36000"}
	in(t, w, func(s *token.Sender) {
		with := func(n int) {
			p := post(w.tb, "https://receiver.example", "https://tokens.example", time.Second)
			p.Credentials.Authorization.OAuth2.ClientID = fmt.Sprint(n)
			s.Send(w.tb.Context(), p)
		}
		for n := range 4_096 {
			with(n)
		}
		with(0)
		with(4_096) // makes 1 go
		with(0)
		if w.asked != 4_097 {
			t.Errorf("asked %d times", w.asked)
		}
		with(1)
		if w.asked != 4_098 {
			t.Errorf("asked %d times: nothing went", w.asked)
		}
	})
}

// The operator's own proxy that failed is no failure of the authorization server, which is asked again as soon as somebody needs a token.
func TestProxyFailureStaysOne(t *testing.T) {
	w := &world{broken: &hook.Answer{Failure: hook.FailureProxy, Error: "the proxy is down"}, header: http.Header{"Authorization": {"Bearer "}}}
	in(t, w, func(s *token.Sender) {
		if a := w.send(s, 1, ""); a.Failure != hook.FailureProxy || a.Error != "the proxy is down" {
			t.Errorf("%+v", a)
		}
		w.broken = nil
		w.send(s, 2, "token-2")
	})
}
