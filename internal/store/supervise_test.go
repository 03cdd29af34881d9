package store_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// disablesAfter is a webhook's setting in these tests. They look at the store two hours later, which a running store does not reach.
const disablesAfter = time.Hour

func disables(w *hook.Webhook) {
	w.Settings.Disable = hook.Disable{After: hook.Duration(disablesAfter), OnGone: true}
}

// disabledLog counts the lines that say that the server has disabled a webhook, or that a change has closed a circuit.
type disabledLog struct{ lines, closed atomic.Int64 }

func (l *disabledLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *disabledLog) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "webhook disabled") {
		l.lines.Add(1)
	}
	if strings.HasPrefix(r.Message, "circuit closed") {
		l.closed.Add(1)
	}
	return nil
}

func (l *disabledLog) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *disabledLog) WithGroup(string) slog.Handler { return l }

func (l *disabledLog) option() storetest.Option {
	return storetest.With(func(o *store.Options) { o.Log = slog.New(l) })
}

// failing makes a webhook that the server disables, and opens its circuit.
func failing(t testing.TB, s *storetest.Opened, now time.Time) *hook.Webhook {
	t.Helper()
	w := webhook(t, s, theCenter, disables)
	swap(t, s, w, hook.Circuit{}, hook.OpenCircuit(now, &w.Settings.Retry))
	return current(t, s, w)
}

// current is a webhook as it is stored now.
func current(t testing.TB, s *storetest.Opened, w *hook.Webhook) *hook.Webhook {
	t.Helper()
	now, err := s.Webhook(t.Context(), theCenter, w.ID)
	must(t, err)
	return now
}

// twoOf returns a store twice, or two on one database where that is possible.
func twoOf(t testing.TB, e storetest.Engine, options ...storetest.Option) (a, b *storetest.Opened) {
	a = e.Open(t, options...)
	if b = a; e.Shared {
		b = a.Join(t, options...)
	}
	return a, b
}

// A webhook that has failed for as long as its settings say is disabled, not sooner, and says so, also after a restart. Its
// deliveries are held, and enabling it brings them back and closes the circuit.
func TestDisabledForFailing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		var bumps atomic.Int64
		log := new(disabledLog)
		s, now := e.Open(t, log.option(), storetest.Before(func(s *store.Store) {
			s.Watch(&store.Spy{Statement: func(text string, _ []any) {
				if text == store.BumpCatalogueText {
					bumps.Add(1)
				}
			}})
		})), moment()
		w, never := failing(t, s, now), webhook(t, s, theCenter)
		swap(t, s, never, hook.Circuit{}, hook.OpenCircuit(now, &never.Settings.Retry))
		change(t, s, now, create(newInteraction(), "q"))
		before := bumps.Load()
		must(t, s.DisableFailing(t.Context(), now.Add(disablesAfter-time.Millisecond)))
		if got := current(t, s, w); !got.Enabled || bumps.Load() != before || log.lines.Load() != 0 {
			t.Fatalf("before its time it is %+v, after %d transactions", got, bumps.Load()-before)
		}
		at := now.Add(disablesAfter)
		must(t, s.DisableFailing(t.Context(), at))
		must(t, s.DisableFailing(t.Context(), at.Add(time.Minute)))
		for range 2 {
			got := current(t, s, w)
			if diff := cmp.Diff(hook.Disabled{At: at, For: hook.DisabledFailing}, got.Disabled); diff != "" || got.Enabled || !got.Circuit.Since.Equal(w.Circuit.Since) {
				t.Fatalf("it is %+v (-want +got):\n%s", got, diff)
			}
			if !current(t, s, never).Enabled {
				t.Error("one that does not want it is disabled, too")
			}
			s.Reopen(t)
		}
		if bumps.Load() != before+1 || log.lines.Load() != 1 {
			t.Errorf("%d transactions and %d lines in the log", bumps.Load()-before, log.lines.Load())
		}
		wantStates(t, s, []*hook.Webhook{w, never}, "STARTED to 0: held, 0", "STARTED to 1: held, 0")
		enabled, err := s.EnableWebhook(t.Context(), theCenter, w.ID, at, true, nil)
		must(t, err)
		if enabled.Disabled != (hook.Disabled{}) || enabled.Circuit.Open() || !enabled.Enabled || log.closed.Load() != 1 {
			t.Errorf("enabled it is %+v, and %d lines say that its circuit closed", enabled, log.closed.Load())
		}
		wantStates(t, s, []*hook.Webhook{w, never}, "STARTED to 0: pending, 0", "STARTED to 1: held, 0")
		deliver(t, s, at, w)
	})
}

