package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// ChangeResult is what became of one change.
type ChangeResult struct {
	// Interaction is how it is after the change; nil when Err is set.
	Interaction *hook.Interaction
	// Err is a [hook.ConflictError] or [hook.ErrNotFound]: this change was not made.
	Err error
}

// AcceptChanges judges each change alone, those of one interaction in order, and commits those that are possible in one
// transaction, with their events and one delivery for each webhook that wants the event. There is one result for each
// change. The changes must be valid. After an error nothing was changed, unless the context ended, which leaves it open.
func (s *Store) AcceptChanges(ctx context.Context, center hook.ContactCenterNumber, now time.Time, changes []hook.Change, once *Once[[]ChangeResult]) ([]ChangeResult, error) {
	now = now.UTC().Truncate(time.Millisecond)
	a := &acceptance{store: s, center: center, now: now, changes: changes, trace: hook.TraceOf(ctx)}
	w := write[[]ChangeResult]{
		store: s, center: center, now: now, once: once, rows: len(changes), after: a.announce,
		result: a.result, subject: a, done: a.done,
	}
	w.stages = steps{a.load, a.apply, a.finish}
	results, err := w.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("accept changes: %w", err)
	}
	s.handOver(ctx, now, a.leased)
	return results, nil
}

// acceptance is one request's changes on their way into the store.
type acceptance struct {
	store   *Store
	center  hook.ContactCenterNumber
	now     time.Time
	changes []hook.Change
	// trace is that of the request; the zero value is none.
	trace hook.Trace

	results []ChangeResult
	// subjects are the interactions that the changes are about, in order, and byID finds them, once there are many.
	subjects []*subject
	byID     map[hook.InteractionID]*subject
	emitted  []emission
	leased   []*hook.Delivery
	// created is how many deliveries were written.
	created int
}

// subject is one interaction of an acceptance.
type subject struct {
	id hook.InteractionID
	// current is how it is now; nil when it does not exist.
	current *hook.Interaction
	// content is the content of one that was read, not decoded yet: that is not for the time of the transaction.
	content string
	// created is the index of the change that inserted it, or -1.
	created int
	// drafted is whether a change of this acceptance tries to insert it.
	drafted bool
	changed bool
}

// emission is an event that the acceptance emits.
type emission struct {
	event *hook.Event
	// follows is the STARTED that a FINISHED follows.
	follows hook.Serial
	// waiting are the webhooks whose STARTED is still open.
	waiting []hook.WebhookNumber
}

// share names the interactions: two changes of one of them must see each other's.
func (a *acceptance) share(with func(thing)) bool {
	for i := range a.changes {
		with(thing{center: a.center, id: a.changes[i].ID.UUID})
	}
	return true
}

func (a *acceptance) load(b batch) {
	a.results = make([]ChangeResult, len(a.changes))
	a.subjects, a.byID, a.emitted, a.leased = a.subjects[:0], nil, a.emitted[:0], a.leased[:0]
	a.created = 0
	for i := range a.changes {
		ch := &a.changes[i]
		sub := a.find(ch.ID)
		if sub == nil {
			sub = &subject{id: ch.ID, created: -1}
			a.add(sub)
		}
		if ch.Op == hook.OpCreate && !sub.drafted {
			sub.drafted = true
			a.insert(b, i, sub)
		}
	}
	for _, sub := range a.subjects {
		if !sub.drafted {
			a.read(b, sub)
		}
	}
}

// subjectsFew is how many subjects are looked through faster than a map is made.
const subjectsFew = 8

func (a *acceptance) add(sub *subject) {
	a.subjects = append(a.subjects, sub)
	switch {
	case a.byID != nil:
		a.byID[sub.id] = sub
	case len(a.subjects) > subjectsFew:
		a.byID = make(map[hook.InteractionID]*subject, len(a.changes))
		for _, s := range a.subjects {
			a.byID[s.id] = s
		}
	}
}

func (a *acceptance) find(id hook.InteractionID) *subject {
	if a.byID != nil {
		return a.byID[id]
	}
	for _, s := range a.subjects {
		if s.id == id {
			return s
		}
	}
	return nil
}

// insert creates an interaction, submitted already when the draft names a queue. If its id is used, the one that has it is
// read, for the changes that may follow.
func (a *acceptance) insert(b batch, index int, sub *subject) {
	draft := a.changes[index].Draft
	made := hook.Create(a.center, a.store.nextSerial(a.now, 0), a.now, draft)
	if draft.Queue != "" {
		if err := made.Submit(draft.Queue, a.now); err != nil {
			a.results[index].Err = err
			return
		}
		made.StartedEvent = a.store.nextSerial(a.now, 0)
	}
	content, err := encodeContent(draft.Content)
	if err != nil {
		a.results[index].Err = err
		return
	}
	sub.current, sub.created = made, index
	b.at(sub.place())
	queueInsertInteraction(b, made, content, func(n int64) {
		if n == 0 {
			sub.current, sub.created = nil, -1
			a.read(b, sub)
		}
	})
}

