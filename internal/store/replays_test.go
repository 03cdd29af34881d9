package store_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// stepping leaves replays to the test.
func stepping() storetest.Option {
	return storetest.Before(func(s *store.Store) { s.HoldReplays() })
}

// lives makes so many interactions that are stopped, at one time.
func lives(t testing.TB, s *storetest.Opened, now time.Time, many int) {
	t.Helper()
	for some := range slices.Chunk(make([]struct{}, many), 500) {
		var changes []hook.Change
		for range some {
			id := newInteraction()
			changes = append(changes, create(id, "q"), stop(id))
		}
		change(t, s, now, changes...)
	}
}

// exhaustAll lets all attempts fail until nothing of the webhook is due.
func exhaustAll(t testing.TB, s *storetest.Opened, now time.Time, w *hook.Webhook) {
	t.Helper()
	for {
		claimed := claim(t, s, now, w, 1_000)
		if len(claimed) == 0 {
			return
		}
		outcomes := make([]hook.Outcome, len(claimed))
		for i, d := range claimed {
			outcomes[i] = exhausts(d, now)
		}
		record(t, s, now, outcomes...)
	}
}

// draft is a replay of what happened in the hour around a time.
func draft(now time.Time, edits ...func(*hook.Replay)) *hook.Replay {
	r := &hook.Replay{ID: hook.ReplayID{UUID: hook.V7(now, [10]byte(newUUIDBytes()))}, ContactCenter: theCenter}
	r.Filter.From, r.Filter.To = now.Add(-time.Hour), now.Add(time.Hour)
	for _, edit := range edits {
		edit(r)
	}
	return r
}

func newUUIDBytes() []byte {
	u := newUUID()
	return u[6:]
}

func dry(r *hook.Replay) { r.DryRun = true }

func both(r *hook.Replay) {
	r.Filter.States = []hook.DeliveryState{hook.DeliveryExhausted, hook.DeliveryDelivered}
}

func rate(n int) func(*hook.Replay) { return func(r *hook.Replay) { r.Rate = n } }

func beginReplay(t testing.TB, s *storetest.Opened, now time.Time, w *hook.Webhook, d *hook.Replay) *hook.Replay {
	t.Helper()
	r, err := s.CreateReplay(t.Context(), now, w.ID, d, nil)
	if err != nil {
		t.Fatalf("create replay: %v", err)
	}
	return r
}

func readReplay(t testing.TB, s *storetest.Opened, id hook.ReplayID) *hook.Replay {
	t.Helper()
	r, err := s.Replay(t.Context(), theCenter, id)
	if err != nil {
		t.Fatalf("read replay: %v", err)
	}
	return r
}

// step does one batch and returns when the next one may begin.
func step(t testing.TB, s *storetest.Opened, id hook.ReplayID, now time.Time) (next time.Time, more bool) {
	t.Helper()
	next, more, err := s.StepReplay(t.Context(), theCenter, id, now)
	if err != nil {
		t.Fatalf("step replay: %v", err)
	}
	return next, more
}

// finish does batches until there is none, each as soon as it may begin, and returns how many.
func finish(t testing.TB, s *storetest.Opened, id hook.ReplayID, now time.Time) (batches int) {
	t.Helper()
	for more := true; more; batches++ {
		now, more = step(t, s, id, now)
	}
	if r := readReplay(t, s, id); r.State != hook.ReplayFinished || r.Times.Finished.IsZero() || r.Progress() != 1 {
		t.Fatalf("the replay is %s at %v", r.State, r.Progress())
	}
	return batches
}

