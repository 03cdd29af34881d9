package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	selectWebhooks statement = `SELECT center, number, id, settings, unsealed, sealed, enabled, created_at, updated_at, deleted_at,
		open_since, probe_at, probe_wait, disabled_at, disabled_for FROM webhooks`
	selectWebhook statement = selectWebhooks + ` WHERE center = $1 AND id = $2`
	insertWebhook statement = `INSERT INTO webhooks (center, number, id, settings, unsealed, sealed, sealed_with, enabled, created_at, updated_at)
		SELECT $1, coalesce(max(number), 0) + 1, $2, $3, '', $4, $5, $6, $7, $7 FROM webhooks`
	updateWebhook statement = `UPDATE webhooks SET settings = $3, unsealed = '', sealed = $4, sealed_with = $5, enabled = $6, updated_at = $7, deleted_at = $8,
		disabled_at = $9, disabled_for = $10
		WHERE center = $1 AND id = $2`
)

// scanWebhook reads a webhook. Where its secrets cannot be opened, the error says so and the webhook has all else.
func scanWebhook(r row, sealer Sealer) (*hook.Webhook, error) {
	w := new(hook.Webhook)
	var settings, unsealed string
	var sealed []byte
	var created, updated, deleted, disabled, reason int64
	var circuit storedCircuit
	err := r(append([]any{
		&w.ContactCenter, &w.Number, &w.ID.UUID, &settings, &unsealed, &sealed, &w.Enabled, &created, &updated, &deleted,
	}, append(circuit.dest(), &disabled, &reason)...)...)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(settings), &w.Settings); err != nil {
		return nil, fmt.Errorf("decode settings of webhook %s: %w", w.ID, err)
	}
	w.Circuit = circuit.circuit()
	w.CreatedAt, w.UpdatedAt, w.DeletedAt = fromMilli(created), fromMilli(updated), fromMilli(deleted)
	w.Disabled = hook.Disabled{At: fromMilli(disabled), For: hook.DisabledFor(reason)}
	return w, unseal(sealer, w, sealed, unsealed)
}

// CreateWebhook makes a webhook; ID, contact centre, settings, secret and enabled are the caller's. Events that are
// accepted after it returns become deliveries to it.
func (s *Store) CreateWebhook(ctx context.Context, now time.Time, w *hook.Webhook, once *Once[*hook.Webhook]) (*hook.Webhook, error) {
	stored, err := s.seal(w)
	if err != nil {
		return nil, err
	}
	change := &webhookWrite{store: s, center: w.ContactCenter, id: w.ID, actor: hook.ActorOf(ctx)}
	return change.run(ctx, now, once, func(b batch) {
		if change.failed = change.logCreation(b, now, w); change.failed != nil {
			return
		}
		b.exec(insertWebhook, nil, w.ContactCenter, w.ID.UUID, stored.settings, stored.sealed, int64(stored.key), flag(w.Enabled), milli(now))
	})
}

// UpdateWebhook lets change modify a copy of the webhook inside the transaction; an error of change is returned and
// nothing is changed. One that [hook.ClosesCircuit] names closes the circuit, too.
func (s *Store) UpdateWebhook(ctx context.Context, center hook.ContactCenterNumber, id hook.WebhookID, now time.Time, change func(*hook.Webhook) error) (*hook.Webhook, error) {
	return s.modifyWebhook(ctx, center, id, now, nil, change)
}

// EnableWebhook enables or disables a webhook. Deliveries of a disabled one are kept and go out when it is enabled again. Enabling
// closes the circuit, also of one that was enabled: somebody wants the receiver to be tried.
func (s *Store) EnableWebhook(ctx context.Context, center hook.ContactCenterNumber, id hook.WebhookID, now time.Time, enabled bool, once *Once[*hook.Webhook]) (*hook.Webhook, error) {
	return s.modifyWebhook(ctx, center, id, now, once, func(w *hook.Webhook) error {
		w.SetEnabled(enabled)
		return nil
	})
}

// DeleteWebhook ends a webhook: it gets no new deliveries, and open ones are not sent. Its history stays readable.
func (s *Store) DeleteWebhook(ctx context.Context, center hook.ContactCenterNumber, id hook.WebhookID, now time.Time) error {
	_, err := s.modifyWebhook(ctx, center, id, now, nil, func(w *hook.Webhook) error {
		w.DeletedAt = now
		w.Secrets = hook.Secrets{Current: w.Secrets.Current} // what nobody would remove later
		return nil
	})
	return err
}

func (s *Store) modifyWebhook(ctx context.Context, center hook.ContactCenterNumber, id hook.WebhookID, now time.Time, once *Once[*hook.Webhook], change func(*hook.Webhook) error) (*hook.Webhook, error) {
	w := &webhookWrite{store: s, center: center, id: id, actor: hook.ActorOf(ctx)}
	done, err := w.run(ctx, now, once, w.load, func(b batch) {
		if w.failed = w.modify(b, now, change); w.failed != nil {
			w.after = nil
		}
	})
	if err == nil && w.closes {
		s.options.Log.Info("circuit closed: the webhook was enabled, or its URL changed", "webhook", id.String())
	}
	return done, err
}

