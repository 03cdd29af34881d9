package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/internal/api"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// waysToEnd are what takes a key's right to read events, as requests of an admin key.
func waysToEnd() map[string][3]string {
	return map[string][3]string{
		"disabled":      {"POST", "/disable", ""},
		"expired":       {"POST", "/expire", ""},
		"deleted":       {"DELETE", "", ""},
		"no permission": {"PATCH", "", `{"permissions":["webhooks"]}`},
	}
}

func (h *harness) end(id string, way [3]string) {
	h.tb.Helper()
	if got := h.call(way[0], "/v1/keys/"+id+way[1], way[2]); got.status >= 300 {
		h.tb.Fatalf("%v: %d %s", way, got.status, got.body)
	}
}

// A stream shows nothing more to a key that has ended or may read events no more, and ends: with the next event, or with the next
// heartbeat where there is none.
func TestStreamEndsWithItsKey(t *testing.T) {
	for name, way := range waysToEnd() {
		for _, busy := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", with events", false: ", idle"}[busy], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := start(t)
					id, key := h.newKey("default", "events:read")
					next, ended := h.stream(t.Context(), "/v1/events", "x-api-key", key)
					next()
					next()
					h.end(id, way)
					begun, most := time.Now(), 15*time.Second
					if busy {
						h.must(201, "POST", "/v1/interactions", queued)
						most = time.Second
					}
					if shown := next(); shown != "" {
						t.Errorf("it is shown %q", shown)
					}
					<-ended
					if took := time.Since(begun); took > most {
						t.Errorf("it ends after %v", took)
					}
				})
			})
		}
	}
}

// A long poll that began in time is refused like any other request when the key has ended meanwhile.
func TestLongPollEndsWithItsKey(t *testing.T) {
	for name, way := range waysToEnd() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				id, key := h.newKey("default", "events:read")
				answered := make(chan reply, 1)
				go func() { answered <- h.call("GET", "/v1/events?wait=60s", "", "x-api-key", key) }()
				synctest.Wait()
				h.end(id, way)
				h.must(201, "POST", "/v1/interactions", queued)
				want := map[bool]int{true: 403, false: 401}[name == "no permission"]
				if got := <-answered; got.status != want || strings.Contains(string(got.body), "STARTED") {
					t.Errorf("%d %s", got.status, got.body)
				}
			})
		})
	}
}

// A key is good to the last moment before its expiry and not at it, in a request and in a stream.
func TestKeyExpiresExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		key := text(h.must(201, "POST", "/v1/keys", `{"name":"short","permissions":["events:read"],"expiresIn":"10s"}`), "key")
		expiry := time.Now().Truncate(time.Millisecond).Add(10 * time.Second)
		next, ended := h.stream(t.Context(), "/v1/events", "x-api-key", key)
		next()
		next()
		<-time.After(time.Until(expiry) - time.Second)
		h.must(201, "POST", "/v1/interactions", queued)
		if shown := next(); !strings.Contains(shown, "STARTED") {
			t.Errorf("a second before: %q", shown)
		}
		<-time.After(time.Until(expiry) - time.Nanosecond)
		if got := h.call("GET", "/v1/events", "", "x-api-key", key); got.status != 200 {
			t.Errorf("just before: %d %s", got.status, got.body)
		}
		<-time.After(time.Nanosecond)
		if got := h.call("GET", "/v1/events", "", "x-api-key", key); got.status != 401 {
			t.Errorf("at it: %d", got.status)
		}
		h.must(201, "POST", "/v1/interactions", queued)
		if shown := next(); shown != "" {
			t.Errorf("the stream, at it: %q", shown)
		}
		<-ended
	})
}

// A stream ends when the token that opened it is good no more.
func TestStreamEndsWithItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var expired atomic.Bool
		h := start(t, func(o *api.Options) {
			o.Token = func(context.Context, string, func() error) (hook.Caller, error) {
				if expired.Load() {
					return hook.Caller{}, &hook.TokenError{Reason: "has expired"}
				}
				return hook.Caller{Center: 1, Permissions: []hook.Permission{hook.PermitEventsRead}, Actor: "oidc u"}, nil
			}
		})
		next, ended := h.stream(t.Context(), "/v1/events", "x-api-key", "", "Authorization", "Bearer "+goodToken)
		next()
		next()
		if beat := next(); beat != ":" {
			t.Errorf("while it is good: %q", beat)
		}
		expired.Store(true)
		h.must(201, "POST", "/v1/interactions", queued)
		if shown := next(); shown != "" {
			t.Errorf("it is shown %q", shown)
		}
		<-ended
	})
}

// slowBody ends when it is told to.
type slowBody struct {
	text io.Reader
	send <-chan struct{}
}

func (s *slowBody) Read(b []byte) (int, error) {
	<-s.send
	return s.text.Read(b)
}

