package api

import (
	"encoding/json"
	"math"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// Settings are a webhook's settings, as they are shown.
type Settings struct {
	URL         string  `json:"url"`
	Description string  `json:"description,omitempty"`
	Purpose     Purpose `json:"purpose"`
	Filter
	RequestTimeout duration    `json:"requestTimeout"`
	Retry          Retry       `json:"retry"`
	Success        Success     `json:"success"`
	Concurrency    int         `json:"concurrency"`
	RateLimit      int         `json:"rateLimit,omitempty" doc:"Absent: none."`
	Batch          Batch       `json:"batch"`
	Signatures     []Signature `json:"signatures" nullable:"false"`
	Metadata       []Metadata  `json:"metadata" nullable:"false"`
	Credentials
	Failing
}

// Filter says which events or notices a webhook gets, as it is shown.
type Filter struct {
	Events     []EventKind  `json:"events,omitempty" nullable:"false" doc:"Absent: all."`
	MediaTypes []MediaType  `json:"mediaTypes,omitempty" nullable:"false" doc:"Absent: all."`
	Subtypes   []Subtype    `json:"subtypes,omitempty" nullable:"false" doc:"Absent: all."`
	Notices    []NoticeKind `json:"notices,omitempty" nullable:"false" doc:"Which notices, where the purpose is notices. Absent: all."`
}

// Retry is a webhook's schedule of redeliveries, as it is shown.
type Retry struct {
	Timeout    duration `json:"timeout"`
	Attempts   int      `json:"attempts"`
	Backoff    float64  `json:"backoff"`
	MaxTimeout duration `json:"maxTimeout"`
	Jitter     float64  `json:"jitter"`
}

// Batch says how many events one POST may carry, as it is shown.
type Batch struct {
	MaxEvents int      `json:"maxEvents"`
	Linger    duration `json:"linger"`
}

func showSettings(s *hook.Settings) Settings {
	return Settings{
		URL: s.URL, Description: s.Description, Purpose: Purpose(s.Serves()),
		Filter: Filter{
			Events: texts[EventKind](s.Events), MediaTypes: texts[MediaType](s.MediaTypes), Subtypes: texts[Subtype](s.Subtypes),
			Notices: texts[NoticeKind](s.Notices),
		},
		RequestTimeout: showDuration(s.RequestTimeout),
		Retry: Retry{
			Timeout: showDuration(s.Retry.Timeout), Attempts: s.Retry.Attempts, Backoff: s.Retry.Backoff,
			MaxTimeout: showDuration(s.Retry.MaxTimeout), Jitter: s.Retry.Jitter,
		},
		Success: Success(s.Success), Concurrency: s.Concurrency, RateLimit: s.RateLimit,
		Batch:      Batch{MaxEvents: s.Batch.MaxEvents, Linger: showDuration(s.Batch.Linger)},
		Signatures: texts[Signature](s.Signatures), Metadata: texts[Metadata](s.Metadata),
		Credentials: showCredentials(&s.Credentials),
		Failing:     showFailing(s),
	}
}

func showDuration(d hook.Duration) duration { return duration(d.String()) }

// texts turns a list of one kind of texts into another; it is never nil.
func texts[To, From ~string](from []From) []To {
	to := make([]To, len(from))
	for i, v := range from {
		to[i] = To(v)
	}
	return to
}

// optional is a field that may be absent, null (its default) or given. Decoding it never fails: what is of the wrong type
// counts as absent, and the schema says so to the caller, together with all else that is wrong.
type optional[T any] struct {
	given, null bool
	value       T
}

// UnmarshalJSON reads the field.
func (o *optional[T]) UnmarshalJSON(data []byte) error {
	*o = optional[T]{given: true, null: string(data) == "null"}
	if !o.null && json.Unmarshal(data, &o.value) != nil {
		*o = optional[T]{}
	}
	return nil
}

// Schema returns the schema of the field's type.
func (optional[T]) Schema(r huma.Registry) *huma.Schema { return schemaOf[T](r) }

// whole is a whole number of a body: a float64, so that 3.0 and 3e1 are read as JSON means them.
type whole float64

// Schema returns the schema of a whole number.
func (whole) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeInteger} }

// int is the number, or the nearest that an int surely holds: the schema refuses those beyond.
func (w whole) int() int { return int(max(min(float64(w), math.MaxInt32), math.MinInt32)) }

