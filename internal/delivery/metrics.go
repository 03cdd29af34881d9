package delivery

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// metrics answer an operator's questions; docs/metrics.md says which.
type metrics struct {
	attempts  *prometheus.CounterVec
	delivered prometheus.Counter
	exhausted prometheus.Counter
	late      prometheus.Counter
	duration  prometheus.Histogram
	delay     prometheus.Histogram
	inFlight  prometheus.Gauge
	webhooks  *webhookMetrics
	// proxyFailures are no attempts.
	proxyFailures prometheus.Counter
	// oldestDue and oldestHeld are since when the oldest delivery in the store has been due that may be sent, and that an open
	// circuit holds back, in milliseconds since 1970; zero means that there is none.
	oldestDue, oldestHeld atomic.Int64
	// byFailure are the counters of attempts, looked up once.
	byFailure map[hook.Failure]prometheus.Counter
}

func newMetrics(r prometheus.Registerer, e *Engine) *metrics {
	m := &metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hookswitch_attempts_total", Help: "Attempts of deliveries, by result: acknowledged or the class of failure. A POST of several events is one attempt of each.",
		}, []string{"result"}),
		delivered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hookswitch_deliveries_delivered_total", Help: "Deliveries acknowledged and recorded.",
		}),
		exhausted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hookswitch_deliveries_exhausted_total", Help: "Deliveries whose last attempt failed.",
		}),
		late: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hookswitch_outcomes_late_total", Help: "Outcomes dropped because the lease had passed to somebody else.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "hookswitch_attempt_duration_seconds", Help: "How long an attempt took, from before the dial to the last byte of the answer.", Buckets: buckets(),
		}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "hookswitch_delivery_delay_seconds", Help: "From the event to the acknowledgement of its delivery, retries and waits included.", Buckets: buckets(),
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hookswitch_posts_in_flight", Help: "POSTs being made now.",
		}),
		proxyFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hookswitch_egress_proxy_failures_total", Help: "POSTs that were not made because the operator's own proxy failed. They are no attempts: their deliveries wait.",
		}),
		webhooks:  newWebhookMetrics(e),
		byFailure: make(map[hook.Failure]prometheus.Counter),
	}
	for f := range hook.Failure(failuresMax) {
		m.byFailure[f] = m.attempts.WithLabelValues(resultOf(f))
	}
	if r != nil {
		r.MustRegister(m.attempts, m.delivered, m.exhausted, m.late, m.duration, m.delay, m.inFlight, m.proxyFailures, m.webhooks,
			dueGauge("hookswitch_oldest_due_seconds", "How long the longest waiting delivery in the store has been due that may be sent: not one that an open circuit or a disabled webhook holds. 0 when nothing is due.", &m.oldestDue),
			dueGauge("hookswitch_oldest_held_seconds", "How long the longest waiting delivery has been due that an open circuit holds back. 0 when there is none.", &m.oldestHeld),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "hookswitch_deliveries_in_memory", Help: "Deliveries that this node holds leases on, in flight or waiting for their turn.",
			}, func() float64 { return float64(e.held.Load()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "hookswitch_outcomes_waiting", Help: "Outcomes that wait to be recorded.",
			}, func() float64 { return float64(len(e.recorder.waiting)) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "hookswitch_circuits_open", Help: "Webhooks that this node has delivered to or was asked to, whose circuit is open.",
			}, func() float64 { return float64(e.circuitsOpen()) }))
	}
	return m
}

// buckets are from 0.5 ms to 60 s, the longest request timeout, and beyond.
func buckets() []float64 {
	return []float64{.0005, .001, .002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 600, 3600, 86400}
}

// begins and ends count a POST that is being made.
func (m *metrics) begins(t *target) {
	m.inFlight.Inc()
	t.series.inFlight.Add(1)
}

func (m *metrics) ends(t *target) {
	m.inFlight.Dec()
	t.series.inFlight.Add(-1)
}

func (m *metrics) attempted(t *target, o *hook.Outcome) {
	m.byFailure[o.Attempt.Failure].Inc()
	m.duration.Observe(o.Attempt.Duration.Seconds())
	t.series.attempted(&o.Attempt)
}

// swept notes what the store says is due.
func (m *metrics) swept(now time.Time, due []hook.Due) {
	oldest, held := m.webhooks.swept(now, due)
	m.oldestDue.Store(milli(oldest))
	m.oldestHeld.Store(milli(held))
}

// milli is a time in milliseconds since 1970; none is zero.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// dueGauge shows how long ago a time was. It grows between two sweeps too: a store that does not answer makes nothing less late.
func dueGauge(name, help string, at *atomic.Int64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
		if at.Load() == 0 {
			return 0
		}
		return since(time.Now(), time.UnixMilli(at.Load()))
	})
}

func (m *metrics) recorded(batch []hook.Outcome, r hook.Recorded) {
	m.late.Add(float64(len(r.Late)))
	for i := range batch {
		o := &batch[i]
		switch {
		case slices.Contains(r.Late, i): // its delivery is somebody else's
		case o.Attempt.Acknowledged():
			m.delivered.Inc()
			m.delay.Observe(o.Attempt.StartedAt.Add(o.Attempt.Duration).Sub(o.Delivery.Event.OccurredAt).Seconds())
		case o.Exhausts():
			m.exhausted.Inc()
		}
	}
}

func (e *Engine) circuitsOpen() int {
	open := 0
	for _, l := range e.allLanes() {
		if w, ok := e.options.Queue.WebhookByNumber(l.number); ok && w.Deleted() {
			continue // its circuit stays as it was, and concerns nobody
		}
		l.mu.Lock()
		l.look()
		if l.breaker.Open() {
			open++
		}
		l.mu.Unlock()
	}
	return open
}
