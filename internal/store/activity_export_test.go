package store

import (
	"context"
	"time"
)

// ActivityLate is for how long after its end a step may still get something.
const ActivityLate = activityLate

// WriteActivity writes what went on until now and was not written yet.
func (s *Store) WriteActivity(ctx context.Context, now time.Time) {
	s.writeActivity(now, func(t task) error { return s.committer.commit(ctx, t) })
}

// PruneActivity removes what is older than it is kept.
func (s *Store) PruneActivity(ctx context.Context, now time.Time) {
	s.pruneActivity(now, func(t task) error { return s.committer.commit(ctx, t) })
}

// ActivityInMemory returns how many steps are in memory.
func (s *Store) ActivityInMemory() int {
	a := s.metrics.activities
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.steps)
}
