package main

import (
	"encoding/hex"
	"fmt"
	"math/bits"
)

// identBytes is the length of an interaction id as text.
const identBytes = 36

// An ident names one interaction of one trial. It travels as the interaction's id, so that the sink knows which request
// an arrival belongs to without parsing more than a few bytes.
type ident struct {
	trial    uint16
	sequence uint32
}

// An order says how the ids of a trial lie in an index.
type order string

const (
	// scattered ids are version 4 UUIDs whose leading bits jump about, as a caller's random ids do.
	scattered order = "v4"
	// ascending ids are version 7 UUIDs, which begin with the time (RFC 9562, section 5.7).
	ascending order = "v7"
)

// ascendingFrom is the time in the first ascending id, in milliseconds since 1970. A create and its stop must agree on the
// id, so its time comes from its place, 32 to the millisecond, and not from a clock.
const ascendingFrom = 1_767_225_600_000

// put writes the id's 36 characters to dst. The last 12 characters carry trial and sequence in either order.
func (id ident) put(dst []byte, o order) {
	var u [16]byte
	high := uint64(id.sequence+1) * 0x9E3779B97F4A7C15 // an odd factor: no two sequences share their leading bits
	for i := range 8 {
		u[i] = byte(high >> (56 - 8*i))
	}
	version := byte(0x40)
	if o == ascending {
		milli := ascendingFrom + uint64(id.trial)<<22 + uint64(id.sequence)>>5
		for i := range 6 {
			u[i] = byte(milli >> (40 - 8*i))
		}
		u[6], u[7], u[8] = 0, 0, 0
		version = 0x70
	} else {
		u[8] = bits.Reverse8(byte(id.sequence))
	}
	u[6] = u[6]&0x0f | version
	u[8] = u[8]&0x3f | 0x80
	u[9] = byte(id.sequence)
	u[10], u[11] = byte(id.trial>>8), byte(id.trial)
	u[12], u[13], u[14], u[15] = byte(id.sequence>>24), byte(id.sequence>>16), byte(id.sequence>>8), byte(id.sequence)
	putUUID(dst, u)
}

// putSession writes the id of the session that the interaction belongs to: another UUID, one per interaction.
func (id ident) putSession(dst []byte, o order) {
	ident{trial: ^id.trial, sequence: id.sequence}.put(dst, o)
}

func putUUID(dst []byte, u [16]byte) {
	at := 0
	for i, part := range [][]byte{u[0:4], u[4:6], u[6:8], u[8:10], u[10:16]} {
		if i > 0 {
			dst[at] = '-'
			at++
		}
		at += hex.Encode(dst[at:], part)
	}
}

// readIdent reads what put wrote.
func readIdent(text []byte) (ident, error) {
	if len(text) != identBytes {
		return ident{}, fmt.Errorf("id of %d bytes", len(text))
	}
	var n uint64
	for _, c := range text[24:] {
		digit, ok := hexDigit(c)
		if !ok {
			return ident{}, fmt.Errorf("id %q is not hexadecimal", text)
		}
		n = n<<4 | uint64(digit)
	}
	return ident{trial: uint16(n >> 32), sequence: uint32(n)}, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}