// Of many that find the same webhooks at the same time, one disables each of them; all see it.
func TestDisabledOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		const webhooks, rounds = 8, 3
		log := new(disabledLog)
		a, b := twoOf(t, e, log.option())
		now := moment()
		for round := range rounds {
			list := make([]*hook.Webhook, webhooks)
			for i := range list {
				list[i] = failing(t, a, now)
			}
			var wg sync.WaitGroup
			for _, s := range []*storetest.Opened{a, b, a, b} {
				wg.Go(func() {
					if err := s.DisableFailing(t.Context(), now.Add(2*disablesAfter)); err != nil {
						t.Errorf("disable: %v", err)
					}
				})
			}
			wg.Wait()
			for _, w := range list {
				for _, s := range []*storetest.Opened{a, b} {
					if got := current(t, s, w); got.Enabled || got.Disabled.For != hook.DisabledFailing {
						t.Fatalf("round %d: %+v", round, got)
					}
				}
			}
			if n := log.lines.Load(); n != int64((round+1)*webhooks) {
				t.Fatalf("round %d: %d lines say that one of %d webhooks was disabled", round, n, (round+1)*webhooks)
			}
		}
	})
}

// What was enabled, closed, deleted or told otherwise after it was found to have failed for too long is not disabled.
func TestDisabledNotAnyMore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		a, b := twoOf(t, e)
		now := moment()
		late := now.Add(2 * disablesAfter)
		for _, tt := range []struct {
			name   string
			change func(w *hook.Webhook) error
		}{
			{"enabled", func(w *hook.Webhook) error {
				_, err := b.EnableWebhook(t.Context(), theCenter, w.ID, now, true, nil)
				return err
			}},
			{"closed", func(w *hook.Webhook) error {
				_, err := b.SwapCircuit(t.Context(), w.Number, w.Circuit, hook.Circuit{})
				return err
			}},
			{"closed and opened again", func(w *hook.Webhook) error {
				swap(t, b, w, current(t, b, w).Circuit, hook.Circuit{})
				_, err := b.SwapCircuit(t.Context(), w.Number, hook.Circuit{}, hook.OpenCircuit(late.Add(-time.Minute), &w.Settings.Retry))
				return err
			}},
			{"told otherwise", func(w *hook.Webhook) error {
				_, err := b.UpdateWebhook(t.Context(), theCenter, w.ID, now, func(w *hook.Webhook) error {
					w.Settings.Disable.After = 3 * hook.Duration(disablesAfter)
					return nil
				})
				return err
			}},
			{"disabled by hand", func(w *hook.Webhook) error {
				_, err := b.EnableWebhook(t.Context(), theCenter, w.ID, now, false, nil)
				return err
			}},
		} {
			found := failing(t, a, now)
			must(t, tt.change(found))
			want := current(t, b, found)
			must(t, a.DisableOne(t.Context(), found, late))
			if diff := cmp.Diff(want, current(t, b, found), same()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
		gone := failing(t, a, now)
		must(t, b.DeleteWebhook(t.Context(), theCenter, gone.ID, now))
		must(t, a.DisableOne(t.Context(), gone, late))
		must(t, a.DisableGone(t.Context(), late, gone))
		if got, ok := a.WebhookByNumber(gone.Number); !ok || got.Disabled != (hook.Disabled{}) || !got.Deleted() {
			t.Errorf("a deleted webhook became %+v", got)
		}
	})
}

// Whoever enables a webhook while the server disables it has an enabled one, whichever comes first.
func TestEnabledWhileDisabled(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		a, b := twoOf(t, e)
		now := moment()
		for round := range 15 {
			found := failing(t, a, now)
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := a.DisableFailing(t.Context(), now.Add(2*disablesAfter)); err != nil {
					t.Errorf("disable: %v", err)
				}
			})
			wg.Go(func() {
				if _, err := b.EnableWebhook(t.Context(), theCenter, found.ID, now, true, nil); err != nil {
					t.Errorf("enable: %v", err)
				}
			})
			wg.Wait()
			if got := current(t, a, found); !got.Enabled || got.Circuit.Open() || got.Disabled != (hook.Disabled{}) {
				t.Fatalf("round %d: %+v", round, got)
			}
		}
	})
}

