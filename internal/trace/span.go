package trace

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// within returns the context of a span's children, wherever that span was made; no span is the context of a root.
func within(id trace.TraceID, span trace.SpanID) context.Context {
	return trace.ContextWithRemoteSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id, SpanID: span, TraceFlags: trace.FlagsSampled, Remote: true,
	}))
}

// spanIDs are the ids that the next span of a context gets.
type spanIDs struct {
	trace trace.TraceID
	span  trace.SpanID
}

type spanIDsKey struct{}

func withIDs(ctx context.Context, id trace.TraceID, span trace.SpanID) context.Context {
	return context.WithValue(ctx, spanIDsKey{}, spanIDs{id, span})
}

// given gives spans the ids that their context names; a span that it does not name gets one at random.
type given struct{}

// NewIDs gives a span without a parent its ids.
func (g given) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	ids, _ := ctx.Value(spanIDsKey{}).(spanIDs) // every span of ours has them
	return ids.trace, g.NewSpanID(ctx, ids.trace)
}

// NewSpanID gives a span with a parent its id.
func (given) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	ids, _ := ctx.Value(spanIDsKey{}).(spanIDs)
	for !ids.span.IsValid() {
		binary.BigEndian.PutUint64(ids.span[:], rand.Uint64()) //nolint:gosec // a span id is no secret
	}
	return ids.span
}

// reporter logs what the collector refuses: the library would print it elsewhere.
type reporter struct {
	sdk.SpanExporter
	log *slog.Logger
}

// ExportSpans sends spans, or logs that they are lost.
func (r *reporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if err := r.SpanExporter.ExportSpans(ctx, spans); err != nil {
		r.log.Warn("the collector of traces did not take spans; they are dropped", "count", len(spans), "error", err)
	}
	return nil
}
