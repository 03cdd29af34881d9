package hook

import (
	"cmp"
	"time"
)

// What opens a webhook's circuit unless its settings say otherwise (specification, section 4).
const (
	BreakerFailuresDefault = 20  // BreakerFailuresDefault is how many failures in a row on one node.
	BreakerShareDefault    = 0.8 // BreakerShareDefault is the failing share of a node's attempts of a minute.
	BreakerMinimumDefault  = 50  // BreakerMinimumDefault is how few attempts in a minute say nothing about the share.
)

// The bounds of [BreakerLimits].
const (
	BreakerFailuresMax = 1_000   // BreakerFailuresMax bounds the failures in a row.
	BreakerShareMin    = 0.01    // BreakerShareMin is the smallest share.
	BreakerShareMax    = 1       // BreakerShareMax is the largest share: every attempt.
	BreakerMinimumMax  = 100_000 // BreakerMinimumMax bounds how few attempts say nothing.
)

// The window of a breaker is a minute, to a bucket: attempts of between 55 and 60 seconds ago may count or not.
const (
	windowBuckets = 12
	windowBucket  = 5 * time.Second
	// BreakerWindow is how long an attempt counts in the failing share, at most.
	BreakerWindow = windowBuckets * windowBucket
)

// Effective returns the limits with the defaults in place of what is zero.
func (l BreakerLimits) Effective() BreakerLimits {
	return BreakerLimits{
		Failures: cmp.Or(l.Failures, BreakerFailuresDefault), Share: cmp.Or(l.Share, BreakerShareDefault), Minimum: cmp.Or(l.Minimum, BreakerMinimumDefault),
	}
}

// Opens reports whether so many failures in a row open the circuit, or so many failed attempts of those of the last minute.
func (l BreakerLimits) Opens(row, failed, attempts int) bool {
	l = l.Effective()
	// A quotient of whole numbers is rounded as a number is read from text, so that 7 of 100 are a share of 0.07.
	return row >= l.Failures || attempts >= l.Minimum && float64(failed)/float64(attempts) >= l.Share
}

func (c *checker) breaker(prefix string, l BreakerLimits) {
	l = l.Effective()
	c.number(prefix+"failures", l.Failures, 1, BreakerFailuresMax)
	c.factor(prefix+"share", l.Share, BreakerShareMin, BreakerShareMax)
	c.number(prefix+"minimum", l.Minimum, 1, BreakerMinimumMax)
}

// Window counts the attempts of the last minute that ended on one node, in a ring of buckets. The zero value counts none.
type Window struct {
	// last is the number of the newest bucket, counted from 1970; bucket n is at n modulo the size of the ring.
	last    int64
	buckets [windowBuckets]struct{ attempts, failed uint32 }
}

// Add counts an attempt that ends now. A clock that is set back begins a new window.
func (w *Window) Add(now time.Time, failed bool) {
	w.turn(now)
	b := &w.buckets[w.last%windowBuckets]
	b.attempts++
	if failed {
		b.failed++
	}
}

// Count returns how many attempts of the last minute failed, of how many.
func (w *Window) Count(now time.Time) (failed, attempts int) {
	w.turn(now)
	for _, b := range w.buckets {
		failed, attempts = failed+int(b.failed), attempts+int(b.attempts)
	}
	return failed, attempts
}

// turn empties the buckets that are over.
func (w *Window) turn(now time.Time) {
	n := max(now.UnixNano(), 0) / int64(windowBucket)
	if n < w.last || n >= w.last+windowBuckets {
		*w = Window{last: n}
	}
	for w.last < n {
		w.last++
		w.buckets[w.last%windowBuckets] = struct{ attempts, failed uint32 }{}
	}
}
