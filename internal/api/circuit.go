package api

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// CircuitState is the state of a webhook's circuit in the API's JSON.
type CircuitState string

const (
	circuitClosed CircuitState = "closed"
	circuitOpen   CircuitState = "open"
)

// Schema returns the states of a circuit.
func (CircuitState) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "CircuitState", "Whether deliveries go out, or are held back because the receiver fails.", []CircuitState{circuitClosed, circuitOpen})
}

// Circuit is a webhook's circuit, as it is shown.
type Circuit struct {
	State       CircuitState `json:"state"`
	Since       instant      `json:"since,omitzero" doc:"When it opened; absent while it is closed."`
	NextProbeAt instant      `json:"nextProbeAt,omitzero" doc:"When the next probe may go out; while one is out, when it is given up for lost. Absent while the circuit is closed or the webhook disabled."`
	DisableAt   instant      `json:"disableAt,omitzero" doc:"When the webhook is disabled if the circuit stays open; absent where it never is."`
}

func showCircuit(w *hook.Webhook) Circuit {
	c := w.Circuit
	if !c.Open() {
		return Circuit{State: circuitClosed}
	}
	shown := Circuit{State: circuitOpen, Since: instant{c.Since}, DisableAt: instant{w.DisableAt()}}
	if w.Enabled { // a disabled one gets no probes
		shown.NextProbeAt = instant{c.ProbeAt}
	}
	return shown
}

// CircuitBreaker says when a webhook's circuit opens, as it is shown: with the defaults.
type CircuitBreaker struct {
	Failures int     `json:"failures"`
	Share    float64 `json:"share"`
	Minimum  int     `json:"minimum"`
}

func showBreaker(l hook.BreakerLimits) CircuitBreaker {
	l = l.Effective()
	return CircuitBreaker{Failures: l.Failures, Share: l.Share, Minimum: l.Minimum}
}

// CircuitBreakerDraft says in a body when the circuit opens.
type CircuitBreakerDraft struct {
	Failures optional[whole]   `json:"failures,omitzero" doc:"So many failures in a row on one node open the circuit; 20 when absent."`
	Share    optional[float64] `json:"share,omitzero" doc:"So large a failing share of a node's attempts of the last minute opens the circuit; 0.8 when absent."`
	Minimum  optional[whole]   `json:"minimum,omitzero" doc:"Fewer attempts in a minute say nothing about the share; 50 when absent."`
}

// TransformSchema gives the document the domain's bounds.
func (CircuitBreakerDraft) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	numberRange(s, "failures", 1, hook.BreakerFailuresMax)
	numberRange(s, "share", hook.BreakerShareMin, hook.BreakerShareMax)
	numberRange(s, "minimum", 1, hook.BreakerMinimumMax)
	return s
}
