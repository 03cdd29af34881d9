package store_test

import (
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// TestEventsBack shows that the newest events are found from their end, in the order in which all are read.
func TestEventsBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t)
		now := moment()
		ids := make([]hook.InteractionID, 5)
		for i := range ids {
			ids[i] = newInteraction()
			change(t, s, now.Add(time.Duration(i)*time.Second), create(ids[i], "q"))
		}
		events(t, s, theCenter) // which waits until all can be read
		for n, want := range map[int][]hook.InteractionID{0: {}, 2: ids[3:], 5: ids, 6: ids, 1_000: ids} {
			cursor, err := s.EventsBack(t.Context(), theCenter, n)
			must(t, err)
			found, _, err := s.Events(t.Context(), theCenter, cursor, store.PageLimitMax)
			must(t, err)
			if len(found) != len(want) {
				t.Fatalf("%d back: %d events, want %d", n, len(found), len(want))
			}
			for i := range found {
				if found[i].Event.InteractionID != want[i] {
					t.Errorf("%d back: event %d is of %s, want %s", n, i, found[i].Event.InteractionID, want[i])
				}
			}
		}
	})
}
