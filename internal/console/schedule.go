package console

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// The drawing begins and ends at these shares of its width, in percent; before its beginning is the first try.
	scheduleFrom  = 10
	scheduleTo    = 97
	scheduleFirst = 2
	// scheduleTicksMax is how many times are written below the axis: so many fit on a phone.
	scheduleTicksMax = 6
)

// schedule is a webhook's retry schedule, to be drawn.
type schedule struct {
	Words string
	Tries []scheduledTry
	Ticks []scheduleTick
	// First is where the first try is drawn, in percent.
	First string
}

// scheduledTry is one redelivery: how long it is waited for, and how long after the first try it comes, at the earliest, in the middle and at
// the latest. It leaves out what the attempts themselves take.
type scheduledTry struct {
	Number                 int
	WaitMin, Wait, WaitMax time.Duration
	AtMin, At, AtMax       time.Duration
	// From and Width are the band of the jitter, and X is its middle, in percent.
	From, Width, X string
}

// scheduleTick is a time below the axis.
type scheduleTick struct{ X, Text string }

// scheduleOf lays out a schedule that is within its bounds.
func scheduleOf(r hook.Retry) *schedule {
	s := &schedule{First: percent(scheduleFirst)}
	var at, earliest, latest time.Duration
	for i := 1; i <= min(r.Attempts, hook.RetryAttemptsMax); i++ {
		t := scheduledTry{Number: i + 1, WaitMin: r.Wait(i, 0, 0), Wait: r.Wait(i, 0, 0.5), WaitMax: r.Wait(i, 0, 1)}
		earliest, at, latest = earliest+t.WaitMin, at+t.Wait, latest+t.WaitMax
		t.AtMin, t.At, t.AtMax = earliest, at, latest
		s.Tries = append(s.Tries, t)
	}
	if len(s.Tries) == 0 {
		s.Words = "1 attempt and no redelivery: a delivery that fails once is exhausted."
		return s
	}
	last := &s.Tries[len(s.Tries)-1]
	s.Words = fmt.Sprintf("%d attempts in %s; the first wait is %s, the last %s.", len(s.Tries)+1, lasts(at), lasts(s.Tries[0].Wait), lasts(last.Wait))
	s.draw(s.Tries[0].AtMin, last.AtMax)
	return s
}

// draw places the redeliveries on an axis of logarithms: the waits grow, and all shall be seen.
func (s *schedule) draw(least, most time.Duration) {
	low, high := math.Log(float64(max(least, time.Millisecond))), math.Log(float64(max(most, 2*least, 2*time.Millisecond)))
	place := func(d time.Duration) float64 {
		share := (math.Log(float64(max(d, time.Millisecond))) - low) / (high - low)
		return scheduleFrom + share*(scheduleTo-scheduleFrom)
	}
	for i := range s.Tries {
		t := &s.Tries[i]
		from, to := place(t.AtMin), place(t.AtMax)
		t.From, t.Width, t.X = percent(from), percent(max(to-from, 0.3)), percent(place(t.At))
	}
	var ticks []scheduleTick
	for _, d := range [...]time.Duration{
		100 * time.Millisecond, 300 * time.Millisecond, time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute,
		time.Hour, 3 * time.Hour, 12 * time.Hour, 24 * time.Hour, 3 * 24 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour, 30 * 24 * time.Hour, 100 * 24 * time.Hour,
	} {
		if d >= least && d <= most {
			ticks = append(ticks, scheduleTick{percent(place(d)), lasts(d)})
		}
	}
	step := (len(ticks) + scheduleTicksMax - 1) / scheduleTicksMax
	for i := len(ticks) - 1; i >= 0 && step > 0; i -= step {
		s.Ticks = append(s.Ticks, ticks[i])
	}
}

// percent writes a place in a drawing.
func percent(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) + "%" }

// lasts is a time in its two largest units.
func lasts(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	if d < time.Minute {
		return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
	}
	if d < time.Hour {
		d = d.Round(time.Second)
	} else {
		d = d.Round(time.Minute)
	}
	var parts []string
	for _, unit := range [...]struct {
		is        time.Duration
		one, many string
	}{{24 * time.Hour, "day", "days"}, {time.Hour, "h", "h"}, {time.Minute, "min", "min"}, {time.Second, "s", "s"}} {
		n := d / unit.is
		if n == 0 && len(parts) == 0 {
			continue
		}
		if d -= n * unit.is; n == 1 {
			parts = append(parts, "1 "+unit.one)
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf("%d %s", n, unit.many))
		} else {
			parts = append(parts, "")
		}
		if len(parts) == 2 {
			break
		}
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}