func wantCounts(t testing.TB, s *storetest.Opened, id hook.ReplayID, matched, replayed, skipped int64) {
	t.Helper()
	want := hook.ReplayCounts{Matched: matched, Replayed: replayed, Skipped: skipped}
	if diff := cmp.Diff(want, readReplay(t, s, id).Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// open counts the rows of the open set of each webhook that are in a state.
func openRows(t testing.TB, s *storetest.Opened, w *hook.Webhook, state hook.DeliveryState) int {
	t.Helper()
	counted, err := s.Numbers(fmt.Sprintf(`SELECT count(*) FROM deliveries WHERE webhook = %d AND state = %d`, w.Number, state))
	must(t, err)
	return int(counted[0])
}

// I2, I5 and I7: a replay of a range makes exactly the exhausted deliveries of one webhook in it pending, in bounded batches, with the
// operation id and the bytes that they had; a dry run counts them and changes nothing.
func TestReplaysOfARange(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, stepping()), moment().Add(-24*time.Hour)
		webhooks := []*hook.Webhook{webhook(t, s, theCenter), webhook(t, s, theCenter), webhook(t, s, theCenter)}
		const each, inside = 340, 300
		from, to := now.Add(time.Minute), now.Add(time.Hour)
		lives(t, s, now, 20)
		lives(t, s, from, inside/2)
		lives(t, s, to.Add(-time.Second), inside/2)
		lives(t, s, to, 20)
		for _, w := range webhooks {
			exhaustAll(t, s, to, w)
		}
		payloads := map[hook.OperationID]string{}
		for _, ev := range events(t, s, theCenter) {
			payloads[ev.OperationID] = string(ev.Payload)
		}
		within := func(r *hook.Replay) { r.Filter.From, r.Filter.To = from, to }
		w := webhooks[1]

		counted := beginReplay(t, s, to, w, draft(now, within, dry))
		finish(t, s, counted.ID, to)
		wantCounts(t, s, counted.ID, 2*inside, 0, 0)
		if n := openRows(t, s, w, hook.DeliveryExhausted); n != 2*each {
			t.Fatalf("after a dry run %d are exhausted, want all %d", n, 2*each)
		}
		r := beginReplay(t, s, to, w, draft(now, within))
		if batches := finish(t, s, r.ID, to); batches < 2*inside/hook.ReplayBatchMax {
			t.Errorf("%d batches for %d deliveries", batches, 2*inside)
		}
		wantCounts(t, s, r.ID, 2*inside, 2*inside, 0)
		for i, w := range webhooks {
			want := 2 * each
			if i == 1 {
				want -= 2 * inside
			}
			if n := openRows(t, s, w, hook.DeliveryExhausted); n != want {
				t.Errorf("%d of webhook %d are exhausted, want %d", n, i, want)
			}
		}
		delivered := 0
		for {
			some := deliver(t, s, to.Add(time.Hour), w)
			if len(some) == 0 {
				break
			}
			for _, d := range some {
				delivered++
				if want := payloads[d.Event.OperationID]; string(d.Event.Payload) != want || d.Attempts != 1 || d.Base != 1 {
					t.Fatalf("%s goes out as %s with %d attempts from %d, want %s", d.Event.OperationID, d.Event.Payload, d.Attempts, d.Base, want)
				}
			}
		}
		if delivered != 2*inside {
			t.Errorf("%d were delivered, want %d", delivered, 2*inside)
		}
	})
}

// The filter by event and media type lets through what it names; rare matches are found in bounded looks, each of which is a batch.
func TestReplaysFilter(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, stepping()), moment()
		w, other := webhook(t, s, theCenter), webhook(t, s, theCenter)
		lives(t, s, now, 30)
		mail := create(newInteraction(), "q")
		mail.Draft.Media, mail.Draft.Subtype = interaction.MediaEmail, interaction.SubtypeOutbound
		change(t, s, now, mail)
		exhaustAll(t, s, now, w)
		deliverAll(t, s, now, other)
		count := func(w *hook.Webhook, want int64, edits ...func(*hook.Replay)) {
			t.Helper()
			r := beginReplay(t, s, now, w, draft(now, append(edits, dry)...))
			finish(t, s, r.ID, now)
			wantCounts(t, s, r.ID, want, 0, 0)
		}
		emails := func(r *hook.Replay) { r.Filter.MediaTypes = []interaction.MediaType{interaction.MediaEmail} }
		finished := func(r *hook.Replay) { r.Filter.Events = []interaction.Event{interaction.EventFinished} }
		deliveredOnly := func(r *hook.Replay) { r.Filter.States = []hook.DeliveryState{hook.DeliveryDelivered} }
		count(w, 61)
		count(w, 1, emails)
		count(w, 30, finished)
		count(w, 0, emails, finished)
		count(w, 61, both)
		count(w, 0, deliveredOnly)
		count(other, 0)
		count(other, 61, deliveredOnly)
		count(other, 1, both, emails)
		count(other, 30, both, finished)

		r := beginReplay(t, s, now, other, draft(now, both, emails, rate(1)))
		finish(t, s, r.ID, now)
		wantCounts(t, s, r.ID, 1, 1, 0)
		if d := claimOne(t, s, now.Add(time.Hour), other); d.Event.Media != interaction.MediaEmail {
			t.Errorf("replayed the %s of a %s", d.Event.Kind, d.Event.Media)
		}
	})
}

