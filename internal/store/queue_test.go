package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// TestOpenInteractions shows that what is open is counted by queue, oldest or newest first, and only of media types that may be read.
func TestOpenInteractions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t)
		now := moment()
		ids := make([]hook.InteractionID, 6)
		for i := range ids {
			ids[i] = newInteraction()
		}
		at := func(n int) time.Time { return now.Add(time.Duration(n) * time.Second) }
		mail := create(ids[3], "b")
		mail.Draft.Media = interaction.MediaEmail
		for i, ch := range []hook.Change{create(ids[0], ""), create(ids[1], "a"), create(ids[2], "a"), mail, create(ids[4], "a"), create(ids[5], "b"), accept(ids[4], "kim"), stop(ids[5])} {
			change(t, s, at(i), ch)
		}
		names := func(list []*hook.Interaction) (out []int) {
			for _, i := range list {
				for n, id := range ids {
					if id == i.ID {
						out = append(out, n)
					}
				}
			}
			return out
		}
		both := []store.Queue{{New: 1}, {Name: "a", Queued: 2, InProcess: 1, Waiting: at(1)}, {Name: "b", Queued: 1, Waiting: at(3)}}
		for _, c := range []struct {
			name    string
			filter  store.OpenFilter
			queues  []store.Queue
			list    []int
			matched int
		}{
			{"all", store.OpenFilter{Limit: 10}, both, []int{0, 1, 2, 3, 4}, 5},
			{"newest first", store.OpenFilter{Newest: true, Limit: 2}, both, []int{4, 3}, 5},
			{"a later part", store.OpenFilter{Skip: 2, Limit: 2}, both, []int{2, 3}, 5},
			{"one queue", store.OpenFilter{Queue: "a", Limit: 10}, both, []int{1, 2, 4}, 3},
			{"one state", store.OpenFilter{State: hook.StateInProcess, Limit: 10}, both, []int{4}, 1},
			{"one media type", store.OpenFilter{Readable: []interaction.MediaType{interaction.MediaEmail}, Limit: 10}, both[2:], []int{3}, 1},
			{"no media type", store.OpenFilter{Readable: []interaction.MediaType{}, Limit: 10}, nil, nil, 0},
		} {
			t.Run(c.name, func(t *testing.T) {
				found, err := s.OpenInteractions(t.Context(), theCenter, c.filter)
				must(t, err)
				if diff := cmp.Diff(c.queues, found.Queues); diff != "" {
					t.Errorf("queues (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(c.list, names(found.List)); diff != "" || found.Matched != c.matched || found.More {
					t.Errorf("%d match, more %t (-want +got):\n%s", found.Matched, found.More, diff)
				}
			})
		}
	})
}

// TestFailingDeliveries shows that the list of what fails now has what failed since it was made or replayed, and is open.
func TestFailingDeliveries(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t)
		now := moment()
		w := webhook(t, s, theCenter)
		id := newInteraction()
		change(t, s, now, create(id, "q"))
		count := func(want int, f store.DeliveryFilter) {
			t.Helper()
			f.State, f.Failing = hook.DeliveryPending, true
			if got := len(deliveries(t, s, theCenter, f)); got != want {
				t.Errorf("%d are failing, want %d", got, want)
			}
		}
		all := func(want int) {
			t.Helper()
			count(want, store.DeliveryFilter{})
			count(want, store.DeliveryFilter{Webhook: w.ID})
			count(want, store.DeliveryFilter{Interaction: id})
		}
		all(0)
		record(t, s, now, fails(claimOne(t, s, now, w), now, now.Add(time.Minute)))
		all(1)
		count(1, store.DeliveryFilter{Failure: hook.FailureTimeout})
		now = now.Add(time.Minute)
		d := claimOne(t, s, now, w)
		record(t, s, now, exhausts(d, now))
		all(0)
		replay(t, s, now, d.ID())
		all(0)
		count(0, store.DeliveryFilter{Failure: hook.FailureTimeout})
	})
}
