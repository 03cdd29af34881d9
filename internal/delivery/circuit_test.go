package delivery

import (
	"context"
	"sync"
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
				if !circuitOf(e, 1).Open() {
					t.Fatal("the circuit is closed")
				}
				opened := len(seen.posts())
				if opened > hook.BreakerFailuresDefault+most-1 {
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
				if e.held.Load() != 0 || atRest(circuitOf(e, 1)) != (hook.Breaker{}) {
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
		for n := range hook.BreakerFailuresDefault - 1 {
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
		if !opened.Stored.Open() || opened.Stored.Wait != 5*time.Second {
			t.Fatalf("the circuit is %+v", opened)
		}
		<-time.After(29 * time.Second)
		if now := circuitOf(e, 1); !now.Stored.Is(opened.Stored) {
			t.Errorf("a probe went out beside the attempts of before: %+v", now)
		}
		<-time.After(1_510 * time.Millisecond) // before the next sweep finds what to probe with
		if now := circuitOf(e, 1); !now.Stored.Is(opened.Stored) {
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
		for n := range hook.BreakerFailuresDefault {
			q.emit(e, 1, newEvent(n+1))
			synctest.Wait()
		}
		if !circuitOf(e, 1).Open() {
			t.Fatal("the circuit is closed")
		}
		slow.Store(true)
		<-time.After(3*time.Second + time.Millisecond)
		if circuitOf(e, 1).Open() {
			t.Error("the circuit stays open after a success")
		}
		settled(t, q, time.Minute)
	})
}

// glimpsing is a store as a node sees it whose knowledge of webhooks is a second old, unless it has changed something itself.
type glimpsing struct {
	*memory
	mu   sync.Mutex // guards what follows
	seen *hook.Webhook
	at   time.Time
}

func (q *glimpsing) WebhookByNumber(n hook.WebhookNumber) (*hook.Webhook, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.seen == nil || time.Since(q.at) >= time.Second {
		q.seen, _ = q.memory.WebhookByNumber(n)
		q.at = time.Now()
	}
	return q.seen, true
}

func (q *glimpsing) SwapCircuit(ctx context.Context, n hook.WebhookNumber, from, to hook.Circuit) (bool, error) {
	swapped, err := q.memory.SwapCircuit(ctx, n, from, to)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seen = nil
	return swapped, err
}

// TestManyNodesShareACircuit breaks a receiver to which three nodes deliver. After what was in flight when the first of them opened
// the circuit, and what the others began before they saw that, there is one probe at a time on all of them together; when the
// receiver is well, all of them deliver again.
func TestManyNodesShareACircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events, most, nodes = 10_000, 16, 3
		q, seen := newMemory(newWebhook(1, concurrency(most))), new(log)
		for n := range events {
			q.store(1, newEvent(n))
		}
		var broken atomic.Bool
		broken.Store(true)
		own := make([]*log, nodes)
		engines := make([]*Engine, nodes)
		for i := range nodes {
			own[i] = new(log)
			engines[i], _ = start(t, &glimpsing{memory: q}, own[i].of(seen.of(func(ctx context.Context, p hook.Post) hook.Answer {
				if broken.Load() {
					return after(200*time.Millisecond, hook.Answer{Status: 503})(ctx, p)
				}
				return after(50*time.Millisecond, acknowledge())(ctx, p)
			})))
		}
		<-time.After(4 * time.Second)
		opened := len(seen.posts())
		if most := nodes * (hook.BreakerFailuresDefault + most - 1); opened > most || !q.circuit(1).Open() {
			t.Errorf("%d POSTs were made, and the circuit is %+v", opened, q.circuit(1))
		}
		swaps := q.swapped()
		<-time.After(20 * time.Minute)
		probes := seen.posts()[opened:]
		if len(probes) < 15 || len(probes) > 24 { // 5, 10, 20, 40, 60, 60 … seconds apart
			t.Errorf("%d probes in twenty minutes", len(probes))
		}
		for i := range probes[1:] {
			if gap := probes[i+1].at.Sub(probes[i].at); gap < 10*time.Second {
				t.Errorf("probe %d follows after %v", i+1, gap)
			}
		}
		if swaps = q.swapped() - swaps; swaps > (nodes+1)*(len(probes)+1) {
			t.Errorf("the circuit was changed %d times for %d probes", swaps, len(probes))
		}
		attempts := map[hook.DeliveryKey]int{}
		for _, o := range q.recorded() {
			attempts[o.Delivery.Key()] = o.Attempt.Number
		}
		used := 0
		for _, n := range attempts {
			used += n
		}
		if posts := len(seen.posts()); used != posts {
			t.Errorf("%d attempts are used up by %d POSTs", used, posts)
		}
		broken.Store(false)
		settled(t, q, 5*time.Minute)
		<-time.After(2 * sweepEvery)
		for i, e := range engines {
			before := len(own[i].posts())
			q.emit(e, 1, newEvent(events+i))
			synctest.Wait()
			if len(own[i].posts()) != before+1 || atRest(circuitOf(e, 1)) != (hook.Breaker{}) {
				t.Errorf("in the end node %d does not deliver at once; it has %+v", i, circuitOf(e, 1))
			}
		}
		if q.late != 0 {
			t.Errorf("%d outcomes came late", q.late)
		}
	})
}