// A request whose body comes late is judged again: who keeps one open cannot make a key with a key that has ended.
func TestSlowBodyOutlivesNoKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		id, key := h.newKey("default", "admin")
		kept, send := make(chan struct{}), make(chan struct{})
		answered := make(chan reply, 1)
		go func() {
			r := httptest.NewRequest(http.MethodPost, "/v1/keys", &slowBody{strings.NewReader(`{"name":"another","permissions":["admin"]}`), send})
			r.Header.Set("x-api-key", key)
			close(kept)
			answered <- h.do(r)
		}()
		<-kept
		synctest.Wait()
		h.end(id, waysToEnd()["disabled"])
		<-time.After(2 * time.Second)
		close(send)
		if got := <-answered; got.status != 401 {
			t.Errorf("%d %s", got.status, got.body)
		}
		if n := len(items(h.must(200, "GET", "/v1/keys", ""), "items")); n != 1 {
			t.Errorf("there are %d keys", n)
		}
	})
}

// An answer with a secret is repeated for the one who got it, and for nobody else who knows the Idempotency-Key and the request.
func TestSecretIsRepeatedToItsOwnerAlone(t *testing.T) {
	h := start(t)
	_, first := h.newKey("default", "admin")
	_, second := h.newKey("default", "admin")
	hooked := text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://receiver.example/"}`), "id")
	for path, body := range map[string]string{
		"/v1/keys":                            `{"name":"new","permissions":["webhooks"]}`,
		"/v1/webhooks":                        `{"url":"https://receiver.example/"}`,
		"/v1/webhooks/" + hooked + "/secrets": `{"action":"next"}`,
	} {
		made := h.call("POST", path, body, "x-api-key", first, "Idempotency-Key", "k"+path)
		again := h.call("POST", path, body, "x-api-key", first, "Idempotency-Key", "k"+path)
		if made.status != 201 && made.status != 200 || !bytes.Equal(made.body, again.body) {
			t.Errorf("%s: %d %s, then %d %s", path, made.status, made.body, again.status, again.body)
		}
		for name, key := range map[string]string{"another key": second, "an admin key": adminKey} {
			if got := h.call("POST", path, body, "x-api-key", key, "Idempotency-Key", "k"+path); got.status != 422 {
				t.Errorf("%s, %s: %d %s", path, name, got.status, got.body)
			}
		}
	}
}

// Who says twice who calls, or for which contact centre, is told so: another program on the way may have looked at the other one.
func TestHeadersThatDecideAreGivenOnce(t *testing.T) {
	h := start(t)
	h.must(201, "POST", "/v1/contact-centers", `{"id":"acme"}`)
	for _, name := range []string{"x-api-key", "Authorization", "x-ccid"} {
		r := newRequest("GET", "/v1/webhooks", "")
		r.Header.Set(name, "default")
		r.Header.Add(name, "acme")
		if got := h.do(r); got.status != 400 || !strings.Contains(string(got.body), strings.ToLower(name)) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}

// Wrong keys from many addresses, each within its limit, are not looked for in the database without end.
func TestWrongKeysOfManyAddresses(t *testing.T) {
	now := time.Now()
	h := start(t, func(o *api.Options) { o.Now = func() time.Time { return now } })
	got := map[int]int{}
	for i := range 1_000 {
		r := httptest.NewRequest(http.MethodGet, "/v1/webhooks", http.NoBody)
		r.RemoteAddr = fmt.Sprintf("[2001:db8:%x::1]:80", i)
		r.Header.Set("x-api-key", "wrong")
		got[h.do(r).status]++
	}
	if got[401] != 200 || got[429] != 800 {
		t.Errorf("answered %v", got)
	}
	if got := h.call("GET", "/v1/webhooks", ""); got.status != 200 {
		t.Errorf("a right key: %d", got.status)
	}
}

// Bad tokens beyond the limit of their address are not examined without end; good ones that are known always come in, and others soon.
func TestBadTokensAreExaminedRarely(t *testing.T) {
	now, examined := time.Now(), 0
	h := start(t, func(o *api.Options) {
		o.Now = func() time.Time { return now }
		o.Token = func(_ context.Context, token string, first func() error) (hook.Caller, error) {
			good := hook.Caller{Center: 1, Permissions: []hook.Permission{hook.PermitWebhooks}, Actor: "oidc u"}
			if token == goodToken {
				return good, nil // it is known
			}
			if err := first(); err != nil {
				return hook.Caller{}, err
			}
			examined++
			if token == waitingToken {
				return good, nil
			}
			return hook.Caller{}, &hook.TokenError{Reason: "has expired"}
		}
	})
	last := reply{}
	for range 1_000 {
		last = sendToken(h, "/v1/webhooks", otherToken)
	}
	if last.status != http.StatusTooManyRequests || last.header.Get("Retry-After") != "1" || examined != 10+20 {
		t.Errorf("%d were examined, and the last is answered %d %v", examined, last.status, last.header)
	}
	if got := sendToken(h, "/v1/webhooks", goodToken); got.status != 200 {
		t.Errorf("a known one: %d", got.status)
	}
	now = now.Add(50 * time.Millisecond)
	if got := sendToken(h, "/v1/webhooks", waitingToken); got.status != 200 {
		t.Errorf("another good one, a little later: %d", got.status)
	}
	if got := h.call("GET", "/v1/webhooks", ""); got.status != 200 {
		t.Errorf("a key: %d", got.status)
	}
}
