package delivery

import (
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// decide makes the outcome of an attempt: what its answer means under the webhook's settings, and when the delivery is due
// again. events is how many its POST carried; random is in [0, 1) and spreads the retries.
func decide(d *hook.Delivery, s *hook.Settings, began time.Time, a *hook.Answer, events int, random float64) hook.Outcome {
	o := hook.Outcome{Delivery: d, Attempt: hook.Attempt{
		Number: d.Attempts + 1, StartedAt: began, Duration: a.Took, Status: a.Status, Failure: s.Success.Judge(a), Error: a.Error, Response: a.Response,
		Timing: a.Timing, Events: events,
	}}
	if tried := o.Attempt.Number - d.Base; !o.Attempt.Acknowledged() && tried <= s.Retry.Attempts {
		o.Next = began.Add(a.Took).Add(s.Retry.Wait(tried, a.RetryAfter, random))
	}
	return o
}
