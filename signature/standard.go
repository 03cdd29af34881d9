package signature

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ToleranceDefault is how far a timestamp may be from now, in either direction. It is that of the Standard Webhooks
// libraries.
const ToleranceDefault = 5 * time.Minute

// timestampDigitsMax keeps a timestamp far from what time.Time cannot hold: twelve digits reach beyond the year 30,000.
const timestampDigitsMax = 12

// VerifyStandard checks the Standard Webhooks signature that header carries over its id, its timestamp and body. One
// of the v1 signatures in StandardHeader must be right; those of other versions are ignored. The timestamp may be up
// to tolerance away from now; a tolerance of zero or less means ToleranceDefault. The error is an *Error.
func VerifyStandard(header http.Header, body []byte, secrets [][]byte, now time.Time, tolerance time.Duration) error {
	return NewVerifier(secrets...).VerifyStandard(header, body, now, tolerance)
}

// VerifyStandard is the function VerifyStandard.
func (v *Verifier) VerifyStandard(header http.Header, body []byte, now time.Time, tolerance time.Duration) error {
	return v.standard(header, body, now, tolerance, true)
}

// CheckStandard is VerifyStandard without the search for a changed body or secret, as Check is for Verify.
func (v *Verifier) CheckStandard(header http.Header, body []byte, now time.Time, tolerance time.Duration) error {
	return v.standard(header, body, now, tolerance, false)
}

func (v *Verifier) standard(header http.Header, body []byte, now time.Time, tolerance time.Duration, search bool) error {
	if len(v.signers) == 0 {
		return noSecret()
	}
	if tolerance <= 0 {
		tolerance = ToleranceDefault
	}
	values := strings.Fields(strings.Join(header.Values(StandardHeader), " "))
	if len(values) == 0 {
		return &Error{NoHeader, StandardHeader + " is missing or empty"}
	}
	id, timestamp := header.Get(IDHeader), header.Get(TimestampHeader)
	if id == "" {
		return &Error{NoID, IDHeader + " is missing or empty"}
	}
	if err := checkTimestamp(timestamp, now, tolerance); err != nil {
		return err
	}
	macs, malformed := parseStandard(values)
	if len(macs) == 0 {
		return malformed
	}
	// Exactly the text of the header is signed, not what it means: "007" is not "7".
	head := []byte(id + "." + timestamp + ".")
	if v.match(schemeStandard, head, body, macs) {
		return nil
	}
	return v.mismatch(attempt{name: StandardHeader, scheme: schemeStandard, head: head, body: body, macs: macs}, search)
}

// parseStandard gives the well-formed v1 signatures, or the reason why there is none.
func parseStandard(values []string) ([][]byte, *Error) {
	var macs [][]byte
	var malformed *Error
	for _, value := range values[:min(len(values), SignaturesMax)] {
		encoded, ok := strings.CutPrefix(value, prefixStandard)
		if !ok {
			continue
		}
		mac, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err == nil && len(mac) == schemeStandard.size() {
			macs = append(macs, mac)
			continue
		}
		if malformed == nil {
			malformed = &Error{MalformedBase64, malformedBase64(encoded)}
		}
	}
	if malformed == nil {
		malformed = &Error{UnknownAlgorithm, fmt.Sprintf("%s has no signature of version v1: its value begins with %s", StandardHeader, shorten(values[0]))}
	}
	return macs, malformed
}

func malformedBase64(encoded string) string {
	if isHex(encoded) && len(encoded) == 2*schemeStandard.size() {
		return StandardHeader + " holds its v1 signature in hexadecimal, not in base64"
	}
	if _, ok := fromBase64(encoded, schemeStandard.size()); ok {
		return StandardHeader + " holds its v1 signature in base64 without padding, with padding bits set or in the URL alphabet"
	}
	return fmt.Sprintf("%s holds a v1 signature that is not the base64 of 32 bytes: %s", StandardHeader, shorten(encoded))
}

// checkTimestamp returns an error, not an *Error, so that no nil pointer becomes an error that is not nil.
func checkTimestamp(timestamp string, now time.Time, tolerance time.Duration) error {
	if timestamp == "" {
		return &Error{MalformedTimestamp, TimestampHeader + " is missing or empty"}
	}
	if strings.Trim(timestamp, "0123456789") != "" {
		return &Error{MalformedTimestamp, fmt.Sprintf("%s is not a whole number of seconds: %s", TimestampHeader, shorten(timestamp))}
	}
	if len(timestamp) > timestampDigitsMax {
		return &Error{MalformedTimestamp, fmt.Sprintf("%s has %d digits, as many as milliseconds or finer: %s",
			TimestampHeader, len(timestamp), shorten(timestamp))}
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return &Error{MalformedTimestamp, fmt.Sprintf("%s is not a whole number of seconds: %s", TimestampHeader, shorten(timestamp))}
	}
	at := time.Unix(seconds, 0)
	// Two subtractions, not one and its negative: a difference too large for a Duration saturates, and the negative of
	// the least Duration is itself.
	switch age, ahead := now.Sub(at), at.Sub(now); {
	case age > tolerance:
		return &Error{StaleTimestamp, fmt.Sprintf("%s is %v old, and %v are tolerated", TimestampHeader, age.Round(time.Second), tolerance)}
	case ahead > tolerance:
		return &Error{StaleTimestamp, fmt.Sprintf("%s is %v in the future, and %v are tolerated", TimestampHeader, ahead.Round(time.Second), tolerance)}
	}
	return nil
}
