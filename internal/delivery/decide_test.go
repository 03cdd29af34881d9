package delivery

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// epoch is when the pure tests happen.
func epoch() time.Time { return time.Date(2026, 3, 29, 0, 59, 59, 0, time.UTC) }

// anySettings generates legal settings, as far as a decision looks at them.
func anySettings() *rapid.Generator[*hook.Settings] {
	return rapid.Custom(func(t *rapid.T) *hook.Settings {
		s := hook.DefaultSettings()
		timeout := rapid.Int64Range(int64(hook.RetryTimeoutMin), int64(hook.RetryTimeoutMax)).Draw(t, "timeout")
		s.Retry = hook.Retry{
			Timeout:    hook.Duration(timeout),
			Attempts:   rapid.IntRange(0, hook.RetryAttemptsMax).Draw(t, "attempts"),
			Backoff:    rapid.Float64Range(hook.RetryBackoffMin, hook.RetryBackoffMax).Draw(t, "backoff"),
			MaxTimeout: hook.Duration(rapid.Int64Range(timeout, int64(hook.RetryTimeoutMax)).Draw(t, "maxTimeout")),
			Jitter:     rapid.Float64Range(0, hook.RetryJitterMax).Draw(t, "jitter"),
		}
		s.Success = rapid.SampledFrom([]hook.Success{hook.Success200, hook.Success2xx}).Draw(t, "success")
		return &s
	})
}

// anyAnswer generates what may come back from a receiver.
func anyAnswer() *rapid.Generator[hook.Answer] {
	return rapid.Custom(func(t *rapid.T) hook.Answer {
		a := hook.Answer{
			Took:       time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "took")),
			RetryAfter: time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "retryAfter")),
		}
		if rapid.Bool().Draw(t, "answers") {
			a.Status = rapid.IntRange(100, 599).Draw(t, "status")
			return a
		}
		a.Failure = rapid.SampledFrom(hook.Failures()).Draw(t, "failure")
		return a
	})
}

func anyRandom() *rapid.Generator[float64] { return rapid.Float64Range(0, math.Nextafter(1, 0)) }

// TestDeliveryEndsWithItsAttempts plays whole lives of deliveries, replays included: each round ends with the first
// acknowledgement, or is exhausted with exactly one attempt more than the redeliveries.
func TestDeliveryEndsWithItsAttempts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySettings().Draw(t, "settings")
		before := rapid.IntRange(0, 300).Draw(t, "attempts before the replay")
		d := &hook.Delivery{Event: newEvent(1), Webhook: 1, Attempts: before, Base: before}
		now := epoch()
		for made := 1; ; made++ {
			a := anyAnswer().Draw(t, "answer")
			o := decide(d, s, now, &a, 1, anyRandom().Draw(t, "random"))
			ended := now.Add(a.Took)
			last := made == s.Retry.Attempts+1
			switch {
			case o.Attempt.Number != before+made || !o.Attempt.StartedAt.Equal(now) || o.Attempt.Duration != a.Took:
				t.Fatalf("attempt %d after %d is logged as %+v", made, before, o.Attempt)
			case o.Attempt.Acknowledged() != (s.Success.Judge(&a) == hook.FailureNone):
				t.Fatalf("%+v is logged as %v", a, o.Attempt.Failure)
			case o.Attempt.Acknowledged() && !o.Next.IsZero():
				t.Fatalf("acknowledged, but due again at %v", o.Next)
			case o.Attempt.Acknowledged():
				return
			case o.Exhausts() != last:
				t.Fatalf("exhausted is %v after attempt %d of %d", o.Exhausts(), made, s.Retry.Attempts+1)
			case last:
				return
			case o.Next.Before(ended):
				t.Fatalf("due at %v, before the answer ended at %v", o.Next, ended)
			case o.Next.Before(ended.Add(min(a.RetryAfter, time.Duration(s.Retry.MaxTimeout)))):
				t.Fatalf("due at %v, which a Retry-After of %v does not allow", o.Next, a.RetryAfter)
			case o.Next.After(ended.Add(time.Duration(s.Retry.MaxTimeout))):
				t.Fatalf("due at %v, later than %v allows", o.Next, s.Retry.MaxTimeout)
			}
			d.Attempts, now = o.Attempt.Number, o.Next
		}
	})
}

func TestDecideKeepsWhatTheReceiverSaid(t *testing.T) {
	s := hook.DefaultSettings()
	a := hook.Answer{Status: 503, Response: []byte("busy"), Error: "", Took: time.Second, RetryAfter: time.Minute}
	o := decide(&hook.Delivery{Event: newEvent(1), Webhook: 1}, &s, epoch(), &a, 1, 0)
	if o.Attempt.Status != 503 || string(o.Attempt.Response) != "busy" || o.Attempt.Failure != hook.FailureStatus {
		t.Errorf("got %+v", o.Attempt)
	}
	if want := epoch().Add(time.Second + time.Minute); !o.Next.Equal(want) {
		t.Errorf("due at %v, want %v", o.Next, want)
	}
}
