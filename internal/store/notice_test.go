package store_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// still keeps a store from looking for notices by itself: the test says when.
func still() storetest.Option {
	return storetest.Before(func(s *store.Store) { s.LookRarely(24 * time.Hour) })
}

func forNotices(kinds ...hook.NoticeKind) func(*hook.Webhook) {
	return func(w *hook.Webhook) {
		w.Settings.Purpose, w.Settings.Notices = hook.PurposeNotices, kinds
		w.Settings.URL = "https://operators.example/notices"
	}
}

// notices returns all notices of a contact centre, oldest first.
func notices(t testing.TB, s *storetest.Opened, f store.NoticeFilter) (all []*store.Notice) {
	t.Helper()
	for p := (store.Page{Limit: store.PageLimitMax}); ; {
		page, next, err := s.Notices(t.Context(), theCenter, f, p)
		must(t, err)
		for _, n := range page {
			all = append([]*store.Notice{n}, all...)
		}
		if p.Cursor = next; next == "" {
			return all
		}
	}
}

// told says of each notice, oldest first, what it is about, how often that happened, and how the circuit was.
func told(t testing.TB, s *storetest.Opened) (list []string) {
	t.Helper()
	for _, n := range notices(t, s, store.NoticeFilter{}) {
		c, err := hook.ParseNotice(n.Payload)
		must(t, err)
		text := fmt.Sprintf("%s %d %s", c.Kind(), c.Data.Count, c.Data.Circuit.State)
		if c.Data.Summary {
			text += " summary"
		}
		list = append(list, text)
	}
	return list
}

func wantTold(t testing.TB, s *storetest.Opened, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, told(t, s)); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
}

func look(t testing.TB, w *store.Watch, now time.Time) {
	t.Helper()
	must(t, w.Look(t.Context(), now))
}

// many creates interactions, whose STARTED are due, and claims their deliveries.
func many(t testing.TB, s *storetest.Opened, now time.Time, w *hook.Webhook, count int) []*hook.Delivery {
	t.Helper()
	changes := make([]hook.Change, count)
	for i := range changes {
		changes[i] = create(newInteraction(), "q")
	}
	for len(changes) > 0 {
		some := changes[:min(500, len(changes))]
		change(t, s, now, some...)
		changes = changes[len(some):]
	}
	claimed := claim(t, s, now, w, count)
	if len(claimed) != count {
		t.Fatalf("%d deliveries are due, want %d", len(claimed), count)
	}
	return claimed
}

// A dead receiver makes one notice and one summary, which together count everything that was given up; and a notice is no event
// and no delivery of an interaction.
func TestExhaustedDeliveriesAreAHandfulOfNotices(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		const count, batch = 10_000, 1_000
		s, now := e.Open(t, still()), moment()
		w, to := webhook(t, s, theCenter), webhook(t, s, theCenter, forNotices())
		webhook(t, s, theCenter, forNotices(hook.NoticeBacklog)) // which does not want this one
		var first *hook.Delivery
		for n := range count / batch {
			outcomes := make([]hook.Outcome, 0, batch)
			for _, d := range many(t, s, now, w, batch) {
				outcomes = append(outcomes, exhausts(d, now))
				if first == nil {
					first = d
				}
			}
			record(t, s, now.Add(time.Duration(n)*time.Second), outcomes...)
		}
		wantTold(t, s, "delivery.exhausted 1000 closed")
		watch := store.NewWatch(s.Store)
		look(t, watch, now.Add(time.Hour-time.Second))
		wantTold(t, s, "delivery.exhausted 1000 closed")
		look(t, watch, now.Add(time.Hour))
		look(t, watch, now.Add(3*time.Hour))
		wantTold(t, s, "delivery.exhausted 1000 closed", "delivery.exhausted 9000 closed summary")

		list := notices(t, s, store.NoticeFilter{})
		c, err := hook.ParseNotice(list[0].Payload)
		must(t, err)
		want := &hook.NoticeDelivery{
			ID: first.ID().String(), InteractionID: first.Event.InteractionID.String(), Event: "STARTED", Attempts: 1, Failure: "timeout", Error: "no answer",
		}
		if diff := cmp.Diff(want, c.Data.Delivery); diff != "" || c.Subject != w.ID.String() || c.ID != list[0].ID.String() {
			t.Errorf("the first notice is %+v: %s", c, diff)
		}
		if len(list[0].Deliveries) != 1 || list[0].Deliveries[0].Webhook != to.ID || list[0].Deliveries[0].State != hook.DeliveryPending {
			t.Errorf("it is delivered to %+v, want webhook %s alone", list[0].Deliveries, to.ID)
		}
		if got := len(events(t, s, theCenter)); got != count {
			t.Errorf("%d events are read, want those of interactions alone: %d", got, count)
		}
		if got := deliveries(t, s, theCenter, store.DeliveryFilter{Webhook: to.ID}); len(got) != 0 {
			t.Errorf("deliveries of notices are listed: %+v", got)
		}
	})
}

