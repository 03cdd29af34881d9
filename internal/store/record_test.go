package store_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// Guarantee 3 and I2: acknowledged, a delivery leaves the open set and is shown as delivered with all its attempts.
func TestRecordDelivered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		i := change(t, s, now, create(newInteraction(), "q"))
		d := claimOne(t, s, now, w)
		failed := hook.Attempt{
			Number: 1, StartedAt: now, Duration: 7 * time.Second, Status: 503, Failure: hook.FailureStatus, Error: "status 503",
			Response: bytes.Repeat([]byte{0, 0xff, '\n'}, 1_000), Events: 3,
			Timing: hook.Timing{DNS: time.Microsecond, Connect: 2 * time.Millisecond, TLS: 3 * time.Second, FirstByte: 4 * time.Second},
		}
		record(t, s, now, hook.Outcome{Delivery: d, Attempt: failed, Next: now.Add(time.Minute)})
		later := now.Add(time.Minute)
		d = claimOne(t, s, later, w)
		succeeded := hook.Attempt{Number: 2, StartedAt: later, Duration: 1234 * time.Microsecond, Status: 200, Response: []byte(`{"status":{}}`), Events: 1}
		if r := record(t, s, later, hook.Outcome{Delivery: d, Attempt: succeeded}); len(r.Late) != 0 || len(r.Freed) != 0 {
			t.Errorf("recorded %+v", r)
		}
		event := events(t, s, theCenter)[0]
		want := &store.Delivery{
			ID: d.ID(), Webhook: w.ID, Interaction: i.ID, Event: interaction.EventStarted, Operation: event.OperationID,
			State: hook.DeliveryDelivered, AttemptsMade: 2, CreatedAt: now, DeliveredAt: later.Add(succeeded.Duration), LastAttempt: &succeeded,
			Attempts: []hook.Attempt{failed, succeeded},
		}
		if diff := cmp.Diff(want, delivery(t, s, d.ID()), unkeyed()); diff != "" {
			t.Errorf("delivery (-want +got):\n%s", diff)
		}
		want.Attempts = nil
		if diff := cmp.Diff([]*store.Delivery{want}, deliveries(t, s, theCenter, store.DeliveryFilter{}), unkeyed()); diff != "" {
			t.Errorf("in the list (-want +got):\n%s", diff)
		}
		if got := claim(t, s, later.AddDate(1, 0, 0), w, 10); len(got) != 0 {
			t.Error("a delivered delivery is due")
		}
	})
}

// Guarantee 3: after a failure a delivery is due again when the schedule says so, not before.
func TestRecordRetry(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		change(t, s, now, create(newInteraction(), "q"))
		d := claimOne(t, s, now, w)
		if shown := delivery(t, s, d.ID()); shown.State != hook.DeliveryPending || !shown.NextAttemptAt.IsZero() {
			t.Errorf("while it is sent it is %s, next at %v", shown.State, shown.NextAttemptAt)
		}
		next := now.Add(5 * time.Second)
		record(t, s, now, fails(d, now, next))
		shown := delivery(t, s, d.ID())
		if shown.State != hook.DeliveryPending || !shown.NextAttemptAt.Equal(next) || shown.AttemptsMade != 1 || shown.LastAttempt.Failure != hook.FailureTimeout {
			t.Errorf("after a failure it is %+v", shown)
		}
		if got := claim(t, s, next.Add(-time.Millisecond), w, 10); len(got) != 0 {
			t.Error("it is due before its time")
		}
		if again := claimOne(t, s, next, w); again.Attempts != 1 || again.Base != 0 {
			t.Errorf("claimed again with %d attempts from %d", again.Attempts, again.Base)
		}
	})
}

