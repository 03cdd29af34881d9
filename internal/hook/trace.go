package hook

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
