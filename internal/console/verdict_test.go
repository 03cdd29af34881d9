package console_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/console"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// TestVerdict shows what is answered to: is everything delivered? The worst of what is so is the answer, in words and in colour.
func TestVerdict(t *testing.T) {
	now := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	works := func(change ...func(*hook.Webhook)) *hook.Webhook {
		w := &hook.Webhook{Number: 1, Enabled: true, Settings: hook.Settings{URL: "https://crm.example/hook?token=abc"}}
		w.Secrets.Current = hook.NewSecret("a secret of 16 bytes or more")
		for _, f := range change {
			f(w)
		}
		return w
	}
	broken := works(func(w *hook.Webhook) { w.Circuit = hook.OpenCircuit(ago(3*time.Minute), &w.Settings.Retry) })
	disabled := works(func(w *hook.Webhook) {
		w.Number, w.Enabled, w.Disabled = 2, false, hook.Disabled{At: ago(time.Hour), For: hook.DisabledGone}
	})
	byHand := works(func(w *hook.Webhook) { w.Enabled = false })
	notOpened := works(func(w *hook.Webhook) { w.Secrets = hook.Secrets{} })
	for name, c := range map[string]struct {
		webhooks []*hook.Webhook
		open     store.OpenDeliveries
		counted  bool
		accepted bool
		failed   int64
		want     console.Verdict
	}{
		"nothing accepted":    {[]*hook.Webhook{works()}, store.OpenDeliveries{}, true, false, 0, console.Verdict{Class: "info", Text: "Nothing was accepted yet."}},
		"all delivered":       {[]*hook.Webhook{works()}, store.OpenDeliveries{}, true, true, 0, console.Verdict{Class: "good", Text: "Everything is delivered."}},
		"on the way":          {[]*hook.Webhook{works()}, store.OpenDeliveries{Pending: 1, OldestDue: ago(time.Second)}, true, true, 0, console.Verdict{Class: "good", Text: "Everything is delivered in time.", More: "1 delivery is on the way."}},
		"tried again":         {[]*hook.Webhook{works()}, store.OpenDeliveries{Pending: 12}, true, true, 1_300, console.Verdict{Class: "warn", Text: "Almost: 12 deliveries are on the way or wait for another attempt.", More: "1,300 attempts failed in the last hour."}},
		"nobody is told":      {nil, store.OpenDeliveries{}, true, true, 0, console.Verdict{Class: "warn", Text: "Nobody is told: there is no webhook for the events of interactions."}},
		"not counted":         {[]*hook.Webhook{works()}, store.OpenDeliveries{}, false, true, 0, console.Verdict{Class: "info", Text: "What waits is being counted…", More: "No webhook fails."}},
		"late":                {[]*hook.Webhook{works()}, store.OpenDeliveries{Pending: 1_234, OldestDue: ago(3 * time.Minute)}, true, true, 0, console.Verdict{Class: "warn", Text: "Not yet: deliveries are late, by up to 3 min.", More: "Deliveries: 1,234 pending."}},
		"held by hand":        {[]*hook.Webhook{byHand}, store.OpenDeliveries{Held: 2}, true, true, 0, console.Verdict{Class: "warn", Text: "Not yet: 2 deliveries are held, because somebody has disabled the webhook.", More: "Deliveries: 2 held."}},
		"given up":            {[]*hook.Webhook{works()}, store.OpenDeliveries{Exhausted: 1}, true, true, 0, console.Verdict{Class: "bad", Text: "No: 1 delivery was given up, after the last of its attempts.", More: "Deliveries: 1 exhausted."}},
		"circuit open":        {[]*hook.Webhook{broken}, store.OpenDeliveries{Held: 7, Exhausted: 2}, true, true, 0, console.Verdict{Class: "bad", Text: "No: the webhook https://crm.example/hook fails since 2026-11-23 04:57:00 (3 min).", More: "Deliveries: 2 exhausted, 7 held."}},
		"locked, not counted": {[]*hook.Webhook{notOpened}, store.OpenDeliveries{}, false, true, 0, console.Verdict{Class: "bad", Text: "No: the webhook https://crm.example/hook fails.", More: "What waits is being counted…"}},
		"two of them":         {[]*hook.Webhook{broken, disabled, works()}, store.OpenDeliveries{}, true, false, 0, console.Verdict{Class: "bad", Text: "No: 2 webhooks fail, the first one since 2026-11-23 04:00:00 (1 h).", More: "Nothing waits."}},
	} {
		t.Run(name, func(t *testing.T) {
			backlog := store.Backlog{Whole: c.open, Webhooks: map[hook.WebhookNumber]store.OpenDeliveries{1: c.open}}
			if c.counted {
				backlog.CountedAt = now
			}
			if diff := cmp.Diff(c.want, console.Judge(now, c.webhooks, backlog, c.accepted, c.failed, true)); diff != "" {
				t.Error(diff)
			}
			if got := console.Judge(now, c.webhooks, backlog, c.accepted, c.failed, false); strings.Contains(got.Text, "crm.example") {
				t.Errorf("who may not see webhooks is told %q", got.Text)
			}
		})
	}
}

