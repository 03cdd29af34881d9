package bearer

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The results of a judgement.
const (
	resultCached   = "cached"
	resultVerified = "verified"
	resultRefused  = "refused"
	resultUnjudged = "unjudged"
)

// The results of reading the issuer's keys.
const (
	readDone   = "done"
	readFailed = "failed"
)

// metrics are those of a verifier.
type metrics struct {
	tokens *prometheus.CounterVec
	cached prometheus.Counter
}

func newMetrics(r *prometheus.Registry) *metrics {
	m := &metrics{tokens: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hookswitch_tokens_total", Help: "Bearer tokens by what was found about them."}, []string{"result"})}
	for _, result := range []string{resultVerified, resultRefused, resultUnjudged} {
		m.tokens.WithLabelValues(result)
	}
	m.cached = m.tokens.WithLabelValues(resultCached)
	if r != nil {
		r.MustRegister(m.tokens)
	}
	return m
}

// keyMetrics are those of a keyring.
type keyMetrics struct {
	reads  *prometheus.CounterVec
	readAt prometheus.Gauge
}

func newKeyMetrics(r *prometheus.Registry) *keyMetrics {
	m := &keyMetrics{
		reads:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hookswitch_issuer_reads_total", Help: "Reads of the token issuer's keys by how they ended."}, []string{"result"}),
		readAt: prometheus.NewGauge(prometheus.GaugeOpts{Name: "hookswitch_issuer_keys_read_timestamp_seconds", Help: "When the token issuer's keys were last read."}),
	}
	for _, result := range []string{readDone, readFailed} {
		m.reads.WithLabelValues(result)
	}
	if r != nil {
		r.MustRegister(m.reads, m.readAt)
	}
	return m
}

func resultOf(err error) string {
	if err == nil {
		return resultVerified
	}
	if _, bad := errors.AsType[*hook.TokenError](err); bad {
		return resultRefused
	}
	return resultUnjudged
}