// SettingsDraft are the settings in the body of a creation or a PATCH.
type SettingsDraft struct {
	URL         optional[string]  `json:"url,omitzero" doc:"https, or http where private targets are allowed; at most 2,048 bytes. One that can never be reached is refused. Notices may go to a mailto: URL of one address."`
	Description optional[string]  `json:"description,omitzero" doc:"For people."`
	Purpose     optional[Purpose] `json:"purpose,omitzero" doc:"interactions when absent. It cannot be changed later."`
	FilterDraft
	RequestTimeout optional[duration]    `json:"requestTimeout,omitzero" doc:"Bounds a POST as a whole: 1s to 60s, and less than the server's lease; 10s when absent."`
	Retry          optional[RetryDraft]  `json:"retry,omitzero"`
	Success        optional[Success]     `json:"success,omitzero" doc:"200 when absent."`
	Concurrency    optional[whole]       `json:"concurrency,omitzero" doc:"POSTs in flight, per node; 32 when absent."`
	RateLimit      optional[whole]       `json:"rateLimit,omitzero" doc:"POSTs per second, per node; no limit when absent."`
	Batch          optional[BatchDraft]  `json:"batch,omitzero"`
	Signatures     optional[[]Signature] `json:"signatures,omitzero" doc:"All when absent; sha1 is always among them."`
	Metadata       optional[[]Metadata]  `json:"metadata,omitzero" doc:"All when absent."`
	CredentialsDraft
	FailingDraft
}

// FilterDraft says in a body which events or notices a webhook gets.
type FilterDraft struct {
	Events     optional[[]EventKind]  `json:"events,omitzero" doc:"Which events; all when absent or empty."`
	MediaTypes optional[[]MediaType]  `json:"mediaTypes,omitzero" doc:"Which media types; all when absent or empty."`
	Subtypes   optional[[]Subtype]    `json:"subtypes,omitzero" doc:"Which subtypes; all when absent or empty."`
	Notices    optional[[]NoticeKind] `json:"notices,omitzero" doc:"Which notices, where the purpose is notices; all when absent or empty. The other three are for interactions."`
}

// RetryDraft is a schedule of redeliveries in a body.
type RetryDraft struct {
	Timeout    optional[duration] `json:"timeout,omitzero" doc:"The wait before the first redelivery: 100ms to 24h; 5s when absent."`
	Attempts   optional[whole]    `json:"attempts,omitzero" doc:"Redeliveries after the first try; 19 when absent."`
	Backoff    optional[float64]  `json:"backoff,omitzero" doc:"The factor from one wait to the next; 3 when absent."`
	MaxTimeout optional[duration] `json:"maxTimeout,omitzero" doc:"Bounds every wait: at most 24h; 6h when absent."`
	Jitter     optional[float64]  `json:"jitter,omitzero" doc:"The share by which a wait varies; 0.1 when absent."`
}

// TransformSchema gives the document the domain's bounds.
func (RetryDraft) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	numberRange(s, "attempts", 0, hook.RetryAttemptsMax)
	numberRange(s, "backoff", hook.RetryBackoffMin, hook.RetryBackoffMax)
	numberRange(s, "jitter", 0, hook.RetryJitterMax)
	return s
}

// BatchDraft says in a body how many events one POST may carry.
type BatchDraft struct {
	MaxEvents optional[whole]    `json:"maxEvents,omitzero" doc:"Never two of one interaction; 1 when absent."`
	Linger    optional[duration] `json:"linger,omitzero" doc:"How long a POST that is not full waits: at most 1s; 0s when absent."`
}

// TransformSchema gives the document the domain's bounds.
func (BatchDraft) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	numberRange(s, "maxEvents", 1, hook.BatchEventsMax)
	return s
}

// boundSettings gives the document of a webhook's body the domain's bounds.
func boundSettings(s *huma.Schema) *huma.Schema {
	textSize(s, "url", 1, hook.URLBytesMax)
	textSize(s, "description", 0, hook.DescriptionBytesMax)
	numberRange(s, "concurrency", 1, hook.ConcurrencyMax)
	numberRange(s, "rateLimit", 1, hook.RateLimitMax)
	s.Properties["headers"].MaxProperties = set(hook.HeadersMax)
	s.Properties["headers"].AdditionalProperties = headerSchema()
	return s
}

