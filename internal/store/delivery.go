package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	insertDelivery statement = `INSERT INTO deliveries (center, event, webhook, state, due_at, lease, waits_for)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`
	// lockStarted finds the open deliveries of a STARTED and keeps others from recording them. They are marked with followOne
	// then, so that recording them frees the FINISHED that waits.
	lockStarted statement = `SELECT webhook FROM deliveries WHERE center = $1 AND event = $2 AND state IN (1, 2) {{for update}}`
	selectDue   statement = `SELECT number, coalesce((SELECT due_at FROM deliveries d
		WHERE d.center = w.center AND d.webhook = w.number AND d.state = 1 ORDER BY due_at LIMIT 1), 0)
		FROM webhooks w WHERE enabled = 1 AND deleted_at = 0`
	// What is claimed is found by one statement and leased by one for each: as one statement it could be planned as a walk through
	// the open set for each delivery.
	claimDue statement = `SELECT event, attempts, base, lease FROM deliveries WHERE center = $1 AND webhook = $2 AND state = 1 AND due_at <= $3
		ORDER BY due_at, event LIMIT $4 {{skip locked}}`
	leaseDelivery   statement = `UPDATE deliveries SET lease = $4, due_at = $5 WHERE center = $1 AND event = $2 AND webhook = $3`
	releaseDelivery statement = `UPDATE deliveries SET due_at = $5, lease = 0
		WHERE center = $1 AND event = $2 AND webhook = $3 AND lease = $4 AND state + 0 = 1`
	takeOverLeases statement = `UPDATE deliveries SET due_at = $3, lease = 0
		WHERE center = $1 AND webhook = $2 AND state = 1 AND lease <> 0 AND due_at > $3 AND due_at <= $4`
)

// fanOut writes one delivery of the event for each webhook that wants it.
func (a *acceptance) fanOut(b batch, em *emission) {
	for _, w := range a.store.catalogue.listOf(a.center) {
		if !w.Wants(em.event) {
			continue
		}
		d := &hook.Delivery{Event: em.event, Webhook: w.Number}
		state, due, waitsFor := hook.DeliveryPending, a.now, hook.Serial(0)
		switch {
		case slices.Contains(em.waiting, w.Number):
			state, due, waitsFor = hook.DeliveryWaiting, time.Time{}, em.follows
		case w.Sends() && a.store.lanes != nil && a.store.lanes.Room(w.Number):
			due = a.now.Add(a.store.options.Lease)
			d.Lease = hook.Lease{Token: int64(em.event.Serial), Until: due}
			a.leased = append(a.leased, d)
		}
		b.exec(insertDelivery, nil, a.center, em.event.Serial, w.Number, int64(state), milli(due), d.Lease.Token, waitsFor)
		a.created++
	}
}

// handOver gives committed deliveries to their lanes; those for which there is no room after all go back to the store.
func (s *Store) handOver(ctx context.Context, now time.Time, leased []*hook.Delivery) {
	var left []*hook.Delivery
	for _, d := range leased {
		if !s.lanes.Take(d) {
			left = append(left, d)
		}
	}
	if len(left) == 0 {
		return
	}
	if err := s.Release(ctx, now, left); err != nil { // the change itself is committed: its lease just ends later
		s.options.Log.Warn("releasing deliveries failed; they are due when their lease ends", "count", len(left), "error", err)
	}
}

// Due returns, for each enabled webhook that has pending deliveries, when the first of them is due. Leased ones count from
// the end of their lease. It reads one index entry for each webhook.
func (s *Store) Due(context.Context) ([]hook.Due, error) {
	var list []hook.Due
	err := s.engine.read(selectDue, func(r row) error {
		var d hook.Due
		var at int64
		err := r(&d.Webhook, &at)
		if at != 0 {
			d.At = fromMilli(at)
			list = append(list, d)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find due deliveries: %w", err)
	}
	return list, nil
}

// Claim leases up to limit deliveries of a webhook that are due, those that are due longest first.
func (s *Store) Claim(ctx context.Context, now time.Time, webhook hook.WebhookNumber, limit int) ([]*hook.Delivery, error) {
	w, ok := s.WebhookByNumber(webhook)
	if !ok || !w.Sends() {
		return nil, nil
	}
	c := &claim{store: s, webhook: w, now: now, limit: limit}
	if err := s.outcomes.commit(ctx, c); err != nil {
		return nil, fmt.Errorf("claim deliveries: %w", err)
	}
	s.metrics.takenOver.Add(float64(c.ended))
	return c.claimed, nil
}

type claim struct {
	store   *Store
	webhook *hook.Webhook
	now     time.Time
	limit   int
	claimed []*hook.Delivery
	// ended is how many of them somebody's lease had ended on.
	ended int
}

func (c *claim) weight() int { return c.limit }

// share names the webhook: two claims must not find the same deliveries.
func (c *claim) share(with func(thing)) bool {
	with(thing{center: c.webhook.ContactCenter, key: fmt.Sprint("claim ", c.webhook.Number)})
	return true
}

func (c *claim) stage(n int, b batch) (more bool) {
	if n == 0 {
		c.find(b)
		return true
	}
	c.lease(b)
	return false
}

func (c *claim) find(b batch) {
	c.claimed, c.ended = c.claimed[:0], 0
	if w, ok := c.store.WebhookByNumber(c.webhook.Number); !ok || !w.Sends() {
		return // another process has disabled it since
	}
	lease := hook.Lease{Token: int64(c.store.nextSerial(c.now, 0)), Until: c.now.Add(c.store.options.Lease)}
	b.query(claimDue, func(r row) error {
		d := &hook.Delivery{Event: new(hook.Event), Webhook: c.webhook.Number, Lease: lease}
		var held int64
		err := r(&d.Event.Serial, &d.Attempts, &d.Base, &held)
		c.claimed = append(c.claimed, d)
		if held != 0 {
			c.ended++
		}
		return err
	}, c.webhook.ContactCenter, c.webhook.Number, milli(c.now), c.limit)
}

func (c *claim) lease(b batch) {
	slices.SortFunc(c.claimed, func(x, y *hook.Delivery) int { return int(x.Event.Serial - y.Event.Serial) })
	for _, d := range c.claimed {
		b.exec(leaseDelivery, nil, c.webhook.ContactCenter, d.Event.Serial, c.webhook.Number, d.Lease.Token, milli(d.Lease.Until))
		b.query(selectEvent, func(r row) (err error) {
			d.Event, err = c.store.scanEvent(r)
			return err
		}, c.webhook.ContactCenter, d.Event.Serial)
	}
}

// Release gives leased deliveries back, due at once for whoever claims them. Those whose lease is not theirs any more are
// left alone.
func (s *Store) Release(ctx context.Context, now time.Time, deliveries []*hook.Delivery) error {
	err := s.outcomes.commit(ctx, beside{steps{func(b batch) {
		for _, d := range deliveries {
			b.at(uint64(d.Event.Serial))
			b.exec(releaseDelivery, nil, d.Event.ContactCenter, d.Event.Serial, d.Webhook, d.Lease.Token, milli(now))
		}
	}}})
	if err != nil {
		return fmt.Errorf("release deliveries: %w", err)
	}
	return nil
}

// takeOver frees what a dead process had leased. It is for a store that one process owns.
func (s *Store) takeOver(now time.Time) task {
	return steps{func(b batch) {
		for _, w := range s.catalogue.webhooks {
			b.exec(takeOverLeases, func(n int64) { s.metrics.takenOver.Add(float64(n)) }, w.ContactCenter, w.Number, milli(now), milli(now.Add(LeaseMax)))
		}
	}}
}
