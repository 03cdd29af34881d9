package store_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// measured opens a store with a registry of its own.
func measured(t *testing.T, e storetest.Engine, options ...storetest.Option) (*storetest.Opened, *prometheus.Registry) {
	t.Helper()
	r := prometheus.NewRegistry()
	return e.Open(t, append(options, storetest.With(func(o *store.Options) { o.Metrics = r }))...), r
}

// shows reads a metric, the one with the label's value where there is one: counters and gauges by value, histograms by how many
// they have seen.
func shows(t *testing.T, r prometheus.Gatherer, name, label string) float64 {
	t.Helper()
	families, err := r.Gather()
	must(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() != name || label != "" && (len(m.GetLabel()) == 0 || m.GetLabel()[0].GetValue() != label) {
				continue
			}
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	t.Fatalf("there is no metric %s with %q", name, label)
	return 0
}

// What the store counts is what was committed: not what failed, nor what was only repeated.
func TestMetricsCountWhatIsCommitted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, r := measured(t, e)
		now := moment()
		first := webhook(t, s, theCenter)
		webhook(t, s, theCenter)
		s.Faulty.Fail(storetest.BeforeCommit, 1, hook.ErrUnavailable)
		if _, err := s.AcceptChanges(t.Context(), theCenter, now, []hook.Change{create(newInteraction(), "q")}, nil); !errors.Is(err, hook.ErrUnavailable) {
			t.Fatalf("accept on a broken disk: %v", err)
		}
		if got := shows(t, r, "hookswitch_store_ready", ""); got != 0 {
			t.Errorf("after a failed commit hookswitch_store_ready is %v", got)
		}
		id := newInteraction()
		for range 2 { // the second one is a repetition
			if _, err := s.AcceptChanges(t.Context(), theCenter, now, []hook.Change{create(id, "q"), stop(id)}, onceChanges("key", 1)); err != nil {
				if answered := new(store.AnsweredError); !errors.As(err, &answered) {
					t.Fatal(err)
				}
			}
		}
		started := claim(t, s, now, first, 1)
		if len(started) != 1 {
			t.Fatalf("claimed %d", len(started))
		}
		later := now.Add(store.LeaseDefault + time.Second)
		again := claim(t, s, later, first, 1)
		record(t, s, later, acknowledges(again[0], later))
		replay(t, s, later, again[0].ID())
		for name, want := range map[string]float64{
			"hookswitch_events_total STARTED":        1,
			"hookswitch_events_total FINISHED":       1,
			"hookswitch_deliveries_created_total ":   4,
			"hookswitch_deliveries_replayed_total ":  1,
			"hookswitch_leases_taken_over_total ":    1,
			"hookswitch_commit_failures_total other": 1,
			"hookswitch_commit_failures_total full":  0,
			"hookswitch_store_ready ":                1,
			"hookswitch_commit_tasks_waiting ":       0,
			"hookswitch_retention_removed_total ":    0,
		} {
			var metric, label string
			_, err := fmt.Sscanf(name+" .", "%s %s", &metric, &label)
			must(t, err)
			if label == "." {
				label = ""
			}
			if got := shows(t, r, metric, label); got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		if got := shows(t, r, "hookswitch_commit_duration_seconds", ""); got < 5 {
			t.Errorf("%v commits were timed", got)
		}
	})
}

// Deliveries of notices are counted like all others: when they are committed, and in each way in which a notice is raised. Else what is
// delivered would be more than what was created.
func TestMetricsCountDeliveriesOfNotices(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, r := measured(t, e)
		now := moment()
		w := webhook(t, s, theCenter, func(w *hook.Webhook) { w.Settings.Disable.OnGone = true })
		webhook(t, s, theCenter, forNotices())
		if _, err := s.AcceptChanges(t.Context(), theCenter, now, []hook.Change{create(newInteraction(), "q")}, nil); err != nil {
			t.Fatal(err)
		}
		record(t, s, now, exhausts(claim(t, s, now, w, 1)[0], now))
		opened := hook.OpenCircuit(now, &w.Settings.Retry)
		s.Faulty.Fail(storetest.BeforeCommit, 1, hook.ErrUnavailable)
		if _, err := s.SwapCircuit(t.Context(), w.Number, hook.Circuit{}, opened); !errors.Is(err, hook.ErrUnavailable) {
			t.Fatalf("open the circuit on a broken disk: %v", err)
		}
		swap(t, s, w, hook.Circuit{}, opened)
		must(t, s.DisableGone(t.Context(), now, w))
		must(t, s.DisableGone(t.Context(), now, w)) // which repeats it
		if got := len(notices(t, s, store.NoticeFilter{})); got != 3 {
			t.Fatalf("%d notices, want one that it was exhausted, one that the circuit opened and one that it was disabled", got)
		}
		if got := shows(t, r, "hookswitch_deliveries_created_total", ""); got != 4 {
			t.Errorf("%v deliveries were counted, want that of the event and of each of three notices", got)
		}
	})
}

