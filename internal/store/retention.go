package store

import (
	"cmp"
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

// A delivery needs its interaction while it is to be made. One to a webhook that was deleted never will be: it needs it as
// long after the deletion as the interaction is kept after the stop, so that no node still has it in flight.
const neededBy = `FROM deliveries d JOIN webhooks w ON w.center = d.center AND w.number = d.webhook
	WHERE d.state + 0 IN (1, 2) AND (w.deleted_at = 0 OR w.deleted_at > $2) AND d.center = `

const (
	selectWalks statement = `SELECT center, 0, passed, began_at FROM retention UNION ALL SELECT center, what, passed, began_at FROM trims`
	// selectOld looks beside the writer at the interactions that come next, and at all that is removed with them: so the
	// writer need not wait for the disk to read it. The weight is in rows, and zero for one that is to be kept. Each event is
	// asked for by itself: two at once could be looked for in the whole index, while PostgreSQL takes a table for small.
	selectOld statement = `SELECT serial, serial, CASE WHEN stopped_at > 0 AND stopped_at <= $2
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
func (s *Store) keepRetention(ctx context.Context) {
	look := func(time.Time) {
		began := time.Now()
		n, err := s.retainAll(ctx)
		if err != nil && ctx.Err() == nil {
			s.options.Log.Warn("removing what has passed its retention failed; it will be tried again", "error", err)
		}
		if err == nil && ctx.Err() == nil {
			s.metrics.finished(time.Now())
		}
		if n != (removed{}) {
			s.options.Log.Info("what has passed its retention was removed", "interactions", n.interactions, "attempts", n.attempts,
				"payloads", n.payloads, "took", time.Since(began).Round(time.Millisecond))
		}
	}
	look(time.Now())
	every(ctx, retainEvery, look)
}

// DefaultRetention is how long interactions are kept where their contact centre says nothing; zero is for ever.
func (s *Store) DefaultRetention() time.Duration { return s.options.Retention }

// Retention returns how long a contact centre keeps what it has, on this server.
func (s *Store) Retention(c hook.ContactCenter) hook.RetentionPolicy {
	return c.Settings.Retention.Policy(s.options.Retention)
}

// retainAll removes what has passed its retention from all contact centres, a batch of each kind in turn, with pauses that
// leave the writer to others.
func (s *Store) retainAll(ctx context.Context) (sum removed, err error) {
	walks, err := s.walks(s.Retention)
	if err != nil {
		return sum, err
	}
	for len(walks) > 0 {
		for _, key := range slices.SortedFunc(maps.Keys(walks), walkKey.compare) {
			began, w := time.Now(), walks[key]
			if w.age, err = s.ageOf(key); err != nil {
				return sum, err
			}
			if w.age == 0 {
				delete(walks, key)
				continue
			}
			r, err := s.retain(ctx, w, began)
			if err != nil {
				return sum, err
			}
			sum.add(r.removed)
			s.metrics.removed.Add(float64(r.removed.interactions))
			if !r.more {
				delete(walks, key)
			}
			if !pause(ctx, max(r.took*time.Duration(r.pace.share)-time.Since(began), retainPauseShortest)) {
				return sum, nil
			}
		}
	}
	return sum, nil
}

// ageOf returns how old what a walk removes is at least, as it is set now: whoever sets a longer time in the middle of a large
// removal wants that to end.
func (s *Store) ageOf(key walkKey) (time.Duration, error) {
	if err := s.freshen(); err != nil {
		return 0, fmt.Errorf("read retention: %w", err)
	}
	c, ok := s.catalogue.centerByID(s.catalogue.idOf(key.center))
	if !ok {
		return 0, nil
	}
	return ages(s.Retention(c))[key.what], nil
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

// walkKey is whose and which of the kinds of things that are removed a walk looks at.
type walkKey struct {
	center hook.ContactCenterNumber
	what   trimmed
}

func (k walkKey) compare(l walkKey) int {
	return cmp.Or(cmp.Compare(k.center, l.center), cmp.Compare(k.what, l.what))
}

// walk is how far what a contact centre has was looked at.
type walk struct {
	walkKey
	// age is how old what it removes is at least.
	age time.Duration
	// passed is the last one; what comes before it is not looked at before the next walk.
	passed hook.Serial
	began  time.Time
	// stored is whether the contact centre has been walked through before.
	stored bool
}

// walks reads the walks of all contact centres that the policy of each asks for.
func (s *Store) walks(policy func(hook.ContactCenter) hook.RetentionPolicy) (map[walkKey]*walk, error) {
	walks := map[walkKey]*walk{}
	for _, c := range s.ContactCenters() {
		for what, age := range ages(policy(c)) {
			if key := (walkKey{c.Number, trimmed(what)}); age != 0 {
				walks[key] = &walk{walkKey: key, age: age}
			}
		}
	}
	err := s.engine.read(selectWalks, func(r row) error {
		var key walkKey
		var passed hook.Serial
		var what, began int64
		err := r(&key.center, &what, &passed, &began)
		key.what = trimmed(what)
		if w := walks[key]; w != nil {
			w.passed, w.began, w.stored = passed, fromMilli(began), true
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read walks: %w", err)
	}
	return walks, nil
}

// retain removes one batch of what a walk looks at and is older than its age, in one transaction. Interactions that were stopped
// so long ago are removed with their events, deliveries and attempts; see trimmed for the others. What is not stopped, or is
// still to be delivered, stays.
func (s *Store) retain(ctx context.Context, w *walk, now time.Time) (*removal, error) {
	began := time.Now()
	r := &removal{pace: paceOf(s.engine.traits()), chore: w.what.chore(), walk: w, next: *w, until: now.Add(-w.age)}
	if !w.stored {
		r.next.began = now
	}
	if err := r.look(s.engine); err != nil {
		return nil, fmt.Errorf("look for what is old: %w", err)
	}
	if !r.more && now.Sub(r.next.began) >= retainWalkEvery {
		r.next.passed, r.next.began, r.more = 0, now, true
	}
	if r.next == *w {
		return r, nil
	}
	if err := s.commitRemoval(ctx, r, began); err != nil {
		return nil, fmt.Errorf("remove what is old: %w", err)
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

// removal is one batch of what is removed, with the interactions that it belongs to.
type removal struct {
	pace  pace
	chore chore
	// walk is how far the interactions or events were looked at before this batch, and next how far after it.
	walk *walk
	next walk
	// until is the latest time of what is removed: of the stop of an interaction, or of an event.
	until time.Time
	// found are the interactions that seem to be removable, or whose events chosen are about to be trimmed; more is whether there
	// may be others.
	found  []hook.Serial
	chosen map[hook.Serial]bool
	more   bool

	// held is whether this transaction is the one that goes on with the walk.
	held   bool
	locked []life
	needed map[hook.Serial]bool
	// removed is what this transaction removes.
	removed removed
	// took is how long the writer was busy with it; beside other writers, how long it took from the beginning.
	took time.Duration
}

// removed counts what was removed.
type removed struct{ interactions, exhausted, attempts, payloads int64 }

func (n *removed) add(m removed) {
	n.interactions += m.interactions
	n.exhausted += m.exhausted
	n.attempts += m.attempts
	n.payloads += m.payloads
}

// to counts the rows of a statement.
func to(count *int64) func(int64) { return func(rows int64) { *count += rows } }

// life is an interaction and its events.
type life struct{ serial, started, finished hook.Serial }

// look finds what can be removed, outside of any transaction.
func (r *removal) look(e engine) error {
	end := hook.SerialAt(r.until.Add(-r.chore.lag))
	r.chosen = map[hook.Serial]bool{}
	for range retainWindowsMax {
		looked, rows := 0, 0
		err := e.read(r.chore.find, func(row row) error {
			var serial, interaction hook.Serial
			var weight int
			if err := row(&serial, &interaction, &weight); err != nil {
				return err
			}
			if rows += weight; rows > r.pace.rowsMax && len(r.found) > 0 {
				return nil // and what follows is left to the next batch, too
			}
			if weight > 0 {
				r.found = append(r.found, interaction)
				r.chosen[serial] = true
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
	list := steps{func(b batch) { began = time.Now(); r.hold(b) }, r.lock, r.check}
	for i, remove := range r.chore.remove {
		list = append(list, func(b batch) {
			if r.held {
				remove(r, b)
			}
			if i == len(r.chore.remove)-1 {
				r.move(b)
				r.took = time.Since(began)
			}
		})
	}
	return list
}

// hold takes the walk for this transaction, unless another node has it or has gone on with it since.
func (r *removal) hold(b batch) {
	r.held, r.locked, r.needed, r.removed = false, nil, map[hook.Serial]bool{}, removed{}
	if !r.walk.stored {
		b.exec(r.chore.begin, func(n int64) { r.held = n == 1 }, r.chore.args(r.walk.center, milli(r.next.began))...)
		return
	}
	b.query(r.chore.hold, func(row row) error {
		r.held = true
		return row(new(hook.Serial))
	}, r.chore.args(r.walk.center, r.walk.passed)...)
}

// lock keeps changes and replays of the interactions away until they are removed.
func (r *removal) lock(b batch) {
	if !r.held {
		return
	}
	r.byKeys(r.found, milli(r.until), func(args []any) {
		b.query(withKeys(r.chore.lock), func(row row) error {
			var l life
			err := row(&l.serial, &l.started, &l.finished)
			r.locked = append(r.locked, l)
			return err
		}, args...)
	})
}

// check looks again what is still to be delivered, now that nobody can change that.
func (r *removal) check(b batch) {
	r.byKeys(r.events(), milli(r.until), func(args []any) {
		b.query(withKeys(selectNeeding), func(row row) error {
			var event hook.Serial
			err := row(&event)
			r.needed[event] = true
			return err
		}, args...)
	})
}

// move moves the walk on.
func (r *removal) move(b batch) {
	if r.held {
		b.exec(r.chore.move, nil, r.chore.args(r.walk.center, r.next.passed, milli(r.next.began))...)
	}
}

// events are those of the locked interactions that this is about: all of those that are removed, or the chosen ones.
func (r *removal) events() []hook.Serial {
	events := eventsOf(r.locked)
	if r.walk.what != trimsInteractions {
		events = slices.DeleteFunc(events, func(e hook.Serial) bool { return !r.chosen[e] })
	}
	return events
}

// removeStopped removes the interactions of which nobody must hear any more, and what is theirs.
func (r *removal) removeStopped(b batch) {
	free := slices.DeleteFunc(r.locked, func(l life) bool { return r.needed[l.started] || r.needed[l.finished] })
	r.byKeys(eventsOf(free), nil, func(args []any) {
		b.exec(withKeys(deleteAttempts), to(&r.removed.attempts), args...)
		b.exec(withKeys(deleteDeliveries), nil, args...)
		b.exec(withKeys(deleteEvents), nil, args...)
	})
	serials := make([]hook.Serial, len(free))
	for i, l := range free {
		serials[i] = l.serial
	}
	r.byKeys(serials, nil, func(args []any) { b.exec(withKeys(deleteStopped), to(&r.removed.interactions), args...) })
}

func eventsOf(lives []life) []hook.Serial {
	events := make([]hook.Serial, 0, 2*len(lives))
	for _, l := range lives {
		events = append(events, l.started, l.finished)
	}
	return events
}

// byKeys gives f the arguments of a statement for so many keys at a time, in order, after the contact centre and another one.
// The last key is named again where there are fewer, so that there is one text.
func (r *removal) byKeys(keys []hook.Serial, second any, f func(args []any)) {
	byKeys(r.walk.center, second, keys, f)
}

func byKeys(center hook.ContactCenterNumber, second any, keys []hook.Serial, f func(args []any)) {
	if second == nil {
		second = 0
	}
	slices.Sort(keys)
	for some := range slices.Chunk(slices.Compact(keys), retainKeys) {
		args := make([]any, 2, 2+retainKeys)
		args[0], args[1] = center, second
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
