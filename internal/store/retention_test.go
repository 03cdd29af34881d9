package store_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// kept is how long interactions are kept in these tests, and later when those that were stopped now are removed.
const kept = 30 * 24 * time.Hour

func later(now time.Time) time.Time { return now.Add(kept + store.RetainLag + time.Millisecond) }

// retain removes all that the walk finds now, and returns how many batches removed how many interactions.
func retain(t testing.TB, s *storetest.Opened, now time.Time) (batches []int) {
	t.Helper()
	for more := true; more; {
		var removed int
		var err error
		removed, more, err = s.Retain(t.Context(), theCenter, kept, now)
		must(t, err)
		if removed > 0 {
			batches = append(batches, removed)
		}
	}
	return batches
}

// wantKept checks which of the interactions are there.
func wantKept(t testing.TB, s *storetest.Opened, all []hook.InteractionID, want ...hook.InteractionID) {
	t.Helper()
	for i, id := range all {
		_, err := s.Interaction(t.Context(), theCenter, id)
		if there := err == nil; there != slices.Contains(want, id) || err != nil && !isNotFound(err) {
			t.Errorf("interaction %d: %v", i, err)
		}
	}
}

// wantRows checks how many interactions, events, deliveries and attempts there are.
func wantRows(t testing.TB, s *storetest.Opened, want ...int64) {
	t.Helper()
	got, err := s.Numbers(`SELECT count(*) FROM interactions UNION ALL SELECT count(*) FROM events WHERE interaction <> 0
		UNION ALL SELECT count(*) FROM deliveries UNION ALL SELECT count(*) FROM attempts`)
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows of interactions, events, deliveries, attempts (-want +got):\n%s", diff)
	}
}

// I7: an interaction that was stopped long enough ago is removed with all that belongs to it, an exhausted delivery too; no
// trace of it is readable, and its id can be used again.
func TestRetentionRemoves(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		good, bad := webhook(t, s, theCenter), webhook(t, s, theCenter)
		old, young := newInteraction(), newInteraction()
		i := change(t, s, now, create(old, "q"), stop(old))
		for range 2 { // STARTED, then the FINISHED that waited for it
			deliver(t, s, now, good)
			record(t, s, now, exhausts(claimOne(t, s, now, bad), now))
		}
		change(t, s, now.Add(time.Millisecond), create(young, "q"), stop(young))
		for range 2 {
			deliver(t, s, now.Add(time.Millisecond), good)
			deliver(t, s, now.Add(time.Millisecond), bad)
		}
		wantRows(t, s, 2, 4, 2, 8)

		if got := retain(t, s, later(now).Add(-time.Millisecond)); got != nil {
			t.Errorf("removed %v a millisecond too early", got)
		}
		if diff := cmp.Diff([]int{1}, retain(t, s, later(now))); diff != "" {
			t.Errorf("removed in batches (-want +got):\n%s", diff)
		}
		wantKept(t, s, []hook.InteractionID{old, young}, young)
		wantRows(t, s, 1, 2, 0, 4)
		for _, event := range []hook.Serial{i.StartedEvent, i.Stopped.Event} {
			for _, w := range []*hook.Webhook{good, bad} {
				id := hook.NewDeliveryID(event, w.Number)
				_, err := s.Delivery(t.Context(), theCenter, id)
				wantError(t, err, hook.ErrNotFound)
				_, err = s.ReplayDelivery(t.Context(), theCenter, id, now, nil)
				wantError(t, err, hook.ErrNotFound)
			}
		}
		for _, e := range events(t, s, theCenter) {
			if e.InteractionID != young {
				t.Errorf("the event %s of %s is there", e.Kind, e.InteractionID)
			}
		}
		if list := deliveries(t, s, theCenter, store.DeliveryFilter{Interaction: old}); len(list) != 0 {
			t.Errorf("there are the deliveries %v", states(list, good, bad))
		}
		wantError(t, judge(t, s, now, stop(old))[0].Err, hook.ErrNotFound)
		if again := change(t, s, later(now), create(old, "q")); again.State != hook.StateQueued {
			t.Errorf("created again as %s", again.State)
		}
	})
}

// deliverAll delivers until nothing is due: a FINISHED that waits for its STARTED too.
func deliverAll(t testing.TB, s *storetest.Opened, now time.Time, w *hook.Webhook) {
	t.Helper()
	for len(deliver(t, s, now, w)) > 0 {
	}
}

