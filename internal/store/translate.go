package store

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// skipLocked marks a statement that must pass over rows which another transaction holds.
const skipLocked = "{{skip locked}}"

// placeholder matches $1, $2, … in a statement.
var placeholder = regexp.MustCompile(`\$[0-9]+`)

// code returns SQLite's primary result code of an error, or -1.
func code(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return -1
	}
	return e.Code() & 0xff
}

// translate turns a driver's error into one that callers know, by its code.
func translate(err error) error {
	switch code(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PROTOCOL:
		return fmt.Errorf("%w: %w", hook.ErrUnavailable, err)
	default:
		return err
	}
}

// mustSub returns a folder of an embedded file system; that the folder is there is settled when the program is built.
func mustSub(files fs.FS, dir string) fs.FS {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		panic(fmt.Sprintf("store: embedded folder %s: %v", dir, err))
	}
	return sub
}

// scan gives the columns of a row to pointers.
func scan(dest []any, cols []driver.Value) error {
	if len(dest) != len(cols) {
		return fmt.Errorf("scan: %d columns for %d values", len(cols), len(dest))
	}
	for i, d := range dest {
		if !assign(d, cols[i]) {
			return fmt.Errorf("scan: column %d is a %T, which does not fit a %T", i+1, cols[i], d)
		}
	}
	return nil
}

func assign(dest, col any) bool {
	switch v := col.(type) {
	case int64:
		return assignInt(dest, v)
	case string:
		d, ok := dest.(*string)
		if ok {
			*d = v
		}
		return ok
	case []byte:
		return assignBytes(dest, v)
	case nil:
		return assignInt(dest, 0) || assignBytes(dest, nil)
	default:
		return false
	}
}

func assignInt(dest any, v int64) bool {
	switch d := dest.(type) {
	case *int64:
		*d = v
	case *int:
		*d = int(v)
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
	case *hook.Failure:
		*d = hook.Failure(v)
	case *bool:
		*d = v != 0
	default:
		return false
	}
	return true
}

func assignBytes(dest any, v []byte) bool {
	switch d := dest.(type) {
	case *[]byte:
		*d = append([]byte(nil), v...)
	case *hook.UUID:
		return len(v) == len(d) && copy(d[:], v) == len(d)
	default:
		return false
	}
	return true
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
