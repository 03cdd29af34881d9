package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// openBacklog counts what the lists show, delivery by delivery.
func openBacklog(t testing.TB, s *storetest.Opened, now time.Time, webhooks []*hook.Webhook) store.Backlog {
	t.Helper()
	want := store.Backlog{CountedAt: now, Webhooks: map[hook.WebhookNumber]store.OpenDeliveries{}}
	for _, d := range deliveries(t, s, theCenter, store.DeliveryFilter{}) {
		n := slices.IndexFunc(webhooks, func(w *hook.Webhook) bool { return w.ID == d.Webhook })
		open := want.Webhooks[webhooks[n].Number]
		switch d.State {
		case hook.DeliveryHeld:
			open.Held++
		case hook.DeliveryPending, hook.DeliveryWaiting:
			open.Pending++
		case hook.DeliveryExhausted:
			open.Exhausted++
		default:
			continue
		}
		want.Webhooks[webhooks[n].Number] = open
	}
	for n, open := range want.Webhooks {
		oldest, err := s.Numbers(fmt.Sprintf(`SELECT coalesce(min(due_at), 0) FROM deliveries WHERE webhook = %d AND state + 0 = 1`, n))
		must(t, err)
		if at := time.UnixMilli(oldest[0]).UTC(); oldest[0] != 0 && !at.After(now) {
			if open.Held > 0 {
				open.OldestHeld = at
			} else {
				open.OldestDue = at
			}
			want.Webhooks[n] = open
		}
		want.Whole.Pending += open.Pending
		want.Whole.Held += open.Held
		want.Whole.Exhausted += open.Exhausted
		for _, both := range []struct {
			whole *time.Time
			one   time.Time
		}{{&want.Whole.OldestDue, open.OldestDue}, {&want.Whole.OldestHeld, open.OldestHeld}} {
			if !both.one.IsZero() && (both.whole.IsZero() || both.one.Before(*both.whole)) {
				*both.whole = both.one
			}
		}
	}
	return want
}

// What is counted is what the lists show, whatever has happened and however small the steps are: deliveries that are due, leased, due
// later, waiting for their STARTED and exhausted, of webhooks that are enabled, disabled, deleted and whose circuit is open.
func TestBacklogIsWhatTheListsShow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		webhooks := []*hook.Webhook{webhook(t, s, theCenter), webhook(t, s, theCenter), webhook(t, s, theCenter), webhook(t, s, theCenter, disabled)}
		other := contactCenter(t, s, "other")
		elsewhere := webhook(t, s, other.Number)
		if _, err := s.AcceptChanges(t.Context(), other.Number, now, []hook.Change{create(newInteraction(), "q")}, nil); err != nil {
			t.Fatal(err)
		}
		var open []hook.InteractionID
		circuit, deleted := hook.Circuit{}, false
		rapid.Check(t, func(r *rapid.T) {
			for range rapid.IntRange(1, 4).Draw(r, "steps") {
				now = now.Add(time.Second)
				w := rapid.SampledFrom(webhooks[:3]).Draw(r, "webhook")
				switch what := rapid.SampledFrom([]string{"accept", "accept", "stop", "lease", "fail", "exhaust", "deliver", "circuit", "delete"}).Draw(r, "what"); {
				case what == "accept":
					open = append(open, newInteraction())
					change(t, s, now, create(open[len(open)-1], "q"))
				case what == "stop" && len(open) > 0:
					change(t, s, now, stop(open[0]))
					open = open[1:]
				case what == "circuit":
					next := hook.Circuit{}
					if !circuit.Open() {
						next = hook.Circuit{Since: now, ProbeAt: now.Add(time.Hour), Wait: time.Minute}
					}
					if swapped, err := s.SwapCircuit(t.Context(), webhooks[0].Number, circuit, next); err != nil || !swapped {
						r.Fatalf("swap: %v, %v", swapped, err)
					}
					circuit = next
				case what == "delete" && !deleted && rapid.IntRange(0, 9).Draw(r, "rarely") == 0:
					must(t, s.DeleteWebhook(t.Context(), theCenter, webhooks[2].ID, now))
					deleted = true
				default:
					for _, d := range claim(t, s, now, w, 2) {
						switch what {
						case "fail":
							record(t, s, now, fails(d, now, now.Add(time.Duration(rapid.IntRange(-1, 60).Draw(r, "wait"))*time.Second)))
						case "exhaust":
							record(t, s, now, exhausts(d, now))
						case "deliver":
							record(t, s, now, acknowledges(d, now))
						}
					}
				}
			}
			step := rapid.IntRange(1, 5).Draw(r, "step")
			got, err := s.CountBacklog(t.Context(), theCenter, now, step)
			if err != nil {
				r.Fatal(err)
			}
			if diff := cmp.Diff(openBacklog(t, s, now, webhooks), got); diff != "" {
				r.Fatalf("in steps of %d (-shown +counted):\n%s", step, diff)
			}
		})
		got, err := s.CountBacklog(t.Context(), other.Number, now, store.BacklogStep)
		must(t, err)
		if got.Whole.Pending != 1 || got.Webhooks[elsewhere.Number] != got.Whole {
			t.Errorf("the other contact centre has %+v", got)
		}
	})
}

// Nothing is counted while nobody asks; whoever asks is answered soon, with a count once there is one, and what is asked for again is
// counted again.
func TestBacklogIsCountedWhileSomebodyAsks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		statements := new(watched)
		s := e.Open(t, storetest.Before(func(s *store.Store) { s.Watch(statements.spy()) }))
		now := moment()
		webhook(t, s, theCenter)
		change(t, s, now, create(newInteraction(), "q"))
		for _, text := range statements.during(func() { events(t, s, theCenter) }) {
			if strings.Contains(text, "FROM deliveries") && aggregate.MatchString(text) {
				t.Errorf("executed although nobody asked:\n%s", text)
			}
		}
		counted := func(least int64) store.Backlog {
			t.Helper()
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for end := time.Now().Add(time.Minute); ; <-tick.C {
				began := time.Now()
				b := s.Backlog(t.Context(), theCenter)
				if took := time.Since(began); took > store.BacklogWait+5*time.Second { // a machine may be busy
					t.Errorf("the answer took %v", took)
				}
				if !b.CountedAt.IsZero() && b.Whole.Pending >= least {
					return b
				}
				if time.Now().After(end) {
					t.Fatalf("still %+v", b)
				}
			}
		}
		first := counted(1)
		if first.Whole.Pending != 1 || len(first.Webhooks) != 1 || first.CountedAt.Before(now) {
			t.Errorf("counted %+v", first)
		}
		change(t, s, now, create(newInteraction(), "q"))
		if second := counted(2); !second.CountedAt.After(first.CountedAt) || second.Whole.Pending != 2 {
			t.Errorf("counted %+v, then %+v", first, second)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if got := s.Backlog(ended, 99); !got.CountedAt.IsZero() {
			t.Errorf("what was never counted was counted at %v", got.CountedAt)
		}
	})
}
