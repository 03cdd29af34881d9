package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// Guarantee 1: a webhook is kept with every setting and its secret, in memory and on disk alike.
func TestWebhookIsKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		drafted := &hook.Webhook{
			ID: hook.WebhookID{UUID: newUUID()}, ContactCenter: theCenter, Secrets: hook.Secrets{Current: hook.NewSecret("s\u00e9cret \"0123456789\"")}, Enabled: true,
			Settings: hook.Settings{
				URL: "https://receiver.example/?a=1&b=<2>", Description: "Zürich", Filter: hook.Filter{
					Events:     []interaction.Event{interaction.EventStarted},
					MediaTypes: []interaction.MediaType{interaction.MediaChat}, Subtypes: []interaction.Subtype{interaction.SubtypeSMS},
				},
				RequestTimeout: hook.Duration(time.Second), Success: hook.Success2xx, Concurrency: 7, RateLimit: 9,
				Retry: hook.Retry{Timeout: hook.Duration(100 * time.Millisecond), Attempts: 3, Backoff: 1.5, MaxTimeout: hook.Duration(time.Hour), Jitter: 0.25},
				Batch: hook.Batch{MaxEvents: 10, Linger: hook.Duration(5 * time.Millisecond)}, Signatures: []hook.Signature{hook.SignatureSHA1},
				Metadata: []hook.Metadata{hook.MetadataAttempt}, Credentials: hook.Credentials{Headers: map[string]string{"X-Team": "a, b"}},
			},
		}
		made, err := s.CreateWebhook(t.Context(), now, drafted, nil)
		must(t, err)
		want := *drafted
		want.Number, want.CenterID, want.CreatedAt, want.UpdatedAt = 1, hook.DefaultContactCenter, now, now
		check := func(when string) {
			t.Helper()
			read, err := s.Webhook(t.Context(), theCenter, drafted.ID)
			must(t, err)
			numbered, ok := s.WebhookByNumber(1)
			if diff := cmp.Diff([]*hook.Webhook{&want, &want}, []*hook.Webhook{read, numbered}, same()); diff != "" || !ok {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		if diff := cmp.Diff(&want, made, same()); diff != "" {
			t.Errorf("answered (-want +got):\n%s", diff)
		}
		check("once it is made")
		s.Reopen(t)
		check("after a restart")

		later := now.Add(time.Minute)
		updated, err := s.UpdateWebhook(t.Context(), theCenter, drafted.ID, later, func(w *hook.Webhook) error {
			w.Settings.Events, w.Settings.Headers, w.Secrets.Current = nil, nil, hook.NewSecret("another 0123456789")
			return nil
		})
		must(t, err)
		want.Settings.Events, want.Settings.Headers, want.Secrets.Current, want.UpdatedAt = nil, nil, hook.NewSecret("another 0123456789"), later
		if diff := cmp.Diff(&want, updated, same()); diff != "" {
			t.Errorf("updated (-want +got):\n%s", diff)
		}
		check("once it is updated")
		s.Reopen(t)
		check("after another restart")

		_, err = s.EnableWebhook(t.Context(), theCenter, drafted.ID, later, false, nil)
		must(t, err)
		want.Enabled = false
		check("once it is disabled")
		s.Reopen(t)
		check("after a third restart")
	})
}

// Guarantee 1: what a reader was given does not change under its hands when the webhook is updated.
func TestWebhookIsReplacedNotWritten(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t)
		w := webhook(t, s, theCenter)
		before := *w
		_, err := s.UpdateWebhook(t.Context(), theCenter, w.ID, moment().Add(time.Hour), func(w *hook.Webhook) error {
			w.Settings.Signatures[0], w.Settings.URL = "changed", "https://other.example/"
			return nil
		})
		must(t, err)
		if diff := cmp.Diff(&before, w, same()); diff != "" {
			t.Errorf("the old one changed (-before +after):\n%s", diff)
		}
	})
}

// Guarantee 1: an update that its caller refuses changes nothing, and the refusal comes back as it is.
func TestWebhookUpdateRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t)
		w := webhook(t, s, theCenter)
		before := snapshot(t, s)
		errOwn := errors.New("a reason of the caller's")
		_, err := s.UpdateWebhook(t.Context(), theCenter, w.ID, moment(), func(w *hook.Webhook) error {
			w.Settings.URL = "https://other.example/"
			return errOwn
		})
		wantError(t, err, errOwn)
		s.Reopen(t)
		if diff := cmp.Diff(before, snapshot(t, s), same()); diff != "" {
			t.Errorf("something changed (-before +after):\n%s", diff)
		}
		_, err = s.UpdateWebhook(t.Context(), theCenter, hook.WebhookID{UUID: newUUID()}, moment(), func(*hook.Webhook) error { return nil })
		wantError(t, err, hook.ErrNotFound)
		must(t, s.Ready(t.Context()))
	})
}

