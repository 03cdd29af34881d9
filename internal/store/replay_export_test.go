package store

import (
	"context"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// What the suite must know of replays.
const (
	ReplaysKeptMax   = replaysKeptMax
	ReplayWindow     = replayWindow
	ReplayWindowsMax = replayWindowsMax
	ReopenDelivery   = string(reopenDelivery)
	LockLife         = string(lockLife)
	SelectOpen       = string(selectOpen)
	WalkExhausted    = string(walkExhausted)
	WalkEvents       = string(walkEvents)
)

// HoldReplays makes the store leave replays to [Store.StepReplay]. It is called before the store runs.
func (s *Store) HoldReplays() { s.replays.still = true }

// StepReplay does one batch of a replay, if it is due, and reports when the next one is and whether there is one.
func (s *Store) StepReplay(ctx context.Context, center hook.ContactCenterNumber, id hook.ReplayID, now time.Time) (next time.Time, more bool, err error) {
	return s.replaySome(ctx, replayKey{center, id}, now)
}

// StepReplayWith does one batch of a replay, with something between the look at the deliveries and the transaction.
func (s *Store) StepReplayWith(ctx context.Context, center hook.ContactCenterNumber, id hook.ReplayID, now time.Time, between func()) error {
	r, err := s.Replay(ctx, center, id)
	if err != nil {
		return err
	}
	most, _ := r.Pace()
	b := &replayBatch{store: s, now: now, walk: replayWalk{of: r, most: most}}
	if err := b.walk.look(s.engine); err != nil {
		return err
	}
	between()
	return s.commitReplay(ctx, b, now)
}