// I2: exhausted, a delivery is claimed by nobody, and stays visible with its attempts.
func TestRecordExhausted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		change(t, s, now, create(newInteraction(), "q"))
		d := claimOne(t, s, now, w)
		record(t, s, now, exhausts(d, now))
		if got := claim(t, s, now.AddDate(1, 0, 0), w, 10); len(got) != 0 {
			t.Error("an exhausted delivery is due")
		}
		s.Reopen(t)
		shown := delivery(t, s, d.ID())
		if shown.State != hook.DeliveryExhausted || !shown.NextAttemptAt.IsZero() || shown.AttemptsMade != 1 || len(shown.Attempts) != 1 {
			t.Errorf("it is %+v", shown)
		}
		if got := deliveries(t, s, theCenter, store.DeliveryFilter{State: hook.DeliveryExhausted}); len(got) != 1 {
			t.Errorf("%d exhausted deliveries in the list", len(got))
		}
	})
}

// Guarantees 1 and 3: one batch mixes every outcome, and outcomes that are late, in one transaction.
func TestRecordMixedBatch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		var changes []hook.Change
		for range 4 {
			changes = append(changes, create(newInteraction(), "q"))
		}
		followed := newInteraction()
		change(t, s, now, append(changes, create(followed, "q"), stop(followed))...)
		d := claim(t, s, now, w, 10)
		must(t, s.Release(t.Context(), now.Add(time.Hour), d[3:4]))
		r := record(
			t, s, now, fails(d[1], now, now.Add(time.Hour)), acknowledges(d[0], now), acknowledges(d[3], now), exhausts(d[2], now),
			acknowledges(d[4], now), acknowledges(d[0], now),
		)
		if diff := cmp.Diff(hook.Recorded{Freed: []hook.WebhookNumber{w.Number}, Late: []int{2, 5}}, r); diff != "" {
			t.Errorf("recorded (-want +got):\n%s", diff)
		}
		wantStates(
			t, s, []*hook.Webhook{w}, "STARTED to 0: delivered, 1", "STARTED to 0: pending, 1", "STARTED to 0: exhausted, 1",
			"STARTED to 0: pending, 0", "STARTED to 0: delivered, 1", "FINISHED to 0: pending, 0",
		)
		if r := record(t, s, now); len(r.Late) != 0 || len(r.Freed) != 0 {
			t.Errorf("an empty batch recorded %+v", r)
		}
	})
}

// Guarantee 1: a batch with an outcome that cannot be stored changes nothing and is not called unavailable, so that the
// others can be recorded without it.
func TestRecordPoisonedBatch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		change(t, s, now, create(newInteraction(), "q"), create(newInteraction(), "q"))
		for _, d := range claim(t, s, now, w, 10) {
			record(t, s, now, fails(d, now, now))
		}
		d := claim(t, s, now, w, 10)
		poison := acknowledges(d[1], now)
		poison.Attempt.Number = 1 // this number is in the log already
		_, err := s.Record(t.Context(), now, []hook.Outcome{acknowledges(d[0], now), poison})
		if err == nil || errors.Is(err, hook.ErrUnavailable) {
			t.Errorf("error is %v, want one that says nothing about the store", err)
		}
		wantStates(t, s, []*hook.Webhook{w}, "STARTED to 0: pending, 1", "STARTED to 0: pending, 1")
		must(t, s.Ready(t.Context()))
		if r := record(t, s, now, acknowledges(d[0], now)); len(r.Late) != 0 {
			t.Errorf("recorded alone: %+v", r)
		}
		wantStates(t, s, []*hook.Webhook{w}, "STARTED to 0: delivered, 2", "STARTED to 0: pending, 1")
	})
}

// I2: while its webhook is disabled or deleted, a delivery in flight is still recorded.
func TestRecordForDisabledWebhook(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		change(t, s, now, create(newInteraction(), "q"), create(newInteraction(), "q"))
		d := claim(t, s, now, w, 10)
		_, err := s.EnableWebhook(t.Context(), theCenter, w.ID, now, false, nil)
		must(t, err)
		record(t, s, now, acknowledges(d[0], now))
		must(t, s.DeleteWebhook(t.Context(), theCenter, w.ID, now))
		record(t, s, now, fails(d[1], now, now))
		wantStates(t, s, []*hook.Webhook{w}, "STARTED to 0: delivered, 1", "STARTED to 0: held, 1")
	})
}
