package gate

import "github.com/prometheus/client_golang/prometheus"

// Register registers the metrics of a listener and its certificate, which is nil without TLS.
func Register(r *prometheus.Registry, l *Listener, c *Certificate) {
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hookswitch_connections", Help: "Connections of callers that are open.",
		}, func() float64 { return float64(l.Open()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "hookswitch_connections_refused_total", Help: "Connections closed because there were too many, in all or of one address.",
		}, func() float64 { return float64(l.Refused()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "hookswitch_connections_ended_total", Help: "Quiet connections closed to make room for new ones.",
		}, func() float64 { return float64(l.Ended()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hookswitch_certificate_not_after_timestamp_seconds", Help: "When the certificate in use ends, in seconds since 1970; 0 without TLS.",
		}, func() float64 {
			if c == nil {
				return 0
			}
			return float64(c.NotAfter().Unix())
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hookswitch_certificate_broken", Help: "1 while the certificate's files cannot be used and the one before stays, else 0.",
		}, func() float64 {
			if c.Broken() {
				return 1
			}
			return 0
		}),
	)
}
