package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// Each step of a rotation is kept with its time, also after a restart, and logged once, with who asked for it and without a secret; a step that
// is refused changes nothing. A previous secret that has ended is removed by the server itself, on two nodes once, and not before its time.
func TestSecretsAreRotated(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, other := twoOf(t, e)
		now := time.Now().Truncate(time.Millisecond)
		ctx := hook.WithActor(t.Context(), "key a (1)")
		w := webhook(t, s, theCenter)
		first := w.Secrets.Current
		rotate := func(change func(*hook.Secrets) error) error {
			t.Helper()
			_, err := s.RotateSecrets(ctx, theCenter, w.ID, now, nil, change)
			return err
		}
		add := func(secret string) func(*hook.Secrets) error {
			return func(s *hook.Secrets) error { return s.AddNext(hook.NewSecret(secret)) }
		}
		promote := func(keep time.Duration) func(*hook.Secrets) error {
			return func(s *hook.Secrets) error { return s.Promote(now, keep) }
		}
		want := hook.Secrets{Current: first}
		check := func(when string) {
			t.Helper()
			for _, node := range []*storetest.Opened{s, other} {
				got, err := node.Webhook(t.Context(), theCenter, w.ID)
				must(t, err)
				if diff := cmp.Diff(want, got.Secrets, same()); diff != "" {
					t.Errorf("%s (-want +got):\n%s", when, diff)
				}
			}
		}
		var conflict *hook.ConflictError
		if err := rotate(promote(time.Hour)); !errors.As(err, &conflict) {
			t.Errorf("a promotion of nothing: %v", err)
		}
		check("after a step that is refused")
		must(t, rotate(add("a next secret 01")))
		must(t, rotate(add("a next secret 02")))
		want.Next = hook.NewSecret("a next secret 02")
		check("with a next one")
		must(t, rotate(promote(time.Hour)))
		want = hook.Secrets{Current: want.Next, Previous: first, PreviousUntil: now.Add(time.Hour)}
		check("after the promotion")
		must(t, rotate(add("a next secret 03")))
		must(t, rotate((*hook.Secrets).CancelNext))
		s.Reopen(t)
		if !e.Shared {
			other = s
		}
		check("after a restart")
		for _, node := range []*storetest.Opened{s, other} {
			must(t, node.ForgetSecrets(t.Context(), now.Add(time.Hour-time.Millisecond)))
		}
		check("before its time")
		for _, node := range []*storetest.Opened{s, other} {
			must(t, node.ForgetSecrets(t.Context(), now.Add(time.Hour)))
		}
		want.Previous, want.PreviousUntil = hook.Secret{}, time.Time{}
		check("when its time has come")
		must(t, rotate(add("a next secret 04")))
		must(t, rotate(promote(time.Hour)))
		must(t, rotate((*hook.Secrets).ExpirePrevious))
		must(t, rotate(add("a next secret 05")))
		must(t, rotate(promote(time.Hour)))
		must(t, rotate(add("a next secret 04"))) // back
		must(t, rotate(promote(0)))
		log := auditLog(t, s, theCenter, store.AuditFilter{})
		steps := []string{
			"hookswitch: webhook.create", "key a (1): secret.add", "key a (1): secret.add", "key a (1): secret.promote",
			"key a (1): secret.add", "key a (1): secret.expire", "hookswitch: secret.expire",
			"key a (1): secret.add", "key a (1): secret.promote", "key a (1): secret.expire",
			"key a (1): secret.add", "key a (1): secret.promote", "key a (1): secret.add", "key a (1): secret.promote",
		}
		if diff := cmp.Diff(steps, audited(t, log)); diff != "" {
			t.Errorf("the log (-want +got):\n%s", diff)
		}
		for i, e := range log[1:] {
			if text := e.Before + e.After; strings.Contains(text, "a next") || strings.Contains(text, first.Reveal()) || text == "" {
				t.Errorf("entry %d is %s", i+1, text)
			}
		}
		until := now.Add(time.Hour).UTC().Format(time.RFC3339Nano)
		if log[3].Before != `{"secret":"next"}` || log[3].After != `{"secret":"current","previousUntil":"`+until+`"}` {
			t.Errorf("the promotion is %s, %s", log[3].Before, log[3].After)
		}
	})
}

// A deleted webhook keeps no secret of a rotation, which nobody would remove later.
func TestDeletionForgetsSecrets(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), time.Now()
		w := webhook(t, s, theCenter)
		_, err := s.RotateSecrets(t.Context(), theCenter, w.ID, now, nil, func(s *hook.Secrets) error { return s.AddNext(hook.NewSecret("a next secret 01")) })
		must(t, err)
		must(t, s.DeleteWebhook(t.Context(), theCenter, w.ID, now))
		gone, ok := s.WebhookByNumber(w.Number)
		if !ok || !gone.Secrets.Next.IsZero() || !gone.Secrets.Previous.IsZero() {
			t.Errorf("the deleted webhook has a next secret: %v", !gone.Secrets.Next.IsZero())
		}
		want := []string{"hookswitch: webhook.create", "hookswitch: secret.add", "hookswitch: webhook.delete"}
		if diff := cmp.Diff(want, audited(t, auditLog(t, s, theCenter, store.AuditFilter{}))); diff != "" {
			t.Errorf("the log (-want +got):\n%s", diff)
		}
	})
}
