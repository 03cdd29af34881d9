package hook_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// middle is the random value that jitter leaves a wait as it is for.
const middle = 0.5

// anyRetry generates every legal schedule, the bounds included.
func anyRetry() *rapid.Generator[hook.Retry] {
	return rapid.Custom(func(t *rapid.T) hook.Retry {
		timeout := rapid.Int64Range(int64(hook.RetryTimeoutMin), int64(hook.RetryTimeoutMax)).Draw(t, "timeout")
		return hook.Retry{
			Timeout:    hook.Duration(timeout),
			Attempts:   rapid.IntRange(0, hook.RetryAttemptsMax).Draw(t, "attempts"),
			Backoff:    rapid.Float64Range(hook.RetryBackoffMin, hook.RetryBackoffMax).Draw(t, "backoff"),
			MaxTimeout: hook.Duration(rapid.Int64Range(timeout, int64(hook.RetryTimeoutMax)).Draw(t, "maxTimeout")),
			Jitter:     rapid.Float64Range(0, hook.RetryJitterMax).Draw(t, "jitter"),
		}
	})
}

func anyFailed() *rapid.Generator[int]     { return rapid.IntRange(1, hook.RetryAttemptsMax+1) }
func anyRandom() *rapid.Generator[float64] { return rapid.Float64Range(0, math.Nextafter(1, 0)) }

// schedule is the same schedule by another road: one multiplication after the other, as the specification tells it.
func schedule(r hook.Retry, failed int) time.Duration {
	wait := float64(r.Timeout)
	for range failed - 1 {
		wait = min(wait*r.Backoff, float64(r.MaxTimeout))
	}
	return time.Duration(min(wait, float64(r.MaxTimeout)))
}

// tolerance is what floating-point numbers may lose of a wait: a millionth of a per cent, and the nanosecond of rounding.
func tolerance(wait time.Duration) time.Duration { return wait/100_000_000 + 1 }

func TestWaitIsLegal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRetry().Draw(t, "retry")
		retryAfter := time.Duration(rapid.Int64().Draw(t, "retryAfter"))
		wait := r.Wait(anyFailed().Draw(t, "failed"), retryAfter, anyRandom().Draw(t, "random"))
		if wait < 0 || wait > time.Duration(r.MaxTimeout) {
			t.Fatalf("%v is not from 0 to %v", wait, r.MaxTimeout)
		}
		if least := min(retryAfter, time.Duration(r.MaxTimeout)); wait < least {
			t.Fatalf("%v is shorter than the Retry-After of %v allows", wait, least)
		}
	})
}

func TestRetryAfterIsOnlyAMinimum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, failed, random := anyRetry().Draw(t, "retry"), anyFailed().Draw(t, "failed"), anyRandom().Draw(t, "random")
		plain := r.Wait(failed, 0, random)
		for _, retryAfter := range []time.Duration{math.MinInt64, -1, plain / 2, plain} {
			if got := r.Wait(failed, retryAfter, random); got != plain {
				t.Fatalf("a Retry-After of %v made %v of a wait of %v", retryAfter, got, plain)
			}
		}
		longer := plain + time.Duration(rapid.Int64Range(0, int64(hook.RetryTimeoutMax)).Draw(t, "more"))
		if got, want := r.Wait(failed, longer, random), min(longer, time.Duration(r.MaxTimeout)); got != want {
			t.Fatalf("a Retry-After of %v gives %v, want %v", longer, got, want)
		}
	})
}

func TestWaitWithoutJitter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRetry().Draw(t, "retry")
		r.Jitter = 0
		random := anyRandom().Draw(t, "random")
		var last time.Duration
		for failed := 1; failed <= hook.RetryAttemptsMax+1; failed++ {
			wait, want := r.Wait(failed, 0, random), schedule(r, failed)
			if (wait - want).Abs() > tolerance(want) {
				t.Fatalf("after %d: got %v, want %v", failed, wait, want)
			}
			if wait < last {
				t.Fatalf("after %d: %v is shorter than %v before it", failed, wait, last)
			}
			last = wait
		}
		if first := r.Wait(1, 0, random); first != time.Duration(r.Timeout) {
			t.Fatalf("the first wait is %v, want %v", first, r.Timeout)
		}
	})
}

func TestWaitWithJitter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, failed := anyRetry().Draw(t, "retry"), anyFailed().Draw(t, "failed")
		base, random := schedule(r, failed), anyRandom().Draw(t, "random")
		wait := r.Wait(failed, 0, random)
		shortest := time.Duration(float64(base) * (1 - r.Jitter))
		longest := min(time.Duration(float64(base)*(1+r.Jitter)), time.Duration(r.MaxTimeout))
		if wait < shortest-tolerance(base) || wait > longest+tolerance(base) {
			t.Fatalf("%v is not from %v to %v", wait, shortest, longest)
		}
		if got := r.Wait(failed, 0, 0); (got - shortest).Abs() > tolerance(base) {
			t.Fatalf("the shortest wait is %v, want %v", got, shortest)
		}
		if got := r.Wait(failed, 0, middle); (got - base).Abs() > tolerance(base) {
			t.Fatalf("the middle wait is %v, want %v", got, base)
		}
		if got := r.Wait(failed, 0, math.Nextafter(1, 0)); (got - longest).Abs() > tolerance(base) {
			t.Fatalf("the longest wait is %v, want %v", got, longest)
		}
	})
}

