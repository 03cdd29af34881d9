package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	insertInteraction statement = `INSERT INTO interactions
		(center, serial, id, session_id, media, subtype, state, queue, content, created_at, submitted_at, started_event)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (center, id) DO UPDATE SET id = excluded.id WHERE false {{tell serial}}` // changes nothing, but locks the row that is there
	selectInteractions statement = `SELECT center, serial, id, session_id, media, subtype, state, queue, agent, content,
		created_at, submitted_at, started_event, accepted_at, stopped_at, stopped_by, stop_reason, finished_event FROM interactions`
	selectInteraction statement = selectInteractions + ` WHERE center = $1 AND id = $2`
	// selectSession finds the interactions of a session.
	selectSession     statement = `SELECT serial, 0 FROM interactions WHERE center = $1 AND session_id = $2 LIMIT $3`
	lockInteraction   statement = selectInteraction + ` {{for update}}`
	updateInteraction statement = `UPDATE interactions SET state = $3, queue = $4, agent = $5, submitted_at = $6, started_event = $7,
		stopped_at = $8, stopped_by = $9, stop_reason = $10, finished_event = $11, accepted_at = $12 WHERE center = $1 AND serial = $2`
)

func queueInsertInteraction(b batch, i *hook.Interaction, content string, affected func(int64)) {
	b.exec(insertInteraction, affected, i.ContactCenter, i.Serial, i.ID.UUID, i.SessionID.UUID, encode(mediaList(), i.Media),
		encode(subtypeList(), i.Subtype), int64(i.State), i.Queue, content, milli(i.CreatedAt), milli(i.SubmittedAt), i.StartedEvent)
}

func queueUpdateInteraction(b batch, i *hook.Interaction) {
	b.exec(updateInteraction, nil, i.ContactCenter, i.Serial, int64(i.State), i.Queue, i.Agent, milli(i.SubmittedAt), i.StartedEvent,
		milli(i.Stopped.At), encode(stopperList(), i.Stopped.By), i.Stopped.Reason, i.Stopped.Event, milli(i.AcceptedAt))
}

// scanInteraction reads an interaction with its content.
func scanInteraction(r row) (*hook.Interaction, error) {
	i, content, err := scanBareInteraction(r)
	if err != nil {
		return nil, err
	}
	return i, decodeContent(i, content)
}

// scanBareInteraction reads an interaction and returns its content as it is stored, for whoever has time to decode it.
func scanBareInteraction(r row) (i *hook.Interaction, content string, err error) {
	var x interactionRow
	err = r(x.columns()...)
	return x.interaction(), x.content, err
}

// interactionRow is where the columns of an interaction go.
type interactionRow struct {
	i                                                         hook.Interaction
	content                                                   string
	media, subtype, created, submitted, accepted, stopped, by int64
}

func (x *interactionRow) columns() []any {
	i := &x.i
	return []any{
		&i.ContactCenter, &i.Serial, &i.ID.UUID, &i.SessionID.UUID, &x.media, &x.subtype, &i.State, &i.Queue, &i.Agent, &x.content,
		&x.created, &x.submitted, &i.StartedEvent, &x.accepted, &x.stopped, &x.by, &i.Stopped.Reason, &i.Stopped.Event,
	}
}

// interaction returns what was read, without its content.
func (x *interactionRow) interaction() *hook.Interaction {
	i := &x.i
	i.Media, i.Subtype, i.Stopped.By = decode(mediaList(), x.media), decode(subtypeList(), x.subtype), decode(stopperList(), x.by)
	i.CreatedAt, i.SubmittedAt, i.AcceptedAt, i.Stopped.At = fromMilli(x.created), fromMilli(x.submitted), fromMilli(x.accepted), fromMilli(x.stopped)
	return i
}

func decodeContent(i *hook.Interaction, content string) error {
	if content == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(content), &i.Content); err != nil {
		return fmt.Errorf("decode content of interaction %s: %w", i.ID, err)
	}
	return nil
}

// encodeContent returns the content's JSON, or nothing for an empty one.
func encodeContent(c hook.Content) (string, error) {
	if c.IsZero() {
		return "", nil
	}
	return encodeJSON(c)
}

// Interaction returns an interaction of a contact centre, or [hook.ErrNotFound].
func (s *Store) Interaction(_ context.Context, center hook.ContactCenterNumber, id hook.InteractionID) (*hook.Interaction, error) {
	var found *hook.Interaction
	err := s.engine.read(selectInteraction, func(r row) (err error) {
		found, err = scanInteraction(r)
		return err
	}, center, id.UUID)
	if err == nil && found == nil {
		err = fmt.Errorf("interaction %s: %w", id, hook.ErrNotFound)
	}
	return found, err
}

