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
	Secret   Secret
	Enabled  bool
	// Circuit is as stored when the webhook was read; when the next probe is due may have moved since on another node.
	Circuit   Circuit
	CreatedAt time.Time
	UpdatedAt time.Time
	// DeletedAt is zero while the webhook exists. A deleted one gets no new deliveries; its history stays readable.
	DeletedAt time.Time
}

// Deleted reports whether the webhook was deleted.
func (w *Webhook) Deleted() bool { return !w.DeletedAt.IsZero() }

// Wants reports whether an event becomes a delivery to this webhook. A disabled webhook wants its events: they are held
// until it is enabled.
func (w *Webhook) Wants(e *Event) bool {
	s := &w.Settings
	return !w.Deleted() &&
		wants(s.Events, e.Kind) && wants(s.MediaTypes, e.Media) && wants(s.Subtypes, e.Subtype)
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

// Settings is everything about a webhook that a contact centre chooses (specification, section 4).
type Settings struct {
	URL            string                  `json:"url"`
	Description    string                  `json:"description,omitempty"`
	Events         []interaction.Event     `json:"events,omitempty"`
	MediaTypes     []interaction.MediaType `json:"mediaTypes,omitempty"`
	Subtypes       []interaction.Subtype   `json:"subtypes,omitempty"`
	RequestTimeout Duration                `json:"requestTimeout"`
	Retry          Retry                   `json:"retry"`
	Success        Success                 `json:"success"`
	// Concurrency is how many POSTs may be in flight, per node.
	Concurrency int `json:"concurrency"`
	// RateLimit is how many POSTs may begin per second, per node; zero means no limit.
	RateLimit  int               `json:"rateLimit,omitempty"`
	Batch      Batch             `json:"batch"`
	Signatures []Signature       `json:"signatures"`
	Metadata   []Metadata        `json:"metadata"`
	Headers    map[string]string `json:"headers,omitempty"`
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
