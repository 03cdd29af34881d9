package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	selectLastAttempt statement = `SELECT coalesce(max(number), 0) FROM attempts WHERE center = $1 AND event = $2 AND webhook = $3`
	selectPayload     statement = `SELECT length(payload) FROM events WHERE center = $1 AND serial = $2`
	selectOpen        statement = `SELECT state, lease, due_at, attempts FROM deliveries WHERE center = $1 AND event = $2 AND webhook = $3 {{for update}}`
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
	if ok && !known { // another process made it a moment ago
		if err := s.freshen(); err != nil {
			return nil, fmt.Errorf("read webhook: %w", err)
		}
		webhook, known = s.WebhookByNumber(number)
	}
	if !ok || !known || webhook.ContactCenter != center {
		return nil, fmt.Errorf("delivery %s: %w", id, hook.ErrNotFound)
	}
	r := &singleReplay{store: s, actor: hook.ActorOf(ctx), replay: replay{webhook: webhook, event: event, now: now}}
	w := &write[*Delivery]{
		store: s, center: center, now: now, once: once, result: r.result, after: r.count,
		stages: steps{r.read, r.lockLife, r.readOpen, r.order, r.reopen, r.show},
	}
	return w.run(ctx)
}

// singleReplay is the replay of one delivery that somebody asked for.
type singleReplay struct {
	replay
	store *Store
	actor hook.Actor
	found *hook.Event
	shown *Delivery
}

func (r *singleReplay) read(b batch) {
	r.replay, r.found, r.shown = replay{webhook: r.webhook, event: r.event, now: r.now, failed: r.notFound()}, nil, nil
	if w, ok := r.store.WebhookByNumber(r.webhook.Number); ok && w.Deleted() { // as the transaction sees it
		r.failed = &hook.ConflictError{Verb: "replay", State: "deleted", Detail: "the webhook of this delivery was deleted"}
		return
	}
	b.query(selectEvent, func(row row) error {
		e, err := r.store.scanEvent(row)
		r.found, r.failed, r.kind, r.life.serial, r.id = e, nil, e.Kind, e.Interaction, e.InteractionID
		return err
	}, r.webhook.ContactCenter, r.event)
}

func (r *singleReplay) show(b batch) {
	if r.failed != nil {
		return
	}
	if r.kind == hook.KindNotice {
		r.shown = r.showNotice()
	} else {
		q := newSelect(selectOpenDeliveries, "d.center", r.webhook.ContactCenter)
		q.where("d.event = %s AND d.webhook = %s", r.event, r.webhook.Number)
		b.query(q.text(""), func(row row) (err error) {
			r.shown, err = r.store.scanOpenDelivery(row)
			return err
		}, q.args...)
	}
	type state struct {
		State    string `json:"state"`
		Attempts int    `json:"attempts"`
	}
	r.failed = r.store.audit(b, r.now, auditEntry{
		center: r.webhook.ContactCenter, actor: r.actor, action: "delivery.replay", subject: hook.NewDeliveryID(r.event, r.webhook.Number).String(),
		before: state{r.was().String(), r.made()}, after: state{hook.DeliveryPending.String(), r.made()},
	})
}

// showNotice is the delivery of a notice, which lists do not know.
func (r *singleReplay) showNotice() *Delivery {
	d := &Delivery{
		key: hook.DeliveryKey{Event: r.event, Webhook: r.webhook.Number}, Webhook: r.webhook.ID, Operation: r.found.OperationID,
		State: hook.DeliveryPending, AttemptsMade: r.made(), NextAttemptAt: r.now,
	}
	d.fill(encode(kindList(), hook.KindNotice), milli(r.found.OccurredAt))
	return d
}

// count counts a replay that was committed.
func (r *singleReplay) count() {
	if r.failed == nil {
		r.store.countReplayed(r.webhook.Number, 1)
	}
}

// countReplayed counts what was replayed of a webhook and committed, and tells the lanes, which would see it at their next sweep only.
func (s *Store) countReplayed(w hook.WebhookNumber, n int64) {
	s.metrics.replayed.Add(float64(n))
	if s.lanes != nil {
		s.lanes.Due(w)
	}
}

func (r *singleReplay) result() (*Delivery, error) { return r.shown, r.failed }

// replay is one delivery on its way back into the open set. Its stages are lockLife, readOpen, order and reopen; those of many may be
// executed beside each other (see [replayBatch]).
type replay struct {
	webhook *hook.Webhook
	event   hook.Serial
	now     time.Time
	// kind and id are those of the event, and life is the interaction with both of its events, once it is locked.
	kind interaction.Event
	id   hook.InteractionID
	life life
	// states are those that may be replayed; nil are all that can be.
	states []hook.DeliveryState

	payloadBytes int
	lastAttempt  int // its number in the log, which begins with 1; zero where the log has none
	own          openRow
	other        openRow // the FINISHED of a STARTED, or the STARTED of a FINISHED
	waits        bool
	followed     bool
	failed       error
}

