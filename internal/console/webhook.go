package console

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

const (
	// webhooksEvery is how often the list of webhooks, and the page of one, are made anew for those who look at them.
	webhooksEvery = 10 * time.Second
	// webhooksMax is how many webhooks of a contact centre are put in order.
	webhooksMax = 1_000
	// webhooksShown is how many of them are on one page.
	webhooksShown = 25
	// webhooksSpan is how far back the list counts, and webhooksStep in which steps.
	webhooksSpan = 6 * time.Hour
	webhooksStep = 30 * time.Minute
)

// webhookCondition is how a webhook is, in words and in a colour.
type webhookCondition struct {
	// Rank puts what needs attention first.
	Rank int
	// Class is the colour, Word is short, and Text says what it means.
	Class, Word, Text string
	// Since is when it began; ProbeAt and DisableAt are what comes next. Zero times are not known or never.
	Since, ProbeAt, DisableAt time.Time
}

// conditionOf says how a webhook is.
func conditionOf(w *hook.Webhook) webhookCondition {
	switch {
	case !w.Enabled && w.Disabled.For == hook.DisabledFailing:
		return webhookCondition{
			Rank: 1, Class: badgeBad, Word: "disabled by the server", Since: w.Disabled.At,
			Text: "Its receiver failed for longer than its settings allow. Its deliveries are kept, and go out when it is enabled.",
		}
	case !w.Enabled && w.Disabled.For == hook.DisabledGone:
		return webhookCondition{
			Rank: 1, Class: badgeBad, Word: "disabled by the server", Since: w.Disabled.At,
			Text: "Its receiver answered 410 Gone. Its deliveries are kept, and go out when it is enabled.",
		}
	case !w.Enabled:
		return webhookCondition{
			Rank: 3, Class: badgeWarn, Word: "disabled by hand",
			Text: "Its deliveries are kept, and go out when it is enabled.",
		}
	case w.Circuit.Open():
		return webhookCondition{
			Rank: 0, Class: badgeBad, Word: "circuit open", Since: w.Circuit.Since, ProbeAt: w.Circuit.ProbeAt, DisableAt: w.DisableAt(),
			Text: "Its receiver fails: deliveries are held back without using up their attempts, and one at a time is sent as a probe. The first success closes the circuit.",
		}
	case w.Locked():
		return webhookCondition{
			Rank: 2, Class: badgeBad, Word: "locked",
			Text: "This server's master keyset does not open its secrets, so that nothing is sent from here. A server that has the right keyset sends its deliveries.",
		}
	default:
		return webhookCondition{Rank: 4, Class: badgeGood, Word: "enabled", Text: "Its deliveries go out as they become due."}
	}
}

// webhookItem is one line of the list.
type webhookItem struct {
	*hook.Webhook
	Condition webhookCondition
	Activity  hook.Activity
}

// webhooksPage answers: which receivers are there, and which of them need somebody?
type webhooksPage struct {
	frame
	Items []webhookItem
	// Total is how many there are; Beyond says that there are more than are put in order.
	Total  int
	Beyond bool
	// Hours is how far back the numbers go. First and Next are where other pages begin, or empty.
	Hours       int
	First, Next string
}

// Try is the command that makes a webhook to this machine.
func (p *webhooksPage) Try() string {
	command := "hookswitch webhooks create --url http://127.0.0.1:8481/ --secret a-secret-of-16-bytes-or-more"
	if p.Center.ID != hook.DefaultContactCenter {
		command += " --contact-center " + string(p.Center.ID)
	}
	return command
}

