package store_test

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// gate holds transactions back until it is opened, and counts them.
type gate struct {
	closed chan struct{}
	once   sync.Once

	mu     sync.Mutex // guards groups
	groups []int
}

// gated opens a store behind a gate.
func gated(t *testing.T) (*storetest.Opened, *gate) {
	g := &gate{closed: make(chan struct{})}
	s := storetest.Open(t, storetest.Before(func(s *store.Store) {
		s.Watch(&store.Spy{Before: func(tasks int) {
			g.mu.Lock()
			g.groups = append(g.groups, tasks)
			g.mu.Unlock()
			<-g.closed
		}})
	}))
	t.Cleanup(g.open) // before the store is stopped
	return s, g
}

func (g *gate) open() { g.once.Do(func() { close(g.closed) }) }

func (g *gate) seen() []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.groups
}

// Guarantee 1, group commit: callers that wait for the disk at one time share one transaction, and none is answered
// before it.
func TestCommitShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := gated(t)
		const callers = 50
		answered := make(chan error, callers)
		begin := func() {
			go func() {
				_, err := s.AcceptChanges(t.Context(), theCenter, moment(), []hook.Change{create(newInteraction(), "q")}, nil)
				answered <- err
			}()
		}
		begin()
		synctest.Wait() // the first is in its transaction, alone
		for range callers - 1 {
			begin()
		}
		synctest.Wait() // the others wait for theirs
		if n := s.Queued(); n != callers-1 || len(answered) != 0 {
			t.Fatalf("%d callers wait and %d are answered; want %d and none", n, len(answered), callers-1)
		}
		g.open()
		for range callers {
			must(t, <-answered)
		}
		if diff := cmp.Diff([]int{1, callers - 1}, g.seen()); diff != "" {
			t.Errorf("tasks in each transaction (-want +got):\n%s", diff)
		}
		if n := len(events(t, s, theCenter)); n != callers {
			t.Errorf("%d events for %d callers", n, callers)
		}
		s.Stop(t)
	})
}

// I7: a group has no more than its weight, and no more tasks than a named limit wait; who comes later waits to be let in,
// a bounded time, or as long as its context lets it.
func TestCommitBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := gated(t)
		answered := make(chan error, store.TasksWaitingMax+1)
		write := func() { answered <- s.Write(t.Context(), `SELECT 1`) }
		go write()
		synctest.Wait() // the first is in its transaction
		for range store.TasksWaitingMax {
			go write()
		}
		synctest.Wait()
		if n := s.Queued(); n != store.TasksWaitingMax {
			t.Fatalf("%d tasks wait, want %d", n, store.TasksWaitingMax)
		}
		ctx, cancel := contextWithTimeout(t, time.Second)
		defer cancel()
		err := s.Write(ctx, `SELECT 1`)
		wantError(t, err, errImpatient)
		before := time.Now()
		wantError(t, s.Write(t.Context(), `SELECT 1`), hook.ErrUnavailable)
		if waited := time.Since(before); waited != store.AdmitWaitMax {
			t.Errorf("waited %v to be let in, want %v", waited, store.AdmitWaitMax)
		}
		g.open()
		for range store.TasksWaitingMax + 1 {
			must(t, <-answered)
		}
		for _, tasks := range g.seen() {
			if tasks > store.GroupWeightMax {
				t.Errorf("%d tasks in one transaction, want at most %d", tasks, store.GroupWeightMax)
			}
		}
		s.Stop(t)
	})
}

// Guarantee 1: a task that fails for its own reasons fails nobody else of its group, in the order in which they came.
func TestCommitJudgesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := gated(t)
		errOwn := errors.New("a reason of its own")
		results := make([]chan error, 5)
		begin := func(i int, f func() error) {
			results[i] = make(chan error, 1)
			go func() { results[i] <- f() }()
			synctest.Wait()
		}
		good := func() error {
			_, err := s.AcceptChanges(t.Context(), theCenter, moment(), []hook.Change{create(newInteraction(), "q")}, nil)
			return err
		}
		begin(0, good)
		begin(1, good)
		begin(2, func() error { return s.Sabotage(t.Context(), errOwn) })
		begin(3, good)
		begin(4, func() error {
			return s.Write(t.Context(), `INSERT INTO contact_centers (number, id, name, created_at) VALUES (1, 'x', '', 0)`)
		})
		g.open()
		for i, want := range []bool{true, true, false, true, false} {
			err := <-results[i]
			if (err == nil) != want || errors.Is(err, hook.ErrUnavailable) {
				t.Errorf("task %d: %v", i, err)
			}
			if i == 2 && !errors.Is(err, errOwn) {
				t.Errorf("task 2 failed with %v", err)
			}
		}
		if diff := cmp.Diff([]int{1, 4, 1, 1, 1, 1}, g.seen()); diff != "" {
			t.Errorf("tasks in each transaction (-want +got):\n%s", diff)
		}
		if n := len(events(t, s, theCenter)); n != 3 {
			t.Errorf("%d events, want those of the 3 good tasks, once each", n)
		}
		must(t, s.Ready(t.Context()))
		s.Stop(t)
	})
}

