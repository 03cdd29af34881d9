package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// trimAge is how long events keep what is trimmed in these tests, and trimmedAt when that is over for those of now.
const trimAge = time.Hour

func trimmedAt(now time.Time) time.Time { return now.Add(trimAge + time.Second) }

// trimPolicy keeps interactions for long, and of their events as long as trimAge what it says.
func trimPolicy(edit func(p *hook.RetentionPolicy, k hook.Kept)) hook.RetentionPolicy {
	inherited := hook.Kept{For: kept, Inherited: true}
	p := hook.RetentionPolicy{Interactions: hook.Kept{For: kept}, Deliveries: inherited, Attempts: inherited, Payloads: inherited}
	edit(&p, hook.Kept{For: trimAge})
	return p
}

func trimsEach() map[int]hook.RetentionPolicy {
	return map[int]hook.RetentionPolicy{
		store.TrimsPayloads:   trimPolicy(func(p *hook.RetentionPolicy, k hook.Kept) { p.Payloads = k }),
		store.TrimsAttempts:   trimPolicy(func(p *hook.RetentionPolicy, k hook.Kept) { p.Attempts = k }),
		store.TrimsDeliveries: trimPolicy(func(p *hook.RetentionPolicy, k hook.Kept) { p.Deliveries = k }),
	}
}

// trimAll removes all of one kind that the walk finds now, and returns the size of each batch.
func trimAll(t testing.TB, s *storetest.Opened, what int, now time.Time) (batches []int) {
	t.Helper()
	for more := true; more; {
		var n int
		var err error
		n, more, err = s.RetainBy(t.Context(), theCenter, trimsEach()[what], what, now)
		must(t, err)
		if n > 0 {
			batches = append(batches, n)
		}
	}
	return batches
}

// reported adds up the pages of a report.
func reported(t testing.TB, s *storetest.Opened, center hook.ContactCenterNumber, p hook.RetentionPolicy, now time.Time) store.RetentionReport {
	t.Helper()
	var sum store.RetentionReport
	for cursor := ""; ; {
		page, err := s.ReportRetention(t.Context(), center, p, now, cursor)
		must(t, err)
		sum.Interactions += page.Interactions
		sum.Events += page.Events
		sum.Deliveries += page.Deliveries
		sum.Attempts += page.Attempts
		sum.Payloads += page.Payloads
		if cursor = page.NextCursor; cursor == "" {
			return sum
		}
	}
}

// lived is an interaction whose STARTED has one delivery of each kind.
type lived struct {
	id                     hook.InteractionID
	good, bad, slow        *hook.Webhook
	started                hook.Serial
	delivered, given, open hook.DeliveryID
}

// oneLife makes one: delivered at the third attempt, exhausted at the second, and pending after one.
func oneLife(t testing.TB, s *storetest.Opened, now time.Time) lived {
	t.Helper()
	l := lived{id: newInteraction(), good: webhook(t, s, theCenter), bad: webhook(t, s, theCenter), slow: webhook(t, s, theCenter)}
	l.started = change(t, s, now, create(l.id, "q")).StartedEvent
	for range 2 {
		record(t, s, now, fails(claimOne(t, s, now, l.good), now, now))
	}
	deliver(t, s, now, l.good)
	record(t, s, now, fails(claimOne(t, s, now, l.bad), now, now))
	record(t, s, now, exhausts(claimOne(t, s, now, l.bad), now))
	record(t, s, now, fails(claimOne(t, s, now, l.slow), now, now))
	for id, w := range map[*hook.DeliveryID]*hook.Webhook{&l.delivered: l.good, &l.given: l.bad, &l.open: l.slow} {
		*id = hook.NewDeliveryID(l.started, w.Number)
	}
	return l
}

