package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// Guarantee 4 and I3: FINISHED is born waiting while STARTED is open and is freed, due at once, by the outcome that
// resolves STARTED, in the same transaction; a retry does not free it.
func TestOrderFinishedWaits(t *testing.T) {
	type resolve func(*hook.Delivery, time.Time) hook.Outcome
	tests := []struct {
		name    string
		resolve resolve
		left    []string // what is open or done of STARTED afterwards
	}{
		{"delivered", acknowledges, []string{"STARTED to 0: delivered, 2", "FINISHED to 0: pending, 0"}},
		{"exhausted", exhausts, []string{"STARTED to 0: exhausted, 2", "FINISHED to 0: pending, 0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, e storetest.Engine) {
				s, now := e.Open(t), moment()
				w := webhook(t, s, theCenter)
				id := newInteraction()
				change(t, s, now, create(id, "q"))
				started := claimOne(t, s, now, w)
				change(t, s, now, stop(id))
				all := []*hook.Webhook{w}
				wantStates(t, s, all, "STARTED to 0: pending, 0", "FINISHED to 0: waiting, 0")
				if list := deliveries(t, s, theCenter, store.DeliveryFilter{}); list[1].WaitsFor == nil || *list[1].WaitsFor != started.ID() {
					t.Errorf("FINISHED waits for %v, want %v", list[1].WaitsFor, started.ID())
				}

				if r := record(t, s, now, fails(started, now, now)); len(r.Freed) != 0 {
					t.Errorf("a retry freed %v", r.Freed)
				}
				wantStates(t, s, all, "STARTED to 0: pending, 1", "FINISHED to 0: waiting, 0")
				claimOne(t, s, now, w) // a lease that is lost below
				if got := claim(t, s, now.Add(time.Hour), w, 10); len(got) != 1 || got[0].Event.Kind != interaction.EventStarted {
					t.Fatalf("long after, %d deliveries are due; want STARTED alone", len(got))
				} else {
					started = got[0]
				}

				r := record(t, s, now, tt.resolve(started, now))
				if diff := cmp.Diff(hook.Recorded{Freed: []hook.WebhookNumber{w.Number}}, r); diff != "" {
					t.Errorf("recorded (-want +got):\n%s", diff)
				}
				wantStates(t, s, all, tt.left...)
				if d := claimOne(t, s, now, w); d.Event.Kind != interaction.EventFinished || d.Event.InteractionID != id {
					t.Errorf("freed was %s of %s", d.Event.Kind, d.Event.InteractionID)
				}
			})
		})
	}
}

// Guarantee 4: when STARTED is resolved already, FINISHED waits for nothing.
func TestOrderFinishedAfterResolved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		done, spent := newInteraction(), newInteraction()
		change(t, s, now, create(done, "q"))
		record(t, s, now, acknowledges(claimOne(t, s, now, w), now))
		change(t, s, now, create(spent, "q"))
		record(t, s, now, exhausts(claimOne(t, s, now, w), now))
		change(t, s, now, stop(done), stop(spent))
		if got := claim(t, s, now, w, 10); len(got) != 2 {
			t.Errorf("%d FINISHED are due, want 2", len(got))
		}
	})
}

// Guarantee 4: create and stop in one batch leave one delivery to be claimed, then the other.
func TestOrderCreateAndStopAtOnce(t *testing.T) {
	for _, room := range []bool{false, true} {
		t.Run(map[bool]string{false: "born due", true: "born leased"}[room], func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, e storetest.Engine) {
				l := &lane{room: room}
				s, now := e.Open(t, l.option()), moment()
				w := webhook(t, s, theCenter)
				id := newInteraction()
				change(t, s, now, create(id, "q"), stop(id))
				var started *hook.Delivery
				if room {
					if got := l.all(); len(got) != 1 {
						t.Fatalf("the lane took %d deliveries, want STARTED alone", len(got))
					}
					started = l.all()[0]
				} else {
					started = claimOne(t, s, now, w)
				}
				if started.Event.Kind != interaction.EventStarted {
					t.Fatalf("%s comes first", started.Event.Kind)
				}
				if got := claim(t, s, now, w, 10); len(got) != 0 {
					t.Fatalf("%d more are due while STARTED is open", len(got))
				}
				record(t, s, now, acknowledges(started, now))
				if d := claimOne(t, s, now, w); d.Event.Kind != interaction.EventFinished {
					t.Errorf("%s comes second", d.Event.Kind)
				}
			})
		})
	}
}

// Guarantee 4 and I4: each webhook has its own order; one that fails makes no other wait, and frees no other's FINISHED.
func TestOrderPerWebhook(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		fast, slow := webhook(t, s, theCenter), webhook(t, s, theCenter)
		all := []*hook.Webhook{fast, slow}
		id, other := newInteraction(), newInteraction()
		change(t, s, now, create(id, "q"))
		deliver(t, s, now, fast)
		change(t, s, now, stop(id))
		wantStates(t, s, all, "STARTED to 0: delivered, 1", "STARTED to 1: pending, 0", "FINISHED to 0: pending, 0", "FINISHED to 1: waiting, 0")
		deliver(t, s, now, fast)
		wantStates(t, s, all, "STARTED to 0: delivered, 1", "STARTED to 1: pending, 0", "FINISHED to 0: delivered, 1", "FINISHED to 1: waiting, 0")

		// Nor does another interaction of the same webhook wait.
		change(t, s, now, create(other, "q"))
		if got := claim(t, s, now, slow, 10); len(got) != 2 {
			t.Errorf("%d deliveries are due to the slow webhook, want the two STARTED", len(got))
		}
	})
}