// Guarantee 1: a task that is run again, because another one of its group failed, leaves what one run leaves, on disk and in
// what its caller is told.
func TestCommitRunsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := moment()
		l := &lane{room: true}
		hold := make(chan chan struct{}, 1) // what the next transaction waits for
		s := storetest.Open(t, l.option(), storetest.Before(func(s *store.Store) {
			s.Watch(&store.Spy{Before: func(int) {
				select {
				case until := <-hold:
					<-until
				default:
				}
			}})
		}))
		w, other := webhook(t, s, theCenter), webhook(t, s, theCenter, disabled)
		id := newInteraction()
		change(t, s, now, create(id, "q"), stop(id))
		started := l.all()[0]
		asleep := *started
		asleep.Lease.Token--      // it lost its lease
		twice := map[string]int{} // how often the tasks were run that call back
		tasks := []func() error{
			func() error {
				got, err := s.Record(t.Context(), now, []hook.Outcome{acknowledges(started, now), acknowledges(&asleep, now)})
				if diff := cmp.Diff(hook.Recorded{Freed: []hook.WebhookNumber{w.Number}, Late: []int{1}}, got); diff != "" {
					t.Errorf("recorded (-want +got):\n%s", diff)
				}
				return err
			},
			func() error {
				got, err := s.Claim(t.Context(), now, w.Number, 10)
				if len(got) != 1 || got[0].Event.InteractionID != id {
					t.Errorf("claimed %d deliveries, want the FINISHED", len(got))
				}
				return err
			},
			func() error {
				_, err := s.AcceptChanges(t.Context(), theCenter, now, []hook.Change{create(newInteraction(), "q")}, nil)
				return err
			},
			func() error {
				_, err := s.UpdateWebhook(t.Context(), theCenter, other.ID, now, func(w *hook.Webhook) error {
					twice["update"]++
					w.Settings.RateLimit++
					return nil
				})
				return err
			},
			func() error {
				_, err := s.UpdateWebhook(t.Context(), theCenter, other.ID, now, func(*hook.Webhook) error { return errImpatient })
				wantError(t, err, errImpatient)
				return nil
			},
			func() error {
				got, err := s.ReplayDelivery(t.Context(), theCenter, started.ID(), now.Add(store.LeaseDefault), nil)
				if err == nil && got.AttemptsMade != 1 {
					t.Errorf("replayed as %+v", got)
				}
				return err
			},
		}
		until := make(chan struct{})
		hold <- until
		answered := make(chan error, len(tasks)+1)
		go func() { answered <- s.Write(t.Context(), `SELECT 1`) }()
		synctest.Wait()
		for _, do := range tasks {
			go func() { answered <- do() }()
			synctest.Wait() // so that they are queued in this order
		}
		failed := make(chan error, 1)
		go func() { failed <- s.Sabotage(t.Context(), errImpatient) }()
		synctest.Wait()
		close(until)
		for range cap(answered) {
			must(t, <-answered)
		}
		wantError(t, <-failed, errImpatient)
		if got := l.all(); len(got) != 2 {
			t.Errorf("the lane took %d deliveries, want the two STARTED", len(got))
		}
		updated, err := s.Webhook(t.Context(), theCenter, other.ID)
		must(t, err)
		if twice["update"] != 2 || updated.Settings.RateLimit != 1 {
			t.Errorf("the update was run %d times and made %d of it", twice["update"], updated.Settings.RateLimit)
		}
		wantStates(
			t, s, []*hook.Webhook{w, other}, "STARTED to 0: pending, 1", "STARTED to 1: held, 0", "FINISHED to 0: waiting, 0",
			"FINISHED to 1: waiting, 0", "STARTED to 0: pending, 0", "STARTED to 1: held, 0",
		)
		s.Stop(t)
	})
}