// A look is bounded, also where nothing in the range matches: what is left is for the next batch, which begins where this one ended.
func TestReplaysLookIsBounded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, stepping()), moment()
		w := webhook(t, s, theCenter)
		many := store.ReplayWindow*store.ReplayWindowsMax + 500
		must(t, s.Write(t.Context(), fmt.Sprintf(`INSERT INTO events (center, serial, interaction, kind, operation_id, occurred_at, payload)
			WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < %d) SELECT 1, $1 + k, 0, 1, $2, 0, $3 FROM n`, many),
			hook.SerialAt(now), newUUID(), []byte("{}")))
		r := beginReplay(t, s, now, w, draft(now, both))
		next, more := step(t, s, r.ID, now)
		if got := readReplay(t, s, r.ID); !more || got.Passed != hook.SerialAt(now)+hook.Serial(store.ReplayWindow*store.ReplayWindowsMax) || got.State != hook.ReplayRunning {
			t.Errorf("after a batch it has passed %d events, more: %v", got.Passed-hook.SerialAt(now), more)
		}
		if _, more := step(t, s, r.ID, next); more {
			t.Error("the rest was not looked at by the second batch")
		}
		wantCounts(t, s, r.ID, 0, 0, 0)
	})
}

// I3: replayed together or one after the other, from whichever state, a FINISHED waits for its STARTED.
func TestReplaysKeepOrder(t *testing.T) {
	for name, edits := range map[string][]func(*hook.Replay){"in one batch": {both}, "in a batch each": {both, rate(1)}} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, e storetest.Engine) {
				s, now := e.Open(t, stepping()), moment()
				w := webhook(t, s, theCenter)
				started, finished := life(t, s, now, w) // delivered
				lives(t, s, now, 1)
				exhaustAll(t, s, now, w)
				r := beginReplay(t, s, now, w, draft(now, edits...))
				finish(t, s, r.ID, now)
				wantCounts(t, s, r.ID, 4, 4, 0)
				all := []*hook.Webhook{w}
				wantStates(t, s, all, "STARTED to 0: pending, 1", "FINISHED to 0: waiting, 1", "STARTED to 0: pending, 1", "FINISHED to 0: waiting, 1")
				now = now.Add(time.Hour)
				for round, want := range []interaction.Event{interaction.EventStarted, interaction.EventFinished} {
					for _, d := range deliver(t, s, now, w) {
						if d.Event.Kind != want || d.Attempts != 1 || d.Base != 1 {
							t.Errorf("round %d: %s with %d attempts from %d", round, d.Event.Kind, d.Attempts, d.Base)
						}
					}
				}
				wantStates(t, s, all, "STARTED to 0: delivered, 2", "FINISHED to 0: delivered, 2", "STARTED to 0: delivered, 2", "FINISHED to 0: delivered, 2")
				for _, id := range []hook.DeliveryID{started, finished} {
					if d := delivery(t, s, id); d.State != hook.DeliveryDelivered {
						t.Errorf("%s is %s", d.Event, d.State)
					}
				}
			})
		})
	}
}

