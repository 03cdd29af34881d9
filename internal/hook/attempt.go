package hook

import (
	"fmt"
	"time"
)

// The bounds of what is kept of an attempt, in bytes.
const (
	// ResponseBytesMax is how much of a response body is read and kept (specification, section 1).
	ResponseBytesMax = 4_096
	// ErrorBytesMax is how much of an error's text is kept.
	ErrorBytesMax = 512
)

// Failure is the class of what went wrong when a POST got no response, or a response that acknowledges nothing.
type Failure uint8

// The classes of failure. Their numbers are stored and never change.
const (
	FailureNone     Failure = 0 // FailureNone is no failure: acknowledged.
	FailureStatus   Failure = 1 // FailureStatus is a response, but not one that acknowledges.
	FailureRedirect Failure = 2 // FailureRedirect is a 3xx response: never followed.
	FailureTimeout  Failure = 3 // FailureTimeout is no complete response within the request timeout.
	FailureDNS      Failure = 4 // FailureDNS is a host whose name did not resolve.
	FailureRefused  Failure = 5 // FailureRefused is an address where nothing listens.
	FailureBroken   Failure = 6 // FailureBroken is a connection that broke before the response was complete.
	FailureTLS      Failure = 7 // FailureTLS is a TLS handshake or a certificate that failed.
	FailureBlocked  Failure = 8 // FailureBlocked is an address that the operator does not allow.
	FailureRequest  Failure = 9 // FailureRequest is a request that could not be made, or a response that was not HTTP.
	// FailureToken is an authorization server that gave no token for the POST.
	FailureToken Failure = 10
	// FailureProxy is the operator's own proxy that failed: no attempt of the receiver's, so that it is stored nowhere.
	FailureProxy Failure = 11
)

// String returns the class's name as the API and the metrics write it.
func (f Failure) String() string {
	names := [...]string{"", "status", "redirect", "timeout", "dns", "refused", "broken", "tls", "blocked", "request", "token", "proxy"}
	if int(f) >= len(names) {
		return fmt.Sprintf("Failure(%d)", uint8(f))
	}
	return names[f]
}

// Failures returns every class of failure, in the order of their numbers; [FailureNone] is none.
func Failures() []Failure {
	return []Failure{
		FailureStatus, FailureRedirect, FailureTimeout, FailureDNS, FailureRefused, FailureBroken, FailureTLS, FailureBlocked, FailureRequest,
		FailureToken, FailureProxy,
	}
}

// Answer is what came back from one POST, before anybody judged it.
type Answer struct {
	// Status is the HTTP status, or zero when there was no response.
	Status int
	// RetryAfter is how long the receiver asked to wait, or zero.
	RetryAfter time.Duration
	// Response is the beginning of the response body, at most [ResponseBytesMax] bytes, or what the post allows.
	Response []byte
	// Failure is set when there was no complete response: the judge leaves it as it is and looks at no status.
	Failure Failure
	// Error is the failure in words, at most [ErrorBytesMax] bytes, without the URL's secrets.
	Error string
	// Took is how long the POST took, from before the dial to the last byte read.
	Took   time.Duration
	Timing Timing
}

// Timing is what an attempt spent its time on, to the microsecond. What did not happen is zero: a POST over a connection that was there
// already looked nothing up and connected to nothing. The look-up of a token, where a webhook needs one, is in none of them.
type Timing struct {
	// DNS is how long the name took to resolve.
	DNS time.Duration
	// Connect is how long the TCP connection took, to the receiver or through the proxy to it.
	Connect time.Duration
	// TLS is how long the handshake with the receiver took.
	TLS time.Duration
	// FirstByte is how long after the attempt's beginning the first byte of the response came.
	FirstByte time.Duration
}

// Reused reports whether the POST was answered over a connection that was there already.
func (t Timing) Reused() bool { return t.Connect == 0 && t.FirstByte != 0 }

// Attempt is one POST of a delivery and what came of it.
type Attempt struct {
	// Number counts from 1 over the whole life of the delivery, replays included.
	Number    int
	StartedAt time.Time
	Duration  time.Duration
	Status    int
	Failure   Failure
	Error     string
	Response  []byte
	Timing    Timing
	// Events is how many events its POST carried, this one among them.
	Events int
}

// Acknowledged reports whether the attempt delivered.
func (a *Attempt) Acknowledged() bool { return a.Failure == FailureNone }

// Success is which statuses acknowledge.
type Success string

// The statuses that acknowledge (specification, section 1: 200 and only 200, unless the webhook widens it).
const (
	Success200 Success = "200" // Success200 acknowledges by 200 and nothing else.
	Success2xx Success = "2xx" // Success2xx acknowledges by any status from 200 to 299.
)

// Judge says what an answer means under a webhook's setting: [FailureNone] when it acknowledges.
func (s Success) Judge(a *Answer) Failure {
	switch {
	case a.Failure != FailureNone:
		return a.Failure
	case a.Status == 200, s == Success2xx && a.Status >= 200 && a.Status <= 299:
		return FailureNone
	case a.Status >= 300 && a.Status <= 399:
		return FailureRedirect
	default:
		return FailureStatus
	}
}

// Outcome is one attempt and what it makes of its delivery, to be recorded under the delivery's lease.
type Outcome struct {
	Delivery *Delivery
	Attempt  Attempt
	// Next is when the delivery is due again; the zero time means that it is resolved: delivered when the attempt was
	// acknowledged, exhausted otherwise.
	Next time.Time
}

// Exhausts reports whether the outcome uses up the delivery's last attempt.
func (o *Outcome) Exhausts() bool { return !o.Attempt.Acknowledged() && o.Next.IsZero() }
