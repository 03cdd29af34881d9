package hook

import (
	"math"
	"time"
)

// Retry is a webhook's schedule of redeliveries (specification, section 4).
type Retry struct {
	// Timeout is the wait before the first redelivery.
	Timeout Duration `json:"timeout"`
	// Attempts is how many redeliveries follow the first try.
	Attempts int `json:"attempts"`
	// Backoff is the factor from one wait to the next.
	Backoff float64 `json:"backoff"`
	// MaxTimeout bounds every wait, a receiver's Retry-After included.
	MaxTimeout Duration `json:"maxTimeout"`
	// Jitter is the share by which a wait is made shorter or longer at random, so that receivers are not hit by waves.
	Jitter float64 `json:"jitter"`
}

// Wait returns how long to wait after a failed attempt before the next; failed counts the attempts since the schedule began,
// at the event or at the last replay, so 1 is the first try.
// retryAfter is what the receiver asked for, or zero: it is a minimum (RFC 9110, section 10.2.3), clamped to MaxTimeout.
// random is in [0, 1) and spreads the wait by the jitter. The wait is never longer than MaxTimeout and never negative.
func (r Retry) Wait(failed int, retryAfter time.Duration, random float64) time.Duration {
	longest := float64(r.MaxTimeout)
	wait := min(float64(r.Timeout)*math.Pow(r.Backoff, float64(failed-1)), longest)
	wait *= 1 + r.Jitter*(2*random-1)
	wait = min(max(wait, float64(retryAfter), 0), longest)
	return time.Duration(wait)
}
