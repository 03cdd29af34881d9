package delivery

import (
	"slices"

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
	oldestDue prometheus.Gauge
	// byFailure are the counters of attempts, looked up once.
	byFailure map[hook.Failure]prometheus.Counter
}

func newMetrics(r prometheus.Registerer, e *Engine) *metrics {
	m := &metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hookswitch_attempts_total", Help: "POSTs made, by result: acknowledged or the class of failure.",
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
			Name: "hookswitch_attempt_duration_seconds", Help: "How long a POST took.", Buckets: buckets(),
		}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "hookswitch_delivery_delay_seconds", Help: "From the event to the acknowledgement of its delivery.", Buckets: buckets(),
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hookswitch_posts_in_flight", Help: "POSTs being made now.",
		}),
		oldestDue: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hookswitch_oldest_due_seconds", Help: "How long the longest waiting due delivery in the store has been due.",
		}),
		byFailure: make(map[hook.Failure]prometheus.Counter),
	}
	m.byFailure[hook.FailureNone] = m.attempts.WithLabelValues("acknowledged")
	for _, f := range hook.Failures() {
		m.byFailure[f] = m.attempts.WithLabelValues(f.String())
	}
	if r != nil {
		r.MustRegister(m.attempts, m.delivered, m.exhausted, m.late, m.duration, m.delay, m.inFlight, m.oldestDue,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "hookswitch_deliveries_in_memory", Help: "Deliveries that lanes hold, in flight or waiting.",
			}, func() float64 { return float64(e.held.Load()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "hookswitch_outcomes_waiting", Help: "Outcomes that wait to be recorded.",
			}, func() float64 { return float64(len(e.recorder.waiting)) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "hookswitch_circuits_open", Help: "Webhooks whose circuit is open.",
			}, func() float64 { return float64(e.circuitsOpen()) }))
	}
	return m
}

// buckets are from 0.5 ms to 60 s, the longest request timeout, and beyond.
func buckets() []float64 {
	return []float64{.0005, .001, .002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 600, 3600, 86400}
}

func (m *metrics) attempted(o *hook.Outcome) {
	m.byFailure[o.Attempt.Failure].Inc()
	m.duration.Observe(o.Attempt.Duration.Seconds())
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
		l.mu.Lock()
		l.look()
		if l.breaker.Open() {
			open++
		}
		l.mu.Unlock()
	}
	return open
}
