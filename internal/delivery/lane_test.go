package delivery

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

func TestConcurrencyIsReachedAndNeverExceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, seen := newMemory(newWebhook(1, concurrency(7))), new(log)
		e, _ := start(t, q, seen.of(after(time.Second, acknowledge())))
		for n := range 100 {
			q.emit(e, 1, newEvent(n))
		}
		if took := settled(t, q, time.Minute); took.Round(time.Second) != 15*time.Second {
			t.Errorf("100 POSTs of a second, 7 at a time, took %v", took)
		}
		if _, most := seen.flying(); most != 7 {
			t.Errorf("%d were in flight at most", most)
		}
	})
}

// TestDeliveriesStartAtOnce is the promise of I4 within a lane: however many slow POSTs are in flight, another delivery
// starts at once as long as the concurrency allows it. Nothing may wait when everything is at rest.
func TestDeliveriesStartAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 32
		random := rand.New(rand.NewPCG(1, 2))
		gate := make(chan struct{})
		var begun atomic.Int64
		q := newMemory(newWebhook(1, concurrency(most), func(s *hook.Settings) { s.RequestTimeout = hook.Duration(time.Minute) }))
		e, _ := start(t, q, sender(func(context.Context, hook.Post) hook.Answer {
			begun.Add(1)
			<-gate
			return acknowledge()
		}))
		flying, event := 0, 0
		for round := range 2_000 {
			if flying > 0 && random.IntN(2) == 0 {
				end := 1 + random.IntN(flying)
				for range end {
					gate <- struct{}{}
				}
				flying -= end
				if random.IntN(4) > 0 {
					synctest.Wait()
				}
			}
			add := random.IntN(most - flying + 1)
			for range add {
				event++
				q.emit(e, 1, newEvent(event))
			}
			flying += add
			synctest.Wait()
			if int(begun.Load()) != event {
				t.Fatalf("round %d: %d of %d deliveries began, %d are in flight, the crew is %+v", round, begun.Load(), event, flying, crewOf(e, 1))
			}
			if round%100 == 99 {
				<-time.After(time.Duration(random.IntN(20)) * time.Second) // idle workers retire in between
			}
			for q.left() > flying { // until the outcomes are recorded
				synctest.Wait()
			}
		}
		close(gate)
		settled(t, q, time.Second)
	})
}

// TestNoWakeUpIsLost lets many hands push while workers come, go and sleep; the clock stands still, so whatever does not
// go out at once never does.
func TestNoWakeUpIsLost(t *testing.T) {
	for _, batch := range []hook.Batch{{MaxEvents: 1}, {MaxEvents: 3}} {
		for _, most := range []int{1, 2, 16} {
			t.Run(fmt.Sprintf("concurrency %d, batches of %d", most, batch.MaxEvents), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const hands, rounds, each = 8, 30, 20
					q := newMemory(newWebhook(1, concurrency(most), func(s *hook.Settings) { s.Batch = batch }))
					e, _ := start(t, q, sender(func(context.Context, hook.Post) hook.Answer { return acknowledge() }))
					began := time.Now()
					for round := range rounds {
						var all sync.WaitGroup
						for hand := range hands {
							all.Go(func() {
								for n := range each {
									q.emit(e, 1, newEvent((round*hands+hand)*each+n))
								}
							})
						}
						all.Wait()
						synctest.Wait()
						if left := q.left(); left != 0 || time.Now() != began {
							t.Fatalf("round %d: %d deliveries wait after %v; the crew is %+v", round, left, time.Since(began), crewOf(e, 1))
						}
					}
				})
			})
		}
	}
}

func TestCrewShrinksAndGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, seen := newMemory(newWebhook(1)), new(log)
		e, _ := start(t, q, seen.of(after(time.Second, acknowledge())))
		event := 0
		burst := func(n int) {
			t.Helper()
			for range n {
				event++
				q.emit(e, 1, newEvent(event))
			}
			synctest.Wait()
			if now, _ := seen.flying(); now != n {
				t.Fatalf("%d of %d are in flight", now, n)
			}
			settled(t, q, 2*time.Second)
		}
		burst(32)
		if c := crewOf(e, 1); c.workers != 32 || c.idle != 32 {
			t.Errorf("after a burst the crew is %+v", c)
		}
		// Two POSTs at a time keep two workers busy; the others are not needed.
		for began := time.Now(); time.Since(began) < 3*tidyEvery; {
			burst(2)
		}
		if c := crewOf(e, 1); c.workers > 3 {
			t.Errorf("%d workers are kept for two POSTs at a time", c.workers)
		}
		<-time.After(3 * tidyEvery)
		if c := crewOf(e, 1); c.workers != 0 {
			t.Errorf("an idle lane keeps %+v", c)
		}
		burst(32)
	})
}

// TestBacklogStaysInTheStore floods a slow receiver with far more than a lane holds.
func TestBacklogStaysInTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = 20_000
		q, seen := newMemory(newWebhook(1, concurrency(256))), new(log)
		e, _ := start(t, q, seen.of(after(2*time.Second, acknowledge())))
		for n := range events {
			q.emit(e, 1, newEvent(n))
		}
		synctest.Wait()
		most := int64(0)
		for began := time.Now(); q.left() > 0; <-time.After(time.Second) {
			most = max(most, e.held.Load())
			if time.Since(began) > 5*time.Minute {
				t.Fatalf("%d deliveries are left", q.left())
			}
		}
		if bound := int64(laneDeliveriesMax + 256); most > bound || most < laneDeliveriesMax/2 {
			t.Errorf("up to %d were held; the bound is %d", most, bound)
		}
		wantEach(t, seen, events)
	})
}

// wantEach fails unless each of the first n events was posted exactly once.
func wantEach(t testing.TB, seen *log, n int) {
	t.Helper()
	count := map[string]int{}
	for _, p := range seen.posts() {
		count[p.Header.Get("Webhook-Id")]++
	}
	if len(count) != n || len(seen.posts()) != n {
		t.Errorf("%d events were posted, %d times; want %d", len(count), len(seen.posts()), n)
	}
}

// TestSlowLanesLeaveRoom fills the memory with the backlogs of receivers that hang. One beside them must not notice (I4),
// and the bound on memory holds although all lanes claim at once (I7).
func TestSlowLanesLeaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slow = 20
		q := newMemory()
		for n := range slow + 1 {
			// The timeout is long and the circuits stay closed: the receivers are slow, not broken.
			q.put(newWebhook(hook.WebhookNumber(n+1), concurrency(1_024), func(s *hook.Settings) { s.RequestTimeout = hook.Duration(time.Minute) }))
		}
		const healthy = slow + 1
		q.change(healthy, func(w *hook.Webhook) { w.Settings.URL = "https://healthy.example/" })
		slowly := after(50*time.Second, acknowledge())
		var delivered atomic.Int64
		e, _ := start(t, q, sender(func(ctx context.Context, p hook.Post) hook.Answer {
			if p.URL.Host == "healthy.example" {
				delivered.Add(1)
				return acknowledge()
			}
			return slowly(ctx, p)
		}))
		for n := range slow {
			for i := range 1_500 {
				q.store(hook.WebhookNumber(n+1), newEvent(n*1_500+i))
			}
		}
		for n := range 200 {
			<-time.After(50 * time.Millisecond)
			if n%4 == 3 { // one more receiver that is slow
				more := hook.WebhookNumber(healthy + n)
				q.put(newWebhook(more, concurrency(1_024), func(s *hook.Settings) { s.RequestTimeout = hook.Duration(time.Minute) }))
				for i := range 1_000 {
					q.store(more, newEvent(2_000_000+n*1_000+i))
				}
			}
			q.emit(e, healthy, newEvent(1_000_000+n))
			synctest.Wait()
			if int(delivered.Load()) != n+1 {
				t.Fatalf("delivery %d waits while %d are held", n, e.held.Load())
			}
			if held := e.held.Load(); held > deliveriesMax+int64(len(e.allLanes()))*laneDeliveriesMin {
				t.Fatalf("%d deliveries are held", held)
			}
		}
		if held := e.held.Load(); held < deliveriesMax/2 {
			t.Errorf("only %d are held: the test does not press", held)
		}
		q.mu.Lock() // let the backlog be, so that the test ends soon
		clear(q.open)
		q.mu.Unlock()
	})
}

