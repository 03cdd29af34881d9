package main

import (
	"math"
	"slices"
)

// median returns the middle of the values, the mean of the two middle ones where their number is even, and NaN for none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// spread returns how far the values lie apart: (largest - smallest) / median, zero for fewer than two.
func spread(values []float64) float64 {
	if len(values) < 2 {
		return 0
	}
	return (slices.Max(values) - slices.Min(values)) / median(values)
}

// medianOf returns the median of one number of each item.
func medianOf[T any](items []T, number func(T) float64) float64 {
	values := make([]float64, len(items))
	for i, item := range items {
		values[i] = number(item)
	}
	return median(values)
}

// ratios divides the rounds of one series by the same rounds of another: rounds lie next to each other in time, so that a
// machine that is slow for a while is slow for both.
func ratios(over, under []float64) []float64 {
	out := make([]float64, min(len(over), len(under)))
	for i := range out {
		out[i] = over[i] / under[i]
	}
	return out
}
