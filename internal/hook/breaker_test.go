package hook_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// windowSlack is how much less than a minute a breaker may look back, because it counts in buckets.
const windowSlack = 5 * time.Second

// anyShare generates a share in thousandths, so that the model can compare whole numbers.
func anyShare() *rapid.Generator[int] {
	return rapid.OneOf(rapid.SampledFrom([]int{10, 70, 290, 500, 580, 800, 1_000}), rapid.IntRange(10, 1_000))
}

// attempts are those that a model of a breaker's window has seen.
type attempts []struct {
	at     time.Time
	failed bool
}

// since counts those that are younger than that.
func (a attempts) since(now time.Time, young time.Duration) (failed, all int) {
	for _, one := range a {
		if now.Sub(one.at) < young {
			all++
			if one.failed {
				failed++
			}
		}
	}
	return failed, all
}

// aligned is the age of the oldest attempt that counts at that time: the window ends with a bucket.
func aligned(now time.Time) time.Duration {
	return hook.BreakerWindow - windowSlack + time.Duration(now.UnixNano()%int64(windowSlack)) + 1
}

// TestBreakerShare feeds one node with any sequence of answers at any times and holds it against a list of them: the circuit opens at
// a failure that makes the row or the failing share of the last minute large enough, and never before there are enough attempts to
// speak of a share. One success closes it, and nothing of before counts after that.
func TestBreakerShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := hook.DefaultSettings()
		share := anyShare().Draw(t, "share")
		s.Breaker = hook.BreakerLimits{
			Failures: rapid.SampledFrom([]int{5, 20, 1_000}).Draw(t, "failures"), Share: float64(share) / 1_000, Minimum: rapid.IntRange(1, 40).Draw(t, "minimum"),
		}
		longest := rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, 10 * time.Second, 2 * time.Minute}).Draw(t, "longest gap")
		fails := rapid.IntRange(0, 10).Draw(t, "of ten fail")
		var b hook.Breaker
		var seen attempts
		now, row := circuitEpoch(), 0
		for range rapid.IntRange(1, 200).Draw(t, "answers") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(longest)).Draw(t, "gap")))
			was, failed := b.Open(), rapid.IntRange(0, 9).Draw(t, "answer") < fails
			seen = append(seen, attempts{{now, failed}}...)
			if row++; !failed {
				row = 0
				b = b.Acknowledged(now)
			} else {
				b = b.Failed(now, &s)
			}
			if was { // which only a success ends, and it leaves nothing
				if b.Open() != failed || !failed && (b.Failures != 0 || b.Window != hook.Window{}) {
					t.Fatalf("an answer (failed: %v) leaves an open circuit as %+v", failed, b)
				}
				seen, row = nil, 0
				continue
			}
			bad, all := seen.since(now, aligned(now))
			opens := failed && (row >= s.Breaker.Failures || all >= s.Breaker.Minimum && bad*1_000 >= share*all)
			if b.Open() != opens {
				t.Fatalf("after %d failures in a row and %d of %d in a minute, with %+v, it is open: %v", row, bad, all, s.Breaker, b.Open())
			}
		}
	})
}

// TestShareOpensWhateverTheOrder lets failures and successes come in any order within 55 seconds: when enough of enough have failed,
// the circuit has opened.
func TestShareOpensWhateverTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := hook.DefaultSettings()
		s.Breaker.Failures = hook.BreakerFailuresMax
		all := rapid.IntRange(hook.BreakerMinimumDefault, 300).Draw(t, "attempts")
		failed := rapid.IntRange((all*8+9)/10, all).Draw(t, "failed")
		answers := make([]bool, all)
		for i := range failed {
			answers[i] = true
		}
		answers = append(rapid.Permutation(answers[1:]).Draw(t, "order"), true) // the last one is a failure
		opened, now := false, circuitEpoch()
		var b hook.Breaker
		for _, failed := range answers {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(hook.BreakerWindow-windowSlack)/int64(all)).Draw(t, "gap")))
			if failed {
				b = b.Failed(now, &s)
			} else {
				b = b.Acknowledged(now)
			}
			opened = opened || b.Open()
		}
		if !opened {
			failed, all := b.Window.Count(now)
			t.Fatalf("%d of %d attempts have failed, and it stays closed", failed, all)
		}
	})
}

