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
