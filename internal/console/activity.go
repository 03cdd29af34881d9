package console

import (
	"math"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// activityLate is how late other nodes tell what went on there.
	activityLate = 5 * time.Second
	// activityEnough is how much of a step must be over for what is missing of it not to matter.
	activityEnough = time.Minute
)

// lengthOf is how long a step has lasted that begins at a time: what was counted in it is divided by that. Zero means that too much of it is
// still to be told, so that a line which showed it would always seem to fall at its end.
func lengthOf(at time.Time, step time.Duration, now time.Time) time.Duration {
	switch lasted := now.Sub(at); {
	case lasted >= step+activityLate:
		return step
	case lasted >= activityEnough:
		return min(lasted, step)
	default:
		return 0
	}
}

// settled leaves out the steps at the end that are still to be told.
func settled(list []hook.Activity, step time.Duration, now time.Time) []hook.Activity {
	for len(list) > 0 && lengthOf(list[len(list)-1].At, step, now) == 0 {
		list = list[:len(list)-1]
	}
	return list
}

// timesOf are the beginnings of steps.
func timesOf(list []hook.Activity) []time.Time {
	at := make([]time.Time, len(list))
	for i := range list {
		at[i] = list[i].At
	}
	return at
}

// ratesOf is how many of something there were in each of the settled steps per second, or per another time.
func ratesOf(list []hook.Activity, step time.Duration, now time.Time, per time.Duration, of func(*hook.Activity) int64) []float64 {
	values := make([]float64, len(list))
	for i := range list {
		values[i] = math.NaN()
		if length := lengthOf(list[i].At, step, now); length > 0 {
			values[i] = float64(of(&list[i])) * float64(per) / float64(length)
		}
	}
	return values
}

// delaysOf is the time in seconds within which the share q of the deliveries of each step was acknowledged; NaN where none was.
func delaysOf(list []hook.Activity, q float64) []float64 {
	values := make([]float64, len(list))
	for i := range list {
		values[i] = math.NaN()
		if list[i].Delays.Count() > 0 {
			values[i] = list[i].Delays.Quantile(q).Seconds()
		}
	}
	return values
}

func acceptedOf(a *hook.Activity) int64     { return a.Accepted }
func acknowledgedOf(a *hook.Activity) int64 { return a.Acknowledged }
func failedOf(a *hook.Activity) int64       { return a.Failed }
