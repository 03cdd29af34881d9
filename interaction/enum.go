package interaction

// Event is what happened to an interaction.
type Event string

// The events. An interaction has at most one of each.
const (
	// EventStarted says that the interaction exists and was accepted into a queue.
	EventStarted Event = "STARTED"
	// EventFinished says that the processing of the interaction was stopped.
	EventFinished Event = "FINISHED"
)

// Events lists every event, in the order in which an interaction has them.
func Events() []Event {
	return []Event{EventStarted, EventFinished}
}

// Valid reports whether e is an event of the contract.
func (e Event) Valid() bool {
	return e == EventStarted || e == EventFinished
}

// MediaType is the channel of an interaction.
type MediaType string

// The media types.
const (
	// MediaChat is a chat or a conversation in a messaging service.
	MediaChat MediaType = "chat"
	// MediaEmail is a secure e-mail.
	MediaEmail MediaType = "email"
)

// MediaTypes lists every media type.
func MediaTypes() []MediaType {
	return []MediaType{MediaChat, MediaEmail}
}

// Valid reports whether m is a media type of the contract.
func (m MediaType) Valid() bool {
	return m == MediaChat || m == MediaEmail
}

// Subtype tells where an interaction came from, more finely than its MediaType.
type Subtype string

// The subtypes.
const (
	// SubtypeInboundNew is a new interaction that a customer began.
	SubtypeInboundNew Subtype = "InboundNew"
	// SubtypeOutbound is an interaction that the contact centre began.
	SubtypeOutbound Subtype = "Outbound"
	// SubtypeSMS is a conversation by text message.
	SubtypeSMS Subtype = "SMS"
	// SubtypeWhatsApp is a conversation in WhatsApp.
	SubtypeWhatsApp Subtype = "WhatsApp"
	// SubtypeFacebookPublic is a public post or comment on Facebook.
	SubtypeFacebookPublic Subtype = "FacebookPublic"
	// SubtypeFacebookPrivate is a private conversation on Facebook.
	SubtypeFacebookPrivate Subtype = "FacebookPrivate"
	// SubtypeTwitterPublic is a public post on Twitter.
	SubtypeTwitterPublic Subtype = "TwitterPublic"
	// SubtypeTwitterPrivate is a private conversation on Twitter.
	SubtypeTwitterPrivate Subtype = "TwitterPrivate"
)

// Subtypes lists every subtype.
func Subtypes() []Subtype {
	return []Subtype{
		SubtypeInboundNew, SubtypeOutbound, SubtypeSMS, SubtypeWhatsApp,
		SubtypeFacebookPublic, SubtypeFacebookPrivate, SubtypeTwitterPublic, SubtypeTwitterPrivate,
	}
}

// Valid reports whether s is a subtype of the contract.
func (s Subtype) Valid() bool {
	switch s {
	case SubtypeInboundNew, SubtypeOutbound, SubtypeSMS, SubtypeWhatsApp,
		SubtypeFacebookPublic, SubtypeFacebookPrivate, SubtypeTwitterPublic, SubtypeTwitterPrivate:
		return true
	}
	return false
}
