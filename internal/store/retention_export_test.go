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
)

// Retain removes one batch of what was stopped longer ago than kept, and reports how many interactions and whether there may
// be more.
func (s *Store) Retain(ctx context.Context, center hook.ContactCenterNumber, kept time.Duration, now time.Time) (removed int, more bool, err error) {
	walks, err := s.walks()
	if err != nil {
		return 0, false, err
	}
	r, err := s.retain(ctx, walks[center], policy{interactions: kept}, now)
	if err != nil {
		return 0, false, err
	}
	return len(r.removed), r.more, nil
}

// RetainPace is how many interactions and rows a batch has at most.
func (s *Store) RetainPace() (interactions, rows int) {
	p := paceOf(s.engine.traits())
	return p.interactionsMax, p.rowsMax
}
