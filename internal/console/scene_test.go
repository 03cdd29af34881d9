package console_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// scene makes what pages of deliveries and queues show, through the store.
type scene struct {
	tb  testing.TB
	s   *store.Store
	now time.Time
}

func newScene(tb testing.TB, s *store.Store) *scene {
	return &scene{tb, s, time.Now().UTC().Truncate(time.Millisecond)}
}

func sceneUUID() hook.UUID {
	var random [10]byte
	rand.Read(random[:]) // never fails: see crypto/rand
	return hook.V7(time.Now(), random)
}

// webhook makes an enabled webhook for every event.
func (s *scene) webhook(url string) *hook.Webhook {
	s.tb.Helper()
	w := &hook.Webhook{
		ID: hook.WebhookID{UUID: sceneUUID()}, ContactCenter: 1, Settings: hook.DefaultSettings(),
		Secrets: hook.Secrets{Current: hook.NewSecret("0123456789abcdef")}, Enabled: true,
	}
	w.Settings.URL = url
	made, err := s.s.CreateWebhook(s.tb.Context(), s.now, w, nil)
	if err != nil {
		s.tb.Fatal(err)
	}
	return made
}

// create makes an interaction, in a queue where that is not empty.
func (s *scene) create(queue, subject string, edits ...func(*hook.Draft)) *hook.Interaction {
	s.tb.Helper()
	d := &hook.Draft{
		ID: hook.InteractionID{UUID: sceneUUID()}, SessionID: hook.SessionID{UUID: sceneUUID()}, Media: interaction.MediaChat, Subtype: interaction.SubtypeInboundNew,
		Queue: queue, Content: hook.Content{Subject: subject},
	}
	for _, edit := range edits {
		edit(d)
	}
	return s.change(hook.Change{Op: hook.OpCreate, ID: d.ID, Draft: d})
}

func (s *scene) change(ch hook.Change) *hook.Interaction {
	s.tb.Helper()
	results, err := s.s.AcceptChanges(s.tb.Context(), 1, s.now, []hook.Change{ch}, nil)
	if err == nil {
		err = results[0].Err
	}
	if err != nil {
		s.tb.Fatal(err)
	}
	return results[0].Interaction
}

// attempt makes an attempt of everything of a webhook that is due: acknowledged where the failure is none, and exhausted where no next time
// is given. It returns the deliveries.
func (s *scene) attempt(w *hook.Webhook, failure hook.Failure, status int, next time.Duration) (ids []hook.DeliveryID) {
	s.tb.Helper()
	due, err := s.s.Claim(s.tb.Context(), s.now, w.Number, 1_000)
	if err != nil {
		s.tb.Fatal(err)
	}
	outcomes := make([]hook.Outcome, len(due))
	for i, d := range due {
		ids = append(ids, d.ID())
		outcomes[i] = hook.Outcome{Delivery: d, Attempt: hook.Attempt{
			Number: d.Attempts + 1, StartedAt: s.now, Duration: 42 * time.Millisecond, Status: status, Failure: failure, Response: []byte("{}"),
		}}
		if next != 0 {
			outcomes[i].Next = s.now.Add(next)
		}
	}
	if recorded, err := s.s.Record(s.tb.Context(), s.now, outcomes); err != nil || len(recorded.Late) > 0 {
		s.tb.Fatal(recorded, err)
	}
	return ids
}

// state is a delivery's.
func (s *scene) state(id hook.DeliveryID) hook.DeliveryState {
	s.tb.Helper()
	d, err := s.s.Delivery(s.tb.Context(), 1, id)
	if err != nil {
		s.tb.Fatal(err)
	}
	return d.State
}
