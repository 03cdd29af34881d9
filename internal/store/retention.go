package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// retainEvery is how often a store looks for interactions that have passed their retention.
	retainEvery = time.Minute
	// retainWindowsMax is how many batches of interactions are looked at to find some to remove.
	retainWindowsMax = 10
	// retainPauseShortest is the shortest pause between two transactions that remove.
	retainPauseShortest = time.Millisecond
	// The interactions of a contact centre are walked through in the order of their creation, at a distance of retainLag, in
	// which most of them are stopped. Those that are not, or that a delivery still needs, are passed over: the walk begins
	// anew, at the first one, every retainWalkEvery, and does not look at them in between.
	retainLag       = time.Hour
	retainWalkEvery = 24 * time.Hour
	// retainKeys is how many keys one statement names.
	retainKeys = 50
)

// pace bounds what one transaction removes, and how much of the time it takes.
type pace struct {
	// interactionsMax and rowsMax bound a batch. An interaction with more rows than that is removed alone.
	interactionsMax, rowsMax int
	// share is the part of the time, one in so many, that is spent on removing at most.
	share int
}

// paceOf returns the pace on an engine. Where there is one writer, everybody waits for it: for a few milliseconds, in a
// quarter of its time. Where there are several, a removal has a transaction beside them, for which nobody waits.
func paceOf(t traits) pace {
	if !t.shared {
		return pace{interactionsMax: 200, rowsMax: 2_000, share: 4}
	}
	return pace{interactionsMax: 1_000, rowsMax: 10_000, share: 2}
}

// policy is how long what a contact centre has is kept.
type policy struct {
	// interactions is how long an interaction stays readable after it was stopped; zero is for ever.
	interactions time.Duration
}

// A delivery needs its interaction while it is to be made. One to a webhook that was deleted never will be: it needs it as
// long after the deletion as the interaction is kept after the stop, so that no node still has it in flight.
const neededBy = `FROM deliveries d JOIN webhooks w ON w.center = d.center AND w.number = d.webhook
	WHERE d.state + 0 IN (1, 2) AND (w.deleted_at = 0 OR w.deleted_at > $2) AND d.center = `

const (
	selectWalks statement = `SELECT center, passed, began_at FROM retention`
	// selectOld looks beside the writer at the interactions that come next, and at all that is removed with them: so the
	// writer need not wait for the disk to read it. The weight is in rows, and zero for one that is to be kept. Each event is
	// asked for by itself: two at once could be looked for in the whole index, while PostgreSQL takes a table for small.
	selectOld statement = `SELECT serial, CASE WHEN stopped_at > 0 AND stopped_at <= $2
			AND NOT EXISTS (SELECT 1 ` + neededBy + `i.center AND d.event = i.started_event)
			AND NOT EXISTS (SELECT 1 ` + neededBy + `i.center AND d.event = i.finished_event)
		THEN 1 + (SELECT count(*) FROM events e WHERE e.center = i.center AND e.serial = i.started_event)
			+ (SELECT count(*) FROM events e WHERE e.center = i.center AND e.serial = i.finished_event)
			+ (SELECT count(*) FROM deliveries d WHERE d.center = i.center AND d.event = i.started_event)
			+ (SELECT count(*) FROM deliveries d WHERE d.center = i.center AND d.event = i.finished_event)
			+ (SELECT count(*) FROM attempts a WHERE a.center = i.center AND a.event = i.started_event)
			+ (SELECT count(*) FROM attempts a WHERE a.center = i.center AND a.event = i.finished_event)
		ELSE 0 END FROM interactions i WHERE center = $1 AND serial > $3 AND serial < $4 ORDER BY serial LIMIT $5`
	beginWalk statement = `INSERT INTO retention (center, passed, began_at) VALUES ($1, 0, $2) ON CONFLICT (center) DO NOTHING`
	// holdWalk makes this the only transaction that removes something of the contact centre, of all nodes.
	holdWalk statement = `SELECT passed FROM retention WHERE center = $1 AND passed = $2 {{skip locked}}`
	moveWalk statement = `UPDATE retention SET passed = $2, began_at = $3 WHERE center = $1`
	// The next ones name as many keys as retainKeys says, in order, and between which they are: for the same reason. The first
	// one passes over what somebody replays in this moment.
	lockStopped statement = `SELECT serial, started_event, finished_event FROM interactions
		WHERE center = $1 AND serial {{keys}} AND stopped_at > 0 AND stopped_at <= $2 {{skip locked}}`
	selectNeeding    statement = `SELECT d.event ` + neededBy + `$1 AND d.event {{keys}}`
	deleteAttempts   statement = `DELETE FROM attempts WHERE center = $1 AND event {{keys}}`
	deleteDeliveries statement = `DELETE FROM deliveries WHERE center = $1 AND event {{keys}}`
	deleteEvents     statement = `DELETE FROM events WHERE center = $1 AND serial {{keys}}`
	deleteStopped    statement = `DELETE FROM interactions WHERE center = $1 AND serial {{keys}}`
)