// Guarantee 2: the engine's way of delivering is that of notices, too: claimed when they are due, tried again, acknowledged; and
// replayed with the same bytes.
func TestNoticeIsDelivered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, still()), moment()
		w, to := webhook(t, s, theCenter), webhook(t, s, theCenter, forNotices())
		swap(t, s, w, hook.Circuit{}, hook.OpenCircuit(now, &w.Settings.Retry))
		now = now.Add(time.Minute) // the notice was born due at the time of the machine
		d := claimOne(t, s, now, to)
		if c, err := hook.ParseNotice(d.Event.Payload); err != nil || d.Event.Kind != hook.KindNotice || c.Kind() != hook.NoticeCircuitOpened || d.Event.CenterID != "default" {
			t.Fatalf("the notice is %+v: %v", d.Event, err)
		}
		record(t, s, now, fails(d, now, now.Add(time.Second)))
		s.Reopen(t)
		again := claimOne(t, s, now.Add(time.Second), to)
		if !bytes.Equal(again.Event.Payload, d.Event.Payload) || again.Attempts != 1 {
			t.Errorf("it is tried again as %+v", again)
		}
		record(t, s, now, acknowledges(again, now))
		got := notices(t, s, store.NoticeFilter{})[0].Deliveries
		if want := []store.NoticeDelivery{{ID: d.ID(), Webhook: to.ID, State: hook.DeliveryDelivered, Attempts: 2}}; !cmp.Equal(got, want) {
			t.Errorf("its deliveries are %+v, want %+v", got, want)
		}
		shown := replay(t, s, now, d.ID())
		if shown.ID != d.ID() || shown.Event != hook.KindNotice || shown.State != hook.DeliveryPending {
			t.Errorf("it is replayed as %+v", shown)
		}
		if replayed := claimOne(t, s, now, to); !bytes.Equal(replayed.Event.Payload, d.Event.Payload) {
			t.Errorf("it is replayed as %s", replayed.Event.Payload)
		}
	})
}

// Exactly once: of many that open a circuit at the same time, on two nodes, one does, and there is one notice; closing it, by a
// success or a change of the webhook, makes one too.
func TestCircuitNotices(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, still()), moment()
		nodes := []*storetest.Opened{s}
		if e.Shared {
			nodes = append(nodes, s.Join(t))
		}
		w := webhook(t, s, theCenter)
		var wg sync.WaitGroup
		var swapped atomic.Int64
		for i := range 20 {
			wg.Go(func() {
				opened := hook.OpenCircuit(now.Add(time.Duration(i)*time.Millisecond), &w.Settings.Retry)
				ok, err := nodes[i%len(nodes)].SwapCircuit(t.Context(), w.Number, hook.Circuit{}, opened)
				if err != nil {
					t.Error(err)
				}
				if ok {
					swapped.Add(1)
				}
			})
		}
		wg.Wait()
		if swapped.Load() != 1 {
			t.Fatalf("%d opened it", swapped.Load())
		}
		wantTold(t, s, "webhook.circuitOpened 1 open")
		for _, n := range nodes { // later than it was opened: notices of different nodes are listed by the nodes' times
			if _, err := n.EnableWebhook(t.Context(), theCenter, w.ID, now.Add(time.Second), true, nil); err != nil {
				t.Fatal(err)
			}
		}
		wantTold(t, s, "webhook.circuitOpened 1 open", "webhook.circuitClosed 1 closed")
		opened := hook.OpenCircuit(now.Add(time.Minute), &w.Settings.Retry)
		swap(t, s, w, hook.Circuit{}, opened)
		swap(t, s, w, opened, opened.Probing(now.Add(2*time.Minute), &w.Settings)) // which changes nothing that is told
		wantTold(t, s, "webhook.circuitOpened 1 open", "webhook.circuitClosed 1 closed")
		// The reader was told that it is closed: the summary says how it is.
		look(t, store.NewWatch(s.Store), time.Now().Add(hook.NoticeQuietDefault+time.Minute))
		wantTold(t, s, "webhook.circuitOpened 1 open", "webhook.circuitClosed 1 closed", "webhook.failing 1 open", "webhook.circuitOpened 1 open summary")
	})
}

