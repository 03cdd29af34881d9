package trace

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// spansWaitingMax bounds the spans that wait for the collector; more are dropped.
	spansWaitingMax = 16_384
	// spansPerCallMax bounds the spans of one call to the collector, and callEvery is the longest wait for more of them.
	spansPerCallMax = 2_048
	callEvery       = time.Second
	// callTimeout bounds one call, with its retries.
	callTimeout = 10 * time.Second
)

// Options are what a tracer needs.
type Options struct {
	// Endpoint is the collector's base URL, as http://127.0.0.1:4318: spans go to its path v1/traces (OTLP Specification, section
	// "OTLP/HTTP Request"). Headers for it come from OTEL_EXPORTER_OTLP_HEADERS.
	Endpoint *url.URL
	// Sample is the share of the traces that are sampled, from 0 to 1, of those about which nobody has decided.
	Sample float64
	// Version is the program's, and Node tells this process from others.
	Version, Node string
	// Log gets what the collector refuses; nil means nothing.
	Log *slog.Logger
}

// Tracer makes the spans of events. It is safe for concurrent use.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	// chance decides about traces that nobody has decided about.
	chance sdk.Sampler
}

// New makes a tracer. It asks nothing of the collector, and sends in goroutines of its own until it is closed.
func New(ctx context.Context, o Options) (*Tracer, error) {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(o.Endpoint.JoinPath("v1", "traces").String()),
		otlptracehttp.WithTimeout(callTimeout))
	if err != nil {
		return nil, fmt.Errorf("make exporter of spans: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	t := &Tracer{chance: sdk.TraceIDRatioBased(o.Sample)}
	t.provider = sdk.NewTracerProvider(
		sdk.WithBatcher(&reporter{SpanExporter: exporter, log: o.Log},
			sdk.WithMaxQueueSize(spansWaitingMax), sdk.WithMaxExportBatchSize(spansPerCallMax), sdk.WithBatchTimeout(callEvery)),
		sdk.WithSampler(sdk.AlwaysSample()), // what is not sampled is not begun
		sdk.WithIDGenerator(given{}),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "hookswitch"),
			attribute.String("service.version", o.Version), attribute.String("service.instance.id", o.Node))),
	)
	t.tracer = t.provider.Tracer("github.com/hookswitch/hookswitch", trace.WithInstrumentationVersion(o.Version))
	return t, nil
}

// Close sends what waits and ends the tracer, no later than the context does.
func (t *Tracer) Close(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last spans: %w", err)
	}
	return nil
}

// Sampled reports whether spans of an event are kept.
func (t *Tracer) Sampled(e *hook.Event) bool {
	if !e.Trace.IsZero() {
		return e.Trace.Sampled
	}
	p := sdk.SamplingParameters{TraceID: chanceOf(e.OperationID)}
	return t.chance.ShouldSample(p).Decision == sdk.RecordAndSample
}

// chanceOf returns an operation id such that the half by which the library decides is random: in a UUID, bits of that half say what
// sort of UUID it is (RFC 9562, section 5.4).
func chanceOf(op hook.OperationID) (id trace.TraceID) {
	copy(id[8:14], op.UUID[:6])
	copy(id[14:], op.UUID[9:11])
	return id
}

// Accepted makes the span of an event that was accepted and is committed now.
func (t *Tracer) Accepted(e *hook.Event) {
	if !t.Sampled(e) {
		return
	}
	ctx := within(e.TraceID(), trace.SpanID(e.Trace.Span))
	_, span := t.tracer.Start(withIDs(ctx, e.TraceID(), e.OperationID.SpanID()), "accept "+string(e.Kind),
		trace.WithTimestamp(e.OccurredAt), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(eventAttributes(e)...))
	span.End()
}

// Posted makes the spans of one POST: outcomes are those of its events, and span is what X-B3-SpanId carried.
func (t *Tracer) Posted(w *hook.Webhook, operation hook.OperationID, span [8]byte, outcomes []hook.Outcome) {
	if len(outcomes) == 1 {
		t.attempt(w, &outcomes[0], span)
		return
	}
	if !slices.ContainsFunc(outcomes, func(o hook.Outcome) bool { return t.Sampled(o.Delivery.Event) }) {
		return
	}
	post := t.post(w, operation, span, outcomes)
	for i := range outcomes {
		t.attempt(w, &outcomes[i], [8]byte{}, trace.Link{SpanContext: post})
	}
}

// attempt makes the span of an attempt at one event, a child of its acceptance. Without a span id it gets one of its own.
func (t *Tracer) attempt(w *hook.Webhook, o *hook.Outcome, span [8]byte, links ...trace.Link) {
	e := o.Delivery.Event
	if !t.Sampled(e) {
		return
	}
	ctx := within(e.TraceID(), e.OperationID.SpanID())
	_, s := t.tracer.Start(withIDs(ctx, e.TraceID(), span), "deliver "+string(e.Kind),
		trace.WithTimestamp(o.Attempt.StartedAt), trace.WithSpanKind(trace.SpanKindClient), trace.WithLinks(links...),
		trace.WithAttributes(append(eventAttributes(e), attemptAttributes(w, o)...)...))
	end(s, &o.Attempt)
}

// post makes the span of a POST of several events, in a trace of its own.
func (t *Tracer) post(w *hook.Webhook, operation hook.OperationID, span [8]byte, outcomes []hook.Outcome) trace.SpanContext {
	links := make([]trace.Link, len(outcomes))
	for i := range outcomes {
		e := outcomes[i].Delivery.Event
		links[i].SpanContext = trace.SpanContextFromContext(within(e.TraceID(), e.OperationID.SpanID()))
	}
	_, s := t.tracer.Start(withIDs(context.Background(), trace.TraceID(operation.UUID), span), "deliver batch",
		trace.WithTimestamp(outcomes[0].Attempt.StartedAt), trace.WithSpanKind(trace.SpanKindClient), trace.WithLinks(links...),
		trace.WithAttributes(attribute.String("hookswitch.webhook.id", w.ID.String()), attribute.Int("hookswitch.events", len(outcomes))))
	end(s, &outcomes[0].Attempt)
	return s.SpanContext()
}

func end(s trace.Span, a *hook.Attempt) {
	if a.Status != 0 {
		s.SetAttributes(attribute.Int("http.response.status_code", a.Status))
	}
	if !a.Acknowledged() {
		s.SetAttributes(attribute.String("error.type", a.Failure.String()))
		s.SetStatus(codes.Error, a.Error)
	}
	s.End(trace.WithTimestamp(a.StartedAt.Add(a.Duration)))
}

func eventAttributes(e *hook.Event) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("hookswitch.contact_center.id", string(e.CenterID)), attribute.String("hookswitch.operation.id", e.OperationID.String()),
		attribute.String("hookswitch.interaction.id", e.InteractionID.String()), attribute.String("hookswitch.media_type", string(e.Media)),
	}
}

func attemptAttributes(w *hook.Webhook, o *hook.Outcome) []attribute.KeyValue {
	host := ""
	if u, err := url.Parse(w.Settings.URL); err == nil { // no more of it: paths and queries may hold credentials
		host = u.Hostname()
	}
	return []attribute.KeyValue{
		attribute.String("hookswitch.webhook.id", w.ID.String()), attribute.String("hookswitch.delivery.id", o.Delivery.ID().String()),
		attribute.Int("hookswitch.attempt", o.Attempt.Number), attribute.String("http.request.method", "POST"),
		attribute.String("server.address", host),
	}
}
