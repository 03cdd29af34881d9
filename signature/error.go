package signature

import (
	"errors"
	"strings"
)

// Reason says why a verification failed. It is an error itself, for errors.Is, and its text is a code that may be
// shown to anybody.
type Reason string

// The reasons.
const (
	// NoSecret means that the verifier was given no secret, or only empty ones.
	NoSecret Reason = "no_secret"
	// NoHeader means that the header with the signature is missing or empty.
	NoHeader Reason = "no_header"
	// UnknownAlgorithm means that the signature names no algorithm, or one that is not known or does not fit the header.
	UnknownAlgorithm Reason = "unknown_algorithm"
	// MalformedHex means that the signature has the wrong length or characters that are not hex digits.
	MalformedHex Reason = "malformed_hex"
	// MalformedBase64 means that a Standard Webhooks signature is not the base64 of 32 bytes.
	MalformedBase64 Reason = "malformed_base64"
	// Base64NotHex means that the signature is in base64, of the right length, where hex is due.
	Base64NotHex Reason = "base64_not_hex"
	// WrongSecret means that the signature is well-formed, and that neither a secret nor a known change of the body explains it.
	WrongSecret Reason = "wrong_secret"
	// BodyChanged means that the signature fits another spelling of the same body: the Detail says which.
	BodyChanged Reason = "body_changed"
	// StaleTimestamp means that the timestamp is further from now than the tolerance, in either direction.
	StaleTimestamp Reason = "stale_timestamp"
	// MalformedTimestamp means that the timestamp is missing or not a number of seconds.
	MalformedTimestamp Reason = "malformed_timestamp"
	// NoID means that the id of the message is missing.
	NoID Reason = "no_id"
)

// Error gives the code.
func (r Reason) Error() string { return string(r) }

// Error says why a verification failed.
type Error struct {
	// Reason is what errors.Is compares with.
	Reason Reason
	// Detail describes what was received. It is for the receiver's own log, not for the answer to an unverified sender.
	Detail string
}

// Error gives the code and the detail.
func (e *Error) Error() string {
	return "verify signature: " + string(e.Reason) + ": " + e.Detail
}

// Unwrap gives the Reason.
func (e *Error) Unwrap() error { return e.Reason }

// Explain says in a paragraph what is wrong and what to do about it. For an error that is not of this package it gives
// the error's own text, and for nil nothing.
func Explain(err error) string {
	if err == nil {
		return ""
	}
	var e *Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	detail := e.Detail
	if detail != "" && !strings.HasPrefix(detail, "webhook-") {
		// A sentence begins with a capital, the name of a header stays as it is.
		detail = strings.ToUpper(detail[:1]) + detail[1:]
	}
	return detail + ". " + advice(e.Reason)
}

func advice(r Reason) string {
	switch r {
	case NoSecret:
		return "Nothing can be verified without the secret. Check that the setting which should hold it is set where this program runs, " +
			"and that it is not empty."
	case NoHeader:
		return "The sender signs nothing, or something between the sender and here removes the header. Check that the POST " +
			"comes from the webhook (and not from a health check or a browser), and that every proxy on the way passes the X-Hub-Signature headers on."
	case UnknownAlgorithm:
		return "The header must read sha1=<40 hex digits> (X-Hub-Signature), sha256=<64 hex digits> (X-Hub-Signature-256) " +
			"or v1,<base64> (webhook-signature). Check that the whole value is passed on, with its prefix."
	case MalformedHex:
		return "A signature is the MAC in hexadecimal, two digits for each byte: 40 digits for sha1, 64 for sha256. Check that nothing cuts, " +
			"quotes or re-encodes the header's value."
	case MalformedBase64:
		return "A Standard Webhooks signature is v1, and then the 32 bytes of the MAC in standard base64 with padding, 44 characters. " +
			"Check that the sender does not use hexadecimal or the URL alphabet."
	case Base64NotHex:
		return "The sender encodes the MAC in base64. It must be encoded in hexadecimal: digest('hex') in Node.js, hexdigest() in Python, " +
			"hex.EncodeToString in Go."
	case WrongSecret:
		return "The sender signs with another secret, or the body was altered in a way that is not recognised. Compare the secret " +
			"of the webhook with the one here, including white space and line ends around it; after a rotation give both secrets; " +
			"and verify the raw bytes of the request, before any parsing."
	case BodyChanged:
		return "The secret is right, but the bytes verified are not the bytes signed. Take the raw body of the request, before any " +
			"framework parses it, and verify that (in Express: express.raw; in Flask: request.get_data(); in Go: io.ReadAll(r.Body)). " +
			"Never sign or verify JSON that was decoded and encoded again."
	case StaleTimestamp:
		return "Either the clock of one side is wrong (check NTP on both), or the POST was delayed or recorded and sent again. " +
			"A redelivery is signed anew, so it does not come with an old timestamp."
	case MalformedTimestamp:
		return "The header webhook-timestamp must be a whole number of seconds since 1970-01-01 UTC, not milliseconds and not a date."
	case NoID:
		return "The header webhook-id is part of what is signed. Check that the sender sets it and that every proxy on the way passes it on."
	}
	return ""
}