// listWebhooks shows the webhooks of a contact centre, those that fail first.
func (s *Server) listWebhooks(c *call) (answer, error) {
	all, beyond, err := s.webhooksOf(c)
	if err != nil {
		return answer{}, err
	}
	slices.SortStableFunc(all, func(a, b *hook.Webhook) int { return cmp.Compare(conditionOf(a).Rank, conditionOf(b).Rank) })
	page := &webhooksPage{frame: c.frame("Webhooks"), Total: len(all), Beyond: beyond, Hours: int(webhooksSpan / time.Hour)}
	from, err := strconv.Atoi(c.r.FormValue("cursor"))
	if err != nil || from < 0 || from >= len(all) { // the list may be shorter than it was
		from = 0
	}
	if from > 0 {
		page.First = c.url("webhooks")
	}
	if to := from + webhooksShown; to < len(all) {
		page.Next = c.url("webhooks") + "?cursor=" + strconv.Itoa(to)
		all = all[:to]
	}
	for _, w := range all[from:] {
		item := webhookItem{Webhook: w, Condition: conditionOf(w)}
		steps, err := s.options.Store.Activity(c.ctx(), c.center.Number, w.Number, c.now.Add(-webhooksSpan), c.now, webhooksStep)
		if err != nil {
			return answer{}, err
		}
		for i := range steps {
			item.Activity.Merge(&steps[i])
		}
		page.Items = append(page.Items, item)
	}
	return show("webhooks", page), nil
}

// webhooksOf returns the webhooks of the contact centre, newest first, and whether there are more of them.
func (s *Server) webhooksOf(c *call) (all []*hook.Webhook, beyond bool, err error) {
	for p := (store.Page{Limit: store.PageLimitMax}); ; {
		some, next, err := s.options.Store.Webhooks(c.ctx(), c.center.Number, p)
		if err != nil {
			return nil, false, err
		}
		if all = append(all, some...); next == "" || len(all) >= webhooksMax {
			return all, next != "", nil
		}
		p.Cursor = next
	}
}

// webhookPage answers: is this receiver reached, and what can be done?
type webhookPage struct {
	frame
	Webhook   *hook.Webhook
	Condition webhookCondition
	// DisabledBy is who disabled the webhook, and DisabledAt when, where the audit log knows it and who looks may read it.
	DisabledBy hook.Actor
	DisabledAt time.Time
	// Health is how it fared, in the last day and the last week.
	Health   []healthChart
	Settings []settingsGroup
	Schedule *schedule
	Rotation rotationView
	// Fault is what is wrong with a secret that was given.
	Fault string
}

// webhookID reads the id in the path.
func webhookID(c *call) (hook.WebhookID, error) {
	id, err := hook.ParseUUID(c.r.PathValue("id"))
	return hook.WebhookID{UUID: id}, err
}

// webhookOf finds the webhook that the path names.
func (s *Server) webhookOf(c *call) (*hook.Webhook, error) {
	id, err := webhookID(c)
	if err != nil {
		return nil, err
	}
	return s.options.Store.Webhook(c.ctx(), c.center.Number, id)
}

// showWebhook shows one webhook.
func (s *Server) showWebhook(c *call) (answer, error) {
	page, err := s.webhookPage(c)
	if err != nil {
		return answer{}, err
	}
	return show("webhook", page), nil
}

