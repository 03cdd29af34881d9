package delivery

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

func TestRateLimit(t *testing.T) {
	for _, tt := range []struct {
		limit, concurrency, events int
		batch                      hook.Batch
	}{
		{limit: 1, concurrency: 32, events: 20},
		{limit: 50, concurrency: 1, events: 300},
		{limit: 50, concurrency: 1_024, events: 3_000},
		{limit: 1, concurrency: 1_024, events: 400}, // far more than can be sent before a lease ends
		{limit: 10, concurrency: 8, events: 2_000, batch: hook.Batch{MaxEvents: 20}},
	} {
		t.Run(fmt.Sprintf("%d a second, %d at a time", tt.limit, tt.concurrency), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWebhook(1, concurrency(tt.concurrency), func(s *hook.Settings) { s.RateLimit = tt.limit })
				posts := tt.events
				if tt.batch.MaxEvents > 0 {
					w.Settings.Batch = tt.batch
					posts /= tt.batch.MaxEvents
				}
				check(t, w)
				q, seen := newMemory(w), new(log)
				e, _ := start(t, q, seen.of(after(10*time.Millisecond, acknowledge())))
				for n := range tt.events {
					q.emit(e, 1, newEvent(n))
				}
				// The first ones may go out in POSTs that are not full; after a second the sweep brings more.
				ideal := time.Duration(posts) * time.Second / time.Duration(tt.limit)
				settled(t, q, ideal+ideal/10+2*time.Second)
				all := seen.posts()
				for first, p := range all {
					count := 0
					for _, other := range all[first:] {
						if other.at.Sub(p.at) < time.Second {
							count++
						}
					}
					if count > tt.limit+1 { // the fence post
						t.Fatalf("%d POSTs within a second", count)
					}
				}
				if q.late > 0 || len(q.recorded()) != tt.events {
					t.Errorf("%d outcomes, %d late", len(q.recorded()), q.late)
				}
			})
		})
	}
}

// TestConcurrencyChanges lowers and raises the concurrency of a lane that is at work, at rest, and full.
func TestConcurrencyChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, seen := newMemory(newWebhook(1, concurrency(10))), new(log)
		e, _ := start(t, q, seen.of(after(time.Second, acknowledge())))
		event := 0
		emit := func(n int) {
			for range n {
				event++
				q.emit(e, 1, newEvent(event))
			}
			synctest.Wait()
		}
		flying := func(want int, when string) {
			t.Helper()
			if now, _ := seen.flying(); now != want {
				t.Errorf("%s: %d in flight, want %d", when, now, want)
			}
		}
		set := func(n int) { q.change(1, func(w *hook.Webhook) { w.Settings.Concurrency = n }) }

		emit(10)
		settled(t, q, 2*time.Second)
		set(2) // while ten workers are idle
		emit(1)
		flying(1, "lowered at rest")
		emit(20)
		flying(2, "more than it may be")
		set(8)
		<-time.After(1_500 * time.Millisecond)
		flying(8, "raised at work")
		set(1)
		<-time.After(time.Second)
		flying(1, "lowered at work")
		settled(t, q, time.Minute)
	})
}

func TestURLChangesWithTheNextPOST(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook(1, concurrency(1), func(s *hook.Settings) { s.RateLimit = 1 })
		q, seen := newMemory(w), new(log)
		e, _ := start(t, q, seen.of(after(time.Millisecond, acknowledge())))
		for n := range 5 {
			q.emit(e, 1, newEvent(n))
		}
		<-time.After(1_500 * time.Millisecond) // two are sent, and the third waits for the rate limit
		q.change(1, func(w *hook.Webhook) {
			w.Settings.URL = "https://elsewhere.example/hook"
			w.Settings.Headers = map[string]string{"authorization": "Bearer new"}
			w.Secrets.Current = hook.NewSecret("another secret of many bytes")
		})
		settled(t, q, 10*time.Second)
		for i, p := range seen.posts() {
			host, authorization := "receiver.example", ""
			if i >= 2 {
				host, authorization = "elsewhere.example", "Bearer new"
			}
			if p.URL.Host != host || p.Header.Get("Authorization") != authorization {
				t.Errorf("POST %d went to %s with %q", i, p.URL.Host, p.Header.Get("Authorization"))
			}
		}
	})
}

// TestDisabledWebhookGetsNothing disables or deletes a webhook with deliveries in every place: in flight, waiting for the
// rate limit, in the lane, in the store. What is in flight ends; the rest is kept without using up attempts.
func TestDisabledWebhookGetsNothing(t *testing.T) {
	for _, limit := range []int{0, 3} {
		for name, end := range map[string]func(*hook.Webhook){
			"disable": func(w *hook.Webhook) { w.Enabled = false },
			"delete":  func(w *hook.Webhook) { w.DeletedAt = time.Now() },
		} {
			t.Run(fmt.Sprintf("%s, %d a second", name, limit), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const events = 3_000
					q, seen := newMemory(newWebhook(1, concurrency(4), func(s *hook.Settings) { s.RateLimit = limit })), new(log)
					e, _ := start(t, q, seen.of(after(100*time.Millisecond, acknowledge())))
					for n := range events {
						q.emit(e, 1, newEvent(n))
					}
					<-time.After(2_050 * time.Millisecond)
					q.change(1, end)
					sent := len(seen.posts())
					<-time.After(time.Minute)
					q.emit(e, 1, newEvent(events))
					<-time.After(time.Minute)
					if n := len(seen.posts()); n != sent || n == 0 {
						t.Errorf("%d were sent before, %d after", sent, n-sent)
					}
					if left := q.left(); left != events+1-sent || e.held.Load() != 0 {
						t.Errorf("%d of %d are kept, %d of them in memory", left, events+1-sent, e.held.Load())
					}
					if name == "delete" {
						return
					}
					q.change(1, func(w *hook.Webhook) { w.Enabled, w.Settings.RateLimit = true, 0 })
					settled(t, q, 2*time.Minute)
					wantEach(t, seen, events+1)
				})
			})
		}
	}
}

