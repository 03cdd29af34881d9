package delivery

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// TestOpenCircuitSendsOneProbeAtATime breaks a receiver under load, watches the probes and lets it recover.
func TestOpenCircuitSendsOneProbeAtATime(t *testing.T) {
	for name, limit := range map[string]int{"no limit": 0, "rate limit": 40} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const events, most = 1_500, 8
				q, seen := newMemory(newWebhook(1, concurrency(most), func(s *hook.Settings) { s.RateLimit = limit })), new(log)
				// A claim is under way when the circuit opens: the third, after 930 ms.
				q.claimTakes = 330 * time.Millisecond
				for n := range events {
					q.store(1, newEvent(n))
				}
				var broken atomic.Bool
				broken.Store(true)
				e, _ := start(t, q, seen.of(func(ctx context.Context, p hook.Post) hook.Answer {
					if broken.Load() {
						return after(200*time.Millisecond, hook.Answer{Status: 503})(ctx, p)
					}
					return after(50*time.Millisecond, acknowledge())(ctx, p)
				}))
				<-time.After(4 * time.Second)
				if !circuitOf(e, 1).open() {
					t.Fatal("the circuit is closed")
				}
				opened := len(seen.posts())
				if opened > circuitFailuresMax+most-1 {
					t.Errorf("%d POSTs were made until the circuit opened", opened)
				}
				<-time.After(10 * time.Minute)
				probes := seen.posts()[opened:]
				if len(probes) < 8 || len(probes) > 15 { // 5, 10, 20, 40, 60, 60 … seconds apart
					t.Errorf("%d probes in ten minutes", len(probes))
				}
				for i := range probes[1:] {
					if gap := probes[i+1].at.Sub(probes[i].at); gap < 10*time.Second {
						t.Errorf("probe %d follows after %v", i+1, gap)
					}
				}
				broken.Store(false)
				settled(t, q, 10*time.Minute)
				attempts := map[hook.DeliveryKey]int{}
				for _, o := range q.recorded() {
					attempts[o.Delivery.Key()] = max(attempts[o.Delivery.Key()], o.Attempt.Number)
				}
				used := 0
				for _, n := range attempts {
					used += n - 1
				}
				if used != opened+len(probes) && used != opened+len(probes)+1 {
					t.Errorf("%d attempts were used up while it was broken, %d POSTs were made", used, opened+len(probes))
				}
				if e.held.Load() != 0 || circuitOf(e, 1) != (circuit{}) {
					t.Errorf("in the end %d are held and the circuit is %+v", e.held.Load(), circuitOf(e, 1))
				}
			})
		})
	}
}

// TestSlowFailuresAreNoProbes lets attempts that had begun before the circuit opened fail long after it: they move nothing.
func TestSlowFailuresAreNoProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemory(newWebhook(1, concurrency(64), func(s *hook.Settings) { s.RequestTimeout = hook.Duration(time.Minute) }))
		var slow atomic.Bool
		e, _ := start(t, q, sender(func(ctx context.Context, p hook.Post) hook.Answer {
			if !slow.Load() {
				return hook.Answer{Status: 500}
			}
			return after(30_500*time.Millisecond, hook.Answer{Status: 500})(ctx, p)
		}))
		for n := range circuitFailuresMax - 1 {
			q.emit(e, 1, newEvent(n))
			synctest.Wait()
		}
		slow.Store(true)
		for n := range 10 {
			q.emit(e, 1, newEvent(100+n))
			synctest.Wait()
		}
		slow.Store(false)
		q.emit(e, 1, newEvent(200)) // the twentieth failure in a row
		synctest.Wait()
		opened := circuitOf(e, 1)
		if !opened.open() || opened.wait != 5*time.Second {
			t.Fatalf("the circuit is %+v", opened)
		}
		<-time.After(29 * time.Second)
		if now := circuitOf(e, 1); now.wait != opened.wait || now.probeAt != opened.probeAt {
			t.Errorf("a probe went out beside the attempts of before: %+v", now)
		}
		<-time.After(1_510 * time.Millisecond) // before the next sweep finds what to probe with
		if now := circuitOf(e, 1); now.wait != opened.wait || now.probeAt != opened.probeAt {
			t.Errorf("attempts of before the opening moved the probe: %+v", now)
		}
	})
}

// TestLateSuccessCloses lets an attempt that had begun before the circuit opened succeed: the receiver is well.
func TestLateSuccessCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemory(newWebhook(1, concurrency(64)))
		var slow atomic.Bool
		slow.Store(true)
		e, _ := start(t, q, sender(func(ctx context.Context, p hook.Post) hook.Answer {
			if slow.Load() {
				return after(3*time.Second, acknowledge())(ctx, p)
			}
			return hook.Answer{Status: 500}
		}))
		q.emit(e, 1, newEvent(0))
		synctest.Wait()
		slow.Store(false)
		for n := range circuitFailuresMax {
			q.emit(e, 1, newEvent(n+1))
			synctest.Wait()
		}
		if !circuitOf(e, 1).open() {
			t.Fatal("the circuit is closed")
		}
		slow.Store(true)
		<-time.After(3*time.Second + time.Millisecond)
		if circuitOf(e, 1).open() {
			t.Error("the circuit stays open after a success")
		}
		settled(t, q, time.Minute)
	})
}
