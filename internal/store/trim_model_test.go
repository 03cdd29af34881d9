package store_test

import (
	"fmt"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// drawPolicy draws how long the model keeps what.
func drawPolicy(rt *rapid.T) hook.RetentionPolicy {
	draw := func(what string) hook.Kept {
		d := rapid.SampledFrom([]time.Duration{0, time.Second, modelKept / 2, modelKept}).Draw(rt, what)
		return hook.Kept{For: d, Inherited: d == 0}
	}
	return hook.RetentionPolicy{
		Interactions: hook.Kept{For: modelKept}, Deliveries: draw("deliveries"), Attempts: draw("attempts"), Payloads: draw("payloads"),
	}
}

// shownDelivery is what is shown of a delivery that may be trimmed.
type shownDelivery struct {
	attempts, last int
	response       bool
}

// shown reads what may be trimmed: the events, and how each delivery is shown.
func (m *model) shown(rt *rapid.T) ([]*hook.Event, map[modelKey]shownDelivery) {
	list := events(m.t, m.s, m.center)
	all := map[modelKey]shownDelivery{}
	for place, e := range list {
		for w, webhook := range m.webhooks {
			d, err := m.s.Delivery(m.t.Context(), m.center, hook.NewDeliveryID(e.Serial, webhook.Number))
			switch {
			case err == nil:
				shown := shownDelivery{attempts: len(d.Attempts), last: d.AttemptsMade}
				if d.LastAttempt != nil {
					shown.response = len(d.LastAttempt.Response) > 0
				}
				all[modelKey{place, w}] = shown
			case !isNotFound(err):
				rt.Fatalf("read delivery: %v", err)
			}
		}
	}
	return list, all
}

// trim returns an action that removes what is old of one kind, some time later; what it removed must be removable, and is removed
// here.
func (m *model) trim(p hook.RetentionPolicy) func(*rapid.T) {
	return func(rt *rapid.T) {
		m.now = m.now.Add(rapid.SampledFrom([]time.Duration{0, 2 * time.Second, modelKept, store.RetainWalkEvery}).Draw(rt, "pass"))
		what := rapid.IntRange(store.TrimsPayloads, store.TrimsDeliveries).Draw(rt, "what")
		events, before := m.shown(rt)
		m.walk(rt, p, what)
		m.compare(rt, p, what, events, before)
		m.check(rt)
	}
}

// walk removes all of one kind that the walk finds now.
func (m *model) walk(rt *rapid.T, p hook.RetentionPolicy, what int) {
	for more := true; more; {
		var err error
		if _, more, err = m.s.RetainBy(m.t.Context(), m.center, p, what, m.now); err != nil {
			rt.Fatalf("remove %d: %v", what, err)
		}
	}
}

// compare finds out what a walk removed.
func (m *model) compare(rt *rapid.T, p hook.RetentionPolicy, what int, events []*hook.Event, before map[modelKey]shownDelivery) {
	passes := func(e *hook.Event, by int, k hook.Kept) bool {
		return by == what && !k.Inherited && e.Serial < hook.SerialAt(m.now.Add(-k.For))
	}
	after, shown := m.shown(rt)
	for place, e := range events {
		open := false
		for w := range m.webhooks {
			k := modelKey{place, w}
			d := m.deliveries[k]
			open = open || m.open(d)
			was, is := before[k], shown[k]
			_, there := shown[k]
			switch {
			case d == nil:
			case !there:
				if m.open(d) || !passes(e, store.TrimsDeliveries, p.Deliveries) {
					rt.Fatalf("the delivery %v was removed: %+v", k, d)
				}
				delete(m.deliveries, k)
			case is != was && (!passes(e, store.TrimsAttempts, p.Attempts) || is.last != was.last || is.attempts != 1 || is.response):
				rt.Fatalf("of the attempts of %v, %+v, there are %+v", k, was, is)
			}
		}
		if empty := len(after[place].Payload) == 0; empty != (len(e.Payload) == 0) {
			if open || !passes(e, store.TrimsPayloads, p.Payloads) {
				rt.Fatalf("the payload of %v was changed: %q", m.events[place], after[place].Payload)
			}
			m.emptied[m.events[place]] = true
		}
	}
}

// report counts what is to be removed, removes it, and compares. All walks begin anew by now.
func (m *model) report(rt *rapid.T, p hook.RetentionPolicy) {
	got := reported(m.t, m.s, m.center, p, m.now)
	first, before := events(m.t, m.s, m.center), m.counted(rt)
	for what := store.TrimsPayloads; what <= store.TrimsDeliveries; what++ {
		list, shown := m.shown(rt)
		m.walk(rt, p, what)
		m.compare(rt, p, what, list, shown)
	}
	stops := m.stops(rt)
	m.walk(rt, p, store.TrimsInteractions)
	m.follow(rt, stops)
	after := m.counted(rt)
	want := store.RetentionReport{
		Interactions: before[0] - after[0], Events: before[1] - after[1], Deliveries: before[2] - after[2], Attempts: before[3] - after[3],
	}
	held := map[hook.Serial]bool{}
	for _, e := range first {
		held[e.Serial] = len(e.Payload) > 0
	}
	for _, e := range events(m.t, m.s, m.center) {
		if held[e.Serial] && len(e.Payload) == 0 {
			want.Payloads++
		}
	}
	// What was trimmed of an interaction before it was removed as a whole was removed in any case.
	if diff := gocmp.Diff(want, got); diff != "" {
		rt.Fatalf("under %+v (-removed +reported):\n%s", p, diff)
	}
	if left := reported(m.t, m.s, m.center, p, m.now); left != (store.RetentionReport{}) {
		rt.Fatalf("under %+v there is left %+v", p, left)
	}
	m.check(rt)
}

// counted counts interactions, events, deliveries and attempts.
func (m *model) counted(rt *rapid.T) []int {
	list, err := m.s.Numbers(fmt.Sprintf(`SELECT count(*) FROM interactions WHERE center = %[1]d UNION ALL SELECT count(*) FROM events WHERE center = %[1]d AND interaction <> 0
		UNION ALL SELECT count(*) FROM (SELECT event, webhook FROM attempts WHERE center = %[1]d UNION SELECT event, webhook FROM deliveries WHERE center = %[1]d) AS d
		UNION ALL SELECT count(*) FROM attempts WHERE center = %[1]d`, m.center))
	if err != nil {
		rt.Fatalf("count: %v", err)
	}
	counts := make([]int, len(list))
	for i, n := range list {
		counts[i] = int(n)
	}
	return counts
}