// I2: what is not stopped is kept, and so is what somebody must still hear of, however old it is. When that is over, the next
// walk removes it.
func TestRetentionKeeps(t *testing.T) {
	type life struct {
		name string
		live func(t *testing.T, s *storetest.Opened, w *hook.Webhook, id hook.InteractionID, now time.Time)
	}
	lives := []life{
		{"not submitted", func(t *testing.T, s *storetest.Opened, _ *hook.Webhook, id hook.InteractionID, now time.Time) {
			change(t, s, now, create(id, ""))
		}},
		{"queued", func(t *testing.T, s *storetest.Opened, w *hook.Webhook, id hook.InteractionID, now time.Time) {
			change(t, s, now, create(id, "q"))
			deliverAll(t, s, now, w)
		}},
		{"in process", func(t *testing.T, s *storetest.Opened, w *hook.Webhook, id hook.InteractionID, now time.Time) {
			change(t, s, now, create(id, "q"), accept(id, "a.smith"))
			deliverAll(t, s, now, w)
		}},
		{"pending and waiting", func(t *testing.T, s *storetest.Opened, _ *hook.Webhook, id hook.InteractionID, now time.Time) {
			change(t, s, now, create(id, "q"), stop(id))
		}},
		{"pending", func(t *testing.T, s *storetest.Opened, w *hook.Webhook, id hook.InteractionID, now time.Time) {
			change(t, s, now, create(id, "q"), stop(id))
			deliver(t, s, now, w)
		}},
		{"leased", func(t *testing.T, s *storetest.Opened, w *hook.Webhook, id hook.InteractionID, now time.Time) {
			change(t, s, now, create(id, "q"), stop(id))
			claim(t, s, now, w, 1)
		}},
		{"held", func(t *testing.T, s *storetest.Opened, w *hook.Webhook, id hook.InteractionID, now time.Time) {
			change(t, s, now, create(id, "q"), stop(id))
			_, err := s.EnableWebhook(t.Context(), theCenter, w.ID, now, false, nil)
			must(t, err)
		}},
		{"replayed", func(t *testing.T, s *storetest.Opened, w *hook.Webhook, id hook.InteractionID, now time.Time) {
			i := change(t, s, now, create(id, "q"), stop(id))
			deliverAll(t, s, now, w)
			replay(t, s, now, hook.NewDeliveryID(i.StartedEvent, w.Number))
		}},
	}
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		for _, tt := range lives {
			t.Run(tt.name, func(t *testing.T) {
				s, now := e.Open(t), moment()
				w, id := webhook(t, s, theCenter), newInteraction()
				tt.live(t, s, w, id, now)
				for range 3 {
					now = later(now).Add(store.RetainWalkEvery)
					if got := retain(t, s, now); got != nil {
						t.Errorf("%v were removed", got)
					}
				}
				wantKept(t, s, []hook.InteractionID{id}, id)

				_, err := s.EnableWebhook(t.Context(), theCenter, w.ID, now, true, nil)
				must(t, err)
				judge(t, s, now, submit(id, "q"))
				change(t, s, now, stop(id))
				deliverAll(t, s, now, w)
				if diff := cmp.Diff([]int{1}, retain(t, s, later(now).Add(store.RetainWalkEvery))); diff != "" {
					t.Errorf("removed when that was over (-want +got):\n%s", diff)
				}
				wantRows(t, s, 0, 0, 0, 0)
			})
		}
	})
}

// I7: what a webhook that was deleted never got does not keep an interaction for ever, but as long as the deletion is young.
func TestRetentionAfterDeletionOfWebhook(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w, id := webhook(t, s, theCenter), newInteraction()
		change(t, s, now, create(id, "q"), stop(id))
		deleted := now.Add(kept)
		must(t, s.DeleteWebhook(t.Context(), theCenter, w.ID, deleted))
		if got := retain(t, s, deleted.Add(kept-time.Millisecond)); got != nil {
			t.Errorf("removed %v a millisecond too early", got)
		}
		if diff := cmp.Diff([]int{1}, retain(t, s, deleted.Add(kept+store.RetainWalkEvery))); diff != "" {
			t.Errorf("removed (-want +got):\n%s", diff)
		}
		wantRows(t, s, 0, 0, 0, 0)
	})
}