// TestClosedCircuitCostsNothing delivers what fails now and then: the store hears nothing of circuits.
func TestClosedCircuitCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, count := newMemory(newWebhook(1, concurrency(4))), atomic.Int64{}
		e, _ := start(t, q, sender(func(context.Context, hook.Post) hook.Answer {
			if count.Add(1)%4 != 0 {
				return hook.Answer{Status: 500}
			}
			return acknowledge()
		}))
		for n := range 500 {
			q.emit(e, 1, newEvent(n))
		}
		<-time.After(time.Hour)
		if swaps := q.swapped(); swaps != 0 || count.Load() < 1_000 {
			t.Errorf("%d changes of the circuit for %d POSTs", swaps, count.Load())
		}
	})
}

// TestRestartBehindAnOpenCircuit starts a node where the circuit was open before: it probes first.
func TestRestartBehindAnOpenCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook(1)
		w.Circuit = hook.OpenCircuit(time.Now().Add(-time.Hour), &w.Settings.Retry)
		q, seen := newMemory(w), new(log)
		for n := range 100 {
			q.store(1, newEvent(n))
		}
		e, _ := start(t, q, seen.of(after(3*time.Second, acknowledge())))
		q.emit(e, 1, newEvent(100))
		<-time.After(2 * time.Second)
		if posts := len(seen.posts()); posts != 1 || e.circuitsOpen() != 1 {
			t.Errorf("%d POSTs before the first probe has ended; %d circuits are open", posts, e.circuitsOpen())
		}
		settled(t, q, time.Minute)
	})
}

// TestProbeOfADeadNode lets the right to probe be with a node that is gone: the next probe goes out when it ends, not before.
func TestProbeOfADeadNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook(1)
		right := hook.OpenCircuit(time.Now().Add(-time.Hour), &w.Settings.Retry).Probing(time.Now(), &w.Settings)
		w.Circuit = right
		q, seen := newMemory(w), new(log)
		q.store(1, newEvent(0))
		start(t, q, seen.of(after(time.Second, acknowledge())))
		settled(t, q, time.Minute)
		if posts := seen.posts(); len(posts) != 1 || posts[0].at.Before(right.ProbeAt) || posts[0].at.Sub(right.ProbeAt) > 2*sweepEvery {
			t.Errorf("%d probes; the first at %v, and it was due at %v", len(posts), posts[0].at, right.ProbeAt)
		}
	})
}

