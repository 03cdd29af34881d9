package store

import (
	"context"
	"fmt"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// insertAttempt appends to the log under the delivery's lease: a process that lost it appends nothing.
	insertAttempt statement = `INSERT INTO attempts (center, event, webhook, number, started_at, duration_us, status, failure, error, response)
		SELECT $1, $2, $3, $5, $6, $7, $8, $9, $10, $11 FROM deliveries
		WHERE center = $1 AND event = $2 AND webhook = $3 AND lease = $4 AND state = 1`
	// The next three change a delivery after its attempt. Each leaves one that a FINISHED follows to the slower second stage.
	deliverDelivery statement = `DELETE FROM deliveries WHERE center = $1 AND event = $2 AND webhook = $3 AND lease = $4 AND state = 1 AND followed = 0`
	exhaustDelivery statement = `UPDATE deliveries SET state = 3, due_at = 0, lease = 0, attempts = $5
		WHERE center = $1 AND event = $2 AND webhook = $3 AND lease = $4 AND state = 1 AND followed = 0`
	retryDelivery statement = `UPDATE deliveries SET due_at = $6, lease = 0, attempts = $5
		WHERE center = $1 AND event = $2 AND webhook = $3 AND lease = $4 AND state = 1`
	unfollowDelivery statement = `UPDATE deliveries SET followed = 0 WHERE center = $1 AND event = $2 AND webhook = $3`
	freeFinished     statement = `UPDATE deliveries SET state = 1, due_at = $4, waits_for = 0
		WHERE center = $1 AND waits_for = $2 AND webhook = $3 AND state = 2`
)

// Record appends each attempt to the log and changes its delivery: delivered, due again, or exhausted. It is one
// transaction for the whole batch. An outcome whose lease was lost changes nothing.
func (s *Store) Record(ctx context.Context, now time.Time, outcomes []hook.Outcome) (hook.Recorded, error) {
	r := &record{now: now, outcomes: outcomes}
	if err := s.committer.commit(ctx, r); err != nil {
		return hook.Recorded{}, fmt.Errorf("record outcomes: %w", err)
	}
	return r.recorded, nil
}

// record is a task: one batch of outcomes.
type record struct {
	now      time.Time
	outcomes []hook.Outcome
	recorded hook.Recorded
	// followed are the outcomes whose delivery a FINISHED waits for.
	followed []*hook.Outcome
}

func (r *record) weight() int { return len(r.outcomes) }

func (r *record) stage(n int, b batch) (more bool) {
	if n == 0 {
		r.recorded, r.followed = hook.Recorded{}, r.followed[:0]
		for i := range r.outcomes {
			r.log(b, &r.outcomes[i])
		}
		return true
	}
	for _, o := range r.followed {
		r.free(b, o)
	}
	return false
}

// log queues the attempt and the change of its delivery. Whether the lease still held is known from the first, whether a
// FINISHED follows from the second.
func (r *record) log(b batch, o *hook.Outcome) {
	d, a := o.Delivery, &o.Attempt
	e := d.Event
	held := false
	b.exec(insertAttempt, func(n int64) {
		if held = n == 1; !held {
			r.recorded.Late++
		}
	}, e.ContactCenter, e.Serial, d.Webhook, d.Lease.Token, a.Number, milli(a.StartedAt), a.Duration.Microseconds(), a.Status,
		int64(a.Failure), a.Error, nonNil(a.Response))
	followed := func(n int64) {
		if held && n == 0 {
			r.followed = append(r.followed, o)
		}
	}
	r.resolve(b, o, followed)
}

func (r *record) resolve(b batch, o *hook.Outcome, followed func(int64)) {
	d, e := o.Delivery, o.Delivery.Event
	switch {
	case o.Attempt.Acknowledged():
		b.exec(deliverDelivery, followed, e.ContactCenter, e.Serial, d.Webhook, d.Lease.Token)
	case o.Exhausts():
		b.exec(exhaustDelivery, followed, e.ContactCenter, e.Serial, d.Webhook, d.Lease.Token, o.Attempt.Number)
	default:
		b.exec(retryDelivery, nil, e.ContactCenter, e.Serial, d.Webhook, d.Lease.Token, o.Attempt.Number, milli(o.Next))
	}
}

// free resolves a STARTED that a FINISHED waits for, and makes that one due.
func (r *record) free(b batch, o *hook.Outcome) {
	d, e := o.Delivery, o.Delivery.Event
	b.exec(unfollowDelivery, nil, e.ContactCenter, e.Serial, d.Webhook)
	r.resolve(b, o, nil)
	b.exec(freeFinished, func(n int64) {
		if n > 0 {
			r.recorded.Freed = append(r.recorded.Freed, d.Webhook)
		}
	}, e.ContactCenter, e.Serial, d.Webhook, milli(r.now))
}

// nonNil keeps an empty response from being stored as NULL.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
