package delivery

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// committing is a store that takes as long for each call as a disk or a network does.
type committing struct {
	*memory
	takes time.Duration
	// recording is how long Record takes.
	recording time.Duration
}

func (q committing) Claim(ctx context.Context, now time.Time, n hook.WebhookNumber, limit int) ([]*hook.Delivery, error) {
	<-time.After(q.takes)
	return q.memory.Claim(ctx, now, n, limit)
}

func (q committing) Record(ctx context.Context, now time.Time, outcomes []hook.Outcome) (hook.Recorded, error) {
	<-time.After(q.recording)
	return q.memory.Record(ctx, now, outcomes)
}

func (q committing) Release(ctx context.Context, now time.Time, deliveries []*hook.Delivery) error {
	<-time.After(q.takes)
	return q.memory.Release(ctx, now, deliveries)
}

// commit is how long a commit takes in these tests.
const commit = 5 * time.Millisecond

// leaseOf makes an engine know how long the leases are.
func leaseOf(lease time.Duration) func(*Options) { return func(o *Options) { o.Lease = lease } }

// shortLease is a webhook whose backlog is far more than can be sent before the leases are too short.
type shortLease struct {
	name                  string
	lease, timeout, takes time.Duration
	concurrency, rate     int
	batch                 hook.Batch
	// unfit is true where the lease is shorter than the rule allows, which the engine is then not told.
	unfit bool
	count int
	runs  time.Duration
	// perSecond is what the receiver can take.
	perSecond float64
	// released is how many releases there may be for each delivery that is sent, beside one for each that waited at first.
	released float64
}

// TestShortLeasesGoOn gives lanes far more than they can send before the leases are too short. Each goes on as fast as its
// receiver or its rate limit lets it, and hardly anything is claimed for nothing once the lane has found its depth.
func TestShortLeasesGoOn(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	one, ten, many := hook.Batch{MaxEvents: 1}, hook.Batch{MaxEvents: 10, Linger: hook.Duration(s)}, hook.Batch{MaxEvents: 100, Linger: hook.Duration(s)}
	for _, tt := range []shortLease{
		{"the default lease, a slow receiver", 90 * s, 60 * s, s, 1, 0, one, false, 10_000, 150 * s, 1, 1},
		{"one worker", 2 * s, s, 100 * ms, 1, 0, one, false, 3_000, 60 * s, 10, .1},
		{"one worker, POSTs as long as may be", 2 * s, s, 990 * ms, 1, 0, one, false, 1_000, 60 * s, 1 / .99, 2},
		{"32 workers", 2 * s, s, 100 * ms, 32, 0, one, false, 6_000, 15 * s, 320, .1},
		{"32 workers, long POSTs", 2 * s, s, 900 * ms, 32, 0, one, false, 3_000, 30 * s, 32 / .9, 1},
		{"32 workers, a longer lease", 10 * s, 5 * s, 100 * ms, 32, 0, one, false, 8_000, 20 * s, 320, .1},
		{"one POST a second", 3 * s, s, 10 * ms, 32, 1, one, false, 60, 60 * s, 1, 2},
		{"50 POSTs a second, long ones", 2_020 * ms, s, 900 * ms, 64, 50, one, false, 2_000, 30 * s, 50, .5},
		{"one POST a second that lingers", 4 * s, s, 10 * ms, 32, 1, ten, false, 600, 60 * s, 10, 2},
		{"full batches", 3 * s, s, 100 * ms, 1, 0, many, false, 9_000, 8 * s, 1_000, 1},
		{"one POST a second, a lease without its turn", 2 * s, s, 10 * ms, 32, 1, one, true, 60, 60 * s, 1, 4},
	} {
		t.Run(tt.name, func(t *testing.T) { synctest.Test(t, tt.play) })
	}
}

