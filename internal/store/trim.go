package store

import (
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// trimmed is what a walk removes. The numbers of all but the first are stored in trims and never change.
type trimmed int64

// What is removed: interactions with all that is theirs, and what may be removed of an event before its interaction is.
const (
	trimsInteractions trimmed = iota
	// trimsPayloads empties the payloads of events that nobody must hear of any more.
	trimsPayloads
	// trimsAttempts leaves the last attempt of each delivery, without what was answered.
	trimsAttempts
	// trimsDeliveries removes deliveries that are resolved, with their attempts.
	trimsDeliveries
)

// ages returns how old what each walk removes is at least, by its number; zero where there is nothing to remove.
func ages(p hook.RetentionPolicy) [4]time.Duration {
	list := [4]time.Duration{trimsInteractions: p.Interactions.For}
	for what, k := range map[trimmed]hook.Kept{trimsPayloads: p.Payloads, trimsAttempts: p.Attempts, trimsDeliveries: p.Deliveries} {
		if !k.Inherited {
			list[what] = k.For
		}
	}
	return list
}

// chore is how a walk is made.
type chore struct {
	what trimmed
	// lag is the distance that the walk keeps beside the age.
	lag time.Duration
	// find looks for candidates beside the writer: the serial that is walked by, the interaction, and how many rows are written; no
	// rows where there is nothing to remove.
	find statement
	// begin, hold and move are about the row that says how far the walk is, and lock about the interactions.
	begin, hold, move, lock statement
	// remove are the stages that remove what belongs to the locked interactions.
	remove []func(*removal, batch)
}

// args completes the arguments of the statements about the walk's row.
func (c *chore) args(args ...any) []any {
	if c.what == trimsInteractions {
		return args
	}
	return append(args, int64(c.what))
}

// Trims look at events in the order of their serials, which is that of time, and keep no distance: an event is as old as its
// serial. They lock the interaction, as replays do, so that no delivery becomes open meanwhile; those of notices, which have
// none, are kept.
const (
	beginTrim statement = `INSERT INTO trims (center, what, passed, began_at) VALUES ($1, $3, 0, $2) ON CONFLICT (center, what) DO NOTHING`
	holdTrim  statement = `SELECT passed FROM trims WHERE center = $1 AND passed = $2 AND what = $3 {{skip locked}}`
	moveTrim  statement = `UPDATE trims SET passed = $2, began_at = $3 WHERE center = $1 AND what = $4`
	lockLives statement = `SELECT serial, started_event, finished_event FROM interactions WHERE center = $1 AND serial {{keys}} {{skip locked}}`

	fromEvents = ` FROM events e WHERE center = $1 AND serial > $3 AND serial < $4 ORDER BY serial LIMIT $5`

	selectOldPayloads statement = `SELECT serial, interaction, CASE WHEN interaction <> 0 AND length(payload) > 0
		AND NOT EXISTS (SELECT 1 ` + neededBy + `e.center AND d.event = e.serial) THEN 1 ELSE 0 END` + fromEvents
	emptyPayload statement = `UPDATE events SET payload = $2 WHERE center = $1 AND serial {{keys}}`

	selectOldAttempts statement = `SELECT serial, interaction, CASE WHEN interaction = 0 THEN 0 ELSE
		(SELECT count(*) FROM attempts a WHERE a.center = e.center AND a.event = e.serial AND (length(a.response) > 0 OR EXISTS
			(SELECT 1 FROM attempts l WHERE l.center = a.center AND l.event = a.event AND l.webhook = a.webhook AND l.number > a.number)))
		END` + fromEvents
	deleteEarlier statement = `DELETE FROM attempts WHERE center = $1 AND event {{keys}} AND number < (SELECT max(l.number) FROM attempts l
		WHERE l.center = attempts.center AND l.event = attempts.event AND l.webhook = attempts.webhook)`
	emptyResponse statement = `UPDATE attempts SET response = $2 WHERE center = $1 AND event {{keys}} AND length(response) > 0`

	selectOldDeliveries statement = `SELECT serial, interaction, CASE WHEN interaction = 0 THEN 0 ELSE
		(SELECT count(*) FROM deliveries d WHERE d.center = e.center AND d.event = e.serial AND d.state + 0 = 3)
		+ (SELECT count(*) FROM attempts a WHERE a.center = e.center AND a.event = e.serial AND (SELECT count(*) FROM deliveries o
			WHERE o.center = a.center AND o.event = a.event AND o.webhook = a.webhook AND o.state + 0 <> 3) = 0)
		END` + fromEvents
	deleteExhausted statement = `DELETE FROM deliveries WHERE center = $1 AND event {{keys}} AND state + 0 = 3`
	// deleteResolved follows deleteExhausted: what has no row any more is resolved. A delivery that is exhausted between the two
	// keeps its attempts, by which a replay counts.
	deleteResolved statement = `DELETE FROM attempts WHERE center = $1 AND event {{keys}} AND (SELECT count(*) FROM deliveries o
		WHERE o.center = attempts.center AND o.event = attempts.event AND o.webhook = attempts.webhook) = 0`
)

// chore returns how the walk is made.
func (t trimmed) chore() chore {
	c := chore{what: t, begin: beginTrim, hold: holdTrim, move: moveTrim, lock: lockLives}
	switch t {
	case trimsInteractions:
		return chore{
			lag: retainLag, find: selectOld, begin: beginWalk, hold: holdWalk, move: moveWalk, lock: lockStopped,
			remove: []func(*removal, batch){(*removal).removeStopped},
		}
	case trimsPayloads:
		c.find, c.remove = selectOldPayloads, []func(*removal, batch){(*removal).emptyPayloads}
	case trimsAttempts:
		c.find, c.remove = selectOldAttempts, []func(*removal, batch){
			func(r *removal, b batch) { r.trim(b, deleteEarlier, &r.removed.attempts) },
			func(r *removal, b batch) { r.trim(b, emptyResponse, nil) },
		}
	case trimsDeliveries:
		c.find, c.remove = selectOldDeliveries, []func(*removal, batch){
			func(r *removal, b batch) { r.trim(b, deleteExhausted, &r.removed.exhausted) },
			func(r *removal, b batch) { r.trim(b, deleteResolved, &r.removed.attempts) },
		}
	}
	return c
}

// emptyPayloads empties those that no delivery needs.
func (r *removal) emptyPayloads(b batch) {
	var free []hook.Serial
	for _, e := range r.events() {
		if !r.needed[e] {
			free = append(free, e)
		}
	}
	r.byKeys(free, []byte{}, func(args []any) { b.exec(withKeys(emptyPayload), to(&r.removed.payloads), args...) })
}

// trim executes a statement about the events; its second argument is nothing.
func (r *removal) trim(b batch, s statement, count *int64) {
	r.byKeys(r.events(), []byte{}, func(args []any) {
		if count == nil {
			b.exec(withKeys(s), nil, args...)
			return
		}
		b.exec(withKeys(s), to(count), args...)
	})
}
