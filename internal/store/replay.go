package store

import (
	"context"
	"fmt"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	selectAttemptCount statement = `SELECT count(*), coalesce(max(number), 0) FROM attempts WHERE center = $1 AND event = $2 AND webhook = $3`
	selectPayload      statement = `SELECT payload FROM events WHERE center = $1 AND serial = $2`
	selectOpen         statement = `SELECT state, lease, due_at FROM deliveries WHERE center = $1 AND event = $2 AND webhook = $3 {{for update}}`
	// lockLife keeps changes and other replays of the interaction away until this one is committed.
	lockLife     statement = `SELECT started_event, finished_event FROM interactions WHERE center = $1 AND serial = $2 {{for update}}`
	lockNotice   statement = `SELECT serial FROM events WHERE center = $1 AND serial = $2 {{for update}}`
	followOne    statement = `UPDATE deliveries SET followed = 1 WHERE center = $1 AND event = $2 AND webhook = $3 AND state IN (1, 2)`
	holdFinished statement = `UPDATE deliveries SET state = 2, due_at = 0, lease = 0, waits_for = $4
		WHERE center = $1 AND event = $2 AND webhook = $3 AND state + 0 = 1`
	reopenDelivery statement = `INSERT INTO deliveries (center, event, webhook, state, due_at, lease, waits_for, followed, attempts, base)
		VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $8)
		ON CONFLICT (center, event, webhook) DO UPDATE SET state = excluded.state, due_at = excluded.due_at, lease = 0,
		waits_for = excluded.waits_for, followed = excluded.followed, attempts = excluded.attempts, base = excluded.base`
)

// ReplayDelivery makes a delivered or exhausted delivery pending again, with a fresh retry schedule and the same bytes. The
// order holds for replays too: a FINISHED waits for its STARTED. A delivery that is pending, or whose event has
// no payload any more, is a [hook.ConflictError].
func (s *Store) ReplayDelivery(ctx context.Context, center hook.ContactCenterNumber, id hook.DeliveryID, now time.Time, once *Once[*Delivery]) (*Delivery, error) {
	event, number, ok := id.Keys()
	webhook, known := s.WebhookByNumber(number)
	if !ok || !known || webhook.ContactCenter != center {
		return nil, fmt.Errorf("delivery %s: %w", id, hook.ErrNotFound)
	}
	if webhook.Deleted() {
		return nil, &hook.ConflictError{Verb: "replay", State: "deleted", Detail: "the webhook of this delivery was deleted"}
	}
	r := &replay{store: s, webhook: webhook, event: event, now: now}
	w := &write[*Delivery]{
		store: s, center: center, now: now, once: once, result: r.result, after: r.count,
		stages: steps{r.read, r.lockLife, r.readOpen, r.order, r.reopen, r.show},
	}
	return w.run(ctx)
}

// replay is one delivery on its way back into the open set.
type replay struct {
	store   *Store
	webhook *hook.Webhook
	event   hook.Serial
	now     time.Time

	found    *hook.Event
	attempts struct{ count, last int }
	own      openRow
	started  hook.Serial
	finished hook.Serial
	later    openRow // the FINISHED of a STARTED
	waits    bool
	followed bool
	failed   error
	shown    *Delivery
}

// openRow is what the open set says of a delivery; its state is zero when the delivery is not there.
type openRow struct {
	state hook.DeliveryState
	lease int64
	due   int64
}

func (o *openRow) scan(r row) error { return r(&o.state, &o.lease, &o.due) }

// busy reports whether somebody may be sending it now.
func (o *openRow) busy(now time.Time) bool {
	return o.state == hook.DeliveryPending && o.lease != 0 && o.due > milli(now)
}

func (r *replay) read(b batch) {
	*r = replay{store: r.store, webhook: r.webhook, event: r.event, now: r.now}
	b.query(selectEvent, func(row row) (err error) {
		r.found, err = r.store.scanEvent(row)
		return err
	}, r.webhook.ContactCenter, r.event)
}