// openRow is what the open set says of a delivery; its state is zero when the delivery is not there.
type openRow struct {
	state hook.DeliveryState
	lease int64
	due   int64
	// attempts are those that were made; the log may have lost them.
	attempts int
}

func (o *openRow) scan(r row) error { return r(&o.state, &o.lease, &o.due, &o.attempts) }

// busy reports whether somebody may be sending it now.
func (o *openRow) busy(now time.Time) bool {
	return o.state == hook.DeliveryPending && o.lease != 0 && o.due > milli(now)
}

// was is the state before the replay; readOpen must have found the delivery.
func (r *replay) was() hook.DeliveryState {
	if r.own.state == 0 {
		return hook.DeliveryDelivered
	}
	return r.own.state
}

// made is how many attempts were made.
func (r *replay) made() int { return max(r.lastAttempt, r.own.attempts) }

func (r *replay) lockLife(b batch) {
	switch {
	case r.failed != nil:
	case r.kind == hook.KindNotice: // which has no interaction; this keeps its removal away
		b.query(lockNotice, func(row row) error { return row(new(hook.Serial)) }, r.webhook.ContactCenter, r.event)
	default:
		b.at(binary.BigEndian.Uint64(r.id.UUID[:])) // as changes of interactions take their locks
		b.query(lockLife, func(row row) error { return row(&r.life.started, &r.life.finished) }, r.webhook.ContactCenter, r.life.serial)
	}
}

func (r *replay) notFound() error {
	return fmt.Errorf("delivery %s: %w", hook.NewDeliveryID(r.event, r.webhook.Number), hook.ErrNotFound)
}

// readOpen reads what the order depends on, now that nobody else can change it, and locks what order will change.
func (r *replay) readOpen(b batch) {
	if r.failed != nil {
		return
	}
	b.at(uint64(r.event))
	b.query(selectLastAttempt, func(row row) error { return row(&r.lastAttempt) }, r.webhook.ContactCenter, r.event, r.webhook.Number)
	b.query(selectPayload, func(row row) error { return row(&r.payloadBytes) }, r.webhook.ContactCenter, r.event)
	b.query(selectOpen, r.own.scan, r.webhook.ContactCenter, r.event, r.webhook.Number)
	if other := r.otherEvent(); other != 0 {
		b.at(uint64(other))
		b.query(selectOpen, r.other.scan, r.webhook.ContactCenter, other, r.webhook.Number)
	}
}

// otherEvent is the FINISHED of a STARTED, or the STARTED of a FINISHED; zero where there is none.
func (r *replay) otherEvent() hook.Serial {
	switch r.kind {
	case interaction.EventStarted:
		return r.life.finished
	case interaction.EventFinished:
		return r.life.started
	default:
		return 0
	}
}

// order makes a FINISHED wait for its STARTED, whichever of the two is replayed.
func (r *replay) order(b batch) {
	later := r.other
	if r.kind == interaction.EventFinished {
		later = openRow{}
	}
	switch {
	case r.failed != nil:
	case r.own.state == 0 && r.lastAttempt == 0:
		r.failed = r.notFound()
	case r.own.state == hook.DeliveryPending || r.own.state == hook.DeliveryWaiting:
		r.failed = &hook.ConflictError{Verb: "replay", State: "pending", Detail: "the delivery is still being tried; only a delivered or exhausted one can be replayed"}
	case r.payloadBytes == 0:
		r.failed = &hook.ConflictError{Verb: "replay", State: "removed", Detail: "the payload of its event is older than the contact centre's retention.payloads and was removed; there is nothing left to send"}
	case r.states != nil && !slices.Contains(r.states, r.was()):
		r.failed = &hook.ConflictError{Verb: "replay", State: r.was().String(), Detail: "another state was asked for"}
	case later.busy(r.now):
		r.failed = &hook.ConflictError{Verb: "replay", State: "pending", Detail: "the FINISHED of this interaction is being sent now; try again when it is done"}
	case later.state == hook.DeliveryPending:
		r.followed = true
		b.exec(holdFinished, nil, r.webhook.ContactCenter, r.life.finished, r.webhook.Number, r.event)
	case r.kind == interaction.EventFinished:
		b.exec(followOne, func(n int64) { r.waits = r.waits || n > 0 }, r.webhook.ContactCenter, r.life.started, r.webhook.Number)
	}
}

func (r *replay) reopen(b batch) {
	if r.failed != nil {
		return
	}
	state, due, waitsFor := hook.DeliveryPending, r.now, hook.Serial(0)
	if r.waits {
		state, due, waitsFor = hook.DeliveryWaiting, time.Time{}, r.life.started
	}
	b.at(uint64(r.event))
	b.exec(reopenDelivery, nil, r.webhook.ContactCenter, r.event, r.webhook.Number, int64(state), milli(due), waitsFor,
		flag(r.followed), r.made())
}