// exampleWebhook is a body that the documentation shows; of one made from the schema alone, parts would be refused.
const exampleWebhook = `{"url":"https://receiver.example/interactions","description":"CRM","events":["STARTED","FINISHED"],"mediaTypes":["chat","email"],
	"requestTimeout":"10s","retry":{"timeout":"5s","attempts":19,"backoff":3,"maxTimeout":"6h","jitter":0.1},"success":"200",
	"concurrency":32,"circuitBreaker":{"failures":20,"share":0.8,"minimum":50},"disable":{"after":"72h","onGone":true}}`

func headerSchema() *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, MaxLength: set(hook.HeaderValueBytesMax)}
}

func numberRange(s *huma.Schema, property string, least, most float64) {
	s.Properties[property].Minimum, s.Properties[property].Maximum = set(least), set(most)
}

// settle puts what a body gives into the settings: absent fields stay, null ones get their default. What cannot be read is
// named; what is out of bounds is left to the domain.
func (d *SettingsDraft) settle(s *hook.Settings, prefix string) []hook.FieldError {
	defaults := hook.DefaultSettings()
	r := &reader{}
	put(&s.URL, d.URL, "", same)
	put(&s.Description, d.Description, "", same)
	put(&s.Purpose, d.Purpose, "", purposeOf)
	put(&s.Notices, d.Notices, nil, texts[hook.NoticeKind])
	put(&s.Events, d.Events, nil, texts[interaction.Event])
	put(&s.MediaTypes, d.MediaTypes, nil, texts[interaction.MediaType])
	put(&s.Subtypes, d.Subtypes, nil, texts[interaction.Subtype])
	r.duration(prefix+"requestTimeout", &s.RequestTimeout, d.RequestTimeout, defaults.RequestTimeout)
	if d.Retry.null {
		s.Retry = defaults.Retry
	}
	retry := &d.Retry.value
	r.duration(prefix+"retry.timeout", &s.Retry.Timeout, retry.Timeout, defaults.Retry.Timeout)
	put(&s.Retry.Attempts, retry.Attempts, defaults.Retry.Attempts, whole.int)
	put(&s.Retry.Backoff, retry.Backoff, defaults.Retry.Backoff, same)
	r.duration(prefix+"retry.maxTimeout", &s.Retry.MaxTimeout, retry.MaxTimeout, defaults.Retry.MaxTimeout)
	put(&s.Retry.Jitter, retry.Jitter, defaults.Retry.Jitter, same)
	put(&s.Success, d.Success, defaults.Success, func(v Success) hook.Success { return hook.Success(v) })
	put(&s.Concurrency, d.Concurrency, defaults.Concurrency, whole.int)
	put(&s.RateLimit, d.RateLimit, defaults.RateLimit, whole.int)
	if d.Batch.null {
		s.Batch = defaults.Batch
	}
	put(&s.Batch.MaxEvents, d.Batch.value.MaxEvents, defaults.Batch.MaxEvents, whole.int)
	r.duration(prefix+"batch.linger", &s.Batch.Linger, d.Batch.value.Linger, defaults.Batch.Linger)
	put(&s.Signatures, d.Signatures, defaults.Signatures, texts[hook.Signature])
	put(&s.Metadata, d.Metadata, defaults.Metadata, texts[hook.Metadata])
	d.CredentialsDraft.settle(r, &s.Credentials, prefix)
	d.FailingDraft.settle(r, s, prefix)
	return r.wrong
}

func same[T any](v T) T { return v }

// put puts a field into a setting.
func put[T, Setting any](to *Setting, from optional[T], byDefault Setting, convert func(T) Setting) {
	switch {
	case from.null:
		*to = byDefault
	case from.given:
		*to = convert(from.value)
	}
}

// reader collects what cannot be read.
type reader struct{ wrong []hook.FieldError }

func (r *reader) duration(field string, to *hook.Duration, from optional[duration], byDefault hook.Duration) {
	put(to, from, byDefault, func(text duration) hook.Duration {
		read := *to
		if err := read.UnmarshalText([]byte(text)); err != nil {
			r.wrong = append(r.wrong, hook.FieldError{
				Field: field, Message: "must be a duration such as 500ms, 10s or 1h30m", Value: string(text),
			})
			return *to
		}
		return read
	})
}
