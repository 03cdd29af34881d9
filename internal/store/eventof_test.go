package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// The event of a delivery can be read while it is open and after it was delivered, by its own contact centre alone.
func TestEventOfADelivery(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w, other := webhook(t, s, theCenter), contactCenter(t, s, "other")
		change(t, s, now, create(newInteraction(), "support"))
		want := events(t, s, theCenter)[0]
		id := hook.NewDeliveryID(want.Serial, w.Number)
		check := func(when string) {
			t.Helper()
			got, err := s.EventOf(t.Context(), theCenter, id)
			must(t, err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		check("open")
		deliver(t, s, now, w)
		check("delivered")
		for name, id := range map[string]hook.DeliveryID{
			"no delivery's": {UUID: newUUID()}, "no event's": hook.NewDeliveryID(want.Serial+1, w.Number),
		} {
			if got, err := s.EventOf(t.Context(), theCenter, id); !isNotFound(err) || got != nil {
				t.Errorf("%s id: %v, %v", name, got, err)
			}
		}
		if got, err := s.EventOf(t.Context(), other.Number, id); !isNotFound(err) {
			t.Errorf("another contact centre reads %v, %v", got, err)
		}
	})
}