// I7: after their time all attempts but the last are removed, and what was answered to that one; it is still shown what became of
// the delivery, and after how many attempts.
func TestTrimAttempts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		l := oneLife(t, s, now)
		if got := trimAll(t, s, store.TrimsAttempts, trimmedAt(now).Add(-2*time.Second)); got != nil {
			t.Errorf("removed %v too early", got)
		}
		if diff := cmp.Diff([]int{3}, trimAll(t, s, store.TrimsAttempts, trimmedAt(now))); diff != "" {
			t.Errorf("removed (-want +got):\n%s", diff)
		}
		wantRows(t, s, 1, 1, 2, 3)
		for id, want := range map[hook.DeliveryID]string{
			l.delivered: "delivered after 3, shown [3]", l.given: "exhausted after 2, shown [2]", l.open: "pending after 1, shown [1]",
		} {
			d := delivery(t, s, id)
			var numbers []int
			for _, a := range d.Attempts {
				numbers = append(numbers, a.Number)
				if len(a.Response) != 0 {
					t.Errorf("attempt %d of %s was answered %q", a.Number, want, a.Response)
				}
			}
			if got := fmt.Sprintf("%v after %d, shown %v", d.State, d.AttemptsMade, numbers); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		// I6: attempts count on.
		replay(t, s, now, l.delivered)
		if d := claimOne(t, s, now, l.good); d.Attempts != 3 || d.Base != 3 {
			t.Errorf("the replay goes on after %d attempts", d.Attempts)
		}
	})
}

// I2, I7: after their time deliveries that are resolved are removed with all that was tried; those that are not stay, with the
// payload, and are made.
func TestTrimDeliveries(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		l := oneLife(t, s, now)
		if diff := cmp.Diff([]int{6}, trimAll(t, s, store.TrimsDeliveries, trimmedAt(now))); diff != "" {
			t.Errorf("removed rows (-want +got):\n%s", diff)
		}
		wantRows(t, s, 1, 1, 1, 1)
		for _, id := range []hook.DeliveryID{l.delivered, l.given} {
			_, err := s.Delivery(t.Context(), theCenter, id)
			wantError(t, err, hook.ErrNotFound)
			_, err = s.ReplayDelivery(t.Context(), theCenter, id, now, nil)
			wantError(t, err, hook.ErrNotFound)
		}
		if d := delivery(t, s, l.open); len(d.Attempts) != 1 {
			t.Errorf("of the open one %d attempts are shown", len(d.Attempts))
		}
		if got := deliver(t, s, now, l.slow); len(got) != 1 || len(got[0].Event.Payload) == 0 {
			t.Errorf("delivered %v", got)
		}
		if diff := cmp.Diff([]int{2}, trimAll(t, s, store.TrimsDeliveries, trimmedAt(now).Add(store.RetainWalkEvery))); diff != "" {
			t.Errorf("removed rows by the next walk (-want +got):\n%s", diff)
		}
		wantRows(t, s, 1, 1, 0, 0)
	})
}

// I2, I7: a payload is kept while a delivery of it is open, whatever its age, and removed by a walk after that. The event is
// shown, and can be replayed no more.
func TestTrimPayloads(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		l := oneLife(t, s, now)
		if got := trimAll(t, s, store.TrimsPayloads, trimmedAt(now)); got != nil {
			t.Errorf("removed %v while a delivery is open", got)
		}
		replay(t, s, now, l.given)
		deliver(t, s, now, l.bad)
		deliver(t, s, now, l.slow)
		if got := trimAll(t, s, store.TrimsPayloads, trimmedAt(now)); got != nil {
			t.Errorf("looked at %v again before the next walk", got)
		}
		if diff := cmp.Diff([]int{1}, trimAll(t, s, store.TrimsPayloads, trimmedAt(now).Add(store.RetainWalkEvery))); diff != "" {
			t.Errorf("removed (-want +got):\n%s", diff)
		}
		if list := events(t, s, theCenter); len(list) != 1 || len(list[0].Payload) != 0 || list[0].InteractionID != l.id {
			t.Errorf("there are the events %+v", list)
		}
		_, err := s.ReplayDelivery(t.Context(), theCenter, l.given, now, nil)
		wantConflict(t, err, "removed")
		wantRows(t, s, 1, 1, 0, 8)
	})
}

// What a webhook that was deleted never got keeps no payload, once the deletion is as old as a payload may be.
func TestTrimPayloadsAfterDeletionOfWebhook(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		change(t, s, now, create(newInteraction(), "q"))
		must(t, s.DeleteWebhook(t.Context(), theCenter, w.ID, now.Add(trimAge)))
		if got := trimAll(t, s, store.TrimsPayloads, now.Add(2*trimAge-time.Millisecond)); got != nil {
			t.Errorf("removed %v a millisecond too early", got)
		}
		if diff := cmp.Diff([]int{1}, trimAll(t, s, store.TrimsPayloads, now.Add(2*trimAge+store.RetainWalkEvery))); diff != "" {
			t.Errorf("removed (-want +got):\n%s", diff)
		}
	})
}