// TestDisableDuringClaim disables a webhook between a claim and its arrival in the lane.
func TestDisableDuringClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, seen := newMemory(newWebhook(1)), new(log)
		q.claimTakes = 100 * time.Millisecond
		for n := range 50 {
			q.store(1, newEvent(n))
		}
		e, _ := start(t, q, seen.of(after(time.Second, acknowledge())))
		<-time.After(50 * time.Millisecond)
		q.change(1, func(w *hook.Webhook) { w.Enabled = false })
		<-time.After(10 * time.Second)
		if len(seen.posts()) != 0 || q.released != 50 || e.held.Load() != 0 {
			t.Errorf("%d sent, %d released, %d held", len(seen.posts()), q.released, e.held.Load())
		}
	})
}

func TestLinger(t *testing.T) {
	linger := func(most int, wait time.Duration) *hook.Webhook {
		return newWebhook(1, func(s *hook.Settings) { s.Batch = hook.Batch{MaxEvents: most, Linger: hook.Duration(wait)} })
	}
	for _, tt := range []struct {
		name    string
		webhook *hook.Webhook
		// gap is the time from one event to the next.
		gap    time.Duration
		events int
		// want is how many events each POST carries, at when it begins.
		want []int
		at   []time.Duration
	}{
		{"a single one waits for others, then goes", linger(10, 500*time.Millisecond), 0, 1, []int{1}, []time.Duration{500 * time.Millisecond}},
		{"those that come meanwhile go with it", linger(10, 500*time.Millisecond), 100 * time.Millisecond, 5, []int{5}, []time.Duration{500 * time.Millisecond}},
		{"a full one goes at once", linger(3, time.Second), 0, 7, []int{3, 3, 1}, []time.Duration{0, 0, time.Second}},
		{"one that fills up goes when it is full", linger(4, time.Second), 100 * time.Millisecond, 4, []int{4}, []time.Duration{300 * time.Millisecond}},
		{"without a linger nothing waits", linger(10, 0), 100 * time.Millisecond, 2, []int{1, 1}, []time.Duration{0, 100 * time.Millisecond}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				check(t, tt.webhook)
				q, seen := newMemory(tt.webhook), new(log)
				e, _ := start(t, q, seen.of(after(100*time.Millisecond, acknowledge())))
				began := time.Now()
				for n := range tt.events {
					q.emit(e, 1, newEvent(n))
					if tt.gap > 0 {
						<-time.After(tt.gap)
					}
				}
				settled(t, q, 10*time.Second)
				var sizes []int
				var at []time.Duration
				for _, p := range seen.posts() {
					sizes, at = append(sizes, len(parsed(t, p.Post).Entities)), append(at, p.at.Sub(began))
				}
				if fmt.Sprint(sizes) != fmt.Sprint(tt.want) || fmt.Sprint(at) != fmt.Sprint(tt.at) {
					t.Errorf("POSTs of %v events after %v, want %v after %v", sizes, at, tt.want, tt.at)
				}
			})
		})
	}
}

// TestLingerKeepsOthersBusy lets a lane gather while its other workers are at work or become free.
func TestLingerKeepsOthersBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = 5_000
		w := newWebhook(1, concurrency(4), func(s *hook.Settings) { s.Batch = hook.Batch{MaxEvents: 10, Linger: hook.Duration(time.Second)} })
		q, seen := newMemory(w), new(log)
		e, _ := start(t, q, seen.of(after(100*time.Millisecond, acknowledge()))) // 400 events a second at most
		for n := range events {
			q.emit(e, 1, newEvent(n))
			if n%3 == 0 {
				<-time.After(10 * time.Millisecond) // 300 a second
			}
		}
		settled(t, q, 3*time.Second)
		if _, most := seen.flying(); most > 4 {
			t.Errorf("%d POSTs were in flight", most)
		}
		if posts := len(seen.posts()); posts > events/10+10 {
			t.Errorf("%d POSTs for %d events: they were not gathered", posts, events)
		}
	})
}

func TestDrainDoesNotLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook(1, func(s *hook.Settings) { s.Batch = hook.Batch{MaxEvents: 10, Linger: hook.Duration(time.Second)} })
		q, seen := newMemory(w), new(log)
		e, stop := start(t, q, seen.of(func(context.Context, hook.Post) hook.Answer { return acknowledge() }))
		q.emit(e, 1, newEvent(1))
		synctest.Wait()
		began := time.Now()
		stop()
		if took := time.Since(began); took != 0 || q.released != 1 || len(seen.posts()) != 0 {
			t.Errorf("the drain took %v, released %d, sent %d", took, q.released, len(seen.posts()))
		}
	})
}