// InteractionFilter says which interactions a list holds; a zero field filters nothing.
type InteractionFilter struct {
	State hook.State
	// Open leaves out what is STOPPED.
	Open  bool
	Media interaction.MediaType
	// Readable, where it is not nil, are the only media types that are shown.
	Readable  []interaction.MediaType
	Subtype   interaction.Subtype
	Queue     string
	SessionID hook.SessionID
	// CreatedAfter is exclusive and CreatedBefore too, both to the millisecond.
	CreatedAfter, CreatedBefore time.Time
}

// Interactions returns a page of the interactions of a contact centre, newest first, and the cursor of the next page or nothing.
// A page may be shorter than its limit, even empty, and have a cursor: then it ended at the bound of what one request looks at.
func (s *Store) Interactions(_ context.Context, center hook.ContactCenterNumber, f InteractionFilter, p Page) ([]*hook.Interaction, string, error) {
	after, err := parseCursorOf(interactionsList, p.Cursor, newest())
	if err != nil {
		return nil, "", err
	}
	q := &search{engine: s.engine, center: center, in: f.span(after)}
	if !f.SessionID.IsZero() {
		if q.only, err = s.few(selectSession, center, f.SessionID.UUID); err != nil {
			return nil, "", err
		}
	}
	q.sources = []source{{table: "interactions", alias: "i", serial: "serial", index: f.index, filter: f.apply}}
	keys, next, err := q.page(interactionsList, p)
	if err != nil {
		return nil, "", err
	}
	list, err := s.interactionsOf(center, keys)
	return list, next, err
}

// interactionsOf reads the interactions of a page, in its order.
func (s *Store) interactionsOf(center hook.ContactCenterNumber, keys []position) ([]*hook.Interaction, error) {
	list := make([]*hook.Interaction, 0, len(keys))
	for some := range slices.Chunk(keys, searchRowsStep) {
		serials := make([]hook.Serial, len(some))
		for n, k := range some {
			serials[n] = k.serial
		}
		q := newSelect(selectInteractions, "center", center)
		q.whereIn("serial", serials, searchRowsStep)
		err := s.engine.read(q.text(""), func(r row) error {
			i, err := scanInteraction(r)
			list = append(list, i)
			return err
		}, q.args...)
		if err != nil {
			return nil, fmt.Errorf("read interactions: %w", err)
		}
	}
	slices.SortFunc(list, func(x, y *hook.Interaction) int { return cmp.Compare(y.Serial, x.Serial) })
	return list, nil
}

// span is the part of the list that was created in the filter's time.
func (f *InteractionFilter) span(after position) span {
	in := span{after, oldest()}
	if !f.CreatedAfter.IsZero() {
		in.down.serial = hook.SerialAt(f.CreatedAfter.Add(time.Millisecond))
	}
	if before := (position{serial: hook.SerialAt(f.CreatedBefore)}); !f.CreatedBefore.IsZero() && before.serial < in.after.serial {
		in.after = before
	}
	return in
}

// index names the index of what is not STOPPED, where that is all that is wanted.
func (f *InteractionFilter) index(q *selection) {
	if f.Open || f.State != 0 && f.State != hook.StateStopped {
		q.where("i.stopped_at = 0")
	}
}

// readable leaves out the other media types. Among those is one that never is, so that an empty list shows nothing.
func (f *InteractionFilter) readable(q *selection) {
	const never = -1
	args := []any{never}
	for _, m := range f.Readable {
		args = append(args, encode(mediaList(), m))
	}
	q.where("i.media IN (%s"+strings.Repeat(", %s", len(args)-1)+")", args...)
}

func (f *InteractionFilter) apply(q *selection) {
	if f.State != 0 {
		q.where("i.state = %s", int64(f.State))
	}
	if f.Media != "" {
		q.where("i.media = %s", encode(mediaList(), f.Media))
	}
	if f.Readable != nil && len(f.Readable) < len(interaction.MediaTypes()) {
		f.readable(q)
	}
	if f.Subtype != "" {
		q.where("i.subtype = %s", encode(subtypeList(), f.Subtype))
	}
	if f.Queue != "" {
		q.where("i.queue = %s", f.Queue)
	}
	if !f.SessionID.IsZero() {
		q.where("i.session_id = %s", f.SessionID.UUID)
	}
}
