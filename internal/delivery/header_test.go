package delivery

import (
	"context"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/signature"
)

// one sends a delivery to a webhook and returns the POST.
func one(t *testing.T, w *hook.Webhook) (sent post) {
	synctest.Test(t, func(t *testing.T) {
		q, seen := newMemory(w), new(log)
		e, _ := start(t, q, seen.of(func(context.Context, hook.Post) hook.Answer { return acknowledge() }))
		q.emit(e, w.Number, newEvent(7))
		settled(t, q, time.Second)
		if len(seen.posts()) != 1 {
			t.Fatalf("%d POSTs", len(seen.posts()))
		}
		sent = seen.posts()[0]
		wantSigned(t, sent.Post, w)
	})
	return sent
}

// wantSigned has every signature of a POST verified, by our own package and by the public library for Standard Webhooks.
func wantSigned(t testing.TB, p hook.Post, w *hook.Webhook) {
	t.Helper()
	key := []byte(w.Secrets.Current.Reveal())
	if err := signature.Verify(p.Header, p.Body, key); err != nil {
		t.Errorf("verify: %v", err)
	}
	if p.Header.Get(signature.StandardHeader) == "" {
		return
	}
	if err := signature.VerifyStandard(p.Header, p.Body, [][]byte{key}, time.Now(), 0); err != nil {
		t.Errorf("verify the standard one: %v", err)
	}
	library, err := standardwebhooks.NewWebhook(signature.StandardSecret(key))
	if err != nil {
		t.Fatal(err)
	}
	if err := library.Verify(p.Body, p.Header); err != nil {
		t.Errorf("the library refuses it: %v", err)
	}
	if err := library.Verify(append(slices.Clone(p.Body), ' '), p.Header); err == nil {
		t.Error("the library verifies another body too")
	}
}

// everyHeader is what a POST carries by default, and the form of each value (specification, section 1).
func everyHeader() map[string]string {
	return map[string]string{
		"Content-Type":        `application/json`,
		"X-Ccid":              `default`,
		"X-B3-Traceid":        `[0-9a-f]{32}`,
		"X-B3-Spanid":         `[0-9a-f]{16}`,
		"X-B3-Sampled":        `1`,
		"X-Hub-Signature":     `sha1=[0-9a-f]{40}`,
		"X-Hub-Signature-256": `sha256=[0-9a-f]{64}`,
		"Webhook-Id":          `[0-9a-f-]{36}`,
		"Webhook-Timestamp":   `\d+`,
		"Webhook-Signature":   `v1,[A-Za-z0-9+/]{43}=`,
		"Hookswitch-Attempt":  `1`,
		"Hookswitch-Delivery": `[0-9a-f-]{36}`,
		"User-Agent":          `Hookswitch/1\.2\.3`,
	}
}

// without drops one of a list.
func without[T comparable](list []T, one T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool { return v == one })
}

