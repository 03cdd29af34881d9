package store

import (
	"context"
	"fmt"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// countNotices looks into the index of notices alone.
const countNotices statement = `SELECT count(*) FROM (SELECT serial FROM events WHERE center = $1 AND interaction = 0 AND serial >= $2 LIMIT $3) part`

// NoticesSince returns how many notices there were in a contact centre since a time, but counts no more than limit.
func (s *Store) NoticesSince(_ context.Context, center hook.ContactCenterNumber, since time.Time, limit int) (n int, err error) {
	if err = s.engine.read(countNotices, func(r row) error { return r(&n) }, center, hook.SerialAt(since), limit); err != nil {
		return 0, fmt.Errorf("count notices: %w", err)
	}
	return n, nil
}
