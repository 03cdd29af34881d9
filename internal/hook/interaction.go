package hook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/hookswitch/hookswitch/interaction"
)

// The bounds of an interaction's texts, in bytes, and of its maps, in entries.
const (
	QueueBytesMax         = 256    // QueueBytesMax bounds the name of a queue.
	AgentBytesMax         = 256    // AgentBytesMax bounds the name of an agent.
	SubjectBytesMax       = 1_024  // SubjectBytesMax bounds a subject.
	ReasonBytesMax        = 256    // ReasonBytesMax bounds the reason of a stop.
	ContactBytesMax       = 8_192  // ContactBytesMax bounds the JSON text of a contact.
	UserDataEntriesMax    = 64     // UserDataEntriesMax bounds the entries of the user data.
	UserDataKeyBytesMax   = 128    // UserDataKeyBytesMax bounds one key of the user data.
	UserDataValueBytesMax = 4_096  // UserDataValueBytesMax bounds one value of the user data.
	UserDataBytesMax      = 32_768 // UserDataBytesMax bounds all keys and values of the user data together.
)

// State is where an interaction is in its life; see the package comment's diagram.
type State uint8

// The states of an interaction. Their numbers are stored and never change.
const (
	StateNew       State = 1 // StateNew was created and not submitted: no event yet.
	StateQueued    State = 2 // StateQueued waits in a queue: STARTED was emitted.
	StateInProcess State = 3 // StateInProcess was accepted by an agent.
	StateStopped   State = 4 // StateStopped is the end: FINISHED was emitted.
)

// String returns the state's name as the API writes it.
func (s State) String() string {
	switch s {
	case StateNew:
		return "NEW"
	case StateQueued:
		return "QUEUED"
	case StateInProcess:
		return "IN_PROCESS"
	case StateStopped:
		return "STOPPED"
	default:
		return fmt.Sprintf("State(%d)", uint8(s))
	}
}

