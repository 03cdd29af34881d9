package store_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// A group that decided by what was in memory is begun anew when another process had changed that, also if it was read anew while the
// group was on its way: a webhook that one process has disabled is not claimed for by another.
func TestCatalogueReadAnewWithinAGroup(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		if !e.Shared {
			return // nobody else changes what is in memory
		}
		var armed atomic.Bool
		var meanwhile func()
		a := e.Open(t, storetest.Before(func(s *store.Store) {
			s.Watch(&store.Spy{Statement: func(text string, _ []any) {
				if text == store.ClaimDue && armed.CompareAndSwap(true, false) {
					meanwhile()
				}
			}})
		}))
		b, now := a.Join(t), moment()
		w := webhook(t, a, theCenter)
		change(t, a, now, create(newInteraction(), "q"))
		meanwhile = func() { // the group has looked at its memory, and asks the database next
			if _, err := b.EnableWebhook(t.Context(), theCenter, w.ID, now, false, nil); err != nil {
				t.Errorf("disable: %v", err)
			}
			if seen, err := a.Webhook(t.Context(), theCenter, w.ID); err != nil || seen.Enabled {
				t.Errorf("read anew: %+v, %v", seen, err)
			}
		}
		armed.Store(true)
		if got := claim(t, a, time.Now(), w, 10); len(got) != 0 || armed.Load() {
			t.Errorf("claimed %d deliveries of a webhook that another process had disabled", len(got))
		}
	})
}
