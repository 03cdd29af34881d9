package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// refPrefix is where the document keeps its named schemas.
const refPrefix = "#/components/schemas/"

// enum registers a named schema of the domain's own list of values, so that the document and the domain cannot differ.
func enum[T ~string](r huma.Registry, name, about string, values []T) *huma.Schema {
	if _, ok := r.Map()[name]; !ok {
		s := &huma.Schema{Type: huma.TypeString, Description: about}
		for _, v := range values {
			s.Enum = append(s.Enum, string(v))
		}
		s.PrecomputeMessages()
		r.Map()[name] = s
	}
	return &huma.Schema{Ref: refPrefix + name}
}

// MediaType is the channel of an interaction in the API's JSON.
type MediaType string

// Schema returns the media types of the contract.
func (MediaType) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "MediaType", "The channel: chat, or email for secure e-mail.", interaction.MediaTypes())
}

// Subtype is the subtype of an interaction in the API's JSON.
type Subtype string

// Schema returns the subtypes of the contract.
func (Subtype) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "Subtype", "Where the interaction came from.", interaction.Subtypes())
}

// EventKind is what happened to an interaction, in the API's JSON.
type EventKind string

// Schema returns the events of the contract.
func (EventKind) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "EventKind", "What happened: STARTED at the submit, FINISHED at the stop.", interaction.Events())
}

// State is the state of an interaction in the API's JSON.
type State string

// Schema returns the states of an interaction.
func (State) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "State", "Where the interaction is in its life.", states())
}

// stateOpen is the filter for every state but STOPPED.
const stateOpen State = "open"

func states() []State {
	var all []State
	for s := hook.StateNew; s <= hook.StateStopped; s++ {
		all = append(all, State(s.String()))
	}
	return all
}

// StateFilter is a state of an interaction or "open" in a query.
type StateFilter string

// Schema returns the states of an interaction and open.
func (StateFilter) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "StateFilter", "A state; open means every state but STOPPED.", append(states(), stateOpen))
}

// Stopper is who stopped an interaction, in the API's JSON.
type Stopper string

// Schema returns those who may stop an interaction.
func (Stopper) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "Stopper", "Who stopped the interaction.", hook.Stoppers())
}

// Op is a kind of change in a batch.
type Op string

// Schema returns the kinds of change.
func (Op) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "Op", "What the change does.", hook.Ops())
}

// DeliveryState is the state of a delivery in the API's JSON.
type DeliveryState string

// Schema returns the states of a delivery.
func (DeliveryState) Schema(r huma.Registry) *huma.Schema {
	var names []string
	for _, s := range deliveryStates() {
		names = append(names, s.String())
	}
	return enum(r, "DeliveryState",
		"pending: will be tried; held: will be tried when its webhook is enabled or answers again; delivered: acknowledged; "+
			"exhausted: its attempts are used up, it can be replayed.", names)
}

func deliveryStates() []hook.DeliveryState {
	return []hook.DeliveryState{hook.DeliveryPending, hook.DeliveryDelivered, hook.DeliveryExhausted, hook.DeliveryHeld}
}

// ReplayState is the state of a replay in the API's JSON.
type ReplayState string

// Schema returns the states of a replay.
func (ReplayState) Schema(r huma.Registry) *huma.Schema {
	var names []string
	for _, s := range hook.ReplayStates() {
		names = append(names, s.String())
	}
	return enum(r, "ReplayState", "finished: its range is passed; cancelled: it was ended before.", names)
}

// Failure is what went wrong in an attempt, in the API's JSON.
type Failure string

// Schema returns the classes of failure.
func (Failure) Schema(r huma.Registry) *huma.Schema {
	var names []string
	for _, f := range hook.Failures() {
		names = append(names, f.String())
	}
	return enum(r, "Failure", "What kind of failure it was.", names)
}

// Success is which statuses acknowledge, in the API's JSON.
type Success string

// Schema returns the settings for what acknowledges.
func (Success) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "Success", "Which statuses acknowledge.", []hook.Success{hook.Success200, hook.Success2xx})
}

// Signature is a signature header in the API's JSON.
type Signature string

// Schema returns the signatures.
func (Signature) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "Signature", "sha1: X-Hub-Signature, always sent; sha256: X-Hub-Signature-256; standard: Standard Webhooks.",
		hook.Signatures())
}

// Metadata is a header about the delivery in the API's JSON.
type Metadata string

// Schema returns the headers about the delivery.
func (Metadata) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "Metadata", "A header about the delivery that can be left out.", hook.MetadataHeaders())
}

// Preset is a named set of settings in the API's JSON.
type Preset string

// Schema returns the presets.
func (Preset) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "Preset", "genesys: 10 s, 5 redeliveries, 5 s apart.", []hook.Preset{hook.PresetGenesys})
}

// durationPattern is what time.ParseDuration reads, without signs.
const durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`

func durationSchema() *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, Pattern: durationPattern, PatternDescription: "a duration such as 500ms, 10s or 1h30m",
		Examples: []any{"10s"},
	}
}

// duration is a length of time as a text such as 10s.
type duration string

// Schema returns the schema of a duration.
func (duration) Schema(huma.Registry) *huma.Schema { return durationSchema() }

// freeObject is a JSON object of the caller's making.
type freeObject json.RawMessage

// MarshalJSON returns the object.
func (o freeObject) MarshalJSON() ([]byte, error) { return json.RawMessage(o), nil }

// UnmarshalJSON keeps the text of the object.
func (o *freeObject) UnmarshalJSON(data []byte) error {
	if !bytes.Equal(data, []byte("null")) {
		*o = append((*o)[:0], data...)
	}
	return nil
}

// Schema returns the schema of any object.
func (freeObject) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

// instantLayout is RFC 3339 with milliseconds, always three digits, always UTC.
const instantLayout = "2006-01-02T15:04:05.000Z"

// instant is a time as the API writes it.
type instant struct{ time.Time }

// MarshalJSON returns the text in quotes.
func (i instant) MarshalJSON() ([]byte, error) {
	return i.In(time.UTC).AppendFormat(make([]byte, 0, len(instantLayout)+2), `"`+instantLayout+`"`), nil
}

// Schema returns the schema of an instant.
func (instant) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, Format: "date-time", Description: "RFC 3339 in UTC with milliseconds.",
		Examples: []any{"2026-11-22T16:00:00.000Z"},
	}
}

func set[N int | float64](n N) *N { return &n }

// textSize gives a property's bounds the domain's numbers. The domain counts bytes, which are never fewer than characters,
// so that what it allows the schema allows.
func textSize(s *huma.Schema, property string, least, most int) {
	p := s.Properties[property]
	p.MaxLength = set(most)
	if least > 0 {
		p.MinLength = set(least)
	}
}

// encode makes the JSON of an answer, without HTML escapes and without a newline.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(answerBytesUsual)
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return b.Bytes()[:b.Len()-1], nil
}

// answerBytesUsual is how large an answer usually is; it saves growing the buffer.
const answerBytesUsual = 768
