package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/egress"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/signature"
)

// operators is a receiver of notices, which looks at everything that a stranger would.
type operators struct {
	t        *testing.T
	verifier *signature.Verifier
	got      chan hook.CloudEvent
}

// ServeHTTP takes a notice.
func (o *operators) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		o.t.Error(err)
	}
	err = errors.Join(o.verifier.Verify(r.Header, body), o.verifier.VerifyStandard(r.Header, body, time.Now(), time.Minute))
	if err != nil {
		o.t.Errorf("the signatures are wrong: %v", err)
	}
	// Structured mode: the media type says so, and the body has the attributes (CloudEvents, HTTP Protocol Binding, section 3.2).
	if got := r.Header.Get("Content-Type"); got != "application/cloudevents+json; charset=utf-8" {
		o.t.Errorf("Content-Type: %s", got)
	}
	var attributes map[string]any
	if err := json.Unmarshal(body, &attributes); err != nil {
		o.t.Errorf("%v: %s", err, body)
	}
	for _, required := range []string{"id", "source", "type"} { // non-empty texts, as specversion is (section "REQUIRED Attributes")
		if text, ok := attributes[required].(string); !ok || text == "" {
			o.t.Errorf("%s is %v", required, attributes[required])
		}
	}
	if attributes["specversion"] != "1.0" || r.Header.Get("webhook-id") != attributes["id"] || r.Header.Get("x-ccid") != "default" {
		o.t.Errorf("%v with %v", attributes, r.Header)
	}
	c, err := hook.ParseNotice(body)
	if err != nil {
		o.t.Error(err)
		return
	}
	if got := r.Header.Get(hook.NoticeHeader); got == "" || "io.hookswitch."+got != c.Type {
		o.t.Errorf("%s: %s of %s", hook.NoticeHeader, got, c.Type)
	}
	w.WriteHeader(http.StatusOK)
	o.got <- *c
}

// A receiver dies and comes back: its operators are told each step, by the same engine, signed, as CloudEvents.
func TestOperatorsAreTold(t *testing.T) {
	to := &operators{t: t, verifier: signature.NewVerifier([]byte(secret)), got: make(chan hook.CloudEvent, 100)}
	operatorsAt := httptest.NewServer(to)
	defer operatorsAt.Close()
	var broken atomic.Bool
	broken.Store(true)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer receiver.Close()
	client := egress.New(egress.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	defer client.Close()
	n := startNode(t, database(t), client)
	w := n.webhook(t, 1, func(s *hook.Settings) {
		s.URL = receiver.URL
		s.Retry = hook.Retry{Timeout: hook.RetryTimeoutMin, Attempts: 1, Backoff: 1, MaxTimeout: hook.RetryTimeoutMin}
	})
	n.webhook(t, 2, func(s *hook.Settings) { s.URL, s.Purpose = operatorsAt.URL, hook.PurposeNotices })
	n.accept(t, begin(0)) // which is tried twice
	told := map[string]hook.CloudEvent{}
	for deadline := time.After(time.Minute); len(told) < 4; {
		select {
		case c := <-to.got:
			if c.Subject != w.ID.String() || c.Data.WebhookURL != receiver.URL {
				t.Errorf("it is about %+v", c)
			}
			if _, twice := told[c.Type]; twice {
				t.Errorf("%s is told twice", c.Type)
			}
			told[c.Type] = c
			if c.Kind() == hook.NoticeExhausted {
				for i := range hook.BreakerFailuresDefault {
					n.accept(t, begin(1+i))
				}
			}
			if c.Kind() == hook.NoticeCircuitOpened {
				broken.Store(false)
			}
		case <-deadline:
			t.Fatalf("they were told %v", told)
		}
	}
	for kind, want := range map[hook.NoticeKind]struct{ state, message string }{
		hook.NoticeCircuitOpened: {"open", "are held back"},
		hook.NoticeFailing:       {"closed", "will be given up"},
		hook.NoticeExhausted:     {"closed", "1 delivery to"},
		hook.NoticeCircuitClosed: {"closed", "go out again"},
	} {
		c := told["io.hookswitch."+string(kind)]
		if c.Data.Circuit.State != want.state || !strings.Contains(c.Data.Message, want.message) {
			t.Errorf("%s: %+v, want an %s circuit and …%s…", kind, c.Data, want.state, want.message)
		}
	}
	if d := told["io.hookswitch.delivery.exhausted"].Data.Delivery; d == nil || d.Attempts != 2 || d.Status != 503 {
		t.Errorf("what was given up: %+v", d)
	}
}

// A test of a webhook for notices is a notice, and one that says so.
func TestNoticeOfATest(t *testing.T) {
	var sent hook.Post
	w := newWebhook(1, func(s *hook.Settings) { s.URL, s.Purpose = "mailto:ops@example.com", hook.PurposeNotices })
	w.CenterID = "default"
	check(t, w)
	e := New(Options{PublicURL: publicURL, Sender: sender(func(_ context.Context, p hook.Post) hook.Answer {
		sent = p
		return acknowledge()
	})})
	if a := e.Test(t.Context(), w); !a.Acknowledged() {
		t.Fatalf("%+v", a)
	}
	c, err := hook.ParseNotice(sent.Body)
	if err != nil || c.Kind() != hook.NoticeTest || sent.Header.Get(hook.NoticeHeader) != "test" || sent.Header.Get("Hookswitch-Test") != "true" {
		t.Errorf("%v: %s with %v", err, sent.Body, sent.Header)
	}
	if sent.URL.Scheme != "mailto" || sent.URL.Opaque != "ops@example.com" {
		t.Errorf("it goes to %v", sent.URL)
	}
}
