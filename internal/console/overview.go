package console

import (
	"cmp"
	"fmt"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

const (
	// overviewEvery is how often the overview is made anew for those who look at it; its charts have a new point every ten seconds.
	overviewEvery = 3 * time.Second
	// overviewNow is the time over which the rates of now are counted.
	overviewNow = 30 * time.Second
	// overviewFailing is how many of the failing webhooks are shown, and overviewFailures how many of the last failures of a kind.
	overviewFailing  = 10
	overviewFailures = 5
	// overviewNotices is how far back notices are counted.
	overviewNotices = 24 * time.Hour
	// overviewNoticesMax is how many of them are counted.
	overviewNoticesMax = 1_000
)

// overviewSpan is how far back the charts go.
type overviewSpan struct {
	// Name is its name in the URL, Label that of its link, and Text what stands behind "the last".
	Name, Label, Text string
	length, step      time.Duration
}

// overviewSpans are those that can be chosen; the first one is shown where nobody chooses.
func overviewSpans() []overviewSpan {
	return []overviewSpan{
		{"15m", "15 minutes", "15 minutes", 15 * time.Minute, store.ActivityStep},
		{"1h", "1 hour", "hour", time.Hour, 30 * time.Second},
		{"6h", "6 hours", "6 hours", 6 * time.Hour, 3 * time.Minute},
		{"24h", "24 hours", "24 hours", 24 * time.Hour, 10 * time.Minute},
	}
}

// overviewPage answers: is everything delivered?
type overviewPage struct {
	frame
	Verdict verdict
	Span    overviewSpan
	Spans   []overviewSpan
	// Unknown is what the URL says of the span, if there is no such one.
	Unknown string
	// Steps is what went on in the span of the charts, Total all of it, and Moment what went on in the last overviewNow.
	Steps         []hook.Activity
	Total, Moment hook.Activity
	Backlog       store.Backlog
	Failing       []failing
	// FailingMore is how many more webhooks fail than are shown.
	FailingMore int
	Failures    []failure
	Notices     int
	// Begin is what a newcomer does next; nil for everybody else.
	Begin *firstSteps
}

// failure is a delivery that was not acknowledged.
type failure struct {
	*store.Delivery
	Webhook *hook.Webhook
	// Why is what came of its last attempt.
	Why string
}

// showOverview shows a contact centre at a glance.
func (s *Server) showOverview(c *call) (answer, error) {
	page := &overviewPage{frame: c.frame("Overview"), Spans: overviewSpans()}
	page.choose(c.r.FormValue("span"))
	if err := page.readActivity(c); err != nil {
		return answer{}, err
	}
	if page.Judges() {
		page.Backlog = s.options.Store.Backlog(c.ctx(), c.center.Number)
		if err := page.readTrouble(c); err != nil {
			return answer{}, err
		}
	}
	if page.May(hook.PermitDeliveries) {
		if err := page.readFailures(c); err != nil {
			return answer{}, err
		}
	}
	if page.May(hook.PermitWebhooks) {
		var err error
		if page.Notices, err = s.options.Store.NoticesSince(c.ctx(), c.center.Number, c.now.Add(-overviewNotices), overviewNoticesMax); err != nil {
			return answer{}, err
		}
	}
	return show("overview", page), nil
}

// choose takes the span that the URL names.
func (p *overviewPage) choose(name string) {
	p.Span = p.Spans[0]
	for _, one := range p.Spans {
		if one.Name == name {
			p.Span = one
			return
		}
	}
	p.Unknown = name
}

// readActivity reads what went on.
func (p *overviewPage) readActivity(c *call) error {
	data, center := c.server.options.Store, c.center.Number
	steps, err := data.Activity(c.ctx(), center, 0, c.now.Add(-p.Span.length), c.now, p.Span.step)
	if err != nil {
		return err
	}
	for i := range steps {
		p.Total.Merge(&steps[i])
	}
	p.Steps = settled(steps, p.Span.step, c.now)
	until := c.now.Add(-activityLate).Truncate(store.ActivityStep)
	moment, err := data.Activity(c.ctx(), center, 0, until.Add(-overviewNow), until, store.ActivityStep)
	for i := range moment {
		p.Moment.Merge(&moment[i])
	}
	return err
}

// readTrouble reads what fails, and answers the question.
func (p *overviewPage) readTrouble(c *call) error {
	webhooks, err := c.allWebhooks()
	if err != nil {
		return err
	}
	all := &situation{
		now: c.now, failing: failingWebhooks(webhooks, p.Backlog.Webhooks, c.now), backlog: p.Backlog, accepted: p.Total.Accepted > 0,
		failed: p.Total.Failed, spanWords: p.Span.Text, named: p.May(hook.PermitWebhooks),
	}
	for _, w := range webhooks {
		if w.Settings.Serves() == hook.PurposeInteractions {
			all.receivers++
		}
	}
	if !all.accepted {
		some, _, err := c.server.options.Store.Interactions(c.ctx(), c.center.Number, store.InteractionFilter{}, store.Page{Limit: 1})
		if err != nil {
			return err
		}
		all.accepted = len(some) > 0
	}
	if p.Backlog.Whole.Pending == 0 && all.failed > 0 { // which was counted a while ago
		some, _, err := c.server.options.Store.Deliveries(c.ctx(), c.center.Number, store.DeliveryFilter{State: hook.DeliveryPending, Failing: true}, store.Page{Limit: 1})
		if err != nil {
			return err
		}
		all.retried = len(some) > 0
	}
	p.Verdict = judge(all)
	if p.May(hook.PermitWebhooks) {
		p.Failing = all.failing[:min(len(all.failing), overviewFailing)]
		p.FailingMore = len(all.failing) - len(p.Failing)
	}
	if all.receivers == 0 || !all.accepted {
		p.Begin = &firstSteps{Webhook: all.receivers > 0, Interaction: all.accepted, Received: p.Total.Acknowledged > 0}
	}
	return nil
}

// allWebhooks returns the webhooks of the contact centre, which are in memory.
func (c *call) allWebhooks() (all []*hook.Webhook, err error) {
	for p := (store.Page{Limit: store.PageLimitMax}); ; {
		some, next, err := c.server.options.Store.Webhooks(c.ctx(), c.center.Number, p)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if p.Cursor = next; next == "" {
			return all, nil
		}
	}
}

// readFailures reads the newest deliveries that were given up, and those that failed and are tried again.
func (p *overviewPage) readFailures(c *call) error {
	for _, f := range [...]store.DeliveryFilter{
		{State: hook.DeliveryExhausted}, {State: hook.DeliveryHeld, Failing: true}, {State: hook.DeliveryPending, Failing: true},
	} {
		found, _, err := c.server.options.Store.Deliveries(c.ctx(), c.center.Number, f, store.Page{Limit: overviewFailures})
		if err != nil {
			return err
		}
		for _, d := range found {
			one := failure{Delivery: d, Why: "not tried yet"}
			if d.LastAttempt != nil {
				one.Why = failureText(d.LastAttempt)
			}
			if _, number, ok := d.ID.Keys(); ok {
				one.Webhook, _ = c.server.options.Store.WebhookByNumber(number)
			}
			p.Failures = append(p.Failures, one)
		}
	}
	return nil
}

// failureText says what came of an attempt, in a line.
func failureText(a *hook.Attempt) string {
	text := cmp.Or(a.Error, a.Failure.String())
	switch {
	case a.Status == 0:
		return text
	case a.Error == "":
		return fmt.Sprintf("status %d", a.Status)
	default:
		return fmt.Sprintf("status %d: %s", a.Status, text)
	}
}

// Judges reports whether who looks may know what is delivered.
func (p *overviewPage) Judges() bool {
	return p.May(hook.PermitDeliveries) || p.May(hook.PermitWebhooks)
}

// Counted reports whether it is known how much is open.
func (p *overviewPage) Counted() bool { return !p.Backlog.CountedAt.IsZero() }

// Late is for how long the oldest delivery has been due.
func (p *overviewPage) Late() time.Duration {
	if p.Backlog.Whole.OldestDue.IsZero() {
		return 0
	}
	return max(p.Now.Sub(p.Backlog.Whole.OldestDue), 0)
}

// IsLate reports whether somebody should know of that.
func (p *overviewPage) IsLate() bool { return p.Late() > lateAfter }

// Since is where the charts begin.
func (p *overviewPage) Since() time.Time { return p.Now.Add(-p.Span.length) }

// PerSecond is how many of something there are per second, now.
func (p *overviewPage) PerSecond(n int64) string { return quantity(float64(n) / overviewNow.Seconds()) }

// PerSecondOfAll is how many of something there were per second in the span of the charts.
func (p *overviewPage) PerSecondOfAll(n int64) string {
	return quantity(float64(n) / p.Span.length.Seconds())
}

// Delay is the time within which the share q of the deliveries was acknowledged.
func (p *overviewPage) Delay(q float64) string {
	if p.Total.Delays.Count() == 0 {
		return "–"
	}
	return took(p.Total.Delays.Quantile(q))
}

// NoticesText says how many notices there were.
func (p *overviewPage) NoticesText() string {
	switch {
	case p.Notices == 0:
		return "no notices"
	case p.Notices == 1:
		return "1 notice"
	case p.Notices >= overviewNoticesMax:
		return count(p.Notices) + " notices or more"
	default:
		return count(p.Notices) + " notices"
	}
}

// Charts are what went on in the span, as far as who looks may know.
func (p *overviewPage) Charts() []chart {
	at := timesOf(p.Steps)
	rate := func(per time.Duration, of func(*hook.Activity) int64) []float64 {
		return ratesOf(p.Steps, p.Span.step, p.Now, per, of)
	}
	accepted := series{Name: "accepted", Values: rate(time.Second, acceptedOf)}
	if !p.Judges() {
		return []chart{newChart("Accepted", "per second", at, accepted)}
	}
	return []chart{
		newChart("Accepted and acknowledged", "per second", at, accepted, series{Name: "acknowledged", Values: rate(time.Second, acknowledgedOf)}),
		newChart("Failed attempts", "per minute", at, series{Name: "failed", Class: "c", Values: rate(time.Minute, failedOf)}),
		newChart("Delay from the event to its acknowledgement", delayUnit, at,
			series{Name: "half within", Values: delaysOf(p.Steps, .5)}, series{Name: "99 of 100 within", Class: "b", Values: delaysOf(p.Steps, .99)}),
	}
}

// firstSteps are what a newcomer does, with ticks at what is done.
type firstSteps struct {
	// Received is whether anything was acknowledged lately: then there is a receiver.
	Received, Webhook, Interaction bool
}

// Of names the contact centre for a command, where it is not the one that an admin key speaks for anyway. Ids of contact centres hold nothing
// that a shell would read as its own.
func (f frame) Of() string {
	if f.Center.ID == hook.DefaultContactCenter {
		return ""
	}
	return " --contact-center " + string(f.Center.ID)
}

// WebhookName is what people know the webhook of a failure by.
func (f *failure) WebhookName() string { return nameOfWebhook(f.Webhook) }