// I2: a replay in the moment in which the payload is removed either is refused, or is made and keeps it. The same with the deliveries.
func TestTrimAgainstReplay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		const rounds, each = 30, 4
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		for round := range rounds {
			started := make([]hook.Serial, each)
			for i := range started {
				started[i] = change(t, s, now, create(newInteraction(), "q")).StartedEvent
			}
			deliverAll(t, s, now, w)
			now = trimmedAt(now)
			what := []int{store.TrimsPayloads, store.TrimsDeliveries}[round%2]
			replayed := make([]error, each)
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, _, err := s.RetainBy(t.Context(), theCenter, trimsEach()[what], what, now); err != nil {
					t.Error(err)
				}
			})
			for i, serial := range started {
				wg.Go(func() {
					_, replayed[i] = s.ReplayDelivery(t.Context(), theCenter, hook.NewDeliveryID(serial, w.Number), now, nil)
				})
			}
			wg.Wait()
			made := 0
			for _, err := range replayed {
				switch {
				case err == nil:
					made++
				case what == store.TrimsDeliveries && isNotFound(err):
				default:
					wantConflict(t, err, "removed")
				}
			}
			claimed := claim(t, s, now, w, 100)
			for _, d := range claimed {
				if len(d.Event.Payload) == 0 || d.Attempts != 1 {
					t.Fatalf("round %d: claimed after %d attempts, with the payload %q", round, d.Attempts, d.Event.Payload)
				}
				record(t, s, now, acknowledges(d, now))
			}
			if len(claimed) != made {
				t.Fatalf("round %d: %d were replayed, and %d are due", round, made, len(claimed))
			}
		}
	})
}

// I7: a transaction looks at so many events at most; several stores at once, and two passes of one, remove each thing once.
func TestTrimInBatchesByManyAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		most, _ := s.RetainPace()
		many := 3*most + 7
		nodes := []*storetest.Opened{s, s, s}
		if e.Shared {
			nodes = []*storetest.Opened{s, s.Join(t), s.Join(t)}
		}
		var changes []hook.Change
		for range many {
			changes = append(changes, create(newInteraction(), "q"))
		}
		change(t, s, now, changes...)
		now = trimmedAt(now).Add(time.Second) // so many serials go on into the next milliseconds
		p := trimsEach()[store.TrimsPayloads]
		var mu sync.Mutex // guards sum
		sum := 0
		var wg sync.WaitGroup
		for _, node := range nodes {
			wg.Go(func() {
				for range 4 {
					n, _, err := node.RetainBy(t.Context(), theCenter, p, store.TrimsPayloads, now)
					if err != nil || n > most {
						t.Errorf("%d in one batch of %d at most: %v", n, most, err)
					}
					mu.Lock()
					sum += n
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for _, n := range trimAll(t, s, store.TrimsPayloads, now) {
			sum += n
		}
		if sum != many {
			t.Errorf("%d of %d were removed", sum, many)
		}
	})
}

// I7: a page of a report looks at so many interactions at most, and the pages make up the whole; it removes nothing.
func TestReportRetentionInPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		var changes []hook.Change
		for range 2*store.ReportInteractionsMax + 1 {
			id := newInteraction()
			changes = append(changes, create(id, "q"), stop(id))
		}
		change(t, s, now, changes...)
		p := hook.Retention{}.Policy(kept)
		at := later(now).Add(time.Second)
		var sizes []int
		for cursor := ""; len(sizes) == 0 || cursor != ""; {
			page, err := s.ReportRetention(t.Context(), theCenter, p, at, cursor)
			must(t, err)
			sizes = append(sizes, page.Interactions)
			cursor = page.NextCursor
		}
		if diff := cmp.Diff([]int{store.ReportInteractionsMax, store.ReportInteractionsMax, 1}, sizes); diff != "" {
			t.Errorf("interactions of the pages (-want +got):\n%s", diff)
		}
		for _, n := range []hook.RetentionPolicy{p, {}} {
			_, err := s.ReportRetention(t.Context(), theCenter, n, at, "no cursor")
			wantError(t, err, hook.ErrBadID)
		}
		if got := reported(t, s, theCenter, hook.RetentionPolicy{}, at); got != (store.RetentionReport{}) {
			t.Errorf("for ever, %+v would be removed", got)
		}
		wantRows(t, s, int64(len(changes)/2), int64(len(changes)), 0, 0)
	})
}