func (r *replay) lockLife(b batch) {
	if r.found == nil {
		r.failed = r.notFound()
		return
	}
	if r.found.Kind == hook.KindNotice { // which has no interaction; this keeps its removal away
		b.query(lockNotice, func(row row) error { return row(new(hook.Serial)) }, r.webhook.ContactCenter, r.event)
		return
	}
	b.query(lockLife, func(row row) error { return row(&r.started, &r.finished) }, r.webhook.ContactCenter, r.found.Interaction)
}

func (r *replay) notFound() error {
	return fmt.Errorf("delivery %s: %w", hook.NewDeliveryID(r.event, r.webhook.Number), hook.ErrNotFound)
}

// readOpen reads what the order depends on, now that nobody else can change it.
func (r *replay) readOpen(b batch) {
	if r.failed != nil {
		return
	}
	b.query(selectAttemptCount, func(row row) error { return row(&r.attempts.count, &r.attempts.last) },
		r.webhook.ContactCenter, r.event, r.webhook.Number)
	b.query(selectPayload, func(row row) error { return row(&r.found.Payload) }, r.webhook.ContactCenter, r.event)
	b.query(selectOpen, r.own.scan, r.webhook.ContactCenter, r.event, r.webhook.Number)
	if r.found.Kind == interaction.EventStarted && r.finished != 0 {
		b.query(selectOpen, r.later.scan, r.webhook.ContactCenter, r.finished, r.webhook.Number)
	}
}

// order makes a FINISHED wait for its STARTED, whichever of the two is replayed.
func (r *replay) order(b batch) {
	switch {
	case r.failed != nil:
	case r.own.state == 0 && r.attempts.count == 0:
		r.failed = r.notFound()
	case r.own.state == hook.DeliveryPending || r.own.state == hook.DeliveryWaiting:
		r.failed = &hook.ConflictError{Verb: "replay", State: "pending", Detail: "the delivery is still being tried; only a delivered or exhausted one can be replayed"}
	case len(r.found.Payload) == 0:
		r.failed = &hook.ConflictError{Verb: "replay", State: "removed", Detail: "the payload of its event is older than the contact centre's retention.payloads and was removed; there is nothing left to send"}
	case r.later.busy(r.now):
		r.failed = &hook.ConflictError{Verb: "replay", State: "pending", Detail: "the FINISHED of this interaction is being sent now; try again when it is done"}
	case r.later.state == hook.DeliveryPending:
		r.followed = true
		b.exec(holdFinished, nil, r.webhook.ContactCenter, r.finished, r.webhook.Number, r.event)
	case r.found.Kind == interaction.EventFinished:
		b.exec(followOne, func(n int64) { r.waits = n > 0 }, r.webhook.ContactCenter, r.started, r.webhook.Number)
	}
}

func (r *replay) reopen(b batch) {
	if r.failed != nil {
		return
	}
	state, due, waitsFor := hook.DeliveryPending, r.now, hook.Serial(0)
	if r.waits {
		state, due, waitsFor = hook.DeliveryWaiting, time.Time{}, r.started
	}
	b.exec(reopenDelivery, nil, r.webhook.ContactCenter, r.event, r.webhook.Number, int64(state), milli(due), waitsFor,
		flag(r.followed), r.attempts.last)
}

// count counts a replay that was committed.
func (r *replay) count() {
	if r.failed == nil {
		r.store.metrics.replayed.Inc()
	}
}

func (r *replay) show(b batch) {
	if r.failed == nil && r.found.Kind == hook.KindNotice {
		r.shown = &Delivery{key: hook.DeliveryKey{Event: r.event, Webhook: r.webhook.Number}, Webhook: r.webhook.ID, Operation: r.found.OperationID, State: hook.DeliveryPending, AttemptsMade: r.attempts.last, NextAttemptAt: r.now}
		r.shown.fill(encode(kindList(), hook.KindNotice), milli(r.found.OccurredAt))
		return
	}
	if r.failed == nil {
		q := newSelect(selectOpenDeliveries, "d.center", r.webhook.ContactCenter)
		q.where("d.event = %s AND d.webhook = %s", r.event, r.webhook.Number)
		b.query(q.text(""), func(row row) (err error) {
			r.shown, err = r.store.scanOpenDelivery(row)
			return err
		}, q.args...)
	}
}

func (r *replay) result() (*Delivery, error) { return r.shown, r.failed }
