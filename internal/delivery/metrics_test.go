package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// readMetrics returns every series of a metric by its labels' values: counters and gauges by value, histograms by how many they
// have seen.
func readMetrics(t *testing.T, r prometheus.Gatherer, name string) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() != name {
				continue
			}
			key := ""
			for _, l := range m.GetLabel() {
				key += l.GetValue() + " "
			}
			out[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return out
}

func webhookLabel(n int) string { return newWebhook(hook.WebhookNumber(n)).ID.String() }

// TestSeriesOfWebhooksAreBounded gives eight webhooks three places: five share one, nothing is lost from the sums, and one that
// is deleted leaves its place to the next that has an attempt.
func TestSeriesOfWebhooksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, webhooks, events = 3, 8, 5
		q, r := newMemory(), prometheus.NewRegistry()
		e, _ := start(t, q, acknowledging(), func(o *Options) { o.Metrics, o.MetricsWebhooks = r, most })
		for n := 1; n <= webhooks; n++ {
			q.put(newWebhook(hook.WebhookNumber(n)))
			for i := range events {
				q.emit(e, hook.WebhookNumber(n), newEvent(100*n+i))
			}
			settled(t, q, time.Minute)
		}
		want := map[string]float64{"acknowledged other ": (webhooks - most) * events}
		for n := 1; n <= most; n++ {
			want["acknowledged "+webhookLabel(n)+" "] = events
		}
		if diff := cmp.Diff(want, readMetrics(t, r, "hookswitch_webhook_attempts_total")); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		for _, name := range []string{"attempt_duration_seconds", "oldest_due_seconds", "circuit_open", "in_flight"} {
			if got := readMetrics(t, r, "hookswitch_webhook_"+name); len(got) != most+1 {
				t.Errorf("%d webhooks have %d series of %s, want %d: %v", webhooks, len(got), name, most+1, got)
			}
		}
		q.change(2, func(w *hook.Webhook) { w.DeletedAt = time.Now() })
		readMetrics(t, r, "hookswitch_webhook_in_flight")
		q.put(newWebhook(9))
		q.emit(e, 9, newEvent(900))
		settled(t, q, time.Minute)
		got := slices.Sorted(maps.Keys(readMetrics(t, r, "hookswitch_webhook_in_flight")))
		places := []string{webhookLabel(1) + " ", webhookLabel(3) + " ", webhookLabel(9) + " ", "other "}
		if slices.Sort(places); !slices.Equal(got, places) {
			t.Errorf("after a deletion the webhooks %q have series, want %q", got, places)
		}
	})
}

func acknowledging() sender { return after(time.Millisecond, acknowledge()) }

// TestOldestDueTellsWhatIsLate shows nothing while nothing is due, grows with what is, also while the store does not answer, and
// keeps apart what an open circuit holds; a disabled webhook's deliveries are not late.
func TestOldestDueTellsWhatIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var silent atomic.Bool
		q, r := newMemory(newWebhook(1, concurrency(1)), newWebhook(2), newWebhook(3)), prometheus.NewRegistry()
		stuck := sender(func(ctx context.Context, p hook.Post) hook.Answer {
			return after(time.Minute, hook.Answer{Failure: hook.FailureTimeout})(ctx, p)
		})
		start(t, muteQueue{q, &silent}, stuck, func(o *Options) { o.Metrics, o.MetricsWebhooks = r, 10 })
		late := func(name string) map[string]float64 {
			out := map[string]float64{}
			for key, value := range readMetrics(t, r, name) {
				out[key] = float64(int(value/10) * 10)
			}
			return out
		}
		want := func(when string, due, held float64, webhooks map[string]float64) {
			t.Helper()
			if got := late("hookswitch_oldest_due_seconds")[""]; got != due {
				t.Errorf("%s: the oldest is due for about %v s, want %v", when, got, due)
			}
			if got := late("hookswitch_oldest_held_seconds")[""]; got != held {
				t.Errorf("%s: the oldest is held for about %v s, want %v", when, got, held)
			}
			if diff := cmp.Diff(webhooks, late("hookswitch_webhook_oldest_due_seconds")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		<-time.After(5 * time.Second)
		want("with nothing due", 0, 0, map[string]float64{})

		q.change(3, func(w *hook.Webhook) { w.Enabled = false })
		q.change(2, func(w *hook.Webhook) {
			w.Circuit = hook.OpenCircuit(time.Now(), &w.Settings.Retry)
			w.Circuit.ProbeAt = time.Now().Add(time.Hour)
		})
		for n := hook.WebhookNumber(2); n <= 3; n++ {
			q.store(n, newEvent(int(n)))
		}
		<-time.After(32 * time.Second)
		want("while a circuit is open", 0, 30, map[string]float64{webhookLabel(2) + " ": 30})

		q.change(2, func(w *hook.Webhook) { w.Enabled = false })
		<-time.After(2 * time.Second)
		want("when it is disabled", 0, 0, map[string]float64{webhookLabel(2) + " ": 0})

		q.change(2, func(w *hook.Webhook) { w.Enabled = true })
		<-time.After(2 * time.Second)
		silent.Store(true)
		<-time.After(28 * time.Second)
		want("while the store is silent", 0, 60, map[string]float64{webhookLabel(2) + " ": 60})
	})
}

