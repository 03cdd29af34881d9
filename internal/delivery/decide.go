package delivery

import (
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// decide makes the outcome of an attempt: what its answer means under the webhook's settings, and when the delivery is due
// again. random is in [0, 1) and spreads the retries.
func decide(d *hook.Delivery, s *hook.Settings, began time.Time, a *hook.Answer, random float64) hook.Outcome {
	o := hook.Outcome{Delivery: d, Attempt: hook.Attempt{
		Number: d.Attempts + 1, StartedAt: began, Duration: a.Took, Status: a.Status, Failure: s.Success.Judge(a), Error: a.Error, Response: a.Response,
	}}
	if tried := o.Attempt.Number - d.Base; !o.Attempt.Acknowledged() && tried <= s.Retry.Attempts {
		o.Next = began.Add(a.Took).Add(s.Retry.Wait(tried, a.RetryAfter, random))
	}
	return o
}

const (
	// circuitFailuresMax is how many attempts in a row may fail before a lane's circuit opens.
	circuitFailuresMax = 20
	// circuitProbeMax bounds the wait from one probe to the next, which grows from the webhook's retry timeout.
	circuitProbeMax = time.Minute
)

// circuit says whether a lane may send. The zero value is closed.
type circuit struct {
	// failures is how many attempts failed in a row.
	failures int
	// opened is when the circuit opened.
	opened time.Time
	// probeAt is when the next probe may go out; the zero time means that the circuit is closed.
	probeAt time.Time
	// wait is the time from the last probe to the next.
	wait time.Duration
}

// open reports whether deliveries are held back.
func (c circuit) open() bool { return !c.probeAt.IsZero() }

// probes reports whether it is time for a probe.
func (c circuit) probes(now time.Time) bool { return c.open() && !now.Before(c.probeAt) }

// after returns the circuit after an attempt. The first success closes it; a failure opens it when it was one too many, and
// puts off the next probe when it was one. An attempt that had begun when the circuit opened is no probe.
func (c circuit) after(acknowledged bool, began, now time.Time, r *hook.Retry) circuit {
	if acknowledged {
		return circuit{}
	}
	c.failures++
	switch {
	case c.open() && !began.After(c.opened):
		return c
	case c.open():
		c.wait = min(2*c.wait, circuitProbeMax)
	case c.failures >= circuitFailuresMax:
		c.opened, c.wait = now, min(time.Duration(r.Timeout), circuitProbeMax)
	default:
		return c
	}
	c.probeAt = now.Add(c.wait)
	return c
}
