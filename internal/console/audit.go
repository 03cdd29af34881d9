package console

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"time"

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
	q := c.r.Form
	page := &auditPage{
		Server:  q.Get("scope") == scopeServer && c.installation(),
		Subject: strings.TrimSpace(q.Get("subject")), Action: q.Get("action"), Actor: strings.TrimSpace(q.Get("actor")), From: q.Get("from"), To: q.Get("to"),
		Faults: faults{},
	}
	f := store.AuditFilter{Subject: page.Subject, Action: page.Action, Actor: page.Actor}
	f.From = page.time("from", page.From)
	f.To = page.time("to", page.To)
	page.frame = c.frame("Audit")
	if len(page.Faults) > 0 {
		return wrong("audit", page), nil
	}
	center := c.center.Number
	if page.Server {
		center = 0
	}
	found, next, err := s.options.Store.AuditLog(c.ctx(), center, f, store.Page{Limit: listMax, Cursor: q.Get("cursor")})
	if err != nil {
		return answer{}, err
	}
	for _, e := range found {
		page.Entries = append(page.Entries, c.auditRow(e))
	}
	if next != "" {
		more := url.Values{"cursor": {next}}
		for _, name := range [...]string{"scope", "subject", "action", "actor", "from", "to"} {
			if v := q.Get(name); v != "" {
				more.Set(name, v)
			}
		}
		page.Next = "?" + more.Encode()
	}
	return show("audit", page), nil
}

// time reads an entered time, and notes what is wrong with it.
func (p *auditPage) time(field, text string) time.Time {
	t, problem := parseEntered(text)
	if problem != "" {
		p.Faults[field] = problem
	}
	return t
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
