package store_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// awaitReplay waits until the replay has ended or stands still.
func awaitReplay(t testing.TB, s *storetest.Opened, id hook.ReplayID, until func(*hook.Replay) bool) *hook.Replay {
	t.Helper()
	tick, deadline := time.NewTicker(5*time.Millisecond), time.NewTimer(time.Minute)
	defer tick.Stop()
	defer deadline.Stop()
	for {
		if r := readReplay(t, s, id); until(r) {
			return r
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("the replay does not come so far: %+v", readReplay(t, s, id))
		}
	}
}

func finished(r *hook.Replay) bool { return r.State == hook.ReplayFinished }

// A running store goes on by itself with what was begun on it, with what a restart has interrupted, and with what a node began that is
// gone; paused in the middle it stands still where the answer says, and resumed it does the rest once.
func TestReplaysOfARunningStore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		const many = 300
		lives(t, s, now, many)
		exhaustAll(t, s, now, w)
		r := beginReplay(t, s, now, w, draft(now, rate(300)))
		awaitReplay(t, s, r.ID, func(r *hook.Replay) bool { return r.Counts.Replayed > 0 })
		paused, err := s.PauseReplay(t.Context(), theCenter, r.ID, now, nil)
		must(t, err)
		s.Reopen(t)
		wantCounts(t, s, r.ID, paused.Counts.Matched, paused.Counts.Replayed, 0)
		if open := openRows(t, s, w, hook.DeliveryPending) + openRows(t, s, w, hook.DeliveryWaiting); int64(open) != paused.Counts.Replayed {
			t.Errorf("%d are pending, the pause said %d", open, paused.Counts.Replayed)
		}
		_, err = s.ResumeReplay(t.Context(), theCenter, r.ID, moment(), nil)
		must(t, err)
		awaitReplay(t, s, r.ID, func(r *hook.Replay) bool { return r.Counts.Replayed > paused.Counts.Replayed })
		s.Reopen(t) // in the middle
		awaitReplay(t, s, r.ID, finished)
		wantCounts(t, s, r.ID, 2*many, 2*many, 0)

		if !e.Shared {
			return
		}
		dead := s.Join(t, stepping())
		exhaustAll(t, s, now.Add(time.Hour), w)
		left := beginReplay(t, dead, moment(), w, draft(now))
		dead.Stop(t)
		awaitReplay(t, s, left.ID, finished)
		wantCounts(t, s, left.ID, 2*many, 2*many, 0)
	})
}

// I7: a replay of 5,000 deliveries beside new traffic holds the writer for a bounded batch at a time, and others come in between
// batches.
func TestReplaysBesideTraffic(t *testing.T) {
	const many = 5_000
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		var mu sync.Mutex // guards reopened and largest
		reopened, largest := 0, 0
		s := e.Open(t, storetest.Before(func(s *store.Store) {
			s.Watch(&store.Spy{
				Statement: func(text string, _ []any) {
					mu.Lock()
					defer mu.Unlock()
					switch {
					case text == store.ReopenDelivery:
						reopened++
					case strings.HasPrefix(text, "UPDATE replays"): // the end of a batch
						largest, reopened = max(largest, reopened), 0
					}
				},
			})
		}))
		now := moment()
		w := webhook(t, s, theCenter)
		lives(t, s, now.Add(-time.Hour), many/2)
		must(t, s.Write(t.Context(), `UPDATE deliveries SET state = 3, due_at = 0, waits_for = 0, followed = 0, attempts = 1`))
		var batches atomic.Int64
		began := time.Now()
		r := beginReplay(t, s, now, w, draft(now.Add(-time.Hour), func(r *hook.Replay) { r.Filter.To = now.Add(-time.Minute) }))
		accepted, longest := int64(0), time.Duration(0)
		for last := int64(0); ; {
			before := time.Now()
			change(t, s, moment(), create(newInteraction(), "q"))
			accepted++
			longest = max(longest, time.Since(before))
			got := readReplay(t, s, r.ID)
			if got.Counts.Matched > last {
				batches.Add(1)
				last = got.Counts.Matched
			}
			if got.State == hook.ReplayFinished {
				break
			}
		}
		wantCounts(t, s, r.ID, many, many, 0)
		mu.Lock()
		defer mu.Unlock()
		if largest != hook.ReplayBatchMax {
			t.Errorf("the largest batch has %d deliveries, want %d", largest, hook.ReplayBatchMax)
		}
		if seen, all := batches.Load(), int64(many/hook.ReplayBatchMax); seen < all/10 || accepted < all {
			t.Errorf("%d interactions were accepted beside %d batches, between %d of which others came in", accepted, all, seen)
		}
		t.Logf("%d deliveries in %v; %d interactions accepted meanwhile, the longest took %v", many, time.Since(began).Round(time.Millisecond), accepted, longest.Round(time.Millisecond))
	})
}

// TestReplayTellsTheLanes: each batch that made deliveries due tells the lanes of their webhook once it is committed, and so does the
// replay of one delivery. Without that they would go out with the next sweep, all of a second at once, whatever the rate is.
func TestReplayTellsTheLanes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		l := &lane{}
		s, now := e.Open(t, stepping(), l.option()), moment()
		w := webhook(t, s, theCenter)
		lives(t, s, now, 10)
		exhaustAll(t, s, now, w)
		told := func(want int) {
			t.Helper()
			l.mu.Lock()
			defer l.mu.Unlock()
			if len(l.told) != want || want > 0 && l.told[want-1] != w.Number {
				t.Errorf("the lanes were told of %v, want %d times %d", l.told, want, w.Number)
			}
		}
		told(0)
		r := beginReplay(t, s, now, w, draft(now, rate(100)))
		batches := 0
		for at, more := now, true; more; batches++ {
			at, more = step(t, s, r.ID, at)
		}
		wantCounts(t, s, r.ID, 20, 20, 0)
		told(2)
		if batches < 2 {
			t.Errorf("it was done in %d batches", batches)
		}
		made := deliver(t, s, moment(), w)
		replay(t, s, moment(), made[0].ID())
		told(3)
	})
}