// A change of a webhook that the server disables is told, once; one by hand is not.
func TestDisabledNotice(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, still()), moment()
		w := webhook(t, s, theCenter)
		disable := func(w *hook.Webhook) error {
			w.Enabled, w.Disabled = false, hook.Disabled{At: now, For: hook.DisabledGone}
			return nil
		}
		_, err := s.EnableWebhook(t.Context(), theCenter, w.ID, now, false, nil)
		must(t, err)
		wantTold(t, s)
		for range 2 {
			_, err = s.UpdateWebhook(t.Context(), theCenter, w.ID, now, disable)
			must(t, err)
		}
		wantTold(t, s, "webhook.disabled 1 closed")
	})
}

// Before anything is given up there is a warning: a delivery with few redeliveries left, a circuit that has been open for five
// minutes, and three quarters of the time after which the webhook is disabled, which no quiet period holds back.
func TestFailingNotices(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, still()), moment()
		w := webhook(t, s, theCenter, func(w *hook.Webhook) {
			w.Settings.Retry.Attempts, w.Settings.Disable.After = 2, hook.Duration(time.Hour)
		})
		d := many(t, s, now, w, 1)[0]
		record(t, s, now, fails(d, now, now)) // two are left
		wantTold(t, s)
		d = claimOne(t, s, now, w)
		record(t, s, now, fails(d, now, now.Add(time.Second))) // and now one
		wantTold(t, s, "webhook.failing 1 closed")
		first, err := hook.ParseNotice(notices(t, s, store.NoticeFilter{})[0].Payload)
		must(t, err)
		if want := now.Add(time.Second).Format("2006-01-02T15:04:05.000Z07:00"); first.Data.GivesUpAt != want {
			t.Errorf("it is given up at %s, want %s", first.Data.GivesUpAt, want)
		}

		began := now.Add(2 * time.Hour)
		swap(t, s, w, hook.Circuit{}, hook.OpenCircuit(began, &w.Settings.Retry))
		watch := store.NewWatch(s.Store)
		warned := []string{"webhook.failing 1 closed", "webhook.circuitOpened 1 open"}
		for _, step := range []struct {
			after time.Duration
			told  string
		}{
			{5*time.Minute - time.Millisecond, ""},
			{5 * time.Minute, "webhook.failing 1 open"},
			{6 * time.Minute, ""},
			{45*time.Minute - time.Millisecond, ""},
			{45 * time.Minute, "webhook.failing 1 open"},
			{46 * time.Minute, ""},
			{5 * time.Hour, ""},
		} {
			look(t, watch, began.Add(step.after))
			look(t, store.NewWatch(s.Store), began.Add(step.after)) // as another node does, or this one after a restart
			if step.told != "" {
				warned = append(warned, step.told)
			}
			wantTold(t, s, warned...)
		}
		last := notices(t, s, store.NoticeFilter{Kind: hook.NoticeFailing})
		c, err := hook.ParseNotice(last[len(last)-1].Payload)
		must(t, err)
		if want := began.Add(time.Hour).Format("2006-01-02T15:04:05.000Z07:00"); c.Data.DisableAt != want {
			t.Errorf("it is disabled at %s, want %s", c.Data.DisableAt, want)
		}
	})
}

