package store_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// Guarantees 2 to 5, I1 to I3 and I6: whatever is asked of the store, in whichever order, its interactions, events and
// deliveries are those of a model that knows nothing of SQL, transactions or leases.
func TestModel(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		stores := modelStores{engine: e, processes: 3}
		rapid.Check(t, func(rt *rapid.T) {
			round := stores.turn(t)
			m := newModel(t, stores.open, round)
			actions := []func(*rapid.T){m.accept, m.accept, m.work, m.work, m.replay, m.enable}
			for step := range rapid.IntRange(1, stepsMax).Draw(rt, "steps") {
				m.turn(rt)
				actions[rapid.IntRange(0, len(actions)-1).Draw(rt, "action")](rt)
				if step%stepsPerCheck == 0 {
					m.check(rt)
				}
			}
			m.check(rt)
		})
	})
}

// A round of the model takes as many steps at most, and compares everything after as many.
const (
	stepsMax      = 30
	stepsPerCheck = 6
	// roundsPerStore is how many rounds have one database, each in a contact centre of its own, which is faster than a store of its own.
	// Of many more, every process reads all webhooks anew whenever another one makes a round's.
	roundsPerStore = 10
	// roundMax is longer than a round's steps take by their own clock.
	roundMax = 48 * time.Hour
)

// modelStores are the stores of a model's rounds: as many processes on one database, or one where they cannot share it.
type modelStores struct {
	engine    storetest.Engine
	processes int
	open      []*storetest.Opened
	rounds    int
}

// turn begins a round, on another database after some, and returns its number.
func (m *modelStores) turn(t *testing.T) (round int) {
	if m.rounds%roundsPerStore == 0 {
		for _, s := range m.open {
			s.Stop(t)
		}
		m.open = []*storetest.Opened{m.engine.Open(t)}
		for m.engine.Shared && len(m.open) < m.processes {
			m.open = append(m.open, m.open[0].Join(t))
		}
	}
	m.rounds++
	return m.rounds
}

// model is what a contact centre should look like.
type model struct {
	t *testing.T
	// stores are open on one database; s is the one whose turn it is.
	stores   []*storetest.Opened
	s        *storetest.Opened
	center   hook.ContactCenterNumber
	now      time.Time
	webhooks []*hook.Webhook

	ids          []hook.InteractionID // those that the changes are about; not all exist
	interactions map[hook.InteractionID]*modelInteraction
	events       []modelEvent
	deliveries   map[modelKey]*modelDelivery
	emptied      map[modelEvent]bool // those whose payload was removed
}

type modelInteraction struct {
	state  hook.State
	queue  string
	agent  string
	events map[interaction.Event]int // their places in the list of events
}

type modelEvent struct {
	id   hook.InteractionID
	kind interaction.Event
}

// modelKey is an event's place and a webhook's.
type modelKey struct{ event, webhook int }

type modelDelivery struct {
	state    hook.DeliveryState
	attempts int
	base     int
	due      time.Time
}

func newModel(t *testing.T, stores []*storetest.Opened, round int) *model {
	s := stores[0]
	m := &model{
		t: t, stores: stores, s: s, center: contactCenter(t, s, fmt.Sprint("model-", round)).Number,
		now:          moment().Add(time.Duration(round) * roundMax), // later than all that any store has seen
		ids:          make([]hook.InteractionID, 5),
		interactions: map[hook.InteractionID]*modelInteraction{}, deliveries: map[modelKey]*modelDelivery{},
		emptied: map[modelEvent]bool{},
	}
	for i := range m.ids {
		m.ids[i] = newInteraction()
	}
	m.webhooks = []*hook.Webhook{
		webhook(t, s, m.center),
		webhook(t, s, m.center, disabled),
		webhook(t, s, m.center, func(w *hook.Webhook) { w.Settings.Events = []interaction.Event{interaction.EventFinished} }),
	}
	return m
}

// turn lets another process go on. What the ones before it have answered counts for it.
func (m *model) turn(rt *rapid.T) {
	if len(m.stores) == 1 {
		return
	}
	m.s = rapid.SampledFrom(m.stores).Draw(rt, "store")
	if _, _, err := m.s.Webhooks(m.t.Context(), m.center, store.Page{}); err != nil { // a disabled one is not claimed from; who reads it, knows it
		rt.Fatalf("read webhooks: %v", err)
	}
}

