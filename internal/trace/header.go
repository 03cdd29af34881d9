package trace

import (
	"context"
	"net/http"

	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The headers that can carry a trace, in the form in which net/http keeps them.
const (
	headerB3Single    = "B3"
	headerB3TraceID   = "X-B3-Traceid"
	headerTraceParent = "Traceparent"
)

// FromHeader returns the trace that a request's headers carry, in any of the forms of B3 or as W3C's traceparent; the zero value
// when there is none, or none that can be read. Where both are there, B3 counts: receivers get B3. A sender that leaves the decision
// to us has it sampled.
func FromHeader(h http.Header) hook.Trace {
	switch { // most requests carry none, and shall not pay for this
	case h[headerB3Single] != nil, h[headerB3TraceID] != nil:
		ctx := b3.New().Extract(context.Background(), propagation.HeaderCarrier(h))
		if t := known(ctx); !t.IsZero() {
			t.Sampled = t.Sampled || undecided(ctx)
			return t
		}
	}
	if h[headerTraceParent] == nil {
		return hook.Trace{}
	}
	return known(propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(h)))
}

// undecided reports whether the sender of B3 has left it to us whether the trace is sampled: then it is not said on, either.
func undecided(ctx context.Context) bool {
	on := propagation.MapCarrier{}
	b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)).Inject(ctx, on)
	return on.Get("x-b3-sampled") == ""
}

func known(ctx context.Context) hook.Trace {
	s := trace.SpanContextFromContext(ctx)
	if !s.IsValid() {
		return hook.Trace{}
	}
	return hook.Trace{ID: s.TraceID(), Span: s.SpanID(), Sampled: s.IsSampled()}
}