// A receiver that takes less than comes in is told of: what waits longest is older than a minute, and grew older since the last look.
func TestBacklogNotices(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, still()), moment()
		w, open := webhook(t, s, theCenter), webhook(t, s, theCenter)
		webhook(t, s, theCenter, disabled)
		swap(t, s, open, hook.Circuit{}, hook.OpenCircuit(now.Add(24*time.Hour), &w.Settings.Retry)) // its deliveries are held, not late
		for i := range 20 {
			change(t, s, now.Add(time.Duration(i)*time.Minute), create(newInteraction(), "q"))
		}
		watch, opened := store.NewWatch(s.Store), "webhook.circuitOpened 1 open"
		look(t, watch, now.Add(30*time.Second))
		look(t, watch, now.Add(time.Minute))
		look(t, watch, now.Add(2*time.Minute)) // older than a minute, but nothing is known of before
		wantTold(t, s, opened)
		deliver := func() {
			d := claim(t, s, now.Add(20*time.Minute), w, 2)
			record(t, s, now, acknowledges(d[0], now), acknowledges(d[1], now))
		}
		deliver()
		look(t, watch, now.Add(3*time.Minute+30*time.Second)) // a minute and a half: it is late, but catches up
		wantTold(t, s, opened)
		look(t, watch, now.Add(5*time.Minute)) // three minutes
		wantTold(t, s, opened, "backlog.growing 1 closed")
		look(t, watch, now.Add(6*time.Minute))
		look(t, watch, now.Add(30*time.Minute))
		wantTold(t, s, opened, "backlog.growing 1 closed") // an hour of quiet
		look(t, watch, now.Add(66*time.Minute))
		wantTold(t, s, opened, "backlog.growing 1 closed", "backlog.growing 1 closed")
		for range 9 {
			deliver()
		}
		look(t, watch, now.Add(4*time.Hour)) // nothing waits
		wantTold(t, s, opened, "backlog.growing 1 closed", "backlog.growing 1 closed")
	})
}

// There are no notices about webhooks that get notices, whatever happens to them.
func TestNoNoticesAboutNotices(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, still()), moment()
		w, to := webhook(t, s, theCenter), webhook(t, s, theCenter, forNotices(), func(w *hook.Webhook) { w.Settings.Retry.Attempts = 1 })
		swap(t, s, w, hook.Circuit{}, hook.OpenCircuit(now, &w.Settings.Retry))
		now = now.Add(time.Minute)
		record(t, s, now, fails(claimOne(t, s, now, to), now, now))
		record(t, s, now, exhausts(claimOne(t, s, now, to), now))
		opened := hook.OpenCircuit(now, &to.Settings.Retry)
		swap(t, s, to, hook.Circuit{}, opened)
		look(t, store.NewWatch(s.Store), now.Add(10*time.Minute))
		_, err := s.UpdateWebhook(t.Context(), theCenter, to.ID, now, func(w *hook.Webhook) error {
			w.Enabled, w.Disabled = false, hook.Disabled{At: now, For: hook.DisabledFailing}
			return nil
		})
		must(t, err)
		_, err = s.EnableWebhook(t.Context(), theCenter, to.ID, now, true, nil)
		must(t, err)
		wantTold(t, s, "webhook.circuitOpened 1 open", "webhook.failing 1 open")
		for _, n := range notices(t, s, store.NoticeFilter{Webhook: to.ID}) {
			t.Errorf("it is told of: %s", n.Payload)
		}
		if got := notices(t, s, store.NoticeFilter{})[0].Deliveries; len(got) != 1 || got[0].State != hook.DeliveryExhausted {
			t.Errorf("its delivery is %+v, want it exhausted", got)
		}
	})
}

// Guarantee 1: a notice is there if and only if what it tells is: a commit that fails leaves neither, and one whose answer was lost
// leaves both, once.
func TestNoticeFaults(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, still()), moment()
		w := webhook(t, s, theCenter)
		d := many(t, s, now, w, 1)[0]
		s.Faulty.Fail(storetest.BeforeCommit, 1, hook.ErrUnavailable)
		_, err := s.Record(t.Context(), now, []hook.Outcome{exhausts(d, now)})
		wantError(t, err, hook.ErrUnavailable)
		wantTold(t, s)
		s.Faulty.Fail(storetest.AfterCommit, 1, hook.ErrUnavailable)
		_, err = s.Record(t.Context(), now, []hook.Outcome{exhausts(d, now)})
		wantError(t, err, hook.ErrUnavailable)
		if r := record(t, s, now, exhausts(d, now)); len(r.Late) != 1 { // as the recorder does
			t.Errorf("the outcome was recorded twice: %+v", r)
		}
		wantTold(t, s, "delivery.exhausted 1 closed")
		opened := hook.OpenCircuit(now, &w.Settings.Retry)
		s.Faulty.Fail(storetest.BeforeCommit, 1, hook.ErrUnavailable)
		_, err = s.SwapCircuit(t.Context(), w.Number, hook.Circuit{}, opened)
		wantError(t, err, hook.ErrUnavailable)
		wantTold(t, s, "delivery.exhausted 1 closed")
		swap(t, s, w, hook.Circuit{}, opened)
		wantTold(t, s, "delivery.exhausted 1 closed", "webhook.circuitOpened 1 open")
		watch := store.NewWatch(s.Store)
		s.Faulty.Fail(storetest.BeforeCommit, 1, hook.ErrUnavailable)
		wantError(t, watch.Look(t.Context(), now.Add(5*time.Minute)), hook.ErrUnavailable)
		look(t, watch, now.Add(5*time.Minute))
		look(t, watch, now.Add(4*time.Hour)) // what was recorded a second time was not counted
		wantTold(t, s, "delivery.exhausted 1 closed", "webhook.circuitOpened 1 open", "webhook.failing 1 open")
	})
}

