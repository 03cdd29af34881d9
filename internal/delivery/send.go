package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/signature"
)

// headersUsual is how many headers a POST usually has; it saves growing the map.
const headersUsual = 16

// The headers of a POST that the wire packages name, in the form in which net/http keeps them, made once and never changed.
var (
	headerCenter    = http.CanonicalHeaderKey(interaction.ContactCenterHeader)
	headerTrace     = http.CanonicalHeaderKey(interaction.TraceHeader)
	headerSpan      = http.CanonicalHeaderKey(interaction.SpanHeader)
	headerSampled   = http.CanonicalHeaderKey(interaction.SampledHeader)
	headerAttempt   = http.CanonicalHeaderKey(interaction.AttemptHeader)
	headerDelivery  = http.CanonicalHeaderKey(interaction.DeliveryHeader)
	headerTest      = http.CanonicalHeaderKey(interaction.TestHeader)
	headerHub       = http.CanonicalHeaderKey(signature.HubHeader)
	headerHub256    = http.CanonicalHeaderKey(signature.Hub256Header)
	headerID        = http.CanonicalHeaderKey(signature.IDHeader)
	headerTimestamp = http.CanonicalHeaderKey(signature.TimestampHeader)
	headerStandard  = http.CanonicalHeaderKey(signature.StandardHeader)
)

// target is what sending needs of a webhook, prepared once for each version of its settings.
type target struct {
	webhook   *hook.Webhook
	url       *url.URL
	signer    *signature.Signer
	others    []otherSigner // of a rotation; nil without one
	sha256    bool
	standard  bool
	attempt   bool
	delivery  bool
	userAgent []string
	headers   http.Header
	// credentials are what the sender needs of the webhook's: OAuth2, and TLS of its own; nil for most.
	credentials *hook.Credentials
	// secretless is [hook.Post.Secretless].
	secretless bool
	// series counts what becomes of its POSTs; nil for a test.
	series *series
}

func newTarget(w *hook.Webhook, version string) (*target, error) {
	if w.Locked() {
		return nil, hook.ErrLocked // nothing is ever signed with an empty secret
	}
	s := &w.Settings
	u, err := url.Parse(s.URL)
	if err != nil {
		return nil, fmt.Errorf("parse the webhook's URL: %w", err)
	}
	t := &target{
		webhook: w, url: u, headers: make(http.Header, len(s.Headers)),
		sha256:     slices.Contains(s.Signatures, hook.SignatureSHA256),
		standard:   slices.Contains(s.Signatures, hook.SignatureStandard),
		attempt:    slices.Contains(s.Metadata, hook.MetadataAttempt),
		delivery:   slices.Contains(s.Metadata, hook.MetadataDelivery),
		secretless: len(s.Headers) == 0 && s.Authorization.IsZero() && u.RawQuery == "",
	}
	if slices.Contains(s.Metadata, hook.MetadataUserAgent) {
		t.userAgent = []string{"Hookswitch/" + version}
	}
	for name, value := range s.Headers {
		t.headers.Set(name, value)
	}
	t.signWith(&w.Secrets)
	if b := s.Authorization.Basic; b != nil {
		t.headers.Set("Authorization", b.Header())
	}
	if s.Authorization.OAuth2 != nil || !s.TLS.IsZero() {
		t.credentials = &s.Credentials
	}
	return t, nil
}

// targetFor returns the lane's target for the webhook as it is now; none while the circuit is open, except for the probe.
func (l *lane) targetFor(w *hook.Webhook, batch []*hook.Delivery) (*target, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.passes(w, batch) {
		return nil, nil
	}
	if l.target == nil || l.target.webhook != w {
		t, err := newTarget(w, l.engine.options.Version)
		if err != nil {
			return nil, err
		}
		t.series = l.engine.metrics.webhooks.of(l.number)
		l.target = t
	} else if other := &l.engine.metrics.webhooks.other; l.target.series == other {
		// A webhook that was deleted may have left its place to this one. What is in flight ends where it has begun.
		if own := l.engine.metrics.webhooks.of(l.number); own != other {
			t := *l.target
			t.series = own
			l.target = &t
		}
	}
	l.leases.begun += len(batch)
	return l.target, nil
}

// message is what one POST carries.
type message struct {
	operation hook.OperationID
	center    hook.ContactCenterID
	body      []byte
	attempt   int
	delivery  string
	test      bool
	// trace is the id of its trace, and unsampled that receivers need not record theirs of it.
	trace     string
	unsampled bool
	// notice is what a notice is about, and empty for what is none.
	notice hook.NoticeKind
}