// What became pending, is being sent, or was removed between the look and the transaction is skipped, and left as it is.
func TestReplaysSkip(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, stepping()), moment()
		w := webhook(t, s, theCenter)
		var made []*hook.Interaction
		for range 4 {
			id := newInteraction()
			made = append(made, change(t, s, now, create(id, "q"), stop(id)))
		}
		for range 2 { // but for the last FINISHED, which stays due
			for _, d := range claim(t, s, now, w, 10) {
				if d.Event.Serial == made[3].Stopped.Event {
					record(t, s, now, fails(d, now, now))
				} else {
					record(t, s, now, exhausts(d, now))
				}
			}
		}
		r := beginReplay(t, s, now, w, draft(now))
		must(t, s.StepReplayWith(t.Context(), theCenter, r.ID, now, func() {
			replay(t, s, now, hook.NewDeliveryID(made[0].StartedEvent, w.Number)) // pending already
			replay(t, s, now, hook.NewDeliveryID(made[1].StartedEvent, w.Number))
			for _, d := range claim(t, s, now, w, 10) { // one STARTED is delivered meanwhile, and the last FINISHED is being sent
				if d.Event.Serial == made[1].StartedEvent {
					record(t, s, now, acknowledges(d, now))
				}
			}
			must(t, s.Write(t.Context(), `DELETE FROM deliveries WHERE event IN ($1, $2)`, made[2].StartedEvent, made[2].Stopped.Event)) // removed
			must(t, s.Write(t.Context(), `DELETE FROM attempts WHERE event IN ($1, $2)`, made[2].StartedEvent, made[2].Stopped.Event))
		}))
		// Replayed are the first two FINISHED: one waits for the STARTED that is pending, one for nothing.
		wantCounts(t, s, r.ID, 7, 2, 5)
		wantStates(
			t, s, []*hook.Webhook{w}, "STARTED to 0: pending, 1", "FINISHED to 0: waiting, 1", "STARTED to 0: delivered, 2", "FINISHED to 0: pending, 1",
			"STARTED to 0: exhausted, 1", "FINISHED to 0: pending, 1",
		)
	})
}

// A delivery whose payload was removed cannot be replayed, alone or in a range: there is nothing to send.
func TestReplaysWithoutPayload(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, stepping()), moment()
		w := webhook(t, s, theCenter)
		lives(t, s, now, 1)
		exhaustAll(t, s, now, w)
		must(t, s.Write(t.Context(), `UPDATE events SET payload = $1`, []byte{}))
		r := beginReplay(t, s, now, w, draft(now))
		finish(t, s, r.ID, now)
		wantCounts(t, s, r.ID, 2, 0, 2)
		_, err := s.ReplayDelivery(t.Context(), theCenter, deliveries(t, s, theCenter, store.DeliveryFilter{})[0].ID, now, nil)
		wantConflict(t, err, "removed")
		wantStates(t, s, []*hook.Webhook{w}, "STARTED to 0: exhausted, 1", "FINISHED to 0: exhausted, 1")
	})
}

// Guarantee 1: whatever fails between batches or in the middle of one, a restart included, each delivery is replayed exactly once.
func TestReplaysSurviveFailures(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, stepping()), moment()
		w := webhook(t, s, theCenter)
		const many = 500
		lives(t, s, now, many)
		exhaustAll(t, s, now, w)
		r := beginReplay(t, s, now, w, draft(now, rate(1_000)))
		next, more := now, true
		for round := 0; more; round++ {
			switch round % 4 {
			case 0:
				s.Reopen(t)
			case 1:
				s.Faulty.Fail(storetest.BeforeCommit, 1, hook.ErrUnavailable)
			case 2:
				s.Faulty.Fail(storetest.AfterCommit, 1, hook.ErrUnavailable)
			}
			var err error
			if next, more, err = s.StepReplay(t.Context(), theCenter, r.ID, next); err != nil {
				wantError(t, err, hook.ErrUnavailable)
				next, more = now.Add(time.Duration(round+1)*time.Second), true
			}
			if round > 100 {
				t.Fatal("it does not end")
			}
			got := readReplay(t, s, r.ID)
			if open := openRows(t, s, w, hook.DeliveryPending) + openRows(t, s, w, hook.DeliveryWaiting); got.Counts.Replayed != int64(open) {
				t.Fatalf("round %d: %d are replayed, but %d are pending", round, got.Counts.Replayed, open)
			}
		}
		wantCounts(t, s, r.ID, 2*many, 2*many, 0)
		if n := openRows(t, s, w, hook.DeliveryExhausted); n != 0 {
			t.Errorf("%d were left out", n)
		}
	})
}