// accept makes a random batch of changes, in the store and here.
func (m *model) accept(rt *rapid.T) {
	var changes []hook.Change
	var want []string
	for range rapid.IntRange(1, 6).Draw(rt, "changes") {
		id := rapid.SampledFrom(m.ids).Draw(rt, "id")
		queue := rapid.SampledFrom([]string{"", "support", "sales"}).Draw(rt, "queue")
		var ch hook.Change
		switch rapid.SampledFrom(hook.Ops()).Draw(rt, "op") {
		case hook.OpCreate:
			ch = create(id, queue)
		case hook.OpSubmit:
			ch = submit(id, "support")
		case hook.OpAccept:
			ch = accept(id, "a.smith")
		case hook.OpReturn:
			ch = back(id, queue)
		case hook.OpStop:
			ch = stop(id)
		}
		changes = append(changes, ch)
	}
	m.now = m.now.Add(time.Millisecond)
	first := len(m.events)
	for i := range changes {
		want = append(want, m.judge(&changes[i]))
	}
	results, err := m.s.AcceptChanges(m.t.Context(), m.center, m.now, changes, nil)
	if err != nil {
		rt.Fatalf("accept changes: %v", err)
	}
	var got []string
	for _, r := range results {
		got = append(got, verdict(r))
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		rt.Fatalf("results (-want +got):\n%s", diff)
	}
	m.adopt(rt, first)
	for place := first; place < len(m.events); place++ {
		m.fanOut(place)
	}
}

// adopt takes over the order that the store gave the events of one batch: of those, only the order of one interaction's is
// promised.
func (m *model) adopt(rt *rapid.T, first int) {
	emitted := map[modelEvent]bool{}
	for _, e := range m.events[first:] {
		emitted[e] = true
	}
	m.events = m.events[:first]
	for _, e := range events(m.t, m.s, m.center)[first:] {
		added := modelEvent{e.InteractionID, e.Kind}
		if !emitted[added] {
			rt.Fatalf("the store emitted %v, which the changes do not, or not again", added)
		}
		m.interactions[added.id].events[added.kind] = len(m.events)
		m.events = append(m.events, added)
		delete(emitted, added)
	}
	if len(emitted) != 0 {
		rt.Fatalf("the store did not emit %v", emitted)
	}
	for id, i := range m.interactions {
		started, finished := i.events[interaction.EventStarted], i.events[interaction.EventFinished]
		if i.state == hook.StateStopped && started >= finished {
			rt.Fatalf("FINISHED of %s was emitted before STARTED", id)
		}
	}
}

func (m *model) judge(ch *hook.Change) string {
	i := m.interactions[ch.ID]
	from := map[hook.Op][]hook.State{
		hook.OpSubmit: {hook.StateNew}, hook.OpAccept: {hook.StateQueued}, hook.OpReturn: {hook.StateInProcess},
		hook.OpStop: {hook.StateQueued, hook.StateInProcess, hook.StateStopped},
	}
	switch {
	case i == nil && ch.Op != hook.OpCreate:
		return "not found"
	case i != nil && !slices.Contains(from[ch.Op], i.state):
		return "conflict " + i.state.String()
	case i == nil:
		i = &modelInteraction{state: hook.StateNew, events: map[interaction.Event]int{}}
		m.interactions[ch.ID] = i
		if ch.Draft.Queue != "" {
			i.state, i.queue = hook.StateQueued, ch.Draft.Queue
			m.emit(ch.ID, interaction.EventStarted)
		}
	case ch.Op == hook.OpSubmit:
		i.state, i.queue = hook.StateQueued, ch.Queue
		m.emit(ch.ID, interaction.EventStarted)
	case ch.Op == hook.OpAccept:
		i.state, i.agent = hook.StateInProcess, ch.Agent
	case ch.Op == hook.OpReturn:
		i.state, i.agent, i.queue = hook.StateQueued, "", cmp.Or(ch.Queue, i.queue)
	case ch.Op == hook.OpStop && i.state != hook.StateStopped:
		i.state = hook.StateStopped
		m.emit(ch.ID, interaction.EventFinished)
	}
	return i.state.String()
}

func (m *model) emit(id hook.InteractionID, kind interaction.Event) {
	m.interactions[id].events[kind] = len(m.events)
	m.events = append(m.events, modelEvent{id, kind})
}

func (m *model) fanOut(place int) {
	for w, webhook := range m.webhooks {
		e := m.events[place]
		if len(webhook.Settings.Events) > 0 && !slices.Contains(webhook.Settings.Events, e.kind) {
			continue
		}
		d := &modelDelivery{state: hook.DeliveryPending, due: m.now}
		if e.kind == interaction.EventFinished && m.open(m.partner(modelKey{place, w}, interaction.EventStarted)) {
			d.state = hook.DeliveryWaiting
		}
		m.deliveries[modelKey{place, w}] = d
	}
}