// muteQueue is a queue that can be made not to say what is due.
type muteQueue struct {
	*memory
	silent *atomic.Bool
}

func (q muteQueue) Due(ctx context.Context) ([]hook.Due, error) {
	if q.silent.Load() {
		return nil, errors.New("no answer")
	}
	return q.memory.Due(ctx)
}

// TestOldestDueIsThatOfAllWebhooks shows that the oldest of all webhooks counts, and nothing that is due later.
func TestOldestDueIsThatOfAllWebhooks(t *testing.T) {
	t.Parallel()
	e := New(Options{Queue: newMemory(newWebhook(1), newWebhook(2)), Sender: acknowledging()})
	now := time.Now()
	due := []hook.Due{{Webhook: 1, At: now.Add(-time.Hour)}, {Webhook: 2, At: now.Add(-time.Minute)}, {Webhook: 2, At: now.Add(time.Hour)}}
	if oldest, held := e.metrics.webhooks.swept(now, due); !oldest.Equal(now.Add(-time.Hour)) || !held.IsZero() {
		t.Errorf("the oldest is due since %v, held since %v", oldest, held)
	}
	if oldest, _ := e.metrics.webhooks.swept(now, due[2:]); !oldest.IsZero() {
		t.Errorf("nothing is due, but the oldest is since %v", oldest)
	}
}

// TestAttemptsAreCountedWithoutAllocating shows that counting costs an attempt no memory, and that each class of failure has
// its place.
func TestAttemptsAreCountedWithoutAllocating(t *testing.T) {
	e := New(Options{Queue: newMemory(newWebhook(1)), Sender: acknowledging(), MetricsWebhooks: 1})
	target := &target{series: e.metrics.webhooks.of(1)}
	o := &hook.Outcome{Attempt: hook.Attempt{Failure: hook.FailureTimeout, Duration: time.Minute}}
	if got := testing.AllocsPerRun(1_000, func() {
		e.metrics.begins(target)
		e.metrics.ends(target)
		e.metrics.attempted(target, o)
	}); got != 0 {
		t.Errorf("counting an attempt allocates %v times", got)
	}
	if got := len(hook.Failures()) + 1; got != failuresMax {
		t.Errorf("there are %d results, and places for %d", got, failuresMax)
	}
	for f := range hook.Failure(failuresMax) {
		if resultOf(f) == "" || resultOf(f) == fmt.Sprintf("Failure(%d)", f) {
			t.Errorf("the result of %d is %q", f, resultOf(f))
		}
	}
}

// TestSeriesOfItsOwnCountsFromThenOn shows that a webhook which has delivered before, and gets the place of one that was deleted
// because it is late, is counted there from its next attempt on.
func TestSeriesOfItsOwnCountsFromThenOn(t *testing.T) {
	t.Parallel()
	q := newMemory(newWebhook(1), newWebhook(2))
	r := prometheus.NewRegistry()
	e := New(Options{Queue: q, Sender: acknowledging(), MetricsWebhooks: 1, Metrics: r})
	series := func(n hook.WebhookNumber) *series {
		t.Helper()
		w, _ := q.WebhookByNumber(n)
		target, err := e.lane(n).targetFor(w, []*hook.Delivery{{Webhook: n}})
		if err != nil {
			t.Fatal(err)
		}
		return target.series
	}
	if series(1) == &e.metrics.webhooks.other || series(2) != &e.metrics.webhooks.other {
		t.Fatal("the first webhook has no series of its own, or the second one has")
	}
	q.change(1, func(w *hook.Webhook) { w.DeletedAt = time.Now() })
	readMetrics(t, r, "hookswitch_webhook_attempts_total") // which makes room
	e.metrics.webhooks.swept(time.Now(), []hook.Due{{Webhook: 2, At: time.Now().Add(-time.Hour)}})
	if got := series(2); got != e.metrics.webhooks.named[2] || got == nil {
		t.Error("the second webhook has a series, and its attempts are counted in that of all others")
	}
}

// TestCircuitOfDeletedWebhookIsNotOpen shows that a webhook which is deleted while its circuit is open is not counted, nor alarmed of,
// for ever.
func TestCircuitOfDeletedWebhookIsNotOpen(t *testing.T) {
	t.Parallel()
	q, r := newMemory(newWebhook(1), newWebhook(2)), prometheus.NewRegistry()
	e := New(Options{Queue: q, Sender: acknowledging(), Metrics: r})
	for n := hook.WebhookNumber(1); n <= 2; n++ {
		e.lane(n)
		q.change(n, func(w *hook.Webhook) { w.Circuit = hook.OpenCircuit(time.Now(), &w.Settings.Retry) })
	}
	q.change(1, func(w *hook.Webhook) { w.DeletedAt = time.Now() })
	if got := readMetrics(t, r, "hookswitch_circuits_open")[""]; got != 1 {
		t.Errorf("%v circuits are open, want that of the webhook that exists", got)
	}
}
