package hook

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// UUID is a 128-bit identifier in the layout of RFC 9562. The zero value is the nil UUID and names nothing.
type UUID [16]byte

// ParseUUID reads the 36-character form of RFC 9562, section 4, in either case. No other form is accepted, so that one
// identifier has one spelling up to case.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return UUID{}, fmt.Errorf("%w: %q is not of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", ErrBadID, clip(s))
	}
	in := [...]string{s[0:8], s[9:13], s[14:18], s[19:23], s[24:36]}
	at := 0
	for _, part := range in {
		n, err := hex.Decode(u[at:], []byte(part))
		if err != nil {
			return UUID{}, fmt.Errorf("%w: %q holds a character that is not hexadecimal", ErrBadID, clip(s))
		}
		at += n
	}
	return u, nil
}

// V4 makes a random UUID (RFC 9562, section 5.4) from 16 random bytes.
func V4(random [16]byte) UUID {
	u := UUID(random)
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

// V7 makes a time-ordered UUID (RFC 9562, section 5.7) from a time, of which milliseconds are kept, and 10 random bytes.
func V7(at time.Time, random [10]byte) UUID {
	var u UUID
	putMilli(&u, at.UnixMilli())
	copy(u[6:], random[:])
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return u
}

// ReadV7 makes a time-ordered UUID with randomness that it reads.
func ReadV7(random io.Reader, at time.Time) (UUID, error) {
	var b [10]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return UUID{}, fmt.Errorf("read randomness: %w", err)
	}
	return V7(at, b), nil
}

func putMilli(u *UUID, milli int64) {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(milli))
	copy(u[:6], ms[2:])
}

// IsZero reports whether u is the nil UUID.
func (u UUID) IsZero() bool { return u == UUID{} }

// String returns the 36-character lower-case form.
func (u UUID) String() string {
	b, _ := u.AppendText(make([]byte, 0, 36)) // AppendText has no way to fail
	return string(b)
}

// AppendText appends the 36-character lower-case form to dst; the error is always nil.
func (u UUID) AppendText(dst []byte) ([]byte, error) {
	dst = hex.AppendEncode(dst, u[0:4])
	dst = hex.AppendEncode(append(dst, '-'), u[4:6])
	dst = hex.AppendEncode(append(dst, '-'), u[6:8])
	dst = hex.AppendEncode(append(dst, '-'), u[8:10])
	return hex.AppendEncode(append(dst, '-'), u[10:16]), nil
}

// MarshalText returns the 36-character lower-case form.
func (u UUID) MarshalText() ([]byte, error) { return u.AppendText(nil) }

// UnmarshalText reads the 36-character form; see [ParseUUID].
func (u *UUID) UnmarshalText(text []byte) error {
	parsed, err := ParseUUID(string(text))
	if err != nil {
		return err
	}
	*u = parsed
	return nil
}

// InteractionID names an interaction for everybody outside; a caller may choose it.
type InteractionID struct{ UUID }

// SessionID names a conversation that holds interactions one after another; a caller may choose it.
type SessionID struct{ UUID }

// WebhookID names a webhook.
type WebhookID struct{ UUID }

// OperationID names an event for ever, over all its deliveries and attempts; it is random (version 4), as the original's is.
type OperationID struct{ UUID }

// TraceID returns the 32 lower-case hexadecimal digits that X-B3-TraceId carries where the request that made the event carried no
// trace: one trace per event, so it is the operation id itself and needs no storing (specification, section 1).
func (o OperationID) TraceID() string { return hex.EncodeToString(o.UUID[:]) }

// SpanID returns the id of the span in which the operation's event was accepted: the lower half of the operation id, which is never
// zero because it holds the variant of the UUID (RFC 9562, section 4.1).
func (o OperationID) SpanID() [8]byte { return [8]byte(o.UUID[8:]) }

// serialEpochMilli is 2020-01-01T00:00:00Z in Unix milliseconds: serials count from there.
const serialEpochMilli = 1_577_836_800_000

// serialCounterBits is the part of a serial that tells records of one millisecond apart: a counter, and below it the slot of
// the node that made the record.
const serialCounterBits = 20

