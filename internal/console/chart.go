package console

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Charts are drawings made here: nothing is computed in the browser. The lines are in a drawing that is stretched to the width that there
// is, and the labels beside it are not, so that they can be read on a phone. All positions are from the left and from the top.

const (
	// chartWidth and chartHeight are the size of the stretched drawing in its own units; a unit of height is a pixel.
	chartWidth  = 1000
	chartHeight = 150
	// chartTop is how much room is left above it, so that the label of the highest line of the grid is not cut.
	chartTop = 8
	// chartTicks is how many steps an axis has at most.
	chartTicks = 5
	// chartEdge is how near to an edge, in hundredths, a label of the time is drawn beside its line and not across it.
	chartEdge = 6
	// delayUnit is the unit of charts whose values are times in seconds. Their axis is logarithmic.
	delayUnit = "time"
)

// series is one line of a chart.
type series struct {
	Name string
	// Class is the colour: a, b or c; empty takes them in their order.
	Class string
	// Values has one for each time of the chart; NaN is one that is not known, and a gap in the line.
	Values []float64
}

// chart is a drawing of what changes with the time, for the template "chart".
type chart struct {
	Title, Unit string
	// Words says what is seen.
	Words string
	// ID names the chart within its page.
	ID    string
	Lines []chartLine
	// Down and Across are the lines of the grid with their labels: Down are values, Across are times.
	Down, Across []chartTick
	Rows         []chartRow
}

// chartLine is a line as it is drawn, and its entry in the key.
type chartLine struct {
	Name string
	// Class is the colour.
	Class string
	// Path is the line in the stretched drawing (SVG 2, "Path data").
	Path string
	// Last is the newest value that is known.
	Last string
}

// chartTick is a line of the grid.
type chartTick struct {
	// At is where it is: in pixels for values, in hundredths of the width for times.
	At string
	// Anchor is where the label's text begins, as the attribute text-anchor has it.
	Anchor, Text string
}

// chartRow is what a chart shows of one time, in words.
type chartRow struct {
	At     time.Time
	Values []string
}

// newChart draws lines over times, which are in order. unit is what the values are, "per second" or so, or delayUnit for times in seconds.
func newChart(title, unit string, at []time.Time, lines ...series) chart {
	c := chart{Title: title, Unit: unit, ID: "chart-" + slug(title)}
	show, axis := newAxis(unit, lines)
	for _, v := range axis.ticks {
		c.Down = append(c.Down, chartTick{At: short(chartTop + axis.place(v)), Text: show(v)})
	}
	if len(at) > 0 {
		c.Across = timeTicks(at[0], at[len(at)-1])
	}
	for i, l := range lines {
		c.Lines = append(c.Lines, chartLine{Name: l.Name, Class: cmp.Or(l.Class, string(rune('a'+i))), Path: pathOf(at, l.Values, axis.place), Last: lastOf(l.Values, show)})
	}
	for i := len(at) - 1; i >= 0; i-- {
		row := chartRow{At: at[i]}
		for _, l := range lines {
			row.Values = append(row.Values, known(l.Values[i], show))
		}
		c.Rows = append(c.Rows, row)
	}
	c.Words = words(title, unit, at, lines, show)
	return c
}

// Height is that of the drawing with its labels, in pixels.
func (chart) Height() int { return chartTop + chartHeight + 20 }

// Bottom is where the lowest line of the grid is.
func (chart) Bottom() int { return chartTop + chartHeight }

// LabelsAt is where the text of the times stands.
func (chart) LabelsAt() int { return chartTop + chartHeight + 16 }

// Top is where the stretched drawing begins.
func (chart) Top() int { return chartTop }

// PlotHeight is how high the stretched drawing is.
func (chart) PlotHeight() int { return chartHeight }

// Box is the size of the stretched drawing in its own units.
func (chart) Box() string { return fmt.Sprintf("0 0 %d %d", chartWidth, chartHeight) }

// axis places values from the top of the drawing.
type axis struct {
	ticks []float64
	place func(float64) float64
}