// Stores on one database, and two passes of one store, do no batch twice, and none of them fails.
func TestReplaysByManyAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, stepping()), moment()
		nodes := []*storetest.Opened{s, s, s}
		if e.Shared {
			nodes = []*storetest.Opened{s, s.Join(t, stepping()), s.Join(t, stepping())}
		}
		w := webhook(t, s, theCenter)
		const many = 700
		lives(t, s, now, many)
		exhaustAll(t, s, now, w)
		r := beginReplay(t, s, now, w, draft(now))
		var wg sync.WaitGroup
		for _, node := range nodes {
			wg.Go(func() {
				for range 30 {
					if _, _, err := node.StepReplay(t.Context(), theCenter, r.ID, now); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if readReplay(t, s, r.ID).State != hook.ReplayFinished { // where passes got in each other's way, some are left
			finish(t, s, r.ID, now)
		}
		wantCounts(t, s, r.ID, 2*many, 2*many, 0)
	})
}

// A replay is paused, resumed and cancelled between batches and in the middle of one; what that forbids is a conflict. When the answer is
// there, nothing more is replayed.
func TestReplaysAreSteered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, stepping()), moment()
		w := webhook(t, s, theCenter)
		lives(t, s, now, 100)
		exhaustAll(t, s, now, w)
		r := beginReplay(t, s, now, w, draft(now, rate(500)))
		wants := func(verb string, state hook.ReplayState, replayed int64) {
			t.Helper()
			got := readReplay(t, s, r.ID)
			if open := openRows(t, s, w, hook.DeliveryPending) + openRows(t, s, w, hook.DeliveryWaiting); got.State != state || got.Counts.Replayed != replayed || int64(open) != replayed {
				t.Errorf("after %s: %s, %d replayed, %d pending; want %s, %d", verb, got.State, got.Counts.Replayed, open, state, replayed)
			}
		}
		_, err := s.ResumeReplay(t.Context(), theCenter, r.ID, now, nil)
		wantConflict(t, err, "running")
		next, _ := step(t, s, r.ID, now)
		wants("a batch", hook.ReplayRunning, 50)
		if again, more := step(t, s, r.ID, now); !more || again.Before(now.Add(100*time.Millisecond)) {
			t.Errorf("the next batch may begin %v after this one", again.Sub(now))
		}
		wants("a batch too early", hook.ReplayRunning, 50)

		must(t, s.StepReplayWith(t.Context(), theCenter, r.ID, next, func() {
			_, err := s.PauseReplay(t.Context(), theCenter, r.ID, next, nil)
			must(t, err)
		}))
		wants("a pause in the middle of a batch", hook.ReplayPaused, 50)
		if _, more := step(t, s, r.ID, next.Add(time.Hour)); more {
			t.Error("a paused replay goes on")
		}
		_, err = s.PauseReplay(t.Context(), theCenter, r.ID, now, nil)
		wantConflict(t, err, "paused")
		_, err = s.ResumeReplay(t.Context(), theCenter, r.ID, next, nil)
		must(t, err)
		step(t, s, r.ID, next)
		wants("a resume", hook.ReplayRunning, 100)

		must(t, s.StepReplayWith(t.Context(), theCenter, r.ID, next, func() {
			_, err := s.CancelReplay(t.Context(), theCenter, r.ID, next, nil)
			must(t, err)
		}))
		wants("a cancel in the middle of a batch", hook.ReplayCancelled, 100)
		for _, steer := range []func() (*hook.Replay, error){
			func() (*hook.Replay, error) { return s.PauseReplay(t.Context(), theCenter, r.ID, now, nil) },
			func() (*hook.Replay, error) { return s.ResumeReplay(t.Context(), theCenter, r.ID, now, nil) },
			func() (*hook.Replay, error) { return s.CancelReplay(t.Context(), theCenter, r.ID, now, nil) },
		} {
			_, err := steer()
			wantConflict(t, err, "cancelled")
		}
		_, err = s.PauseReplay(t.Context(), theCenter, hook.ReplayID{UUID: newUUID()}, now, nil)
		wantError(t, err, hook.ErrNotFound)
	})
}

