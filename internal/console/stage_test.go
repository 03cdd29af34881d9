package console_test

import (
	"context"
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

// hears makes a webhook.
func (s *stage) hears(url string, edits ...func(*hook.Webhook)) *hook.Webhook {
	s.tb.Helper()
	return storeWebhook(s.tb, s.store, s.center, append([]func(*hook.Webhook){at(url)}, edits...)...)
}

// begins creates interactions in a queue, each with its STARTED.
func (s *stage) begins(media interaction.MediaType, queue string, count int) (ids []hook.InteractionID) {
	s.tb.Helper()
	for range count {
		d := newDraft(queue, func(d *hook.Draft) { d.Media = media })
		storeChanges(s.tb, s.store, moment(), creation(d))
		ids = append(ids, d.ID)
	}
	return ids
}

// attempts makes one attempt of everything that is due at a webhook; next is when it is tried again, the zero time is never.
func (s *stage) attempts(w *hook.Webhook, failure hook.Failure, next time.Time) {
	s.tb.Helper()
	a := hook.Attempt{Duration: time.Millisecond, Failure: failure, Events: 1}
	if failure == hook.FailureStatus {
		a.Status, a.Response = 503, []byte("<script>alert(1)</script>")
	}
	storeAttempts(s.tb, s.store, time.Now(), w, a, next)
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
		changes[i] = creation(newDraft("flood"))
	}
	storeChanges(s.tb, s.store, moment(), changes...)
}
