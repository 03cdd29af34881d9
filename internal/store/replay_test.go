package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// I2 and I6: a delivered and an exhausted delivery can be replayed, any number of times: the schedule begins anew, the
// attempt numbers go on growing, and the log keeps every attempt.
func TestReplayNumbersGrow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		change(t, s, now, create(newInteraction(), "q"))
		deliver(t, s, now, w)
		change(t, s, now, create(newInteraction(), "q"))
		d := claimOne(t, s, now, w)
		id := d.ID()
		record(t, s, now, fails(d, now, now))
		record(t, s, now, exhausts(claimOne(t, s, now, w), now))

		for round, resolve := range []func(*hook.Delivery) hook.Outcome{
			func(d *hook.Delivery) hook.Outcome { return acknowledges(d, now) },
			func(d *hook.Delivery) hook.Outcome { return exhausts(d, now) },
			func(d *hook.Delivery) hook.Outcome { return acknowledges(d, now) },
		} {
			made := 2 * (round + 1)
			shown := replay(t, s, now, id)
			if shown.State != hook.DeliveryPending || shown.AttemptsMade != made || !shown.NextAttemptAt.Equal(now) || shown.ID != id {
				t.Errorf("round %d: replayed as %+v", round, shown)
			}
			d := claimOne(t, s, now, w)
			if d.Attempts != made || d.Base != made {
				t.Errorf("round %d: claimed with %d attempts from %d, want %d", round, d.Attempts, d.Base, made)
			}
			record(t, s, now, fails(d, now, now))
			d = claimOne(t, s, now, w)
			if d.Attempts != made+1 || d.Base != made {
				t.Errorf("round %d: retried with %d attempts from %d", round, d.Attempts, d.Base)
			}
			record(t, s, now, resolve(d))
		}
		var numbers []int
		for _, a := range delivery(t, s, id).Attempts {
			numbers = append(numbers, a.Number)
		}
		if diff := cmp.Diff([]int{1, 2, 3, 4, 5, 6, 7, 8}, numbers); diff != "" {
			t.Errorf("attempt numbers (-want +got):\n%s", diff)
		}
		got, next, err := s.Deliveries(t.Context(), theCenter, store.DeliveryFilter{}, store.Page{Limit: 1})
		must(t, err)
		if len(got) != 1 || next == "" || got[0].ID != id || got[0].State != hook.DeliveryDelivered || got[0].AttemptsMade != 8 {
			t.Errorf("the list has %v, want the delivery once, delivered by the last attempt, and one more on the next page", states(got, w))
		}
	})
}

// Guarantee 1: what cannot be replayed is a conflict or not found, and is left as it is.
func TestReplayRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w, filtered, gone := webhook(t, s, theCenter), webhook(t, s, theCenter), webhook(t, s, theCenter)
		other := contactCenter(t, s, "other")
		foreign := webhook(t, s, other.Number)
		must(t, s.DeleteWebhook(t.Context(), theCenter, filtered.ID, now)) // so that it gets no delivery
		id := newInteraction()
		i := change(t, s, now, create(id, "q"), stop(id))
		deliver(t, s, now, gone)
		must(t, s.DeleteWebhook(t.Context(), theCenter, gone.ID, now))

		refused := func(name, state string, id hook.DeliveryID) {
			t.Helper()
			_, err := s.ReplayDelivery(t.Context(), theCenter, id, now, nil)
			if state == "" {
				wantError(t, err, hook.ErrNotFound)
			} else {
				wantConflict(t, err, state)
			}
			if t.Failed() {
				t.Fatalf("replay of %s", name)
			}
		}
		refused("a pending one", "pending", hook.NewDeliveryID(i.StartedEvent, w.Number))
		refused("a waiting one", "pending", hook.NewDeliveryID(i.Stopped.Event, w.Number))
		refused("one of a deleted webhook", "deleted", hook.NewDeliveryID(i.StartedEvent, gone.Number))
		refused("an unknown event", "", hook.NewDeliveryID(i.StartedEvent+100, w.Number))
		refused("an unknown webhook", "", hook.NewDeliveryID(i.StartedEvent, 99))
		refused("a webhook of another contact centre", "", hook.NewDeliveryID(i.StartedEvent, foreign.Number))
		refused("an id that is none", "", hook.DeliveryID{UUID: newUUID()})
		fresh := webhook(t, s, theCenter)
		refused("an event before the webhook", "", hook.NewDeliveryID(i.StartedEvent, fresh.Number))
		wantStates(
			t, s, []*hook.Webhook{w, gone}, "STARTED to 0: pending, 0", "STARTED to 1: delivered, 1", "FINISHED to 0: waiting, 0",
			"FINISHED to 1: held, 0",
		)
	})
}

// I2: a replay of a delivery of a disabled webhook is kept until it is enabled.
func TestReplayWhileDisabled(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		change(t, s, now, create(newInteraction(), "q"))
		id := deliver(t, s, now, w)[0].ID()
		_, err := s.EnableWebhook(t.Context(), theCenter, w.ID, now, false, nil)
		must(t, err)
		if d := replay(t, s, now, id); d.State != hook.DeliveryHeld {
			t.Errorf("replayed as %s", d.State)
		}
		_, err = s.EnableWebhook(t.Context(), theCenter, w.ID, now, true, nil)
		must(t, err)
		if d := claimOne(t, s, now, w); d.ID() != id {
			t.Errorf("claimed %s", d.ID())
		}
	})
}
