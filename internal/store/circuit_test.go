package store_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// swap changes a circuit, which must be possible.
func swap(t testing.TB, s *storetest.Opened, w *hook.Webhook, from, to hook.Circuit) {
	t.Helper()
	swapped, err := s.SwapCircuit(t.Context(), w.Number, from, to)
	if err != nil || !swapped {
		t.Fatalf("the circuit %+v does not become %+v: %v", from, to, err)
	}
}

// wantCircuit fails unless the store shows this circuit in memory.
func wantCircuit(t testing.TB, s *storetest.Opened, w *hook.Webhook, want hook.Circuit) {
	t.Helper()
	now, ok := s.WebhookByNumber(w.Number)
	if !ok {
		t.Fatalf("there is no webhook %d", w.Number)
	}
	if diff := cmp.Diff(want, now.Circuit); diff != "" {
		t.Errorf("the circuit (-want +got):\n%s", diff)
	}
}

// seesCircuit waits until the store shows this circuit: what another process made of it is read beside the groups.
func seesCircuit(t testing.TB, s *storetest.Opened, w *hook.Webhook, want hook.Circuit) {
	t.Helper()
	tick, deadline := time.NewTicker(time.Millisecond), time.NewTimer(10*time.Second)
	defer tick.Stop()
	defer deadline.Stop()
	for {
		if now, ok := s.WebhookByNumber(w.Number); ok && now.Circuit.Is(want) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			wantCircuit(t, s, w, want)
			return
		}
	}
}

// Guarantee 1: a circuit is kept as it was stored, over changes of the webhook and restarts; whoever takes it for another one than
// it is changes nothing, and then sees what it is.
func TestCircuitIsKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment().Add(-time.Hour) // all rights to probe have ended
		w, other := webhook(t, s, theCenter), webhook(t, s, theCenter)
		opened := hook.OpenCircuit(now, &w.Settings.Retry)
		probing := opened.Probing(now.Add(5*time.Second), &w.Settings)
		failed := probing.Failed(now.Add(6 * time.Second))
		wantCircuit(t, s, w, hook.Circuit{})
		swap(t, s, w, hook.Circuit{}, opened)
		for _, step := range []struct{ from, to hook.Circuit }{{opened, probing}, {probing, failed}} {
			wantCircuit(t, s, w, step.from)
			swap(t, s, w, step.from, step.to)
			for _, wrong := range []hook.Circuit{{}, step.from, opened.Unsent(now)} {
				swapped, err := s.SwapCircuit(t.Context(), w.Number, wrong, step.from)
				if must(t, err); swapped {
					t.Errorf("a circuit that was not stored, %+v, is changed", wrong)
				}
			}
			wantCircuit(t, s, w, step.to)
			s.Reopen(t)
			wantCircuit(t, s, w, step.to)
		}
		_, err := s.UpdateWebhook(t.Context(), theCenter, w.ID, now, func(w *hook.Webhook) error {
			w.Settings.Description = "changed"
			return nil
		})
		must(t, err)
		_, err = s.EnableWebhook(t.Context(), theCenter, w.ID, now, false, nil)
		must(t, err)
		wantCircuit(t, s, w, failed)
		wantCircuit(t, s, other, hook.Circuit{})
		swap(t, s, w, failed, hook.Circuit{})
		wantCircuit(t, s, w, hook.Circuit{})
		s.Reopen(t)
		wantCircuit(t, s, w, hook.Circuit{})
		_, err = s.SwapCircuit(t.Context(), 99, hook.Circuit{}, opened)
		wantError(t, err, hook.ErrNotFound)
	})
}

