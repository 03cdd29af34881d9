package hook

import "time"

// CircuitProbeMax bounds the wait from one probe to the next, which grows from the webhook's retry timeout.
const CircuitProbeMax = time.Minute

// Circuit says whether a webhook's deliveries are held back because its receiver fails. It is stored, and one for all nodes.
// The zero value is closed. Each change is made from one state to the next, and only if the stored one is still the first: of
// nodes that want to change it at the same time, one does, and the others see what it has become. Its times are exact to the
// millisecond, as they are stored.
type Circuit struct {
	// Since is when it opened; the zero time means that it is closed. It tells one opening from another.
	Since time.Time
	// ProbeAt is when the next probe may go out; while one is out, it is when that one is given up for lost.
	ProbeAt time.Time
	// Wait is the time from the last probe to the next.
	Wait time.Duration
}

// OpenCircuit returns the circuit that opens now.
func OpenCircuit(now time.Time, r *Retry) Circuit {
	c := Circuit{Since: circuitTime(now), Wait: min(time.Duration(r.Timeout), CircuitProbeMax).Truncate(time.Millisecond)}
	c.ProbeAt = c.Since.Add(c.Wait)
	return c
}

// circuitTime is a time as it is stored.
func circuitTime(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// Open reports whether deliveries are held back.
func (c Circuit) Open() bool { return !c.Since.IsZero() }

// Is reports whether two circuits are in the same state.
func (c Circuit) Is(o Circuit) bool {
	return c.Since.Equal(o.Since) && c.ProbeAt.Equal(o.ProbeAt) && c.Wait == o.Wait
}

// Probes reports whether it is time for a probe.
func (c Circuit) Probes(now time.Time) bool { return c.Open() && !now.Before(c.ProbeAt) }

// Probing returns what the circuit becomes when a node takes the right to send a probe: no other one may before the wait is
// over, nor before the whole of a POST and what comes before it fit in. Should the node die, the next probe is due then.
func (c Circuit) Probing(now time.Time, s *Settings) Circuit {
	c.ProbeAt = circuitTime(now).Add(max(c.Wait, LeaseFor(s)))
	return c
}

// Sends reports whether a probe that has the right to go out may still begin: it must end before the right does.
func (c Circuit) Sends(at time.Time, s *Settings) bool {
	return !at.Add(time.Duration(s.RequestTimeout)).After(c.ProbeAt)
}

// Failed returns what the circuit becomes when its probe failed: the wait doubles, up to [CircuitProbeMax].
func (c Circuit) Failed(now time.Time) Circuit {
	c.Wait = min(2*c.Wait, CircuitProbeMax)
	c.ProbeAt = circuitTime(now).Add(c.Wait)
	return c
}

// Unsent returns what the circuit becomes when its probe was not sent after all: the right is anybody's again.
func (c Circuit) Unsent(now time.Time) Circuit {
	c.ProbeAt = circuitTime(now)
	return c
}

// ClosesCircuit reports whether a change of a webhook closes its circuit: what failed before says nothing about another URL, and
// whoever enables a webhook wants it to be tried.
func ClosesCircuit(before, after *Webhook) bool {
	return before.Circuit.Open() &&
		(!after.Circuit.Open() || after.Settings.URL != before.Settings.URL || after.Enabled && !before.Enabled)
}

// Breaker is what one node knows of a webhook's circuit and wants of it. Its methods decide; none of them acts. The zero value
// knows of no attempt.
type Breaker struct {
	// Failures is how many attempts failed in a row on this node.
	Failures int
	// Window counts the attempts of the last minute on this node. It stands still while the circuit is open.
	Window Window
	// Own is the circuit that this node opened, until it is stored: the node holds deliveries back meanwhile.
	Own Circuit
	// Stored is the circuit as the node saw it last.
	Stored Circuit
	// Closes is the opening that a success on this node has ended, until that is stored.
	Closes time.Time
}

// Open reports whether the node holds deliveries back.
func (b Breaker) Open() bool { return b.Own.Open() || b.Stored.Open() }

// See notes what is stored. An opening that is over leaves no attempts, whoever ended it; one by another node is taken over.
func (b Breaker) See(stored Circuit) Breaker {
	if b.Stored.Open() && !stored.Since.Equal(b.Stored.Since) {
		b.Failures, b.Window, b.Closes = 0, Window{}, time.Time{}
	}
	if stored.Open() {
		b.Own = Circuit{}
	}
	b.Stored = stored
	return b
}

// Acknowledged notes a success: it ends the opening, whenever the attempt began, because it shows that the receiver works.
func (b Breaker) Acknowledged(now time.Time) Breaker {
	b.Failures, b.Closes = 0, b.Stored.Since
	if b.Open() {
		b.Window = Window{}
	} else {
		b.Window.Add(now, false)
	}
	if b.Own.Open() { // which may be on its way to the store
		b.Own, b.Closes = Circuit{}, b.Own.Since
	}
	return b
}

// Failed notes a failure of an attempt that was no probe. While the circuit is open, it is of one that had begun before, and
// changes nothing. Only a failure opens the circuit, also where it was a success that made the attempts of the last minute enough
// to look at the failing share.
func (b Breaker) Failed(now time.Time, s *Settings) Breaker {
	if b.Open() {
		return b
	}
	b.Failures++
	b.Window.Add(now, true)
	if failed, attempts := b.Window.Count(now); s.Breaker.Opens(b.Failures, failed, attempts) {
		b.Own = OpenCircuit(now, &s.Retry)
	}
	return b
}

// Move returns the change of the stored circuit that the node wants, if there is one.
func (b Breaker) Move() (from, to Circuit, ok bool) {
	switch {
	case b.Stored.Open() && b.Closes.Equal(b.Stored.Since):
		return b.Stored, Circuit{}, true
	case b.Own.Open():
		return Circuit{}, b.Own, true
	}
	return from, to, false
}
