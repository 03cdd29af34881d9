package hook

import "time"

// Activity is what went on in a span of time, of a contact centre or of one webhook. It is for people to look at: a process that is
// killed has not told the last seconds.
type Activity struct {
	// At is when the span began.
	At time.Time
	// Accepted is how many events were accepted; only contact centres have it.
	Accepted int64
	// Acknowledged is how many deliveries were delivered, Failed how many attempts failed, and Exhausted how many of those were the last.
	Acknowledged, Failed, Exhausted int64
	// Delays are from the event to the acknowledgement of its delivery.
	Delays Delays
}

// Merge counts what another one has counted.
func (a *Activity) Merge(other *Activity) {
	a.Accepted += other.Accepted
	a.Acknowledged += other.Acknowledged
	a.Failed += other.Failed
	a.Exhausted += other.Exhausted
	a.Delays.Merge(&other.Delays)
}

// Count counts the outcome of an attempt.
func (a *Activity) Count(o *Outcome) {
	switch at := &o.Attempt; {
	case at.Acknowledged():
		a.Acknowledged++
		a.Delays.Add(at.StartedAt.Add(at.Duration).Sub(o.Delivery.Event.OccurredAt))
	case o.Exhausts():
		a.Exhausted++
		a.Failed++
	default:
		a.Failed++
	}
}
