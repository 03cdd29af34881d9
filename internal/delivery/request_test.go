package delivery

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// requestOf returns what Request says of an attempt.
func requestOf(t *testing.T, w *hook.Webhook, e *hook.Event, number int, began time.Time) map[string][]string {
	t.Helper()
	h, err := New(Options{Version: "1.2.3"}).Request(w, e, number, began)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// What is the webhook's own is concealed, whatever it is, and nothing of it is anywhere in the headers.
func TestRequestConcealsWhatIsTheWebhooksOwn(t *testing.T) {
	const secret = "hunter2hunter2hunter2"
	for _, test := range []struct {
		name   string
		change func(*hook.Settings)
		want   []string
	}{
		{"headers", func(s *hook.Settings) {
			s.Headers = map[string]string{"x-tenant": secret, "AUTHORIZATION": "Bearer " + secret}
		}, []string{"X-Tenant", "Authorization"}},
		{"Basic", func(s *hook.Settings) {
			s.Authorization.Basic = &hook.BasicAuth{Username: "user", Password: hook.NewSecret(secret)}
		}, []string{"Authorization"}},
		{"OAuth2", func(s *hook.Settings) {
			s.Authorization.OAuth2 = &hook.ClientCredentials{ClientSecret: hook.NewSecret(secret)}
		}, []string{"Authorization"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := requestOf(t, newWebhook(1), newEvent(7), 3, epoch())
			for _, name := range test.want {
				want[name] = []string{"***"}
			}
			if diff := cmp.Diff(want, requestOf(t, newWebhook(1, test.change), newEvent(7), 3, epoch())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A previous secret signed the attempts that were made before its end, and only those.
func TestRequestSignsWithThePreviousSecretUntilItsEnd(t *testing.T) {
	w := newWebhook(1)
	w.Secrets.Previous, w.Secrets.PreviousUntil = hook.NewSecret("previous 01234567"), epoch().Add(time.Hour)
	for _, test := range []struct {
		name  string
		began time.Time
		valid int
	}{{"before", epoch(), 2}, {"after", epoch().Add(2 * time.Hour), 1}} {
		t.Run(test.name, func(t *testing.T) {
			signatures := 0
			for _, c := range requestOf(t, w, newEvent(7), 1, test.began)[headerStandard][0] {
				if c == ',' {
					signatures++
				}
			}
			if signatures != test.valid {
				t.Errorf("%d signatures, want %d", signatures, test.valid)
			}
		})
	}
}

// Where the payload has been emptied there is nothing that could have been signed; what is left is as it was.
func TestRequestWithoutPayloadHasNoSignatures(t *testing.T) {
	want, emptied := requestOf(t, newWebhook(1), newEvent(7), 1, epoch()), *newEvent(7)
	emptied.Payload = nil
	for _, name := range []string{headerHub, headerHub256, headerStandard} {
		delete(want, name)
	}
	if diff := cmp.Diff(want, requestOf(t, newWebhook(1), &emptied, 1, epoch())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRequestOfALockedWebhook(t *testing.T) {
	w := newWebhook(1)
	w.Secrets = hook.Secrets{}
	if h, err := New(Options{}).Request(w, newEvent(7), 1, epoch()); !errors.Is(err, hook.ErrLocked) || h != nil {
		t.Errorf("got %v, %v", h, err)
	}
}

// The notice's kind is in the payload, as it was when it was sent.
func TestRequestOfANotice(t *testing.T) {
	w := newWebhook(1, func(s *hook.Settings) { s.Purpose = hook.PurposeNotices })
	event, err := testEvent(w, epoch(), publicURL)
	if err != nil {
		t.Fatal(err)
	}
	kind := string(event.Notice)
	event.Notice = "" // as the store returns it
	if got := requestOf(t, w, event, 1, epoch())[hook.NoticeHeader]; len(got) != 1 || got[0] != kind {
		t.Errorf("%s is %q, want %q", hook.NoticeHeader, got, kind)
	}
	event.Payload = nil
	if got := requestOf(t, w, event, 1, epoch())[hook.NoticeHeader]; got != nil {
		t.Errorf("%s is %q without a payload", hook.NoticeHeader, got)
	}
}

// The span is what the documentation says, and changes with each part of that.
func TestSpanIsMadeOfTheAttempt(t *testing.T) {
	trace, id := "0123456789abcdef0123456789abcdef", hook.DeliveryID{UUID: hook.UUID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}
	began := time.UnixMilli(1_700_000_000_123)
	span := func(of [8]byte) string { return hex.EncodeToString(of[:]) }
	if got, want := span(spanOf(trace, id, 2, began.Add(time.Microsecond))), knownSpan; got != want {
		t.Errorf("span %s, want %s", got, want)
	}
	seen := map[string]string{knownSpan: "the first"}
	for name, other := range map[string][8]byte{
		"another trace":    spanOf("1"+trace[1:], id, 2, began),
		"another delivery": spanOf(trace, hook.NewDeliveryID(7, 2), 2, began),
		"another number":   spanOf(trace, id, 3, began),
		"another time":     spanOf(trace, id, 2, began.Add(time.Millisecond)),
	} {
		if before, ok := seen[span(other)]; ok {
			t.Errorf("%s is %s", name, before)
		}
		seen[span(other)] = name
	}
}

// Every POST carries its span in the header that says so: see TestAttemptsCarryTheSame. One of several has that of its first delivery.
func TestSpanOfABatch(t *testing.T) {
	first, second := &hook.Delivery{Event: newEvent(7), Webhook: 1}, &hook.Delivery{Event: newEvent(8), Webhook: 1, Attempts: 4}
	m, err := compose([]*hook.Delivery{first, second})
	if err != nil {
		t.Fatal(err)
	}
	var sent hook.Post
	q := newMemory(newWebhook(1, func(s *hook.Settings) { s.Batch.MaxEvents = 2 }))
	e := New(Options{Queue: q, Sender: sender(func(_ context.Context, p hook.Post) hook.Answer {
		sent = p
		return acknowledge()
	})})
	end := run(t, e.Run)
	for _, d := range []*hook.Delivery{first, second} {
		d.Lease.Until = time.Now().Add(time.Hour)
	}
	before := time.Now()
	e.lane(1).send([]*hook.Delivery{first, second})
	end()
	for at := before.Truncate(time.Millisecond); !at.After(time.Now()); at = at.Add(time.Millisecond) {
		span := spanOf(m.trace, first.ID(), 5, at)
		if sent.Header.Get("X-B3-SpanId") == hex.EncodeToString(span[:]) {
			return
		}
	}
	t.Errorf("the span %s is of no moment since then", fmt.Sprint(sent.Header["X-B3-Spanid"]))
}

// knownSpan was made with sha256sum of the trace, the 16 bytes of the delivery's id, 00 00 00 00 00 00 00 02 and 00 00 01 8b cf e5 68 7b.
const knownSpan = "afd93fb6ab25d8a3"
