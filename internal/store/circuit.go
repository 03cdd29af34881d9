package store

import (
	"context"
	"fmt"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// swapCircuit changes the circuit of a webhook only if it is what the caller takes it for: of many, one changes it.
	swapCircuit statement = `UPDATE webhooks SET open_since = $3, probe_at = $4, probe_wait = $5
		WHERE center = $1 AND number = $2 AND open_since = $6 AND probe_at = $7 AND probe_wait = $8`
	selectCircuit statement = `SELECT open_since, probe_at, probe_wait FROM webhooks WHERE center = $1 AND number = $2`
	// selectOpenCircuits reads the open circuits, and bumpCircuits tells other processes to.
	selectOpenCircuits statement = `SELECT number, open_since, probe_at, probe_wait FROM webhooks WHERE open_since <> 0`
	bumpCircuits       statement = `UPDATE catalogue SET circuits = circuits + 1`
	closeCircuit       statement = `UPDATE webhooks SET open_since = 0, probe_at = 0, probe_wait = 0 WHERE center = $1 AND id = $2`
)

// storedCircuit is a circuit as a row has it.
type storedCircuit struct{ since, probeAt, wait int64 }

func (c *storedCircuit) dest() []any { return []any{&c.since, &c.probeAt, &c.wait} }

func (c *storedCircuit) circuit() hook.Circuit {
	return hook.Circuit{Since: fromMilli(c.since), ProbeAt: fromMilli(c.probeAt), Wait: time.Duration(c.wait) * time.Millisecond}
}

func circuitArgs(c hook.Circuit) []any {
	return []any{milli(c.Since), milli(c.ProbeAt), c.Wait.Milliseconds()}
}

// SwapCircuit changes a webhook's circuit from one state to another, if the stored one is the first; it reports whether it was.
// Either way [Store.WebhookByNumber] shows what is stored as soon as it returns, unless that cannot be read. Other processes see
// that a circuit opened or closed in their next group, and within [catalogueCheckEvery]; when its next probe is due, they see when
// they try to change it.
func (s *Store) SwapCircuit(ctx context.Context, webhook hook.WebhookNumber, from, to hook.Circuit) (bool, error) {
	w, ok := s.WebhookByNumber(webhook)
	if !ok {
		if err := s.freshen(); err != nil {
			return false, fmt.Errorf("change circuit of webhook %d: %w", webhook, err)
		}
		w, ok = s.WebhookByNumber(webhook)
	}
	if !ok {
		return false, fmt.Errorf("change circuit of webhook %d: %w", webhook, hook.ErrNotFound)
	}
	c := &circuitSwap{store: s, webhook: w, from: from, to: to, notices: notices{store: s, now: time.Now()}}
	c.steps = steps{c.swap, c.read}
	if c.tells() != "" {
		c.steps = steps{c.swap, c.raise, c.notices.tell}
	}
	if err := s.outcomes.commit(ctx, c); err != nil {
		return false, fmt.Errorf("change circuit of webhook %s: %w", w.ID, err)
	}
	c.notices.committed()
	if !c.shown {
		if err := s.freshen(); err != nil { // the change itself is committed
			s.options.Log.Warn("reading circuits anew failed; it will be tried again", "error", err)
		}
	}
	return c.swapped, nil
}

// circuitSwap is a change of one circuit.
type circuitSwap struct {
	steps
	store    *Store
	webhook  *hook.Webhook
	from, to hook.Circuit
	swapped  bool
	stored   hook.Circuit
	shown    bool
	notices  notices
}

func (c *circuitSwap) share(with func(thing)) bool {
	if kind := c.tells(); kind != "" {
		with(noticeThing(c.webhook, kind))
	}
	return true
}

// tells returns what an operator is told of the change, if it is made.
func (c *circuitSwap) tells() hook.NoticeKind {
	switch {
	case c.to.Open() && !c.from.Open():
		return hook.NoticeCircuitOpened
	case c.from.Open() && !c.to.Open():
		return hook.NoticeCircuitClosed
	}
	return ""
}