// header makes the headers of one attempt. Everything but the signatures, the span and the count is the same each time.
func (t *target) header(m *message, now time.Time, span [8]byte) http.Header {
	h := make(http.Header, headersUsual+len(t.headers))
	for name, values := range t.headers {
		h[name] = values
	}
	values := make([]string, 0, headersUsual)
	set := func(name, value string) {
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	if m.notice == "" {
		set("Content-Type", interaction.ContentType)
	} else {
		set("Content-Type", hook.NoticeContentType)
		set(hook.NoticeHeader, string(m.notice))
	}
	set(headerCenter, string(m.center))
	set(headerTrace, m.trace)
	set(headerSpan, hex.EncodeToString(span[:]))
	set(headerSampled, m.sampled())
	set(headerHub, t.signer.Hub(m.body))
	if t.sha256 {
		set(headerHub256, t.signer.Hub256(m.body))
	}
	if t.standard {
		id := m.operation.String()
		set(headerID, id)
		set(headerTimestamp, strconv.FormatInt(now.Unix(), 10))
		set(headerStandard, t.signStandard(id, now, m.body))
	}
	if t.attempt {
		set(headerAttempt, strconv.Itoa(m.attempt))
	}
	if t.delivery && m.delivery != "" {
		set(headerDelivery, m.delivery)
	}
	if m.test {
		set(headerTest, "true")
	}
	if t.userAgent != nil {
		h["User-Agent"] = t.userAgent
	}
	return h
}

func (m *message) sampled() string {
	if m.unsampled {
		return "0"
	}
	return "1"
}

// ready waits until the batch may be sent and returns how, and since when. Nothing means that it goes back to the store: it is
// stale, which means that its leases are too short at that time, the webhook was disabled, the circuit opened, or the engine
// stops.
func (l *lane) ready(batch []*hook.Delivery) (t *target, at time.Time, stale bool) {
	w, ok := l.webhook() // as it is now, not as it was when the batch was taken
	at = time.Now()
	if ok && w.Settings.RateLimit > 0 {
		var turn bool
		if at, turn = l.pace(batch); !turn {
			return nil, at, !at.IsZero()
		}
		w, ok = l.webhook()
	}
	switch {
	case !ok || l.engine.beginning.Err() != nil:
		return nil, at, false
	case !leased(batch, w, at):
		return nil, at, true
	}
	t, err := l.targetFor(w, batch)
	if err != nil {
		l.engine.options.Log.Error("a webhook's settings cannot be used", "webhook", w.ID.String(), "error", err)
	}
	return t, at, false
}

// send makes one POST of one or more deliveries, judges the answer and hands the outcomes to the recorder.
func (l *lane) send(batch []*hook.Delivery) {
	e := l.engine
	t, began, stale := l.ready(batch)
	if t == nil {
		l.giveBack(batch, began, stale)
		return
	}
	w := t.webhook
	m, err := compose(batch)
	if err != nil { // cannot happen, but must lose nothing if it does: the first goes alone, as it is
		e.options.Log.Error("a payload cannot be put into a batch", "webhook", w.ID.String(), "error", err)
		e.release(context.WithoutCancel(e.sending), batch[1:])
		batch = batch[:1]
		m = single(batch[0])
	}
	span := spanOf(m.trace, batch[0].ID(), m.attempt, began)
	m.unsampled = e.unsampled(batch)
	e.metrics.begins(t)
	answer := e.options.Sender.Send(e.sending, hook.Post{
		URL: t.url, Header: t.header(m, began, span), Body: m.body, Credentials: t.credentials, Secretless: t.secretless,
		Timeout: time.Duration(w.Settings.RequestTimeout),
	})
	e.metrics.ends(t)
	if answer.Failure != hook.FailureNone && e.sending.Err() != nil {
		l.forgo(batch)
		e.release(context.WithoutCancel(e.sending), batch) // cut off by our own end: not the receiver's failure
		return
	}
	if answer.Failure == hook.FailureProxy {
		l.proxyFailed(batch, began, &answer)
		return
	}
	l.proxyWorks()
	var acknowledged bool
	var traced []hook.Outcome
	for _, d := range batch {
		o := decide(d, &w.Settings, began, &answer, len(batch), random())
		acknowledged = o.Attempt.Acknowledged()
		e.metrics.attempted(t, &o)
		e.recorder.add(o)
		if e.options.Tracer != nil {
			traced = append(traced, o)
		}
	}
	if traced != nil {
		e.options.Tracer.Posted(w, m.operation, span, traced)
	}
	l.log(w, batch, &answer, acknowledged)
	l.gone(w, &answer)
	e.release(context.WithoutCancel(e.sending), l.settle(batch, acknowledged, &w.Settings))
}

// compose makes the message of one POST. The body of a single event is its payload. That of several is made of their
// entities in order, and its operation id is made from theirs, so that the same events always give the same bytes (I5).
func compose(batch []*hook.Delivery) (*message, error) {
	if len(batch) == 1 {
		return single(batch[0]), nil
	}
	m := &message{center: batch[0].Event.CenterID}
	sum := sha256.New()
	var whole interaction.Payload
	for _, d := range batch {
		sum.Write(d.Event.OperationID.UUID[:])
		p, err := interaction.Parse(d.Event.Payload)
		if err != nil {
			return nil, fmt.Errorf("parse the payload of delivery %s: %w", d.ID(), err)
		}
		whole.Entities = append(whole.Entities, p.Entities...)
		m.attempt = max(m.attempt, d.Attempts+1)
	}
	m.operation = hook.OperationID{UUID: hook.V4([16]byte(sum.Sum(nil)))}
	whole.OperationID, m.trace = m.operation.String(), m.operation.TraceID()
	m.body = whole.Append(nil)
	return m, nil
}

// single makes the message of one delivery.
func single(d *hook.Delivery) *message {
	return &message{
		operation: d.Event.OperationID, center: d.Event.CenterID, body: d.Event.Payload, attempt: d.Attempts + 1, delivery: d.ID().String(),
		trace:  traceOf(d.Event),
		notice: noticeOf(d.Event),
	}
}

// traceOf returns what X-B3-TraceId says of an event.
func traceOf(e *hook.Event) string {
	id := e.TraceID()
	return hex.EncodeToString(id[:])
}

// unsampled reports whether the traces of none of the events are kept. Where nobody keeps traces here, it is for the one who
// made the trace to say.
func (e *Engine) unsampled(batch []*hook.Delivery) bool {
	for _, d := range batch {
		if t := e.options.Tracer; t != nil && t.Sampled(d.Event) || t == nil && (d.Event.Trace.IsZero() || d.Event.Trace.Sampled) {
			return false
		}
	}
	return true
}

// log writes the one line of an attempt.
func (l *lane) log(w *hook.Webhook, batch []*hook.Delivery, a *hook.Answer, acknowledged bool) {
	level := slog.LevelInfo
	if acknowledged {
		level = slog.LevelDebug
	}
	log := l.engine.options.Log
	if !log.Enabled(l.engine.sending, level) {
		return
	}
	d := batch[0]
	line := append(make([]slog.Attr, 0, attemptAttrs),
		slog.Bool("acknowledged", acknowledged), slog.String("webhook", w.ID.String()), slog.String("delivery", d.ID().String()),
		slog.String("interaction", d.Event.InteractionID.String()), slog.String("event", string(d.Event.Kind)),
		slog.Int("attempt", d.Attempts+1), slog.Int("events", len(batch)), slog.Duration("took", a.Took))
	if a.Status != 0 {
		line = append(line, slog.Int("status", a.Status))
	}
	if !acknowledged {
		line = append(line, slog.String("failure", w.Settings.Success.Judge(a).String()))
	}
	if a.Error != "" {
		line = append(line, slog.String("error", a.Error))
	}
	log.LogAttrs(l.engine.sending, level, "attempt", line...)
}

// attemptAttrs is how many attributes the line of an attempt has at most.
const attemptAttrs = 11

// logExhausted says that a delivery was given up: it is kept, and somebody should replay it.
func (e *Engine) logExhausted(o *hook.Outcome) {
	d := o.Delivery
	webhook := ""
	if w, ok := e.options.Queue.WebhookByNumber(d.Webhook); ok {
		webhook = w.ID.String()
	}
	e.options.Log.LogAttrs(e.sending, slog.LevelWarn, "delivery exhausted: it will not be tried again until it is replayed",
		slog.String("webhook", webhook), slog.String("delivery", d.ID().String()),
		slog.String("interaction", d.Event.InteractionID.String()), slog.String("event", string(d.Event.Kind)),
		slog.Int("attempts", o.Attempt.Number), slog.String("failure", o.Attempt.Failure.String()))
}