// serialSlotBits is the part that tells nodes apart which write to one database at the same time.
const serialSlotBits = 10

// SlotsMax is how many nodes can make serials for one database at the same time.
const SlotsMax = 1 << serialSlotBits

// Slot is a node's part of its serials, from 0 to [SlotsMax] - 1. Nodes that write to one database have different slots, so
// that no two of them ever make the same serial.
type Slot int16

// Serial is the internal key of a record: milliseconds since 2020 in the upper 43 bits, then a counter of 10 bits, then the
// slot of the node that made it in the lower 10. Keys of one process strictly grow, so that tables and indexes are appended
// to, and a range of time is a range of keys. The zero value names nothing.
type Serial int64

// SerialAt returns the smallest serial of the millisecond of at; it bounds a range of time in a query. A time before April
// 1741 or after September 2298, which a caller may well ask for, is beyond what a serial holds: it counts as the first or
// the last millisecond that is not.
func SerialAt(at time.Time) Serial {
	milli := at.UnixMilli() - serialEpochMilli
	return Serial(min(max(milli, math.MinInt64>>serialCounterBits), math.MaxInt64>>serialCounterBits) << serialCounterBits)
}

// NextSerial returns a serial of the slot that is larger than last and not before now: the smallest such one. It keeps
// growing when the clock steps back, and past 1,024 serials in a millisecond it goes on in the next one.
func NextSerial(last Serial, now time.Time, slot Slot) Serial {
	next := SerialAt(now) | Serial(slot)
	if next > last {
		return next
	}
	if next = last&^(SlotsMax-1) | Serial(slot); next > last {
		return next
	}
	return next + SlotsMax
}

// Time returns the millisecond in which the serial was made, in UTC.
func (s Serial) Time() time.Time {
	return time.UnixMilli(int64(s)>>serialCounterBits + serialEpochMilli).UTC()
}

// WebhookNumber is the internal key of a webhook: small, given in order, unique in a store and never used again.
type WebhookNumber int32

// DeliveryID names a delivery. It is made from the two keys that a delivery consists of, its event's serial and its
// webhook's number, in the layout of a version 7 UUID, so that it needs neither storing nor an index of its own.
type DeliveryID struct{ UUID }

// NewDeliveryID makes the id of the delivery of an event to a webhook.
func NewDeliveryID(event Serial, webhook WebhookNumber) DeliveryID {
	var u UUID
	putMilli(&u, event.Time().UnixMilli())
	counter := uint32(event) & (1<<serialCounterBits - 1)
	binary.BigEndian.PutUint16(u[6:], 0x7000|uint16(counter>>8))
	u[8] = 0x80
	u[9] = byte(counter)
	binary.BigEndian.PutUint32(u[10:], uint32(webhook))
	return DeliveryID{u}
}

// Keys returns the event's serial and the webhook's number that the id was made from; ok is false when it is not an id
// that [NewDeliveryID] made, and then it names no delivery.
func (d DeliveryID) Keys() (event Serial, webhook WebhookNumber, ok bool) {
	var ms [8]byte
	copy(ms[2:], d.UUID[:6])
	milli := int64(binary.BigEndian.Uint64(ms[:])) - serialEpochMilli
	counter := int64(binary.BigEndian.Uint16(d.UUID[6:])&0x0fff)<<8 | int64(d.UUID[9])
	event = Serial(milli<<serialCounterBits | counter)
	webhook = WebhookNumber(int32(binary.BigEndian.Uint32(d.UUID[10:])))
	// A time before serials began is negative, and one beyond what they hold overflows: it may come back as the same bits of
	// a negative one.
	return event, webhook, event >= 0 && NewDeliveryID(event, webhook) == d
}

// textClipMax bounds how much of a caller's text an error message repeats, in bytes.
const textClipMax = 64

// clip shortens a text for a message. What it returns is valid UTF-8 whatever was given, and never ends in half a character.
func clip(s string) string {
	if len(s) <= textClipMax {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ToValidUTF8(s[:textClipMax], "") + "…"
}