// Guarantee 1: enabling a webhook closes its circuit, also when it was enabled, and so does another URL; what else is changed and
// what is refused does not.
func TestCircuitClosedByHand(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		opened := hook.OpenCircuit(now, &w.Settings.Retry)
		errOwn := errors.New("refused")
		update := func(change func(*hook.Webhook) error) (*hook.Webhook, error) {
			return s.UpdateWebhook(t.Context(), theCenter, w.ID, now, change)
		}
		enable := func(enabled bool) (*hook.Webhook, error) {
			return s.EnableWebhook(t.Context(), theCenter, w.ID, now, enabled, nil)
		}
		for _, tt := range []struct {
			name   string
			change func() (*hook.Webhook, error)
			closes bool
		}{
			{"enabled when it was", func() (*hook.Webhook, error) { return enable(true) }, true},
			{"disabled", func() (*hook.Webhook, error) { return enable(false) }, false},
			{"enabled", func() (*hook.Webhook, error) { return enable(true) }, true},
			{"another secret", func() (*hook.Webhook, error) {
				return update(func(w *hook.Webhook) error { w.Secrets.Current = hook.NewSecret("another 0123456789"); return nil })
			}, false},
			{"another URL, refused", func() (*hook.Webhook, error) {
				_, err := update(func(w *hook.Webhook) error { w.Settings.URL = "https://refused.example/"; return errOwn })
				wantError(t, err, errOwn)
				return s.Webhook(t.Context(), theCenter, w.ID)
			}, false},
			{"another URL", func() (*hook.Webhook, error) {
				return update(func(w *hook.Webhook) error { w.Settings.URL = "https://other.example/"; return nil })
			}, true},
		} {
			if seen, _ := s.WebhookByNumber(w.Number); !seen.Circuit.Open() {
				swap(t, s, w, hook.Circuit{}, opened)
			}
			after, err := tt.change()
			must(t, err)
			want := opened
			if tt.closes {
				want = hook.Circuit{}
			}
			if diff := cmp.Diff(want, after.Circuit); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
			wantCircuit(t, s, w, want)
		}
		s.Reopen(t)
		wantCircuit(t, s, w, hook.Circuit{})
	})
}

// Guarantee 1: of many who take the right to send a probe, one gets it, each time.
func TestCircuitHasOneProbe(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		const callers, rounds = 12, 20
		nodes := []*storetest.Opened{e.Open(t)}
		if e.Shared {
			nodes = append(nodes, nodes[0].Join(t), nodes[0].Join(t))
		}
		w, now := webhook(t, nodes[0], theCenter), moment()
		at := hook.OpenCircuit(now, &w.Settings.Retry)
		swap(t, nodes[0], w, hook.Circuit{}, at)
		for round := range rounds {
			now = at.ProbeAt.Add(time.Millisecond)
			next := at.Probing(now, &w.Settings)
			var taken atomic.Int64
			var wg sync.WaitGroup
			for caller := range callers {
				wg.Go(func() {
					swapped, err := nodes[caller%len(nodes)].SwapCircuit(t.Context(), w.Number, at, next)
					if err != nil {
						t.Errorf("swap: %v", err)
					}
					if swapped {
						taken.Add(1)
					}
				})
			}
			wg.Wait()
			if taken.Load() != 1 {
				t.Fatalf("round %d: %d have the right to probe", round, taken.Load())
			}
			for _, n := range nodes { // whoever tried sees what it has become
				wantCircuit(t, n, w, next)
			}
			at = next
		}
	})
}

// What another process makes of a circuit is seen after the next group, and one that takes it for what it was changes nothing and
// sees what it is.
func TestSharedCircuit(t *testing.T) {
	shared(t, func(t *testing.T, a, b *storetest.Opened) {
		w, now := webhook(t, a, theCenter), moment()
		opened := hook.OpenCircuit(now, &w.Settings.Retry)
		for range 5 {
			swap(t, a, w, hook.Circuit{}, opened)
			swapped, err := b.SwapCircuit(t.Context(), w.Number, hook.Circuit{}, hook.OpenCircuit(now.Add(time.Second), &w.Settings.Retry))
			if must(t, err); swapped {
				t.Error("it opens twice")
			}
			wantCircuit(t, b, w, opened)
			swap(t, b, w, opened, hook.Circuit{})
			change(t, a, now, create(newInteraction(), "")) // any group
			seesCircuit(t, a, w, hook.Circuit{})
			swap(t, a, w, hook.Circuit{}, opened)
			record(t, b, now) // a group of the recorder's
			seesCircuit(t, b, w, opened)
			probing := opened.Probing(now, &w.Settings)
			swap(t, a, w, opened, probing)
			wantCircuit(t, b, w, opened)
			swapped, err = b.SwapCircuit(t.Context(), w.Number, opened, opened.Probing(now.Add(time.Second), &w.Settings))
			if must(t, err); swapped {
				t.Error("two processes have the right to probe")
			}
			wantCircuit(t, b, w, probing)
			_, err = b.EnableWebhook(t.Context(), theCenter, w.ID, now, true, nil)
			must(t, err)
			swapped, err = a.SwapCircuit(t.Context(), w.Number, probing, probing.Failed(now))
			if must(t, err); swapped {
				t.Error("a late outcome changes a circuit that was closed")
			}
			wantCircuit(t, a, w, hook.Circuit{})
		}
	})
}

