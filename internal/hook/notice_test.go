package hook_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// A quiet period is quiet, and whatever is held back is told: the counts of all notices, and what is still held, are what happened.
func TestQuietPeriodLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quiet := time.Duration(rapid.Int64Range(int64(hook.NoticeQuietShortest), int64(hook.NoticeQuietLongest)).Draw(t, "quiet"))
		now := time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC)
		var mark hook.NoticeMark
		var happened, told int64
		var last time.Time
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*quiet)).Draw(t, "passes")))
			times := rapid.Int64Range(0, 10_000).Draw(t, "times") // none is what the loop asks when it looks
			count, next := mark.Happen(now, quiet, times)
			happened += times
			told += count
			if count > 0 {
				if !last.IsZero() && now.Sub(last) < quiet {
					t.Fatalf("two notices within %v, of %v", now.Sub(last), quiet)
				}
				last = now
			}
			if count == 0 && times > 0 && (last.IsZero() || now.Sub(last) >= quiet) {
				t.Fatalf("held back although it was not told for %v", now.Sub(last))
			}
			if mark = next; told+mark.Held != happened {
				t.Fatalf("%d told and %d held back of %d", told, mark.Held, happened)
			}
		}
		if count, _ := mark.Happen(now.Add(quiet), quiet, 0); told+count != happened {
			t.Fatalf("when it is over, %d are told of %d", told+count, happened)
		}
	})
}

// A clock that was far ahead once silences nobody when it is set right.
func TestMarkFromTheFuture(t *testing.T) {
	now := time.Now()
	mark := hook.NoticeMark{Last: now.Add(365 * 24 * time.Hour)}
	if told, _ := mark.Happen(now, time.Hour, 1); told != 1 {
		t.Error("it is held back for a year")
	}
	mark.Last = now.Add(time.Second) // of a node whose clock is a little ahead
	if told, _ := mark.Happen(now, time.Hour, 1); told != 0 {
		t.Error("it is told twice")
	}
}

func TestFailingIsToldBeforeItIsGivenUp(t *testing.T) {
	for _, test := range []struct{ attempts, warned int }{{0, 0}, {1, 1}, {2, 1}, {4, 1}, {5, 1}, {8, 2}, {19, 4}, {100, 25}} {
		r := hook.DefaultSettings().Retry
		r.Attempts = test.attempts
		for _, base := range []int{0, 7} {
			warned := 0
			for n := 1; n <= r.Attempts; n++ { // the one after these is the last
				o := hook.Outcome{Delivery: &hook.Delivery{Base: base}, Attempt: hook.Attempt{Number: base + n, Failure: hook.FailureStatus}, Next: time.Unix(1, 0)}
				if r.Failing(&o) {
					warned++
				} else if warned > 0 {
					t.Errorf("attempts %d: warned before attempt %d, and then no more", test.attempts, n)
				}
				o.Attempt.Failure = hook.FailureNone
				if r.Failing(&o) {
					t.Error("an acknowledgement is warned of")
				}
			}
			last := hook.Outcome{Delivery: &hook.Delivery{Base: base}, Attempt: hook.Attempt{Number: base + r.Attempts + 1, Failure: hook.FailureStatus}}
			if r.Failing(&last) {
				t.Error("what is given up is warned of")
			}
			if warned != test.warned {
				t.Errorf("attempts %d: warned %d times, want %d", test.attempts, warned, test.warned)
			}
		}
	}
}

// The time at which a delivery is given up is the sum of the waits that are left.
func TestGivesUpAt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRetry().Draw(t, "retry")
		if r.Attempts == 0 {
			return
		}
		failed, base := rapid.IntRange(1, r.Attempts).Draw(t, "failed"), rapid.IntRange(0, 5).Draw(t, "base")
		next := time.Now()
		o := hook.Outcome{Delivery: &hook.Delivery{Base: base}, Attempt: hook.Attempt{Number: base + failed, Failure: hook.FailureStatus}, Next: next}
		want := next
		for n := failed + 1; n <= r.Attempts; n++ { // the attempt after the last wait gives up
			want = want.Add(r.Wait(n, 0, middle))
		}
		if got := r.GivesUpAt(&o); !got.Equal(want) {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

func noticeWebhook() *hook.Webhook {
	w := &hook.Webhook{
		ID: hook.WebhookID{UUID: hook.UUID{15: 1}}, ContactCenter: 1, CenterID: "default", Settings: validSettings(), Enabled: true,
		Circuit: hook.Circuit{Since: time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC)},
	}
	w.Settings.URL += "?token=secret"
	w.Settings.Description = "the <billing> system, 100 %s"
	w.Settings.Disable.After = hook.Duration(time.Hour)
	return w
}

