package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// superviseEvery is how often is looked for webhooks that have failed for so long that they are disabled: so late that happens
	// at most, while the store can commit.
	superviseEvery = 3 * time.Second
	// superviseMax is how many of them are disabled at a time, so that the many of one dead host do not keep the writer busy.
	superviseMax = 100
)

// errStays says that a webhook is not to be disabled after all.
var errStays = errors.New("the webhook stays enabled")

// supervise disables webhooks that fail for longer than their settings allow, and forgets secrets that have ended, until the context ends. On each node it looks at what
// is in memory and does nothing while no circuit is open for so long and no secret has ended.
func (s *Store) supervise(ctx context.Context) {
	every(ctx, superviseEvery, func(time.Time) {
		if err := s.disableFailing(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.options.Log.Warn("disabling webhooks that fail failed; it will be tried again", "error", err)
		}
		if err := s.forgetSecrets(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.options.Log.Warn("forgetting previous secrets failed; it will be tried again", "error", err)
		}
	})
}

// disableFailing disables the webhooks whose time has come. What other nodes have done meanwhile is looked at first: it saves a
// transaction that changes nothing.
func (s *Store) disableFailing(ctx context.Context, now time.Time) error {
	if len(s.catalogue.failing(now)) == 0 {
		return nil
	}
	if err := s.freshen(); err != nil {
		return fmt.Errorf("read webhooks: %w", err)
	}
	var failed error
	for _, w := range s.catalogue.failing(now) {
		err := s.disableOne(ctx, w, now)
		if failed = errors.Join(failed, err); errors.Is(err, hook.ErrUnavailable) || ctx.Err() != nil {
			break // the others would fare no better
		}
	}
	return failed
}

func (s *Store) disableOne(ctx context.Context, w *hook.Webhook, now time.Time) error {
	return s.disableWebhook(ctx, w, now, func(w *hook.Webhook) bool { return w.DisableFailing(now) })
}

// DisableGone disables a webhook that was answered 410 Gone, unless it was changed since the attempt was made with what is given
// here, or its settings do not want that.
func (s *Store) DisableGone(ctx context.Context, now time.Time, sent *hook.Webhook) error {
	return s.disableWebhook(ctx, sent, now, func(w *hook.Webhook) bool { return w.DisableGone(sent, now) })
}

// disableWebhook disables a webhook if that is still decided in the transaction that does it: the catalogue's row, which opening and
// closing a circuit take too, makes the transactions of all nodes follow each other. One that was deleted or enabled meanwhile, or
// that another node has disabled, stays as it is.
func (s *Store) disableWebhook(ctx context.Context, w *hook.Webhook, now time.Time, decide func(*hook.Webhook) bool) error {
	done, err := s.modifyWebhook(ctx, w.ContactCenter, w.ID, now, nil, func(w *hook.Webhook) error {
		if !decide(w) {
			return errStays
		}
		return nil
	})
	switch {
	case errors.Is(err, errStays), errors.Is(err, hook.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("disable webhook %s: %w", w.ID, err)
	}
	s.metrics.disabled[done.Disabled.For].Inc()
	s.options.Log.LogAttrs(ctx, slog.LevelWarn, "webhook disabled: its deliveries are kept until it is enabled",
		slog.String("webhook", w.ID.String()), slog.String("contact_center", string(done.CenterID)), slog.String("reason", done.Disabled.For.String()))
	return nil
}

// failing returns some of the webhooks whose time to be disabled has come, the longest waiting first.
func (c *catalogue) failing(now time.Time) []*hook.Webhook {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var list []*hook.Webhook
	for _, w := range c.webhooks {
		if at := w.DisableAt(); !at.IsZero() && !now.Before(at) {
			list = append(list, w)
		}
	}
	slices.SortFunc(list, func(a, b *hook.Webhook) int { return a.DisableAt().Compare(b.DisableAt()) })
	return list[:min(len(list), superviseMax)]
}