// waits lists the waits of a schedule before each redelivery.
func waits(r hook.Retry, random float64) (list []time.Duration, total time.Duration) {
	for failed := 1; failed <= r.Attempts; failed++ {
		list = append(list, r.Wait(failed, 0, random))
		total += list[len(list)-1]
	}
	return list, total
}

func TestDefaultKeepsTryingForThreeDays(t *testing.T) {
	const day = 24 * time.Hour
	r := hook.DefaultSettings().Retry
	list, total := waits(r, middle)
	want := []time.Duration{
		5 * time.Second, 15 * time.Second, 45 * time.Second, 135 * time.Second, 405 * time.Second, 1_215 * time.Second,
		3_645 * time.Second, 10_935 * time.Second,
	}
	for len(want) < 19 {
		want = append(want, 6*time.Hour)
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if 1+r.Attempts != 20 || total < 28*day/10 || total > 31*day/10 {
		t.Errorf("%d attempts over %v, want 20 over 2.8 to 3.1 days", 1+r.Attempts, total)
	}
	_, shortest := waits(r, 0)
	_, longest := waits(r, math.Nextafter(1, 0))
	if shortest < 26*day/10 || longest > 31*day/10 || shortest >= total || longest <= total {
		t.Errorf("jitter makes it %v to %v", shortest, longest)
	}
}

func TestGenesysPresetSchedule(t *testing.T) {
	s := hook.DefaultSettings()
	if !hook.PresetGenesys.Apply(&s) {
		t.Fatal("the preset is unknown")
	}
	for _, random := range []float64{0, middle, math.Nextafter(1, 0)} {
		list, _ := waits(s.Retry, random)
		want := []time.Duration{5 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second}
		if diff := cmp.Diff(want, list); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if got := s.Retry.Wait(1, time.Hour, middle); got != 5*time.Second {
		t.Errorf("a Retry-After of an hour makes it %v, want 5s", got)
	}
}

func TestExtremeSchedulesDoNotOverflow(t *testing.T) {
	for name, test := range map[string]struct {
		retry      hook.Retry
		failed     int
		retryAfter time.Duration
		random     float64
		want       time.Duration
	}{
		"steepest": {
			hook.Retry{Timeout: hook.RetryTimeoutMax, Attempts: hook.RetryAttemptsMax, Backoff: 10, MaxTimeout: hook.RetryTimeoutMax, Jitter: 0.5},
			hook.RetryAttemptsMax, 0, math.Nextafter(1, 0), 24 * time.Hour,
		},
		"steepest from the shortest": {
			hook.Retry{Timeout: hook.RetryTimeoutMin, Attempts: hook.RetryAttemptsMax, Backoff: 10, MaxTimeout: hook.RetryTimeoutMax},
			hook.RetryAttemptsMax, 0, middle, 24 * time.Hour,
		},
		"steepest, shortened": {
			hook.Retry{Timeout: hook.RetryTimeoutMin, Attempts: hook.RetryAttemptsMax, Backoff: 10, MaxTimeout: hook.RetryTimeoutMax, Jitter: 0.5},
			hook.RetryAttemptsMax, 0, 0, 12 * time.Hour,
		},
		"so many that the power is infinite": {
			hook.Retry{Timeout: hook.RetryTimeoutMin, Backoff: 10, MaxTimeout: hook.RetryTimeoutMax},
			math.MaxInt32, 0, middle, 24 * time.Hour,
		},
		"a Retry-After of centuries": {
			hook.Retry{Timeout: hook.RetryTimeoutMin, Backoff: 1, MaxTimeout: hook.RetryTimeoutMin},
			1, math.MaxInt64, middle, 100 * time.Millisecond,
		},
		"a negative Retry-After": {
			hook.Retry{Timeout: hook.RetryTimeoutMin, Backoff: 1, MaxTimeout: hook.RetryTimeoutMin},
			1, math.MinInt64, middle, 100 * time.Millisecond,
		},
		"flat": {
			hook.Retry{Timeout: hook.RetryTimeoutMin, Backoff: 1, MaxTimeout: hook.RetryTimeoutMax},
			hook.RetryAttemptsMax, 0, middle, 100 * time.Millisecond,
		},
	} {
		if got := test.retry.Wait(test.failed, test.retryAfter, test.random); got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}