// I7: a transaction removes so many interactions and rows at most, and one interaction that has more rows alone.
func TestRetentionInBatches(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		most, rows := s.RetainPace()
		many, large := most+10, 20
		var changes []hook.Change
		for range many {
			id := newInteraction()
			changes = append(changes, create(id, "q"), stop(id))
		}
		change(t, s, now, changes...)
		id := newInteraction()
		big := change(t, s, now, create(id, "q"), stop(id))
		for range large {
			id := newInteraction()
			change(t, s, now, create(id, "q"), stop(id))
		}
		must(t, s.Write(t.Context(), `INSERT INTO attempts (center, event, webhook, number, started_at, duration_us, status, failure, error, response)
			WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < `+fmt.Sprint(rows)+`)
			SELECT 1, $1, 1, k, 0, 0, 200, 0, '', $2 FROM n`, big.StartedEvent, []byte{}))

		if diff := cmp.Diff([]int{most, many - most, 1, large}, retain(t, s, later(now).Add(time.Second))); diff != "" {
			t.Errorf("removed in batches (-want +got):\n%s", diff)
		}
		wantRows(t, s, 0, 0, 0, 0)
	})
}

// Guarantee 6: where nothing is old enough, the store looks once and writes nothing; what was passed over is not looked at
// again before the next walk, which begins at the first one.
func TestRetentionScansNoHistory(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		var mu sync.Mutex // guards read and written
		var read, written int
		s := e.Open(t, storetest.Before(func(s *store.Store) {
			s.Watch(&store.Spy{
				Statement: func(text string, _ []any) {
					mu.Lock()
					defer mu.Unlock()
					if strings.Contains(text, "retention") || strings.Contains(text, "ORDER BY serial LIMIT") {
						read++
					}
					if strings.Contains(text, "UPDATE retention") || strings.Contains(text, "INSERT INTO retention") {
						written++
					}
				},
			})
		}))
		now := moment()
		idle := func(name string, at time.Time) {
			t.Helper()
			mu.Lock()
			read, written = 0, 0
			mu.Unlock()
			removed, more, err := s.Retain(t.Context(), theCenter, kept, at)
			must(t, err)
			mu.Lock()
			defer mu.Unlock()
			if removed != 0 || more || read != 2 || written != 0 {
				t.Errorf("%s: %d removed, more: %v; %d reads, %d writes; want one of the walk and one of an index", name, removed, more, read, written)
			}
		}
		first := newInteraction()
		changes := []hook.Change{create(first, "q")}
		most, _ := s.RetainPace()
		for range 2 * most {
			changes = append(changes, create(newInteraction(), "q"))
		}
		change(t, s, now, changes...)
		retain(t, s, now)
		idle("nothing is old enough", now)
		retain(t, s, later(now))
		idle("all was passed over", later(now))
		change(t, s, now, stop(first))
		idle("the first one was stopped since", later(now))
		idle("a day is not over", now.Add(store.RetainWalkEvery-time.Millisecond))
		if diff := cmp.Diff([]int{1}, retain(t, s, later(now).Add(store.RetainWalkEvery))); diff != "" {
			t.Errorf("removed by the next walk (-want +got):\n%s", diff)
		}
		idle("the next walk is over", later(now).Add(store.RetainWalkEvery))
	})
}

// Stores on one database, and two passes of one store, remove each interaction once, and none of them fails.
func TestRetentionByManyAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		most, _ := s.RetainPace()
		many := 5 * most
		nodes := []*storetest.Opened{s, s, s}
		if e.Shared {
			nodes = []*storetest.Opened{s, s.Join(t), s.Join(t)}
		}
		var changes []hook.Change
		for range many {
			id := newInteraction()
			changes = append(changes, create(id, "q"), stop(id))
		}
		change(t, s, now, changes...)
		now = later(now).Add(time.Second) // so many serials go on into the next milliseconds
		var mu sync.Mutex                 // guards removed
		removed := 0
		var wg sync.WaitGroup
		for _, node := range nodes {
			wg.Go(func() {
				for range 2 * many / most {
					n, _, err := node.Retain(t.Context(), theCenter, kept, now)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					removed += n
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for _, n := range retain(t, s, now) {
			removed += n
		}
		if removed != many {
			t.Errorf("%d of %d were removed", removed, many)
		}
		wantRows(t, s, 0, 0, 0, 0)
	})
}

// I2: a replay in the moment of the removal either finds nothing, or is made and keeps the interaction.
func TestRetentionAgainstReplay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		const rounds, each = 30, 4
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		for round := range rounds {
			ids, found := make([]hook.InteractionID, each), make([]*hook.Interaction, each)
			for i := range ids {
				ids[i] = newInteraction()
				found[i] = change(t, s, now, create(ids[i], "q"), stop(ids[i]))
			}
			deliverAll(t, s, now, w)
			now = later(now)
			var wg sync.WaitGroup
			replayed, stopped := make([]error, each), make([]error, each)
			wg.Go(func() {
				if _, _, err := s.Retain(t.Context(), theCenter, kept, now); err != nil {
					t.Error(err)
				}
			})
			for i := range ids {
				wg.Go(func() {
					_, replayed[i] = s.ReplayDelivery(t.Context(), theCenter, hook.NewDeliveryID(found[i].StartedEvent, w.Number), now, nil)
					results, err := s.AcceptChanges(t.Context(), theCenter, now, []hook.Change{stop(ids[i])}, nil)
					if stopped[i] = err; err == nil {
						stopped[i] = results[0].Err
					}
				})
			}
			wg.Wait()
			for i, id := range ids {
				_, err := s.Interaction(t.Context(), theCenter, id)
				list := deliveries(t, s, theCenter, store.DeliveryFilter{Interaction: id})
				switch {
				case replayed[i] == nil && (err != nil || stopped[i] != nil || len(list) != 2 || list[0].State != hook.DeliveryPending):
					t.Fatalf("round %d: replayed, but %v, %v, deliveries %v", round, err, stopped[i], states(list, w))
				case replayed[i] != nil && (!isNotFound(replayed[i]) || !isNotFound(err) || !isNotFound(stopped[i]) || len(list) != 0):
					t.Fatalf("round %d: not replayed: %v, but %v, %v, deliveries %v", round, replayed[i], err, stopped[i], states(list, w))
				}
			}
			deliverAll(t, s, now, w)
		}
	})
}

