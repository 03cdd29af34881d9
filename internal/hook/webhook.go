package hook

import (
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
)

// Webhook is a third party's receiver as a contact centre configured it.
type Webhook struct {
	Number        WebhookNumber
	ID            WebhookID
	ContactCenter ContactCenterNumber
	// CenterID is the contact centre's public id, for x-ccid.
	CenterID ContactCenterID
	Settings Settings
	Secrets  Secrets
	Enabled  bool
	// Circuit is as stored when the webhook was read; when the next probe is due may have moved since on another node.
	Circuit   Circuit
	CreatedAt time.Time
	UpdatedAt time.Time
	// DeletedAt is zero while the webhook exists. A deleted one gets no new deliveries; its history stays readable.
	DeletedAt time.Time
	// Disabled is when and why the server disabled it; the zero value when it did not, or it was enabled since.
	Disabled Disabled
}

// Disabled is when and why the server disabled a webhook.
type Disabled struct {
	At  time.Time
	For DisabledFor
}

// DisabledFor is why the server disabled a webhook.
type DisabledFor int

// The reasons. Their numbers are stored and never change.
const (
	DisabledByHand  DisabledFor = 0 // DisabledByHand is not the server's doing.
	DisabledFailing DisabledFor = 1 // DisabledFailing is a receiver that failed for longer than [Disable] allows.
	DisabledGone    DisabledFor = 2 // DisabledGone is a receiver that answered 410 Gone.
)

// Deleted reports whether the webhook was deleted.
func (w *Webhook) Deleted() bool { return !w.DeletedAt.IsZero() }

// Locked reports whether this process has not got the webhook's secrets, because its master keyset does not open them. Every webhook
// has a secret: without one nothing may be signed.
func (w *Webhook) Locked() bool { return w.Secrets.Current.IsZero() }

// Sends reports whether its deliveries may be sent from this process. Those of a locked one are left to processes that open it.
func (w *Webhook) Sends() bool { return w.Enabled && !w.Deleted() && !w.Locked() }

// Wants reports whether an event becomes a delivery to this webhook. A disabled webhook wants its events: they are held
// until it is enabled.
func (w *Webhook) Wants(e *Event) bool {
	s := &w.Settings
	if w.Deleted() || (s.Purpose == PurposeNotices) != (e.Kind == KindNotice) {
		return false
	}
	if e.Kind == KindNotice {
		return wants(s.Notices, e.Notice)
	}
	return wants(s.Events, e.Kind) && wants(s.MediaTypes, e.Media) && wants(s.Subtypes, e.Subtype)
}

// wants reports whether a filter lets a value through; an empty filter lets everything through.
func wants[T comparable](filter []T, value T) bool {
	return len(filter) == 0 || slices.Contains(filter, value)
}

// Signature is a signature header that a webhook may carry.
type Signature string

// The signatures. SHA-1 is always sent: receivers of the original look for it.
const (
	SignatureSHA1     Signature = "sha1"     // SignatureSHA1 is X-Hub-Signature.
	SignatureSHA256   Signature = "sha256"   // SignatureSHA256 is X-Hub-Signature-256.
	SignatureStandard Signature = "standard" // SignatureStandard is webhook-signature (Standard Webhooks 1.0).
)

// Signatures returns every signature.
func Signatures() []Signature {
	return []Signature{SignatureSHA1, SignatureSHA256, SignatureStandard}
}

// Metadata is a header about the delivery itself, which the original does not send and a webhook may turn off.
type Metadata string

// The headers about the delivery.
const (
	MetadataAttempt   Metadata = "attempt"   // MetadataAttempt is Hookswitch-Attempt.
	MetadataDelivery  Metadata = "delivery"  // MetadataDelivery is Hookswitch-Delivery.
	MetadataUserAgent Metadata = "userAgent" // MetadataUserAgent is User-Agent with the version.
)

// MetadataHeaders returns every header about the delivery.
func MetadataHeaders() []Metadata {
	return []Metadata{MetadataAttempt, MetadataDelivery, MetadataUserAgent}
}

