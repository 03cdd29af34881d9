package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	insertCenter statement = `INSERT INTO contact_centers (number, id, name, created_at)
		SELECT coalesce(max(number), 0) + 1, $1, $2, $3 FROM contact_centers WHERE true ON CONFLICT (id) DO NOTHING`
	selectCenters statement = `SELECT number, id, name, created_at, settings, updated_at FROM contact_centers`
	selectCenter  statement = selectCenters + ` WHERE id = $1`
	updateCenter  statement = `UPDATE contact_centers SET name = $2, settings = $3, updated_at = $4 WHERE id = $1`
)

// ensureDefaultCenter makes the contact centre that every store has.
func (s *Store) ensureDefaultCenter(now time.Time) error {
	found := false
	err := s.engine.read(selectCenter, func(r row) error {
		_, err := scanCenter(r)
		found = true
		return err
	}, string(hook.DefaultContactCenter))
	if err != nil || found {
		return err
	}
	return s.engine.transact([]task{steps{
		changeCatalogue,
		func(b batch) { b.exec(insertCenter, nil, string(hook.DefaultContactCenter), "Default", milli(now)) },
	}})
}

func (c *catalogue) readCenters(e engine) error {
	return e.read(selectCenters, func(r row) error {
		center, err := scanCenter(r)
		c.centers[center.ID], c.ids[center.Number] = center, center.ID
		return err
	})
}

func scanCenter(r row) (hook.ContactCenter, error) {
	var c hook.ContactCenter
	var id, settings string
	var created, updated int64
	if err := r(&c.Number, &id, &c.Name, &created, &settings, &updated); err != nil {
		return c, err
	}
	c.ID, c.CreatedAt, c.UpdatedAt = hook.ContactCenterID(id), fromMilli(created), fromMilli(updated)
	if err := json.Unmarshal([]byte(settings), &c.Settings); err != nil {
		return c, fmt.Errorf("decode settings of contact centre %s: %w", id, err)
	}
	return c, nil
}

// ContactCenter returns a contact centre from memory, or [hook.ErrNotFound].
func (s *Store) ContactCenter(id hook.ContactCenterID) (hook.ContactCenter, error) {
	c, ok := s.catalogue.centerByID(id)
	if !ok {
		if err := s.freshen(); err != nil {
			return c, err
		}
		if c, ok = s.catalogue.centerByID(id); !ok {
			return c, fmt.Errorf("contact centre %s: %w", id, hook.ErrNotFound)
		}
	}
	return c, nil
}

// ReadContactCenter returns a contact centre with its settings as any process has left them, or [hook.ErrNotFound].
func (s *Store) ReadContactCenter(id hook.ContactCenterID) (hook.ContactCenter, error) {
	if err := s.freshen(); err != nil {
		return hook.ContactCenter{}, fmt.Errorf("read contact centre: %w", err)
	}
	return s.ContactCenter(id)
}

// ReadContactCenters returns all contact centres as any process has left them, oldest first.
func (s *Store) ReadContactCenters() ([]hook.ContactCenter, error) {
	if err := s.freshen(); err != nil {
		return nil, fmt.Errorf("read contact centres: %w", err)
	}
	return s.ContactCenters(), nil
}

func (c *catalogue) centerByID(id hook.ContactCenterID) (hook.ContactCenter, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	center, ok := c.centers[id]
	return center, ok
}

// ContactCenters returns all contact centres from memory, oldest first.
func (s *Store) ContactCenters() []hook.ContactCenter {
	s.catalogue.mu.RLock()
	defer s.catalogue.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.catalogue.centers), func(a, b hook.ContactCenter) int {
		return cmp.Compare(a.Number, b.Number)
	})
}

// CreateContactCenter makes a contact centre. A used id is a [hook.ConflictError].
func (s *Store) CreateContactCenter(ctx context.Context, now time.Time, id hook.ContactCenterID, name string, once *Once[hook.ContactCenter]) (hook.ContactCenter, error) {
	w := &centerWrite{store: s, id: id, actor: hook.ActorOf(ctx)}
	return w.run(ctx, now, once, "contactCenter.create", func(b batch) {
		b.exec(insertCenter, func(n int64) {
			if n == 0 {
				w.failed = &hook.ConflictError{Verb: "create contact centre", State: "used", Detail: "the id " + string(id) + " is taken; choose another"}
			}
		}, string(id), name, milli(now))
	})
}

// UpdateContactCenter lets change modify name and settings of a copy of the contact centre inside the transaction; an error of
// change is returned and nothing is changed.
func (s *Store) UpdateContactCenter(ctx context.Context, now time.Time, id hook.ContactCenterID, change func(*hook.ContactCenter) error) (hook.ContactCenter, error) {
	w := &centerWrite{store: s, id: id, actor: hook.ActorOf(ctx)}
	return w.run(ctx, now, nil, "contactCenter.update", w.load, func(b batch) { w.modify(b, now, change) })
}

// centerWrite is a change of one contact centre.
type centerWrite struct {
	store *Store
	id    hook.ContactCenterID
	actor hook.Actor
	// found is how it is, as far as it was read; its number is zero when it does not exist.
	found  hook.ContactCenter
	failed error
	// before is how it was, for the audit log; nil where it did not exist.
	before any
}

// run commits the given stages, then reads what they made of the contact centre, logs the action and shows it to everybody.
func (w *centerWrite) run(ctx context.Context, now time.Time, once *Once[hook.ContactCenter], action string, stages ...func(batch)) (hook.ContactCenter, error) {
	reset := func(batch) { w.found, w.failed, w.before = hook.ContactCenter{}, nil, nil }
	log := func(b batch) { w.log(b, now, action) }
	task := &write[hook.ContactCenter]{
		store: w.store, center: adminCenter, now: now, once: once, stages: slices.Concat(steps{reset, changeCatalogue}, stages, steps{w.load, log}),
		result: w.result, after: w.store.publishing(func() {
			if w.failed == nil {
				w.store.catalogue.center(w.found)
			}
		}),
	}
	return task.run(ctx)
}

func (w *centerWrite) result() (hook.ContactCenter, error) { return w.found, w.failed }

func (w *centerWrite) load(b batch) {
	if w.failed != nil {
		return
	}
	b.query(selectCenter, func(r row) (err error) {
		w.found, err = scanCenter(r)
		return err
	}, string(w.id))
}

func (w *centerWrite) modify(b batch, now time.Time, change func(*hook.ContactCenter) error) {
	if w.found.Number == 0 {
		w.failed = fmt.Errorf("contact centre %s: %w", w.id, hook.ErrNotFound)
		return
	}
	w.before = recordOf(w.found)
	next := w.found
	if w.failed = change(&next); w.failed != nil {
		return
	}
	settings, err := encodeJSON(next.Settings)
	if w.failed = err; err == nil {
		b.exec(updateCenter, nil, string(w.id), next.Name, settings, milli(now))
	}
}

// centerRecord is what the audit log says of a contact centre.
type centerRecord struct {
	Name     string              `json:"name"`
	Settings hook.CenterSettings `json:"settings"`
}

func recordOf(c hook.ContactCenter) centerRecord { return centerRecord{c.Name, c.Settings} }

func (w *centerWrite) log(b batch, now time.Time, action string) {
	if w.failed == nil {
		w.failed = w.store.audit(b, now, auditEntry{
			center: w.found.Number, actor: w.actor, action: action, subject: string(w.id), before: w.before, after: recordOf(w.found),
		})
	}
}
