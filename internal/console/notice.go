package console

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// noticesPage answers: what were operators told?
type noticesPage struct {
	frame
	Kind, WebhookID string
	Faults          faults
	Notices         []noticeRow
	// Webhooks are those to choose from, the newest; others can be named in the URL.
	Webhooks []*hook.Webhook
	// Told is how many webhooks get notices.
	Told int
	Next string
	// First is whether this is the first page.
	First bool
}

// noticeRow is a notice as it is listed.
type noticeRow struct {
	ID      hook.OperationID
	At      time.Time
	Kind    hook.NoticeKind
	Subject string
	Data    hook.NoticeData
	To      []noticeSent
}

// noticeSent is what became of a notice at one webhook.
type noticeSent struct {
	Name string
	store.NoticeDelivery
}

// showNotices lists what operators were told, newest first.
func (s *Server) showNotices(c *call) (answer, error) {
	page := &noticesPage{
		frame: c.frame("Notices"), Kind: c.r.FormValue("type"), WebhookID: c.r.FormValue("webhook"), Faults: faults{}, First: c.r.FormValue("cursor") == "",
	}
	var err error
	if page.Webhooks, err = c.allWebhooks(); err != nil {
		return answer{}, err
	}
	for _, w := range page.Webhooks {
		if w.Settings.Serves() == hook.PurposeNotices && w.Enabled {
			page.Told++
		}
	}
	page.Webhooks = page.Webhooks[:min(len(page.Webhooks), webhooksChosenMax)]
	filter := page.filter()
	if len(page.Faults) > 0 {
		return wrong("notices", page), nil
	}
	found, next, err := s.options.Store.Notices(c.ctx(), c.center.Number, filter, store.Page{Cursor: c.r.FormValue("cursor")})
	if errors.Is(err, hook.ErrBadID) {
		page.Faults["cursor"] = "The link to this page is not whole: begin with the first page."
		return wrong("notices", page), nil
	} else if err != nil {
		return answer{}, err
	}
	page.Next = next
	for _, n := range found {
		row, err := c.noticeRow(n)
		if err != nil {
			return answer{}, err
		}
		page.Notices = append(page.Notices, row)
	}
	return show("notices", page), nil
}

// filter reads what is wanted, and notes what is wrong with it.
func (p *noticesPage) filter() (f store.NoticeFilter) {
	if f.Kind = hook.NoticeKind(p.Kind); p.Kind != "" && !slices.Contains(hook.NoticeKinds(), f.Kind) {
		p.Faults["type"] = "There is no such kind of notice."
	}
	if p.WebhookID != "" && f.Webhook.UnmarshalText([]byte(p.WebhookID)) != nil {
		p.Faults["webhook"] = "This is no id of a webhook."
	}
	return f
}

// noticeRow reads a notice.
func (c *call) noticeRow(n *store.Notice) (noticeRow, error) {
	event, err := hook.ParseNotice(n.Payload)
	if err != nil {
		return noticeRow{}, fmt.Errorf("read notice: %w", err)
	}
	row := noticeRow{ID: n.ID, At: n.OccurredAt, Kind: event.Kind(), Subject: event.Subject, Data: event.Data}
	for _, d := range n.Deliveries {
		sent := noticeSent{NoticeDelivery: d, Name: d.Webhook.String()}
		if _, number, ok := d.ID.Keys(); ok {
			if w, ok := c.server.options.Store.WebhookByNumber(number); ok {
				sent.Name = nameOfWebhook(w)
			}
		}
		row.To = append(row.To, sent)
	}
	return row, nil
}

// Kinds are the kinds of notices.
func (*noticesPage) Kinds() []hook.NoticeKind { return hook.NoticeKinds() }

// Filtered reports whether only some notices are wanted.
func (p *noticesPage) Filtered() bool { return p.Kind != "" || p.WebhookID != "" }

// Known reports whether the webhook that is wanted is among those to choose from: one that was deleted is not.
func (p *noticesPage) Known() bool {
	return p.WebhookID == "" || slices.ContainsFunc(p.Webhooks, func(w *hook.Webhook) bool { return w.ID.String() == p.WebhookID })
}

// NextURL is the page with older notices.
func (p *noticesPage) NextURL() string {
	q := url.Values{"cursor": {p.Next}}
	if p.Kind != "" {
		q.Set("type", p.Kind)
	}
	if p.WebhookID != "" {
		q.Set("webhook", p.WebhookID)
	}
	return "?" + q.Encode()
}

// Class is the colour.
func (n *noticeRow) Class() string {
	switch n.Kind {
	case hook.NoticeExhausted, hook.NoticeDisabled:
		return badgeBad
	case hook.NoticeFailing, hook.NoticeCircuitOpened, hook.NoticeBacklog:
		return badgeWarn
	case hook.NoticeCircuitClosed:
		return badgeGood
	case hook.NoticeTest:
	}
	return badgeInfo
}

// KindText is what the notice is about, as people say it.
func (n *noticeRow) KindText() string { return noticeText(n.Kind) }

// KindWords is a kind of notice as people say it.
func (*noticesPage) KindWords(k hook.NoticeKind) string { return noticeText(k) }

func noticeText(k hook.NoticeKind) string {
	switch k {
	case hook.NoticeExhausted:
		return "deliveries given up"
	case hook.NoticeFailing:
		return "webhook failing"
	case hook.NoticeCircuitOpened:
		return "circuit opened"
	case hook.NoticeCircuitClosed:
		return "circuit closed"
	case hook.NoticeDisabled:
		return "webhook disabled"
	case hook.NoticeBacklog:
		return "backlog growing"
	case hook.NoticeTest:
	}
	return string(k)
}

// About is what people know the webhook by that the notice is about.
func (n *noticeRow) About() string {
	if n.Data.Description != "" {
		return n.Data.Description
	}
	return n.Data.WebhookURL
}

// Class is the colour of what became of a notice.
func (d *noticeSent) Class() string { return deliveryBadge(d.State, false) }
