package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

func TestDrainFinishesWhatWasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, seen := newMemory(newWebhook(1, concurrency(4))), new(log)
		e, stop := start(t, q, seen.of(after(3*time.Second, acknowledge())))
		for n := range 10 {
			q.emit(e, 1, newEvent(n))
		}
		synctest.Wait()
		began := time.Now()
		stop()
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("the drain took %v", took)
		}
		if got := len(q.recorded()); got != 4 || q.released != 6 || len(seen.posts()) != 4 {
			t.Errorf("%d recorded, %d released, %d sent", got, q.released, len(seen.posts()))
		}
		if e.Room(1) || e.Take(&hook.Delivery{Event: newEvent(99), Webhook: 1}) {
			t.Error("the engine takes deliveries after its end")
		}
		if e.Take(&hook.Delivery{Event: newEvent(99), Webhook: 2}) {
			t.Error("a new lane takes deliveries after the end")
		}
	})
}

// TestDrainIsBounded stops while receivers hang: their POSTs are cut off, which is not their failure.
func TestDrainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook(1, func(s *hook.Settings) { s.RequestTimeout = hook.Duration(time.Minute) })
		q, seen := newMemory(w), new(log)
		e, stop := start(t, q, seen.of(after(time.Hour, acknowledge())), func(o *Options) { o.DrainTimeout = 7 * time.Second })
		for n := range 50 {
			q.emit(e, 1, newEvent(n))
		}
		<-time.After(5 * time.Second)
		began := time.Now()
		stop()
		if took := time.Since(began); took != 7*time.Second {
			t.Errorf("the drain took %v", took)
		}
		if got := q.recorded(); len(got) != 0 || q.released != 50 {
			t.Errorf("%d were recorded as failures, %d released", len(got), q.released)
		}
		for key, en := range q.open {
			if en.token != 0 || en.due.After(time.Now()) || en.attempts != 0 {
				t.Errorf("delivery %v is left as %+v", key, en)
			}
		}
	})
}

// TestDrainReleasesWhatWaitsForItsRate stops while workers wait for the rate limit: nothing of theirs was begun.
func TestDrainReleasesWhatWaitsForItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, seen := newMemory(newWebhook(1, func(s *hook.Settings) { s.RateLimit = 1 })), new(log)
		e, stop := start(t, q, seen.of(after(time.Millisecond, acknowledge())))
		for n := range 10 {
			q.emit(e, 1, newEvent(n))
		}
		<-time.After(1_500 * time.Millisecond)
		began := time.Now()
		stop()
		if took := time.Since(began); took > time.Millisecond || len(seen.posts()) != 2 || q.released != 8 {
			t.Errorf("the drain took %v: %d sent, %d released", took, len(seen.posts()), q.released)
		}
	})
}

// TestDrainIsBoundedWithoutStore stops while the store commits nothing and more outcomes wait than may.
func TestDrainIsBoundedWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemory(newWebhook(1))
		q.refuse = func([]hook.Outcome) error { return fmt.Errorf("commit: %w", hook.ErrUnavailable) }
		e, stop := start(t, q, sender(func(context.Context, hook.Post) hook.Answer { return acknowledge() }))
		for n := range 3 * outcomesWaitingMax {
			q.emit(e, 1, newEvent(n))
		}
		<-time.After(10 * time.Second)
		if len(e.recorder.waiting) != outcomesWaitingMax {
			t.Fatalf("%d outcomes wait", len(e.recorder.waiting))
		}
		began := time.Now()
		stop()
		if took := time.Since(began); took > DrainTimeoutDefault+10*time.Second {
			t.Errorf("the drain took %v", took)
		}
	})
}

// TestOutcomesWaitForTheStore takes the store away for a while: outcomes are kept, up to the bound, and then recorded.
func TestOutcomesWaitForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = 3 * outcomesWaitingMax
		q, seen := newMemory(newWebhook(1)), new(log)
		var away atomic.Bool
		away.Store(true)
		q.refuse = func([]hook.Outcome) error {
			if away.Load() {
				return fmt.Errorf("commit: %w", hook.ErrUnavailable)
			}
			return nil
		}
		e, _ := start(t, q, seen.of(func(context.Context, hook.Post) hook.Answer { return acknowledge() }))
		for n := range events {
			q.emit(e, 1, newEvent(n))
			if n%500 == 0 {
				synctest.Wait()
			}
		}
		<-time.After(time.Minute)
		if posts := len(seen.posts()); posts > outcomesWaitingMax+recordMax+32 || posts < outcomesWaitingMax || len(q.recorded()) != 0 {
			t.Errorf("%d POSTs were made whose outcomes nobody can record; %d are recorded", posts, len(q.recorded()))
		}
		if e.held.Load() > deliveriesMax {
			t.Errorf("%d are held", e.held.Load())
		}
		away.Store(false)
		settled(t, q, time.Minute)
		wantEach(t, seen, events)
	})
}

// TestPoisonousOutcomeIsAlone lets the store refuse one outcome for its own sake: the others are recorded, and its delivery
// is sent again when its lease has ended.
func TestPoisonousOutcomeIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemory(newWebhook(1))
		refused := 0
		q.refuse = func(outcomes []hook.Outcome) error {
			for _, o := range outcomes {
				if o.Delivery.Event.Serial == newEvent(42).Serial && refused < 3 {
					if len(outcomes) == 1 {
						refused++
					}
					return errors.New("a constraint")
				}
			}
			return nil
		}
		e, _ := start(t, q, after(time.Second, acknowledge()))
		for n := range 100 {
			q.emit(e, 1, newEvent(n))
		}
		<-time.After(10 * time.Second)
		if left := q.left(); left != 1 {
			t.Errorf("%d are open", left)
		}
		settled(t, q, 5*time.Minute)
		if refused != 3 || q.late != 0 {
			t.Errorf("refused %d times, late %d", refused, q.late)
		}
	})
}

// TestRetriesComeInTime follows deliveries through their schedule: never early, and hardly late.
func TestRetriesComeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// With fewer workers than the circuit's failures, and every third POST acknowledged, the circuit stays closed.
		w := newWebhook(1, concurrency(16), func(s *hook.Settings) {
			s.Retry = hook.Retry{Timeout: hook.Duration(500 * time.Millisecond), Attempts: 6, Backoff: 2, MaxTimeout: hook.Duration(8 * time.Second), Jitter: 0.3}
		})
		check(t, w)
		q := newMemory(w)
		var healthy atomic.Int64
		e, _ := start(t, q, sender(func(ctx context.Context, p hook.Post) hook.Answer {
			if healthy.Add(1)%3 == 0 {
				return acknowledge()
			}
			return after(20*time.Millisecond, hook.Answer{Status: 500, RetryAfter: time.Second})(ctx, p)
		}))
		for n := range 300 {
			q.emit(e, 1, newEvent(n))
			<-time.After(7 * time.Millisecond)
		}
		<-time.After(2 * time.Minute)
		due := map[hook.DeliveryKey]time.Time{}
		for _, o := range q.recorded() {
			at, again := due[o.Delivery.Key()]
			if late := o.Attempt.StartedAt.Sub(at); again && (late < 0 || late > sweepAgain+sweepAgain) {
				t.Fatalf("attempt %d began %v after it was due", o.Attempt.Number, late)
			}
			due[o.Delivery.Key()] = o.Next
		}
		for key, en := range q.open {
			if !en.exhausted || en.attempts != 7 {
				t.Errorf("delivery %v is left as %+v", key, en)
			}
		}
	})
}