// keepRetention removes what has passed its retention, at once and from time to time, until the context ends.
func (s *Store) keepRetention(ctx context.Context, p policy) {
	if p.interactions == 0 {
		return
	}
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	for {
		began := time.Now()
		removed, err := s.retainAll(ctx, p)
		if err != nil && ctx.Err() == nil {
			s.options.Log.Warn("removing what has passed its retention failed; it will be tried again", "error", err)
		}
		if err == nil && ctx.Err() == nil {
			s.metrics.finished(time.Now())
		}
		if removed > 0 {
			s.options.Log.Info("interactions that have passed their retention were removed", "count", removed, "took", time.Since(began).Round(time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// retainAll removes what has passed its retention from all contact centres, a batch of each in turn, with pauses that leave
// the writer to others.
func (s *Store) retainAll(ctx context.Context, p policy) (removed int, err error) {
	walks, err := s.walks()
	if err != nil {
		return 0, err
	}
	for len(walks) > 0 {
		for _, center := range slices.Sorted(maps.Keys(walks)) {
			began := time.Now()
			r, err := s.retain(ctx, walks[center], p, began)
			if err != nil {
				return removed, err
			}
			removed += len(r.removed)
			s.metrics.removed.Add(float64(len(r.removed)))
			if !r.more {
				delete(walks, center)
			}
			if !pause(ctx, max(r.took*time.Duration(r.pace.share)-time.Since(began), retainPauseShortest)) {
				return removed, nil
			}
		}
	}
	return removed, nil
}

// pause reports whether the context lasted so long.
func pause(ctx context.Context, d time.Duration) bool {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wait.C:
		return true
	}
}

// walk is how far the interactions of a contact centre were looked at.
type walk struct {
	center hook.ContactCenterNumber
	// passed is the last one; what comes before it is not looked at before the next walk.
	passed hook.Serial
	began  time.Time
	// stored is whether the contact centre has been walked through before.
	stored bool
}

// walks reads the walks of all contact centres.
func (s *Store) walks() (map[hook.ContactCenterNumber]*walk, error) {
	walks := map[hook.ContactCenterNumber]*walk{}
	for _, c := range s.ContactCenters() {
		walks[c.Number] = &walk{center: c.Number}
	}
	err := s.engine.read(selectWalks, func(r row) error {
		w := &walk{stored: true}
		var began int64
		err := r(&w.center, &w.passed, &began)
		w.began = fromMilli(began)
		walks[w.center] = w
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read walks: %w", err)
	}
	return walks, nil
}

// retain removes one batch of a contact centre's interactions that were stopped longer ago than the policy keeps them, with
// their events, deliveries and attempts, in one transaction. What is not stopped, or is still to be delivered, stays.
func (s *Store) retain(ctx context.Context, w *walk, p policy, now time.Time) (*removal, error) {
	began := time.Now()
	r := &removal{pace: paceOf(s.engine.traits()), walk: w, next: *w, until: now.Add(-p.interactions)}
	if !w.stored {
		r.next.began = now
	}
	if err := r.look(s.engine); err != nil {
		return nil, fmt.Errorf("look for old interactions: %w", err)
	}
	if !r.more && now.Sub(r.next.began) >= retainWalkEvery {
		r.next.passed, r.next.began, r.more = 0, now, true
	}
	if r.next == *w {
		return r, nil
	}
	if err := s.commitRemoval(ctx, r, began); err != nil {
		return nil, fmt.Errorf("remove old interactions: %w", err)
	}
	if r.more = r.more && r.held; r.held {
		r.next.stored = true
		*w = r.next
	}
	return r, nil
}

// commitRemoval commits a removal that began to look at that time. Where several groups are committed at the same time, it
// gets a transaction of its own beside them; else it is part of a group.
func (s *Store) commitRemoval(ctx context.Context, r *removal, began time.Time) error {
	if !s.engine.traits().shared {
		return s.committer.commit(ctx, r.steps())
	}
	err := s.engine.transact([]task{r.steps()})
	r.took = time.Since(began)
	return err
}

// removal is one batch of interactions on their way out.
type removal struct {
	pace pace
	// walk is how far the interactions were looked at before this batch, and next how far after it.
	walk *walk
	next walk
	// until is the latest stop of an interaction that is removed.
	until time.Time
	// found are the interactions that seem to be removable, and more is whether there may be others.
	found []hook.Serial
	more  bool

	// held is whether this transaction is the one that goes on with the walk.
	held    bool
	locked  []life
	needed  map[hook.Serial]bool
	removed []life
	// took is how long the writer was busy with it; beside other writers, how long it took from the beginning.
	took time.Duration
}

// life is an interaction and its events.
type life struct{ serial, started, finished hook.Serial }

// look finds what can be removed, outside of any transaction.
func (r *removal) look(e engine) error {
	end := hook.SerialAt(r.until.Add(-retainLag))
	for range retainWindowsMax {
		looked, rows := 0, 0
		err := e.read(selectOld, func(row row) error {
			var serial hook.Serial
			var weight int
			if err := row(&serial, &weight); err != nil {
				return err
			}
			if rows += weight; rows > r.pace.rowsMax && len(r.found) > 0 {
				return nil // and what follows is left to the next batch, too
			}
			if weight > 0 {
				r.found = append(r.found, serial)
			}
			looked++
			r.next.passed = serial
			return nil
		}, r.walk.center, milli(r.until), r.next.passed, end, r.pace.interactionsMax)
		r.more = looked == r.pace.interactionsMax || rows > r.pace.rowsMax
		if err != nil || !r.more || len(r.found) > 0 {
			return err
		}
	}
	return nil
}

func (r *removal) steps() steps {
	var began time.Time
	return steps{
		func(b batch) { began = time.Now(); r.hold(b) }, r.lock, r.check,
		func(b batch) { r.remove(b); r.took = time.Since(began) },
	}
}

// hold takes the walk for this transaction, unless another node has it or has gone on with it since.
func (r *removal) hold(b batch) {
	r.held, r.locked, r.needed, r.removed = false, nil, map[hook.Serial]bool{}, nil
	if !r.walk.stored {
		b.exec(beginWalk, func(n int64) { r.held = n == 1 }, r.walk.center, milli(r.next.began))
		return
	}
	b.query(holdWalk, func(row row) error {
		r.held = true
		return row(new(hook.Serial))
	}, r.walk.center, r.walk.passed)
}

// lock keeps changes and replays of the interactions away until they are removed.
func (r *removal) lock(b batch) {
	if !r.held {
		return
	}
	r.byKeys(r.found, func(args []any) {
		b.query(withKeys(lockStopped), func(row row) error {
			var l life
			err := row(&l.serial, &l.started, &l.finished)
			r.locked = append(r.locked, l)
			return err
		}, args...)
	})
}

// check looks again what is still to be delivered, now that nobody can change that.
func (r *removal) check(b batch) {
	r.byKeys(eventsOf(r.locked), func(args []any) {
		b.query(withKeys(selectNeeding), func(row row) error {
			var event hook.Serial
			err := row(&event)
			r.needed[event] = true
			return err
		}, args...)
	})
}

// remove removes the rest, and moves the walk on.
func (r *removal) remove(b batch) {
	if !r.held {
		return
	}
	for _, l := range r.locked {
		if !r.needed[l.started] && !r.needed[l.finished] {
			r.removed = append(r.removed, l)
		}
	}
	r.byKeys(eventsOf(r.removed), func(args []any) {
		b.exec(withKeys(deleteAttempts), nil, args...)
		b.exec(withKeys(deleteDeliveries), nil, args...)
		b.exec(withKeys(deleteEvents), nil, args...)
	})
	serials := make([]hook.Serial, len(r.removed))
	for i, l := range r.removed {
		serials[i] = l.serial
	}
	r.byKeys(serials, func(args []any) { b.exec(withKeys(deleteStopped), nil, args...) })
	b.exec(moveWalk, nil, r.walk.center, r.next.passed, milli(r.next.began))
}

func eventsOf(lives []life) []hook.Serial {
	events := make([]hook.Serial, 0, 2*len(lives))
	for _, l := range lives {
		events = append(events, l.started, l.finished)
	}
	return events
}

// byKeys gives f the arguments of a statement for so many keys at a time, in order. The last one is named again where there
// are fewer, so that there is one text.
func (r *removal) byKeys(keys []hook.Serial, f func(args []any)) {
	slices.Sort(keys)
	for some := range slices.Chunk(keys, retainKeys) {
		args := make([]any, 2, 2+retainKeys)
		args[0], args[1] = r.walk.center, milli(r.until)
		for i := range retainKeys {
			args = append(args, some[min(i, len(some)-1)])
		}
		f(args)
	}
}

// withKeys writes the parameters of the keys into a statement, after the two that come first.
func withKeys(s statement) statement {
	before, after, _ := strings.Cut(string(s), "{{keys}}")
	column := before[strings.LastIndex(strings.TrimRight(before, " "), " ")+1:]
	var list strings.Builder
	fmt.Fprintf(&list, "BETWEEN $3 AND $%d AND %sIN ($3", 2+retainKeys, column)
	for i := 4; i <= 2+retainKeys; i++ {
		fmt.Fprintf(&list, ", $%d", i)
	}
	return statement(before + list.String() + ")" + after)
}
