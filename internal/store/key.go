package store

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// configuredKey is the name of the admin key that the configuration sets, or that the first start made.
const configuredKey = "configured"

// Key is an API key as the store knows it: never the key itself.
type Key struct {
	ID hook.UUID
	// Center is the contact centre that the key belongs to; zero is an admin key.
	Center    hook.ContactCenterNumber
	Name      string
	CreatedAt time.Time
}

// Actor is how the audit log names who uses the key.
func (k Key) Actor() hook.Actor {
	if k.Center == adminCenter && k.Name == configuredKey {
		return "admin key"
	}
	kind := "key "
	if k.Center == adminCenter {
		kind = "admin key "
	}
	return hook.Actor(kind + k.Name + " (" + k.ID.String() + ")")
}

func (c *catalogue) readKeys(e engine) error {
	return e.read(`SELECT id, center, name, hash, created_at FROM api_keys`, func(r row) error {
		var k Key
		var hash []byte
		var created int64
		err := r(&k.ID, &k.Center, &k.Name, &hash, &created)
		k.CreatedAt = fromMilli(created)
		c.keys[[32]byte(hash)] = k
		return err
	})
}

// KeyByHash returns the key whose text has the SHA-256 hash. It looks into memory: a hash that an attacker cannot choose
// freely leaks nothing by the time that a look-up takes. A key that is not there is looked for in the database, where another
// process may have put it.
func (s *Store) KeyByHash(hash [32]byte) (Key, bool) {
	k, ok := s.catalogue.key(hash)
	if !ok && s.engine.traits().shared {
		if err := s.freshen(); err != nil {
			s.options.Log.Warn("looking for a new key failed", "error", err)
		}
		k, ok = s.catalogue.key(hash)
	}
	return k, ok
}

func (c *catalogue) key(hash [32]byte) (Key, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	k, ok := c.keys[hash]
	return k, ok
}

// HasAdminKey reports whether there is an admin key.
func (s *Store) HasAdminKey() bool {
	s.catalogue.mu.RLock()
	defer s.catalogue.mu.RUnlock()
	for _, k := range s.catalogue.keys {
		if k.Center == adminCenter {
			return true
		}
	}
	return false
}

// SetAdminKey makes the key with the SHA-256 hash the one configured admin key; the one before stops working. If it is that
// already, nothing changes.
func (s *Store) SetAdminKey(ctx context.Context, now time.Time, hash [32]byte) error {
	c := &adminKeyChange{store: s, actor: hook.ActorOf(ctx), now: now, hash: hash, fresh: Key{
		ID: hook.V7(now, random10()), Name: configuredKey, CreatedAt: now.UTC().Truncate(time.Millisecond),
	}}
	w := &write[Key]{
		store: s, center: adminCenter, now: now, stages: steps{changeCatalogue, c.load, c.replace},
		result: c.result, after: s.publishing(func() { s.catalogue.adminKey(hash, c.made) }),
	}
	if _, err := w.run(ctx); err != nil {
		return fmt.Errorf("set admin key: %w", err)
	}
	return nil
}

// adminKeyChange puts a key in the place of the configured admin key.
type adminKeyChange struct {
	store *Store
	actor hook.Actor
	now   time.Time
	hash  [32]byte
	fresh Key

	// old is the one before, if there was one, and made the one since.
	old, made Key
	failed    error
}

func (c *adminKeyChange) load(b batch) {
	c.old, c.made, c.failed = Key{}, c.fresh, nil
	b.query(`SELECT id, hash, created_at FROM api_keys WHERE center = 0 AND name = $1`, func(r row) error {
		var hash []byte
		var created int64
		c.old = Key{Name: configuredKey}
		err := r(&c.old.ID, &hash, &created)
		c.old.CreatedAt = fromMilli(created)
		if bytes.Equal(hash, c.hash[:]) {
			c.made = c.old
		}
		return err
	}, configuredKey)
}

func (c *adminKeyChange) replace(b batch) {
	if c.made == c.old {
		return
	}
	e := auditEntry{center: adminCenter, actor: c.actor, action: "key.create", subject: c.made.ID.String(), after: auditKey(c.made)}
	if c.old.ID != (hook.UUID{}) {
		e.action, e.before = "key.replace", auditKey(c.old)
	}
	if c.failed = c.store.audit(b, c.now, e); c.failed != nil {
		return
	}
	b.exec(`DELETE FROM api_keys WHERE center = 0 AND name = $1`, nil, configuredKey)
	b.exec(`INSERT INTO api_keys (id, center, name, hash, created_at) VALUES ($1, 0, $2, $3, $4)`, nil,
		c.made.ID, configuredKey, c.hash[:], milli(c.now))
}

func (c *adminKeyChange) result() (Key, error) { return c.made, c.failed }

// auditedKey is a key in the audit log.
type auditedKey struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Admin bool   `json:"admin"`
}

func auditKey(k Key) auditedKey {
	return auditedKey{ID: k.ID.String(), Name: k.Name, Admin: k.Center == adminCenter}
}

// adminKey replaces the configured admin key.
func (c *catalogue) adminKey(hash [32]byte, key Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.keys, func(_ [32]byte, k Key) bool { return k.Center == adminCenter && k.Name == configuredKey })
	c.keys[hash] = key
}
