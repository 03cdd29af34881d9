package egress

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name, value string
		want        time.Duration
	}{
		{"absent", "", 0},
		{"seconds", "120", 2 * time.Minute},
		{"zero", "0", 0},
		{"leading zeros", "007", 7 * time.Second},
		{"blanks around", " 5\t", 5 * time.Second},
		{"the limit", "86400", 24 * time.Hour},
		{"over the limit", "86401", 24 * time.Hour},
		{"more than 64 bits", "99999999999999999999999", 24 * time.Hour},
		{"negative", "-5", 0},
		{"plus", "+5", 0},
		{"fraction", "1.5", 0},
		{"unit", "5s", 0},
		{"hex", "0x10", 0},
		{"digits that are not ASCII", "٣", 0},
		{"words", "soon", 0},
		{"IMF-fixdate", "Sun, 01 Mar 2026 12:01:30 GMT", 90 * time.Second},
		{"RFC 850", "Sunday, 01-Mar-26 12:01:30 GMT", 90 * time.Second},
		{"asctime", "Sun Mar  1 12:01:30 2026", 90 * time.Second},
		{"the past", "Sun, 01 Mar 2026 11:59:59 GMT", 0},
		{"next year", "Mon, 01 Mar 2027 12:00:00 GMT", 24 * time.Hour},
		{"year 9999", "Fri, 31 Dec 9999 23:59:59 GMT", 24 * time.Hour},
		{"year 1", "Mon, 01 Jan 0001 00:00:00 GMT", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := retryAfter(test.value, now); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "120", "-1", "1e9", "18446744073709551616", "Sun, 01 Mar 2026 12:01:30 GMT", "Sunday, 01-Mar-26 12:01:30 GMT"} {
		f.Add(seed, int64(1_772_366_400))
	}
	f.Fuzz(func(t *testing.T, value string, unix int64) {
		now := time.Unix(unix, 0)
		got := retryAfter(value, now)
		if got < 0 || got > retryAfterMax {
			t.Errorf("%q: %s is out of bounds", value, got)
		}
		at, err := http.ParseTime(value)
		if err == nil && !at.After(now) && got != 0 {
			t.Errorf("%q: waits %s for the past", value, got)
		}
	})
}
