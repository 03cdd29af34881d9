package console_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// stage is a console on a store in which things happen when a test says so.
type stage struct {
	*house
	opened *storetest.Opened
	center hook.ContactCenterNumber
}

func newStage(t *testing.T, s *storetest.Opened) *stage {
	t.Helper()
	center, err := s.ContactCenter(hook.DefaultContactCenter)
	if err != nil {
		t.Fatal(err)
	}
	return &stage{open(t, s.Store), s, center.Number}
}

func stageUUID() hook.UUID {
	var random [10]byte
	rand.Read(random[:])
	return hook.V7(time.Now(), random)
}

// hears makes a webhook.
func (s *stage) hears(url string, edits ...func(*hook.Webhook)) *hook.Webhook {
	s.tb.Helper()
	w := &hook.Webhook{
		ID: hook.WebhookID{UUID: stageUUID()}, ContactCenter: s.center, Settings: hook.DefaultSettings(),
		Secrets: hook.Secrets{Current: hook.NewSecret("0123456789abcdef")}, Enabled: true,
	}
	w.Settings.URL = url
	for _, edit := range edits {
		edit(w)
	}
	made, err := s.opened.CreateWebhook(s.tb.Context(), time.Now(), w, nil)
	if err != nil {
		s.tb.Fatal(err)
	}
	return made
}

// begins creates interactions in a queue, each with its STARTED.
func (s *stage) begins(media interaction.MediaType, queue string, count int) (ids []hook.InteractionID) {
	s.tb.Helper()
	for range count {
		id := hook.InteractionID{UUID: stageUUID()}
		draft := &hook.Draft{ID: id, SessionID: hook.SessionID{UUID: stageUUID()}, Media: media, Subtype: interaction.SubtypeInboundNew, Queue: queue}
		results, err := s.opened.AcceptChanges(s.tb.Context(), s.center, time.Now(), []hook.Change{{Op: hook.OpCreate, ID: id, Draft: draft}}, nil)
		if err != nil || results[0].Err != nil {
			s.tb.Fatalf("create: %v %v", err, results)
		}
		ids = append(ids, id)
	}
	return ids
}

// attempts makes one attempt of everything that is due at a webhook; next is when it is tried again, the zero time is never.
func (s *stage) attempts(w *hook.Webhook, failure hook.Failure, next time.Time) {
	s.tb.Helper()
	now := time.Now()
	claimed, err := s.opened.Claim(s.tb.Context(), now, w.Number, 100)
	if err != nil {
		s.tb.Fatal(err)
	}
	var outcomes []hook.Outcome
	for _, d := range claimed {
		a := hook.Attempt{Number: d.Attempts + 1, StartedAt: now, Duration: time.Millisecond, Failure: failure, Events: 1}
		if failure == hook.FailureStatus {
			a.Status, a.Response = 503, []byte("<script>alert(1)</script>")
		}
		outcomes = append(outcomes, hook.Outcome{Delivery: d, Attempt: a, Next: next})
	}
	if _, err := s.opened.Record(s.tb.Context(), now, outcomes); err != nil {
		s.tb.Fatal(err)
	}
}

// disableKeys disables all keys of the contact centre.
func (s *stage) disableKeys() {
	s.tb.Helper()
	keys, _, err := s.opened.Keys(s.center, store.Page{})
	if err != nil {
		s.tb.Fatal(err)
	}
	for _, k := range keys {
		_, err := s.opened.ChangeKey(s.tb.Context(), time.Now(), store.KeyScope{Center: s.center}, k.ID, nil, func(k *hook.Key) error {
			k.Enabled = false
			return nil
		})
		if err != nil {
			s.tb.Fatal(err)
		}
	}
}

// readable waits until so many events can be read: on PostgreSQL those wait that were committed while an older transaction goes on.
func (s *stage) readable(count int) {
	s.tb.Helper()
	watch := s.opened.WatchEvents(s.center)
	defer watch.Close()
	over, cancel := context.WithTimeout(s.tb.Context(), time.Minute)
	defer cancel()
	for n, cursor := 0, ""; ; {
		arrived := watch.Arrived()
		found, next, err := s.opened.Events(s.tb.Context(), s.center, cursor, store.PageLimitMax)
		if err != nil {
			s.tb.Fatal(err)
		}
		if n, cursor = n+len(found), next; n >= count {
			return
		}
		if len(found) > 0 {
			continue
		}
		select {
		case <-arrived:
		case <-over.Done():
			s.tb.Fatalf("%d of %d events can be read", n, count)
		}
	}
}

// floods creates many chats at once.
func (s *stage) floods(count int) {
	s.tb.Helper()
	changes := make([]hook.Change, count)
	for i := range changes {
		id := hook.InteractionID{UUID: stageUUID()}
		changes[i] = hook.Change{Op: hook.OpCreate, ID: id, Draft: &hook.Draft{
			ID: id, SessionID: hook.SessionID{UUID: stageUUID()}, Media: interaction.MediaChat, Subtype: interaction.SubtypeInboundNew, Queue: "flood",
		}}
	}
	if _, err := s.opened.AcceptChanges(s.tb.Context(), s.center, time.Now(), changes, nil); err != nil {
		s.tb.Fatal(err)
	}
}