// A webhook that the server disables is counted by reason, once.
func TestMetricsCountDisabledWebhooks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, r := measured(t, e)
		w := webhook(t, s, theCenter, func(w *hook.Webhook) { w.Settings.Disable.OnGone = true })
		for range 2 {
			must(t, s.DisableGone(t.Context(), moment(), w))
		}
		if got := shows(t, r, "hookswitch_webhooks_disabled_total", "gone"); got != 1 {
			t.Errorf("%v webhooks were disabled because they are gone, want 1", got)
		}
		if got := shows(t, r, "hookswitch_webhooks_disabled_total", "failing"); got != 0 {
			t.Errorf("%v webhooks were disabled because they fail", got)
		}
	})
}

// A restarted process that has the database for itself takes over what it had leased before, and says so.
func TestMetricsCountLeasesOfTheProcessBefore(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	s := storetest.Open(t)
	w := webhook(t, s, theCenter)
	change(t, s, moment(), create(newInteraction(), "q"))
	claim(t, s, moment(), w, 1)
	s.Stop(t)
	opened, err := store.Open(t.Context(), store.Options{Sealer: sealtest.Keyset(), Database: s.Database(), PublicURL: storetest.PublicURL, Metrics: r})
	must(t, err)
	if got := shows(t, r, "hookswitch_leases_taken_over_total", ""); got != 1 {
		t.Errorf("%v leases were taken over, want 1", got)
	}
	if got := shows(t, r, "hookswitch_sqlite_bytes", "database"); got < 4096 {
		t.Errorf("the database has %v bytes", got)
	}
	must(t, opened.Close())
}

// A node that shares a database says when it last looked whether others have changed what it keeps in memory, and how often
// they had.
func TestMetricsTellOfOtherNodes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		if !e.Shared {
			return // it shares nothing
		}
		before := moment()
		s, r := measured(t, e)
		other := s.Join(t, storetest.With(func(o *store.Options) { o.Metrics = nil }))
		was := shows(t, r, "hookswitch_catalogue_refreshes_total", "")
		webhook(t, other, theCenter)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		limit := time.After(20 * time.Second)
		for shows(t, r, "hookswitch_catalogue_refreshes_total", "") == was || shows(t, r, "hookswitch_catalogue_checked_timestamp_seconds", "") < float64(before.Unix()) {
			select {
			case <-tick.C:
			case <-limit:
				t.Fatal("the other node's webhook was never noticed")
			}
		}
		if got := shows(t, r, "hookswitch_clock_skew_seconds", ""); got != 0 {
			t.Errorf("the skew on one machine is %v", got)
		}
	})
}

// Counting costs a commit no memory.
func TestMetricsAllocateNothing(t *testing.T) {
	if got := testing.AllocsPerRun(1_000, store.Counting()); got != 0 {
		t.Errorf("counting a commit allocates %v times", got)
	}
}

// Why a commit failed is told by code, in words that an operator can act on.
func TestMetricsReasons(t *testing.T) {
	t.Parallel()
	said := func(code string) error {
		return fmt.Errorf("%w: %w", hook.ErrUnavailable, &pgconn.PgError{Code: code})
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{said("53100"), "full"},
		{said("53300"), "resources"},
		{said("58030"), "disk"},
		{said("25006"), "readonly"},
		{said("55P03"), "busy"},
		{said("40001"), "busy"},
		{said("57P01"), "connection"},
		{said("25P03"), "connection"},
		{said("58000"), "other"},
		{store.ErrLost, "connection"},
		{&net.OpError{Op: "read", Err: errors.New("reset")}, "connection"},
		{fmt.Errorf("wait: %w", context.DeadlineExceeded), "connection"},
		{hook.ErrUnavailable, "other"},
	} {
		if got := store.ReasonOf(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

// A full disk is counted as one.
func TestMetricsFullDisk(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	s := storetest.Open(t, storetest.With(func(o *store.Options) { o.Metrics = r }))
	must(t, s.LimitPages(t.Context(), 1)) // no more pages than there are
	for range 100 {
		if _, err := s.AcceptChanges(t.Context(), theCenter, moment(), []hook.Change{create(newInteraction(), "q")}, nil); err != nil {
			break
		}
	}
	if got := shows(t, r, "hookswitch_commit_failures_total", "full"); got == 0 {
		t.Error("no commit failed because the disk is full")
	}
}
