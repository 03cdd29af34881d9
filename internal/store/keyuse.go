package store

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// keyUsesEvery is how often it is written when keys were last used: so much is lost at most when a process is killed.
	keyUsesEvery = time.Minute
	// keyUsesMax is how many keys one transaction writes about.
	keyUsesMax = 200
	// keyUseStep is how fine the time is in memory: a key that is used all the time is written to once in so long.
	keyUseStep = time.Second

	updateKeyUse statement = `UPDATE api_keys SET used_at = $2 WHERE id = $1 AND used_at < $2`
)

// keyUses keeps when each key was last used here. A key's use outlives the catalogue's being read anew.
type keyUses struct {
	mu   sync.Mutex // guards keys
	keys map[hook.KeyID]*keyUse
}

// keyUse is when one key was last used, in milliseconds since 1970.
type keyUse struct {
	at atomic.Int64
	// written is what the database has been told; only the one that writes uses it.
	written int64
}

// of returns the use of a key, which is the same for as long as the process lives.
func (u *keyUses) of(id hook.KeyID) *keyUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.keys == nil {
		u.keys = map[hook.KeyID]*keyUse{}
	}
	use, ok := u.keys[id]
	if !ok {
		use = new(keyUse)
		u.keys[id] = use
	}
	return use
}

// note notes a use. It writes to memory once in a while only, so that processors do not wait for each other.
func (u *keyUse) note(now time.Time) {
	if at := now.UnixMilli(); at-u.at.Load() >= keyUseStep.Milliseconds() {
		u.at.Store(at)
	}
}

// keep forgets all keys but some: the others were deleted, here or by another process.
func (u *keyUses) keep(some map[hook.KeyID]*keyEntry) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id := range u.keys {
		if _, ok := some[id]; !ok {
			delete(u.keys, id)
		}
	}
}

// last returns when the key was last used, by what the database says and by what happened here since.
func (u *keyUses) last(id hook.KeyID, stored time.Time) time.Time {
	u.mu.Lock()
	use, ok := u.keys[id]
	u.mu.Unlock()
	if !ok { // anybody may ask about any id
		return stored
	}
	if here := fromMilli(use.at.Load()); here.After(stored) {
		return here
	}
	return stored
}

// writtenUse is what is told the database about one key.
type writtenUse struct {
	id  hook.KeyID
	use *keyUse
	at  int64
}

// unwritten returns what the database has not been told, in the order of the ids: two processes that write about the same keys take
// their rows in one order.
func (u *keyUses) unwritten() (list []writtenUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, use := range u.keys {
		if at := use.at.Load(); at > use.written {
			list = append(list, writtenUse{id, use, at})
		}
	}
	slices.SortFunc(list, func(a, b writtenUse) int { return bytes.Compare(a.id.UUID[:], b.id.UUID[:]) })
	return list
}

// forget forgets a key that is deleted.
func (u *keyUses) forget(id hook.KeyID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.keys, id)
}

// keepKeyUses writes from time to time when keys were last used, until the context ends.
func (s *Store) keepKeyUses(ctx context.Context) {
	every(ctx, keyUsesEvery, func(time.Time) {
		s.writeKeyUses(func(t task) error { return s.committer.commit(ctx, t) })
	})
}

// writeKeyUses writes what the database has not been told. It changes nothing that is kept in memory, and so not the catalogue.
func (s *Store) writeKeyUses(commit func(task) error) {
	for some := range slices.Chunk(s.keys.uses.unwritten(), keyUsesMax) {
		err := commit(steps{func(b batch) {
			for _, w := range some {
				b.exec(updateKeyUse, nil, w.id.UUID, w.at)
			}
		}})
		if err != nil {
			s.options.Log.Warn("noting when keys were last used failed; it will be tried again", "error", err)
			return
		}
		for _, w := range some {
			w.use.written = w.at
		}
	}
}
