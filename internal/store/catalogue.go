package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// catalogue keeps in memory what every request needs and few requests change: contact centres, webhooks and keys. The
// database is the truth; the catalogue follows each commit that changes it, inside the group that commits it.
type catalogue struct {
	// loading is held while everything is read anew.
	loading sync.Mutex
	// sealer opens what is secret of webhooks; it never changes after the start.
	sealer Sealer

	// behind says that circuits have changed since they were read; nil where no other process changes them.
	behind chan struct{}

	mu       sync.RWMutex // guards the maps, version and circuits; what they point to is never written to, only replaced
	version  int64        // what was stored before the maps were read
	circuits int64        // what was stored before the circuits were read
	centers  map[hook.ContactCenterID]hook.ContactCenter
	ids      map[hook.ContactCenterNumber]hook.ContactCenterID
	webhooks map[hook.WebhookNumber]*hook.Webhook
	byCenter map[hook.ContactCenterNumber][]*hook.Webhook // those that exist, in order of their numbers
	keys     map[hook.KeyID]*keyEntry
	// configured is the key whose text may be any; zero where there is none.
	configured hook.KeyID
	uses       *keyUses
	// locked is how many webhooks this process cannot open.
	locked int
}

const (
	selectCatalogue statement = `SELECT version, circuits FROM catalogue`
	bumpCatalogue   statement = `UPDATE catalogue SET version = version + 1`
)

// changeCatalogue is the first stage of whatever changes contact centres, webhooks or keys: other processes will find that
// theirs are old, and two such changes are made one after the other.
func changeCatalogue(b batch) { b.exec(bumpCatalogue, nil) }

// check fails with errStale when what is stored is not what is in memory now, before the tasks of the group decide by it. Should it be
// read anew before the answer is there, some of them may have decided by what it was: the answer is compared with that, too.
func (c *catalogue) check(b batch) {
	decided := c.current()
	b.query(selectCatalogue, func(r row) error { return c.compare(r, decided) })
}

// current returns the version of what is in memory; it is never zero.
func (c *catalogue) current() int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.version
}

// compare fails with errStale when other processes have changed more than circuits. Those decide nothing in a group, so that it is
// not begun anew for them: they are read beside it.
func (c *catalogue) compare(r row, decided int64) error {
	var version, circuits int64
	if err := r(&version, &circuits); err != nil {
		return err
	}
	stale, behind := c.differs(version, circuits)
	if stale || version != decided {
		return errStale
	}
	if behind {
		select {
		case c.behind <- struct{}{}:
		default: // it was said already
		}
	}
	return nil
}

// differs reports whether what is stored is not what is in memory: anything, or circuits.
func (c *catalogue) differs(version, circuits int64) (stale, behind bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return version != c.version, circuits != c.circuits
}

// freshen reads the catalogue anew if another process has changed it.
func (s *Store) freshen() error {
	if !s.engine.traits().shared {
		return nil
	}
	var version, circuits int64
	if err := s.engine.read(selectCatalogue, func(r row) error { return r(&version, &circuits) }); err != nil {
		return err
	}
	s.metrics.compared(time.Now())
	switch stale, behind := s.catalogue.differs(version, circuits); {
	case stale:
		return s.refresh()
	case behind:
		return s.catalogue.loadCircuits(s.engine)
	}
	return nil
}

// publishing returns what follows the commit of a change of the catalogue. Where other processes may have made such changes
// too, everything is read anew; else put shows everybody what was committed.
func (s *Store) publishing(put func()) func() {
	if !s.engine.traits().shared {
		return put
	}
	return func() {
		if err := s.freshen(); err != nil {
			s.options.Log.Warn("reading webhooks anew failed; it will be tried again", "error", err)
		}
	}
}

// refresh reads everything anew, because another process has changed it or nobody knows whether a commit was made.
func (s *Store) refresh() error {
	s.metrics.refreshes.Inc()
	err := s.catalogue.load(s.engine)
	if err != nil && !errors.Is(err, hook.ErrUnavailable) {
		// Such as a secret that was tampered with: nothing can be decided before it is mended.
		err = fmt.Errorf("%w: %w", hook.ErrUnavailable, err)
	}
	return err
}