func (tt *shortLease) play(t *testing.T) {
	w := newWebhook(1, concurrency(tt.concurrency), func(s *hook.Settings) {
		s.RequestTimeout, s.RateLimit, s.Batch = hook.Duration(tt.timeout), tt.rate, tt.batch
	})
	check(t, w)
	q, seen := newMemory(w), new(log)
	q.lease = tt.lease
	told := tt.lease
	if tt.unfit {
		told = 0
	}
	e, _ := start(t, committing{q, commit, commit}, seen.of(after(tt.takes, acknowledge())), leaseOf(told))
	for n := range tt.count {
		q.emit(e, 1, newEvent(n))
	}
	first := int(e.held.Load())
	<-time.After(tt.runs)
	sent := tt.count - q.left()
	if most := min(tt.perSecond*tt.runs.Seconds(), float64(tt.count)); float64(sent) < .9*most {
		t.Errorf("%d of %.0f were delivered in %v", sent, most, tt.runs)
	}
	if _, released := q.traffic(); float64(released) > float64(first)+tt.released*float64(sent) {
		t.Errorf("%d releases for %d deliveries, of which %d waited at first", released, sent, first)
	}
	if q.late != 0 {
		t.Errorf("%d outcomes came late", q.late)
	}
	if tt.rate > 0 {
		wantRate(t, seen, tt.rate)
	}
}

// TestLaneIsAlwaysDeepEnoughForBatches lowers a lane as far as it goes: a full POST and the next still find room, or a webhook that
// lingers would wait for what the lane refuses.
func TestLaneIsAlwaysDeepEnoughForBatches(t *testing.T) {
	w := newWebhook(1, func(s *hook.Settings) { s.Batch.MaxEvents = hook.BatchEventsMax })
	l := newLane(New(Options{Queue: newMemory(w)}), 1)
	until := time.Now()
	for range 20 {
		until = until.Add(time.Second)
		l.leases.given(&hook.Delivery{Lease: hook.Lease{Until: until}})
		if !l.leases.lower(until) || l.leases.lower(until) {
			t.Error("what was claimed in vain counts once")
		}
	}
	if deep, free := l.deep(&w.Settings), l.free(&w.Settings); deep != 2*hook.BatchEventsMax || free != deep {
		t.Errorf("%d may wait, there is room for %d", deep, free)
	}
}

// TestDepthGrowsAgain makes a receiver slow until its lane holds hardly anything, and then fast: the lane is no obstacle.
func TestDepthGrowsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lease, second = 2 * time.Second, 1_000
		q, seen := newMemory(newWebhook(1, concurrency(1), func(s *hook.Settings) { s.RequestTimeout = hook.RequestTimeoutMin })), new(log)
		q.lease = lease
		var takes atomic.Int64
		takes.Store(int64(990 * time.Millisecond))
		e, _ := start(t, committing{q, commit, commit}, seen.of(func(ctx context.Context, p hook.Post) hook.Answer {
			return after(time.Duration(takes.Load()), acknowledge())(ctx, p)
		}), leaseOf(lease))
		for n := range 6 * second {
			q.emit(e, 1, newEvent(n))
		}
		<-time.After(30 * time.Second)
		takes.Store(int64(time.Millisecond))
		<-time.After(2 * time.Second)
		sent := len(seen.posts())
		<-time.After(3 * time.Second)
		if more := len(seen.posts()) - sent; more < 3*second*9/10 {
			t.Errorf("%d POSTs in 3 s, of a millisecond each", more)
		}
		q.mu.Lock() // let the rest be, so that the test ends soon
		clear(q.open)
		q.mu.Unlock()
	})
}

// wantRate fails when more POSTs were made than a rate limit allows: one and, from then on, so many a second.
func wantRate(t testing.TB, seen *log, rate int) {
	t.Helper()
	posts := seen.posts()
	for n := range posts[min(rate, len(posts)):] {
		if took := posts[n+rate].at.Sub(posts[n].at); took < time.Second-time.Millisecond {
			t.Fatalf("%d POSTs in %v from POST %d on", rate+1, took, n)
		}
	}
}

