package cli

import "github.com/hookswitch/hookswitch/interaction"

// eventKey names an event for ever (specification, section 3.6).
type eventKey struct {
	id    string
	event interaction.Event
}

func keyOf(e interaction.EntityEvent) eventKey { return eventKey{id: e.Entity.ID, event: e.Event} }

// memory remembers, of a bounded number of events, how often each was tried and whether it was acknowledged. The oldest
// is forgotten when a new one needs its place. It is for one goroutine at a time.
type memory struct {
	events map[eventKey]*fate
	ring   []eventKey
	next   int
}

type fate struct {
	tries        int
	acknowledged bool
}

func newMemory(most int) *memory {
	return &memory{events: map[eventKey]*fate{}, ring: make([]eventKey, most)}
}

// try counts a try of the event and returns the number of it.
func (m *memory) try(k eventKey) int {
	f := m.fate(k)
	f.tries++
	return f.tries
}

// tries returns how often the event was tried, as far as it is remembered.
func (m *memory) tries(k eventKey) int {
	if f, known := m.events[k]; known {
		return f.tries
	}
	return 0
}

func (m *memory) acknowledge(k eventKey) { m.fate(k).acknowledged = true }

func (m *memory) acknowledged(k eventKey) bool {
	f, known := m.events[k]
	return known && f.acknowledged
}

func (m *memory) fate(k eventKey) *fate {
	if f, known := m.events[k]; known {
		return f
	}
	delete(m.events, m.ring[m.next]) // the zero key is never in use: nothing happens until the ring is full
	m.ring[m.next] = k
	m.next = (m.next + 1) % len(m.ring)
	f := &fate{}
	m.events[k] = f
	return f
}
