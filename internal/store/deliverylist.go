package store

import (
	"context"
	"fmt"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// Delivery is a delivery as it is shown: from the open set, or, once delivered, from the log.
type Delivery struct {
	ID           hook.DeliveryID
	Webhook      hook.WebhookID
	Interaction  hook.InteractionID
	Event        interaction.Event
	Operation    hook.OperationID
	State        hook.DeliveryState
	AttemptsMade int
	// Base is how many of them had been made before it was replayed last, while it is open: the retry schedule counts from there.
	Base      int
	CreatedAt time.Time
	// NextAttemptAt is when a pending delivery is due; zero while it is being sent, waits or is resolved.
	NextAttemptAt time.Time
	// DeliveredAt is when the attempt that was acknowledged ended.
	DeliveredAt time.Time
	LastAttempt *hook.Attempt
	// Attempts are all of them, in order; a list leaves them out.
	Attempts []hook.Attempt
	// WaitsFor is the delivery of the STARTED that a FINISHED waits for, or nil.
	WaitsFor *hook.DeliveryID
	key      hook.DeliveryKey
}

const (
	deliveryColumns = `e.serial, w.number, e.kind, e.operation_id, e.occurred_at, i.id, w.id`
	deliveryJoins   = ` JOIN interactions i ON i.center = e.center AND i.serial = e.interaction `

	selectOpenDeliveries statement = `SELECT ` + deliveryColumns + `, d.state, d.due_at, d.lease, d.waits_for, d.attempts, d.base, w.enabled, w.deleted_at, w.open_since
		FROM deliveries d JOIN events e ON e.center = d.center AND e.serial = d.event` + deliveryJoins +
		`JOIN webhooks w ON w.center = d.center AND w.number = d.webhook`
	attemptColumns = `a.number, a.started_at, a.duration_us, a.status, a.failure, a.error, a.response,
		a.dns_us, a.connect_us, a.tls_us, a.first_byte_us, a.events`
	// selectDelivered finds a delivered delivery by the last attempt of its life.
	selectDelivered statement = `SELECT ` + deliveryColumns + `, ` + attemptColumns +
		` FROM attempts a JOIN events e ON e.center = a.center AND e.serial = a.event` + deliveryJoins +
		`JOIN webhooks w ON w.center = a.center AND w.number = a.webhook`
	isDelivered = `a.failure = 0 AND NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.center = a.center AND o.event = a.event AND o.webhook = a.webhook)
		AND NOT EXISTS (SELECT 1 FROM attempts l WHERE l.center = a.center AND l.event = a.event AND l.webhook = a.webhook AND l.number > a.number)`
	selectAttempts statement = `SELECT ` + attemptColumns + ` FROM attempts a WHERE a.center = $1 AND a.event = $2 AND a.webhook = $3
		ORDER BY a.number`
)

// dest returns where the columns go that open and delivered deliveries share.
func (d *Delivery) dest(kind, occurred *int64) []any {
	return []any{&d.key.Event, &d.key.Webhook, kind, &d.Operation.UUID, occurred, &d.Interaction.UUID, &d.Webhook.UUID}
}

func (d *Delivery) fill(kind, occurred int64) {
	d.ID = hook.NewDeliveryID(d.key.Event, d.key.Webhook)
	d.Event, d.CreatedAt = decode(kindList(), kind), fromMilli(occurred)
}

func (s *Store) scanOpenDelivery(r row) (*Delivery, error) {
	d := new(Delivery)
	var kind, occurred, due, lease, deleted, open int64
	var waitsFor hook.Serial
	var enabled bool
	err := r(append(d.dest(&kind, &occurred), &d.State, &due, &lease, &waitsFor, &d.AttemptsMade, &d.Base, &enabled, &deleted, &open)...)
	if err != nil {
		return nil, err
	}
	d.fill(kind, occurred)
	if waitsFor != 0 {
		id := hook.NewDeliveryID(waitsFor, d.key.Webhook)
		d.WaitsFor = &id
	}
	if d.State == hook.DeliveryPending && lease == 0 {
		d.NextAttemptAt = fromMilli(due)
	}
	if d.State == hook.DeliveryPending && (!enabled || deleted != 0 || open != 0) {
		d.State = hook.DeliveryHeld
	}
	return d, nil
}

func scanDelivered(r row) (*Delivery, error) {
	d := &Delivery{State: hook.DeliveryDelivered, LastAttempt: new(hook.Attempt)}
	var kind, occurred int64
	err := scanAttempt(r, d.LastAttempt, d.dest(&kind, &occurred)...)
	d.fill(kind, occurred)
	d.AttemptsMade, d.DeliveredAt = d.LastAttempt.Number, d.LastAttempt.StartedAt.Add(d.LastAttempt.Duration)
	return d, err
}

func scanAttempt(r row, a *hook.Attempt, before ...any) error {
	var started, took, dns, connect, tls, first int64
	err := r(append(before, &a.Number, &started, &took, &a.Status, &a.Failure, &a.Error, &a.Response, &dns, &connect, &tls, &first, &a.Events)...)
	a.StartedAt, a.Duration = fromMilli(started), fromMicro(took)
	a.Timing = hook.Timing{DNS: fromMicro(dns), Connect: fromMicro(connect), TLS: fromMicro(tls), FirstByte: fromMicro(first)}
	return err
}

func fromMicro(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// Delivery returns a delivery with all its attempts, or [hook.ErrNotFound].
func (s *Store) Delivery(_ context.Context, center hook.ContactCenterNumber, id hook.DeliveryID) (*Delivery, error) {
	event, webhook, ok := id.Keys()
	if !ok {
		return nil, fmt.Errorf("delivery %s: %w", id, hook.ErrNotFound)
	}
	only := position{event, webhook}
	open := func() ([]*Delivery, error) {
		return s.openDeliveries(center, func(q *selection) { only.equals(q, "d") })
	}
	found, err := open()
	if err == nil && len(found) == 0 {
		found, err = s.deliveredDeliveries(center, func(q *selection) { only.equals(q, "a") })
	}
	if err == nil && len(found) == 0 {
		found, err = open() // it may have been replayed between the two queries
	}
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("delivery %s: %w", id, hook.ErrNotFound)
	}
	d := found[0]
	err = s.engine.read(selectAttempts, func(r row) error {
		var a hook.Attempt
		err := scanAttempt(r, &a)
		d.Attempts = append(d.Attempts, a)
		return err
	}, center, event, webhook)
	if n := len(d.Attempts); n > 0 {
		d.LastAttempt = &d.Attempts[n-1]
	}
	return d, err
}

func (p position) equals(q *selection, alias string) {
	q.where(alias+".event = %s AND "+alias+".webhook = %s", p.serial, p.webhook)
}

func whereState(q *selection, state hook.DeliveryState) {
	switch state {
	case hook.DeliveryExhausted:
		q.where("d.state = 3")
	case hook.DeliveryPending, hook.DeliveryWaiting:
		q.where("(d.state = 2 OR d.state = 1 AND w.enabled = 1 AND w.deleted_at = 0 AND w.open_since = 0)")
	case hook.DeliveryHeld:
		q.where("d.state = 1 AND (w.enabled = 0 OR w.deleted_at <> 0 OR w.open_since <> 0)")
	case hook.DeliveryDelivered:
	}
}

func (s *Store) openDeliveries(center hook.ContactCenterNumber, where func(*selection)) ([]*Delivery, error) {
	q := newSelect(selectOpenDeliveries, "d.center", center)
	where(q)
	return s.deliveryRows(q, s.scanOpenDelivery)
}

func (s *Store) deliveredDeliveries(center hook.ContactCenterNumber, where func(*selection)) ([]*Delivery, error) {
	q := newSelect(selectDelivered, "a.center", center)
	where(q)
	q.where(isDelivered)
	return s.deliveryRows(q, scanDelivered)
}

func (s *Store) deliveryRows(q *selection, scan func(row) (*Delivery, error)) ([]*Delivery, error) {
	var list []*Delivery
	err := s.engine.read(q.text(""), func(r row) error {
		d, err := scan(r)
		list = append(list, d)
		return err
	}, q.args...)
	return list, err
}

func (s *Store) webhookNumber(center hook.ContactCenterNumber, id hook.WebhookID) hook.WebhookNumber {
	s.catalogue.mu.RLock()
	defer s.catalogue.mu.RUnlock()
	for _, w := range s.catalogue.webhooks {
		if w.ID == id && w.ContactCenter == center {
			return w.Number
		}
	}
	return 0
}
