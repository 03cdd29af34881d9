package store_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// The last attempt of what is open is found by its number, on both engines: a list of deliveries that failed a hundred times each
// does not look at all that they have tried.
func TestListsFindLastAttemptsByTheirNumbers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		var all atomic.Int64
		s := e.Open(t, storetest.Before(func(s *store.Store) {
			s.Watch(&store.Spy{Statement: func(text string, _ []any) {
				if strings.HasPrefix(text, "SELECT a.event, a.webhook, a.number") && strings.Contains(text, "l.number > a.number") {
					all.Add(1)
				}
			}})
		}))
		w, now := webhook(t, s, theCenter), moment()
		change(t, s, now, create(newInteraction(), "q"))
		for n := range 3 {
			at := now.Add(time.Duration(n) * time.Minute)
			record(t, s, at, fails(claimOne(t, s, at, w), at, at.Add(time.Minute)))
		}
		list, _, err := s.Deliveries(t.Context(), theCenter, store.DeliveryFilter{Failing: true}, store.Page{})
		must(t, err)
		if len(list) != 1 || list[0].LastAttempt == nil || list[0].LastAttempt.Number != 3 {
			t.Fatalf("the list has %+v", list)
		}
		if n := all.Load(); n != 0 {
			t.Errorf("%d statements looked at all attempts", n)
		}
	})
}
