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
	NextProbeAt instant      `json:"nextProbeAt,omitzero" doc:"When the next probe may go out; while one is out, when it is given up for lost. Absent while the circuit is closed."`
}

func showCircuit(c hook.Circuit) Circuit {
	if !c.Open() {
		return Circuit{State: circuitClosed}
	}
	return Circuit{State: circuitOpen, Since: instant{c.Since}, NextProbeAt: instant{c.ProbeAt}}
}
