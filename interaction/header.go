package interaction

// The headers of a delivery beside its signatures (those are named by package signature). No signature covers a
// header, so a receiver may log them and trace by them, but should decide nothing by them.
const (
	// TraceHeader carries the trace of the event, 32 lower-case hex digits. The name is that of the B3 propagation format.
	TraceHeader = "X-B3-TraceId"
	// SpanHeader carries the span of one attempt, 16 lower-case hex digits. The name is that of the B3 propagation format.
	SpanHeader = "X-B3-SpanId"
	// SampledHeader carries the sampling decision, "0" or "1". The name is that of the B3 propagation format.
	SampledHeader = "X-B3-Sampled"
	// ContactCenterHeader carries the id of the contact centre.
	ContactCenterHeader = "x-ccid"
	// AttemptHeader carries the number of the attempt, from 1. It is ours: the original does not send it.
	AttemptHeader = "Hookswitch-Attempt"
	// DeliveryHeader carries the id of the delivery, the same on every attempt. It is ours: the original does not send it.
	DeliveryHeader = "Hookswitch-Delivery"
	// TestHeader is "true" on a delivery of a made-up interaction. It is ours: the original does not send it.
	TestHeader = "Hookswitch-Test"
)

// ContentType is the media type of a delivery's body and of a receiver's answer.
const ContentType = "application/json"
