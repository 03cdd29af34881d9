package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// forgetMax is how many previous secrets are forgotten at a time, as few as webhooks are disabled.
const forgetMax = superviseMax

// errNothingEnded says that a previous secret is not there any more, or was given more time.
var errNothingEnded = errors.New("no previous secret has ended")

// RotateSecrets lets change modify the secrets of a webhook inside the transaction; an error of change is returned and nothing is
// changed. Attempts that begin after it returns are signed with the new ones; on other nodes they are within [catalogueCheckEvery].
func (s *Store) RotateSecrets(ctx context.Context, center hook.ContactCenterNumber, id hook.WebhookID, now time.Time, once *Once[*hook.Webhook], change func(*hook.Secrets) error) (*hook.Webhook, error) {
	return s.modifyWebhook(ctx, center, id, now, once, func(w *hook.Webhook) error { return change(&w.Secrets) })
}

// forgetSecrets removes previous secrets whose time has passed. They sign nothing since then, so that it may be late; but a secret that
// is of no use is not kept.
func (s *Store) forgetSecrets(ctx context.Context, now time.Time) error {
	if len(s.catalogue.ended(now)) == 0 {
		return nil
	}
	if err := s.freshen(); err != nil {
		return fmt.Errorf("read webhooks: %w", err)
	}
	var failed error
	for _, w := range s.catalogue.ended(now) {
		_, err := s.RotateSecrets(ctx, w.ContactCenter, w.ID, now, nil, func(secrets *hook.Secrets) error {
			if !secrets.PreviousEnded(now) { // another node was faster
				return errNothingEnded
			}
			return secrets.ExpirePrevious()
		})
		if err == nil || errors.Is(err, errNothingEnded) || errors.Is(err, hook.ErrNotFound) {
			continue
		}
		failed = errors.Join(failed, fmt.Errorf("forget the previous secret of webhook %s: %w", w.ID, err))
		if errors.Is(err, hook.ErrUnavailable) || ctx.Err() != nil {
			break // the others would fare no better
		}
	}
	return failed
}

// ended returns some of the webhooks that have a previous secret whose time has passed, the longest past first.
func (c *catalogue) ended(now time.Time) []*hook.Webhook {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var list []*hook.Webhook
	for _, w := range c.webhooks {
		if !w.Deleted() && w.Secrets.PreviousEnded(now) {
			list = append(list, w)
		}
	}
	slices.SortFunc(list, func(a, b *hook.Webhook) int { return a.Secrets.PreviousUntil.Compare(b.Secrets.PreviousUntil) })
	return list[:min(len(list), forgetMax)]
}

// auditedSecret says which secret of a webhook was changed, and of the previous one until when it signs; of a secret itself, nothing.
type auditedSecret struct {
	Secret        string     `json:"secret"`
	PreviousUntil *time.Time `json:"previousUntil,omitempty"`
}

// auditSecrets logs what a change does to secrets, one entry for each step of a rotation. A change that is no such step, as no request
// can make it, is logged as one of the secret as a whole.
func (s *Store) auditSecrets(b batch, now time.Time, e auditEntry, was, is *hook.Secrets) error {
	log := func(action string, before, after any) error {
		e.action, e.before, e.after = action, before, after
		return s.audit(b, now, e)
	}
	promoted := !was.Next.IsZero() && is.Current.Equal(was.Next) && !is.Current.Equal(was.Current)
	if !promoted && !is.Current.Equal(was.Current) {
		return log("secret.change", nil, auditedSecret{Secret: "changed"})
	}
	if promoted {
		after := auditedSecret{Secret: "current"}
		if !is.Previous.IsZero() {
			after.PreviousUntil = &is.PreviousUntil
		}
		if err := log("secret.promote", auditedSecret{Secret: "next"}, after); err != nil {
			return err
		}
	}
	if lost := was.Previous; !lost.IsZero() && !lost.Equal(is.Previous) && !lost.Equal(is.Next) {
		if err := log("secret.expire", auditedSecret{Secret: "previous", PreviousUntil: &was.PreviousUntil}, nil); err != nil {
			return err
		}
	}
	switch {
	case is.Next.Equal(was.Next):
		return nil
	case !is.Next.IsZero():
		return log("secret.add", nil, auditedSecret{Secret: "next"})
	case !promoted:
		return log("secret.expire", auditedSecret{Secret: "next"}, nil)
	}
	return nil
}
