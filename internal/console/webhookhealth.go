package console

import (
	"fmt"
	"math"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// healthDay is the step of the chart of a day, and healthDaySteps how many there are; healthWeek is that of a week.
	healthDay      = 30 * time.Minute
	healthDaySteps = 48
	healthWeek     = 4 * time.Hour
	// healthWeekSteps is how many steps there are: a week.
	healthWeekSteps = 42
	// healthHeight is that of a chart's coordinates.
	healthHeight = 100.0
	// healthBar is how wide a bar is; one step is 1.
	healthBar = 0.8
	// healthLeast and healthMost bound the axis of the delays.
	healthLeast = time.Millisecond
	healthMost  = 48 * time.Hour
)

// healthChart is how a webhook fared, in steps.
type healthChart struct {
	// ID names it in the page; Ago is how long ago it begins.
	ID, Title, Ago string
	Total          hook.Activity
	Bars           []healthBarOf
	// Most is how many attempts the highest bar stands for; Least and Longest are the bounds of the axis of the delays.
	Most           int64
	Least, Longest time.Duration
}

// healthBarOf is one step of a chart.
type healthBarOf struct {
	hook.Activity
	// X is where its bars begin; the heights begin at the bottom.
	X, GoodY, GoodHeight, BadY, BadHeight string
	// P50Line and P99Line are paths, or empty where nothing was acknowledged.
	P50Line, P99Line string
}

// healthOf reads how a webhook fared in the last week.
func (s *Server) healthOf(c *call, w *hook.Webhook) ([]healthChart, error) {
	from := c.now.Truncate(healthWeek).Add(-(healthWeekSteps - 1) * healthWeek)
	steps, err := s.options.Store.Activity(c.ctx(), c.center.Number, w.Number, from, c.now, healthDay)
	if err != nil {
		return nil, err
	}
	var weeks []hook.Activity
	for i := range steps {
		if i%int(healthWeek/healthDay) == 0 {
			weeks = append(weeks, hook.Activity{At: steps[i].At})
		}
		weeks[len(weeks)-1].Merge(&steps[i])
	}
	return []healthChart{
		newHealthChart("day", "Last 24 hours", "24 h ago", steps[max(len(steps)-healthDaySteps, 0):]), newHealthChart("week", "Last 7 days", "7 days ago", weeks),
	}, nil
}

// newHealthChart lays out a chart.
func newHealthChart(id, title, ago string, steps []hook.Activity) healthChart {
	h := healthChart{ID: id, Title: title, Ago: ago, Least: healthMost, Longest: healthLeast}
	for i := range steps {
		a := &steps[i]
		h.Total.Merge(a)
		h.Most = max(h.Most, a.Acknowledged+a.Failed)
		if a.Delays.Count() > 0 {
			h.Least, h.Longest = min(h.Least, a.Delays.Quantile(0.50)), max(h.Longest, a.Delays.Quantile(0.99))
		}
	}
	h.Least, h.Longest = tenfold(h.Least, math.Floor), tenfold(max(h.Longest, 2*h.Least), math.Ceil)
	for i := range steps {
		h.Bars = append(h.Bars, h.bar(i, &steps[i]))
	}
	return h
}

// tenfold rounds a delay to a power of ten of milliseconds.
func tenfold(d time.Duration, round func(float64) float64) time.Duration {
	d = min(max(d, healthLeast), healthMost)
	return time.Duration(math.Pow(10, round(math.Log10(float64(d)/float64(time.Millisecond))))) * time.Millisecond
}

func (h *healthChart) bar(i int, a *hook.Activity) healthBarOf {
	scale := healthHeight / float64(max(h.Most, 1))
	good, bad := float64(a.Acknowledged)*scale, float64(a.Failed)*scale
	x := float64(i) + (1-healthBar)/2
	b := healthBarOf{
		Activity: *a, X: coordinate(x), GoodY: coordinate(healthHeight - good), GoodHeight: coordinate(good),
		BadY: coordinate(healthHeight - good - bad), BadHeight: coordinate(bad),
	}
	if a.Delays.Count() > 0 {
		b.P50Line, b.P99Line = h.line(x, a.Delays.Quantile(0.50)), h.line(x, a.Delays.Quantile(0.99))
	}
	return b
}

// line is a mark at a delay, on an axis of logarithms.
func (h *healthChart) line(x float64, d time.Duration) string {
	low, high := math.Log(float64(h.Least)), math.Log(float64(h.Longest))
	share := (math.Log(float64(max(d, h.Least))) - low) / (high - low)
	return fmt.Sprintf("M%.2f %.2fh%.2f", x, healthHeight*(1-min(share, 1)), healthBar)
}

// coordinate writes a place in a drawing.
func coordinate(x float64) string { return fmt.Sprintf("%.2f", x) }

// Steps is how many there are: the width of the chart's coordinates.
func (h healthChart) Steps() int { return len(h.Bars) }

// Words say what the chart shows.
func (h healthChart) Words() string {
	t := &h.Total
	if t.Acknowledged+t.Failed == 0 {
		return "No attempts."
	}
	words := fmt.Sprintf("%s acknowledged, %s, %s exhausted.", count(t.Acknowledged), nounOf(t.Failed, "failed attempt", "failed attempts"), nounOf(t.Exhausted, "delivery", "deliveries"))
	if t.Delays.Count() > 0 {
		words += fmt.Sprintf(" Half were acknowledged within %s of their event, 99 of 100 within %s.", took(t.Delays.Quantile(0.50)), took(t.Delays.Quantile(0.99)))
	}
	return words
}

// Busy are the steps in which something was attempted.
func (h healthChart) Busy() (list []healthBarOf) {
	for _, b := range h.Bars {
		if b.Acknowledged+b.Failed > 0 {
			list = append(list, b)
		}
	}
	return list
}

// Delayed reports whether there are delays to be shown.
func (h healthChart) Delayed() bool { return h.Total.Delays.Count() > 0 }

// P50 is the time within which half of the step's deliveries were acknowledged.
func (b healthBarOf) P50() time.Duration { return b.Delays.Quantile(0.50) }

// P99 is the time within which 99 of 100 were.
func (b healthBarOf) P99() time.Duration { return b.Delays.Quantile(0.99) }