// The moments of a circuit that stays open are told in their order, whatever the settings are.
func TestNoticeMoments(t *testing.T) {
	w := noticeWebhook()
	for _, test := range []struct {
		disable, after, moment time.Duration
		urgent                 bool
	}{
		{0, 5*time.Minute - 1, 0, false},
		{0, 5 * time.Minute, 5 * time.Minute, false},
		{0, 100 * time.Hour, 5 * time.Minute, false},
		{time.Hour, 44 * time.Minute, 5 * time.Minute, false},
		{time.Hour, 45 * time.Minute, 45 * time.Minute, true},
		{4 * time.Minute, 3 * time.Minute, 3 * time.Minute, true},
		{4 * time.Minute, 5 * time.Minute, 3 * time.Minute, true},
	} {
		w.Settings.Disable.After = hook.Duration(test.disable)
		var want time.Time
		if test.moment > 0 {
			want = w.Circuit.Since.Add(test.moment)
		}
		if moment, urgent := hook.NoticeMoment(w, w.Circuit.Since.Add(test.after)); !moment.Equal(want) || urgent != test.urgent {
			t.Errorf("disabled after %v, %v later: %v and %v, want %v and %v", test.disable, test.after, moment, urgent, want, test.urgent)
		}
	}
	w.Circuit = hook.Circuit{}
	if moment, _ := hook.NoticeMoment(w, time.Now()); !moment.IsZero() {
		t.Error("a closed circuit is failing")
	}
}

// What every notice has is what CloudEvents 1.0.2 asks for ("Context Attributes"), and it never shows the query of a URL.
func TestNoticeIsACloudEvent(t *testing.T) {
	at := time.Date(2026, 11, 22, 16, 30, 0, 0, time.UTC)
	for _, kind := range append(hook.NoticeKinds(), hook.NoticeTest) {
		for _, summary := range []bool{false, true} {
			n := &hook.Notice{Kind: kind, Webhook: noticeWebhook(), At: at, Count: 3, Summary: summary}
			if !summary && kind == hook.NoticeExhausted {
				n.NoticeDetail = hook.NoticeDetail{
					Delivery: hook.NewDeliveryID(1<<30, 7), Interaction: hook.InteractionID{UUID: hook.UUID{1}}, Event: interaction.EventStarted,
					Attempt: hook.Attempt{Number: 20, Status: 503, Failure: hook.FailureStatus},
				}
			}
			e, err := hook.NewNoticeEvent(n, 1, hook.OperationID{UUID: hook.UUID{2}}, "https://hookswitch.example")
			if err != nil {
				t.Fatal(err)
			}
			checkCloudEvent(t, e.Payload, "io.hookswitch."+string(kind))
			parsed, err := hook.ParseNotice(e.Payload)
			if err != nil || parsed.Kind() != kind || e.Kind != hook.KindNotice || e.Notice != kind {
				t.Errorf("%s is read as %+v: %v", kind, parsed, err)
			}
			if strings.Contains(string(e.Payload), "secret") || strings.Contains(parsed.Data.Message, "%!") || !strings.Contains(parsed.Data.Message, "receiver.example") {
				t.Errorf("%s: %s", kind, e.Payload)
			}
		}
	}
}

// checkCloudEvent compares a payload with the text of the specification.
func checkCloudEvent(t *testing.T, payload []byte, wantType string) {
	t.Helper()
	var attributes map[string]any
	if err := json.Unmarshal(payload, &attributes); err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`^[a-z0-9]{1,20}$`) // "lower-case letters or digits", at most 20
	for key := range attributes {
		if !name.MatchString(key) {
			t.Errorf("the attribute %q has no proper name", key)
		}
	}
	want := map[string]any{
		"specversion": "1.0", "id": "02000000-0000-0000-0000-000000000000", "source": "https://hookswitch.example/v1/contact-centers/default",
		"type": wantType, "subject": "00000000-0000-0000-0000-000000000001", "time": "2026-11-22T16:30:00.000Z",
		"datacontenttype": "application/json",
	}
	data, ok := attributes["data"].(map[string]any)
	if !ok {
		t.Errorf("data is %v", attributes["data"])
	}
	delete(attributes, "data")
	if diff := cmp.Diff(want, attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	for _, field := range []string{"message", "webhookId", "webhookUrl", "count", "enabled", "circuit"} {
		if data[field] == nil {
			t.Errorf("%s: data has no %s", wantType, field)
		}
	}
}

// The commands that notices name are those of the program, with numbers that the settings allow.
func TestNoticeFix(t *testing.T) {
	w := noticeWebhook()
	w.CenterID = hook.DefaultContactCenter
	fix := func(kind hook.NoticeKind) string {
		e, err := hook.NewNoticeEvent(&hook.Notice{Kind: kind, Webhook: w}, 1, hook.OperationID{}, "")
		if err != nil {
			t.Fatal(err)
		}
		c, err := hook.ParseNotice(e.Payload)
		if err != nil {
			t.Fatal(err)
		}
		return c.Data.Fix
	}
	id := w.ID.String()
	if got, want := fix(hook.NoticeBacklog), "hookswitch webhooks update "+id+" --concurrency 64"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	w.Settings.RateLimit = hook.RateLimitMax
	if got, want := fix(hook.NoticeBacklog), "hookswitch webhooks update "+id+" --rate-limit 100000"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := fix(hook.NoticeDisabled), "hookswitch webhooks test "+id+" && hookswitch webhooks enable "+id; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := fix(hook.NoticeCircuitClosed); got != "" {
		t.Errorf("%q, want nothing", got)
	}
	w.CenterID = "acme"
	id += " --contact-center acme"
	if got, want := fix(hook.NoticeExhausted), "hookswitch webhooks test "+id+" && hookswitch replay --webhook "+id+" --from 720h --dry-run"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
