package delivery

import (
	"context"
	"log/slog"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// laneDepthMin is how many POSTs' deliveries may wait in a lane however short the leases are: one and the next.
const laneDepthMin = 2

// leasing is what a lane knows of its leases. Deliveries that wait until theirs are too short were claimed for nothing, so a
// lane claims no more than it gets rid of in time. How much that is depends on the receiver, and is found out by trying.
type leasing struct {
	// depth is how many deliveries may wait. It falls when some waited too long, and grows when workers waited for more.
	depth int
	// begun is how many deliveries were sent since the depth fell last.
	begun int
	// latest is the end of the last lease that the lane was given, and judged what it was when the depth fell last: of leases
	// that end no later nothing can be learnt any more.
	latest, judged time.Time
	// resume is when the lane may claim again, after claims of which nothing could be sent.
	resume time.Time
	// misfit is when the webhook was updated that was last said not to fit the engine's lease; nil means none.
	misfit *time.Time
}

// given notes the lease of a delivery that the lane takes.
func (s *leasing) given(d *hook.Delivery) {
	if d.Lease.Until.After(s.latest) {
		s.latest = d.Lease.Until
	}
}

// lower makes the lane less deep, once for what was claimed since the last time; until is the end of the last of the leases
// that were too short. It reports whether nothing was sent since then: then all that was claimed was claimed in vain.
func (s *leasing) lower(until time.Time) (vain bool) {
	if !until.After(s.judged) {
		return false
	}
	vain = s.begun == 0
	s.depth = max(min(s.depth/2, 2*s.begun), 1)
	s.begun, s.judged = 0, s.latest
	return vain
}

// deep is how many deliveries may wait. The caller holds the lock.
func (l *lane) deep(s *hook.Settings) int {
	return max(l.leases.depth, laneDepthMin*s.Batch.MaxEvents)
}

// deepen makes the lane deeper when nothing waits although more could be sent: not before as many as may wait were sent since
// the depth fell, for then nothing waits because it fell. The caller holds the lock.
func (l *lane) deepen(w *hook.Webhook) {
	spare := l.crew.idle > 0 || l.crew.workers < w.Settings.Concurrency
	if deep := l.deep(&w.Settings); spare && l.unsent() == 0 && l.leases.begun >= deep {
		l.leases.depth = min(2*deep, laneDeliveriesMax)
	}
}

// leased reports whether the whole of an attempt that begins at a time fits into the leases, with a reserve for recording it.
func leased(batch []*hook.Delivery, w *hook.Webhook, at time.Time) bool {
	ends := attemptEnds(w, at)
	for _, d := range batch {
		if d.Lease.Until.Before(ends) {
			return false
		}
	}
	return true
}

// attemptEnds is when the outcome of an attempt is recorded at the latest.
func attemptEnds(w *hook.Webhook, at time.Time) time.Time {
	return at.Add(time.Duration(w.Settings.RequestTimeout) + hook.LeaseReserve)
}

// giveBack returns to the store what cannot be sent now, with what waits and cannot be sent either. What is stale is claimed
// anew as soon as it is back.
func (l *lane) giveBack(batch []*hook.Delivery, at time.Time, stale bool) {
	w, ok := l.webhook()
	l.forgo(batch)
	switch {
	case !ok || l.holdsBack():
		batch, stale = append(batch, l.dismiss()...), false
	case stale:
		batch = l.expire(batch, w, at)
	}
	l.engine.release(context.WithoutCancel(l.engine.sending), batch)
	if stale {
		l.due()
	}
}

// expire adds to a batch whose leases are too short for a POST at a time whatever waits behind it and has the same fate. They
// go back together: one by one, they would hold up those behind them until these had waited too long as well.
func (l *lane) expire(batch []*hook.Delivery, w *hook.Webhook, at time.Time) []*hook.Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := len(batch)
	for l.waiting.len() > 0 && l.waiting.peek().Lease.Until.Before(attemptEnds(w, at)) {
		batch = append(batch, l.waiting.pop())
	}
	l.drop(len(batch) - own)
	var until time.Time
	for _, d := range batch {
		if d.Lease.Until.After(until) {
			until = d.Lease.Until
		}
	}
	if l.leases.lower(until) { // or claiming and releasing would go round as fast as the store can
		l.leases.resume = time.Now().Add(sweepEvery)
	}
	return batch
}

// fits reports whether the engine's lease is long enough for the webhook. Where it is not, the deliveries are left to processes
// with longer leases; this is said once for each change of the webhook.
func (l *lane) fits(w *hook.Webhook) bool {
	lease, needs, updated := l.engine.options.Lease, hook.LeaseFor(&w.Settings), w.UpdatedAt
	if lease == 0 || needs <= lease {
		return true
	}
	l.mu.Lock()
	said := l.leases.misfit != nil && l.leases.misfit.Equal(updated) // a store that reads its webhooks anew makes new ones
	l.leases.misfit = &updated
	l.mu.Unlock()
	if !said {
		l.engine.options.Log.Warn("this node's lease is too short for a webhook: its deliveries are left to other nodes",
			slog.String("webhook", w.ID.String()), slog.Duration("lease", lease), slog.Duration("needs", needs))
	}
	return false
}
