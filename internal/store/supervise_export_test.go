package store

import (
	"context"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// What supervising consists of.
const (
	SuperviseMax      = superviseMax
	BumpCatalogueText = string(bumpCatalogue)
)

// DisableFailing looks once for webhooks that have failed for too long, as a running store does every few seconds.
func (s *Store) DisableFailing(ctx context.Context, now time.Time) error {
	return s.disableFailing(ctx, now)
}

// DisableOne disables a webhook that somebody has found to have failed for too long.
func (s *Store) DisableOne(ctx context.Context, found *hook.Webhook, now time.Time) error {
	return s.disableOne(ctx, found, now)
}
