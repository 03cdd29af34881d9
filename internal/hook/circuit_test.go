package hook_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// circuitEpoch is when these tests begin; its nanoseconds are more than a store keeps.
func circuitEpoch() time.Time { return time.Date(2026, 3, 29, 0, 59, 59, 123_456_789, time.UTC) }

// anyCircuitSettings generates legal settings as far as a circuit looks at them.
func anyCircuitSettings() *rapid.Generator[*hook.Settings] {
	return rapid.Custom(func(t *rapid.T) *hook.Settings {
		s := hook.DefaultSettings()
		s.RequestTimeout = hook.Duration(rapid.Int64Range(int64(hook.RequestTimeoutMin), int64(hook.RequestTimeoutMax)).Draw(t, "requestTimeout"))
		short := rapid.Int64Range(int64(hook.RetryTimeoutMin), int64(5*time.Second))
		s.Retry.Timeout = hook.Duration(rapid.OneOf(short, rapid.Int64Range(int64(hook.RetryTimeoutMin), int64(hook.RetryTimeoutMax))).Draw(t, "retry.timeout"))
		s.Retry.MaxTimeout = max(s.Retry.Timeout, s.Retry.MaxTimeout)
		s.RateLimit = rapid.SampledFrom([]int{0, 1, 7, 1000}).Draw(t, "rateLimit")
		return &s
	})
}

// atRest is a breaker without the attempts that it counted: there is no failure in a row and no circuit in it.
func atRest(b hook.Breaker) hook.Breaker {
	b.Window = hook.Window{}
	return b
}

// TestBreakerOpensAndCloses feeds one node with any sequence of answers, with the store at hand, and holds it against counters of
// its own: as many failures in a row as it takes open the circuit, and one success closes it, whenever the attempt began.
func TestBreakerOpensAndCloses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyCircuitSettings().Draw(t, "settings")
		most := rapid.IntRange(1, 30).Draw(t, "failures")
		s.Breaker = hook.BreakerLimits{Failures: most, Minimum: hook.BreakerMinimumMax}
		if most == hook.BreakerFailuresDefault {
			s.Breaker.Failures = 0
		}
		var b hook.Breaker
		var stored hook.Circuit
		now, row := circuitEpoch(), 0
		for range rapid.IntRange(1, 120).Draw(t, "answers") {
			now = now.Add(time.Duration(rapid.Int64Range(1, int64(2*time.Minute)).Draw(t, "gap")))
			before := stored
			acknowledged := rapid.IntRange(0, 24).Draw(t, "acknowledged") == 0
			if row++; acknowledged {
				row = 0
				b = b.Acknowledged(now)
			} else {
				b = b.Failed(now, s)
			}
			if from, to, ok := b.Move(); ok {
				if !from.Is(stored) {
					t.Fatalf("it wants to change %+v, and %+v is stored", from, stored)
				}
				stored = to
				b = b.See(stored)
			}
			switch {
			case b.Open() != (row >= most) || stored.Open() != b.Open():
				t.Fatalf("after %d failures in a row, %+v is stored and the node has %+v", row, stored, b)
			case row > most && !stored.Is(before):
				t.Fatalf("an attempt from before the opening made %+v of %+v", stored, before)
			case row == most && (stored.ProbeAt.Sub(stored.Since) != stored.Wait || stored.Since.After(now) ||
				stored.Wait > hook.CircuitProbeMax || stored.Wait > time.Duration(s.Retry.Timeout) || stored.Wait <= 0):
				t.Fatalf("opened as %+v", stored)
			case row == 0 && atRest(b) != (hook.Breaker{}):
				t.Fatalf("a success leaves %+v", b)
			}
		}
	})
}

