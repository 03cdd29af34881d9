package store

import (
	"context"
	"errors"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	insertEvent statement = `INSERT INTO events (center, serial, interaction, kind, operation_id, occurred_at, payload, trace)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	eventColumns           = `SELECT e.center, e.serial, e.kind, e.operation_id, e.occurred_at, e.payload, e.trace`
	selectEvents statement = eventColumns + `, i.serial, i.id, i.media, i.subtype
		FROM events e JOIN interactions i ON i.center = e.center AND i.serial = e.interaction`
	// selectEvent finds notices, too, which have no interaction.
	selectEvent statement = eventColumns + `, coalesce(i.serial, 0), coalesce(i.id, e.operation_id), coalesce(i.media, 0), coalesce(i.subtype, 0)
		FROM events e LEFT JOIN interactions i ON i.center = e.center AND i.serial = e.interaction WHERE e.center = $1 AND e.serial = $2`
	selectEventsAfter statement = selectEvents + ` WHERE e.center = $1 AND e.serial > $2 ORDER BY e.serial LIMIT $3`
)

func queueInsertEvent(b batch, e *hook.Event) {
	b.exec(insertEvent, nil, e.ContactCenter, e.Serial, e.Interaction, encode(kindList(), e.Kind), e.OperationID.UUID, milli(e.OccurredAt), e.Payload, e.Trace.Append([]byte{}))
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

// EventRecord is an event as it is pulled.
type EventRecord struct {
	Event *hook.Event
	// Cursor continues after this event.
	Cursor string
	// Interaction is how it is now, which may be later than the event.
	Interaction *hook.Interaction
}

// Events returns the events of a contact centre in the order of their commits, from the one after the cursor; an empty
// cursor means from the first. The returned cursor is always set and continues where the list ends.
func (s *Store) Events(ctx context.Context, center hook.ContactCenterNumber, after string, limit int) ([]EventRecord, string, error) {
	from, err := parseCursor(after, position{})
	if err != nil {
		return nil, "", err
	}
	var list []EventRecord
	err = s.engine.read(selectEventsAfter, func(r row) error {
		e, err := s.scanEvent(r)
		list = append(list, EventRecord{Event: e, Cursor: position{serial: e.Serial}.cursor()})
		return err
	}, center, from.serial, Page{Limit: limit}.limit())
	if err != nil {
		return nil, "", err
	}
	next := from.cursor()
	if len(list) > 0 {
		next = list[len(list)-1].Cursor
	}
	kept := list[:0]
	for _, e := range list {
		e.Interaction, err = s.Interaction(ctx, center, e.Event.InteractionID)
		if errors.Is(err, hook.ErrNotFound) {
			continue // its retention ended in this moment
		}
		if err != nil {
			return nil, "", err
		}
		kept = append(kept, e)
	}
	return kept, next, nil
}