func TestHeaders(t *testing.T) {
	signatures := func(off hook.Signature) func(*hook.Settings) {
		return func(s *hook.Settings) { s.Signatures = without(s.Signatures, off) }
	}
	metadata := func(off hook.Metadata) func(*hook.Settings) {
		return func(s *hook.Settings) { s.Metadata = without(s.Metadata, off) }
	}
	for _, tt := range []struct {
		name    string
		change  func(*hook.Settings)
		missing []string
		more    map[string]string
	}{
		{"the default", func(*hook.Settings) {}, nil, nil},
		{"no sha256", signatures(hook.SignatureSHA256), []string{"X-Hub-Signature-256"}, nil},
		{"no standard", signatures(hook.SignatureStandard), []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}, nil},
		{"no attempt", metadata(hook.MetadataAttempt), []string{"Hookswitch-Attempt"}, nil},
		{"no delivery", metadata(hook.MetadataDelivery), []string{"Hookswitch-Delivery"}, nil},
		{"no user agent", metadata(hook.MetadataUserAgent), []string{"User-Agent"}, nil},
		{
			"nothing but the original's",
			func(s *hook.Settings) { s.Signatures, s.Metadata = []hook.Signature{hook.SignatureSHA1}, nil },
			[]string{
				"X-Hub-Signature-256", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature",
				"Hookswitch-Attempt", "Hookswitch-Delivery", "User-Agent",
			},
			nil,
		},
		{
			"its own", func(s *hook.Settings) { s.Headers = map[string]string{"authorization": "Bearer x", "X-Tenant": "7"} },
			nil,
			map[string]string{"Authorization": "Bearer x", "X-Tenant": "7"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWebhook(1, tt.change)
			check(t, w)
			p := one(t, w)
			want := everyHeader()
			for _, name := range tt.missing {
				delete(want, name)
			}
			maps.Copy(want, tt.more)
			if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(p.Header))); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			for name, form := range want {
				values := p.Header[name]
				if len(values) != 1 || !regexp.MustCompile("^"+form+"$").MatchString(values[0]) {
					t.Errorf("%s is %q, want %s", name, values, form)
				}
				if http.CanonicalHeaderKey(name) != name {
					t.Errorf("%s is not canonical", name)
				}
			}
			if !slices.Equal(p.Body, newEvent(7).Payload) {
				t.Errorf("the body is %s", p.Body)
			}
			if p.URL.String() != w.Settings.URL || p.Timeout != time.Duration(w.Settings.RequestTimeout) {
				t.Errorf("posted to %s within %v", p.URL, p.Timeout)
			}
		})
	}
}

// TestHeadersOfItsOwnOverrideNothing gives a webhook every header of ours as one of its own, past the validation, which
// refuses each of them.
func TestHeadersOfItsOwnOverrideNothing(t *testing.T) {
	w := newWebhook(1)
	w.Settings.Headers = map[string]string{}
	for name := range everyHeader() {
		refused := newWebhook(1, func(s *hook.Settings) { s.Headers = map[string]string{name: "mine"} })
		if err := refused.Settings.Validate(""); err == nil {
			t.Errorf("%s is accepted as a header of its own", name)
		}
		w.Settings.Headers[name] = "mine"
	}
	for name, values := range one(t, w).Header {
		if len(values) != 1 || values[0] == "mine" {
			t.Errorf("%s is %q", name, values)
		}
	}
}

// TestTestIsMarked sends a test.
func TestTestIsMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, seen := newWebhook(1), new(log)
		q := newMemory(w)
		e, _ := start(t, q, seen.of(after(time.Second, hook.Answer{Status: 404, Response: []byte("no such thing")})))
		a := e.Test(t.Context(), w)
		if a.Number != 1 || a.Status != 404 || a.Failure != hook.FailureStatus || string(a.Response) != "no such thing" || a.Duration != time.Second {
			t.Errorf("got %+v", a)
		}
		p := seen.posts()[0]
		wantSigned(t, p.Post, w)
		if p.Header.Get("Hookswitch-Test") != "true" || p.Header.Get("Hookswitch-Delivery") != "" || len(p.Header) != len(everyHeader()) {
			t.Errorf("headers %v", p.Header)
		}
		if entities := parsed(t, p.Post).Entities; len(entities) != 1 || entities[0].Event != interaction.EventStarted {
			t.Errorf("entities %v", entities)
		}
		if len(q.recorded()) != 0 || q.left() != 0 || circuitOf(e, 1).Failures != 0 {
			t.Error("a test left traces")
		}
	})
}