// load reads everything anew.
func (c *catalogue) load(e engine) error {
	c.loading.Lock()
	defer c.loading.Unlock()
	fresh := catalogue{
		centers:  map[hook.ContactCenterID]hook.ContactCenter{},
		ids:      map[hook.ContactCenterNumber]hook.ContactCenterID{},
		webhooks: map[hook.WebhookNumber]*hook.Webhook{},
		byCenter: map[hook.ContactCenterNumber][]*hook.Webhook{},
		keys:     map[hook.KeyID]*keyEntry{},
		uses:     c.uses,
	}
	if err := e.read(selectCatalogue, func(r row) error { return r(&fresh.version, &fresh.circuits) }); err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	if err := fresh.readCenters(e); err != nil {
		return fmt.Errorf("read contact centres: %w", err)
	}
	err := e.read(selectWebhooks, func(r row) error {
		w, err := scanWebhook(r, c.sealer)
		switch {
		case errors.Is(err, hook.ErrLocked): // the others are sent all the same
			if !c.unlock(w) {
				fresh.locked++
			}
		case err != nil:
			return err
		}
		fresh.addWebhook(w)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read webhooks: %w", err)
	}
	for _, list := range fresh.byCenter {
		slices.SortFunc(list, byNumber)
	}
	if err := fresh.readKeys(e); err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version, c.circuits = fresh.version, fresh.circuits
	c.centers, c.ids, c.webhooks, c.byCenter = fresh.centers, fresh.ids, fresh.webhooks, fresh.byCenter
	c.keys, c.configured, c.locked = fresh.keys, fresh.configured, fresh.locked
	c.uses.keep(c.keys)
	return nil
}

// unlock gives a webhook that cannot be opened what is secret of it, if this process opened it before, and reports whether it did. That is
// still the webhook's as long as that was not changed since: sealing anew is no change.
func (c *catalogue) unlock(w *hook.Webhook) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	before, ok := c.webhooks[w.Number]
	if !ok || before.Locked() || before.ID != w.ID || !before.UpdatedAt.Equal(w.UpdatedAt) {
		return false
	}
	w.Secrets, w.Settings.Credentials = before.Secrets, before.Settings.Credentials
	return true
}

// lockedNow returns how many webhooks this process cannot open.
func (c *catalogue) lockedNow() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.locked
}

// addWebhook adds one of many; the lists are sorted when all are there. The caller owns the catalogue.
func (c *catalogue) addWebhook(w *hook.Webhook) {
	w.CenterID = c.ids[w.ContactCenter]
	c.webhooks[w.Number] = w
	if !w.Deleted() {
		c.byCenter[w.ContactCenter] = append(c.byCenter[w.ContactCenter], w)
	}
}

func byNumber(a, b *hook.Webhook) int { return int(a.Number - b.Number) }

// putWebhook adds or replaces a webhook. The caller holds the lock or owns the catalogue.
func (c *catalogue) putWebhook(w *hook.Webhook) {
	w.CenterID = c.ids[w.ContactCenter]
	c.webhooks[w.Number] = w
	old := c.byCenter[w.ContactCenter]
	list := make([]*hook.Webhook, 0, len(old)+1)
	for _, o := range old {
		if o.Number != w.Number {
			list = append(list, o)
		}
	}
	if !w.Deleted() {
		list = append(list, w)
	}
	slices.SortFunc(list, byNumber)
	c.byCenter[w.ContactCenter] = list
}

func (c *catalogue) webhook(w *hook.Webhook) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.putWebhook(w)
}

func (c *catalogue) center(center hook.ContactCenter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.centers[center.ID] = center
	c.ids[center.Number] = center.ID
}

// listOf returns the webhooks of a contact centre; the list is shared and read-only.
func (c *catalogue) listOf(center hook.ContactCenterNumber) []*hook.Webhook {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byCenter[center]
}

func (c *catalogue) idOf(center hook.ContactCenterNumber) hook.ContactCenterID {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.ids[center]
}

// WebhookByNumber returns a webhook from memory, deleted ones too; it is shared and read-only.
func (s *Store) WebhookByNumber(n hook.WebhookNumber) (*hook.Webhook, bool) {
	s.catalogue.mu.RLock()
	defer s.catalogue.mu.RUnlock()
	w, ok := s.catalogue.webhooks[n]
	return w, ok
}