// TestProbeThatIsNotSent disables the webhook while the probe is claimed, or lingers: the right to send it is given back, and no
// attempt is made.
func TestProbeThatIsNotSent(t *testing.T) {
	for name, linger := range map[string]time.Duration{"while it is claimed": 0, "while it lingers": time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWebhook(1, func(s *hook.Settings) { s.Batch = hook.Batch{MaxEvents: 2, Linger: hook.Duration(linger)} })
				w.Circuit = hook.OpenCircuit(time.Now(), &w.Settings.Retry)
				q, seen := newMemory(w), new(log)
				if linger == 0 {
					q.claimTakes = 500 * time.Millisecond
				}
				q.store(1, newEvent(0))
				start(t, q, seen.of(after(time.Second, acknowledge())))
				eventually(t, time.Minute, "a right is taken", func() bool { return time.Until(q.circuit(1).ProbeAt) > 5*time.Second })
				q.change(1, func(w *hook.Webhook) { w.Enabled = false })
				<-time.After(2 * time.Second)
				if c := q.circuit(1); !c.Probes(time.Now()) || len(seen.posts()) != 0 {
					t.Errorf("%d POSTs were made; the circuit is %+v at %v", len(seen.posts()), c, time.Now())
				}
				q.change(1, func(w *hook.Webhook) { w.Enabled = true })
				settled(t, q, 5*time.Second)
			})
		})
	}
}

// TestOperatorClosesTheCircuit closes it in the store, as enabling the webhook does: what is held goes out.
func TestOperatorClosesTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, seen := newMemory(newWebhook(1, func(s *hook.Settings) { s.Retry.Timeout = hook.Duration(time.Minute) })), new(log)
		var well atomic.Bool
		e, _ := start(t, q, seen.of(func(context.Context, hook.Post) hook.Answer {
			if !well.Load() {
				return hook.Answer{Status: 500}
			}
			return acknowledge()
		}))
		for n := range 200 {
			q.emit(e, 1, newEvent(n))
		}
		<-time.After(time.Second)
		if e.Room(1) || !q.circuit(1).Open() {
			t.Fatalf("the circuit is %+v", q.circuit(1))
		}
		well.Store(true)
		before := len(seen.posts())
		q.change(1, func(w *hook.Webhook) { w.Circuit = hook.Circuit{} })
		<-time.After(2 * sweepEvery)
		if posts := len(seen.posts()) - before; posts < 200-before {
			t.Errorf("%d POSTs followed, %d were made before", posts, before)
		}
		settled(t, q, 2*time.Minute)
	})
}

// TestCircuitWithoutStore lets the store refuse all that is about circuits. A lane keeps its own opinion: it holds its deliveries
// back, an attempt that had begun before still closes it, and when the store is back it hears of an opening.
func TestCircuitWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, seen := newMemory(newWebhook(1, concurrency(64))), new(log)
		var away, broken, slow atomic.Bool
		away.Store(true)
		slow.Store(true)
		q.refuseCircuit = func() error {
			if away.Load() {
				return hook.ErrUnavailable
			}
			return nil
		}
		e, _ := start(t, q, seen.of(func(ctx context.Context, p hook.Post) hook.Answer {
			switch {
			case slow.Load():
				return after(8*time.Second, acknowledge())(ctx, p)
			case broken.Load():
				return hook.Answer{Status: 500}
			}
			return acknowledge()
		}))
		q.emit(e, 1, newEvent(0))
		synctest.Wait()
		slow.Store(false)
		broken.Store(true)
		fails := func(from int) {
			t.Helper()
			for n := range hook.BreakerFailuresDefault {
				q.emit(e, 1, newEvent(from+n))
				synctest.Wait()
			}
			if c := circuitOf(e, 1); !c.Own.Open() || q.circuit(1).Open() || e.Room(1) {
				t.Fatalf("the lane has %+v, the store %+v", c, q.circuit(1))
			}
		}
		fails(1)
		posts := len(seen.posts())
		<-time.After(7900 * time.Millisecond)
		if len(seen.posts()) != posts {
			t.Errorf("%d POSTs behind an open circuit", len(seen.posts())-posts)
		}
		broken.Store(false)
		<-time.After(200 * time.Millisecond)
		if circuitOf(e, 1).Open() {
			t.Error("the circuit stays open after a success")
		}
		settled(t, q, time.Minute)
		broken.Store(true)
		fails(100)
		<-time.After(3 * time.Minute)
		away.Store(false)
		eventually(t, 3*time.Second, "the opening is stored", func() bool { return q.circuit(1).Open() && !circuitOf(e, 1).Own.Open() })
		broken.Store(false)
		settled(t, q, 3*time.Minute)
		if atRest(circuitOf(e, 1)) != (hook.Breaker{}) {
			t.Errorf("in the end it is %+v", circuitOf(e, 1))
		}
	})
}
