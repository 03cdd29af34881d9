package console

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// TestScheduleStaysInItsDrawing shows that every schedule within its bounds is drawn within the drawing, in the order of its tries.
func TestScheduleStaysInItsDrawing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := hook.Retry{
			Timeout:  hook.Duration(rapid.Int64Range(int64(hook.RetryTimeoutMin), int64(hook.RetryTimeoutMax)).Draw(t, "timeout")),
			Attempts: rapid.IntRange(0, hook.RetryAttemptsMax).Draw(t, "attempts"), Backoff: rapid.Float64Range(1, 10).Draw(t, "backoff"),
			Jitter: rapid.Float64Range(0, 0.5).Draw(t, "jitter"),
		}
		r.MaxTimeout = max(r.Timeout, hook.Duration(rapid.Int64Range(0, int64(hook.RetryTimeoutMax)).Draw(t, "most")))
		s := scheduleOf(r)
		place := func(text string) float64 {
			x, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		before := 0.0
		for _, one := range s.Tries {
			from, width, x := place(one.From), place(one.Width), place(one.X)
			if from < scheduleFrom-0.01 || from+width > scheduleTo+0.5 || x < before || x < from-0.02 || x > from+width+0.02 {
				t.Fatalf("%+v behind %v", one, before)
			}
			if before = x; one.WaitMin > one.Wait || one.Wait > one.WaitMax || one.WaitMax > time.Duration(r.MaxTimeout) {
				t.Fatalf("%+v", one)
			}
		}
		if len(s.Tries) != r.Attempts || len(s.Ticks) > scheduleTicksMax {
			t.Fatalf("%d tries, %d ticks", len(s.Tries), len(s.Ticks))
		}
	})
}

// TestTimesInWords names what a schedule says.
func TestTimesInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", 100 * time.Millisecond: "100 ms", 1500 * time.Millisecond: "1.5 s", time.Minute: "1 min", 65 * time.Second: "1 min 5 s", time.Hour: "1 h",
		25 * time.Hour: "1 day 1 h", 48 * time.Hour: "2 days", 24*time.Hour + 5*time.Minute: "1 day", 70*time.Hour + 33*time.Minute: "2 days 22 h",
	} {
		if got := lasts(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

// TestHealthChartFitsItsCoordinates shows that the bars of a chart are within it, that delays are where their axis has them, and what is said.
func TestHealthChartFitsItsCoordinates(t *testing.T) {
	steps := make([]hook.Activity, 3)
	steps[1].Failed, steps[1].Acknowledged = 2, 2
	steps[2].Failed, steps[2].Exhausted = 1, 1
	steps[1].Delays.Add(20 * time.Millisecond)
	steps[1].Delays.Add(900 * time.Millisecond)
	h := newHealthChart("day", "Last 24 hours", "24 h ago", steps)
	if b := h.Bars[1]; b.GoodHeight != "50.00" || b.BadY != "0.00" || b.BadHeight != "50.00" || h.Most != 4 {
		t.Errorf("%+v of at most %d", b, h.Most)
	}
	if h.Least != 10*time.Millisecond || h.Longest != time.Second && h.Longest != 10*time.Second {
		t.Errorf("the axis is from %v to %v", h.Least, h.Longest)
	}
	if len(h.Busy()) != 2 || h.Bars[0].P50Line != "" || h.Bars[1].P50Line == h.Bars[1].P99Line {
		t.Errorf("%+v", h.Bars)
	}
	if words := h.Words(); !strings.HasPrefix(words, "2 acknowledged, 3 failed attempts, 1 delivery exhausted. Half were acknowledged within ") {
		t.Errorf("it says %q", words)
	}
	if idle := newHealthChart("day", "", "", make([]hook.Activity, 2)); idle.Words() != "No attempts." || idle.Delayed() {
		t.Errorf("an idle one says %q", idle.Words())
	}
}

// TestConditionsAreRanked shows the state of a webhook in words, and which need somebody first.
func TestConditionsAreRanked(t *testing.T) {
	now := time.Now()
	open := hook.Circuit{Since: now, ProbeAt: now.Add(time.Minute)}
	current := hook.Secrets{Current: hook.NewSecret("0123456789abcdef")}
	for _, test := range []struct {
		word string
		rank int
		w    hook.Webhook
	}{
		{"circuit open", 0, hook.Webhook{Enabled: true, Circuit: open, Secrets: current}},
		{"disabled by the server", 1, hook.Webhook{Circuit: open, Disabled: hook.Disabled{At: now, For: hook.DisabledFailing}, Secrets: current}},
		{"locked", 2, hook.Webhook{Enabled: true}},
		{"disabled by hand", 3, hook.Webhook{Secrets: current}},
		{"enabled", 4, hook.Webhook{Enabled: true, Secrets: current}},
	} {
		if c := conditionOf(&test.w); c.Word != test.word || c.Rank != test.rank {
			t.Errorf("%s of rank %d, want %s of rank %d", c.Word, c.Rank, test.word, test.rank)
		}
	}
}
