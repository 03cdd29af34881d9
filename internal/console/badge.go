package console

import "github.com/hookswitch/hookswitch/internal/hook"

// The classes of a state's colour; the state's name stands beside it always. No class is a state that needs nobody's attention.
const (
	badgeGood = "good"
	badgeWarn = "warn"
	badgeBad  = "bad"
	badgeInfo = "info"
)

// interactionBadge is the colour of an interaction's state: what waits for an agent stands out.
func interactionBadge(s hook.State) string {
	switch s {
	case hook.StateQueued:
		return badgeWarn
	case hook.StateInProcess:
		return badgeInfo
	case hook.StateStopped:
		return badgeGood
	case hook.StateNew:
	}
	return ""
}

// deliveryBadge is the colour of a delivery's state; failing is whether its last attempt was not acknowledged.
func deliveryBadge(s hook.DeliveryState, failing bool) string {
	switch s {
	case hook.DeliveryDelivered:
		return badgeGood
	case hook.DeliveryExhausted:
		return badgeBad
	case hook.DeliveryHeld:
		return badgeWarn
	case hook.DeliveryPending, hook.DeliveryWaiting:
		if failing {
			return badgeWarn
		}
	}
	return badgeInfo
}

// replayBadge is the colour of a replay's state.
func replayBadge(s hook.ReplayState) string {
	switch s {
	case hook.ReplayRunning:
		return badgeInfo
	case hook.ReplayPaused:
		return badgeWarn
	case hook.ReplayFinished:
		return badgeGood
	case hook.ReplayCancelled:
	}
	return ""
}