// TestOrderHoldsUnderShortLeases lets deliveries wait on the real store until their leases are too short, and go back and forth
// between it and their lane: no FINISHED overtakes its STARTED, and nothing is posted twice at a time (I3).
func TestOrderHoldsUnderShortLeases(t *testing.T) {
	path := database(t)
	synctest.Test(t, func(t *testing.T) {
		const interactions, lease = 60, 2 * time.Second
		j := &judge{
			t: t, retries: map[string]int{}, random: rand.New(rand.NewPCG(7, 7)),
			tries: map[fact]int{}, acknowledged: map[fact]int{}, flying: map[fact]int{},
		}
		var released atomic.Int64
		n := startNode(t, path, j, leaseOf(lease), func(o *Options) { o.Queue = counting{o.Queue, &released} })
		w := n.webhook(t, 1, concurrency(2), func(s *hook.Settings) {
			s.RequestTimeout = hook.RequestTimeoutMin
			s.Retry = hook.Retry{Timeout: hook.Duration(time.Second), Attempts: 4, Backoff: 1, MaxTimeout: hook.Duration(time.Second)}
		})
		j.retries["receiver.example"] = w.Settings.Retry.Attempts
		for of := range interactions {
			n.accept(t, begin(of))
			if of%2 == 0 {
				n.accept(t, finish(of))
			}
		}
		for of := 1; of < interactions; of += 2 {
			n.accept(t, finish(of))
		}
		eventually(t, 10*time.Minute, "all resolved", func() bool { return n.resolved(t) })
		delivered, exhausted := n.list(t, hook.DeliveryDelivered), n.list(t, hook.DeliveryExhausted)
		if got := len(delivered) + len(exhausted); got != 2*interactions || released.Load() == 0 {
			t.Errorf("%d deliveries of %d are resolved, after %d releases", got, 2*interactions, released.Load())
		}
		if repeated := sum(j.acknowledged) - len(j.acknowledged); repeated != 0 {
			t.Errorf("%d duplicates", repeated)
		}
	})
}

// counting counts the deliveries that are given back.
type counting struct {
	Queue
	released *atomic.Int64
}

func (q counting) Release(ctx context.Context, now time.Time, deliveries []*hook.Delivery) error {
	q.released.Add(int64(len(deliveries)))
	return q.Queue.Release(ctx, now, deliveries)
}

// TestLeaseThatNeverFits makes an engine that was not told how long the leases are claim what it can never send: it does so about
// once a second, not as fast as the store can, and goes on as soon as the webhook allows it.
func TestLeaseThatNeverFits(t *testing.T) {
	for name, c := range map[string]func(*hook.Settings){
		"at once":    func(*hook.Settings) {},
		"lingering":  func(s *hook.Settings) { s.Batch = hook.Batch{MaxEvents: 10, Linger: hook.Duration(time.Second)} },
		"rate limit": func(s *hook.Settings) { s.RateLimit = 100 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const events, seconds = 500, 60
				q, seen := newMemory(newWebhook(1, c)), new(log)
				q.lease = 5 * time.Second
				e, _ := start(t, committing{q, commit, commit}, seen.of(after(10*time.Millisecond, acknowledge())))
				for n := range events {
					q.emit(e, 1, newEvent(n))
				}
				<-time.After(10 * time.Second)
				claimsBefore, before := q.traffic()
				<-time.After(seconds * time.Second)
				claims, released := q.traffic()
				if claims -= claimsBefore; claims > 2*seconds || claims < seconds/3 {
					t.Errorf("%d claims in %d seconds", claims, seconds)
				}
				if released -= before; released > 40*seconds || len(seen.posts()) != 0 {
					t.Errorf("%d releases in %d seconds, %d POSTs", released, seconds, len(seen.posts()))
				}
				q.change(1, func(w *hook.Webhook) { w.Settings.RequestTimeout = hook.RequestTimeoutMin })
				settled(t, q, 8*time.Second)
				if got := len(q.recorded()); got != events || q.late != 0 {
					t.Errorf("%d of %d outcomes are recorded, %d came late", got, events, q.late)
				}
			})
		})
	}
}

