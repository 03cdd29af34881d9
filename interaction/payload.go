package interaction

// Payload is the body of one webhook POST.
type Payload struct {
	// OperationID names the operation that caused the events; it does not change over redeliveries.
	OperationID string
	// Entities holds one event unless the webhook allows more in one POST.
	Entities []EntityEvent
}

// EntityEvent is one event of one interaction.
type EntityEvent struct {
	Event  Event  `json:"event"`
	Entity Entity `json:"entity"`
}

// Entity is the interaction that an event is about.
type Entity struct {
	ID        string    `json:"id"`
	MediaType MediaType `json:"mediaType"`
	Subtype   Subtype   `json:"interactionSubtype"`
	// SelfURI is the absolute URL at which the interaction can be read.
	SelfURI string `json:"selfUri"`
}

// The literal text of a body, between the values. Field names and their order are the contract's.
const (
	textOperation = `{"operationId":`
	textEntities  = `,"data":{"entities":[`
	textEvent     = `{"event":`
	textID        = `,"entity":{"id":`
	textMedia     = `,"mediaType":`
	textSubtype   = `,"interactionSubtype":`
	textSelf      = `,"selfUri":`
	textEntityEnd = `}}`
	textEnd       = `]}}`

	textEntityBytes = len(textEvent) + len(textID) + len(textMedia) + len(textSubtype) + len(textSelf) + len(textEntityEnd)
)

// Append appends the compact JSON of p to dst and returns the extended slice. The bytes are those of encoding/json
// with HTML escaping off; no entities give an empty array. It allocates at most once, and not at all when dst has room.
func (p Payload) Append(dst []byte) []byte {
	dst = grow(dst, p.size())
	dst = append(dst, textOperation...)
	dst = appendQuoted(dst, p.OperationID)
	dst = append(dst, textEntities...)
	for i := range p.Entities {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = p.Entities[i].append(dst)
	}
	return append(dst, textEnd...)
}

// MarshalJSON gives the bytes of Append. A json.Encoder that escapes HTML, as json.Marshal does, escapes them again on
// its way; where the bytes matter call Append.
func (p Payload) MarshalJSON() ([]byte, error) {
	return p.Append(nil), nil
}

// UnmarshalJSON is Parse for encoding/json.
func (p *Payload) UnmarshalJSON(body []byte) error {
	parsed, err := Parse(body)
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

func (e *EntityEvent) append(dst []byte) []byte {
	dst = append(dst, textEvent...)
	dst = appendQuoted(dst, string(e.Event))
	dst = append(dst, textID...)
	dst = appendQuoted(dst, e.Entity.ID)
	dst = append(dst, textMedia...)
	dst = appendQuoted(dst, string(e.Entity.MediaType))
	dst = append(dst, textSubtype...)
	dst = appendQuoted(dst, string(e.Entity.Subtype))
	dst = append(dst, textSelf...)
	dst = appendQuoted(dst, e.Entity.SelfURI)
	return append(dst, textEntityEnd...)
}

// size is the exact number of bytes that Append appends, so that one allocation is enough.
func (p Payload) size() int {
	n := len(textOperation) + quotedBytes(p.OperationID) + len(textEntities) + len(textEnd)
	for i := range p.Entities {
		e := &p.Entities[i]
		n += textEntityBytes + quotedBytes(string(e.Event)) + quotedBytes(e.Entity.ID) +
			quotedBytes(string(e.Entity.MediaType)) + quotedBytes(string(e.Entity.Subtype)) + quotedBytes(e.Entity.SelfURI)
	}
	if len(p.Entities) > 1 {
		n += len(p.Entities) - 1
	}
	return n
}
