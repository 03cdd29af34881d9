package store

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// EventsLatest stands in place of a cursor for the end of what can be read now.
const EventsLatest = "latest"

// movedOverlap is how far back a reader begins whose cursor is of another order of the events: by as much the clocks of nodes
// may have differed without an event being missed.
const movedOverlap = 24 * time.Hour

// horizon is the oldest transaction that had not ended when the statement began: whatever a transaction before it made can be
// seen, and nothing will ever be made by one of them again (PostgreSQL, "Transaction ID and Snapshot Information Functions").
const horizon = `pg_snapshot_xmin(pg_current_snapshot())`

// feed is the statements that read events in the order of their places, where that order comes from the engine.
type feed struct {
	// page reads those after a place: the contact centre, the place's two numbers, how many.
	page statement
	// newest reads the last place, and before the last one with a smaller serial than the given one.
	newest, before statement
	// find, if not empty, reads the transaction of an event, 0 when there is none, and whether another one is behind the horizon.
	find statement
}

const (
	feedColumns = `, e.center, e.serial, e.kind, e.operation_id, e.occurred_at, e.payload, e.trace, i.center, i.serial, i.id,
		i.session_id, i.media, i.subtype, i.state, i.queue, i.agent, i.content, i.created_at, i.submitted_at, i.started_event, i.accepted_at, i.stopped_at,
		i.stopped_by, i.stop_reason, i.finished_event FROM events e JOIN interactions i ON i.center = e.center AND i.serial = e.interaction`
	beforeSerial = ` FROM events WHERE center = $1 AND serial < $2 ORDER BY serial DESC LIMIT 1`
)

// feedOf returns the statements for an engine. Where one process writes, it makes serials in its transactions, one after the
// other: their order is that of the commits. Where many do, an event's place is the transaction that made it, or the one of
// the event that it follows if that is later, and then the serial; what lies before the horizon is complete. A number is
// made a transaction by way of text, for there is no other, and before it is compared: the index stays usable.
func feedOf(t traits) feed {
	if !t.shared {
		return feed{
			page:   `SELECT 0` + feedColumns + ` WHERE e.center = $1 AND e.serial > $3 ORDER BY e.serial LIMIT $4`,
			newest: `SELECT 0, serial FROM events WHERE center = $1 ORDER BY serial DESC LIMIT 1`,
			before: `SELECT 0, serial` + beforeSerial,
		}
	}
	return feed{
		page: `SELECT e.tx` + feedColumns + ` WHERE e.center = $1 AND (e.tx, e.serial) > (($2::TEXT)::XID8, $3) AND e.tx < ` + horizon + `
			ORDER BY e.tx, e.serial LIMIT $4`,
		newest: `SELECT tx, serial FROM events WHERE center = $1 AND tx < ` + horizon + ` ORDER BY tx DESC, serial DESC LIMIT 1`,
		before: `SELECT tx, serial` + beforeSerial,
		find: `SELECT coalesce((SELECT tx FROM events WHERE center = $1 AND serial = $2), '0'::XID8),
			CASE WHEN ($3::TEXT)::XID8 < ` + horizon + ` THEN 1 ELSE 0 END`,
	}
}

// eventPlace is where an event is in the order in which events are read.
type eventPlace struct {
	// tx is the transaction on an engine that orders by it, and 0 on others.
	tx     int64
	serial hook.Serial
}

// The cursors of events: a version, the transaction and the serial. Before there were transactions in them, they were those of
// other lists.
const (
	eventCursorVersion = 1
	eventCursorBytes   = 1 + 8 + 8
)

