package store

import (
	"context"
	"sync"
	"time"
)

// The bounds of lists of notices, and of their removal.
const (
	NoticesReadMax  = noticesReadMax
	NoticesPruneMax = noticesPruneMax
	// SelectNotices is the list, and MarkNotice what every notice begins with.
	SelectNotices = string(selectNotices)
	MarkNotice    = string(markNotice)
	OldNotices    = string(oldNotices)
)

// LookRarely makes the store look for notices by itself only after a time. It is called before the store runs.
func (s *Store) LookRarely(every time.Duration) { s.noticeLook = every }

// Watch looks for notices when a test says so.
type Watch struct{ watch noticeWatch }

// NewWatch makes one of a store.
func NewWatch(s *Store) *Watch { return &Watch{noticeWatch{store: s}} }

// Look looks once.
func (w *Watch) Look(ctx context.Context, now time.Time) error { return w.watch.look(ctx, now) }

// PruneNotices removes the notices that are older than a time.
func (s *Store) PruneNotices(ctx context.Context, until time.Time) error {
	return s.pruneNotices(ctx, until)
}

// QueuedOutcomes is how many claims, outcomes and changes of circuits wait to be committed.
func (s *Store) QueuedOutcomes() int { return len(s.outcomes.tickets) }

// OneWriter makes the store commit claims, outcomes and changes of circuits one group after the other. It is called before the
// store runs.
func (s *Store) OneWriter() { s.outcomes.helpers = 0 }

// HoldOutcomes makes the writer of those wait until release is called: what is queued meanwhile becomes one group.
func (s *Store) HoldOutcomes(ctx context.Context) (release func() error) {
	reached, gate, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		done <- s.outcomes.commit(ctx, steps{func(batch) {
			once.Do(func() { close(reached) })
			<-gate
		}})
	}()
	<-reached
	return func() error {
		close(gate)
		return <-done
	}
}

// InsertAttempt appends an attempt to the log, a stage after its delivery was changed.
const InsertAttempt = string(insertAttempt)