// A replay ends when its webhook is deleted, and nothing of the batch in hand is replayed.
func TestReplaysEndWithTheirWebhook(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, stepping()), moment()
		w := webhook(t, s, theCenter)
		lives(t, s, now, 5)
		exhaustAll(t, s, now, w)
		r := beginReplay(t, s, now, w, draft(now))
		must(t, s.StepReplayWith(t.Context(), theCenter, r.ID, now, func() { must(t, s.DeleteWebhook(t.Context(), theCenter, w.ID, now)) }))
		wantCounts(t, s, r.ID, 0, 0, 0)
		if got := readReplay(t, s, r.ID); got.State != hook.ReplayCancelled || got.Times.Finished.IsZero() || got.Webhook.ID != w.ID {
			t.Errorf("it is %s, of webhook %s", got.State, got.Webhook.ID)
		}
	})
}

// Guarantee 1: what cannot be replayed is refused and leaves nothing behind; a repeated request makes no second replay; a contact centre
// has a bounded number of replays that have not ended, and keeps a bounded number of all.
func TestReplaysRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, stepping()), moment()
		w, gone := webhook(t, s, theCenter), webhook(t, s, theCenter)
		notices := webhook(t, s, theCenter, func(w *hook.Webhook) { w.Settings.Purpose = hook.PurposeNotices })
		other := contactCenter(t, s, "other")
		foreign := webhook(t, s, other.Number)
		must(t, s.DeleteWebhook(t.Context(), theCenter, gone.ID, now))
		create := func(id hook.WebhookID, once *store.Once[*hook.Replay]) error {
			_, err := s.CreateReplay(t.Context(), now, id, draft(now), once)
			return err
		}
		wantConflict(t, create(gone.ID, nil), "deleted")
		wantError(t, create(foreign.ID, nil), hook.ErrNotFound)
		wantError(t, create(hook.WebhookID{UUID: newUUID()}, nil), hook.ErrNotFound)
		if wrong := new(hook.InvalidError); !errors.As(create(notices.ID, nil), &wrong) || wrong.Fields[0].Field != "webhookId" {
			t.Errorf("a webhook for notices: %v", wrong)
		}
		key := func() *store.Once[*hook.Replay] {
			return &store.Once[*hook.Replay]{Key: "key", Encode: func(r *hook.Replay, err error) (store.Answer, bool) {
				return store.Answer{Status: 202, Body: []byte(r.ID.String())}, err == nil
			}}
		}
		must(t, create(w.ID, key()))
		first, _, err := s.Replays(t.Context(), theCenter, store.Page{})
		must(t, err)
		answered := new(store.AnsweredError)
		if err := create(w.ID, key()); !errors.As(err, &answered) || len(first) != 1 || string(answered.Body) != first[0].ID.String() {
			t.Errorf("repeated: %v, replays %v", err, first)
		}
		for range hook.ReplaysUnfinishedMax - 1 {
			must(t, create(w.ID, nil))
		}
		wantConflict(t, create(w.ID, nil), "10 unfinished")
		_, err = s.CreateReplay(t.Context(), now, foreign.ID, draft(now, func(r *hook.Replay) { r.ContactCenter = other.Number }), nil)
		must(t, err) // which is another contact centre's
		_, err = s.CancelReplay(t.Context(), theCenter, first[0].ID, now, nil)
		must(t, err)
		must(t, create(w.ID, nil))

		must(t, s.Write(t.Context(), fmt.Sprintf(`UPDATE replays SET state = 3 WHERE center = %d`, theCenter)))
		for n := range store.ReplaysKeptMax {
			old := hook.V7(now.Add(time.Duration(n-2_000)*time.Second), [10]byte{})
			must(t, s.Write(t.Context(), `INSERT INTO replays (center, id, webhook, filter, rate, dry_run, state, actor, created_at, updated_at)
				VALUES (1, $1, $2, '{}', 0, 0, 3, '', 0, 0)`, old, w.Number))
		}
		must(t, create(w.ID, nil))
		counted, err := s.Numbers(`SELECT count(*) FROM replays WHERE center = 1`)
		must(t, err)
		if counted[0] != store.ReplaysKeptMax {
			t.Errorf("%d replays are kept, want %d", counted[0], store.ReplaysKeptMax)
		}
		var all []hook.ReplayID
		for p := (store.Page{Limit: 150}); ; {
			page, next, err := s.Replays(t.Context(), theCenter, p)
			must(t, err)
			for _, r := range page {
				all = append(all, r.ID)
			}
			if p.Cursor = next; next == "" {
				break
			}
		}
		if len(all) != store.ReplaysKeptMax || !slices.IsSortedFunc(all, func(a, b hook.ReplayID) int { return slices.Compare(b.UUID[:], a.UUID[:]) }) {
			t.Errorf("the list has %d replays, newest first?", len(all))
		}
		_, _, err = s.Replays(t.Context(), theCenter, store.Page{Cursor: "nope"})
		wantError(t, err, hook.ErrBadID)
	})
}