// partner is the delivery of the other event of the same interaction to the same webhook.
func (m *model) partner(k modelKey, kind interaction.Event) *modelDelivery {
	place, ok := m.interactions[m.events[k.event].id].events[kind]
	if !ok {
		return nil
	}
	return m.deliveries[modelKey{place, k.webhook}]
}

func (m *model) open(d *modelDelivery) bool {
	return d != nil && (d.state == hook.DeliveryPending || d.state == hook.DeliveryWaiting)
}

// work claims what is due to a webhook, records outcomes of some of it and releases the rest.
func (m *model) work(rt *rapid.T) {
	m.now = m.now.Add(rapid.SampledFrom([]time.Duration{0, time.Second, time.Hour}).Draw(rt, "wait"))
	w := rapid.IntRange(0, len(m.webhooks)-1).Draw(rt, "webhook")
	limit := rapid.IntRange(1, 8).Draw(rt, "limit")
	var due []modelKey
	for k, d := range m.deliveries {
		if k.webhook == w && m.webhooks[w].Enabled && d.state == hook.DeliveryPending && !d.due.After(m.now) {
			due = append(due, k)
		}
	}
	slices.SortFunc(due, func(a, b modelKey) int {
		return cmp.Or(m.deliveries[a].due.Compare(m.deliveries[b].due), cmp.Compare(a.event, b.event))
	})
	due = due[:min(limit, len(due))]
	slices.SortFunc(due, func(a, b modelKey) int { return cmp.Compare(a.event, b.event) })

	claimed, err := m.s.Claim(m.t.Context(), m.now, m.webhooks[w].Number, limit)
	if err != nil {
		rt.Fatalf("claim: %v", err)
	}
	var want, got []string
	for _, k := range due {
		want = append(want, fmt.Sprint(m.events[k.event], m.deliveries[k].attempts, m.deliveries[k].base))
	}
	for _, d := range claimed {
		if len(d.Event.Payload) == 0 {
			rt.Fatalf("%s of %s is to be delivered without a payload", d.Event.Kind, d.Event.InteractionID)
		}
		got = append(got, fmt.Sprint(modelEvent{d.Event.InteractionID, d.Event.Kind}, d.Attempts, d.Base))
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		rt.Fatalf("claimed (-want +got):\n%s", diff)
	}
	m.record(rt, due, claimed)
}

func (m *model) record(rt *rapid.T, keys []modelKey, claimed []*hook.Delivery) {
	var outcomes []hook.Outcome
	var released []*hook.Delivery
	freed := 0
	for i, k := range keys {
		d := m.deliveries[k]
		switch rapid.SampledFrom([]string{"acknowledged", "acknowledged", "retried", "exhausted", "released"}).Draw(rt, "outcome") {
		case "acknowledged":
			outcomes = append(outcomes, acknowledges(claimed[i], m.now))
			d.state, d.attempts = hook.DeliveryDelivered, d.attempts+1
			freed += m.free(k)
		case "exhausted":
			outcomes = append(outcomes, exhausts(claimed[i], m.now))
			d.state, d.attempts = hook.DeliveryExhausted, d.attempts+1
			freed += m.free(k)
		case "retried":
			d.due, d.attempts = m.now.Add(time.Minute), d.attempts+1
			outcomes = append(outcomes, fails(claimed[i], m.now, d.due))
		case "released":
			released = append(released, claimed[i])
			d.due = m.now
		}
	}
	recorded, err := m.s.Record(m.t.Context(), m.now, outcomes)
	if err != nil || len(recorded.Late) != 0 || len(recorded.Freed) != freed {
		rt.Fatalf("recorded %+v, %v; want %d freed", recorded, err, freed)
	}
	if err := m.s.Release(m.t.Context(), m.now, released); err != nil {
		rt.Fatalf("release: %v", err)
	}
}

// free makes the FINISHED due that waits for a STARTED.
func (m *model) free(k modelKey) (freed int) {
	f := m.partner(k, interaction.EventFinished)
	if m.events[k.event].kind == interaction.EventStarted && f != nil && f.state == hook.DeliveryWaiting {
		f.state, f.due = hook.DeliveryPending, m.now
		return 1
	}
	return 0
}

