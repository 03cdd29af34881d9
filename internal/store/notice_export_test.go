package store

import (
	"context"
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

// Began is when the writer of those began with its group, and zero while it waits.
func (s *Store) Began() int64 { return s.outcomes.began.Load() }

// InsertAttempt appends an attempt to the log, a stage after its delivery was changed.
const InsertAttempt = string(insertAttempt)