// Guarantee 4: several FINISHED are freed by one batch, and each webhook is named that has one due now.
func TestOrderFreesInBatches(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		a, b := webhook(t, s, theCenter), webhook(t, s, theCenter)
		var outcomes []hook.Outcome
		for range 3 {
			id := newInteraction()
			change(t, s, now, create(id, "q"), stop(id))
		}
		for _, w := range []*hook.Webhook{a, b} {
			for i, d := range claim(t, s, now, w, 10) {
				switch i {
				case 0:
					outcomes = append(outcomes, acknowledges(d, now))
				case 1:
					outcomes = append(outcomes, exhausts(d, now))
				default:
					outcomes = append(outcomes, fails(d, now, now.Add(time.Hour)))
				}
			}
		}
		r := record(t, s, now, outcomes...)
		slices.Sort(r.Freed)
		if diff := cmp.Diff([]hook.WebhookNumber{a.Number, a.Number, b.Number, b.Number}, r.Freed); diff != "" {
			t.Errorf("freed (-want +got):\n%s", diff)
		}
		for _, w := range []*hook.Webhook{a, b} {
			if got := claim(t, s, now, w, 10); len(got) != 2 || got[0].Event.Kind != interaction.EventFinished || got[1].Event.Kind != interaction.EventFinished {
				t.Errorf("%d deliveries are due, want two FINISHED", len(got))
			}
		}
	})
}

// life is an interaction whose STARTED and FINISHED were both delivered to one webhook.
func life(t *testing.T, s *storetest.Opened, now time.Time, w *hook.Webhook) (started, finished hook.DeliveryID) {
	t.Helper()
	id := newInteraction()
	change(t, s, now, create(id, "q"), stop(id))
	started = deliver(t, s, now, w)[0].ID()
	finished = deliver(t, s, now, w)[0].ID()
	return started, finished
}

// I3: replayed in either order, FINISHED goes out after STARTED.
func TestOrderOfReplays(t *testing.T) {
	tests := []struct {
		name          string
		finishedFirst bool
	}{
		{"STARTED first", false},
		{"FINISHED first", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, e storetest.Engine) {
				s, now := e.Open(t), moment()
				w := webhook(t, s, theCenter)
				started, finished := life(t, s, now, w)
				order := []hook.DeliveryID{started, finished}
				if tt.finishedFirst {
					order = []hook.DeliveryID{finished, started}
				}
				for _, id := range order {
					replay(t, s, now, id)
				}
				wantStates(t, s, []*hook.Webhook{w}, "STARTED to 0: pending, 1", "FINISHED to 0: waiting, 1")
				if d := claimOne(t, s, now, w); d.ID() != started {
					t.Fatalf("%s is due first", d.Event.Kind)
				} else {
					record(t, s, now, acknowledges(d, now))
				}
				if d := claimOne(t, s, now, w); d.ID() != finished || d.Attempts != 1 || d.Base != 1 {
					t.Errorf("second is %s with %d attempts from %d", d.Event.Kind, d.Attempts, d.Base)
				}
			})
		})
	}
}

// I3: a STARTED that is replayed makes its FINISHED wait that is being retried, with the attempts that it made.
func TestOrderOfReplayHoldsRetriedFinished(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		id := newInteraction()
		change(t, s, now, create(id, "q"), stop(id))
		started := deliver(t, s, now, w)[0].ID()
		finished := claimOne(t, s, now, w)

		_, err := s.ReplayDelivery(t.Context(), theCenter, started, now, nil)
		wantConflict(t, err, "pending") // FINISHED is being sent at this moment
		record(t, s, now, fails(finished, now, now.Add(time.Minute)))
		replay(t, s, now, started)
		wantStates(t, s, []*hook.Webhook{w}, "STARTED to 0: pending, 1", "FINISHED to 0: waiting, 1")
		if got := claim(t, s, now.Add(time.Hour), w, 10); len(got) != 1 || got[0].ID() != started {
			t.Fatalf("%d deliveries are due, want STARTED alone", len(got))
		} else {
			record(t, s, now, acknowledges(got[0], now))
		}
		if d := claimOne(t, s, now, w); d.Event.Serial != finished.Event.Serial || d.Attempts != 1 {
			t.Errorf("freed %s with %d attempts", d.Event.Kind, d.Attempts)
		}
	})
}

// I3: a process whose lease on FINISHED ended cannot record it once a replayed STARTED has made it wait.
func TestOrderOfReplayFencesFinished(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		id := newInteraction()
		change(t, s, now, create(id, "q"), stop(id))
		started := deliver(t, s, now, w)[0].ID()
		asleep := claimOne(t, s, now, w)
		later := now.Add(store.LeaseDefault)
		replay(t, s, later, started)
		if r := record(t, s, later, acknowledges(asleep, later)); len(r.Late) != 1 {
			t.Errorf("recorded %+v, want one that is late", r)
		}
		wantStates(t, s, []*hook.Webhook{w}, "STARTED to 0: pending, 1", "FINISHED to 0: waiting, 0")

		// Nor once it is freed: the lease is nobody's any more.
		record(t, s, later, acknowledges(claimOne(t, s, later, w), later))
		if r := record(t, s, later, acknowledges(asleep, later)); len(r.Late) != 1 {
			t.Errorf("after it was freed: recorded %+v, want one that is late", r)
		}
		wantStates(t, s, []*hook.Webhook{w}, "STARTED to 0: delivered, 2", "FINISHED to 0: pending, 0")
	})
}
