package store_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// wentOn are the numbers of a span that something went on in.
type wentOn struct {
	After                                     time.Duration
	Accepted, Acknowledged, Failed, Exhausted int64
	Delays                                    int64
}

// activity returns what went on since a time, in spans that something went on in.
func activity(t testing.TB, s *storetest.Opened, webhook hook.WebhookNumber, from, to time.Time, span time.Duration) (list []wentOn) {
	t.Helper()
	spans, err := s.Activity(t.Context(), theCenter, webhook, from, to, span)
	must(t, err)
	for i := range spans {
		a := &spans[i]
		w := wentOn{a.At.Sub(from), a.Accepted, a.Acknowledged, a.Failed, a.Exhausted, a.Delays.Count()}
		if w != (wentOn{After: w.After}) {
			list = append(list, w)
		}
	}
	return list
}

func wantActivity(t testing.TB, when string, got []wentOn, want ...wentOn) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

// anHour is the beginning of one, some time ago: nothing of it is written but by the test.
func anHour() time.Time { return moment().Truncate(time.Hour).Add(-2 * time.Hour) }

// Activity tells what was accepted, acknowledged, failed and exhausted, by when it was: of the contact centre in steps of ten seconds and of
// each webhook in steps of five minutes; before it is written, after, after a restart, and never twice.
func TestActivityTellsWhatWentOn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, from := e.Open(t), anHour()
		w, other := webhook(t, s, theCenter), webhook(t, s, theCenter, func(w *hook.Webhook) { w.Settings.Events = []interaction.Event{interaction.EventFinished} })
		id := newInteraction()
		change(t, s, from, create(id, "q"))
		d := claimOne(t, s, from.Add(12*time.Second), w)
		record(t, s, from.Add(12*time.Second), fails(d, from.Add(12*time.Second), from.Add(20*time.Second)))
		deliver(t, s, from.Add(25*time.Second), w)
		change(t, s, from.Add(6*time.Minute), stop(id))
		record(t, s, from.Add(6*time.Minute), exhausts(claimOne(t, s, from.Add(6*time.Minute), w), from.Add(6*time.Minute)))
		deliver(t, s, from.Add(6*time.Minute), other)
		to := from.Add(time.Hour)
		check := func(when string, s *storetest.Opened) {
			t.Helper()
			wantActivity(t, when+": the contact centre", activity(t, s, 0, from, to, store.ActivityStep), wentOn{Accepted: 1}, wentOn{After: 10 * time.Second, Failed: 1},
				wentOn{After: 20 * time.Second, Acknowledged: 1, Delays: 1}, wentOn{After: 6 * time.Minute, Accepted: 1, Acknowledged: 1, Failed: 1, Exhausted: 1, Delays: 1})
			wantActivity(t, when+": in minutes", activity(t, s, 0, from, to, time.Minute),
				wentOn{Accepted: 1, Acknowledged: 1, Failed: 1, Delays: 1}, wentOn{After: 6 * time.Minute, Accepted: 1, Acknowledged: 1, Failed: 1, Exhausted: 1, Delays: 1})
			wantActivity(t, when+": a webhook", activity(t, s, w.Number, from, to, store.WebhookActivityStep),
				wentOn{Acknowledged: 1, Failed: 1, Delays: 1}, wentOn{After: 5 * time.Minute, Failed: 1, Exhausted: 1})
			wantActivity(t, when+": the other one", activity(t, s, other.Number, from, to, time.Second), wentOn{After: 5 * time.Minute, Acknowledged: 1, Delays: 1})
			wantActivity(t, when+": before", activity(t, s, 0, from.Add(-time.Minute), from, store.ActivityStep))
			wantActivity(t, when+": a part", activity(t, s, 0, from.Add(20*time.Second), from.Add(30*time.Second), store.ActivityStep), wentOn{Acknowledged: 1, Delays: 1})
			wantActivity(t, when+": after", activity(t, s, 0, from.Add(7*time.Minute), to, time.Minute))
		}
		check("in memory", s)
		s.WriteActivity(t.Context(), from.Add(6*time.Minute+time.Second))
		check("written", s)
		s.WriteActivity(t.Context(), to)
		if n := s.ActivityInMemory(); n != 0 {
			t.Errorf("%d steps that are over are in memory", n)
		}
		check("forgotten", s)
		s.Reopen(t)
		check("after a restart", s)
	})
}

// A process writes about its own rows alone, so that what two count at once adds up; each sees what the other one has written.
func TestActivityOfTwoProcesses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		if !e.Shared {
			return // TestActivityTellsWhatWentOn has a process after another one
		}
		one, from := e.Open(t), anHour()
		w := webhook(t, one, theCenter)
		two := one.Join(t)
		var open []hook.InteractionID
		for _, s := range []*storetest.Opened{one, two, two} {
			open = append(open, newInteraction())
			change(t, s, from, create(open[len(open)-1], "q"))
		}
		record(t, one, from, acknowledges(claim(t, one, from, w, 1)[0], from))
		record(t, two, from, acknowledges(claim(t, two, from, w, 1)[0], from))
		for range 2 {
			one.WriteActivity(t.Context(), from)
			two.WriteActivity(t.Context(), from)
		}
		want := wentOn{Accepted: 3, Acknowledged: 2, Delays: 2}
		for name, s := range map[string]*storetest.Opened{"one": one, "two": two} {
			wantActivity(t, name, activity(t, s, 0, from, from.Add(time.Minute), time.Minute), want)
		}
		change(t, two, from.Add(time.Second), stop(open[0]))
		two.Stop(t) // writes what is left
		want.Accepted++
		wantActivity(t, "after the end of the other one", activity(t, one, 0, from, from.Add(time.Minute), time.Minute), want)
	})
}

