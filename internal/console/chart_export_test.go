package console

import (
	"fmt"
	"strings"
	"time"
)

// NiceTicks returns the lines of an axis.
func NiceTicks(most float64) []float64 { return niceTicks(most) }

// Chart is a chart.
type Chart = chart

// NewChart draws a chart with one line.
func NewChart(title, unit string, at []time.Time, name string, values []float64) Chart {
	return newChart(title, unit, at, series{Name: name, Values: values})
}

// ChartWords says what a chart shows.
func ChartWords(c Chart) string { return c.Words }

// TimeLabels returns what stands along the axis of the time.
func TimeLabels(c Chart) (list []string) {
	for _, t := range c.Across {
		list = append(list, t.Text)
	}
	return list
}

// PathPoints returns the points of a chart's first line, and how often the line begins.
func PathPoints(c Chart) (x, y []float64, begun int) {
	text := strings.ReplaceAll(c.Lines[0].Path, "h0", "")
	begun = strings.Count(text, "M")
	for _, p := range strings.FieldsFunc(text, func(r rune) bool { return r == 'M' || r == 'L' }) {
		var a, b float64
		if _, err := fmt.Sscanf(p, "%g %g", &a, &b); err != nil {
			panic(err)
		}
		x, y = append(x, a), append(y, b)
	}
	return x, y, begun
}
