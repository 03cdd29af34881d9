package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// auditedWebhook is a webhook in the audit log: as the API shows it, with the names of the API's JSON, but for its ids, its times
// and what may be a credential.
type auditedWebhook struct {
	Enabled bool `json:"enabled"`
	// Disabled is there where the server disabled it.
	Disabled *auditedDisabled `json:"disabled,omitempty"`
	// Circuit is there where the change closed it.
	Circuit string `json:"circuit,omitempty"`
	hook.Settings
	Authorization *hook.RedactedAuthorization `json:"authorization,omitempty"`
	TLS           *hook.RedactedTLS           `json:"tls,omitempty"`
}

// auditedDisabled is when and why the server disabled a webhook.
type auditedDisabled struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// auditWebhook shows a webhook; before, if not nil, are the settings that its own follow.
func auditWebhook(w *hook.Webhook, before *hook.Settings) *auditedWebhook {
	a := &auditedWebhook{
		Enabled: w.Enabled, Settings: w.Settings.Redacted(before),
		Authorization: w.Settings.RedactedAuthorization(before), TLS: w.Settings.RedactedTLS(before),
	}
	if w.Disabled.For != hook.DisabledByHand {
		a.Disabled = &auditedDisabled{w.Disabled.At, w.Disabled.For.String()}
	}
	return a
}

func (w *webhookWrite) logCreation(b batch, now time.Time, made *hook.Webhook) error {
	return w.store.audit(b, now, auditEntry{
		center: w.center, actor: w.actor, action: "webhook.create", subject: w.id.String(), after: auditWebhook(made, nil),
	})
}

// webhookBefore is a webhook before a change, with its settings and what is secret of it as JSON: a change may write into the lists and
// maps of the copy that it is given.
type webhookBefore struct {
	webhook           *hook.Webhook
	settings, secrecy string
}

func remember(w *hook.Webhook) (webhookBefore, error) {
	settings, err := encodeJSON(w.Settings)
	if err != nil {
		return webhookBefore{}, err
	}
	secrecy, err := secrecyOf(w)
	return webhookBefore{w, settings, secrecy}, err
}

// restore returns the webhook as it was.
func (b *webhookBefore) restore() (*hook.Webhook, error) {
	w := *b.webhook
	w.Settings = hook.Settings{}
	if err := json.Unmarshal([]byte(b.settings), &w.Settings); err != nil {
		return nil, fmt.Errorf("decode settings of webhook %s: %w", w.ID, err)
	}
	var s secrecy
	if err := json.Unmarshal([]byte(b.secrecy), &s); err != nil {
		return nil, fmt.Errorf("decode secrets of webhook %s: %w", w.ID, err)
	}
	s.fill(&w)
	return &w, nil
}

// sameCredentials reports whether two webhooks have the same settings that are sealed.
func sameCredentials(a, b *hook.Webhook) (bool, error) {
	x, y := *a, *b
	x.Secrets, y.Secrets = hook.Secrets{}, hook.Secrets{}
	one, err := secrecyOf(&x)
	if err != nil {
		return false, err
	}
	other, err := secrecyOf(&y)
	return one == other, err
}

// log logs what a change does: the settings, whether the webhook is enabled and its circuit in one entry, each step of a
// rotation of its secrets in another. A
// change that leaves all of them as they are is none.
func (w *webhookWrite) log(b batch, now time.Time, old webhookBefore, next *hook.Webhook) error {
	before, err := old.restore()
	if err != nil {
		return err
	}
	settings, err := encodeJSON(next.Settings)
	if err != nil {
		return err
	}
	same, err := sameCredentials(before, next)
	if err != nil {
		return err
	}
	e := auditEntry{center: w.center, actor: w.actor, subject: w.id.String()}
	was, is := auditWebhook(before, nil), auditWebhook(next, &before.Settings)
	e.before, e.after = was, is
	closes := hook.ClosesCircuit(old.webhook, next)
	if closes {
		was.Circuit, is.Circuit = "open", "closed"
	}
	switch {
	case next.Deleted():
		e.action, e.after = "webhook.delete", nil
	case settings != old.settings || !same:
		e.action = "webhook.update"
	case next.Enabled && (!before.Enabled || closes):
		e.action = "webhook.enable"
	case before.Enabled && !next.Enabled:
		e.action = "webhook.disable"
	}
	if e.action != "" {
		if err := w.store.audit(b, now, e); err != nil {
			return err
		}
	}
	if next.Deleted() || next.Secrets.Equal(&before.Secrets) {
		return nil // a deletion says all
	}
	return w.store.auditSecrets(b, now, e, &before.Secrets, &next.Secrets)
}