// I7: the weight of a group counts the changes of a batch, not the batches.
func TestCommitBoundsRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := gated(t)
		answered := make(chan error, 5)
		begin := func(rows int) {
			changes := make([]hook.Change, rows)
			for i := range changes {
				changes[i] = accept(newInteraction(), "x") // of none that exists: what counts is how many
			}
			go func() {
				_, err := s.AcceptChanges(t.Context(), theCenter, moment(), changes, nil)
				answered <- err
			}()
			synctest.Wait()
		}
		begin(1)
		for range 4 {
			begin(store.GroupWeightMax - 100)
		}
		g.open()
		for range cap(answered) {
			must(t, <-answered)
		}
		if diff := cmp.Diff([]int{1, 2, 2}, g.seen()); diff != "" {
			t.Errorf("tasks in each transaction (-want +got):\n%s", diff)
		}
		s.Stop(t)
	})
}

// Guarantee 1: when Run ends, whoever waits is answered, committed or not, and later callers find the store unavailable.
func TestCommitStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := gated(t)
		answered := make(chan error, 10)
		for range cap(answered) {
			go func() { answered <- s.Write(t.Context(), `SELECT 1`) }()
		}
		synctest.Wait()
		g.open()
		s.Stop(t)
		for range cap(answered) {
			must(t, <-answered) // what was queued is committed before Run returns
		}
		wantError(t, s.Write(t.Context(), `SELECT 1`), hook.ErrUnavailable)
	})
}

// errFault is a commit that a test makes fail.
var errFault = fmt.Errorf("%w: %w", hook.ErrUnavailable, io.ErrUnexpectedEOF)

// Guarantee 1: when the commit fails, the caller learns that the store is unavailable and nothing was changed, on disk or
// in memory; the same request then succeeds, and its task has run twice without a trace.
func TestCommitFailsBefore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		l := &lane{room: true}
		s, now := e.Open(t, l.option()), moment()
		w := webhook(t, s, theCenter)
		id := newInteraction()
		operations := []struct {
			name string
			do   func() error
		}{
			{"create webhook", func() error {
				_, err := s.CreateWebhook(t.Context(), now, &hook.Webhook{ID: hook.WebhookID(id), ContactCenter: theCenter, Secrets: hook.Secrets{Current: hook.NewSecret("s")}, Enabled: true, Settings: w.Settings}, nil)
				return err
			}},
			{"accept changes", func() error {
				_, err := s.AcceptChanges(t.Context(), theCenter, now, []hook.Change{create(id, "q"), stop(id)}, nil)
				return err
			}},
			{"record", func() error {
				_, err := s.Record(t.Context(), now, []hook.Outcome{acknowledges(l.all()[0], now)})
				return err
			}},
			{"claim", func() error {
				got, err := s.Claim(t.Context(), now, w.Number, 10)
				if err == nil && len(got) != 1 {
					err = fmt.Errorf("claimed %d, want the FINISHED", len(got))
				}
				return err
			}},
			{"replay", func() error {
				_, err := s.ReplayDelivery(t.Context(), theCenter, l.all()[0].ID(), now.Add(store.LeaseDefault), nil)
				return err
			}},
			{"disable", func() error {
				_, err := s.EnableWebhook(t.Context(), theCenter, w.ID, now, false, nil)
				return err
			}},
			{"create contact centre", func() error {
				_, err := s.CreateContactCenter(t.Context(), now, "second", "", nil)
				return err
			}},
			{"set admin key", func() error { return s.SetAdminKey(t.Context(), now, [32]byte{1}) }},
		}
		for _, op := range operations {
			before := snapshot(t, s)
			s.Faulty.Fail(storetest.BeforeCommit, 1, errFault)
			err := op.do()
			wantError(t, err, hook.ErrUnavailable)
			wantError(t, err, io.ErrUnexpectedEOF)
			if diff := cmp.Diff(before, snapshot(t, s), same(), unkeyed()); diff != "" {
				t.Errorf("%s: the failed one changed something (-before +after):\n%s", op.name, diff)
			}
			if err := op.do(); err != nil {
				t.Fatalf("%s: the second one: %v", op.name, err)
			}
			if cmp.Equal(before, snapshot(t, s), same(), unkeyed()) && op.name != "claim" {
				t.Errorf("%s: the second one changed nothing", op.name)
			}
		}
		if got := l.all(); len(got) != 2 || got[0].Webhook == got[1].Webhook {
			t.Errorf("the lanes took %d deliveries, want one for each webhook", len(got))
		}
	})
}