// TestFailingWebhooksFirst shows which webhooks need somebody, and in which order; those that work are not among them.
func TestFailingWebhooksFirst(t *testing.T) {
	now := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	var all []*hook.Webhook
	add := func(change func(*hook.Webhook)) hook.WebhookNumber {
		w := &hook.Webhook{Number: hook.WebhookNumber(len(all) + 1), Enabled: true, Settings: hook.Settings{URL: "https://crm.example/"}}
		w.Secrets.Current = hook.NewSecret("a secret of 16 bytes or more")
		change(w)
		all = append(all, w)
		return w.Number
	}
	nothing := func(*hook.Webhook) {}
	add(nothing)
	held := add(func(w *hook.Webhook) { w.Enabled = false })
	add(func(w *hook.Webhook) { w.Enabled = false }) // with nothing held
	late, usedUp := add(nothing), add(nothing)
	open := add(func(w *hook.Webhook) { w.Circuit = hook.OpenCircuit(now.Add(-time.Minute), &w.Settings.Retry) })
	failed := add(func(w *hook.Webhook) {
		w.Enabled, w.Disabled = false, hook.Disabled{At: now.Add(-time.Hour), For: hook.DisabledFailing}
	})
	got := console.FailingNumbers(now, all, map[hook.WebhookNumber]store.OpenDeliveries{
		held: {Held: 1}, late: {Pending: 1, OldestDue: now.Add(-time.Minute)}, usedUp: {Exhausted: 1},
	})
	if diff := cmp.Diff([]hook.WebhookNumber{failed, open, usedUp, late, held}, got); diff != "" {
		t.Error(diff)
	}
}

// TestLinesDoNotFallAtTheirEnd shows that a step which other nodes have not told yet is left out, and one that goes on is divided by what of
// it is over.
func TestLinesDoNotFallAtTheirEnd(t *testing.T) {
	begin := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		step, lasted time.Duration
		want         []float64
	}{
		{10 * time.Second, 20 * time.Second, []float64{2}},                   // the second one is over, and may be told until 5 s later
		{10 * time.Second, 25 * time.Second, []float64{2, 2}},                // it was told
		{10 * time.Minute, 10*time.Minute + 59*time.Second, []float64{2}},    // too little of the second one
		{10 * time.Minute, 12 * time.Minute, []float64{2, 2}},                // two minutes of it
		{5 * time.Minute, 10*time.Minute + time.Second, []float64{2, 2}},     // all of it, but for the last seconds of others
		{10 * time.Second, 4 * time.Second, nil},                             // only the first one has begun
		{10 * time.Minute, 20*time.Minute + 5*time.Second, []float64{2, 2}},  // all of it
		{10 * time.Minute, 19*time.Minute + 59*time.Second, []float64{2, 2}}, // nearly all of it
	} {
		now := begin.Add(c.lasted)
		var list []hook.Activity
		for at := begin; at.Before(now); at = at.Add(c.step) {
			list = append(list, hook.Activity{At: at, Accepted: int64(2 * min(c.step, now.Sub(at)) / time.Second)})
		}
		if diff := cmp.Diff(c.want, console.AcceptedPerSecond(list, c.step, now)); diff != "" {
			t.Errorf("steps of %v, after %v: %s", c.step, c.lasted, diff)
		}
	}
}