// TestShortLeasesBehindAnOpenCircuit breaks a receiver whose deliveries wait longer than their leases allow: an open circuit asks
// the store for nothing but its probes, and everything goes out when the receiver is well.
func TestShortLeasesBehindAnOpenCircuit(t *testing.T) {
	for name, limit := range map[string]int{"no limit": 0, "rate limit": 20} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const events, lease = 1_000, 2_050 * time.Millisecond
				q, seen := newMemory(newWebhook(1, concurrency(8), func(s *hook.Settings) {
					s.RequestTimeout, s.RateLimit = hook.RequestTimeoutMin, limit
				})), new(log)
				q.lease = lease
				var broken atomic.Bool
				broken.Store(true)
				e, _ := start(t, committing{q, commit, commit}, seen.of(func(ctx context.Context, p hook.Post) hook.Answer {
					if broken.Load() {
						return after(300*time.Millisecond, hook.Answer{Status: 503})(ctx, p)
					}
					return after(50*time.Millisecond, acknowledge())(ctx, p)
				}), leaseOf(lease))
				for n := range events {
					q.emit(e, 1, newEvent(n))
				}
				<-time.After(10 * time.Second)
				if !circuitOf(e, 1).Open() {
					t.Fatal("the circuit is closed")
				}
				before, _ := q.traffic()
				posts := len(seen.posts())
				<-time.After(5 * time.Minute)
				claims, _ := q.traffic()
				if posts = len(seen.posts()) - posts; posts < 3 || claims-before > posts+1 {
					t.Errorf("%d claims for %d probes", claims-before, posts)
				}
				broken.Store(false)
				settled(t, q, 3*time.Minute)
			})
		})
	}
}

// TestLastMomentIsRecorded lets a POST begin when only its request timeout and the reserve are left of its lease, and take all of
// that timeout; recording takes nearly the reserve. One that would begin later goes back first. Either way the attempt is recorded
// under its lease, and nobody posts the delivery meanwhile.
func TestLastMomentIsRecorded(t *testing.T) {
	const lease, timeout = 2 * time.Second, time.Second
	last := lease - timeout - hook.LeaseReserve
	for _, tt := range []struct {
		name     string
		waits    time.Duration
		released int
	}{
		{"at the last moment", last, 0},
		{"a moment later", last + time.Millisecond, 1},
		{"when the lease holds the POST alone", last + hook.LeaseReserve, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWebhook(1, concurrency(1), func(s *hook.Settings) {
					s.RequestTimeout, s.Retry.Attempts = hook.Duration(timeout), 0
				})
				check(t, w)
				q, seen := newMemory(w), new(log)
				q.lease = lease
				e, _ := start(t, committing{q, 0, hook.LeaseReserve - 10*time.Millisecond}, seen.of(func(ctx context.Context, p hook.Post) hook.Answer {
					if len(seen.posts()) == 1 {
						return after(tt.waits, acknowledge())(ctx, p)
					}
					return after(time.Hour, acknowledge())(ctx, p)
				}), leaseOf(lease))
				q.emit(e, 1, newEvent(0))
				q.emit(e, 1, newEvent(1))
				<-time.After(10 * time.Second)
				outcomes := q.recorded()
				if posts := seen.posts(); len(posts) < 2 || posts[1].at.Sub(posts[0].at) != tt.waits {
					t.Errorf("%d POSTs were made, the second not at once when the first had ended", len(posts))
				}
				if len(outcomes) != 2 || outcomes[1].Attempt.Failure != hook.FailureTimeout || outcomes[1].Attempt.Duration != timeout {
					t.Fatalf("recorded %+v", outcomes)
				}
				if _, released := q.traffic(); released != tt.released || q.late != 0 || len(seen.posts()) != 2 {
					t.Errorf("%d were released, %d outcomes came late, %d POSTs were made", released, q.late, len(seen.posts()))
				}
			})
		})
	}
}

