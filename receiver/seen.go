package receiver

import (
	"context"
	"errors"
	"sync"

	"github.com/hookswitch/hookswitch/interaction"
)

// Key identifies an event for ever.
type Key struct {
	// InteractionID is the id of the entity.
	InteractionID string
	// Event is what happened to it.
	Event interaction.Event
}

// State is what Begin found out about an event.
type State int

// The states. The zero State is none of them, so that a forgotten result is not taken for an answer.
const (
	// Fresh means that the event is now the caller's to handle, and that Done will follow.
	Fresh State = iota + 1
	// Busy means that another call has begun the event and has not done it yet.
	Busy
	// Handled means that the event was done successfully before.
	Handled
)

// Seen remembers which events are being handled and which are done. Its methods are called from many goroutines, and
// what they say must hold for all processes that receive the same webhook.
//
// A Seen that outlives the process must let a Busy event become Fresh again some time after its Begin, longer than the
// function ever takes: the process that began it may be dead.
type Seen interface {
	// Begin finds out the state of an event and, if nobody has it, takes it for the caller: in one step, so that of two
	// calls at the same time only one gets Fresh. An error is answered 503 and the event is not handled.
	Begin(ctx context.Context, key Key) (State, error)
	// Done ends what a Fresh Begin began. If ok, the event is Handled from now on; otherwise it is nobody's again. It is
	// called even after the sender has given up. An error after success is answered 500, because a success that is not
	// noted may be one that was not committed.
	Done(ctx context.Context, key Key, ok bool) error
}

// MemoryCapacityDefault is how many handled events the default Seen remembers: about 20 MB of them.
const MemoryCapacityDefault = 100_000

// ErrFull says that a Memory has as many events in work as it may remember at all.
var ErrFull = errors.New("too many events are being handled")

// ErrNotBegun says that Done was called for an event that was not in work.
var ErrNotBegun = errors.New("event was not begun")

// Memory is a Seen in the memory of one process. It remembers the latest handled events up to its capacity and
// forgets the oldest first; an event in work is never forgotten.
type Memory struct {
	capacity int

	mu      sync.Mutex    // Guards all that follows.
	states  map[Key]State // Busy or Handled.
	busy    int           // How many of them are Busy.
	handled []Key         // A ring of the Handled ones, once it has grown to capacity.
	oldest  int           // Where the ring begins.
}

// NewMemory makes a Memory for capacity events; less than one means MemoryCapacityDefault.
func NewMemory(capacity int) *Memory {
	if capacity < 1 {
		capacity = MemoryCapacityDefault
	}
	return &Memory{capacity: capacity, states: make(map[Key]State)}
}

// Begin implements Seen. It fails only with ErrFull.
func (m *Memory) Begin(_ context.Context, key Key) (State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if state, known := m.states[key]; known {
		return state, nil
	}
	if m.busy >= m.capacity {
		return 0, ErrFull
	}
	m.states[key] = Busy
	m.busy++
	return Fresh, nil
}

// Done implements Seen. It fails only with ErrNotBegun.
func (m *Memory) Done(_ context.Context, key Key, ok bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.states[key] != Busy {
		return ErrNotBegun
	}
	m.busy--
	if !ok {
		delete(m.states, key)
		return nil
	}
	m.states[key] = Handled
	if len(m.handled) < m.capacity {
		m.handled = append(m.handled, key)
		return nil
	}
	delete(m.states, m.handled[m.oldest])
	m.handled[m.oldest] = key
	m.oldest = (m.oldest + 1) % m.capacity
	return nil
}
