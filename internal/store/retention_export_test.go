package store

import (
	"context"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// What the suite must know of the removal of old interactions.
const (
	RetainLag       = retainLag
	RetainWalkEvery = retainWalkEvery

	TrimsInteractions = int(trimsInteractions)
	TrimsPayloads     = int(trimsPayloads)
	TrimsAttempts     = int(trimsAttempts)
	TrimsDeliveries   = int(trimsDeliveries)

	ReportInteractionsMax = reportInteractionsMax
)

// Retain removes one batch of what was stopped longer ago than kept, and reports how many interactions and whether there may
// be more.
func (s *Store) Retain(ctx context.Context, center hook.ContactCenterNumber, kept time.Duration, now time.Time) (removed int, more bool, err error) {
	return s.RetainBy(ctx, center, hook.RetentionPolicy{Interactions: hook.Kept{For: kept}}, 0, now)
}

// RetainBy removes one batch of one kind, by its stored number, under a policy.
func (s *Store) RetainBy(ctx context.Context, center hook.ContactCenterNumber, p hook.RetentionPolicy, what int, now time.Time) (removed int, more bool, err error) {
	walks, err := s.walks(func(hook.ContactCenter) hook.RetentionPolicy { return p })
	if err != nil {
		return 0, false, err
	}
	w := walks[walkKey{center, trimmed(what)}]
	if w == nil {
		return 0, false, nil
	}
	r, err := s.retain(ctx, w, now)
	if err != nil {
		return 0, false, err
	}
	n := r.removed
	return int([...]int64{n.interactions, n.payloads, n.attempts, n.exhausted + n.attempts}[what]), r.more, nil
}

// RetainPace is how many interactions and rows a batch has at most.
func (s *Store) RetainPace() (interactions, rows int) {
	p := paceOf(s.engine.traits())
	return p.interactionsMax, p.rowsMax
}