// Guarantee 1: a deleted webhook is found by nobody, but what it was sent stays readable.
func TestWebhookDeleted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		change(t, s, now, create(newInteraction(), "q"))
		d := deliver(t, s, now, w)[0]
		must(t, s.DeleteWebhook(t.Context(), theCenter, w.ID, now))
		for range 2 {
			_, err := s.Webhook(t.Context(), theCenter, w.ID)
			wantError(t, err, hook.ErrNotFound)
			list, _, err := s.Webhooks(t.Context(), theCenter, store.Page{})
			if err != nil || len(list) != 0 {
				t.Errorf("the list has %d, %v", len(list), err)
			}
			wantError(t, s.DeleteWebhook(t.Context(), theCenter, w.ID, now), hook.ErrNotFound)
			_, err = s.EnableWebhook(t.Context(), theCenter, w.ID, now, true, nil)
			wantError(t, err, hook.ErrNotFound)
			if kept, ok := s.WebhookByNumber(w.Number); !ok || !kept.Deleted() {
				t.Error("its deliveries have nobody to belong to")
			}
			if shown := delivery(t, s, d.ID()); shown.Webhook != w.ID || shown.State != hook.DeliveryDelivered {
				t.Errorf("its delivery is %+v", shown)
			}
			if got := deliveries(t, s, theCenter, store.DeliveryFilter{Webhook: w.ID}); len(got) != 1 {
				t.Errorf("%d deliveries in the list", len(got))
			}
			s.Reopen(t)
		}
	})
}

// I7: numbers are unique in the store, given in order, and never used again, also after a deletion and a restart.
func TestWebhookNumbers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t)
		other := contactCenter(t, s, "other").Number
		var got []hook.WebhookNumber
		for i := range 6 {
			w := webhook(t, s, []hook.ContactCenterNumber{theCenter, other}[i%2])
			got = append(got, w.Number)
			if i >= 2 {
				must(t, s.DeleteWebhook(t.Context(), w.ContactCenter, w.ID, moment()))
			}
			s.Reopen(t)
		}
		if diff := cmp.Diff([]hook.WebhookNumber{1, 2, 3, 4, 5, 6}, got); diff != "" {
			t.Errorf("numbers (-want +got):\n%s", diff)
		}
	})
}

// Guarantee 1: concurrent updates of one webhook and creations of many are all made, none over another, and memory agrees
// with the disk afterwards.
func TestWebhookConcurrentWrites(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t)
		w := webhook(t, s, theCenter, func(w *hook.Webhook) { w.Settings.Headers = map[string]string{"X-First": "here"} })
		const writers = 12
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				_, err := s.UpdateWebhook(t.Context(), theCenter, w.ID, moment(), func(w *hook.Webhook) error {
					w.Settings.Headers[fmt.Sprint("X-", i)] = "here"
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				webhook(t, s, theCenter)
				if err := s.SetAdminKey(t.Context(), moment(), [32]byte{byte(i + 1)}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		inMemory, _, err := s.Webhooks(t.Context(), theCenter, store.Page{})
		must(t, err)
		if n := len(inMemory[len(inMemory)-1].Settings.Headers); n != writers+1 || len(inMemory) != writers+1 {
			t.Errorf("%d webhooks, the first with %d headers", len(inMemory), n)
		}
		keys := func() (list []int) {
			for i := range writers {
				if _, err := s.FindCaller(hook.KeyProof{Hash: [32]byte{byte(i + 1)}}, moment()); err == nil {
					list = append(list, i)
				}
			}
			return list
		}
		before := keys()
		s.Reopen(t)
		onDisk, _, err := s.Webhooks(t.Context(), theCenter, store.Page{})
		must(t, err)
		if diff := cmp.Diff(inMemory, onDisk, same()); diff != "" {
			t.Errorf("webhooks (-memory +disk):\n%s", diff)
		}
		if diff := cmp.Diff(before, keys()); diff != "" || len(before) != 1 {
			t.Errorf("admin keys (-memory +disk):\n%s", diff)
		}
	})
}
