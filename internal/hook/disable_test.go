package hook_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// TestDisableFailing decides about any webhook at any time: it is disabled if it wants that and its circuit is open for so long, not
// a moment sooner, and nothing else of it changes. Once disabled it is not disabled again.
func TestDisableFailing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyCircuitSettings().Draw(t, "settings")
		after := rapid.OneOf(rapid.Just(time.Duration(0)), rapid.SampledFrom([]time.Duration{time.Minute, 72 * time.Hour})).Draw(t, "after")
		s.Disable.After = hook.Duration(after)
		w := hook.Webhook{Enabled: rapid.Bool().Draw(t, "enabled"), Settings: *s}
		if rapid.IntRange(0, 4).Draw(t, "deleted") == 0 {
			w.DeletedAt = circuitEpoch()
		}
		if rapid.IntRange(0, 4).Draw(t, "closed") > 0 {
			w.Circuit = hook.OpenCircuit(circuitEpoch(), &s.Retry)
		}
		since := w.Circuit.Since
		now := circuitEpoch().Truncate(time.Millisecond).Add(rapid.OneOf(
			rapid.SampledFrom([]time.Duration{after - 1, after, after + 1}), rapid.Map(rapid.Int64Range(0, int64(100*time.Hour)), func(n int64) time.Duration { return time.Duration(n) }),
		).Draw(t, "passed"))
		want := w.Enabled && w.DeletedAt.IsZero() && w.Circuit.Open() && after > 0 && now.Sub(since) >= after
		before := w
		if got := w.DisableFailing(now); got != want {
			t.Fatalf("%+v at %v: %v", before, now, got)
		}
		if !want {
			if w.Enabled != before.Enabled || w.Disabled != before.Disabled {
				t.Fatalf("%+v became %+v", before, w)
			}
			return
		}
		if w.Enabled || w.Disabled.For != hook.DisabledFailing || !w.Disabled.At.Equal(now.Truncate(time.Millisecond)) || w.Circuit != before.Circuit {
			t.Fatalf("%+v became %+v", before, w)
		}
		if w.DisableFailing(now.Add(time.Hour)) || !w.DisableAt().IsZero() {
			t.Fatal("it is disabled twice")
		}
		if w.SetEnabled(true); !w.Enabled || w.Circuit.Open() || w.Disabled != (hook.Disabled{}) || w.DisableFailing(now.Add(time.Hour)) {
			t.Fatalf("enabled it is %+v", w)
		}
	})
}

// TestDisableGone lists what an answer of 410 does to a webhook.
func TestDisableGone(t *testing.T) {
	at := circuitEpoch().Truncate(time.Millisecond)
	for _, tt := range []struct {
		name   string
		change func(*hook.Webhook)
		want   bool
	}{
		{"as it was", func(*hook.Webhook) {}, true},
		{"with an open circuit", func(w *hook.Webhook) { w.Circuit = hook.OpenCircuit(at, &w.Settings.Retry) }, true},
		{"that does not want it", func(w *hook.Webhook) { w.Settings.Disable.OnGone = false }, false},
		{"disabled", func(w *hook.Webhook) { w.Enabled = false }, false},
		{"deleted", func(w *hook.Webhook) { w.DeletedAt = at }, false},
		{"changed since", func(w *hook.Webhook) { w.UpdatedAt = at.Add(time.Millisecond) }, false},
		{"changed by a clock that is behind", func(w *hook.Webhook) { w.UpdatedAt = at.Add(-time.Hour) }, false},
		{"with another URL in the same moment", func(w *hook.Webhook) { w.Settings.URL += "2" }, false},
	} {
		sent := hook.Webhook{Enabled: true, Settings: validSettings(), UpdatedAt: at}
		sent.Settings.Disable.OnGone = true
		w := sent
		tt.change(&w)
		before := w.Enabled
		if got := w.DisableGone(&sent, at.Add(time.Second)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		switch {
		case !tt.want && (w.Enabled != before || w.Disabled.For != hook.DisabledByHand):
			t.Errorf("%s: it became %+v", tt.name, w)
		case tt.want && (w.Enabled || w.Disabled != hook.Disabled{At: at.Add(time.Second), For: hook.DisabledGone}):
			t.Errorf("%s: it became %+v", tt.name, w)
		}
	}
}

// TestSetEnabledByHand disables by hand: that is not the server's doing, and what the server had said stays.
func TestSetEnabledByHand(t *testing.T) {
	gone := hook.Disabled{At: circuitEpoch(), For: hook.DisabledGone}
	w := hook.Webhook{Disabled: gone, Circuit: hook.OpenCircuit(circuitEpoch(), &hook.Retry{Timeout: 1})}
	circuit := w.Circuit
	if w.SetEnabled(false); w.Enabled || w.Disabled != gone || w.Circuit != circuit {
		t.Errorf("disabled it is %+v", w)
	}
	for f, want := range map[hook.DisabledFor]string{hook.DisabledByHand: "", hook.DisabledFailing: "failing", hook.DisabledGone: "gone"} {
		if f.String() != want {
			t.Errorf("%d is %q, want %q", f, f.String(), want)
		}
	}
}
