package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// A node whose keyset lacks the key with which others seal goes on: it accepts events, has the secrets of all webhooks that were not
// changed, sends nothing to those that were, seals nothing, and says so. With the key it has everything again.
func TestNodeWithoutNewestKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		if !e.Shared {
			return // there is one node
		}
		first := sealtest.Keyset()
		sealer, lagging := newChanging(first), newChanging(first)
		a := e.Open(t, sealer.option())
		b := a.Join(t, lagging.option())
		edit, _ := withSecrets(0)
		kept, changed := webhook(t, a, theCenter, edit), webhook(t, a, theCenter, edit)
		must(t, b.ReadAnew())
		sealer.keyset.Store(rotated(t, first))
		resealed(t, a)
		once := func() *store.Once[*hook.Webhook] {
			return &store.Once[*hook.Webhook]{Key: "k", Secret: true, Encode: func(*hook.Webhook, error) (store.Answer, bool) {
				return store.Answer{Status: 200, Body: []byte("x")}, true
			}}
		}
		next := func(s *hook.Secrets) error { s.Current = hook.NewSecret("changed-0123456789"); return nil }
		_, err := a.RotateSecrets(t.Context(), theCenter, changed.ID, moment(), once(), next)
		must(t, err)

		wantError(t, b.Reseal(t.Context(), moment()), hook.ErrLocked)
		change(t, b, moment(), create(newInteraction(), "q"), create(newInteraction(), "q"))
		if w, ok := b.WebhookByNumber(kept.Number); !ok || !w.Sends() || !w.Secrets.Equal(&kept.Secrets) || w.Settings.Headers["X-Token"] == "" {
			t.Errorf("the webhook that was not changed is %+v", w)
		}
		if w, ok := b.WebhookByNumber(changed.Number); !ok || w.Sends() || !w.Locked() || len(w.Settings.Headers) != 0 || !w.Enabled {
			t.Errorf("the webhook that was changed is %+v", w)
		}
		if claimed, err := b.Claim(t.Context(), moment().Add(time.Hour), changed.Number, 1); err != nil || len(claimed) != 0 {
			t.Errorf("claimed %v, %v", claimed, err)
		}
		draft := &hook.Webhook{ID: hook.WebhookID{UUID: newUUID()}, ContactCenter: theCenter, Settings: hook.DefaultSettings(), Secrets: kept.Secrets}
		_, err = b.CreateWebhook(t.Context(), moment(), draft, nil)
		wantError(t, err, hook.ErrLocked)
		_, err = b.RotateSecrets(t.Context(), theCenter, kept.ID, moment(), nil, next)
		wantError(t, err, hook.ErrLocked)
		_, err = b.RotateSecrets(t.Context(), theCenter, changed.ID, moment(), nil, next)
		wantError(t, err, hook.ErrLocked)
		_, err = b.RotateSecrets(t.Context(), theCenter, changed.ID, moment(), once(), next)
		wantError(t, err, hook.ErrLocked)
		if found := b.MasterKeys(); !strings.Contains(found.Problem, "does not hold") && !strings.Contains(found.Problem, "give it theirs") {
			t.Errorf("the problem is %q", found.Problem)
		}

		lagging.keyset.Store(sealer.keyset.Load())
		must(t, b.Reseal(t.Context(), moment()))
		if w, ok := b.WebhookByNumber(changed.Number); !ok || !w.Sends() || w.Secrets.Current.Reveal() != "changed-0123456789" || b.MasterKeys().Problem != "" {
			t.Errorf("with the key: %+v, problem %q", w, b.MasterKeys().Problem)
		}
		_, err = b.RotateSecrets(t.Context(), theCenter, changed.ID, moment(), once(), next)
		if !errors.As(err, new(*store.AnsweredError)) {
			t.Errorf("repeated: %v", err)
		}
	})
}

// A node whose keyset has an older primary key does not undo what others have sealed, also after they have forgotten that key. One
// that can promotes the key by itself.
func TestNodeWithOlderPrimary(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		first := sealtest.Keyset()
		staged, err := first.Stage()
		must(t, err)
		promoted, err := staged.Promote()
		must(t, err)
		only, err := promoted.Without([]uint32{first.Primary()})
		must(t, err)
		sealer := newChanging(promoted)
		s := e.Open(t, sealer.option())
		edit, _ := withSecrets(0)
		webhook(t, s, theCenter, edit)
		resealed(t, s)
		sealer.keyset.Store(only)
		s.Reopen(t) // forgets the first key
		sealer.keyset.Store(staged)
		if err := s.Reseal(t.Context(), moment()); err == nil || !strings.Contains(err.Error(), "before a key is removed") {
			t.Errorf("an older primary key: %v", err)
		}
		s.Reopen(t)
		for _, k := range s.MasterKeys().Keys {
			if k.Number == first.Primary() && (k.Records != 0 || !k.UsedSince.IsZero()) {
				t.Errorf("the older key was used again: %+v", k)
			}
		}
		sealer.promotes.Store(true)
		must(t, s.Reseal(t.Context(), moment()))
		if found := s.MasterKeys(); found.Primary != promoted.Primary() || found.Problem != "" || found.Remaining != 0 {
			t.Errorf("promoted: %+v", found)
		}
	})
}

// A start is refused where something is sealed under a key that the keyset does not hold, also if the store does not know that key.
func TestStartWithPartsOfAnotherStore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t)
		webhook(t, s, theCenter)
		s.Stop(t)
		must(t, store.Tamper(t.Context(), s.Database(), `UPDATE webhooks SET sealed_with = 7`))
		_, err := store.Open(t.Context(), store.Options{Sealer: sealtest.Keyset(), Database: s.Database()})
		if keyset := new(store.KeysetError); !errors.As(err, &keyset) || len(keyset.Missing) != 1 || keyset.Missing[0] != 7 {
			t.Errorf("got %v", err)
		}
	})
}