// TestCircuitWaitGrowsToItsBound follows the probes of a receiver that stays broken.
func TestCircuitWaitGrowsToItsBound(t *testing.T) {
	s := hook.DefaultSettings()
	c := hook.OpenCircuit(circuitEpoch(), &s.Retry)
	for _, want := range []time.Duration{5, 10, 20, 40, 60, 60, 60} {
		if want *= time.Second; c.Wait != want {
			t.Fatalf("waits %v, want %v", c.Wait, want)
		}
		if c.Probes(c.ProbeAt.Add(-1)) || !c.Probes(c.ProbeAt) {
			t.Fatalf("no probe is due at %v", c.ProbeAt)
		}
		began := c.ProbeAt
		c = c.Probing(began, &s)
		if held := c.ProbeAt.Sub(began); held != max(want, 11*time.Second) {
			t.Fatalf("the right lasts %v after a wait of %v", held, want)
		}
		if c = c.Failed(began.Add(time.Second)); c.ProbeAt.Sub(began) != c.Wait+time.Second {
			t.Fatalf("the next probe is due after %v", c.ProbeAt.Sub(began))
		}
	}
	if c.Unsent(circuitEpoch()).Probes(circuitEpoch().Add(-time.Second)) || !c.Unsent(circuitEpoch()).Probes(circuitEpoch()) {
		t.Error("a right that was given back is not anybody's")
	}
}

