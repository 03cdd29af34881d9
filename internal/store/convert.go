package store

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The marks in a statement of what engines with row locks do (see statement).
const (
	skipLocked = "{{skip locked}}"
	forUpdate  = "{{for update}}"
)

var tellMark = regexp.MustCompile(`\{\{tell (\w+)\}\}`)

// placeMark is what gives events their places where transactions do: the column, and its value (see statement).
var placeMark = regexp.MustCompile(`\{\{place(?: behind (\S+) (\S+))?\}\}`)

// placeholder matches $1, $2, … in a statement.
var placeholder = regexp.MustCompile(`\$[0-9]+`)

// mustSub returns a folder of an embedded file system; that the folder is there is settled when the program is built.
func mustSub(files fs.FS, dir string) fs.FS {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		panic(fmt.Sprintf("store: embedded folder %s: %v", dir, err))
	}
	return sub
}

// milli turns a time into what is stored; the zero time is 0.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fromMilli is the inverse of milli.
func fromMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// encodeJSON is for our own structures, which always encode.
func encodeJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", v, err)
	}
	return string(b), nil
}

// assignNumber gives a number to a pointer to one of Go's or the domain's types.
func assignNumber(dest any, v int64) bool {
	switch d := dest.(type) {
	case *int64:
		*d = v
	case *int:
		*d = int(v)
	case *bool:
		*d = v != 0
	case *hook.Serial:
		*d = hook.Serial(v)
	case *hook.WebhookNumber:
		*d = hook.WebhookNumber(v)
	case *hook.ContactCenterNumber:
		*d = hook.ContactCenterNumber(v)
	case *hook.State:
		*d = hook.State(v)
	case *hook.DeliveryState:
		*d = hook.DeliveryState(v)
	case *hook.ReplayState:
		*d = hook.ReplayState(v)
	case *hook.Failure:
		*d = hook.Failure(v)
	default:
		return false
	}
	return true
}
