package store_test

import (
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// TestNoticesSince shows that notices are counted from a time on, up to a limit, and nothing else is.
func TestNoticesSince(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t, still())
		now := moment()
		for i := range 3 {
			at := now.Add(time.Duration(i) * time.Minute)
			w := webhook(t, s, theCenter)
			record(t, s, at, exhausts(many(t, s, at, w, 1)[0], at))
		}
		for _, c := range []struct {
			since       time.Time
			limit, want int
		}{{now, 100, 3}, {now.Add(time.Second), 100, 2}, {now, 2, 2}, {now.Add(time.Hour), 100, 0}} {
			n, err := s.NoticesSince(t.Context(), theCenter, c.since, c.limit)
			must(t, err)
			if n != c.want {
				t.Errorf("since %v, up to %d: %d notices, want %d", c.since, c.limit, n, c.want)
			}
		}
	})
}
