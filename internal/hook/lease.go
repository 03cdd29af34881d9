package hook

import "time"

const (
	// LeaseMargin is what a lease must hold beside a POST and the waits that a webhook's settings ask for: committing the
	// claim, a moment in the queue, and [LeaseReserve].
	LeaseMargin = time.Second
	// LeaseReserve is the part of the margin that is kept for recording the outcome: a POST that begins at the last moment and
	// takes its whole request timeout still leaves that much of its lease.
	LeaseReserve = 250 * time.Millisecond
)

// LeaseFor returns the shortest lease under which a webhook's deliveries can be sent. A POST begins only while the whole of
// its request timeout and [LeaseReserve] fit into the lease that is left; before that a delivery may linger for a batch to fill
// and wait for its turn of the rate limit. With less, each one would be claimed, wait and be released, for ever.
func LeaseFor(s *Settings) time.Duration {
	return time.Duration(s.RequestTimeout) + time.Duration(s.Batch.Linger) + s.RateTurn() + LeaseMargin
}

// RateTurn returns how long a POST waits for the rate limit when it is the next, rounded up to milliseconds.
func (s *Settings) RateTurn() time.Duration {
	if s.RateLimit <= 0 {
		return 0
	}
	return (time.Second/time.Duration(s.RateLimit) + time.Millisecond - 1).Truncate(time.Millisecond)
}
