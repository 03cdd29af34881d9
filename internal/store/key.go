package store

import (
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	selectKeys statement = `SELECT id, center, name, permissions, enabled, expires_at, used_at, created_at, updated_at FROM api_keys`
	selectHash statement = `SELECT id, center, name, permissions, enabled, expires_at, used_at, created_at, updated_at, hash FROM api_keys`
)

// keyEntry is a key in memory. It is never written to, only replaced.
type keyEntry struct {
	key    hook.Key
	hash   [32]byte
	caller hook.Caller
	use    *keyUse
}

// scanKey reads a key; more are columns after its own.
func scanKey(r row, more ...any) (hook.Key, error) {
	var k hook.Key
	var permissions string
	var expires, used, created, updated int64
	err := r(append([]any{&k.ID.UUID, &k.Center, &k.Name, &permissions, &k.Enabled, &expires, &used, &created, &updated}, more...)...)
	k.Permissions = hook.ParsePermissions(permissions)
	k.ExpiresAt, k.UsedAt, k.CreatedAt, k.UpdatedAt = fromMilli(expires), fromMilli(used), fromMilli(created), fromMilli(updated)
	return k, err
}

func (c *catalogue) readKeys(e engine) error {
	return e.read(selectHash, func(r row) error {
		var hash []byte
		k, err := scanKey(r, &hash)
		if err != nil {
			return err
		}
		c.addKey(k, [32]byte(hash))
		return nil
	})
}

// addKey adds a key. The caller holds the lock or owns the catalogue.
func (c *catalogue) addKey(k hook.Key, hash [32]byte) {
	c.keys[k.ID] = &keyEntry{key: k, hash: hash, caller: k.Caller(), use: c.uses.of(k.ID)}
	if k.Configured() {
		c.configured = k.ID
	}
}

// putKey shows everybody a key; the hash is that of a new one, or nil for one that is known.
func (c *catalogue) putKey(k hook.Key, hash *[32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if hash == nil {
		known, ok := c.keys[k.ID]
		if !ok { // it was deleted since
			return
		}
		hash = &known.hash
	}
	c.addKey(k, *hash)
}

func (c *catalogue) dropKey(id hook.KeyID) {
	c.uses.forget(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.keys, id)
	if c.configured == id {
		c.configured = hook.KeyID{}
	}
}

// CallerOf returns who showed a key, by what is in memory, and notes that the key was used. The error is [hook.ErrNoKey], or a
// [hook.KeyEndedError] for a key that is disabled or has expired. It takes the same time for every text that is wrong: hashes are
// compared in constant time, and one is compared where the text names no key, too.
func (s *Store) CallerOf(p hook.KeyProof, now time.Time) (hook.Caller, error) {
	e := s.catalogue.entry(p)
	if e == nil {
		return hook.Caller{}, hook.ErrNoKey
	}
	if err := e.key.Ended(now); err != nil {
		return hook.Caller{}, err
	}
	e.use.note(now)
	return e.caller, nil
}

// FindCaller is [Store.CallerOf] after a look whether another process has changed the keys, which where there are others is a read of
// the database.
func (s *Store) FindCaller(p hook.KeyProof, now time.Time) (hook.Caller, error) {
	if err := s.freshen(); err != nil {
		s.options.Log.Warn("looking for a new key failed", "error", err)
	}
	return s.CallerOf(p, now)
}

// entry returns the key whose text has the hash: the one that it names, or the configured one, whose text may be any.
func (c *catalogue) entry(p hook.KeyProof) *keyEntry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var found *keyEntry
	for _, id := range [...]hook.KeyID{p.ID, c.configured} {
		var none [32]byte
		e, ok := c.keys[id]
		known := &none
		if ok {
			known = &e.hash
		}
		if subtle.ConstantTimeCompare(known[:], p.Hash[:]) == 1 && ok {
			found = e
		}
	}
	return found
}

// HasAdminKey reports whether there is an admin key.
func (s *Store) HasAdminKey() bool {
	s.catalogue.mu.RLock()
	defer s.catalogue.mu.RUnlock()
	for _, e := range s.catalogue.keys {
		if e.key.Admin() {
			return true
		}
	}
	return false
}

// KeyScope says which keys are meant: those of a contact centre, and admin keys too where they are.
type KeyScope struct {
	Center hook.ContactCenterNumber
	Admin  bool
}

// other is the second contact centre whose keys are meant.
func (s KeyScope) other() hook.ContactCenterNumber {
	if s.Admin {
		return adminCenter
	}
	return s.Center
}

// Key returns a key, or [hook.ErrNotFound].
func (s *Store) Key(scope KeyScope, id hook.KeyID) (hook.Key, error) {
	var found hook.Key
	err := s.engine.read(selectKeys+` WHERE id = $1 AND (center = $2 OR center = $3)`, func(r row) (err error) {
		found, err = scanKey(r)
		return err
	}, id.UUID, scope.Center, scope.other())
	if err != nil {
		return found, fmt.Errorf("read key: %w", err)
	}
	if found.ID.IsZero() {
		return found, fmt.Errorf("key %s: %w", id, hook.ErrNotFound)
	}
	found.UsedAt = s.keys.uses.last(id, found.UsedAt)
	return found, nil
}

// Keys returns a page of the keys of a contact centre, newest first, and the cursor of the next page or nothing; those of the contact
// centre 0 are admin keys.
func (s *Store) Keys(center hook.ContactCenterNumber, p Page) ([]hook.Key, string, error) {
	after, err := parseKeyCursor(p.Cursor)
	if err != nil {
		return nil, "", err
	}
	var list []hook.Key
	err = s.engine.read(selectKeys+` WHERE center = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, func(r row) error {
		k, err := scanKey(r)
		list = append(list, k)
		return err
	}, center, after, p.limit()+1)
	if err != nil {
		return nil, "", fmt.Errorf("read keys: %w", err)
	}
	for i := range list {
		list[i].UsedAt = s.keys.uses.last(list[i].ID, list[i].UsedAt)
	}
	if len(list) <= p.limit() {
		return list, "", nil
	}
	list = list[:p.limit()]
	return list, keyCursor(list[len(list)-1].ID), nil
}
