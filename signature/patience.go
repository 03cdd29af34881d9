package signature

import (
	"sync"
	"time"
)

const (
	// explainMax is how much time explanations may take at once, and explainShare which part of the time they may take for long: a sender of
	// garbage gets no more of a processor than that.
	explainMax   = time.Second
	explainShare = 0.05
)

// Patience bounds what the explanations of a receiver cost it: one at a time, for a second at once and for a twentieth of the time for long. A
// receiver has one, for all who send to it. The zero value is ready, and may be used from many goroutines.
type Patience struct {
	mu    sync.Mutex // held while something is explained, and guards spent and at
	spent time.Duration
	at    time.Time
}

// Explain calls explain, which should verify once more with Verify or VerifyStandard what Check has refused, if there is patience left, and
// reports whether it did. It never waits.
func (p *Patience) Explain(explain func()) bool {
	if !p.mu.TryLock() {
		return false
	}
	defer p.mu.Unlock()
	begun := time.Now()
	if !p.left(begun) {
		return false
	}
	defer func() { p.spent += time.Since(begun) }()
	explain()
	return true
}

// left reports whether there is patience for one more explanation. What was spent is forgiven as time goes by.
func (p *Patience) left(now time.Time) bool {
	p.spent -= time.Duration(explainShare * float64(now.Sub(p.at)))
	p.spent, p.at = max(p.spent, 0), now
	return p.spent < explainMax
}