func (s *Server) webhookPage(c *call) (*webhookPage, error) {
	w, err := s.webhookOf(c)
	if err != nil {
		return nil, err
	}
	page := &webhookPage{
		frame: c.frame("Webhook " + nameOfWebhook(w)), Webhook: w, Condition: conditionOf(w), Settings: settingsInWords(&w.Settings), Schedule: scheduleOf(w.Settings.Retry),
		Rotation: rotationOf(&w.Secrets, c.now),
	}
	if page.Health, err = s.healthOf(c, w); err != nil {
		return nil, err
	}
	if !w.Enabled && c.by.May(hook.PermitAdmin) {
		last, _, err := s.options.Store.AuditLog(c.ctx(), c.center.Number, store.AuditFilter{Subject: w.ID.String(), Action: "webhook.disable"}, store.Page{Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(last) == 1 && w.Disabled.For == hook.DisabledByHand {
			page.DisabledBy, page.DisabledAt = last[0].Actor, last[0].At
		}
	}
	return page, nil
}

// Notices reports whether the webhook is for notices.
func (p *webhookPage) Notices() bool { return p.Webhook.Settings.Serves() == hook.PurposeNotices }

// enableWebhook has the receiver tried again.
func (s *Server) enableWebhook(c *call) (answer, error) { return s.switchWebhook(c, true) }

// disableWebhook keeps the deliveries back.
func (s *Server) disableWebhook(c *call) (answer, error) { return s.switchWebhook(c, false) }

func (s *Server) switchWebhook(c *call, enabled bool) (answer, error) {
	id, err := webhookID(c)
	if err != nil {
		return answer{}, err
	}
	location := c.url("webhooks", id.String())
	_, err = s.options.Store.EnableWebhook(c.ctx(), c.center.Number, id, c.now, enabled, once(c, func(*hook.Webhook) string { return location }))
	switch {
	case errors.Is(err, hook.ErrNotFound):
		return answer{}, err // the page that a refusal would show does not exist either
	case err != nil:
		return refused(err, location)
	case enabled:
		return goTo(location).saying("The webhook is enabled: its open deliveries go out."), nil
	default:
		return goTo(location).saying("The webhook is disabled: its deliveries are kept until it is enabled."), nil
	}
}

// webhookDeletePage asks whether a webhook shall be deleted.
type webhookDeletePage struct {
	frame
	Webhook *hook.Webhook
}

// confirmDeleteWebhook asks first.
func (s *Server) confirmDeleteWebhook(c *call) (answer, error) {
	w, err := s.webhookOf(c)
	if err != nil {
		return answer{}, err
	}
	return show("webhook-delete", &webhookDeletePage{frame: c.frame("Delete a webhook").about(nameOfWebhook(w)), Webhook: w}), nil
}

// deleteWebhook ends a webhook.
func (s *Server) deleteWebhook(c *call) (answer, error) {
	id, err := webhookID(c)
	if err == nil {
		err = s.options.Store.DeleteWebhook(c.ctx(), c.center.Number, id, c.now)
	}
	if err != nil {
		return refused(err, c.url("webhooks"))
	}
	return goTo(c.url("webhooks")).saying("The webhook was deleted. The history of its deliveries stays readable until its retention ends."), nil
}

// webhookRoutes are the pages and forms of this file and of those whose names begin with webhook.
func (s *Server) webhookRoutes() {
	may, live := row{needs: hook.PermitWebhooks}, row{needs: hook.PermitWebhooks, live: webhooksEvery, shared: true}
	const webhooks = "/console/cc/{center}/webhooks"
	s.handle(http.MethodGet+" "+webhooks, live, s.listWebhooks)
	s.handle(http.MethodGet+" "+webhooks+"/new", may, s.newWebhook)
	s.handle(http.MethodPost+" "+webhooks+"/new", may, s.createWebhook)
	s.handle(http.MethodGet+" "+webhooks+"/schedule", may, s.drawSchedule)
	s.handle(http.MethodGet+" "+webhooks+"/{id}", live, s.showWebhook)
	s.handle(http.MethodGet+" "+webhooks+"/{id}/edit", may, s.editWebhook)
	s.handle(http.MethodPost+" "+webhooks+"/{id}/edit", may, s.updateWebhook)
	s.handle(http.MethodPost+" "+webhooks+"/{id}/enable", may, s.enableWebhook)
	s.handle(http.MethodPost+" "+webhooks+"/{id}/disable", may, s.disableWebhook)
	s.handle(http.MethodPost+" "+webhooks+"/{id}/secrets", may, s.rotateSecrets)
	s.handle(http.MethodGet+" "+webhooks+"/{id}/test", may, s.showTestWebhook)
	s.handle(http.MethodPost+" "+webhooks+"/{id}/test", may, s.testWebhook)
	s.handle(http.MethodGet+" "+webhooks+"/{id}/delete", may, s.confirmDeleteWebhook)
	s.handle(http.MethodPost+" "+webhooks+"/{id}/delete", may, s.deleteWebhook)
}
