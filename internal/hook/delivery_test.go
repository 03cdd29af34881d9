package hook_test

import (
	"testing"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The numbers are stored: no row of this table may ever change.
func TestDeliveryStates(t *testing.T) {
	for _, test := range []struct {
		state  hook.DeliveryState
		number uint8
		name   string
	}{
		{hook.DeliveryPending, 1, "pending"},
		{hook.DeliveryWaiting, 2, "pending"}, // to everybody outside
		{hook.DeliveryExhausted, 3, "exhausted"},
		{hook.DeliveryDelivered, 4, "delivered"},
		{hook.DeliveryHeld, 5, "held"},
		{0, 0, "DeliveryState(0)"},
		{6, 6, "DeliveryState(6)"},
	} {
		if got := test.state.String(); got != test.name || uint8(test.state) != test.number {
			t.Errorf("got %d %q, want %d %q", uint8(test.state), got, test.number, test.name)
		}
	}
}

func TestDeliveryKeyAndID(t *testing.T) {
	d := hook.Delivery{Event: &hook.Event{Serial: 123_456_789_012}, Webhook: 42, Attempts: 3}
	if got, want := d.Key(), (hook.DeliveryKey{Event: 123_456_789_012, Webhook: 42}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	id := d.ID()
	event, webhook, ok := id.Keys()
	if !ok || (hook.DeliveryKey{Event: event, Webhook: webhook}) != d.Key() {
		t.Errorf("%v names %d and %d, %v", id, event, webhook, ok)
	}
	d.Attempts++
	if d.ID() != id {
		t.Error("the id changed with an attempt")
	}
}