// TestNodesWithDifferentLeases runs two nodes on one store. The one with the shorter lease leaves alone what does not fit it, whoever
// accepted it, says so once for each change of the webhook, and takes part again when the webhook fits.
func TestNodesWithDifferentLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const long, short = 30 * time.Second, 5 * time.Second
		fitting := func(s *hook.Settings) { s.RequestTimeout = hook.Duration(2 * time.Second) }
		q := newMemory(newWebhook(1, fitting, concurrency(4)))
		q.lease = long
		claims := new(tally[string])
		var lines, linesLong bytes.Buffer
		seen, seenLong := new(log), new(log)
		node := func(name string, lease time.Duration, seen *log, lines *bytes.Buffer) *Engine {
			e, _ := start(t, claimed{q, claims, name}, seen.of(after(100*time.Millisecond, acknowledge())), leaseOf(lease), func(o *Options) {
				o.Log = slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: slog.LevelWarn}))
			})
			return e
		}
		e, _ := node("short", short, seen, &lines), node("long", long, seenLong, &linesLong)
		event := 0
		emit := func(count int) {
			for range count {
				q.emit(e, 1, newEvent(event))
				event++
			}
		}
		change := func(timeout time.Duration) {
			<-time.After(time.Second)
			q.change(1, func(w *hook.Webhook) { w.Settings.RequestTimeout, w.UpdatedAt = hook.Duration(timeout), time.Now() })
		}
		said := func(times int, timeout time.Duration) {
			t.Helper()
			<-time.After(time.Second)
			text := lines.String()
			if strings.Count(text, "\n") != times || linesLong.Len() != 0 {
				t.Errorf("the nodes said\n%s\n%s", text, linesLong.String())
			}
			for _, want := range []string{"level=WARN", "webhook=" + newWebhook(1).ID.String(), "lease=5s", fmt.Sprintf("needs=%v", timeout+hook.LeaseMargin)} {
				if times > 0 && !strings.Contains(text, want) {
					t.Errorf("no %s in %s", want, text)
				}
			}
		}
		emit(100) // it takes 2.5 s
		<-time.After(time.Second)
		if own, others := len(seen.posts()), len(seenLong.posts()); own == 0 || others != 0 {
			t.Fatalf("%d POSTs by the node that accepted, %d by the other", own, others)
		}
		change(10 * time.Second)
		own, before := len(seen.posts()), claims.of("short")
		emit(100)
		settled(t, q, 10*time.Second)
		if e.Room(1) || len(seen.posts()) > own+4 || claims.of("short") != before {
			t.Errorf("the node with the short lease has made %d POSTs, %d before, and %d claims", len(seen.posts()), own, claims.of("short")-before)
		}
		said(1, 10*time.Second)
		q.change(1, func(*hook.Webhook) {}) // read anew, as it is
		emit(10)
		settled(t, q, 10*time.Second)
		said(1, 10*time.Second)
		change(20 * time.Second)
		emit(1)
		settled(t, q, 10*time.Second)
		said(2, 20*time.Second)
		change(time.Second)
		<-time.After(2 * time.Second)
		own = len(seen.posts())
		emit(20)
		settled(t, q, 5*time.Second)
		if q.late != 0 || len(seen.posts()) != own+20 {
			t.Errorf("%d of 20 POSTs by the node that accepted and fits; %d outcomes came late", len(seen.posts())-own, q.late)
		}
		said(2, 20*time.Second)
	})
}

// claimed counts the claims of a node.
type claimed struct {
	*memory
	claims *tally[string]
	node   string
}

func (q claimed) Claim(ctx context.Context, now time.Time, n hook.WebhookNumber, limit int) ([]*hook.Delivery, error) {
	q.claims.count(q.node)
	return q.memory.Claim(ctx, now, n, limit)
}

// of returns how often a key was counted.
func (o *tally[K]) of(key K) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen[key]
}