// Tasks of one transaction that raise the same notice decide one after the other.
func TestNoticesOfOneGroup(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		const count = 30
		s := e.Open(t, still(), storetest.Before((*store.Store).OneWriter))
		now := moment()
		w, flapping := webhook(t, s, theCenter), webhook(t, s, theCenter)
		claimed := many(t, s, now, w, count)
		var wg sync.WaitGroup
		begin := func(f func() error) {
			waits := s.QueuedOutcomes()
			wg.Go(func() {
				if err := f(); err != nil {
					t.Error(err)
				}
			})
			for s.QueuedOutcomes() <= waits {
				runtime.Gosched()
			}
		}
		release := s.HoldOutcomes(t.Context())
		opened := hook.OpenCircuit(now, &w.Settings.Retry)
		for _, step := range [][2]hook.Circuit{{{}, opened}, {opened, {}}, {{}, opened}} {
			begin(func() error {
				if ok, err := s.SwapCircuit(t.Context(), flapping.Number, step[0], step[1]); err != nil || !ok {
					return fmt.Errorf("the circuit does not become %+v: %w", step[1], err)
				}
				return nil
			})
		}
		for _, d := range claimed {
			begin(func() error {
				_, err := s.Record(t.Context(), now, []hook.Outcome{exhausts(d, now)})
				return err
			})
		}
		must(t, release())
		wg.Wait()
		kinds := map[hook.NoticeKind]int{}
		for _, n := range notices(t, s, store.NoticeFilter{}) {
			c, err := hook.ParseNotice(n.Payload)
			must(t, err)
			kinds[c.Kind()]++
		}
		want := map[hook.NoticeKind]int{hook.NoticeCircuitOpened: 1, hook.NoticeCircuitClosed: 1, hook.NoticeExhausted: 1}
		if diff := cmp.Diff(want, kinds); diff != "" {
			t.Errorf("notices (-want +got):\n%s", diff)
		}
	})
}

