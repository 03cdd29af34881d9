package main

import (
	"errors"
	"testing"
	"time"
)

// TestJudge shows which bounds fail a run against hostile callers, and that noise below the floor does not.
func TestJudge(t *testing.T) {
	const ms = time.Millisecond
	seen := func(p99 time.Duration, errs int64, bytes int64) []siege {
		return []siege{
			{Attack: calm, Requests: [2]time.Duration{ms, 8 * ms}, Arrivals: [2]time.Duration{ms, 8 * ms}},
			{Attack: bombs, Requests: [2]time.Duration{ms, p99}, Arrivals: [2]time.Duration{ms, p99}, Errors: errs, PeakBytes: bytes},
			{Attack: calmAgain, Requests: [2]time.Duration{ms, 10 * ms}, Arrivals: [2]time.Duration{ms, 10 * ms}},
		}
	}
	for name, c := range map[string]struct {
		seen   []siege
		failed bool
	}{
		"as in the calm":       {seen(8*ms, 0, hostileBytesMax), false},
		"three times the calm": {seen(30*ms, 0, 1), false},
		"more than that":       {seen(31*ms, 0, 1), true},
		"an error":             {seen(ms, 1, 1), true},
		"too much memory":      {seen(ms, 0, hostileBytesMax+1), true},
		"ten times a calm that is quick": {[]siege{
			{Attack: calm, Requests: [2]time.Duration{ms, 2 * ms}}, {Attack: bombs, Requests: [2]time.Duration{ms, 20 * ms}},
		}, false},
	} {
		if err := judge(c.seen); errors.Is(err, errHostile) != c.failed {
			t.Errorf("%s: %v", name, err)
		}
	}
}