// webhookWrite is a change of one webhook: before it and after it.
type webhookWrite struct {
	store  *Store
	center hook.ContactCenterNumber
	id     hook.WebhookID
	actor  hook.Actor
	after  *hook.Webhook
	failed error
	// closes is whether the change closes an open circuit.
	closes bool
	// notices are what an operator is told of the change.
	notices notices
}

// run commits the given stages, then reads what they made of the webhook and shows it to everybody.
func (w *webhookWrite) run(ctx context.Context, now time.Time, once *Once[*hook.Webhook], stages ...func(batch)) (*hook.Webhook, error) {
	reset := func(batch) {
		w.after, w.failed, w.closes, w.notices = nil, nil, false, notices{store: w.store, now: now}
	}
	publish := w.store.publishing(w.publish)
	committed := func() {
		w.notices.committed()
		publish()
	}
	task := &write[*hook.Webhook]{
		store: w.store, center: w.center, now: now, once: once,
		stages: slices.Concat(steps{reset, changeCatalogue}, stages, w.notices.steps(), steps{w.load}), result: w.result, after: committed,
	}
	return task.run(ctx)
}

func (w *webhookWrite) load(b batch) {
	if w.failed != nil {
		return
	}
	b.query(selectWebhook, func(r row) (err error) {
		if w.after, err = scanWebhook(r, w.store.options.Sealer); err == nil {
			w.after.CenterID = w.store.catalogue.idOf(w.center)
		}
		return err
	}, w.center, w.id.UUID)
}

func (w *webhookWrite) result() (*hook.Webhook, error) {
	if w.failed == nil && w.after == nil {
		return nil, fmt.Errorf("webhook %s: %w", w.id, hook.ErrNotFound)
	}
	return w.after, w.failed
}

// publish shows everybody what was committed.
func (w *webhookWrite) publish() {
	if w.failed == nil && w.after != nil {
		w.store.catalogue.webhook(w.after)
	}
}

func (w *webhookWrite) modify(b batch, now time.Time, change func(*hook.Webhook) error) error {
	if w.after == nil || w.after.Deleted() {
		return fmt.Errorf("webhook %s: %w", w.id, hook.ErrNotFound)
	}
	old, err := remember(w.after)
	if err != nil {
		return err
	}
	next := *w.after
	if err := change(&next); err != nil {
		return err
	}
	if err := w.log(b, now, old, &next); err != nil {
		return err
	}
	stored, err := w.store.seal(&next)
	if err != nil {
		return err
	}
	b.exec(updateWebhook, nil, w.center, w.id.UUID, stored.settings, stored.sealed, int64(stored.key), flag(next.Enabled), milli(now), milli(next.DeletedAt),
		milli(next.Disabled.At), int64(next.Disabled.For))
	if w.closes = hook.ClosesCircuit(w.after, &next); w.closes {
		b.exec(closeCircuit, nil, w.center, w.id.UUID)
	}
	w.raise(&next)
	return nil
}

// raise notes what an operator is told of the change.
func (w *webhookWrite) raise(next *hook.Webhook) {
	if w.closes {
		next.Circuit = hook.Circuit{}
		w.notices.add(happening{kind: hook.NoticeCircuitClosed, webhook: next, times: 1})
	}
	if !next.Disabled.At.IsZero() && !next.Disabled.At.Equal(w.after.Disabled.At) {
		w.notices.add(happening{kind: hook.NoticeDisabled, webhook: next, times: 1, urgent: true})
	}
}

// Webhook returns a webhook that exists, or [hook.ErrNotFound].
func (s *Store) Webhook(_ context.Context, center hook.ContactCenterNumber, id hook.WebhookID) (*hook.Webhook, error) {
	if err := s.freshen(); err != nil {
		return nil, fmt.Errorf("read webhook: %w", err)
	}
	for _, w := range s.catalogue.listOf(center) {
		if w.ID == id {
			return w, nil
		}
	}
	return nil, fmt.Errorf("webhook %s: %w", id, hook.ErrNotFound)
}

// Webhooks returns the webhooks that exist, newest first, and the cursor of the next page or nothing.
func (s *Store) Webhooks(_ context.Context, center hook.ContactCenterNumber, p Page) ([]*hook.Webhook, string, error) {
	after, err := parseCursorOf(webhooksList, p.Cursor, newest())
	if err != nil {
		return nil, "", err
	}
	if err := s.freshen(); err != nil {
		return nil, "", fmt.Errorf("read webhooks: %w", err)
	}
	var list []*hook.Webhook
	for _, w := range slices.Backward(s.catalogue.listOf(center)) {
		if w.Number >= after.webhook {
			continue
		}
		if len(list) == p.limit() {
			return list, position{webhook: list[len(list)-1].Number}.cursorOf(webhooksList), nil
		}
		list = append(list, w)
	}
	return list, "", nil
}
