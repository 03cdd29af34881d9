package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// OpenLookMax is how many open interactions are looked at for one list of them.
const OpenLookMax = 5_000

const (
	// The two ends of the index of what is open, which a list begins at.
	selectOldestOpen statement = `SELECT serial, media, state, queue, submitted_at FROM interactions
		WHERE center = $1 AND stopped_at = 0 ORDER BY serial LIMIT $2`
	selectNewestOpen statement = `SELECT serial, media, state, queue, submitted_at FROM interactions
		WHERE center = $1 AND stopped_at = 0 ORDER BY serial DESC LIMIT $2`
)

// OpenFilter says which of a contact centre's open interactions are wanted; a zero field filters nothing.
type OpenFilter struct {
	// Readable are the only media types that are counted and shown; nil are all.
	Readable []interaction.MediaType
	Queue    string
	State    hook.State
	// Newest begins with the newest; else the oldest come first, as they wait.
	Newest bool
	// Skip and Limit say which of those that match are read.
	Skip, Limit int
}

// Queue is what is open in one queue. Those that were never submitted are in one without a name.
type Queue struct {
	Name string
	// New, Queued and InProcess are how many are in each state.
	New, Queued, InProcess int
	// Waiting is since when the one waits that waits longest; zero if none does.
	Waiting time.Time
}

// OpenInteractions is what is open of a contact centre.
type OpenInteractions struct {
	// Queues are in the order of their names, whatever the filter says of queue and state.
	Queues []Queue
	// List is the part that was asked for, and Matched how many the filter lets through.
	List    []*hook.Interaction
	Matched int
	// More is whether there are more open ones than [OpenLookMax]: then all of this is about the first so many.
	More bool
}

// OpenInteractions counts what is open by queue, and reads the part of it that the filter asks for. It looks at a bounded number.
func (s *Store) OpenInteractions(_ context.Context, center hook.ContactCenterNumber, f OpenFilter) (OpenInteractions, error) {
	query := selectOldestOpen
	if f.Newest {
		query = selectNewestOpen
	}
	var found OpenInteractions
	var keys []position
	looked, queues := 0, map[string]*Queue{}
	err := s.engine.read(query, func(r row) error {
		var x openInteraction
		if err := r(&x.serial, &x.media, &x.state, &x.queue, &x.submitted); err != nil {
			return err
		}
		if looked++; looked > OpenLookMax {
			found.More = true
			return nil
		}
		if f.Readable != nil && !slices.Contains(f.Readable, decode(mediaList(), x.media)) {
			return nil
		}
		x.count(queues)
		if f.Queue != "" && f.Queue != x.queue || f.State != 0 && f.State != x.state {
			return nil
		}
		if found.Matched++; found.Matched > f.Skip && len(keys) < f.Limit {
			keys = append(keys, position{serial: x.serial})
		}
		return nil
	}, center, OpenLookMax+1)
	if err != nil {
		return found, fmt.Errorf("list open interactions: %w", err)
	}
	for _, q := range queues {
		found.Queues = append(found.Queues, *q)
	}
	slices.SortFunc(found.Queues, func(x, y Queue) int { return cmp.Compare(x.Name, y.Name) })
	found.List, err = s.interactionsOf(center, keys)
	if !f.Newest {
		slices.Reverse(found.List)
	}
	return found, err
}

// openInteraction is what the counts are made of.
type openInteraction struct {
	serial           hook.Serial
	media, submitted int64
	state            hook.State
	queue            string
}

func (x *openInteraction) count(queues map[string]*Queue) {
	q := queues[x.queue]
	if q == nil {
		q = &Queue{Name: x.queue}
		queues[x.queue] = q
	}
	switch x.state {
	case hook.StateNew:
		q.New++
	case hook.StateInProcess:
		q.InProcess++
	case hook.StateQueued:
		q.Queued++
		if since := fromMilli(x.submitted); q.Waiting.IsZero() || since.Before(q.Waiting) {
			q.Waiting = since
		}
	case hook.StateStopped:
	}
}
