package console

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// auditPage answers: who changed what, when?
type auditPage struct {
	frame
	Entries []auditRow
	// Server is whether the entries are about the installation: admin keys, contact centres.
	Server bool
	// What is asked for, as it was entered.
	Subject, Action, Actor, From, To string
	Faults                           faults
	// Next is the query of the next page, or empty.
	Next string
}

// auditRow is one change.
type auditRow struct {
	store.AuditEntry
	Before, After string
	// URL is the page of what was changed, or empty.
	URL string
}

// showAudit lists changes, newest first.
func (s *Server) showAudit(c *call) (answer, error) {
	q := newListQuery(c.r.Form)
	page := &auditPage{
		Server:  q.text("scope") == scopeServer && c.by.Administers(),
		Subject: q.text("subject"), Action: q.text("action"), Actor: q.text("actor"), From: q.text("from"), To: q.text("to"), Faults: q.faults,
	}
	f := store.AuditFilter{Subject: page.Subject, Action: page.Action, Actor: page.Actor, From: q.time("from"), To: q.time("to")}
	page.frame = c.frame("Audit")
	if len(page.Faults) > 0 {
		return wrong("audit", page), nil
	}
	center := c.center.Number
	if page.Server {
		center = 0
	}
	found, next, err := s.options.Store.AuditLog(c.ctx(), center, f, store.Page{Limit: listMax, Cursor: q.text("cursor")})
	if err != nil {
		return answer{}, err
	}
	for _, e := range found {
		page.Entries = append(page.Entries, c.auditRow(e))
	}
	if next != "" {
		page.Next = querySet(q.values, "cursor", next)
	}
	return show("audit", page), nil
}

// Filtered reports whether something is asked for.
func (p *auditPage) Filtered() bool {
	return p.Subject+p.Action+p.Actor+p.From+p.To != ""
}

// Actions returns the nouns that changes are about.
func (*auditPage) Actions() []string {
	return []string{"webhook", "key", "contactCenter", "delivery", "replay"}
}

func (c *call) auditRow(e store.AuditEntry) auditRow {
	r := auditRow{AuditEntry: e, Before: indented(e.Before), After: indented(e.After)}
	noun, verb, _ := strings.Cut(e.Action, ".")
	page := map[string]string{"webhook": "webhooks", "key": "keys", "delivery": "deliveries", "replay": "replays"}[noun]
	needs := map[string]hook.Permission{"webhook": hook.PermitWebhooks, "delivery": hook.PermitDeliveries, "replay": hook.PermitDeliveries}[noun]
	if page != "" && verb != "delete" && (needs == "" || c.by.Permits(needs)) {
		r.URL = c.url(page, e.Subject)
	}
	return r
}

// indented is a JSON text as people read it.
func indented(text string) string {
	var b bytes.Buffer
	if text == "" || json.Indent(&b, []byte(text), "", "  ") != nil {
		return text
	}
	return b.String()
}
