package delivery

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// webhookOther is the webhook label of all webhooks that have no series of their own.
const webhookOther = "other"

// webhookMetrics are the series of single webhooks. There are at most so many as the operator allows: a webhook gets its own at
// its first attempt, when it is late or when its circuit is open, and keeps them until it is deleted. All that come when there
// is no place share theirs, under the label "other".
type webhookMetrics struct {
	engine *Engine
	most   int
	other  series
	descs  webhookDescs

	mu    sync.Mutex // guards named and late; no other lock is taken while it is held, but the queue's own
	named map[hook.WebhookNumber]*series
	// late is since when the oldest delivery of a webhook has been due, for those that have one.
	late map[hook.WebhookNumber]time.Time
}

// webhookDescs describe the metrics that have the label webhook.
type webhookDescs struct{ attempts, took, inFlight, oldestDue, circuitOpen *prometheus.Desc }

// series is what is counted of a webhook, or of all others.
type series struct {
	attempts [failuresMax]atomic.Uint64 // by [hook.Failure]; the first is acknowledged
	inFlight atomic.Int64
	took     [tookBuckets + 1]atomic.Uint64 // the last is for what took longer than all bounds
	tookSum  atomic.Int64                   // in nanoseconds
}

const (
	// failuresMax is how many classes of failure there are, with none of them.
	failuresMax = int(hook.FailureProxy) + 1
	// tookBuckets is how many bounds a webhook's durations have: few, because there may be many webhooks.
	tookBuckets = 6
)

func tookBounds() [tookBuckets]time.Duration {
	return [tookBuckets]time.Duration{50 * time.Millisecond, 200 * time.Millisecond, time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second}
}

func newWebhookMetrics(e *Engine) *webhookMetrics {
	label := []string{"webhook"}
	return &webhookMetrics{
		engine: e, most: e.options.MetricsWebhooks, named: make(map[hook.WebhookNumber]*series), late: make(map[hook.WebhookNumber]time.Time),
		descs: webhookDescs{
			attempts: prometheus.NewDesc("hookswitch_webhook_attempts_total",
				"Attempts of deliveries to a webhook, by result: acknowledged or the class of failure. What never happened is not shown.", []string{"webhook", "result"}, nil),
			took:        prometheus.NewDesc("hookswitch_webhook_attempt_duration_seconds", "How long a webhook's receiver took to answer.", label, nil),
			inFlight:    prometheus.NewDesc("hookswitch_webhook_in_flight", "POSTs that are being made to a webhook now.", label, nil),
			oldestDue:   prometheus.NewDesc("hookswitch_webhook_oldest_due_seconds", "How long a webhook's longest waiting due delivery has been due, held ones too; of others the longest.", label, nil),
			circuitOpen: prometheus.NewDesc("hookswitch_webhook_circuit_open", "1 while a webhook's circuit is open, on whichever node it opened; of others how many are.", label, nil),
		},
	}
}

// of returns the series of a webhook, its own if there is a place for it.
func (m *webhookMetrics) of(n hook.WebhookNumber) *series {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.place(n); s != nil {
		return s
	}
	return &m.other
}

// place returns a webhook's own series; nil when it gets none. The caller holds the lock.
func (m *webhookMetrics) place(n hook.WebhookNumber) *series {
	if s, ok := m.named[n]; ok {
		return s
	}
	if len(m.named) >= m.most {
		return nil
	}
	s := new(series)
	m.named[n] = s
	return s
}

// attempted counts an attempt.
func (s *series) attempted(a *hook.Attempt) {
	s.attempts[min(int(a.Failure), failuresMax-1)].Add(1)
	bucket := 0
	for _, bound := range tookBounds() {
		if a.Duration <= bound {
			break
		}
		bucket++
	}
	s.took[bucket].Add(1)
	s.tookSum.Add(int64(a.Duration))
}

// swept notes what the store says is due, and returns since when the oldest that may be sent is, and the oldest that an open
// circuit holds back; the zero time means none.
func (m *webhookMetrics) swept(now time.Time, due []hook.Due) (oldest, held time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.late)
	for _, d := range due {
		w, ok := m.engine.options.Queue.WebhookByNumber(d.Webhook)
		if !ok || w.Deleted() || d.At.After(now) {
			continue
		}
		m.late[d.Webhook] = d.At
		m.place(d.Webhook)
		if w.Circuit.Open() {
			held = earlier(held, d.At)
		} else {
			oldest = earlier(oldest, d.At)
		}
	}
	return oldest, held
}

// earlier returns the earlier of two times, of which the first may be none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// Describe names the metrics.
func (m *webhookMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.descs.attempts, m.descs.took, m.descs.inFlight, m.descs.oldestDue, m.descs.circuitOpen} {
		to <- d
	}
}

// Collect shows them, from memory. Those of webhooks that were deleted go away, and leave their places to others.
func (m *webhookMetrics) Collect(to chan<- prometheus.Metric) {
	lanes := m.engine.allLanes()
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for n, s := range m.named {
		w, ok := m.engine.options.Queue.WebhookByNumber(n)
		if !ok || w.Deleted() {
			delete(m.named, n)
			continue
		}
		m.show(to, w.ID.String(), s, since(now, m.late[n]), circuits(w))
	}
	var open int
	var late time.Time
	for _, l := range lanes {
		if w, ok := m.engine.options.Queue.WebhookByNumber(l.number); ok && m.named[l.number] == nil && !w.Deleted() && w.Circuit.Open() {
			open += circuits(w)
			m.place(l.number) // from the next time on, if there is a place
		}
	}
	for n, at := range m.late {
		if m.named[n] == nil {
			late = earlier(late, at)
		}
	}
	if open > 0 || !late.IsZero() || m.other.used() {
		m.show(to, webhookOther, &m.other, since(now, late), open)
	}
}

// circuits is how many circuits of a webhook are open.
func circuits(w *hook.Webhook) int {
	if w.Circuit.Open() {
		return 1
	}
	return 0
}

// since is how many seconds ago a time was; none is zero.
func since(now, at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return max(now.Sub(at), 0).Seconds()
}

// used reports whether there was an attempt.
func (s *series) used() bool {
	for i := range s.took {
		if s.took[i].Load() > 0 {
			return true
		}
	}
	return s.inFlight.Load() > 0
}

func (m *webhookMetrics) show(to chan<- prometheus.Metric, webhook string, s *series, oldest float64, open int) {
	for f := range s.attempts {
		if n := s.attempts[f].Load(); n > 0 || f == 0 {
			to <- prometheus.MustNewConstMetric(m.descs.attempts, prometheus.CounterValue, float64(n), webhook, resultOf(hook.Failure(f)))
		}
	}
	buckets, count := make(map[float64]uint64, tookBuckets), uint64(0)
	for i, bound := range tookBounds() {
		count += s.took[i].Load()
		buckets[bound.Seconds()] = count
	}
	count += s.took[tookBuckets].Load()
	to <- prometheus.MustNewConstHistogram(m.descs.took, count, time.Duration(s.tookSum.Load()).Seconds(), buckets, webhook)
	to <- prometheus.MustNewConstMetric(m.descs.inFlight, prometheus.GaugeValue, float64(s.inFlight.Load()), webhook)
	to <- prometheus.MustNewConstMetric(m.descs.oldestDue, prometheus.GaugeValue, oldest, webhook)
	to <- prometheus.MustNewConstMetric(m.descs.circuitOpen, prometheus.GaugeValue, float64(open), webhook)
}

// resultOf is the result label of an attempt.
func resultOf(f hook.Failure) string {
	if f == hook.FailureNone {
		return "acknowledged"
	}
	return f.String()
}