// place is that of the interaction in the order of locks.
func (s *subject) place() uint64 { return binary.BigEndian.Uint64(s.id.UUID[:]) }

func (a *acceptance) read(b batch, sub *subject) {
	b.at(sub.place())
	b.query(lockInteraction, func(r row) (err error) {
		sub.current, sub.content, err = scanBareInteraction(r)
		return err
	}, a.center, sub.id.UUID)
}

// apply makes the changes in memory, then writes what they made, with the events and the deliveries of each STARTED.
func (a *acceptance) apply(b batch) {
	for i := range a.changes {
		sub := a.find(a.changes[i].ID)
		if a.results[i].Err == nil {
			a.results[i].Err = a.applyOne(i, sub)
		}
		if a.results[i].Err == nil {
			shown := *sub.current
			a.results[i].Interaction = &shown
		}
	}
	for _, sub := range a.subjects {
		if sub.changed {
			queueUpdateInteraction(b, sub.current)
		}
	}
	for i := range a.emitted {
		a.writeEvent(b, &a.emitted[i])
	}
}

func (a *acceptance) applyOne(index int, sub *subject) error {
	ch := &a.changes[index]
	switch {
	case ch.Op == hook.OpCreate && sub.created == index:
		if sub.current.State == hook.StateQueued {
			a.emit(interaction.EventStarted, sub.current, sub.current.StartedEvent)
		}
		return nil
	case ch.Op == hook.OpCreate && sub.current != nil:
		return &hook.ConflictError{Verb: "create", State: sub.current.State.String(), Detail: "the id " + sub.id.String() + " is used already"}
	case sub.current == nil || index < sub.created: // a change that comes before the create finds nothing
		return fmt.Errorf("interaction %s: %w", sub.id, hook.ErrNotFound)
	}
	emits, changed, err := ch.Apply(sub.current, a.now)
	if err != nil {
		return err
	}
	sub.changed = sub.changed || changed
	switch emits {
	case interaction.EventStarted:
		sub.current.StartedEvent = a.store.nextSerial(a.now, sub.current.Serial)
		a.emit(emits, sub.current, sub.current.StartedEvent)
	case interaction.EventFinished:
		sub.current.Stopped.Event = a.store.nextSerial(a.now, sub.current.StartedEvent)
		a.emit(emits, sub.current, sub.current.Stopped.Event)
		a.emitted[len(a.emitted)-1].follows = sub.current.StartedEvent
	}
	return nil
}

func (a *acceptance) emit(kind interaction.Event, i *hook.Interaction, serial hook.Serial) {
	e := hook.NewEvent(kind, i, a.store.catalogue.idOf(a.center), serial, hook.OperationID{UUID: hook.V4(random16())}, a.now, a.store.options.PublicURL)
	e.Trace = a.trace
	a.emitted = append(a.emitted, emission{event: e})
}

func (a *acceptance) writeEvent(b batch, em *emission) {
	b.at(uint64(em.follows))
	if em.follows == 0 {
		queueInsertEvent(b, em.event)
		a.fanOut(b, em)
		return
	}
	queueInsertEventBehind(b, em.event, em.follows)
	b.query(lockStarted, func(r row) error {
		var w hook.WebhookNumber
		err := r(&w)
		em.waiting = append(em.waiting, w)
		return err
	}, a.center, em.follows)
}

// done reports whether there is no FINISHED whose deliveries are still to be written.
func (a *acceptance) done(stage int) bool {
	return stage == 1 && !slices.ContainsFunc(a.emitted, func(em emission) bool { return em.follows != 0 })
}

// finish writes the deliveries of each FINISHED, now that it is known which of them must wait, and for which.
func (a *acceptance) finish(b batch) {
	for i := range a.emitted {
		em := &a.emitted[i]
		if em.follows == 0 {
			continue
		}
		for _, w := range em.waiting {
			b.exec(followOne, nil, a.center, em.follows, w)
		}
		a.fanOut(b, em)
	}
}

// result returns the results, with what each interaction holds.
func (a *acceptance) result() ([]ChangeResult, error) {
	for i := range a.results {
		shown := a.results[i].Interaction
		if shown == nil {
			continue
		}
		if err := decodeContent(shown, a.find(shown.ID).content); err != nil {
			return nil, err
		}
	}
	return a.results, nil
}

// announce counts what was committed, wakes whoever waits for events, and tells of each.
func (a *acceptance) announce() {
	a.store.metrics.accepted(a)
	if len(a.emitted) > 0 {
		a.store.arrivals.announce(a.center)
	}
	if told := a.store.options.Accepted; told != nil {
		for i := range a.emitted {
			told(a.emitted[i].event)
		}
	}
}
