package store

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const selectAudit statement = `SELECT a.serial, a.at, a.actor, a.action, a.subject, a.before, a.after FROM audit a`

// AuditEntry is one change, as the audit log shows it.
type AuditEntry struct {
	// Serial is the entry's key: it grows with time.
	Serial hook.Serial
	At     time.Time
	Actor  hook.Actor
	// Action is a noun and a verb, as webhook.update, and Subject the id of what was changed.
	Action, Subject string
	// Before and After are JSON objects without secrets; empty where there was nothing.
	Before, After string
}

// AuditFilter says which entries a list holds; a zero field filters nothing.
type AuditFilter struct {
	// Subject is the id of what was changed.
	Subject string
	// Action is a whole action, or its noun: webhook is webhook.create, webhook.update and so on.
	Action string
	// Actor is how the actor's text begins.
	Actor string
	// From is inclusive and To exclusive, to the millisecond.
	From, To time.Time
}

// AuditLog returns a page of the changes of a contact centre, newest first, and the cursor of the next page or nothing. Those
// that belong to no contact centre, as the changes of admin keys, are those of the contact centre 0.
func (s *Store) AuditLog(_ context.Context, center hook.ContactCenterNumber, f AuditFilter, p Page) ([]AuditEntry, string, error) {
	after, err := parseCursor(p.Cursor, newest())
	if err != nil {
		return nil, "", err
	}
	q := newSelect(selectAudit, "a.center", center)
	f.conditions(q, center, after)
	var list []AuditEntry
	err = s.engine.read(q.text("ORDER BY a.serial DESC LIMIT %s", p.limit()+1), func(r row) error {
		var e AuditEntry
		var at int64
		var actor string
		err := r(&e.Serial, &at, &actor, &e.Action, &e.Subject, &e.Before, &e.After)
		e.At, e.Actor = fromMilli(at), hook.Actor(actor)
		list = append(list, e)
		return err
	}, q.args...)
	if err != nil || len(list) <= p.limit() {
		return list, "", err
	}
	list = list[:p.limit()]
	return list, position{serial: list[len(list)-1].Serial}.cursor(), nil
}

func (f *AuditFilter) conditions(q *selection, center hook.ContactCenterNumber, after position) {
	if f.Subject == "" {
		q.where("a.serial < %s", after.serial)
	} else { // else SQLite would look for the subject among all changes of the contact centre, in their order
		q.where("a.serial IN (SELECT s.serial FROM audit s WHERE s.center = %s AND s.subject = %s AND s.serial < %s)", center, f.Subject, after.serial)
	}
	if f.Action != "" {
		noun := f.Action + "."
		q.where("(a.action = %s OR substr(a.action, 1, CAST(%s AS INTEGER)) = %s)", f.Action, utf8.RuneCountInString(noun), noun)
	}
	if f.Actor != "" {
		q.where("substr(a.actor, 1, CAST(%s AS INTEGER)) = %s", utf8.RuneCountInString(f.Actor), f.Actor)
	}
	if !f.From.IsZero() {
		q.where("a.serial >= %s", hook.SerialAt(f.From))
	}
	if !f.To.IsZero() {
		q.where("a.serial < %s", hook.SerialAt(f.To))
	}
}