// replay replays a random delivery, which may not be possible.
func (m *model) replay(rt *rapid.T) {
	if len(m.deliveries) == 0 {
		return
	}
	keys := slices.SortedFunc(maps.Keys(m.deliveries), func(a, b modelKey) int {
		return cmp.Or(cmp.Compare(a.event, b.event), cmp.Compare(a.webhook, b.webhook))
	})
	k := rapid.SampledFrom(keys).Draw(rt, "delivery")
	list := deliveries(m.t, m.s, m.center, store.DeliveryFilter{Interaction: m.events[k.event].id, Webhook: m.webhooks[k.webhook].ID, Event: m.events[k.event].kind})
	if len(list) != 1 {
		rt.Fatalf("%d deliveries of one event to one webhook", len(list))
	}
	d := m.deliveries[k]
	_, err := m.s.ReplayDelivery(m.t.Context(), m.center, list[0].ID, m.now, nil)
	if m.open(d) || m.emptied[m.events[k.event]] {
		if conflict := new(hook.ConflictError); !asConflict(err, &conflict) {
			rt.Fatalf("replay of an open delivery, or without a payload: %v", err)
		}
		return
	}
	if err != nil {
		rt.Fatalf("replay: %v", err)
	}
	d.state, d.due, d.base = hook.DeliveryPending, m.now, d.attempts
	if m.events[k.event].kind == interaction.EventStarted {
		if f := m.partner(k, interaction.EventFinished); m.open(f) {
			f.state = hook.DeliveryWaiting
		}
	} else if m.open(m.partner(k, interaction.EventStarted)) {
		d.state = hook.DeliveryWaiting
	}
}

// enable enables or disables a webhook.
func (m *model) enable(rt *rapid.T) {
	w := rapid.IntRange(0, len(m.webhooks)-1).Draw(rt, "webhook")
	changed, err := m.s.EnableWebhook(m.t.Context(), m.center, m.webhooks[w].ID, m.now, !m.webhooks[w].Enabled, nil)
	if err != nil {
		rt.Fatalf("enable: %v", err)
	}
	m.webhooks[w] = changed
}

// check compares all that the store shows with the model.
func (m *model) check(rt *rapid.T) {
	var wantEvents, gotEvents []string
	operations := map[hook.OperationID]bool{}
	for _, e := range m.events {
		wantEvents = append(wantEvents, fmt.Sprint(e))
	}
	for _, e := range events(m.t, m.s, m.center) {
		gotEvents = append(gotEvents, fmt.Sprint(modelEvent{e.InteractionID, e.Kind}))
		operations[e.OperationID] = true
	}
	if diff := gocmp.Diff(wantEvents, gotEvents); diff != "" || len(operations) != len(m.events) {
		rt.Fatalf("events, with %d operation ids (-want +got):\n%s", len(operations), diff)
	}

	want, got := map[string]string{}, map[string]string{}
	for id, i := range m.interactions {
		want[id.String()] = fmt.Sprint(i.state, i.queue, i.agent, len(i.events))
	}
	list, _, err := m.s.Interactions(m.t.Context(), m.center, store.InteractionFilter{}, store.Page{Limit: store.PageLimitMax})
	if err != nil {
		rt.Fatalf("list interactions: %v", err)
	}
	for _, i := range list {
		emitted := 0
		for _, serial := range []hook.Serial{i.StartedEvent, i.Stopped.Event} {
			if serial != 0 {
				emitted++
			}
		}
		got[i.ID.String()] = fmt.Sprint(i.State, i.Queue, i.Agent, emitted)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		rt.Fatalf("interactions (-want +got):\n%s", diff)
	}
	m.checkDeliveries(rt)
}

func (m *model) checkDeliveries(rt *rapid.T) {
	var want, got []string
	for place := range m.events {
		for w := range m.webhooks {
			if d := m.deliveries[modelKey{place, w}]; d != nil {
				state := d.state
				if state == hook.DeliveryPending && !m.webhooks[w].Enabled {
					state = hook.DeliveryHeld
				}
				want = append(want, fmt.Sprint(m.events[place], w, uint8(state), d.attempts))
			}
		}
	}
	for _, d := range deliveries(m.t, m.s, m.center, store.DeliveryFilter{}) {
		w := slices.IndexFunc(m.webhooks, func(w *hook.Webhook) bool { return w.ID == d.Webhook })
		got = append(got, fmt.Sprint(modelEvent{d.Interaction, d.Event}, w, uint8(d.State), d.AttemptsMade))
	}
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		rt.Fatalf("deliveries (-want +got):\n%s", diff)
	}
}
