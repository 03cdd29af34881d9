package console_test

import (
	"testing"
	"time"

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
	return &scene{tb, s, moment()}
}

// webhook makes an enabled webhook for every event.
func (s *scene) webhook(url string) *hook.Webhook {
	s.tb.Helper()
	return storeWebhook(s.tb, s.s, theCenter, at(url))
}

// create makes an interaction, in a queue where that is not empty.
func (s *scene) create(queue, subject string, edits ...func(*hook.Draft)) *hook.Interaction {
	s.tb.Helper()
	d := newDraft(queue, edits...)
	d.Content.Subject = subject
	return s.change(creation(d))
}

func (s *scene) change(ch hook.Change) *hook.Interaction {
	s.tb.Helper()
	return storeChanges(s.tb, s.s, s.now, ch)
}

// attempt makes an attempt of everything of a webhook that is due: acknowledged where the failure is none, and exhausted where no next time
// is given. It returns the deliveries.
func (s *scene) attempt(w *hook.Webhook, failure hook.Failure, status int, next time.Duration) []hook.DeliveryID {
	s.tb.Helper()
	a, due := hook.Attempt{Duration: 42 * time.Millisecond, Status: status, Failure: failure, Response: []byte("{}"), Events: 1}, time.Time{}
	if next != 0 {
		due = s.now.Add(next)
	}
	return storeAttempts(s.tb, s.s, s.now, w, a, due)
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