// Two tasks of one group, and of two nodes, that give up deliveries of one webhook tell it once and count all.
func TestNoticesOfManyAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		const count = 60
		s, now := e.Open(t, still()), moment()
		nodes := []*storetest.Opened{s}
		if e.Shared {
			nodes = append(nodes, s.Join(t), s.Join(t))
		}
		w := webhook(t, s, theCenter)
		var wg sync.WaitGroup
		for i, d := range many(t, s, now, w, count) {
			wg.Go(func() {
				if _, err := nodes[i%len(nodes)].Record(t.Context(), now, []hook.Outcome{exhausts(d, now)}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, n := range nodes {
			wg.Go(func() {
				if err := store.NewWatch(n.Store).Look(t.Context(), now.Add(2*time.Hour)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		total, list := int64(0), notices(t, s, store.NoticeFilter{})
		for _, n := range list {
			c, err := hook.ParseNotice(n.Payload)
			must(t, err)
			total += c.Data.Count
		}
		if total != count || len(list) != 2 {
			t.Errorf("%d notices tell of %d, want two that tell of %d", len(list), total, count)
		}
	})
}

// Nothing is added to what happens all the time: no statement about notices is executed while nothing is worth one.
func TestNoticesCostNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		var marked atomic.Int64
		s := e.Open(t, still(), storetest.Before(func(s *store.Store) {
			s.Watch(&store.Spy{Statement: func(text string, _ []any) {
				if text == store.MarkNotice {
					marked.Add(1)
				}
			}})
		}))
		w, now := webhook(t, s, theCenter), moment()
		d := many(t, s, now, w, 2)
		record(t, s, now, acknowledges(d[0], now), fails(d[1], now, now))
		deliver(t, s, now, w)
		if marked.Load() != 0 {
			t.Errorf("%d statements about notices", marked.Load())
		}
	})
}

// The list is read page by page, also through a filter, and by its own index.
func TestNoticesList(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, still()), moment()
		list := []*hook.Webhook{webhook(t, s, theCenter), webhook(t, s, theCenter), webhook(t, s, theCenter)}
		for _, w := range list {
			opened := hook.OpenCircuit(now, &w.Settings.Retry)
			swap(t, s, w, hook.Circuit{}, opened)
			swap(t, s, w, opened, hook.Circuit{})
		}
		explain := s.Plan
		if e.Shared {
			explain = s.Explain
		}
		for _, text := range []string{store.SelectNotices, strings.Replace(store.OldNotices, "{{for update}}", "", 1)} {
			// The arguments are written into it: PostgreSQL plans an EXPLAIN with parameters without knowing them.
			plan, err := explain(strings.NewReplacer("$1", "1", "$2", "5", "$3", "50").Replace(text))
			must(t, err)
			if !strings.Contains(strings.Join(plan, "\n"), "events_notices") {
				t.Errorf("%s is read by %q", text, plan)
			}
		}
		other := contactCenter(t, s, "other")
		if got, _, err := s.Notices(t.Context(), other.Number, store.NoticeFilter{}, store.Page{}); err != nil || len(got) != 0 {
			t.Errorf("another contact centre sees %d: %v", len(got), err)
		}
		for _, test := range []struct {
			filter store.NoticeFilter
			want   int
		}{
			{store.NoticeFilter{}, 6},
			{store.NoticeFilter{Kind: hook.NoticeCircuitOpened}, 3},
			{store.NoticeFilter{Webhook: list[1].ID}, 2},
			{store.NoticeFilter{Kind: hook.NoticeCircuitClosed, Webhook: list[2].ID}, 1},
			{store.NoticeFilter{Kind: hook.NoticeDisabled}, 0},
		} {
			seen := 0
			for p := (store.Page{Limit: 1}); ; seen++ {
				page, next, err := s.Notices(t.Context(), theCenter, test.filter, p)
				must(t, err)
				if len(page) == 0 {
					break
				}
				if p.Cursor = next; next == "" {
					seen++
					break
				}
			}
			if seen != test.want {
				t.Errorf("%+v lets %d through, want %d", test.filter, seen, test.want)
			}
		}
	})
}

// Notices are removed after their retention, with their deliveries; those that are still to be delivered stay.
func TestOldNoticesAreRemoved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t, still()), moment()
		to := webhook(t, s, theCenter, forNotices())
		for range 3 {
			w := webhook(t, s, theCenter)
			swap(t, s, w, hook.Circuit{}, hook.OpenCircuit(now, &w.Settings.Retry))
		}
		later := now.Add(time.Hour)
		d := claim(t, s, later, to, 10)
		record(t, s, later, acknowledges(d[0], later), exhausts(d[1], later), fails(d[2], later, later))
		must(t, s.PruneNotices(t.Context(), now.Add(-time.Second)))
		wantTold(t, s, "webhook.circuitOpened 1 open", "webhook.circuitOpened 1 open", "webhook.circuitOpened 1 open")
		must(t, s.PruneNotices(t.Context(), later))
		wantTold(t, s, "webhook.circuitOpened 1 open")
		record(t, s, later, acknowledges(claimOne(t, s, later, to), later))
		must(t, s.PruneNotices(t.Context(), later))
		wantTold(t, s)
		for _, table := range []string{"events", "deliveries", "attempts"} {
			if n, err := s.Numbers("SELECT count(*) FROM " + table); err != nil || n[0] != 0 {
				t.Errorf("%s still holds %v: %v", table, n, err)
			}
		}
	})
}

// A running store looks by itself.
func TestNoticesAreLookedFor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t, storetest.Before(func(s *store.Store) { s.LookRarely(10 * time.Millisecond) }),
			storetest.With(func(o *store.Options) { o.Retention = 24 * time.Hour }))
		w := webhook(t, s, theCenter)
		swap(t, s, w, hook.Circuit{}, hook.OpenCircuit(moment().Add(-10*time.Minute), &w.Settings.Retry))
		tick, deadline := time.NewTicker(10*time.Millisecond), time.NewTimer(10*time.Second)
		defer tick.Stop()
		defer deadline.Stop()
		for len(told(t, s)) < 2 {
			select {
			case <-tick.C:
			case <-deadline.C:
				t.Fatal("nobody is told that the webhook fails")
			}
		}
		wantTold(t, s, "webhook.circuitOpened 1 open", "webhook.failing 1 open")
	})
}
