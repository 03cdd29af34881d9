package receiver

import "time"

const (
	// explainMax is how much time explanations may take at once, and explainShare which part of the time they may take for long: a sender of
	// garbage gets no more of a processor than that.
	explainMax   = time.Second
	explainShare = 0.05
)

// patience is how much time explanations have taken lately: what was spent is forgiven as time goes by.
type patience struct {
	spent time.Duration
	at    time.Time
}

// left reports whether there is patience for one more explanation.
func (p *patience) left(now time.Time) bool {
	p.spent -= time.Duration(explainShare * float64(now.Sub(p.at)))
	p.spent, p.at = max(p.spent, 0), now
	return p.spent < explainMax
}

func (p *patience) spend(took time.Duration) { p.spent += took }
