package store

import (
	"context"
	"fmt"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// insertEvent names an event that this one follows, or 0: where the transactions of many processes give the order of events,
	// this one's place is not before that one's.
	insertEvent statement = `INSERT INTO events (center, serial, interaction, kind, operation_id, occurred_at, payload, trace{{place}})
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8{{place behind $1 $9}})`
	eventColumns statement = `SELECT e.center, e.serial, e.kind, e.operation_id, e.occurred_at, e.payload, e.trace`
	// selectEvent finds notices, too, which have no interaction.
	selectEvent statement = eventColumns + `, coalesce(i.serial, 0), coalesce(i.id, e.operation_id), coalesce(i.media, 0), coalesce(i.subtype, 0)
		FROM events e LEFT JOIN interactions i ON i.center = e.center AND i.serial = e.interaction WHERE e.center = $1 AND e.serial = $2`
)

// queueInsertEvent inserts an event that follows no other. Its serial must have been made in the same stage or one before: on an
// engine with one writer the order of serials is that in which events are read.
func queueInsertEvent(b batch, e *hook.Event) { queueInsertEventBehind(b, e, 0) }

// queueInsertEventBehind inserts an event that is to be read after another one, which is committed or part of this transaction.
func queueInsertEventBehind(b batch, e *hook.Event, follows hook.Serial) {
	b.exec(insertEvent, nil, e.ContactCenter, e.Serial, e.Interaction, encode(kindList(), e.Kind), e.OperationID.UUID, milli(e.OccurredAt),
		e.Payload, e.Trace.Append([]byte{}), follows)
}

func (s *Store) scanEvent(r row) (*hook.Event, error) {
	e := new(hook.Event)
	var kind, occurred, media, subtype int64
	var trace []byte
	err := r(&e.ContactCenter, &e.Serial, &kind, &e.OperationID.UUID, &occurred, &e.Payload, &trace,
		&e.Interaction, &e.InteractionID.UUID, &media, &subtype)
	e.Trace = hook.ParseTrace(trace)
	if e.Interaction == 0 {
		e.InteractionID = hook.InteractionID{}
	}
	e.CenterID, e.OccurredAt = s.catalogue.idOf(e.ContactCenter), fromMilli(occurred)
	e.Kind, e.Media, e.Subtype = decode(kindList(), kind), decode(mediaList(), media), decode(subtypeList(), subtype)
	return e, err
}

// EventOf returns the event that a delivery carries, with its payload, which is empty where retention has emptied it; or [hook.ErrNotFound].
// It does not look whether the webhook has such a delivery: [Store.Delivery] does.
func (s *Store) EventOf(_ context.Context, center hook.ContactCenterNumber, id hook.DeliveryID) (*hook.Event, error) {
	serial, _, ok := id.Keys()
	if !ok {
		return nil, fmt.Errorf("event of delivery %s: %w", id, hook.ErrNotFound)
	}
	var found *hook.Event
	err := s.engine.read(selectEvent, func(r row) (err error) {
		found, err = s.scanEvent(r)
		return err
	}, center, serial)
	if err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	if found == nil {
		return nil, fmt.Errorf("event of delivery %s: %w", id, hook.ErrNotFound)
	}
	return found, nil
}