// Replays are recorded: who, what, how many, and how it ended.
func TestReplaysAreLogged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, stepping()), moment()
		ctx := hook.WithActor(t.Context(), "key shift")
		w := webhook(t, s, theCenter)
		lives(t, s, now, 1)
		exhaustAll(t, s, now, w)
		logged := func() []string {
			t.Helper()
			list, err := s.Texts(`SELECT action || ' by ' || actor FROM audit WHERE action LIKE '%replay%' ORDER BY serial`)
			must(t, err)
			return list
		}
		_, err := s.ReplayDelivery(ctx, theCenter, deliveries(t, s, theCenter, store.DeliveryFilter{})[0].ID, now, nil)
		must(t, err)
		made, err := s.CreateReplay(ctx, now, w.ID, draft(now), nil)
		must(t, err)
		if made.Actor != "key shift" || readReplay(t, s, made.ID).Actor != "key shift" {
			t.Errorf("made by %q", made.Actor)
		}
		_, err = s.PauseReplay(ctx, theCenter, made.ID, now, nil)
		must(t, err)
		_, err = s.ResumeReplay(ctx, theCenter, made.ID, now, nil)
		must(t, err)
		finish(t, s, made.ID, now)
		again, err := s.CreateReplay(ctx, now, w.ID, draft(now), nil)
		must(t, err)
		_, err = s.CancelReplay(ctx, theCenter, again.ID, now, nil)
		must(t, err)
		want := []string{
			"delivery.replay by key shift", "replay.create by key shift", "replay.pause by key shift", "replay.resume by key shift",
			"replay.finish by hookswitch", "replay.create by key shift", "replay.cancel by key shift",
		}
		if diff := cmp.Diff(want, logged()); diff != "" {
			t.Errorf("logged (-want +got):\n%s", diff)
		}
		list, err := s.Texts(`SELECT after FROM audit WHERE action = 'replay.finish'`)
		must(t, err)
		if want := fmt.Sprintf(`{"webhookId":%q,"from":%q,"to":%q,"states":["exhausted"],"state":"finished","matched":1,"replayed":1,"skipped":0}`,
			w.ID, made.Filter.From.Format(time.RFC3339Nano), made.Filter.To.Format(time.RFC3339Nano)); len(list) != 1 || list[0] != want {
			t.Errorf("logged %s, want %s", list, want)
		}
	})
}

// exerciseReplays uses every method of replays, on a running store.
func exerciseReplays(t *testing.T, s *storetest.Opened, w *hook.Webhook, now time.Time) {
	t.Helper()
	change(t, s, now, create(newInteraction(), "q"))
	exhaustAll(t, s, now.Add(time.Hour), w)
	emails := func(r *hook.Replay) { r.Filter.MediaTypes = []interaction.MediaType{interaction.MediaEmail} }
	for _, edits := range [][]func(*hook.Replay){{dry}, {emails, dry}, {}, {both}} {
		r := beginReplay(t, s, now, w, draft(now, edits...))
		awaitReplay(t, s, r.ID, finished)
	}
	exhaustAll(t, s, now.Add(2*time.Hour), w)
	r := beginReplay(t, s, now, w, draft(now, both, rate(1))) // of several
	_, err := s.PauseReplay(t.Context(), theCenter, r.ID, now, nil)
	must(t, err)
	_, err = s.ResumeReplay(t.Context(), theCenter, r.ID, now, nil)
	must(t, err)
	_, err = s.CancelReplay(t.Context(), theCenter, r.ID, now, nil)
	must(t, err)
	_, _, err = s.Replays(t.Context(), theCenter, store.Page{})
	must(t, err)
}
