package hook

import (
	"fmt"
	"time"
)

// DeliveryState is where a delivery is in its life; see the package comment's diagram.
type DeliveryState uint8

// The states of a delivery. The numbers of those that are stored never change; a delivered one leaves the open set and
// lives on as its last attempt, and held is a view of a pending one whose webhook is disabled or whose circuit is open.
const (
	DeliveryPending   DeliveryState = 1 // DeliveryPending is due, now or at its next attempt.
	DeliveryWaiting   DeliveryState = 2 // DeliveryWaiting is a FINISHED whose STARTED is not resolved yet (I3).
	DeliveryExhausted DeliveryState = 3 // DeliveryExhausted has used up its attempts.
	DeliveryDelivered DeliveryState = 4 // DeliveryDelivered was acknowledged.
	DeliveryHeld      DeliveryState = 5 // DeliveryHeld is pending while its webhook is disabled or its circuit open.
)

// String returns the state's name as the API writes it. A waiting delivery is pending to everybody outside.
func (s DeliveryState) String() string {
	switch s {
	case DeliveryPending, DeliveryWaiting:
		return "pending"
	case DeliveryExhausted:
		return "exhausted"
	case DeliveryDelivered:
		return "delivered"
	case DeliveryHeld:
		return "held"
	default:
		return fmt.Sprintf("DeliveryState(%d)", uint8(s))
	}
}

// Lease is a claim on a delivery: until it ends, nobody else takes the delivery. Its token fences: an outcome is recorded
// only under the token that the delivery still carries, so that a process that slept through its lease does no harm.
type Lease struct {
	// Token is unique to one claim; zero means that nobody holds the delivery.
	Token int64
	Until time.Time
}

// Delivery is one event on its way to one webhook, as the process that holds its lease knows it.
type Delivery struct {
	Event   *Event
	Webhook WebhookNumber
	// Attempts is how many have been made, over replays too: the next one has this number plus one (I6).
	Attempts int
	// Base is how many attempts had been made before the delivery was last replayed, zero if it never was: the retry
	// schedule counts from there.
	Base  int
	Lease Lease
}

// ID returns the delivery's public id.
func (d *Delivery) ID() DeliveryID { return NewDeliveryID(d.Event.Serial, d.Webhook) }

// Key returns what the delivery consists of, for maps.
func (d *Delivery) Key() DeliveryKey { return DeliveryKey{Event: d.Event.Serial, Webhook: d.Webhook} }

// DeliveryKey is the internal key of a delivery: an event and a webhook.
type DeliveryKey struct {
	Event   Serial
	Webhook WebhookNumber
}

// Due is when the first of a webhook's pending deliveries may be claimed. A leased one counts from the end of its lease.
type Due struct {
	Webhook WebhookNumber
	At      time.Time
}

// Recorded is what became of a batch of recorded outcomes.
type Recorded struct {
	// Freed are the webhooks that have a FINISHED due now because its STARTED is resolved.
	Freed []WebhookNumber
	// Late are the places in the batch of the outcomes that were dropped because the delivery's lease was not theirs any more.
	Late []int
}