// TestWindowIsAMinute counts all that is younger than 55 seconds and nothing that is older than 60, whatever the gaps.
func TestWindowIsAMinute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w hook.Window
		var seen attempts
		now := circuitEpoch()
		longest := rapid.SampledFrom([]time.Duration{time.Second, 20 * time.Second, 3 * time.Minute}).Draw(t, "longest gap")
		for range rapid.IntRange(1, 100).Draw(t, "attempts") {
			failed := rapid.Bool().Draw(t, "failed")
			w.Add(now, failed)
			seen = append(seen, attempts{{now, failed}}...)
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(longest)).Draw(t, "gap")))
			bad, all := w.Count(now)
			leastBad, least := seen.since(now, hook.BreakerWindow-windowSlack)
			mostBad, most := seen.since(now, hook.BreakerWindow)
			if bad < leastBad || bad > mostBad || all < least || all > most || bad > all {
				t.Fatalf("it counts %d failures of %d attempts; they are %d of %d to %d of %d", bad, all, leastBad, least, mostBad, most)
			}
		}
	})
}

// A clock that is set back begins a new window, and one before 1970 counts too.
func TestWindowWhenTheClockIsSetBack(t *testing.T) {
	var w hook.Window
	now := circuitEpoch()
	for _, tt := range []struct {
		name string
		move time.Duration
		want int
	}{
		{"first", 0, 1},
		{"a millisecond back", -time.Millisecond, 2},
		{"an hour back", -time.Hour, 1},
		{"a second on", time.Second, 2},
		{"far back", -100 * 365 * 24 * time.Hour, 1},
		{"and still", 0, 2},
	} {
		now = now.Add(tt.move)
		w.Add(now, true)
		if failed, all := w.Count(now); failed != tt.want || all != tt.want {
			t.Errorf("%s: %d of %d, want %d", tt.name, failed, all, tt.want)
		}
	}
}

// The effective limits have the defaults of the specification where nothing is set.
func TestEffectiveLimits(t *testing.T) {
	for name, tt := range map[string]struct{ given, want hook.BreakerLimits }{
		"nothing":    {hook.BreakerLimits{}, hook.BreakerLimits{Failures: 20, Share: 0.8, Minimum: 50}},
		"one":        {hook.BreakerLimits{Share: 0.5}, hook.BreakerLimits{Failures: 20, Share: 0.5, Minimum: 50}},
		"everything": {hook.BreakerLimits{Failures: 3, Share: 1, Minimum: 7}, hook.BreakerLimits{Failures: 3, Share: 1, Minimum: 7}},
	} {
		if diff := cmp.Diff(tt.want, tt.given.Effective()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A share is what it says in decimals, although most of them are no binary fractions.
func TestSharesAreExact(t *testing.T) {
	for hundredths := 1; hundredths <= 100; hundredths++ {
		l := hook.BreakerLimits{Failures: hook.BreakerFailuresMax, Share: float64(hundredths) / 100, Minimum: 1}
		for _, n := range []int{100, 300, 700, 1_900} {
			if least := n / 100 * hundredths; !l.Opens(0, least, n) || l.Opens(0, least-1, n) {
				t.Errorf("with a share of %v, %d of %d do not open, or fewer do", l.Share, least, n)
			}
		}
	}
}

// Whoever closes a circuit, attempts of before count no more.
func TestClosingEmptiesTheWindow(t *testing.T) {
	s, now := hook.DefaultSettings(), circuitEpoch()
	var failing hook.Breaker
	for range hook.BreakerFailuresDefault {
		failing = failing.Failed(now, &s)
	}
	if failed, _ := failing.Window.Count(now); failed != hook.BreakerFailuresDefault || !failing.Own.Open() {
		t.Fatalf("it is %+v", failing)
	}
	stored := failing.See(failing.Own)
	for name, b := range map[string]hook.Breaker{
		"a success here":                      failing.Acknowledged(now),
		"a success here, after it was stored": stored.Acknowledged(now),
		"somebody else":                       stored.See(hook.Circuit{}),
		"somebody else, and it opened again":  stored.See(hook.OpenCircuit(now.Add(time.Minute), &s.Retry)),
	} {
		if b.Window != (hook.Window{}) || b.Failures != 0 {
			t.Errorf("closed by %s: %+v", name, b)
		}
	}
}

// I7: what a breaker keeps has a fixed size.
func TestBreakerDoesNotAllocate(t *testing.T) {
	s, b, now := hook.DefaultSettings(), hook.Breaker{}, circuitEpoch()
	if n := testing.AllocsPerRun(1_000, func() {
		now = now.Add(time.Second)
		b = b.See(hook.Circuit{}).Failed(now, &s).Acknowledged(now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkBreaker(b *testing.B) {
	b.ReportAllocs()
	s, breaker, now := hook.DefaultSettings(), hook.Breaker{}, circuitEpoch()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		breaker = breaker.See(hook.Circuit{}).Failed(now, &s).Acknowledged(now)
	}
}