// A receiver that is gone has its webhook disabled once, if the webhook wants that and was not changed since.
func TestDisabledForGone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		log := new(disabledLog)
		a, b := twoOf(t, e, log.option())
		now := moment()
		w, never := webhook(t, a, theCenter, disables), webhook(t, a, theCenter)
		must(t, a.DisableGone(t.Context(), now, never))
		if !current(t, a, never).Enabled {
			t.Error("one that does not want it is disabled")
		}
		gone := func(sent *hook.Webhook) {
			var wg sync.WaitGroup
			for _, s := range []*storetest.Opened{a, b, a, b} {
				wg.Go(func() {
					if err := s.DisableGone(t.Context(), now, sent); err != nil {
						t.Errorf("disable: %v", err)
					}
				})
			}
			wg.Wait()
		}
		gone(w)
		for _, s := range []*storetest.Opened{a, b} {
			if got := current(t, s, w); got.Enabled || got.Disabled != (hook.Disabled{At: now, For: hook.DisabledGone}) {
				t.Errorf("it is %+v", got)
			}
		}
		_, err := b.EnableWebhook(t.Context(), theCenter, w.ID, now.Add(time.Second), true, nil)
		must(t, err)
		gone(w) // which are answers to attempts of before
		if got := current(t, a, w); !got.Enabled || log.lines.Load() != 1 {
			t.Errorf("enabled since, it is %+v; %d lines in the log", got, log.lines.Load())
		}
	})
}

// A disabling that fails was not made and is tried again; one whose answer was lost is seen when the store is well.
func TestDisabledFaults(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		for _, at := range []storetest.Moment{storetest.BeforeCommit, storetest.AfterCommit} {
			w := failing(t, s, now)
			late := now.Add(2 * disablesAfter)
			s.Faulty.Fail(at, 1, hook.ErrUnavailable)
			wantError(t, s.DisableFailing(t.Context(), late), hook.ErrUnavailable)
			must(t, s.DisableFailing(t.Context(), late))
			if got := current(t, s, w); got.Enabled || got.Disabled.For != hook.DisabledFailing {
				t.Errorf("fault %v: it is %+v", at, got)
			}
		}
	})
}

// I7: so many are disabled at a time, those first that have failed longest.
func TestDisabledAtATime(t *testing.T) {
	s, now := storetest.Open(t), moment()
	list := make([]*hook.Webhook, store.SuperviseMax+1)
	for i := range list {
		list[i] = failing(t, s, now.Add(-time.Duration(i)*time.Second))
	}
	must(t, s.DisableFailing(t.Context(), now.Add(2*disablesAfter)))
	for i, w := range list {
		if got := current(t, s, w); got.Enabled != (i == 0) {
			t.Errorf("webhook %d: enabled %v", i, got.Enabled)
		}
	}
}

// Deliveries behind an open circuit are held, in what is shown and in what is asked for.
func TestHeldBehindAnOpenCircuit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		id := newInteraction()
		change(t, s, now, create(id, "q"), stop(id))
		counts := func(wantHeld, wantPending int) {
			t.Helper()
			held := deliveries(t, s, theCenter, store.DeliveryFilter{State: hook.DeliveryHeld})
			pending := deliveries(t, s, theCenter, store.DeliveryFilter{State: hook.DeliveryPending})
			if len(held) != wantHeld || len(pending) != wantPending {
				t.Errorf("%d are held and %d pending, want %d and %d", len(held), len(pending), wantHeld, wantPending)
			}
		}
		counts(0, 2)
		opened := hook.OpenCircuit(now, &w.Settings.Retry)
		swap(t, s, w, hook.Circuit{}, opened)
		counts(1, 1)
		wantStates(t, s, []*hook.Webhook{w}, "STARTED to 0: held, 0", "FINISHED to 0: waiting, 0")
		swap(t, s, w, opened, hook.Circuit{})
		counts(0, 2)
	})
}