// When all receivers fail at once, no process reads its webhooks anew for that, or begins a group anew, and all see all of it.
func TestManyCircuitsAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		const webhooks = 150
		var loads atomic.Int64
		var counting atomic.Bool
		watched := storetest.Before(func(s *store.Store) {
			s.Watch(&store.Spy{Statement: func(text string, _ []any) {
				if text == store.SelectWebhooksText && counting.Load() {
					loads.Add(1)
				}
			}})
		})
		nodes := []*storetest.Opened{e.Open(t, watched)}
		if e.Shared {
			nodes = append(nodes, nodes[0].Join(t, watched), nodes[0].Join(t, watched))
		}
		list := make([]*hook.Webhook, webhooks)
		for i := range list {
			list[i] = webhook(t, nodes[0], theCenter)
		}
		for _, n := range nodes {
			change(t, n, moment(), create(newInteraction(), "q"))
		}
		counting.Store(true)
		now := moment()
		var wg sync.WaitGroup
		for _, n := range nodes {
			wg.Go(func() {
				for range 50 { // which goes on meanwhile
					if _, err := n.AcceptChanges(t.Context(), theCenter, now, []hook.Change{create(newInteraction(), "q")}, nil); err != nil {
						t.Errorf("accept: %v", err)
					}
				}
			})
			for _, w := range list {
				wg.Go(func() {
					if _, err := n.SwapCircuit(t.Context(), w.Number, hook.Circuit{}, hook.OpenCircuit(now, &w.Settings.Retry)); err != nil {
						t.Errorf("swap: %v", err)
					}
				})
			}
		}
		wg.Wait()
		for _, n := range nodes {
			for _, w := range list {
				seesCircuit(t, n, w, hook.OpenCircuit(now, &w.Settings.Retry))
			}
		}
		if loads.Load() != 0 {
			t.Errorf("webhooks were read %d times", loads.Load())
		}
	})
}

// Guarantee 1: a change of a circuit that fails has not been made, and one whose answer was lost is seen when the store is well.
func TestCircuitFaults(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		opened := hook.OpenCircuit(now, &w.Settings.Retry)
		s.Faulty.Fail(storetest.BeforeCommit, 1, hook.ErrUnavailable)
		_, err := s.SwapCircuit(t.Context(), w.Number, hook.Circuit{}, opened)
		wantError(t, err, hook.ErrUnavailable)
		wantCircuit(t, s, w, hook.Circuit{})
		s.Faulty.Fail(storetest.AfterCommit, 1, hook.ErrUnavailable)
		_, err = s.SwapCircuit(t.Context(), w.Number, hook.Circuit{}, opened)
		wantError(t, err, hook.ErrUnavailable)
		swapped, err := s.SwapCircuit(t.Context(), w.Number, hook.Circuit{}, opened)
		if must(t, err); swapped {
			t.Error("it opens twice")
		}
		wantCircuit(t, s, w, opened)
	})
}

// No statement about circuits is executed while all of them are closed, and a webhook's circuit changes nothing for the others.
func TestClosedCircuitsCostNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		var touched atomic.Int64
		l := &lane{room: true}
		s := e.Open(t, l.option(), storetest.Before(func(s *store.Store) {
			s.Watch(&store.Spy{Statement: func(text string, _ []any) {
				if text == store.SwapCircuitText || text == store.SelectCircuitText {
					touched.Add(1)
				}
			}})
		}))
		w, now := webhook(t, s, theCenter), moment()
		change(t, s, now, create(newInteraction(), "q"))
		for _, d := range l.all() {
			record(t, s, now, fails(d, now, now))
		}
		deliver(t, s, now, w)
		if touched.Load() != 0 {
			t.Errorf("%d statements about circuits", touched.Load())
		}
	})
}

// The right to probe dies with the process that took it: at once where a store belongs to one process, and else when it ends, for
// others may be alive.
func TestCircuitProbeOfDeadProcess(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t)
		w := webhook(t, s, theCenter)
		now := time.Now().UTC().Truncate(time.Millisecond)
		open := hook.OpenCircuit(now, &w.Settings.Retry)
		right := open.Probing(now.Add(time.Hour), &w.Settings)
		swap(t, s, w, hook.Circuit{}, open)
		swap(t, s, w, open, right)
		s.Reopen(t)
		kept, ok := s.WebhookByNumber(w.Number)
		if !ok || !kept.Circuit.Since.Equal(right.Since) || kept.Circuit.Wait != right.Wait {
			t.Fatalf("the circuit is %+v, want %+v but for its probe", kept.Circuit, right)
		}
		if free := !kept.Circuit.ProbeAt.After(time.Now()); free == e.Shared {
			t.Errorf("the next probe is due at %v, and the right ends at %v", kept.Circuit.ProbeAt, right.ProbeAt)
		}
	})
}
