package store_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// I2 and I7: whatever is asked of a store from which old interactions are removed, it shows what the model shows that knows of
// them: nothing is removed that is not stopped, that was stopped too recently, or that is still to be delivered, and whatever
// can be removed is gone a walk later. The same holds of payloads, attempts and deliveries, by the age of their event; and a report
// tells what a walk removes then, under whichever policy.
func TestModelWithRetention(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		stores := modelStores{engine: e, processes: 2}
		rapid.Check(t, func(rt *rapid.T) {
			round := stores.turn(t)
			m := newModel(t, stores.open, round)
			m.now = moment().Add(time.Duration(round) * retentionRoundMax)
			actions := []func(*rapid.T){m.accept, m.accept, m.work, m.work, m.replay, m.enable, m.retain, m.trim(drawPolicy(rt))}
			for range rapid.IntRange(1, stepsMax).Draw(rt, "steps") {
				m.turn(rt)
				actions[rapid.IntRange(0, len(actions)-1).Draw(rt, "action")](rt)
			}
			m.check(rt)
			m.now = m.now.Add(rapid.SampledFrom([]time.Duration{0, modelKept, modelKept + store.RetainLag}).Draw(rt, "last") + store.RetainWalkEvery)
			m.report(rt, drawPolicy(rt))
			m.now = m.now.Add(modelKept + store.RetainLag + store.RetainWalkEvery)
			m.retain(rt)
			for id, stopped := range m.stops(rt) {
				if m.removable(id, stopped) {
					rt.Fatalf("%s was not removed by the next walk", id)
				}
			}
			m.check(rt)
		})
	})
}

const (
	// modelKept is how long the model's interactions are kept: some steps of its clock.
	modelKept = 90 * time.Minute
	// retentionRoundMax is longer than a round's steps take by their own clock.
	retentionRoundMax = 200 * 24 * time.Hour
)

// retain removes what is old, some time later, in the store; what it removed must be removable, and is removed here.
func (m *model) retain(rt *rapid.T) {
	m.now = m.now.Add(rapid.SampledFrom([]time.Duration{0, modelKept, 2 * modelKept, store.RetainWalkEvery}).Draw(rt, "pass"))
	stops := m.stops(rt)
	for more := true; more; {
		var err error
		if _, more, err = m.s.Retain(m.t.Context(), m.center, modelKept, m.now); err != nil {
			rt.Fatalf("retain: %v", err)
		}
	}
	m.follow(rt, stops)
}

// follow takes those of the interactions out of the model that were removed, which must be removable.
func (m *model) follow(rt *rapid.T, stops map[hook.InteractionID]time.Time) {
	for id, stopped := range stops {
		_, err := m.s.Interaction(m.t.Context(), m.center, id)
		switch {
		case err == nil:
		case !isNotFound(err):
			rt.Fatalf("read %s: %v", id, err)
		case !m.removable(id, stopped):
			rt.Fatalf("%s was removed: %+v, stopped at %v, at %v", id, m.interactions[id], stopped, m.now)
		default:
			m.forget(id)
		}
	}
}

// stops reads when each interaction was stopped.
func (m *model) stops(rt *rapid.T) map[hook.InteractionID]time.Time {
	stops := map[hook.InteractionID]time.Time{}
	for id := range m.interactions {
		i, err := m.s.Interaction(m.t.Context(), m.center, id)
		if err != nil {
			rt.Fatalf("read %s: %v", id, err)
		}
		stops[id] = i.Stopped.At
	}
	return stops
}

// removable reports whether an interaction was stopped long enough ago and nobody must hear of it any more.
func (m *model) removable(id hook.InteractionID, stopped time.Time) bool {
	i := m.interactions[id]
	if i.state != hook.StateStopped || stopped.After(m.now.Add(-modelKept)) {
		return false
	}
	for _, place := range i.events {
		for w := range m.webhooks {
			if m.open(m.deliveries[modelKey{place, w}]) {
				return false
			}
		}
	}
	return true
}

// forget takes an interaction out of the model, with its events and their deliveries.
func (m *model) forget(id hook.InteractionID) {
	places := slices.Sorted(maps.Values(m.interactions[id].events))
	for kind := range m.interactions[id].events {
		delete(m.emptied, modelEvent{id, kind})
	}
	delete(m.interactions, id)
	for _, place := range slices.Backward(places) {
		m.events = slices.Delete(m.events, place, place+1)
		moved := map[modelKey]*modelDelivery{}
		for k, d := range m.deliveries {
			switch {
			case k.event < place:
				moved[k] = d
			case k.event > place:
				moved[modelKey{k.event - 1, k.webhook}] = d
			}
		}
		m.deliveries = moved
		for _, i := range m.interactions {
			for kind, at := range i.events {
				if at > place {
					i.events[kind] = at - 1
				}
			}
		}
	}
}