// TestClosesCircuit lists the changes of a webhook that close its circuit.
func TestClosesCircuit(t *testing.T) {
	open := hook.OpenCircuit(circuitEpoch(), &hook.Retry{Timeout: hook.Duration(time.Second)})
	for _, tt := range []struct {
		name   string
		before func(*hook.Webhook)
		change func(*hook.Webhook)
		want   bool
	}{
		{"nothing", nil, func(*hook.Webhook) {}, false},
		{"another secret", nil, func(w *hook.Webhook) { w.Secrets.Current = hook.NewSecret("0123456789abcdef") }, false},
		{"another timeout", nil, func(w *hook.Webhook) { w.Settings.RequestTimeout++ }, false},
		{"disabled", nil, func(w *hook.Webhook) { w.Enabled = false }, false},
		{"another URL", nil, func(w *hook.Webhook) { w.Settings.URL += "/2" }, true},
		{"enabled", func(w *hook.Webhook) { w.Enabled = false }, func(w *hook.Webhook) { w.Enabled = true }, true},
		{"closed by hand", nil, func(w *hook.Webhook) { w.Circuit = hook.Circuit{} }, true},
		{"another URL, closed before", func(w *hook.Webhook) { w.Circuit = hook.Circuit{} }, func(w *hook.Webhook) { w.Settings.URL += "/2" }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := hook.Webhook{Enabled: true, Circuit: open, Settings: hook.DefaultSettings()}
			if tt.before != nil {
				tt.before(&before)
			}
			after := before
			tt.change(&after)
			if got := hook.ClosesCircuit(&before, &after); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// circuitModel is one store and nodes that know it as it was when they looked last.
type circuitModel struct {
	settings *hook.Settings
	now      time.Time
	stored   hook.Circuit
	nodes    []modelNode
	// ended are the openings that are over: none comes back, but for one whose node never heard that it was stored.
	ended, unheard map[time.Time]bool
}

type modelNode struct {
	hook.Breaker
	// right is what the node made of the circuit when it took the right to probe, sent when its probe began.
	right hook.Circuit
	sent  time.Time
}

// swap is the store: it changes what is stored only if that is as the node takes it for. lost answers never come.
func (m *circuitModel) swap(t *rapid.T, from, to hook.Circuit) bool {
	if !m.stored.Is(from) || rapid.IntRange(0, 9).Draw(t, "store away") == 0 {
		return false
	}
	if from.Open() && to.Open() && !from.Since.Equal(to.Since) || to.Open() && m.ended[to.Since] && !m.unheard[to.Since] {
		t.Fatalf("%+v became %+v", from, to)
	}
	if from.Open() && !to.Open() {
		m.ended[from.Since] = true
	}
	m.stored = to
	heard := rapid.IntRange(0, 9).Draw(t, "answer lost") > 0
	if !heard && to.Open() {
		m.unheard[to.Since] = true
	}
	return heard
}

// out returns the nodes whose probe of the present opening is out.
func (m *circuitModel) out() (list []int) {
	for i := range m.nodes {
		if n := &m.nodes[i]; !n.sent.IsZero() && n.right.Since.Equal(m.stored.Since) && m.stored.Open() {
			list = append(list, i)
		}
	}
	return list
}

// modelSteps are what nodes do, the usual things more often.
func modelSteps() []string {
	return []string{"look", "look", "look", "move", "move", "probe", "probe", "send", "send", "end", "fail", "fail", "late success", "die"}
}

// step lets one node do one thing.
func (m *circuitModel) step(t *rapid.T) {
	i := rapid.IntRange(0, len(m.nodes)-1).Draw(t, "node")
	n := &m.nodes[i]
	switch rapid.SampledFrom(modelSteps()).Draw(t, "does") {
	case "look":
		n.Breaker = n.See(m.stored)
	case "move":
		if from, to, ok := n.Move(); ok && m.swap(t, from, to) {
			n.Breaker = n.See(to)
		}
	case "probe": // with what it knows, which may be old
		if to := n.Stored.Probing(m.now, m.settings); n.sent.IsZero() && n.Stored.Probes(m.now) && m.swap(t, n.Stored, to) {
			n.right = to
		}
	case "send":
		if n.right.Open() && n.sent.IsZero() && n.right.Sends(m.now, m.settings) {
			n.sent = m.now
		}
	case "end":
		m.end(t, n)
	case "fail":
		for range rapid.SampledFrom([]int{1, hook.BreakerFailuresDefault}).Draw(t, "failures") {
			n.Breaker = n.Failed(m.now, m.settings)
		}
	case "late success":
		n.Breaker = n.Acknowledged(m.now)
	case "die": // whatever it was doing
		*n = modelNode{}
	}
}

// end ends a node's probe.
func (m *circuitModel) end(t *rapid.T, n *modelNode) {
	if n.sent.IsZero() {
		return
	}
	if rapid.IntRange(0, 4).Draw(t, "acknowledged") == 0 {
		n.Breaker = n.Acknowledged(m.now)
	} else if m.swap(t, n.right, n.right.Failed(m.now)) && (m.stored.Wait < n.right.Wait || m.stored.Wait > hook.CircuitProbeMax) {
		t.Fatalf("a failed probe made %+v of %+v", m.stored, n.right)
	}
	n.right, n.sent = hook.Circuit{}, time.Time{}
}

// TestManyNodesOneCircuit plays nodes that know the circuit as it was a while ago, die, and lose the store's answers. In one opening
// there is never more than one probe out, no opening comes back, and when the receiver works the circuit closes for all.
func TestManyNodesOneCircuit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyCircuitSettings().Draw(t, "settings")
		m := &circuitModel{settings: s, now: circuitEpoch(), ended: map[time.Time]bool{}, unheard: map[time.Time]bool{}}
		m.nodes = make([]modelNode, rapid.IntRange(1, 4).Draw(t, "nodes"))
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			m.now = m.now.Add(time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(20*time.Second)).Draw(t, "gap")))
			for i := range m.nodes { // a POST ends within its timeout; this one with its node, which then knows nothing
				if n := &m.nodes[i]; !n.sent.IsZero() && m.now.Sub(n.sent) > time.Duration(s.RequestTimeout) {
					*n = modelNode{}
				}
			}
			m.step(t)
			if out := m.out(); len(out) > 1 {
				t.Fatalf("probes of %v are out at once: %+v", out, m.nodes)
			}
		}
		m.recover(t)
	})
}

// recover lets the store and the receiver work again.
func (m *circuitModel) recover(t *rapid.T) {
	for range len(m.nodes) + 2 {
		m.now = m.now.Add(2 * time.Minute)
		for i := range m.nodes {
			n := &m.nodes[i]
			n.Breaker = n.See(m.stored)
			if n.Stored.Probes(m.now) {
				m.stored = n.Stored.Probing(m.now, m.settings)
				n.Breaker = n.See(m.stored).Acknowledged(m.now)
			}
			if from, to, ok := n.Move(); ok && m.stored.Is(from) {
				m.stored = to
				n.Breaker = n.See(to)
			}
		}
	}
	if m.stored.Open() {
		t.Fatalf("%+v is left", m.stored)
	}
	for i := range m.nodes {
		if n := m.nodes[i].See(m.stored); n.Open() {
			t.Fatalf("node %d is left with %+v", i, n)
		}
	}
}