// TestShare holds the bound on memory against its arithmetic.
func TestShare(t *testing.T) {
	for _, tt := range []struct {
		name               string
		held, holds, share int
	}{
		{"nothing is held", 0, 0, deliveriesMax / 2},
		{"one lane holds its share", deliveriesMax / 2, deliveriesMax / 2, 0},
		{"another one beside it", deliveriesMax / 2, 0, deliveriesMax / 4},
		{"a lane that holds more than is free", deliveriesMax - 100, 101, 0},
		{"a lane that holds little", deliveriesMax - 1, 1, laneDeliveriesMin - 1},
		{"everything is held", deliveriesMax, 0, laneDeliveriesMin},
		{"more than everything", deliveriesMax + 500, laneDeliveriesMin, 0},
	} {
		if got := max(share(tt.held, tt.holds), 0); got != tt.share {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.share)
		}
	}
}

// TestBacklogAndFreshShareTheLane keeps a lane busy with fresh deliveries while it has a backlog: neither starves.
func TestBacklogAndFreshShareTheLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const backlog, fresh = 4_000, 3_000
		q, seen := newMemory(newWebhook(1)), new(log)
		e, _ := start(t, q, seen.of(after(100*time.Millisecond, acknowledge()))) // 320 a second
		for n := range backlog {
			q.store(1, newEvent(n))
		}
		began := time.Now()
		for n := range fresh { // 160 a second
			q.emit(e, 1, newEvent(backlog+n))
			<-time.After(time.Second / 160)
		}
		settled(t, q, time.Minute)
		var last time.Duration
		slowest := time.Duration(0)
		for _, o := range q.recorded() {
			if o.Delivery.Event.Serial < newEvent(backlog).Serial {
				last = max(last, o.Attempt.StartedAt.Sub(began))
			} else {
				slowest = max(slowest, o.Attempt.StartedAt.Sub(o.Delivery.Event.OccurredAt))
			}
		}
		// The backlog needs 12.5 s alone. Beside the fresh ones, which take half of the lane at most, 25 s.
		if last > 27*time.Second || slowest > 16*time.Second {
			t.Errorf("the last of the backlog began after %v, the slowest fresh one waited %v", last, slowest)
		}
		wantEach(t, seen, backlog+fresh)
	})
}

// TestShortLeaseIsNotSent gives the lane deliveries whose leases cannot hold a whole attempt: sent, they could be sent by
// somebody else at the same time.
func TestShortLeaseIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, seen := newMemory(newWebhook(1, concurrency(1))), new(log)
		e, _ := start(t, q, seen.of(after(8*time.Second, acknowledge())))
		for n := range 20 { // the last ones would begin after 150 s
			q.emit(e, 1, newEvent(n))
		}
		for began := time.Now(); q.left() > 0; <-time.After(time.Second) {
			if time.Since(began) > 5*time.Minute {
				t.Fatalf("%d deliveries are left", q.left())
			}
		}
		for _, o := range q.recorded() {
			if o.Attempt.StartedAt.Add(10 * time.Second).After(o.Delivery.Lease.Until) {
				t.Errorf("an attempt began at %v under a lease until %v", o.Attempt.StartedAt, o.Delivery.Lease.Until)
			}
		}
		if q.late != 0 {
			t.Errorf("%d outcomes came late", q.late)
		}
		wantEach(t, seen, 20)
	})
}

// TestDueIsSentAtOnce: what a replay made due, of which the engine was told, does not wait for the next sweep; the clock stands still.
func TestDueIsSentAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, seen := newMemory(newWebhook(1)), new(log)
		e, _ := start(t, q, seen.of(func(context.Context, hook.Post) hook.Answer { return acknowledge() }))
		for n := range 10 {
			<-time.After(sweepEvery / 10) // at rest, and between two sweeps
			synctest.Wait()
			q.store(1, newEvent(n))
			e.Due(1)
			synctest.Wait()
			if len(seen.posts()) != n+1 {
				t.Fatalf("%d of %d deliveries were sent", len(seen.posts()), n+1)
			}
		}
	})
}
