package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	insertCenter statement = `INSERT INTO contact_centers (number, id, name, created_at)
		SELECT coalesce(max(number), 0) + 1, $1, $2, $3 FROM contact_centers WHERE true ON CONFLICT (id) DO NOTHING`
	selectCenters statement = `SELECT number, id, name, created_at FROM contact_centers`
	selectCenter  statement = selectCenters + ` WHERE id = $1`
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
	var id string
	var created int64
	err := r(&c.Number, &id, &c.Name, &created)
	c.ID, c.CreatedAt = hook.ContactCenterID(id), fromMilli(created)
	return c, err
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
	var made hook.ContactCenter
	var failed error
	w := &write[hook.ContactCenter]{store: s, center: adminCenter, now: now, once: once, stages: steps{
		changeCatalogue,
		func(b batch) {
			failed = nil
			b.exec(insertCenter, func(n int64) {
				if n == 0 {
					failed = &hook.ConflictError{Verb: "create contact centre", State: "used", Detail: "the id " + string(id) + " is taken; choose another"}
				}
			}, string(id), name, milli(now))
		},
		func(b batch) {
			b.query(selectCenter, func(r row) (err error) {
				made, err = scanCenter(r)
				return err
			}, string(id))
		},
	}, result: func() (hook.ContactCenter, error) { return made, failed }, after: s.publishing(func() { s.catalogue.center(made) })}
	return w.run(ctx)
}
