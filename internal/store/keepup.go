package store

import (
	"fmt"
	"slices"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// newestKey returns the key that became primary last, on whichever node, and where in the order in which the keyset's keys were added
// it is, and the one that seals here. A place below zero is that of a key that is not held.
func (s *Store) newestKey(used []usedKey) (number uint32, at, primary int) {
	held := s.options.Sealer.Numbers()
	number = used[len(used)-1].number
	return number, slices.Index(held, number), slices.Index(held, s.options.Sealer.Primary())
}

// olderPrimary reports whether this process seals with an older key than others do: they must not undo each other's work.
func (s *Store) olderPrimary(used []usedKey) bool {
	if len(used) == 0 {
		return false
	}
	_, newest, primary := s.newestKey(used)
	return newest < 0 || newest > primary
}

// promoter is a sealer whose staged key can be made primary in memory.
type promoter interface{ Promote(number uint32) bool }

// keepUp sees that this process does not seal with an older key than others do: who looks whether a key is still needed must not be
// deceived. It returns what is wrong with the keyset.
func (s *Store) keepUp(used []usedKey) error {
	s.sealing.lacks.Store(0)
	if !s.olderPrimary(used) {
		return nil
	}
	sealer := s.options.Sealer
	number, at, _ := s.newestKey(used)
	if at < 0 {
		s.sealing.lacks.Store(number)
		return fmt.Errorf("other nodes seal with master key %d, and the keyset of this one holds %s only: give it theirs. "+
			"Until then webhooks cannot be changed here, and %d of them are sent by other nodes alone: %w",
			number, joinNumbers(sealer.Numbers()), s.catalogue.lockedNow(), hook.ErrLocked)
	}
	if p, ok := sealer.(promoter); ok && p.Promote(number) {
		return nil
	}
	return fmt.Errorf("other nodes seal with master key %d, and this one still with %d: give it their keyset before a key is removed", number, sealer.Primary())
}

// sealText seals for the record that about names. A process that does not hold the newest key seals nothing: the key that it has may be
// removed from the other nodes' keysets at any time.
func (s *Store) sealText(plain []byte, about string) (sealed []byte, key uint32, err error) {
	if number := s.sealing.lacks.Load(); number != 0 {
		return nil, 0, fmt.Errorf("other nodes seal with master key %d: %w", number, hook.ErrLocked)
	}
	return s.options.Sealer.Seal(plain, about)
}
