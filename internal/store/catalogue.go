package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// catalogue keeps in memory what every request needs and few requests change: contact centres, webhooks and keys. The
// database is the truth; the catalogue follows each commit that changes it, inside the group that commits it.
type catalogue struct {
	// loading is held while everything is read anew.
	loading sync.Mutex

	mu       sync.RWMutex // guards the maps and version; what they point to is never written to, only replaced
	version  int64        // what was stored before the maps were read
	centers  map[hook.ContactCenterID]hook.ContactCenter
	ids      map[hook.ContactCenterNumber]hook.ContactCenterID
	webhooks map[hook.WebhookNumber]*hook.Webhook
	byCenter map[hook.ContactCenterNumber][]*hook.Webhook // those that exist, in order of their numbers
	keys     map[[32]byte]Key
}

const (
	selectCatalogue statement = `SELECT version FROM catalogue`
	bumpCatalogue   statement = `UPDATE catalogue SET version = version + 1`
)

// changeCatalogue is the first stage of whatever changes contact centres, webhooks or keys: other processes will find that
// theirs are old, and two such changes are made one after the other.
func changeCatalogue(b batch) { b.exec(bumpCatalogue, nil) }

// check fails with errStale when another process has changed what is stored.
func (c *catalogue) check(b batch) {
	b.query(selectCatalogue, c.compare)
}

func (c *catalogue) compare(r row) error {
	var stored int64
	if err := r(&stored); err != nil {
		return err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if stored != c.version {
		return errStale
	}
	return nil
}

// freshen reads the catalogue anew if another process has changed it.
func (s *Store) freshen() error {
	if !s.engine.traits().shared {
		return nil
	}
	err := s.engine.read(selectCatalogue, s.catalogue.compare)
	if errors.Is(err, errStale) {
		err = s.catalogue.load(s.engine)
	}
	return err
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

// load reads everything anew.
func (c *catalogue) load(e engine) error {
	c.loading.Lock()
	defer c.loading.Unlock()
	fresh := catalogue{
		centers:  map[hook.ContactCenterID]hook.ContactCenter{},
		ids:      map[hook.ContactCenterNumber]hook.ContactCenterID{},
		webhooks: map[hook.WebhookNumber]*hook.Webhook{},
		byCenter: map[hook.ContactCenterNumber][]*hook.Webhook{},
		keys:     map[[32]byte]Key{},
	}
	if err := e.read(selectCatalogue, func(r row) error { return r(&fresh.version) }); err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	if err := fresh.readCenters(e); err != nil {
		return fmt.Errorf("read contact centres: %w", err)
	}
	err := e.read(selectWebhooks, func(r row) error {
		w, err := scanWebhook(r)
		if err == nil {
			fresh.putWebhook(w)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read webhooks: %w", err)
	}
	if err := fresh.readKeys(e); err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version = fresh.version
	c.centers, c.ids, c.webhooks, c.byCenter, c.keys = fresh.centers, fresh.ids, fresh.webhooks, fresh.byCenter, fresh.keys
	return nil
}

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
	slices.SortFunc(list, func(a, b *hook.Webhook) int { return int(a.Number - b.Number) })
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
