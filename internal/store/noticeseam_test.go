package store_test

import (
	"errors"
	"maps"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// What was held back about a webhook that is gone, or waits for one that gets notices, is no reason to write: a look that tells
// nothing makes no transaction.
func TestLookThatTellsNothingWritesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		var begun atomic.Int64
		s, now := e.Open(t, still(), storetest.Before(func(s *store.Store) {
			s.Watch(&store.Spy{Before: func(int) { begun.Add(1) }})
		})), moment()
		w, to := webhook(t, s, theCenter), webhook(t, s, theCenter, forNotices())
		opened := hook.OpenCircuit(now, &w.Settings.Retry)
		for range 2 { // of which the second is held back
			swap(t, s, w, hook.Circuit{}, opened)
			swap(t, s, w, opened, hook.Circuit{})
		}
		must(t, s.DeleteWebhook(t.Context(), theCenter, w.ID, now))
		swap(t, s, to, hook.Circuit{}, hook.OpenCircuit(now, &to.Settings.Retry))
		before, watch := begun.Load(), store.NewWatch(s.Store)
		for i := range 3 { // the notices to the other one wait, and grow older
			look(t, watch, now.Add(time.Duration(i+2)*time.Hour))
		}
		if n := begun.Load() - before; n != 0 {
			t.Errorf("%d transactions about nothing", n)
		}
	})
}

// Nobody is told of a webhook that another node has deleted a moment ago.
func TestNoNoticesAboutWebhooksThatAnotherNodeDeleted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		if !e.Shared {
			return // there is no other node
		}
		s, now := e.Open(t, still()), moment()
		other := s.Join(t)
		w := webhook(t, s, theCenter)
		_, err := other.Webhook(t.Context(), theCenter, w.ID) // which makes that it knows the webhook
		must(t, err)
		must(t, s.DeleteWebhook(t.Context(), theCenter, w.ID, now))
		swap(t, other, w, hook.Circuit{}, hook.OpenCircuit(now, &w.Settings.Retry))
		wantTold(t, s)
	})
}

// A notice that is replayed in the moment in which it would be removed stays until it is delivered.
func TestNoticeThatIsReplayedIsNotRemoved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		if !e.Shared {
			return // one writer removes or replays
		}
		s, now := e.Open(t, still()), moment()
		var pruning sync.WaitGroup
		var armed atomic.Bool
		pruned := make(chan error, 1)
		replaying := s.Join(t, storetest.Before(func(n *store.Store) {
			n.Watch(&store.Spy{Statement: func(text string, _ []any) {
				// The replay has locked the notice in the stage before: now the other node begins to remove it, and waits.
				if text != store.ReopenDelivery || !armed.CompareAndSwap(true, false) {
					return
				}
				pruning.Go(func() { pruned <- s.PruneNotices(t.Context(), now.Add(time.Hour)) })
				waitForLock(t, s)
			}})
		}))
		w, to := webhook(t, s, theCenter), webhook(t, s, theCenter, forNotices())
		swap(t, s, w, hook.Circuit{}, hook.OpenCircuit(now, &w.Settings.Retry))
		now = now.Add(time.Minute)
		d := claimOne(t, s, now, to)
		record(t, s, now, acknowledges(d, now))
		_, err := replaying.Webhook(t.Context(), theCenter, to.ID) // which makes that it knows the webhook
		must(t, err)
		armed.Store(true)
		replay(t, replaying, now, d.ID())
		pruning.Wait()
		must(t, <-pruned)
		if armed.Load() {
			t.Fatal("the replay was not looked at")
		}
		if got := claim(t, s, now, to, 1); len(got) != 1 {
			t.Error("the notice was replayed, and is not to be delivered any more")
		}
	})
}

// Two tasks of one group tell a thing once, also when the settings that make it worth a notice change while they are executed.
func TestNoticesOfOneGroupWhileSettingsChange(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		if !e.Shared {
			return // tasks are executed one after the other
		}
		const count = 5
		var armed atomic.Bool
		var strict func()
		s := e.Open(t, still(), storetest.Before(func(s *store.Store) {
			s.OneWriter()
			s.Watch(&store.Spy{Statement: func(text string, _ []any) {
				if text == store.InsertAttempt && armed.CompareAndSwap(true, false) {
					strict()
				}
			}})
		}))
		now, other := moment(), s.Join(t)
		w := webhook(t, s, theCenter)
		strict = func() {
			_, err := other.UpdateWebhook(t.Context(), theCenter, w.ID, now, func(w *hook.Webhook) error {
				w.Settings.Retry.Attempts = 1
				return nil
			})
			must(t, err)
			_, err = s.Webhook(t.Context(), theCenter, w.ID) // which reads them anew
			must(t, err)
		}
		claimed := many(t, s, now, w, count)
		var wg sync.WaitGroup
		send := func(outcomes ...hook.Outcome) {
			wg.Go(func() {
				if _, err := s.Record(t.Context(), now, outcomes); err != nil {
					t.Error(err)
				}
			})
		}
		release := s.HoldOutcomes(t.Context())
		for i, d := range claimed {
			send(fails(d, now, now.Add(time.Hour)))
			for s.QueuedOutcomes() <= i {
				runtime.Gosched()
			}
		}
		armed.Store(true)
		must(t, release())
		wg.Wait()
		if armed.Load() {
			t.Fatal("the settings were not changed")
		}
		if list := told(t, s); len(list) > 1 {
			t.Errorf("one thing is told %d times: %q", len(list), list)
		}
	})
}

