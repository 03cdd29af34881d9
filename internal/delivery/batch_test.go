package delivery

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// TestBatch sends many events of which some POSTs fail: no POST holds more than it may or two events of one interaction,
// and a failure is the failure of each.
func TestBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 5
		w := newWebhook(1, concurrency(1), func(s *hook.Settings) {
			s.Batch = hook.Batch{MaxEvents: most}
			s.Retry = hook.Retry{Timeout: hook.Duration(time.Second), Attempts: 9, Backoff: 1, MaxTimeout: hook.Duration(time.Second)}
		})
		check(t, w)
		q, seen, compositions := newMemory(w), new(log), new(tally[string])
		var failed []string
		s := seen.of(func(ctx context.Context, p hook.Post) hook.Answer {
			if n := len(seen.posts()); n%3 == 1 { // one at a time: no lock is needed
				failed = append(failed, p.Header.Get("webhook-id"))
				return after(100*time.Millisecond, hook.Answer{Status: 500})(ctx, p)
			}
			return after(100*time.Millisecond, acknowledge())(ctx, p)
		})
		e, _ := start(t, q, s)
		for n := range 60 {
			q.emit(e, 1, newEventOf(interaction.EventStarted, n, n%20)) // three of each interaction
		}
		settled(t, q, time.Minute)
		events := 0
		for _, p := range seen.posts() {
			payload := parsed(t, p.Post)
			events += len(payload.Entities)
			ids := map[string]bool{}
			for _, entity := range payload.Entities {
				ids[entity.Entity.ID] = true
			}
			if len(payload.Entities) > most || len(ids) != len(payload.Entities) {
				t.Errorf("a POST of %d events of %d interactions", len(payload.Entities), len(ids))
			}
			if p.Header.Get("webhook-id") != payload.OperationID {
				t.Errorf("webhook-id %s, operation %s", p.Header.Get("webhook-id"), payload.OperationID)
			}
			if has := p.Header.Get("Hookswitch-Delivery") != ""; has != (len(payload.Entities) == 1) {
				t.Errorf("a POST of %d events names one delivery: %v", len(payload.Entities), has)
			}
			compositions.count(payload.OperationID + string(p.Body))
		}
		attempts, failures := 0, 0
		for _, o := range q.recorded() {
			attempts++
			if !o.Attempt.Acknowledged() {
				failures++
			}
		}
		if attempts != events || failures == 0 || len(failed) == 0 {
			t.Errorf("%d events were posted, %d attempts are recorded, %d of them failed", events, attempts, failures)
		}
	})
}

// TestBatchIsDeterministic composes the same events twice, and others.
func TestBatchIsDeterministic(t *testing.T) {
	batch := func(numbers ...int) (all []*hook.Delivery) {
		for _, n := range numbers {
			all = append(all, &hook.Delivery{Event: newEvent(n), Webhook: 1, Attempts: n})
		}
		return all
	}
	made := func(numbers ...int) *message {
		m, err := compose(batch(numbers...))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	first, again := made(1, 2, 3), made(1, 2, 3)
	if !bytes.Equal(first.body, again.body) || first.operation != again.operation {
		t.Errorf("the same events gave\n%s\n%s", first.body, again.body)
	}
	for _, other := range [][]int{{1, 2}, {1, 3, 2}, {1, 2, 4}, {1}} {
		if m := made(other...); m.operation == first.operation {
			t.Errorf("events %v have the operation of 1, 2, 3", other)
		}
	}
	payload, err := interaction.Parse(first.body)
	if err != nil || payload.OperationID != first.operation.String() || first.attempt != 4 || first.delivery != "" {
		t.Errorf("%s: %v, attempt %d, delivery %q", first.body, err, first.attempt, first.delivery)
	}
	for i, entity := range payload.Entities {
		single, err := interaction.Parse(newEvent(i + 1).Payload)
		if err != nil || single.Entities[0] != entity {
			t.Errorf("entity %d is %v, want %v: %v", i, entity, single.Entities, err)
		}
	}
}

// TestBatchLosesNothing puts an event whose payload nobody can parse among others: it goes out as it is, alone.
func TestBatchLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook(1, concurrency(1), func(s *hook.Settings) { s.Batch = hook.Batch{MaxEvents: 10, Linger: hook.BatchLingerMax} })
		q, seen := newMemory(w), new(log)
		e, _ := start(t, q, seen.of(after(time.Millisecond, acknowledge())))
		strange := newEvent(2)
		strange.Payload = []byte(`{"from":"another age"}`)
		for _, event := range []*hook.Event{newEvent(1), strange, newEvent(3)} {
			q.emit(e, 1, event)
		}
		settled(t, q, time.Minute)
		bodies := new(tally[string])
		for _, p := range seen.posts() {
			bodies.count(string(p.Body))
		}
		if bodies.seen[string(strange.Payload)] != 1 || len(q.recorded()) != 3 {
			t.Errorf("sent %v, recorded %d", bodies.seen, len(q.recorded()))
		}
	})
}