// everything is all that a caller can see of the default contact centre.
type everything struct {
	Interactions []*hook.Interaction
	Events       []*hook.Event
	Deliveries   []*store.Delivery
	Webhooks     []*hook.Webhook
	Centers      []hook.ContactCenter
	AdminKey     bool
}

func snapshot(t testing.TB, s *storetest.Opened) everything {
	t.Helper()
	interactions, _, err := s.Interactions(t.Context(), theCenter, store.InteractionFilter{}, store.Page{Limit: store.PageLimitMax})
	must(t, err)
	webhooks, _, err := s.Webhooks(t.Context(), theCenter, store.Page{})
	must(t, err)
	return everything{
		Interactions: interactions, Events: events(t, s, theCenter), Deliveries: deliveries(t, s, theCenter, store.DeliveryFilter{}),
		Webhooks: webhooks, Centers: s.ContactCenters(), AdminKey: s.HasAdminKey(),
	}
}

// Guarantee 1: when the commit succeeded but was reported as failed, the same request under the same id or key is safe:
// it finds what it made.
func TestCommitFailsAfter(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		id := newInteraction()
		changes := []hook.Change{create(id, "q")}
		key := onceChanges("key", 1)
		s.Faulty.Fail(storetest.AfterCommit, 1, errFault)
		_, err := s.AcceptChanges(t.Context(), theCenter, now, changes, key)
		wantError(t, err, hook.ErrUnavailable)

		results := judge(t, s, now, changes...)
		wantConflict(t, results[0].Err, "QUEUED") // the id tells that it was made
		_, err = s.AcceptChanges(t.Context(), theCenter, now, changes, key)
		if answered := new(store.AnsweredError); !errors.As(err, &answered) {
			t.Errorf("under the same key: %v, want the first answer", err)
		}
		wantStates(t, s, []*hook.Webhook{w}, "STARTED to 0: pending, 0")

		// An outcome that was recorded is late when it is recorded again, and nothing is lost or counted twice.
		d := claimOne(t, s, now, w)
		s.Faulty.Fail(storetest.AfterCommit, 1, errFault)
		_, err = s.Record(t.Context(), now, []hook.Outcome{acknowledges(d, now)})
		wantError(t, err, hook.ErrUnavailable)
		if r := record(t, s, now, acknowledges(d, now)); len(r.Late) != 1 {
			t.Errorf("recorded again: %+v", r)
		}
		wantStates(t, s, []*hook.Webhook{w}, "STARTED to 0: delivered, 1")

		// A claim that nobody learned of ends with its lease.
		replay(t, s, now, d.ID())
		s.Faulty.Fail(storetest.AfterCommit, 1, errFault)
		_, err = s.Claim(t.Context(), now, w.Number, 10)
		wantError(t, err, hook.ErrUnavailable)
		if got := claim(t, s, now, w, 10); len(got) != 0 {
			t.Errorf("%d were claimed twice", len(got))
		}
		claimOne(t, s, now.Add(store.LeaseDefault), w)
	})
}

// Guarantee 1: what is kept in memory agrees with the database again after a commit whose failure was reported wrongly.
func TestCommitFailsAfterForWebhook(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := &hook.Webhook{ID: hook.WebhookID{UUID: newUUID()}, ContactCenter: theCenter, Settings: hook.DefaultSettings(), Secrets: hook.Secrets{Current: hook.NewSecret("0123456789abcdef")}, Enabled: true}
		s.Faulty.Fail(storetest.AfterCommit, 1, errFault)
		_, err := s.CreateWebhook(t.Context(), now, w, nil)
		wantError(t, err, hook.ErrUnavailable)
		change(t, s, now, create(newInteraction(), "q"))
		made, err := s.Webhook(t.Context(), theCenter, w.ID)
		if err != nil {
			t.Fatalf("the webhook is on disk, but: %v", err)
		}
		wantStates(t, s, []*hook.Webhook{made}, "STARTED to 0: pending, 0")
	})
}

// Guarantee 1: Ready tells whether the store can commit, and finds out by itself that it can again.
func TestCommitReady(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t)
		must(t, s.Ready(t.Context()))
		s.Faulty.Fail(storetest.BeforeCommit, storetest.Always, errFault)
		_, err := s.AcceptChanges(t.Context(), theCenter, moment(), []hook.Change{create(newInteraction(), "q")}, nil)
		wantError(t, err, hook.ErrUnavailable)
		wantError(t, s.Ready(t.Context()), hook.ErrUnavailable)
		wantError(t, s.Ready(t.Context()), hook.ErrUnavailable)
		s.Faulty.Mend()
		must(t, s.Ready(t.Context()))
	})
}
