package console_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/console"
)

// TestAxesHaveRoundValues: an axis of quantities begins at zero, ends at or above the highest value, and has equal steps that people count in.
func TestAxesHaveRoundValues(t *testing.T) {
	for _, c := range []struct {
		most float64
		want []float64
	}{
		{0, []float64{0, 1}},
		{1, []float64{0, .2, .4, .6, .8, 1}},
		{7, []float64{0, 2, 4, 6, 8}},
		{100, []float64{0, 20, 40, 60, 80, 100}},
		{101, []float64{0, 50, 100, 150}},
		{24_000, []float64{0, 5_000, 10_000, 15_000, 20_000, 25_000}},
	} {
		if diff := cmp.Diff(c.want, console.NiceTicks(c.most), cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })); diff != "" {
			t.Errorf("up to %v: %s", c.most, diff)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.Float64Range(1e-6, 1e12).Draw(t, "most")
		ticks := console.NiceTicks(most)
		if last := ticks[len(ticks)-1]; len(ticks) < 2 || len(ticks) > 6 || last < most || last > 2.6*most {
			t.Fatalf("an axis up to %v has the lines %v", most, ticks)
		}
	})
}

// TestChartsStayInTheirBounds: whatever the values are, no point is drawn outside of the drawing, every gap begins a new line, and the
// times of the grid are within the chart's.
func TestChartsStayInTheirBounds(t *testing.T) {
	begin := time.Date(2026, 11, 23, 4, 30, 7, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.Just(math.NaN()), rapid.Float64Range(0, 1e9))
		values := rapid.SliceOfN(value, 2, 40).Draw(t, "values")
		step := time.Duration(rapid.IntRange(1, 86_400).Draw(t, "step")) * time.Second
		at := make([]time.Time, len(values))
		for i := range at {
			at[i] = begin.Add(time.Duration(i) * step)
		}
		c := console.NewChart("Delay", rapid.SampledFrom([]string{"time", "per second"}).Draw(t, "unit"), at, "it", values)
		lines := 0
		for i, v := range values {
			if !math.IsNaN(v) && (i == 0 || math.IsNaN(values[i-1])) {
				lines++
			}
		}
		x, y, begun := console.PathPoints(c)
		if begun != lines {
			t.Fatalf("%d lines are drawn for %v", begun, values)
		}
		for i := range x {
			if x[i] < 0 || x[i] > 1000 || y[i] < 0 || y[i] > 150 {
				t.Fatalf("a point is drawn at %v %v", x[i], y[i])
			}
		}
		if n := console.TimeLabels(c); len(n) == 0 || len(n) > 7 {
			t.Fatalf("the times from %v in %d steps of %v are %v", at[0], len(at), step, n)
		}
	})
}

// TestChartsSayWhatTheyShow: who does not see a chart is told its ends and its highest values.
func TestChartsSayWhatTheyShow(t *testing.T) {
	at := []time.Time{time.Date(2026, 11, 23, 4, 30, 0, 0, time.UTC), time.Date(2026, 11, 23, 4, 30, 10, 0, time.UTC), time.Date(2026, 11, 23, 4, 30, 20, 0, time.UTC)}
	got := console.ChartWords(console.NewChart("Accepted", "per second", at, "accepted", []float64{1, 2500, 0.125}))
	want := "Accepted, per second, from 2026-11-23 04:30:00 to 2026-11-23 04:30:20 UTC. accepted: 0.125 at the end, at most 2,500, at 04:30:10."
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, c := range []struct{ got, want string }{
		{console.ChartWords(console.NewChart("Delay", "time", at, "half", []float64{.0015, .25, math.NaN()})), "half: 250 ms at the end, at most 250 ms"},
		{console.ChartWords(console.NewChart("Delay", "time", at, "half", []float64{math.NaN(), math.NaN(), math.NaN()})), "half: nothing."},
		{console.ChartWords(console.NewChart("Delay", "time", nil, "half", nil)), "Delay: nothing yet."},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("got %s\nwant %s", c.got, c.want)
		}
	}
}
