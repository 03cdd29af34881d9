package hook

import (
	"time"

	"github.com/hookswitch/hookswitch/interaction"
)

// Event is the fact that an interaction STARTED or FINISHED. It is made once, with its payload, in the transaction that
// changes the interaction, and never changes (I5). Events are shared between the deliveries of one fan-out: nobody writes
// to one after [NewEvent].
type Event struct {
	Serial        Serial
	ContactCenter ContactCenterNumber
	// CenterID is the contact centre's public id, which every POST names in x-ccid.
	CenterID ContactCenterID
	Kind     interaction.Event
	// Notice is what a notice is about, where it is made; what is read from the store does not say it.
	Notice        NoticeKind
	Interaction   Serial
	InteractionID InteractionID
	Media         interaction.MediaType
	Subtype       interaction.Subtype
	OperationID   OperationID
	OccurredAt    time.Time
	// Trace is that of the request which made it; the zero value where nobody traces.
	Trace Trace
	// Payload is the exact body of a POST that carries this event alone.
	Payload []byte
}

// NewEvent makes the event of an interaction with its payload. publicURL has no trailing slash.
func NewEvent(kind interaction.Event, i *Interaction, center ContactCenterID, serial Serial, op OperationID, now time.Time, publicURL string) *Event {
	e := &Event{
		Serial: serial, ContactCenter: i.ContactCenter, CenterID: center, Kind: kind, Interaction: i.Serial, InteractionID: i.ID,
		Media: i.Media, Subtype: i.Subtype, OperationID: op, OccurredAt: now,
	}
	payload := interaction.Payload{
		OperationID: op.String(),
		Entities: []interaction.EntityEvent{{Event: kind, Entity: interaction.Entity{
			ID: i.ID.String(), MediaType: i.Media, Subtype: i.Subtype, SelfURI: i.SelfURI(publicURL),
		}}},
	}
	e.Payload = payload.Append(make([]byte, 0, payloadBytesUsual))
	return e
}

// payloadBytesUsual is how large a payload usually is; it saves growing the buffer.
const payloadBytesUsual = 384
