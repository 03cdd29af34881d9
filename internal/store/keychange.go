package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	insertKey statement = `INSERT INTO api_keys (id, center, name, hash, permissions, enabled, expires_at, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	updateKey statement = `UPDATE api_keys SET name = $2, permissions = $3, enabled = $4, expires_at = $5, updated_at = $6 WHERE id = $1`
	deleteKey statement = `DELETE FROM api_keys WHERE id = $1`
	countKeys statement = `SELECT count(*) FROM api_keys WHERE center = $1`
	// countLasting counts the other admin keys that are enabled and never expire.
	countLasting statement = `SELECT count(*) FROM api_keys WHERE center = 0 AND enabled = 1 AND expires_at = 0 AND id <> $1`
)

// keyState is what a store keeps of keys beside the catalogue.
type keyState struct {
	uses keyUses
	// configured is whether this process was told the configured admin key.
	configured atomic.Bool
}

// auditedKey is a key in the audit log.
type auditedKey struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Admin       bool              `json:"admin"`
	Permissions []hook.Permission `json:"permissions"`
	Enabled     bool              `json:"enabled"`
	ExpiresAt   *time.Time        `json:"expiresAt,omitempty"`
}

func auditKey(k *hook.Key) auditedKey {
	a := auditedKey{ID: k.ID.String(), Name: k.Name, Admin: k.Admin(), Permissions: k.Permissions, Enabled: k.Enabled}
	if !k.ExpiresAt.IsZero() {
		a.ExpiresAt = &k.ExpiresAt
	}
	return a
}

// keyWrite is a change of one key: before it and after it.
type keyWrite struct {
	store *Store
	actor hook.Actor
	now   time.Time
	// verb is what is done, for a refusal.
	verb string

	before, after hook.Key
	// others is how many keys there are that the change depends on.
	others int
	failed error
}

// run commits the stages and shows everybody what they did.
func (w *keyWrite) run(ctx context.Context, center hook.ContactCenterNumber, once *Once[hook.Key], publish func(), stages ...func(batch)) (hook.Key, error) {
	reset := func(batch) { w.before, w.others, w.failed = hook.Key{}, 0, nil }
	task := &write[hook.Key]{
		store: w.store, center: center, now: w.now, once: once, stages: slices.Concat(steps{reset, changeCatalogue}, stages),
		result: func() (hook.Key, error) { return w.after, w.failed },
		after: w.store.publishing(func() {
			if w.failed == nil {
				publish()
			}
		}),
	}
	return task.run(ctx)
}

func (w *keyWrite) count(b batch, text statement, arg any) {
	b.query(text, func(r row) error { return r(&w.others) }, arg)
}

// CreateKey makes a key, whose text has the hash. The answer that is kept of it holds the text.
func (s *Store) CreateKey(ctx context.Context, now time.Time, k hook.Key, hash [32]byte, once *Once[hook.Key]) (hook.Key, error) {
	k.CreatedAt = now.UTC().Truncate(time.Millisecond)
	w := &keyWrite{store: s, actor: hook.ActorOf(ctx), now: now, verb: "create the key", after: k}
	return w.run(ctx, k.Center, once, func() { s.catalogue.putKey(k, &hash) },
		func(b batch) { w.count(b, countKeys, k.Center) },
		func(b batch) {
			if w.others >= hook.KeysMax {
				w.failed = &hook.ConflictError{Verb: w.verb, State: "full", Detail: fmt.Sprintf("there are %d keys already; delete those that nobody uses", w.others)}
				return
			}
			if w.failed = s.audit(b, now, auditEntry{
				center: k.Center, actor: w.actor, action: "key.create", subject: k.ID.String(), after: auditKey(&k),
			}); w.failed == nil {
				b.exec(insertKey, nil, k.ID.UUID, k.Center, k.Name, hash[:], hook.JoinPermissions(k.Permissions), flag(k.Enabled), milli(k.ExpiresAt), milli(now))
			}
		})
}

// ChangeKey lets change modify a copy of a key inside the transaction; an error of change is returned and nothing is changed. A change
// after which no enabled admin key that never expires would be left is a [hook.ConflictError].
func (s *Store) ChangeKey(ctx context.Context, now time.Time, scope KeyScope, id hook.KeyID, once *Once[hook.Key], change func(*hook.Key) error) (hook.Key, error) {
	w := &keyWrite{store: s, actor: hook.ActorOf(ctx), now: now, verb: "change the key"}
	done, err := w.run(ctx, scope.other(), once, func() { s.catalogue.putKey(w.after, nil) }, w.load(scope, id), func(b batch) { w.modify(b, id, change) })
	done.UsedAt = s.keys.uses.last(id, done.UsedAt)
	return done, err
}

// DeleteKey ends a key for good. The last enabled admin key that never expires, and the configured one while it is configured, cannot be
// deleted: that is a [hook.ConflictError].
func (s *Store) DeleteKey(ctx context.Context, now time.Time, scope KeyScope, id hook.KeyID) error {
	w := &keyWrite{store: s, actor: hook.ActorOf(ctx), now: now, verb: "delete the key"}
	_, err := w.run(ctx, scope.other(), nil, func() { s.catalogue.dropKey(id) }, w.load(scope, id), func(b batch) { w.remove(b, id) })
	return err
}

func (w *keyWrite) load(scope KeyScope, id hook.KeyID) func(batch) {
	return func(b batch) {
		b.query(selectKeys+` WHERE id = $1 AND (center = $2 OR center = $3)`, func(r row) (err error) {
			w.before, err = scanKey(r)
			return err
		}, id.UUID, scope.Center, scope.other())
		w.count(b, countLasting, id.UUID)
	}
}

func (w *keyWrite) modify(b batch, id hook.KeyID, change func(*hook.Key) error) {
	if w.before.ID.IsZero() {
		w.failed = fmt.Errorf("key %s: %w", id, hook.ErrNotFound)
		return
	}
	next := w.before
	if w.failed = change(&next); w.failed != nil {
		return
	}
	action := keyAction(&w.before, &next)
	if action == "" {
		w.after = w.before
		return
	}
	if w.before.Lasts() && !next.Lasts() && w.others == 0 {
		w.failed = hook.KeepAdminKey(w.verb)
		return
	}
	next.UpdatedAt = w.now.UTC().Truncate(time.Millisecond)
	if w.failed = w.store.audit(b, w.now, auditEntry{
		center: next.Center, actor: w.actor, action: action, subject: id.String(), before: auditKey(&w.before), after: auditKey(&next),
	}); w.failed != nil {
		return
	}
	b.exec(updateKey, nil, id.UUID, next.Name, hook.JoinPermissions(next.Permissions), flag(next.Enabled), milli(next.ExpiresAt), milli(w.now))
	w.after = next
}

// keyAction names a change for the audit log; nothing for none.
func keyAction(before, after *hook.Key) string {
	enabled, expiry := before.Enabled != after.Enabled, !before.ExpiresAt.Equal(after.ExpiresAt)
	other := before.Name != after.Name || !slices.Equal(before.Permissions, after.Permissions)
	switch {
	case other || enabled && expiry:
		return "key.update"
	case enabled && after.Enabled:
		return "key.enable"
	case enabled:
		return "key.disable"
	case expiry:
		return "key.expire"
	default:
		return ""
	}
}

func (w *keyWrite) remove(b batch, id hook.KeyID) {
	switch {
	case w.before.ID.IsZero():
		w.failed = fmt.Errorf("key %s: %w", id, hook.ErrNotFound)
	case w.before.Configured() && w.store.keys.configured.Load():
		w.failed = &hook.ConflictError{
			Verb: w.verb, State: "configured",
			Detail: "it is the admin-key of the configuration and would be there again after the next start; configure another one, which replaces it, or none",
		}
	case w.before.Lasts() && w.others == 0:
		w.failed = hook.KeepAdminKey(w.verb)
	default:
		if w.failed = w.store.audit(b, w.now, auditEntry{
			center: w.before.Center, actor: w.actor, action: "key.delete", subject: id.String(), before: auditKey(&w.before),
		}); w.failed == nil {
			b.exec(deleteKey, nil, id.UUID)
		}
	}
}

// SetAdminKey makes the key with the SHA-256 hash the one configured admin key; the one before stops working. If it is that
// already, nothing changes, so that one that was disabled stays so. It cannot be deleted while this process runs.
func (s *Store) SetAdminKey(ctx context.Context, now time.Time, hash [32]byte) error {
	s.keys.configured.Store(true)
	return s.MakeAdminKey(ctx, now, hash)
}

// MakeAdminKey is [Store.SetAdminKey] with a key that is not in the configuration, so that it can be deleted.
func (s *Store) MakeAdminKey(ctx context.Context, now time.Time, hash [32]byte) error {
	fresh := hook.Key{
		ID: hook.KeyID{UUID: hook.V7(now, random10())}, Name: hook.ConfiguredKey, Permissions: []hook.Permission{hook.PermitAdmin}, Enabled: true,
		CreatedAt: now.UTC().Truncate(time.Millisecond),
	}
	w := &keyWrite{store: s, actor: hook.ActorOf(ctx), now: now, verb: "set the admin key"}
	same := false
	load := func(b batch) {
		w.after, same = fresh, false
		b.query(selectHash+` WHERE center = 0 AND name = $1 OR hash = $2`, func(r row) error {
			var kept []byte
			k, err := scanKey(r, &kept)
			is := bytes.Equal(kept, hash[:])
			switch {
			case k.Configured():
				w.before, same = k, is
			case is:
				w.failed = fmt.Errorf("admin-key is the text of another key, %s: configure a text of its own", k.ID)
			}
			return err
		}, hook.ConfiguredKey, hash[:])
	}
	_, err := w.run(ctx, adminCenter, nil, func() { s.catalogue.replaceConfigured(w.after, hash) }, load, func(b batch) {
		if same {
			w.after = w.before
		} else if w.failed == nil {
			w.replace(b, hash)
		}
	})
	if err != nil {
		return fmt.Errorf("set admin key: %w", err)
	}
	return nil
}

func (w *keyWrite) replace(b batch, hash [32]byte) {
	e := auditEntry{center: adminCenter, actor: w.actor, action: "key.create", subject: w.after.ID.String(), after: auditKey(&w.after)}
	if !w.before.ID.IsZero() {
		e.action, e.before = "key.replace", auditKey(&w.before)
	}
	if w.failed = w.store.audit(b, w.now, e); w.failed != nil {
		return
	}
	b.exec(deleteKey, nil, w.before.ID.UUID)
	k := &w.after
	b.exec(insertKey, nil, k.ID.UUID, k.Center, k.Name, hash[:], hook.JoinPermissions(k.Permissions), flag(k.Enabled), milli(k.ExpiresAt), milli(w.now))
}

// replaceConfigured replaces the configured admin key.
func (c *catalogue) replaceConfigured(k hook.Key, hash [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.configured != k.ID {
		delete(c.keys, c.configured)
	}
	c.addKey(k, hash)
}