// TestAttemptsCarryTheSame follows a delivery on the real store over failures, a restart, exhaustion and a replay.
func TestAttemptsCarryTheSame(t *testing.T) {
	path := database(t)
	synctest.Test(t, func(t *testing.T) {
		seen := new(log)
		s := seen.of(after(50*time.Millisecond, hook.Answer{Status: 500}))
		n := startNode(t, path, s)
		w := n.webhook(t, 1, func(s *hook.Settings) {
			s.Retry = hook.Retry{Timeout: hook.Duration(2 * time.Second), Attempts: 3, Backoff: 1, MaxTimeout: hook.Duration(2 * time.Second)}
		})
		n.accept(t, begin(1))
		<-time.After(3 * time.Second)
		n.end()
		n = startNode(t, path, s)
		eventually(t, time.Minute, "exhausted", func() bool { return len(n.list(t, hook.DeliveryExhausted)) == 1 })
		if posts := len(seen.posts()); posts != 4 {
			t.Errorf("%d POSTs before it was exhausted", posts)
		}
		id := n.list(t, hook.DeliveryExhausted)[0].ID
		<-time.After(time.Second) // a replay goes out at once, and timestamps are whole seconds
		if _, err := n.ReplayDelivery(t.Context(), 1, id, time.Now(), nil); err != nil {
			t.Fatal(err)
		}
		eventually(t, time.Minute, "exhausted again", func() bool { return len(n.list(t, hook.DeliveryExhausted)) == 1 })
		events, _, err := n.Events(t.Context(), 1, "", 10)
		if err != nil || len(events) != 1 {
			t.Fatalf("events %v: %v", events, err)
		}
		posts, spans, stamps := seen.posts(), new(tally[string]), new(tally[string])
		for i, p := range posts {
			h := p.Header
			if !slices.Equal(p.Body, events[0].Event.Payload) {
				t.Errorf("POST %d has the body %s", i, p.Body)
			}
			if spans.count(h.Get("X-B3-SpanId")) != 1 || stamps.count(h.Get("webhook-timestamp")) != 1 {
				t.Errorf("POST %d repeats a span or a timestamp", i)
			}
			want := []string{events[0].Event.OperationID.TraceID(), events[0].Event.OperationID.String(), id.String(), strconv.Itoa(i + 1)}
			got := []string{h.Get("X-B3-TraceId"), h.Get("webhook-id"), h.Get("Hookswitch-Delivery"), h.Get("Hookswitch-Attempt")}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("POST %d (-want +got):\n%s", i, diff)
			}
			key := [][]byte{[]byte(w.Secrets.Current.Reveal())}
			if err := signature.VerifyStandard(h, p.Body, key, p.at, time.Second); err != nil {
				t.Errorf("POST %d: %v", i, err)
			}
		}
		d, err := n.Delivery(t.Context(), 1, id)
		if err != nil || len(posts) != 8 || len(d.Attempts) != 8 || d.State != hook.DeliveryExhausted {
			t.Errorf("%d POSTs, logged as %+v: %v", len(posts), d, err)
		}
		event, err := n.EventOf(t.Context(), 1, id)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range d.Attempts { // and each of them can be shown as it was
			got, err := n.engine.Request(w, event, a.Number, a.StartedAt)
			if diff := cmp.Diff(posts[i].Header, got); err != nil || diff != "" {
				t.Errorf("attempt %d: %v (-sent +shown):\n%s", a.Number, err, diff)
			}
		}
	})
}

// Basic is among the headers, as in the example of RFC 7617, section 2; what the sender needs itself comes with the POST, shared and not
// copied, and only where there is something.
func TestCredentialsOfThePost(t *testing.T) {
	w := newWebhook(1)
	if sent := one(t, w); sent.Credentials != nil || sent.Header.Get("Authorization") != "" {
		t.Errorf("without credentials: %v", sent.Header)
	}
	w.Settings.Authorization.Basic = &hook.BasicAuth{Username: "Aladdin", Password: hook.NewSecret("open sesame")}
	if sent := one(t, w); sent.Credentials != nil || sent.Header.Get("Authorization") != "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" {
		t.Errorf("with Basic: %v", sent.Header)
	}
	w.Settings.Authorization = hook.Authorization{OAuth2: &hook.ClientCredentials{}}
	if sent := one(t, w); sent.Credentials != &w.Settings.Credentials || sent.Header.Get("Authorization") != "" {
		t.Errorf("with OAuth2: %v", sent.Header)
	}
	w.Settings.Authorization, w.Settings.TLS.Roots = hook.Authorization{}, "roots"
	if sent := one(t, w); sent.Credentials != &w.Settings.Credentials {
		t.Error("with TLS of its own: none")
	}
}