func (p eventPlace) cursor() string {
	b := append(make([]byte, 0, eventCursorBytes), eventCursorVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(p.tx))
	b = binary.BigEndian.AppendUint64(b, uint64(p.serial))
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseEventCursor reads a cursor; an empty one is the place before all events.
func parseEventCursor(cursor string) (p eventPlace, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	switch {
	case err == nil && len(b) == 0:
		return eventPlace{}, nil
	case err == nil && len(b) == positionBytes:
		p = eventPlace{serial: hook.Serial(binary.BigEndian.Uint64(b))}
	case err == nil && len(b) == eventCursorBytes && b[0] == eventCursorVersion:
		p = eventPlace{int64(binary.BigEndian.Uint64(b[1:])), hook.Serial(binary.BigEndian.Uint64(b[9:]))}
	default:
		p.serial = -1
	}
	if p.tx < 0 || p.serial < 0 {
		return eventPlace{}, fmt.Errorf("%w: the cursor is not one that a list of events returned", hook.ErrBadID)
	}
	return p, nil
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
// cursor means from the first, and [EventsLatest] from the end. The returned cursor is always set and continues where the list
// ends. Nothing that is committed later ever appears behind it, whichever process commits it: where a transaction takes long,
// the events that were committed after it began wait for its end. A cursor whose event was removed goes on at the next
// one. A cursor that was given before the events were moved to another database goes on, too; where their order changed
// over that, up to a day of them is read again.
func (s *Store) Events(_ context.Context, center hook.ContactCenterNumber, after string, limit int) ([]EventRecord, string, error) {
	feed := feedOf(s.engine.traits())
	from, err := s.findPlace(&feed, center, after)
	if err != nil {
		return nil, "", err
	}
	var list []EventRecord
	err = s.engine.read(feed.page, func(r row) (err error) {
		var e EventRecord
		e, from, err = s.scanEventRecord(r)
		list = append(list, e)
		return err
	}, center, from.tx, from.serial, Page{Limit: limit}.limit())
	if err != nil {
		return nil, "", err
	}
	return list, from.cursor(), nil
}

func (s *Store) scanEventRecord(r row) (EventRecord, eventPlace, error) {
	e, i := new(hook.Event), new(interactionRow)
	var place eventPlace
	var kind, occurred int64
	var trace []byte
	columns := []any{&place.tx, &e.ContactCenter, &e.Serial, &kind, &e.OperationID.UUID, &occurred, &e.Payload, &trace}
	if err := r(append(columns, i.columns()...)...); err != nil {
		return EventRecord{}, eventPlace{}, err
	}
	shown := i.interaction()
	place.serial = e.Serial
	e.CenterID, e.OccurredAt, e.Trace = s.catalogue.idOf(e.ContactCenter), fromMilli(occurred), hook.ParseTrace(trace)
	e.Kind, e.Media, e.Subtype = decode(kindList(), kind), shown.Media, shown.Subtype
	e.Interaction, e.InteractionID = shown.Serial, shown.ID
	return EventRecord{Event: e, Cursor: place.cursor(), Interaction: shown}, place, decodeContent(shown, i.content)
}

// findPlace returns the place that a cursor means in this database.
func (s *Store) findPlace(feed *feed, center hook.ContactCenterNumber, after string) (eventPlace, error) {
	if after == EventsLatest {
		return s.readPlace(feed.newest, center)
	}
	from, err := parseEventCursor(after)
	if err != nil || from.serial == 0 {
		return from, err
	}
	if feed.find == "" {
		if from.tx != 0 {
			return s.rewind(feed, center, from.serial)
		}
		return from, nil
	}
	var stored int64
	var passed bool
	err = s.engine.read(feed.find, func(r row) error { return r(&stored, &passed) }, center, from.serial, from.tx)
	switch {
	case err != nil:
		return eventPlace{}, err
	case stored != 0 && (from.tx == 0 || from.tx == stored):
		return eventPlace{stored, from.serial}, nil // one without a transaction is of the order of serials, and so was the copy
	case stored == 0 && from.tx != 0 && passed:
		return from, nil // it was removed
	default:
		return s.rewind(feed, center, from.serial)
	}
}

// rewind returns a place to read from for somebody who read up to an event in an order that is gone: the events were copied, or
// restored into another cluster of databases, or the newest of them were lost when a standby took over.
func (s *Store) rewind(feed *feed, center hook.ContactCenterNumber, read hook.Serial) (eventPlace, error) {
	return s.readPlace(feed.before, center, hook.SerialAt(read.Time().Add(-movedOverlap)))
}

// readPlace runs a query for a place; the first one is where there is none.
func (s *Store) readPlace(query statement, args ...any) (p eventPlace, err error) {
	err = s.engine.read(query, func(r row) error { return r(&p.tx, &p.serial) }, args...)
	return p, err
}

// placeOnPostgres writes a mark of an event's place for PostgreSQL. A transaction may have its number from before the one that
// made the event which this one follows, when it had to wait for that one's locks. An event may always have a later place than its
// transaction's: it is read once both have ended.
func placeOnPostgres(mark string) string {
	behind := placeMark.FindStringSubmatch(mark)
	if behind[1] == "" {
		return ", tx"
	}
	return ", greatest(pg_current_xact_id(), (SELECT s.tx FROM events s WHERE s.center = " + behind[1] + " AND s.serial = " + behind[2] + "))"
}
