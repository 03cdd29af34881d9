package console

import (
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// Verdict is an answer to: is everything delivered?
type Verdict = verdict

// Judge answers it, in an overview of the last hour.
func Judge(now time.Time, webhooks []*hook.Webhook, backlog store.Backlog, accepted bool, failed int64, named bool) Verdict {
	return judge(&situation{
		now: now, receivers: len(webhooks), failing: failingWebhooks(webhooks, backlog.Webhooks, now), backlog: backlog, accepted: accepted,
		failed: failed, spanWords: "hour", named: named,
	})
}

// FailingNumbers returns the webhooks that need somebody.
func FailingNumbers(now time.Time, all []*hook.Webhook, open map[hook.WebhookNumber]store.OpenDeliveries) (list []hook.WebhookNumber) {
	for _, f := range failingWebhooks(all, open, now) {
		list = append(list, f.Webhook.Number)
	}
	return list
}

// AcceptedPerSecond returns what a chart shows of what was accepted.
func AcceptedPerSecond(list []hook.Activity, step time.Duration, now time.Time) []float64 {
	if list = settled(list, step, now); len(list) == 0 {
		return nil
	}
	return ratesOf(list, step, now, time.Second, acceptedOf)
}
