package console_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// theCenter is the contact centre that every store has.
const theCenter hook.ContactCenterNumber = 1

func moment() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// newUUID makes a time-ordered id.
func newUUID() hook.UUID {
	var random [10]byte
	rand.Read(random[:]) // never fails: see crypto/rand
	return hook.V7(time.Now(), random)
}

// newDraft is a chat that waits in a queue, but for the edits.
func newDraft(queue string, edits ...func(*hook.Draft)) *hook.Draft {
	d := &hook.Draft{
		ID: hook.InteractionID{UUID: newUUID()}, SessionID: hook.SessionID{UUID: newUUID()}, Media: interaction.MediaChat, Subtype: interaction.SubtypeInboundNew, Queue: queue,
	}
	for _, edit := range edits {
		edit(d)
	}
	return d
}

// creation is the change that makes an interaction.
func creation(d *hook.Draft) hook.Change { return hook.Change{Op: hook.OpCreate, ID: d.ID, Draft: d} }

// storeWebhook makes an enabled webhook that gets everything, but for the edits.
func storeWebhook(tb testing.TB, s *store.Store, center hook.ContactCenterNumber, edits ...func(*hook.Webhook)) *hook.Webhook {
	tb.Helper()
	w := &hook.Webhook{
		ID: hook.WebhookID{UUID: newUUID()}, ContactCenter: center, Settings: hook.DefaultSettings(), Enabled: true,
		Secrets: hook.Secrets{Current: hook.NewSecret("0123456789abcdef")},
	}
	w.Settings.URL = "https://receiver.example/interactions"
	for _, edit := range edits {
		edit(w)
	}
	made, err := s.CreateWebhook(tb.Context(), moment(), w, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return made
}

// at gives a webhook its URL.
func at(url string) func(*hook.Webhook) { return func(w *hook.Webhook) { w.Settings.URL = url } }

// storeChanges makes changes, all of which must be possible, and returns the interaction of the last one.
func storeChanges(tb testing.TB, s *store.Store, now time.Time, changes ...hook.Change) *hook.Interaction {
	tb.Helper()
	results, err := s.AcceptChanges(tb.Context(), theCenter, now, changes, nil)
	if err != nil {
		tb.Fatal(err)
	}
	for i, r := range results {
		if r.Err != nil {
			tb.Fatalf("%s: %v", changes[i].Op, r.Err)
		}
	}
	return results[len(results)-1].Interaction
}

// storeAttempts claims what is due of a webhook and records one attempt of each; next is when it is due again, and zero where it is
// resolved.
func storeAttempts(tb testing.TB, s *store.Store, now time.Time, w *hook.Webhook, a hook.Attempt, next time.Time) (ids []hook.DeliveryID) {
	tb.Helper()
	claimed, err := s.Claim(tb.Context(), now, w.Number, 1_000)
	if err != nil {
		tb.Fatal(err)
	}
	var outcomes []hook.Outcome
	for _, d := range claimed {
		a.Number, a.StartedAt = d.Attempts+1, now
		outcomes, ids = append(outcomes, hook.Outcome{Delivery: d, Attempt: a, Next: next}), append(ids, d.ID())
	}
	if r, err := s.Record(tb.Context(), now, outcomes); err != nil || len(r.Late) > 0 {
		tb.Fatalf("recorded %+v, %v", r, err)
	}
	return ids
}
