package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// histogramStepBits fixes the precision: a value is kept within 1 part in 2^histogramStepBits.
	histogramStepBits = 7
	histogramSteps    = 1 << histogramStepBits
	// histogramBuckets covers 0 to 2^40 ns, 18 minutes; what is longer counts as that.
	histogramBuckets = (40 - histogramStepBits + 1) * histogramSteps
)

// A histogram counts durations. Any number of goroutines may add at once.
type histogram struct {
	counts [histogramBuckets]atomic.Uint64
}

// bucketOf returns the bucket of a duration: exact up to histogramSteps nanoseconds, then histogramSteps to each doubling.
func bucketOf(nanos int64) int {
	v := uint64(max(nanos, 0))
	if v < histogramSteps {
		return int(v)
	}
	shift := bits.Len64(v) - histogramStepBits - 1
	return min((shift+1)<<histogramStepBits+int(v>>shift)-histogramSteps, histogramBuckets-1)
}

// bucketTop returns the largest duration of a bucket.
func bucketTop(bucket int) int64 {
	if bucket < histogramSteps {
		return int64(bucket)
	}
	shift := bucket>>histogramStepBits - 1
	return int64(bucket&(histogramSteps-1)+histogramSteps+1)<<shift - 1
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(int64(d))].Add(1)
}

func (h *histogram) clear() {
	for i := range h.counts {
		h.counts[i].Store(0)
	}
}

// percentiles returns for each fraction the smallest duration that at least that share of the values does not exceed.
// The fractions ascend. Without values every answer is zero.
func (h *histogram) percentiles(fractions ...float64) []time.Duration {
	var total uint64
	for i := range h.counts {
		total += h.counts[i].Load()
	}
	out := make([]time.Duration, len(fractions))
	if total == 0 {
		return out
	}
	var seen uint64
	next := 0
	for i := range h.counts {
		seen += h.counts[i].Load()
		for next < len(fractions) && float64(seen) >= fractions[next]*float64(total) && seen > 0 {
			out[next] = time.Duration(bucketTop(i))
			next++
		}
	}
	return out
}
