package hook

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// anyDelays draws times of every size, those at the bounds of steps among them.
func anyDelays(least int) *rapid.Generator[[]time.Duration] {
	one := rapid.OneOf(
		rapid.Map(rapid.Int64Range(-1000, int64(5*time.Minute)), func(n int64) time.Duration { return time.Duration(n) }),
		rapid.Map(rapid.Float64Range(0, 46), func(x float64) time.Duration { return time.Duration(math.Exp2(x)) }),
		rapid.Custom(func(t *rapid.T) time.Duration {
			return delaysBound(rapid.IntRange(0, delaysSteps-2).Draw(t, "step")) + time.Duration(rapid.Int64Range(-1, 1).Draw(t, "off"))
		}),
	)
	return rapid.SliceOfN(one, least, 300)
}

func delaysOf(list []time.Duration) (h Delays) {
	for _, d := range list {
		h.Add(d)
	}
	return h
}

// sameDelays compares what was counted.
func sameDelays() cmp.Option { return cmp.AllowUnexported(Delays{}) }

// A quantile is at least what a sorted sample says and at most a step more: the shortest delays are one step, and there is no end to the last.
func TestQuantileIsWithinAStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := anyDelays(1).Draw(t, "delays")
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		h := delaysOf(list)
		slices.Sort(list)
		sample := list[max(int(math.Ceil(q*float64(len(list))))-1, 0)]
		got := h.Quantile(q)
		last := delaysBound(delaysSteps - 1)
		switch most := max(time.Duration(float64(sample)*math.Sqrt2*1.0001)+2, delaysFirst); {
		case h.Count() != int64(len(list)):
			t.Fatalf("counted %d of %d", h.Count(), len(list))
		case got < min(sample-1, last): // a bound is cut to a nanosecond
			t.Fatalf("the quantile %v is %v, less than %v", q, got, sample)
		case got > most:
			t.Fatalf("the quantile %v is %v, more than a step above %v", q, got, sample)
		}
	})
}

// Counts that are merged are those of all, and come back as they were encoded.
func TestDelaysAreMergedAndEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, two := anyDelays(0).Draw(t, "one"), anyDelays(0).Draw(t, "two")
		merged, other := delaysOf(one), delaysOf(two)
		merged.Merge(&other)
		whole := delaysOf(append(slices.Clone(one), two...))
		if diff := cmp.Diff(whole, merged, sameDelays()); diff != "" {
			t.Fatalf("(-whole +merged):\n%s", diff)
		}
		decoded, err := DecodeDelays(merged.Encode())
		if diff := cmp.Diff(merged, decoded, sameDelays()); err != nil || diff != "" {
			t.Fatalf("%v (-encoded +decoded):\n%s", err, diff)
		}
	})
}

// Whatever is stored is read or refused; what is read is encoded again as a text that says the same, and can be asked.
func TestDecodeDelaysOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, err := DecodeDelays(rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(t, "text"))
		if err != nil {
			return
		}
		_ = h.Quantile(0.5) // must not panic, whatever the counts are
		again, err := DecodeDelays(h.Encode())
		if diff := cmp.Diff(h, again, sameDelays()); err != nil || diff != "" {
			t.Fatalf("%v (-first +again):\n%s", err, diff)
		}
	})
	for name, text := range map[string][]byte{
		"too many counts":   bytes.Repeat([]byte{1}, delaysSteps+1),
		"half a count":      {0x80},
		"an endless count":  bytes.Repeat([]byte{0xff}, 11),
		"a count below 0":   binary.AppendUvarint(nil, math.MaxUint64),
		"a count and a bit": {1, 0x80},
	} {
		t.Run(name, func(t *testing.T) {
			if h, err := DecodeDelays(text); err == nil || h.Count() != 0 {
				t.Errorf("read as %v, %v", h, err)
			}
		})
	}
}

func TestDelaysOfNothing(t *testing.T) {
	var h Delays
	if h.Quantile(0.99) != 0 || h.Count() != 0 || len(h.Encode()) != 0 || h.Encode() == nil {
		t.Errorf("got %v, %d, %v", h.Quantile(0.99), h.Count(), h.Encode())
	}
	if delays, err := DecodeDelays(nil); err != nil || delays.Count() != 0 {
		t.Errorf("got %v, %v", delays, err)
	}
}

// Activity counts an outcome as what it is, and what is merged adds up.
func TestActivityCountsOutcomes(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000)
	d := &Delivery{Event: &Event{OccurredAt: at}}
	failed := Attempt{Number: 1, StartedAt: at, Failure: FailureStatus}
	var a, b Activity
	a.Count(&Outcome{Delivery: d, Attempt: failed, Next: at.Add(time.Second)})
	a.Count(&Outcome{Delivery: d, Attempt: failed})
	b.Count(&Outcome{Delivery: d, Attempt: Attempt{Number: 2, StartedAt: at.Add(time.Second), Duration: time.Second}})
	b.Accepted = 3
	a.Merge(&b)
	if a.Accepted != 3 || a.Acknowledged != 1 || a.Failed != 2 || a.Exhausted != 1 || a.Delays.Count() != 1 {
		t.Errorf("got %+v", a)
	}
	if q := a.Delays.Quantile(0.5); q < 2*time.Second || q > 3*time.Second {
		t.Errorf("an acknowledgement after 2s is shown as %v", q)
	}
}
