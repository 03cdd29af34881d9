package hook

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

const (
	// delaysFirst is the upper bound of the shortest delays that are told apart.
	delaysFirst = 500 * time.Microsecond
	// delaysPerDoubling is how many steps it takes for the bound to double: a quantile is right to a fifth or so.
	delaysPerDoubling = 2
	// delaysSteps is how many steps there are; the last one begins at some 30 hours and has no end.
	delaysSteps = 56
)

// Delays counts how long things took, in steps that grow with the time. The zero value has counted nothing.
type Delays struct{ counts [delaysSteps]int64 }

// Add counts one that took d.
func (h *Delays) Add(d time.Duration) {
	step := 0
	if d > delaysFirst {
		step = int(math.Ceil(math.Log2(float64(d)/float64(delaysFirst)) * delaysPerDoubling))
	}
	h.counts[min(step, delaysSteps-1)]++
}

// Merge counts what another one has counted.
func (h *Delays) Merge(other *Delays) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
}

// Count is how many were counted.
func (h *Delays) Count() (n int64) {
	for _, c := range h.counts {
		n += c
	}
	return n
}

// Quantile returns the time within which the share q of them took, from 0 to 1: the upper bound of its step. Where nothing was counted, it
// is zero.
func (h *Delays) Quantile(q float64) time.Duration {
	total := h.Count()
	if total == 0 {
		return 0
	}
	rank := max(int64(math.Ceil(q*float64(total))), 1)
	for i, n := range h.counts {
		if rank -= n; rank <= 0 {
			return delaysBound(i)
		}
	}
	return delaysBound(delaysSteps - 1)
}

// delaysBound is the upper bound of a step.
func delaysBound(step int) time.Duration {
	return time.Duration(float64(delaysFirst) * math.Pow(2, float64(step)/delaysPerDoubling))
}

// Encode returns the counts as varints, without the zeros at the end.
func (h *Delays) Encode() []byte {
	last := delaysSteps
	for last > 0 && h.counts[last-1] == 0 {
		last--
	}
	b := []byte{}
	for _, n := range h.counts[:last] {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

// errDelays says that a text is none of Encode's.
var errDelays = errors.New("these are no counts of delays")

// DecodeDelays reads what [Delays.Encode] wrote.
func DecodeDelays(b []byte) (h Delays, err error) {
	for i := 0; len(b) > 0; i++ {
		n, size := binary.Uvarint(b)
		if size <= 0 || i == delaysSteps || n > math.MaxInt64 {
			return Delays{}, errDelays
		}
		h.counts[i], b = int64(n), b[size:]
	}
	return h, nil
}
