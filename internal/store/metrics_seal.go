package store

import "github.com/prometheus/client_golang/prometheus"

// sealingMetrics are about what is sealed with which master key.
type sealingMetrics struct {
	resealed, failures prometheus.Counter
	remaining, problem prometheus.Gauge
}

func newSealingMetrics(counter func(name, help string) prometheus.Counter) sealingMetrics {
	return sealingMetrics{
		resealed: counter("hookswitch_resealed_total", "Records that this node has sealed under the primary master key, because they were not."),
		failures: counter("hookswitch_reseal_failures_total", "How often that failed; it is tried again."),
		remaining: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hookswitch_master_key_remaining", Help: "Records that are not sealed under the primary master key, as of the last look.",
		}),
		problem: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hookswitch_master_key_problem", Help: "1 while sealing under the primary master key fails, or the keyset's file cannot be read any more.",
		}),
	}
}

// looked notes what a look has found.
func (m *sealingMetrics) looked(remaining int64, problem error) {
	m.remaining.Set(float64(remaining))
	m.problem.Set(0)
	if problem != nil {
		m.problem.Set(1)
	}
}
