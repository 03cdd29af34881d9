package main

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"one", []float64{3}, 3},
		{"odd", []float64{9, 1, 5}, 5},
		{"even", []float64{4, 1, 2, 9}, 3},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("none: %v, want NaN", got)
	}
	values := []float64{2, 1}
	if median(values); values[0] != 2 {
		t.Error("the values were sorted in place")
	}
}

func TestSpread(t *testing.T) {
	if got := spread([]float64{90, 100, 120}); got != 0.3 {
		t.Errorf("%v, want 0.3", got)
	}
	if got := spread([]float64{7}); got != 0 {
		t.Errorf("%v, want 0", got)
	}
}

func TestRatiosGoRoundByRound(t *testing.T) {
	got := ratios([]float64{10, 5, 8}, []float64{20, 10})
	if d := cmp.Diff([]float64{0.5, 0.5}, got); d != "" {
		t.Error(d)
	}
}

func TestParseMemory(t *testing.T) {
	const status = "Name:\ta\nVmHWM:\t   2048 kB\nVmRSS:\t    1024 kB\n"
	for name, want := range map[string]int64{"VmRSS": 1 << 20, "VmHWM": 2 << 20, "VmSwap": 0} {
		if got := parseMemory(status, name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

func TestMilliseconds(t *testing.T) {
	for nanos, want := range map[time.Duration]string{0: "0.00 ms", 123_456: "0.12 ms", 4_567_890: "4.57 ms", 45_678_900: "45.7 ms", 456_789_000: "457 ms", 4_567_890_000: "4568 ms"} {
		if got := milliseconds(nanos); got != want {
			t.Errorf("%v: %s, want %s", nanos, got, want)
		}
	}
}
