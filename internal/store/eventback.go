package store

import (
	"context"
	"fmt"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// EventsBack returns a cursor behind which there are the newest events of a contact centre, n of them at most: notices, which are not among
// the events that are read, count too.
func (s *Store) EventsBack(_ context.Context, center hook.ContactCenterNumber, n int) (string, error) {
	feed := feedOf(s.engine.traits())
	place, err := s.readPlace(feed.newest+` OFFSET $2`, center, n)
	if err != nil {
		return "", fmt.Errorf("find newest events: %w", err)
	}
	return place.cursor(), nil
}
