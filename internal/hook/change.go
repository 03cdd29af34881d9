package hook

import (
	"maps"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
)

// ChangesMax is how many changes one request may carry.
const ChangesMax = 1_000

// Op is what a [Change] does to an interaction.
type Op string

// The changes that an interaction can undergo.
const (
	OpCreate Op = "create" // OpCreate makes the interaction, and submits it when the draft names a queue.
	OpSubmit Op = "submit" // OpSubmit puts it into a queue.
	OpAccept Op = "accept" // OpAccept gives it to an agent.
	OpReturn Op = "return" // OpReturn puts it back into its queue, or into another one.
	OpStop   Op = "stop"   // OpStop ends its processing.
)

// Ops returns every kind of change.
func Ops() []Op { return []Op{OpCreate, OpSubmit, OpAccept, OpReturn, OpStop} }

// Change is one thing that is asked of one interaction. Each is judged alone; those of one interaction, in order.
type Change struct {
	Op Op
	// ID is the interaction's; for a create it is the draft's.
	ID InteractionID
	// Draft is set for a create alone.
	Draft *Draft
	// Queue is where a submit or a return puts it.
	Queue string
	// Agent is who accepts it.
	Agent string
	// By and Reason belong to a stop.
	By     Stopper
	Reason string
}

// Validate checks every field that the change's kind uses; the error is an [InvalidError] with the prefix before each
// field's name.
func (ch *Change) Validate(prefix string) error {
	c := new(checker)
	switch ch.Op {
	case OpCreate:
		if ch.Draft == nil {
			return new(Draft).Validate(prefix) // names what is missing
		}
		return ch.Draft.Validate(prefix)
	case OpSubmit:
		c.queue(prefix+"queue", ch.Queue, 1)
	case OpAccept:
		c.text(prefix+"agent", ch.Agent, 1, AgentBytesMax)
	case OpReturn:
		c.queue(prefix+"queue", ch.Queue, 0)
	case OpStop:
		if !slices.Contains(Stoppers(), ch.By) {
			c.fail(prefix+"by", string(ch.By), "must be one of %v", Stoppers())
		}
		c.text(prefix+"reason", ch.Reason, 0, ReasonBytesMax)
	default:
		c.fail(prefix+"op", string(ch.Op), "must be one of %v", Ops())
	}
	return c.err()
}

// Apply changes an existing interaction and returns the event that this emits, or none. It is for every kind but create.
// changed is false when a repeated stop left everything as it was. The error is a [ConflictError], or the [InvalidError] of
// [Change.Validate] when the kind is unknown; the interaction is then as it was.
func (ch *Change) Apply(i *Interaction, now time.Time) (emits interaction.Event, changed bool, err error) {
	switch ch.Op {
	case OpSubmit:
		if err := i.Submit(ch.Queue, now); err != nil {
			return "", false, err
		}
		return interaction.EventStarted, true, nil
	case OpAccept:
		err := i.Accept(ch.Agent, now)
		return "", err == nil, err
	case OpReturn:
		err := i.Return(ch.Queue)
		return "", err == nil, err
	case OpStop:
		changed, err := i.Stop(ch.By, ch.Reason, now)
		if !changed {
			return "", false, err
		}
		return interaction.EventFinished, true, nil
	case OpCreate:
		return "", false, i.conflict("create", "the interaction exists already")
	default:
		return "", false, ch.Validate("") // names the unknown kind
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
