package store

import (
	"context"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The limits of counting what is open.
const (
	BacklogWait = backlogWait
	BacklogStep = backlogStep
)

// CountBacklog counts what is open now, so many entries of an index at a time.
func (s *Store) CountBacklog(ctx context.Context, center hook.ContactCenterNumber, now time.Time, step int) (Backlog, error) {
	return s.countBacklog(ctx, center, now, step)
}