// raise counts the change, or reads what is stored if it was not made.
func (c *circuitSwap) raise(b batch) {
	c.notices.list = nil
	if w, ok := c.store.WebhookByNumber(c.webhook.Number); ok && c.swapped { // another node may have changed it since
		after := *w
		after.Circuit = c.to
		c.notices.add(happening{kind: c.tells(), webhook: &after, times: 1})
	}
	c.notices.count(b)
	c.read(b)
}

// swap takes its locks in the order of all: the catalogue's, the webhook's, and in later places those of deliveries, which are
// serials.
func (c *circuitSwap) swap(b batch) {
	c.swapped, c.stored = false, c.to
	if c.from.Open() != c.to.Open() {
		b.at(0)
		b.exec(bumpCircuits, nil)
	}
	args := append([]any{c.webhook.ContactCenter, c.webhook.Number}, circuitArgs(c.to)...)
	b.at(uint64(c.webhook.Number))
	b.exec(swapCircuit, func(n int64) { c.swapped = n == 1 }, append(args, circuitArgs(c.from)...)...)
}

func (c *circuitSwap) read(b batch) {
	if c.swapped {
		return
	}
	b.query(selectCircuit, func(r row) error {
		var stored storedCircuit
		err := r(stored.dest()...)
		c.stored = stored.circuit()
		return err
	}, c.webhook.ContactCenter, c.webhook.Number)
}

// committed shows everybody what is stored. Where other processes change circuits too, what they have stored says in which order
// circuits opened and closed, and only the time of a probe is taken from here.
func (c *circuitSwap) committed() {
	c.shown = c.store.catalogue.putCircuit(c.webhook.Number, c.stored, !c.store.engine.traits().shared)
}

// putCircuit shows a webhook's circuit as it is stored, unless it is one of another opening and must not be.
func (c *catalogue) putCircuit(n hook.WebhookNumber, circuit hook.Circuit, always bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, ok := c.webhooks[n]
	if !ok || !always && !old.Circuit.Since.Equal(circuit.Since) {
		return false
	}
	c.replaceCircuit(old, circuit)
	return true
}

// replaceCircuit replaces a webhook by one with another circuit. The caller holds the lock.
func (c *catalogue) replaceCircuit(old *hook.Webhook, circuit hook.Circuit) {
	w := *old
	w.Circuit = circuit
	c.putWebhook(&w)
}

// loadCircuits reads the circuits anew, which is little even when all receivers of many webhooks fail at once: then it is done once
// for all those that opened meanwhile.
func (c *catalogue) loadCircuits(e engine) error {
	c.loading.Lock()
	defer c.loading.Unlock()
	var version, circuits int64
	if err := e.read(selectCatalogue, func(r row) error { return r(&version, &circuits) }); err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	if _, behind := c.differs(version, circuits); !behind {
		return nil
	}
	open := map[hook.WebhookNumber]hook.Circuit{}
	err := e.read(selectOpenCircuits, func(r row) error {
		var n hook.WebhookNumber
		var stored storedCircuit
		err := r(append([]any{&n}, stored.dest()...)...)
		open[n] = stored.circuit()
		return err
	})
	if err != nil {
		return fmt.Errorf("read circuits: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, w := range c.webhooks {
		if !w.Circuit.Is(open[n]) {
			c.replaceCircuit(w, open[n])
		}
	}
	c.circuits = circuits
	return nil
}

// freeProbes makes the next probe of each open circuit due.
const freeProbes statement = `UPDATE webhooks SET probe_at = $1 WHERE open_since <> 0 AND probe_at > $1`

// takeOverProbes frees the right to probe that a dead process had taken. It is for a store that one process owns.
func (s *Store) takeOverProbes(now time.Time) task {
	return steps{func(b batch) { b.exec(freeProbes, nil, milli(now)) }}
}
