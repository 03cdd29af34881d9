package store

// The statements about circuits.
const (
	SwapCircuitText   = string(swapCircuit)
	SelectCircuitText = string(selectCircuit)
)
