package delivery

import (
	"context"
	"testing"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// BenchmarkLane sends one delivery after the other through a lane, to a receiver and a store that take no time: what is left is the
// engine's own part, the circuit's included.
func BenchmarkLane(b *testing.B) {
	q := newMemory(newWebhook(1, concurrency(1)))
	e := New(Options{Queue: q, Sender: sender(func(context.Context, hook.Post) hook.Answer { return acknowledge() }), PublicURL: publicURL})
	end := run(b, e.Run)
	defer end()
	l := e.lane(1)
	b.ReportAllocs()
	event := newEvent(1)
	for b.Loop() {
		l.send([]*hook.Delivery{{Event: event, Webhook: 1, Lease: hook.Lease{Until: event.OccurredAt.AddDate(100, 0, 0)}}})
	}
}