// What fails to be written is written later, and counts once, whether the commit had been made or not.
func TestActivityIsWrittenOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		for name, at := range map[string]storetest.Moment{"before the commit": storetest.BeforeCommit, "after the commit": storetest.AfterCommit} {
			s, from := e.Open(t), anHour()
			change(t, s, from, create(newInteraction(), "q"))
			s.Faulty.Fail(at, 1, hook.ErrUnavailable)
			s.WriteActivity(t.Context(), from)
			change(t, s, from, create(newInteraction(), "q"))
			s.WriteActivity(t.Context(), from)
			want := wentOn{Accepted: 2}
			wantActivity(t, name, activity(t, s, 0, from, from.Add(time.Minute), time.Minute), want)
			s.Reopen(t)
			wantActivity(t, name+", after a restart", activity(t, s, 0, from, from.Add(time.Minute), time.Minute), want)
		}
	})
}

// What is committed late adds to its step while that is in memory, and after that to the next one: it never replaces what was written.
func TestActivityThatIsLate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, from := e.Open(t), anHour()
		accept := func() { change(t, s, from, create(newInteraction(), "q")) }
		accept()
		over := from.Add(store.ActivityStep)
		for range 2 {
			s.WriteActivity(t.Context(), over)
		}
		accept()
		for range 2 {
			s.WriteActivity(t.Context(), over.Add(store.ActivityLate))
		}
		if n := s.ActivityInMemory(); n != 0 {
			t.Fatalf("%d steps in memory", n)
		}
		accept()
		want := []wentOn{{Accepted: 2}, {After: store.ActivityStep, Accepted: 1}}
		wantActivity(t, "in memory", activity(t, s, 0, from, from.Add(time.Minute), store.ActivityStep), want...)
		s.Reopen(t)
		wantActivity(t, "after a restart", activity(t, s, 0, from, from.Add(time.Minute), store.ActivityStep), want...)
	})
}

// Where nothing goes on, nothing is written.
func TestActivityOfAnIdleProcess(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		statements := new(watched)
		s, from := e.Open(t, storetest.Before(func(s *store.Store) { s.Watch(statements.spy()) })), anHour()
		wrote := func() bool {
			return slices.ContainsFunc(statements.during(func() { s.WriteActivity(t.Context(), from) }), func(text string) bool {
				return strings.Contains(text, "activity")
			})
		}
		change(t, s, from, create(newInteraction(), "q"))
		if !wrote() {
			t.Error("nothing is written of what went on")
		}
		if wrote() {
			t.Error("it is written again although nothing went on since")
		}
	})
}

// What is older than it is kept is removed, of the contact centre sooner than of webhooks, and nothing else is.
func TestActivityIsPruned(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), anHour()
		w := webhook(t, s, theCenter)
		days := []time.Duration{0, 47 * time.Hour, 49 * time.Hour, 6 * 24 * time.Hour, 8 * 24 * time.Hour}
		for _, ago := range days {
			at := now.Add(-ago)
			change(t, s, at, create(newInteraction(), "q"))
			deliver(t, s, at, w)
		}
		s.WriteActivity(t.Context(), now)
		s.WriteActivity(t.Context(), now.Add(time.Hour)) // forgets
		s.PruneActivity(t.Context(), now)
		from, to := now.Add(-10*24*time.Hour), now.Add(time.Minute)
		if got := activity(t, s, 0, from, to, time.Hour); len(got) != 2 {
			t.Errorf("left of the contact centre: %+v", got)
		}
		if got := activity(t, s, w.Number, from, to, time.Hour); len(got) != 4 {
			t.Errorf("left of the webhook: %+v", got)
		}
		numbers, err := s.Numbers(`SELECT count(*) FROM activity`)
		must(t, err)
		if numbers[0] != 6 {
			t.Errorf("%d rows are left, want 6", numbers[0])
		}
	})
}

// A copy and a backup carry it.
func TestActivityIsCopied(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, from := e.Open(t), anHour()
		w := webhook(t, s, theCenter)
		change(t, s, from, create(newInteraction(), "q"))
		deliver(t, s, from, w)
		want := activity(t, s, 0, from, from.Add(time.Minute), time.Minute)
		s.Stop(t)
		to := t.TempDir() + "/copy.db"
		if _, err := store.Copy(t.Context(), store.CopyOptions{From: s.Database(), To: to}); err != nil {
			t.Fatal(err)
		}
		copied := storetest.Open(t, storetest.With(func(o *store.Options) { o.Database = to }))
		wantActivity(t, "copied", activity(t, copied, 0, from, from.Add(time.Minute), time.Minute), want...)
		wantActivity(t, "copied, of the webhook", activity(t, copied, w.Number, from, from.Add(time.Minute), time.Hour), wentOn{After: 0, Acknowledged: 1, Delays: 1})
	})
}
