package store

// The statements about circuits, and the one that reads all webhooks.
const (
	SelectWebhooksText = string(selectWebhooks)
	SwapCircuitText    = string(swapCircuit)
	SelectCircuitText  = string(selectCircuit)
)