// newAxis returns how values are written, and where they are drawn.
func newAxis(unit string, lines []series) (show func(float64) string, a axis) {
	low, high := math.Inf(1), 0.0
	for _, l := range lines {
		for _, v := range l.Values {
			if !math.IsNaN(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if unit == delayUnit {
		return func(v float64) string {
			return strings.Replace(took(time.Duration(v*float64(time.Second))), ".00 ", " ", 1)
		}, delayAxis(low, high)
	}
	ticks := niceTicks(high)
	top := ticks[len(ticks)-1]
	return quantity, axis{ticks, func(v float64) float64 { return chartHeight * (1 - min(max(v/top, 0), 1)) }}
}

// niceTicks returns the values from zero on at which an axis has a line, at equal steps that people count in: the last one is not less
// than most.
func niceTicks(most float64) []float64 {
	if most <= 0 {
		return []float64{0, 1}
	}
	power := math.Pow(10, math.Floor(math.Log10(most/chartTicks)))
	step := power
	for _, f := range [...]float64{1, 2, 5, 10, 20} {
		if step = f * power; step*chartTicks >= most {
			break
		}
	}
	ticks := []float64{0}
	for i := 1; ticks[len(ticks)-1] < most && i <= chartTicks; i++ {
		ticks = append(ticks, float64(i)*step)
	}
	return ticks
}

// delayTicks are the times at which a logarithmic axis has a line, in seconds.
func delayTicks() []float64 {
	const minute, hour = 60, 3600
	return []float64{.0001, .001, .01, .1, 1, 10, minute, 10 * minute, hour, 10 * hour, 100 * hour}
}

// delayAxis is logarithmic, from the tick below the least value to the one above the highest.
func delayAxis(low, high float64) axis {
	if high <= 0 {
		low, high = .001, .1
	}
	all := delayTicks()
	first, last := 0, len(all)-1
	for first < len(all)-2 && all[first+1] <= low {
		first++
	}
	for last > first+1 && all[last-1] >= high {
		last--
	}
	ticks := all[first : last+1]
	from, to := math.Log(ticks[0]), math.Log(ticks[len(ticks)-1])
	return axis{ticks, func(v float64) float64 {
		return chartHeight * (1 - min(max((math.Log(max(v, ticks[0]))-from)/(to-from), 0), 1))
	}}
}

// timeTicks returns the lines of the grid for times: at round ones, as many as there is room for on a phone.
func timeTicks(from, to time.Time) (list []chartTick) {
	span := to.Sub(from)
	if span <= 0 {
		return nil
	}
	step := 7 * 24 * time.Hour
	for _, s := range [...]time.Duration{
		time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute,
		30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour,
	} {
		if span <= chartTicks*s {
			step = s
			break
		}
	}
	layout := "15:04"
	switch {
	case step < time.Minute:
		layout = "15:04:05"
	case step >= 24*time.Hour:
		layout = "Jan 2"
	}
	for at := from.UTC().Truncate(step); !at.After(to); at = at.Add(step) {
		if at.Before(from) {
			continue
		}
		place, anchor := 100*float64(at.Sub(from))/float64(span), "middle"
		switch {
		case place < chartEdge:
			anchor = "start"
		case place > 100-chartEdge:
			anchor = "end"
		}
		list = append(list, chartTick{short(place) + "%", anchor, at.Format(layout)})
	}
	return list
}

// pathOf draws a line through the values that are known. One that stands alone is a dot: a line of no length, with round ends.
func pathOf(at []time.Time, values []float64, place func(float64) float64) string {
	var b strings.Builder
	drawn := false
	for i, v := range values {
		if math.IsNaN(v) {
			drawn = false
			continue
		}
		x := 0.0
		if span := at[len(at)-1].Sub(at[0]); span > 0 {
			x = chartWidth * float64(at[i].Sub(at[0])) / float64(span)
		}
		if drawn {
			b.WriteString("L" + short(x) + " " + short(place(v)))
			continue
		}
		b.WriteString("M" + short(x) + " " + short(place(v)))
		if drawn = true; i+1 == len(values) || math.IsNaN(values[i+1]) {
			b.WriteString("h0")
		}
	}
	return b.String()
}

// words says what a chart shows to those who do not see it.
func words(title, unit string, at []time.Time, lines []series, show func(float64) string) string {
	if unit == delayUnit {
		unit = ""
	} else {
		unit = ", " + unit
	}
	if len(at) == 0 {
		return title + unit + ": nothing yet."
	}
	text := fmt.Sprintf("%s%s, from %s to %s UTC.", title, unit, clock(at[0]), clock(at[len(at)-1]))
	for _, l := range lines {
		most := -1
		for i, v := range l.Values {
			if !math.IsNaN(v) && (most < 0 || v > l.Values[most]) {
				most = i
			}
		}
		if most < 0 {
			text += " " + l.Name + ": nothing."
			continue
		}
		text += fmt.Sprintf(" %s: %s at the end, at most %s, at %s.", l.Name, lastOf(l.Values, show), show(l.Values[most]), at[most].UTC().Format("15:04:05"))
	}
	return text
}

// lastOf writes the last value that is known.
func lastOf(values []float64, show func(float64) string) string {
	for i := len(values) - 1; i >= 0; i-- {
		if !math.IsNaN(values[i]) {
			return show(values[i])
		}
	}
	return known(math.NaN(), show)
}

// known writes a value, or that there is none.
func known(v float64, show func(float64) string) string {
	if math.IsNaN(v) {
		return "–"
	}
	return show(v)
}

// quantity writes a number to three digits, or whole where it is larger.
func quantity(v float64) string {
	switch {
	case v >= 100 || v == math.Trunc(v):
		return count(int64(math.Round(v)))
	case v >= 10:
		return trim(strconv.FormatFloat(v, 'f', 1, 64))
	case v >= 1:
		return trim(strconv.FormatFloat(v, 'f', 2, 64))
	default:
		return trim(strconv.FormatFloat(v, 'f', 3, 64))
	}
}

// trim takes the zeros from the end of a decimal fraction.
func trim(text string) string { return strings.TrimRight(strings.TrimRight(text, "0"), ".") }

// short writes a place to a tenth.
func short(v float64) string {
	if text := trim(strconv.FormatFloat(v, 'f', 1, 64)); text != "" && text != "-" && text != "-0" {
		return text
	}
	return "0"
}

// slug makes a name for an element of a title.
func slug(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		default:
			return '-'
		}
	}, strings.ToLower(title))
}
