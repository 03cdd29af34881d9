package store

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The bounds of a page of a list, in rows.
const (
	// PageLimitDefault is how many rows a page has when nobody says.
	PageLimitDefault = 50
	// PageLimitMax is how many rows a page has at most.
	PageLimitMax = 200
)

// Page says which part of a list is wanted.
type Page struct {
	// Limit is how many rows at most; out of bounds it means the nearest bound, zero the default.
	Limit int
	// Cursor is the nextCursor of the page before, or empty for the first.
	Cursor string
}

func (p Page) limit() int {
	if p.Limit == 0 {
		return PageLimitDefault
	}
	return min(max(p.Limit, 1), PageLimitMax)
}

// position is where a page begins: after this key.
type position struct {
	serial  hook.Serial
	webhook hook.WebhookNumber
}

// positionBytes is the size of a cursor before it is encoded.
const positionBytes = 12

func (p position) cursor() string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, positionBytes), uint64(p.serial))
	b = binary.BigEndian.AppendUint32(b, uint32(p.webhook))
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor reads a cursor; an empty one is the given start.
func parseCursor(cursor string, start position) (position, error) {
	if cursor == "" {
		return start, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != positionBytes {
		return position{}, fmt.Errorf("%w: the cursor is not one that a list returned", hook.ErrBadID)
	}
	return position{hook.Serial(binary.BigEndian.Uint64(b)), hook.WebhookNumber(int32(binary.BigEndian.Uint32(b[8:])))}, nil
}

// listName is the list that a cursor belongs to.
type listName byte

const (
	deliveriesList   listName = 1
	interactionsList listName = 2
	webhooksList     listName = 3
	keysList         listName = 4
)

// cursorOf is a cursor that names its list.
func (p position) cursorOf(l listName) string {
	b := binary.BigEndian.AppendUint64([]byte{byte(l)}, uint64(p.serial))
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, uint32(p.webhook)))
}

// parseCursorOf reads a cursor of a list. Those that older versions gave name none.
func parseCursorOf(l listName, cursor string, start position) (position, error) {
	if b, err := base64.RawURLEncoding.DecodeString(cursor); err == nil && len(b) == 1+positionBytes {
		if b[0] != byte(l) {
			return position{}, fmt.Errorf("%w: the cursor is one of another list", hook.ErrBadID)
		}
		cursor = base64.RawURLEncoding.EncodeToString(b[1:])
	}
	return parseCursor(cursor, start)
}

// CursorTime returns the time at which a list goes on, newest first, with a cursor that it returned.
func CursorTime(cursor string) (time.Time, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != 1+positionBytes {
		return time.Time{}, fmt.Errorf("%w: the cursor is not one that a list returned", hook.ErrBadID)
	}
	return hook.Serial(binary.BigEndian.Uint64(b[1:])).Time(), nil
}

// newest is where a list that begins with the newest record starts.
func newest() position { return position{math.MaxInt64, math.MaxInt32} }

// keyCursor is the cursor behind a key.
func keyCursor(id hook.KeyID) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{byte(keysList)}, id.UUID[:]...))
}

// parseKeyCursor reads the cursor of a list of keys; an empty one is the start.
func parseKeyCursor(cursor string) (after hook.UUID, err error) {
	if cursor == "" {
		return hook.UUID(bytes.Repeat([]byte{0xff}, len(after))), nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != 1+len(after) || b[0] != byte(keysList) {
		return after, fmt.Errorf("%w: the cursor is not one that a list of keys returned", hook.ErrBadID)
	}
	return hook.UUID(b[1:]), nil
}
