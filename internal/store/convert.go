package store

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"time"
)

// skipLocked marks a statement that must pass over rows which another transaction holds.
const skipLocked = "{{skip locked}}"

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
