package store

import (
	"context"
	"fmt"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// reportInteractionsMax is how many interactions one page of a report looks at: some thousand rows, which take some ten
// milliseconds.
const reportInteractionsMax = 500

// RetentionReport counts what a policy would remove.
type RetentionReport struct {
	Interactions, Events, Deliveries, Attempts, Payloads int
	// NextCursor continues the report; empty at its end. The whole is the sum of its pages.
	NextCursor string
}

const (
	selectLives statement = `SELECT serial, started_event, finished_event, stopped_at FROM interactions
		WHERE center = $1 AND serial > $2 AND serial < $3 ORDER BY serial LIMIT $4`
	selectHeld        statement = `SELECT serial, length(payload) FROM events WHERE center = $1 AND serial {{keys}}`
	countAttempts     statement = `SELECT event, webhook, count(*) FROM attempts WHERE center = $1 AND event {{keys}} GROUP BY event, webhook`
	selectOpenByEvent statement = `SELECT d.event, d.webhook, d.state, w.deleted_at FROM deliveries d
		JOIN webhooks w ON w.center = d.center AND w.number = d.webhook WHERE d.center = $1 AND d.event {{keys}}`
)

// ReportRetention counts what would be removed now under a policy, if all walks began anew, and removes nothing. It looks at the
// next interactions after the cursor, a bounded number.
func (s *Store) ReportRetention(_ context.Context, center hook.ContactCenterNumber, p hook.RetentionPolicy, now time.Time, cursor string) (RetentionReport, error) {
	after, err := parseCursor(cursor, position{})
	if err != nil {
		return RetentionReport{}, err
	}
	r := &retentionReport{center: center, now: now, ages: ages(p), events: map[hook.Serial]*eventFacts{}}
	if err := r.read(s.engine, after.serial); err != nil {
		return RetentionReport{}, fmt.Errorf("read what may be old: %w", err)
	}
	for i := range r.lives {
		r.count(&r.lives[i])
	}
	if len(r.lives) == reportInteractionsMax {
		r.sum.NextCursor = position{serial: r.lives[len(r.lives)-1].serial}.cursor()
	}
	return r.sum, nil
}

// retentionReport is one page of a report: the facts of some interactions.
type retentionReport struct {
	center hook.ContactCenterNumber
	now    time.Time
	ages   [4]time.Duration
	lives  []lifeFacts
	events map[hook.Serial]*eventFacts
	sum    RetentionReport
}

type lifeFacts struct {
	life
	stopped int64
}

type eventFacts struct {
	payload    bool
	deliveries map[hook.WebhookNumber]*deliveryFacts
}

// deliveryFacts are those of a delivery; its state is zero where the open set has no row of it.
type deliveryFacts struct {
	attempts int
	state    hook.DeliveryState
	// deleted is when the webhook was deleted, or zero.
	deleted int64
}

func (e *eventFacts) delivery(w hook.WebhookNumber) *deliveryFacts {
	d := e.deliveries[w]
	if d == nil {
		d = new(deliveryFacts)
		e.deliveries[w] = d
	}
	return d
}

// before is the first serial that is too young for a walk.
func (r *retentionReport) before(what trimmed) hook.Serial {
	return hook.SerialAt(r.now.Add(-r.ages[what] - what.chore().lag))
}

// read reads the facts, of all that is older than the shortest of the ages.
func (r *retentionReport) read(e engine, after hook.Serial) error {
	var end hook.Serial
	for what, age := range r.ages {
		if age != 0 {
			end = max(end, r.before(trimmed(what)))
		}
	}
	err := e.read(selectLives, func(row row) error {
		var l lifeFacts
		err := row(&l.serial, &l.started, &l.finished, &l.stopped)
		r.lives = append(r.lives, l)
		return err
	}, r.center, after, end, reportInteractionsMax)
	if err != nil {
		return err
	}
	var events []hook.Serial
	for _, l := range r.lives {
		events = append(events, l.started, l.finished)
	}
	byKeys(r.center, nil, events, func(args []any) {
		if err == nil {
			err = r.readEvents(e, args)
		}
	})
	return err
}

func (r *retentionReport) readEvents(e engine, args []any) error {
	err := e.read(withKeys(selectHeld), func(row row) error {
		var serial hook.Serial
		f := &eventFacts{deliveries: map[hook.WebhookNumber]*deliveryFacts{}}
		err := row(&serial, &f.payload)
		r.events[serial] = f
		return err
	}, args...)
	if err != nil {
		return err
	}
	// An event that is not among those was made or removed since, and is left out.
	err = e.read(withKeys(countAttempts), func(row row) error {
		var serial hook.Serial
		var w hook.WebhookNumber
		var n int
		err := row(&serial, &w, &n)
		if f := r.events[serial]; f != nil {
			f.delivery(w).attempts = n
		}
		return err
	}, args...)
	if err != nil {
		return err
	}
	return e.read(withKeys(selectOpenByEvent), func(row row) error {
		var serial hook.Serial
		var w hook.WebhookNumber
		var d deliveryFacts
		err := row(&serial, &w, &d.state, &d.deleted)
		if f := r.events[serial]; f != nil {
			d.attempts = f.delivery(w).attempts
			f.deliveries[w] = &d
		}
		return err
	}, args...)
}

// count adds what would be removed of an interaction: it as a whole, or some of what its events have.
func (r *retentionReport) count(l *lifeFacts) {
	whole := r.passes(trimsInteractions, l.serial) && l.stopped > 0 && l.stopped <= r.until(trimsInteractions)
	for _, serial := range [...]hook.Serial{l.started, l.finished} {
		whole = whole && !r.needs(r.events[serial], trimsInteractions)
	}
	if whole {
		r.sum.Interactions++
	}
	for _, serial := range [...]hook.Serial{l.started, l.finished} {
		f := r.events[serial]
		switch {
		case f == nil:
		case whole:
			r.sum.Events++
			r.sum.Deliveries += len(f.deliveries)
			for _, d := range f.deliveries {
				r.sum.Attempts += d.attempts
			}
		default:
			r.trim(serial, f)
		}
	}
}

// trim adds what would be removed of an event that stays.
func (r *retentionReport) trim(serial hook.Serial, f *eventFacts) {
	for _, d := range f.deliveries {
		switch {
		case r.passes(trimsDeliveries, serial) && (d.state == 0 || d.state == hook.DeliveryExhausted):
			r.sum.Deliveries++
			r.sum.Attempts += d.attempts
		case r.passes(trimsAttempts, serial):
			r.sum.Attempts += max(d.attempts-1, 0)
		}
	}
	if r.passes(trimsPayloads, serial) && f.payload && !r.needs(f, trimsPayloads) {
		r.sum.Payloads++
	}
}

// passes reports whether a walk comes by.
func (r *retentionReport) passes(what trimmed, serial hook.Serial) bool {
	return r.ages[what] != 0 && serial < r.before(what)
}

func (r *retentionReport) until(what trimmed) int64 { return milli(r.now.Add(-r.ages[what])) }

// needs says of an event what neededBy says.
func (r *retentionReport) needs(f *eventFacts, what trimmed) bool {
	if f == nil {
		return false
	}
	for _, d := range f.deliveries {
		open := d.state == hook.DeliveryPending || d.state == hook.DeliveryWaiting
		if open && (d.deleted == 0 || d.deleted > r.until(what)) {
			return true
		}
	}
	return false
}