// Batch says how many events one POST may carry.
type Batch struct {
	// MaxEvents is how many events at most; never two of one interaction.
	MaxEvents int `json:"maxEvents"`
	// Linger is how long a POST that is not full waits for more events.
	Linger Duration `json:"linger"`
}

// Purpose is what a webhook is for.
type Purpose string

// The purposes.
const (
	PurposeInteractions Purpose = "interactions" // PurposeInteractions is for the events of interactions.
	PurposeNotices      Purpose = "notices"      // PurposeNotices is for notices of the server's own, about its other webhooks.
)

// Filter says which events a webhook gets; an empty list lets everything through.
type Filter struct {
	Events     []interaction.Event     `json:"events,omitempty"`
	MediaTypes []interaction.MediaType `json:"mediaTypes,omitempty"`
	Subtypes   []interaction.Subtype   `json:"subtypes,omitempty"`
	// Notices are for [PurposeNotices], and the others are not.
	Notices []NoticeKind `json:"notices,omitempty"`
}

// BreakerLimits say when a webhook's circuit opens: after so many failures in a row, or when so large a share of the attempts of
// a minute failed, of at least so many. Zero values mean the defaults.
type BreakerLimits struct {
	Failures int     `json:"failures,omitempty"`
	Share    float64 `json:"share,omitempty"`
	Minimum  int     `json:"minimum,omitempty"`
}

// Disable says when the server disables a webhook; the zero value is never.
type Disable struct {
	// After is how long its circuit has been open; zero is for ever.
	After Duration `json:"after,omitempty"`
	// OnGone is whether an answer of 410 Gone disables it at once (RFC 9110, section 15.5.11).
	OnGone bool `json:"onGone,omitempty"`
}

// Settings is everything about a webhook that a contact centre chooses (specification, section 4).
type Settings struct {
	URL         string `json:"url"`
	Description string `json:"description,omitempty"`
	// Purpose is what the webhook is for; empty means [PurposeInteractions]. It never changes.
	Purpose Purpose `json:"purpose,omitempty"`
	Filter
	RequestTimeout Duration `json:"requestTimeout"`
	Retry          Retry    `json:"retry"`
	Success        Success  `json:"success"`
	// Breaker says when the circuit opens, and Disable when the webhook is disabled by the server.
	Breaker BreakerLimits `json:"circuitBreaker,omitzero"`
	Disable Disable       `json:"disable,omitzero"`
	// Concurrency is how many POSTs may be in flight, per node.
	Concurrency int `json:"concurrency"`
	// RateLimit is how many POSTs may begin per second, per node; zero means no limit.
	RateLimit  int         `json:"rateLimit,omitempty"`
	Batch      Batch       `json:"batch"`
	Signatures []Signature `json:"signatures"`
	Metadata   []Metadata  `json:"metadata"`
	Credentials
}

// Serves returns the purpose, also where it was left empty.
func (s *Settings) Serves() Purpose {
	if s.Purpose == "" {
		return PurposeInteractions
	}
	return s.Purpose
}

// Preset is a named set of settings.
type Preset string

// PresetGenesys is what receivers of the original are used to: 10 s, 5 redeliveries, 5 s apart.
const PresetGenesys Preset = "genesys"

// DefaultSettings returns the settings of a webhook that was given nothing but a URL. It keeps trying for about three days.
func DefaultSettings() Settings {
	return Settings{
		RequestTimeout: Duration(10 * time.Second),
		Retry: Retry{
			Timeout: Duration(5 * time.Second), Attempts: 19, Backoff: 3, MaxTimeout: Duration(6 * time.Hour), Jitter: 0.1,
		},
		Success:     Success200,
		Concurrency: 32,
		Batch:       Batch{MaxEvents: 1},
		Signatures:  Signatures(),
		Metadata:    MetadataHeaders(),
	}
}

// Apply sets what the preset names and leaves the rest; ok is false for an unknown preset.
func (p Preset) Apply(s *Settings) (ok bool) {
	if p != PresetGenesys {
		return false
	}
	s.RequestTimeout = Duration(10 * time.Second)
	s.Retry = Retry{Timeout: Duration(5 * time.Second), Attempts: 5, Backoff: 1, MaxTimeout: Duration(5 * time.Second), Jitter: 0}
	return true
}
