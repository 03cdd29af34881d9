package store

import (
	"fmt"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const insertAudit statement = `INSERT INTO audit (center, serial, at, actor, action, subject, before, after)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

// auditEntry is one change, for the audit log.
type auditEntry struct {
	center hook.ContactCenterNumber
	actor  hook.Actor
	// action is a noun and a verb, as webhook.update, and subject the id of what was changed.
	action, subject string
	// before and after are encoded as JSON; nil is nothing. They must not hold a secret.
	before, after any
}

// audit logs a change in the transaction that makes it.
func (s *Store) audit(b batch, now time.Time, e auditEntry) error {
	var texts [2]string
	for i, v := range [...]any{e.before, e.after} {
		if v == nil {
			continue
		}
		text, err := encodeJSON(v)
		if err != nil {
			return fmt.Errorf("log change: %w", err)
		}
		texts[i] = text
	}
	b.exec(insertAudit, nil, e.center, s.audits.next(now, s.engine.slot(), 0), milli(now), string(e.actor), e.action, e.subject, texts[0], texts[1])
	return nil
}

// readLastAudit makes the keys of the log go on after those that it holds, even if the clock was set back since.
func (s *Store) readLastAudit() error {
	const text = `SELECT coalesce((SELECT max(serial) FROM audit WHERE center = c.number), 0),
		coalesce((SELECT max(serial) FROM audit WHERE center = 0), 0) FROM contact_centers c`
	return s.engine.read(text, func(r row) error {
		var own, server hook.Serial
		err := r(&own, &server)
		s.audits.last = max(s.audits.last, own, server)
		return err
	})
}
