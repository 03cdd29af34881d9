package main

import (
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The steps in which a store keeps activity, and for how long: of the contact centre (webhook 0) and of each webhook.
const (
	centerStep, centerKept = 10 * time.Second, 48 * time.Hour
	hookStep, hookKept     = 5 * time.Minute, 7 * 24 * time.Hour
	// activityProcesses is how many processes have counted at the same time.
	activityProcesses = 3
)

// activityRows are what was going on, as much as a busy store keeps of it.
func (w *world) activityRows(yield func([]any) bool) {
	var delays hook.Delays
	for d := time.Millisecond; d < 10*time.Hour; d *= 2 {
		delays.Add(d)
	}
	rows := func(number int64, step, kept time.Duration) bool {
		for at := w.end.Truncate(step).Add(step - kept); !at.After(w.end); at = at.Add(step) {
			for process := range int64(activityProcesses) {
				n := int64(mix(at.UnixMilli(), number) % 1_000)
				if !yield([]any{w.center, number, at.UnixMilli(), process + 1, n, n, n / 50, n / 500, delays.Encode()}) {
					return false
				}
			}
		}
		return true
	}
	if !rows(0, centerStep, centerKept) {
		return
	}
	for _, number := range w.hooks {
		if !rows(number, hookStep, hookKept) {
			return
		}
	}
}