// Guarantee 1: a batch that cannot be committed removes nothing, and is removed later.
func TestRetentionWhileTheDatabaseFails(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		for _, at := range []storetest.Moment{storetest.BeforeCommit, storetest.AfterCommit} {
			id := newInteraction()
			change(t, s, now, create(id, "q"), stop(id))
			now = later(now)
			s.Faulty.Fail(at, 1, hook.ErrUnavailable)
			_, _, err := s.Retain(t.Context(), theCenter, kept, now)
			wantError(t, err, hook.ErrUnavailable)
			if at == storetest.BeforeCommit {
				wantRows(t, s, 1, 2, 0, 0)
			}
			retain(t, s, now)
			wantRows(t, s, 0, 0, 0, 0)
		}
	})
}

// A running store removes by itself what is older than its retention allows, of all contact centres; without one it keeps all. What
// a contact centre sets for itself counts for it alone, from the next look on.
func TestRetentionOfARunningStore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		var options *store.Options
		s := e.Open(t, storetest.With(func(o *store.Options) { options = o }))
		long := moment().Add(-kept)
		other, err := s.CreateContactCenter(t.Context(), long, "other", "", nil) // then: keys never go back in time
		must(t, err)
		own, err := s.CreateContactCenter(t.Context(), long, "own", "", nil)
		must(t, err)
		_, err = s.UpdateContactCenter(t.Context(), long, own.ID, func(c *hook.ContactCenter) error {
			forever, hour := hook.Duration(0), hook.Duration(time.Hour)
			c.Settings.Retention = hook.Retention{Interactions: &forever, Payloads: &hour}
			return nil
		})
		must(t, err)
		for _, center := range []hook.ContactCenterNumber{theCenter, other.Number, own.Number} {
			id := newInteraction()
			_, err := s.AcceptChanges(t.Context(), center, long, []hook.Change{create(id, "q"), stop(id)}, nil)
			must(t, err)
		}
		young := newInteraction()
		change(t, s, moment(), create(young, "q"), stop(young))
		s.Reopen(t)
		wantRows(t, s, 4, 8, 0, 0)

		options.Retention = kept / 2
		s.Reopen(t)
		tick, deadline := time.NewTicker(5*time.Millisecond), time.NewTimer(20*time.Second)
		defer tick.Stop()
		defer deadline.Stop()
		for left := int64(4); left > 2; {
			select {
			case <-tick.C:
				counted, err := s.Numbers(`SELECT count(*) FROM interactions UNION ALL SELECT count(*) FROM events WHERE length(payload) > 0`)
				must(t, err)
				left = max(counted[0], counted[1])
			case <-deadline.C:
				t.Fatalf("%d are left", left)
			}
		}
		wantRows(t, s, 2, 4, 0, 0)
		wantKept(t, s, []hook.InteractionID{young}, young)
		for _, e := range events(t, s, own.Number) {
			if len(e.Payload) != 0 {
				t.Errorf("the payload of %s is there", e.Kind)
			}
		}
	})
}
