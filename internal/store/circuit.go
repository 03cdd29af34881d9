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
	closeCircuit  statement = `UPDATE webhooks SET open_since = 0, probe_at = 0, probe_wait = 0 WHERE center = $1 AND id = $2`
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
// Either way [Store.WebhookByNumber] shows what is stored as soon as it returns. Other processes see that a circuit opened or
// closed as they see any change of a webhook; when its next probe is due, they see when they try to change it.
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
	c := &circuitSwap{store: s, webhook: w, from: from, to: to}
	committer := s.outcomes
	if c.turns() {
		c.steps, committer = steps{changeCatalogue, c.swap, c.read}, s.committer
	} else {
		c.steps = steps{c.swap, c.read}
	}
	if err := committer.commit(ctx, c); err != nil {
		return false, fmt.Errorf("change circuit of webhook %s: %w", w.ID, err)
	}
	return c.swapped, nil
}

// circuitSwap is a change of one circuit. It is shared as long as it does not change the catalogue.
type circuitSwap struct {
	steps
	store    *Store
	webhook  *hook.Webhook
	from, to hook.Circuit
	swapped  bool
	stored   hook.Circuit
}

// turns reports whether the circuit opens or closes, which all processes must see.
func (c *circuitSwap) turns() bool { return c.from.Open() != c.to.Open() }

func (c *circuitSwap) share(func(thing)) bool { return !c.turns() }

func (c *circuitSwap) swap(b batch) {
	c.swapped, c.stored = false, c.to
	args := append([]any{c.webhook.ContactCenter, c.webhook.Number}, circuitArgs(c.to)...)
	b.at(uint64(c.webhook.Number)) // before all deliveries, whose places are serials
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

// committed shows everybody what is stored. Where other processes may change circuits too, the version alone says in which order
// they opened and closed.
func (c *circuitSwap) committed() {
	s := c.store
	if shared := s.engine.traits().shared; s.catalogue.putCircuit(c.webhook.Number, c.stored, !shared) {
		return
	}
	if err := s.freshen(); err != nil {
		s.options.Log.Warn("reading webhooks anew failed; it will be tried again", "error", err)
	}
}

// putCircuit shows a webhook's circuit as it is stored, unless it is one of another opening and must not be.
func (c *catalogue) putCircuit(n hook.WebhookNumber, circuit hook.Circuit, always bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, ok := c.webhooks[n]
	if !ok || !always && !old.Circuit.Since.Equal(circuit.Since) {
		return false
	}
	w := *old
	w.Circuit = circuit
	c.putWebhook(&w)
	return true
}
