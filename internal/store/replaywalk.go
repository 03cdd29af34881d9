package store

import (
	"slices"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// replayWindow is how many rows one statement looks at where not all of them match, and replayWindowsMax how many such statements
	// a batch consists of at most: so a rare match makes no long statement, and no long wait without a sign of progress.
	replayWindow     = 1_000
	replayWindowsMax = 10
)

// The walks of a replay look at every row of their window and at nothing else: what the filter asks for is compared here, because a
// condition in SQL could pass over any number of rows to fill its LIMIT. What belongs to a row is asked for by its key, each by
// itself: a join could be planned as a walk through a whole table for each row, while PostgreSQL takes that table for small.
const (
	// walkExhausted reads the index of what is exhausted, where nothing else is asked for, and countExhausted where that is all.
	walkExhausted statement = `SELECT d.event, (SELECT e.kind FROM events e WHERE e.center = d.center AND e.serial = d.event),
		(SELECT e.interaction FROM events e WHERE e.center = d.center AND e.serial = d.event),
		(SELECT i.id FROM interactions i WHERE i.center = d.center AND i.serial =
			(SELECT e.interaction FROM events e WHERE e.center = d.center AND e.serial = d.event)),
		(SELECT i.media FROM interactions i WHERE i.center = d.center AND i.serial =
			(SELECT e.interaction FROM events e WHERE e.center = d.center AND e.serial = d.event)),
		d.state, 0 ` + fromExhausted
	countExhausted statement = `SELECT d.event ` + fromExhausted
	fromExhausted            = `FROM deliveries d WHERE d.center = $1 AND d.webhook = $2 AND d.state = 3 AND d.event > $3 AND d.event < $4
		ORDER BY d.event LIMIT $5`
	// walkEvents reads events, and of each what became of its delivery to the webhook: a delivered one is in the log alone.
	walkEvents statement = `SELECT e.serial, e.kind, e.interaction,
		(SELECT i.id FROM interactions i WHERE i.center = e.center AND i.serial = e.interaction),
		(SELECT i.media FROM interactions i WHERE i.center = e.center AND i.serial = e.interaction),
		coalesce((SELECT d.state FROM deliveries d WHERE d.center = e.center AND d.event = e.serial AND d.webhook = $2), 0),
		coalesce((SELECT a.failure FROM attempts a WHERE a.center = e.center AND a.event = e.serial AND a.webhook = $2 ORDER BY a.number DESC LIMIT 1), -1)
		FROM events e WHERE e.center = $1 AND e.serial > $3 AND e.serial < $4 ORDER BY e.serial LIMIT $5`
)

// replayWalk is one batch's look at the deliveries that come next, outside of any transaction.
type replayWalk struct {
	of *hook.Replay
	// most is how many deliveries the batch may hold.
	most int

	// found are those that match, in the order of their events; a dry run counts them only.
	found   []replayFound
	matched int64
	// passed is the event that was looked at last, and more is whether others follow.
	passed hook.Serial
	more   bool
}

// replayFound is a delivery that a replay is about to make pending again.
type replayFound struct {
	event, interaction hook.Serial
	id                 hook.InteractionID
	kind               interaction.Event
}

// look goes on until the batch is full, the range is over, or enough was looked at for once.
func (w *replayWalk) look(e engine) error {
	w.passed, w.more = w.of.Passed, true
	text, take, limit := w.plan()
	for range replayWindowsMax {
		rows := 0
		err := e.read(text, func(r row) error {
			rows++
			if w.full() { // what comes after is left to the next batch
				return nil
			}
			return take(r)
		}, w.of.ContactCenter, w.of.Webhook.Number, w.passed, hook.SerialAt(w.of.Filter.To), limit)
		if err != nil {
			return err
		}
		if w.full() {
			return nil
		}
		if w.more = rows == limit; !w.more {
			return nil
		}
	}
	return nil
}

// plan returns the statement of the walk, what is done with its rows, and how many it looks at.
func (w *replayWalk) plan() (text statement, take func(row) error, limit int) {
	f := &w.of.Filter
	all := len(f.Events) == 0 && len(f.MediaTypes) == 0
	switch {
	case slices.Contains(f.States, hook.DeliveryDelivered):
		return walkEvents, w.take, replayWindow
	case all && w.of.DryRun:
		return countExhausted, w.count, replayWindow
	case all: // every row matches
		return walkExhausted, w.take, w.most
	default:
		return walkExhausted, w.take, replayWindow
	}
}

func (w *replayWalk) full() bool { return len(w.found) == w.most }

// take looks at one row.
func (w *replayWalk) take(r row) error {
	var f replayFound
	var kind, media, state, failure int64
	var id []byte
	if err := r(&f.event, &kind, &f.interaction, &id, &media, &state, &failure); err != nil {
		return err
	}
	w.passed, f.kind = f.event, decode(kindList(), kind)
	of := copy(f.id.UUID[:], id) // nothing where the event is of no interaction, or was removed
	if of == 0 || !w.of.Filter.Wants(shownState(hook.DeliveryState(state), failure), f.kind, decode(mediaList(), media)) {
		return nil
	}
	w.matched++
	if !w.of.DryRun {
		w.found = append(w.found, f)
	}
	return nil
}

// count counts one row.
func (w *replayWalk) count(r row) error {
	w.matched++
	return r(&w.passed)
}

// shownState is what a delivery is, from its row in the open set or else from its last attempt; zero is none.
func shownState(open hook.DeliveryState, failure int64) hook.DeliveryState {
	if open == 0 && failure == int64(hook.FailureNone) {
		return hook.DeliveryDelivered
	}
	return open
}