// Nothing is delivered any more to a webhook that the server disables: that is told each time, also when somebody has enabled it a
// moment ago.
func TestEachDisablingIsTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, still()), moment()
		w := webhook(t, s, theCenter, func(w *hook.Webhook) { w.Settings.Disable.OnGone = true })
		for i := range 3 {
			at := now.Add(time.Duration(i) * time.Minute)
			sent, err := s.EnableWebhook(t.Context(), theCenter, w.ID, at, true, nil)
			must(t, err)
			must(t, s.DisableGone(t.Context(), at.Add(time.Second), sent))
		}
		wantTold(t, s, "webhook.disabled 1 closed", "webhook.disabled 1 closed", "webhook.disabled 1 closed")
	})
}

// What is told late of deliveries that failed does not say that they still do.
func TestSummaryOfFailingOfOneThatRecovered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, still()), moment()
		w := webhook(t, s, theCenter, func(w *hook.Webhook) { w.Settings.Retry.Attempts = 1 })
		for range 3 {
			change(t, s, now, create(newInteraction(), "q"))
			record(t, s, now, fails(claimOne(t, s, now, w), now, now))
			record(t, s, now, acknowledges(claimOne(t, s, now, w), now))
		}
		look(t, store.NewWatch(s.Store), now.Add(2*time.Hour))
		wantTold(t, s, "webhook.failing 1 closed", "webhook.failing 2 closed summary")
		last, err := hook.ParseNotice(notices(t, s, store.NoticeFilter{})[1].Payload)
		must(t, err)
		if got := last.Data.Message; strings.Contains(got, "fails") || !strings.Contains(got, "2 times") {
			t.Errorf("it says %q of a receiver that works", got)
		}
	})
}

// A node replays a delivery of a webhook that another node has made, and none of one that another node has deleted.
func TestReplayAsAnotherNodeHasLeftTheWebhook(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		if !e.Shared {
			return // there is no other node
		}
		s, now := e.Open(t, still()), moment()
		other := s.Join(t)
		w := webhook(t, s, theCenter)
		d := many(t, s, now, w, 2)
		record(t, s, now, exhausts(d[0], now), exhausts(d[1], now))
		if _, err := other.ReplayDelivery(t.Context(), theCenter, d[0].ID(), now, nil); err != nil {
			t.Errorf("replay of a webhook that another node has made: %v", err)
		}
		must(t, s.DeleteWebhook(t.Context(), theCenter, w.ID, now))
		conflict := new(hook.ConflictError)
		if _, err := other.ReplayDelivery(t.Context(), theCenter, d[1].ID(), now, nil); !errors.As(err, &conflict) {
			t.Errorf("replay of a webhook that another node has deleted: %v", err)
		}
	})
}

// A page of notices is read with a few statements, however many it shows, and each of them with its own deliveries.
func TestPageOfNoticesIsFewStatements(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		const count = 60
		var read atomic.Int64
		s, now := e.Open(t, still(), storetest.Before(func(s *store.Store) {
			s.Watch(&store.Spy{Statement: func(text string, _ []any) {
				if strings.Contains(text, "FROM attempts a") {
					read.Add(1)
				}
			}})
		})), moment()
		to := webhook(t, s, theCenter, forNotices())
		webhook(t, s, theCenter, forNotices())
		for range count {
			w := webhook(t, s, theCenter)
			swap(t, s, w, hook.Circuit{}, hook.OpenCircuit(now, &w.Settings.Retry))
		}
		later := now.Add(time.Minute)
		record(t, s, later, acknowledges(claim(t, s, later, to, 1)[0], later))
		read.Store(0)
		states := map[hook.DeliveryState]int{}
		for _, n := range notices(t, s, store.NoticeFilter{}) {
			for _, d := range n.Deliveries {
				states[d.State]++
				if serial, _, ok := d.ID.Keys(); !ok || serial == 0 || len(n.Deliveries) != 2 {
					t.Errorf("a notice has %+v", n.Deliveries)
				}
			}
		}
		if want := map[hook.DeliveryState]int{hook.DeliveryPending: 2*count - 1, hook.DeliveryDelivered: 1}; !maps.Equal(states, want) {
			t.Errorf("states %v, want %v", states, want)
		}
		if n := read.Load(); n > 2 {
			t.Errorf("%d statements for %d notices", n, count)
		}
	})
}

// What an outcome tells of a webhook that the node has only just come to know is not lost, whenever it came to know it.
func TestNoticeOfWebhookReadAnewWithinAGroup(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		if !e.Shared {
			return // nobody else makes webhooks
		}
		other, now := e.Open(t, still()), moment()
		var learn atomic.Pointer[func()]
		s := other.Join(t, storetest.Before(func(s *store.Store) {
			s.Watch(&store.Spy{Statement: func(string, []any) {}, Shared: func() {
				if f := learn.Swap(nil); f != nil {
					(*f)()
				}
			}})
		}))
		w := webhook(t, other, theCenter)
		d := many(t, other, now, w, 1)[0]
		f := func() {
			_, err := s.Webhook(t.Context(), theCenter, w.ID)
			must(t, err)
		}
		learn.Store(&f)
		record(t, s, now, exhausts(d, now))
		wantTold(t, other, "delivery.exhausted 1 closed")
	})
}