// ParseState reads a state's name.
func ParseState(name string) (State, bool) {
	for s := StateNew; s <= StateStopped; s++ {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}

// Stopper is who stopped an interaction.
type Stopper string

// Who may stop an interaction (specification, section 2).
const (
	ByAgentDesktop Stopper = "agentDesktop" // ByAgentDesktop is an agent, at the desktop.
	ByWorkflow     Stopper = "workflow"     // ByWorkflow is a workflow, without an agent.
)

// Stoppers returns everybody who may stop an interaction.
func Stoppers() []Stopper { return []Stopper{ByAgentDesktop, ByWorkflow} }

// Content is what a contact centre keeps with an interaction for its own use; no webhook carries it.
type Content struct {
	Subject string `json:"subject,omitempty"`
	// Contact is a JSON object of the caller's making, or nil.
	Contact json.RawMessage `json:"contact,omitempty"`
	// UserData is a flat map of texts.
	UserData map[string]string `json:"userData,omitempty"`
}

// IsZero reports whether there is no content.
func (c Content) IsZero() bool {
	return c.Subject == "" && len(c.Contact) == 0 && len(c.UserData) == 0
}

// Stop is how an interaction ended.
type Stop struct {
	At     time.Time
	By     Stopper
	Reason string
	// Event is the serial of the FINISHED that the stop emitted.
	Event Serial
}

// Interaction is one chat or one secure e-mail.
type Interaction struct {
	Serial        Serial
	ContactCenter ContactCenterNumber
	ID            InteractionID
	SessionID     SessionID
	Media         interaction.MediaType
	Subtype       interaction.Subtype
	State         State
	Queue         string
	Agent         string
	Content       Content
	CreatedAt     time.Time
	SubmittedAt   time.Time
	// AcceptedAt is when an agent accepted it last; zero if nobody has, or while it waits in a queue.
	AcceptedAt time.Time
	// Stopped is set in the state STOPPED alone.
	Stopped Stop
	// StartedEvent is the serial of its STARTED, zero before the submit: FINISHED waits for that event's deliveries.
	StartedEvent Serial
}

// SelfURI returns the absolute URL under the public base URL, which has no trailing slash, where the interaction can be read.
func (i *Interaction) SelfURI(publicURL string) string {
	return publicURL + interaction.SelfPath(i.Media, i.SessionID.String(), i.ID.String())
}

// Draft is an interaction about to be created.
type Draft struct {
	ID        InteractionID
	SessionID SessionID
	Media     interaction.MediaType
	Subtype   interaction.Subtype
	// Queue, when not empty, submits the interaction in the same transaction.
	Queue   string
	Content Content
}

// Validate checks every field of the draft; the error is an [InvalidError] that names all wrong ones, with the prefix
// before each field's name.
func (d *Draft) Validate(prefix string) error {
	c := new(checker)
	if !d.Media.Valid() {
		c.fail(prefix+"mediaType", string(d.Media), "must be one of %v", interaction.MediaTypes())
	}
	if !d.Subtype.Valid() {
		c.fail(prefix+"subtype", string(d.Subtype), "must be one of %v", interaction.Subtypes())
	}
	if d.ID.IsZero() {
		c.fail(prefix+"id", d.ID.String(), "must not be the nil UUID")
	}
	if d.SessionID.IsZero() {
		c.fail(prefix+"sessionId", d.SessionID.String(), "must not be the nil UUID")
	}
	c.queue(prefix+"queue", d.Queue, 0)
	c.text(prefix+"subject", d.Content.Subject, 0, SubjectBytesMax)
	c.contact(prefix+"contact", d.Content.Contact)
	c.userData(prefix+"userData", d.Content.UserData)
	return c.err()
}

func (c *checker) contact(field string, contact json.RawMessage) {
	switch {
	case len(contact) == 0:
	case len(contact) > ContactBytesMax:
		c.fail(field, "", "is %d bytes of JSON; at most %d are allowed", len(contact), ContactBytesMax)
	case !utf8.Valid(contact): // encoding/json would let it pass, PostgreSQL would not
		c.fail(field, "", "is not valid UTF-8")
	case !json.Valid(contact) || bytes.TrimSpace(contact)[0] != '{':
		c.fail(field, string(contact), "must be a JSON object")
	}
}

func (c *checker) userData(field string, data map[string]string) {
	if len(data) > UserDataEntriesMax {
		c.fail(field, "", "has %d entries; at most %d are allowed", len(data), UserDataEntriesMax)
		return
	}
	total := 0
	for _, key := range sortedKeys(data) {
		value := data[key]
		total += len(key) + len(value)
		c.text(field+"."+clip(key), key, 1, UserDataKeyBytesMax)
		if len(value) > UserDataValueBytesMax {
			c.fail(field+"."+clip(key), value, "is %d bytes long; at most %d are allowed", len(value), UserDataValueBytesMax)
		} else if problem := linesProblem(value); problem != "" {
			c.fail(field+"."+clip(key), value, "%s", problem)
		}
	}
	if total > UserDataBytesMax {
		c.fail(field, "", "holds %d bytes; at most %d are allowed", total, UserDataBytesMax)
	}
}

// Create makes the interaction in the state NEW. The draft must be valid.
func Create(center ContactCenterNumber, serial Serial, now time.Time, d *Draft) *Interaction {
	return &Interaction{
		Serial: serial, ContactCenter: center, ID: d.ID, SessionID: d.SessionID, Media: d.Media, Subtype: d.Subtype,
		State: StateNew, Content: d.Content, CreatedAt: now,
	}
}

// Submit puts a NEW interaction into a queue: this is STARTED.
func (i *Interaction) Submit(queue string, now time.Time) error {
	if i.State != StateNew {
		return i.conflict("submit", "only a NEW interaction can be submitted")
	}
	i.State, i.Queue, i.SubmittedAt = StateQueued, queue, now
	return nil
}

// Accept gives a QUEUED interaction to an agent. No event.
func (i *Interaction) Accept(agent string, now time.Time) error {
	if i.State != StateQueued {
		return i.conflict("accept", "only a QUEUED interaction can be accepted")
	}
	i.State, i.Agent, i.AcceptedAt = StateInProcess, agent, now
	return nil
}

// Return puts an interaction that is IN_PROCESS back into its queue, or into another one when queue is not empty. No event.
func (i *Interaction) Return(queue string) error {
	if i.State != StateInProcess {
		return i.conflict("return", "only an interaction that is IN_PROCESS can be returned or transferred")
	}
	if queue != "" {
		i.Queue = queue
	}
	i.State, i.Agent, i.AcceptedAt = StateQueued, "", time.Time{}
	return nil
}

// Stop ends the processing: this is FINISHED. A repeated stop changes nothing and reports changed as false.
func (i *Interaction) Stop(by Stopper, reason string, now time.Time) (changed bool, err error) {
	switch i.State {
	case StateStopped:
		return false, nil
	case StateQueued, StateInProcess:
		i.State, i.Stopped = StateStopped, Stop{At: now, By: by, Reason: reason}
		return true, nil
	case StateNew:
		return false, i.conflict("stop", "an interaction that was never submitted has nothing to stop; submit it first")
	default:
		return false, i.conflict("stop", "the state is unknown")
	}
}

func (i *Interaction) conflict(verb, detail string) error {
	return &ConflictError{Verb: verb, State: i.State.String(), Detail: detail}
}
