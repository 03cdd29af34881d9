package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsHoldTheirValues(t *testing.T) {
	for _, v := range []int64{0, 1, 127, 128, 129, 255, 256, 257, 1_000, 123_456, 1_000_000, 999_999_999, 1<<40 - 1} {
		b := bucketOf(v)
		top := bucketTop(b)
		if top < v || float64(top-v) > float64(v)/histogramSteps {
			t.Errorf("%d is in bucket %d up to %d", v, b, top)
		}
		if b > 0 && bucketTop(b-1) >= v {
			t.Errorf("%d is in bucket %d, and fits the one before up to %d", v, b, bucketTop(b-1))
		}
	}
	for v, want := range map[int64]int{-5: 0, 1 << 40: histogramBuckets - 1, 1 << 62: histogramBuckets - 1} {
		if got := bucketOf(v); got != want {
			t.Errorf("%d is in bucket %d, want %d", v, got, want)
		}
	}
}

func TestPercentiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var values []int64
	for range 10_000 {
		v := int64(random.ExpFloat64() * 1e6)
		values = append(values, v)
		h.add(time.Duration(v))
	}
	slices.Sort(values)
	fractions := []float64{0.01, 0.5, 0.95, 0.99, 1}
	for i, got := range h.percentiles(fractions...) {
		want := values[int(fractions[i]*float64(len(values)))-1]
		if int64(got) < want || float64(int64(got)-want) > float64(want)/histogramSteps+1 {
			t.Errorf("p%v = %d, want %d", 100*fractions[i], got, want)
		}
	}
	h.clear()
	for _, got := range h.percentiles(fractions...) {
		if got != 0 {
			t.Errorf("after clear: %v", got)
		}
	}
}
