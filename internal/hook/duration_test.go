package hook_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

func TestDurationText(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "1ns": 1, "500ms": 500 * time.Millisecond, "1.5s": 1_500 * time.Millisecond, "10s": 10 * time.Second,
		"1m": time.Minute, "10m": 10 * time.Minute, "1m30s": 90 * time.Second, "1h": time.Hour, "6h": 6 * time.Hour,
		"20h": 20 * time.Hour, "24h": 24 * time.Hour, "1h30m": 90 * time.Minute, "1h0m30s": time.Hour + 30*time.Second,
		"1h10m": 70 * time.Minute, "10h10m10s": 10*time.Hour + 10*time.Minute + 10*time.Second, "-1h": -time.Hour,
	} {
		if got := hook.Duration(d).String(); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

func TestDurationRoundTrip(t *testing.T) {
	check := func(t rapid.TB, d hook.Duration) {
		t.Helper()
		text, err := d.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back hook.Duration
		if err := back.UnmarshalText(text); err != nil || back != d {
			t.Fatalf("%d is written %q and read as %d, %v", d, text, back, err)
		}
		if long := time.Duration(d).String(); len(text) > len(long) {
			t.Fatalf("%q is longer than %q", text, long)
		}
	}
	check(t, math.MaxInt64)
	check(t, math.MinInt64)
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]time.Duration{1, time.Millisecond, time.Second, time.Minute, time.Hour}).Draw(t, "unit")
		check(t, hook.Duration(unit*time.Duration(rapid.Int64Range(-10_000, 10_000).Draw(t, "count"))))
	})
}

func TestDurationAsJSON(t *testing.T) {
	var got struct{ D hook.Duration }
	if err := json.Unmarshal([]byte(`{"D":"1h30m"}`), &got); err != nil || got.D != hook.Duration(90*time.Minute) {
		t.Errorf("got %v, %v", got.D, err)
	}
	if text, err := json.Marshal(got); err != nil || string(text) != `{"D":"1h30m"}` {
		t.Errorf("got %s, %v", text, err)
	}
	for _, bad := range []string{`"10"`, `""`, `"ten seconds"`, `"10 s"`, `"1d"`, `10`, `true`, `"9999999h"`} {
		kept := got
		if err := json.Unmarshal([]byte(`{"D":`+bad+`}`), &kept); err == nil || kept != got {
			t.Errorf("%s: got %v, %v", bad, kept.D, err)
		}
	}
	d := new(hook.Duration)
	err := d.UnmarshalText([]byte("soon"))
	if want := `"soon" is not a duration such as 500ms, 10s or 6h`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
