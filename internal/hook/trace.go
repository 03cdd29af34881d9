package hook

import "context"

// Trace is where an event belongs in a distributed trace (B3 Propagation, "Overall Process").
type Trace struct {
	ID      [16]byte
	Span    [8]byte
	Sampled bool
}

// IsZero reports whether there is none: an id of zeros is none.
func (t Trace) IsZero() bool { return t.ID == [16]byte{} }

// traceBytes is the size of a trace that is stored.
const traceBytes = 25

// Append appends the trace as it is stored; the zero value is nothing.
func (t Trace) Append(b []byte) []byte {
	if t.IsZero() {
		return b
	}
	b = append(append(b, t.ID[:]...), t.Span[:]...)
	if t.Sampled {
		return append(b, 1)
	}
	return append(b, 0)
}

// ParseTrace reads what [Trace.Append] wrote; anything else is no trace.
func ParseTrace(b []byte) (t Trace) {
	if len(b) == traceBytes {
		copy(t.ID[:], b)
		copy(t.Span[:], b[len(t.ID):])
		t.Sampled = b[traceBytes-1] == 1
	}
	return t
}

// TraceID returns the id of the event's trace: that of the request which made it, or one that is made of the operation id.
func (e *Event) TraceID() [16]byte {
	if e.Trace.IsZero() {
		return e.OperationID.UUID
	}
	return e.Trace.ID
}

// traceKey is the key of the trace in a context.
type traceKey struct{}

// WithTrace returns a context for what is done in a trace.
func WithTrace(ctx context.Context, t Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// TraceOf returns the trace that belongs to a context; the zero value is none.
func TraceOf(ctx context.Context) Trace {
	t, _ := ctx.Value(traceKey{}).(Trace)
	return t
}
