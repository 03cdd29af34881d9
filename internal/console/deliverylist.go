package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// webhooksChosenMax is from how many webhooks a form lets choose; those beyond can be named in the URL.
const webhooksChosenMax = store.PageLimitMax

// deliveriesPage answers: what was delivered, what was not, and what came back?
type deliveriesPage struct {
	frame
	// Query is what was asked for, as it was given, and Faults what is wrong with it.
	Query  url.Values
	Faults faults
	// State is the list that is shown: a state, "failing" or "all". Chosen is whether the page chose it.
	State    string
	Chosen   bool
	Webhooks []webhookChoice
	Items    []listedDelivery
	// Next is the cursor of the next page, and Until when its newest is from at most, where this page is shorter than it could be.
	Next  string
	Until time.Time
	// Filtered is whether something beside the state is asked for.
	Filtered bool
	// Open is how many are open of what the tabs are about, as far as that was counted.
	Open store.OpenDeliveries
}

// webhookChoice is a webhook in a list to choose from.
type webhookChoice struct {
	ID, Name string
	Chosen   bool
}

// listedDelivery is one row.
type listedDelivery struct {
	*store.Delivery
	// WebhookName is what people know it by, for those who may see webhooks, else its id.
	WebhookName string
}

// tab is one of the lists that are a click away.
type tab struct {
	Text, URL string
	// Count is how many the list has, where that is known.
	Count   int64
	Current bool
}

// deliveryRoutes are the list of deliveries and what is done with those that are selected in it.
func (s *Server) deliveryRoutes() {
	s.handle("GET /console/cc/{center}/deliveries", row{needs: hook.PermitDeliveries}, s.showDeliveries)
	s.handle("GET /console/cc/{center}/deliveries/replay", row{needs: hook.PermitDeliveries}, s.askReplaySelected)
	s.handle("POST /console/cc/{center}/deliveries/replay", row{needs: hook.PermitDeliveries}, s.replaySelected)
	s.handle("GET /console/cc/{center}/deliveries/replayed", row{needs: hook.PermitDeliveries, live: replayedEvery}, s.showReplayedSelected)
}

// showDeliveries shows a list of deliveries. Where nobody says which, it is that of the exhausted ones, if there are any.
func (s *Server) showDeliveries(c *call) (answer, error) {
	p := &deliveriesPage{frame: c.frame("Deliveries"), Query: c.r.URL.Query()}
	q := newListQuery(p.Query)
	filter := deliveryFilterOf(q)
	p.State = oneOf(q, "state", []string{"exhausted", "failing", "pending", "held", "delivered", "all"})
	for name := range p.Query {
		p.Filtered = p.Filtered || name != "state" && name != "cursor" && p.Query.Get(name) != ""
	}
	p.Faults = q.faults
	names, err := s.webhookNames(c)
	if err != nil {
		return answer{}, err
	}
	p.Webhooks = names.choices(p.Query.Get("webhook"))
	if len(p.Faults) > 0 {
		if p.State == "" {
			p.State = "all"
		}
		return wrong("deliveries", p), nil
	}
	s.countOpen(c, p, filter)
	cursor := p.Query.Get("cursor")
	if p.Chosen = p.State == ""; p.Chosen {
		p.State = "exhausted"
	}
	found, next, err := s.listDeliveries(c, p.State, filter, cursor)
	if err == nil && p.Chosen && len(found) == 0 && next == "" {
		p.State = "all"
		found, next, err = s.listDeliveries(c, p.State, filter, cursor)
	}
	if errors.Is(err, hook.ErrBadID) {
		p.Faults = faults{"cursor": "is not one that this list has given; begin at the first page"}
		return wrong("deliveries", p), nil
	} else if err != nil {
		return answer{}, err
	}
	for _, d := range found {
		p.Items = append(p.Items, listedDelivery{d, names.of(d.Webhook)})
	}
	if p.Next = next; next != "" && len(found) < store.PageLimitDefault {
		p.Until, err = store.CursorTime(next)
	}
	return show("deliveries", p), err
}

// countOpen finds how many are open, as they were counted last: of the contact centre or of one webhook, and nothing for other filters.
func (s *Server) countOpen(c *call, p *deliveriesPage, f store.DeliveryFilter) {
	only := store.DeliveryFilter{Webhook: f.Webhook}
	if f != only {
		return
	}
	counted := s.options.Store.Backlog(c.ctx(), c.center.Number)
	if f.Webhook.IsZero() {
		p.Open = counted.Whole
	} else if w, err := s.options.Store.Webhook(c.ctx(), c.center.Number, f.Webhook); err == nil { // else it was deleted
		p.Open = counted.Webhooks[w.Number]
	}
}

// listDeliveries returns a page of one of the lists.
func (s *Server) listDeliveries(c *call, state string, f store.DeliveryFilter, cursor string) ([]*store.Delivery, string, error) {
	switch state {
	case "failing":
		f.State, f.Failing = hook.DeliveryPending, true
	case "all":
	default:
		for _, one := range [...]hook.DeliveryState{hook.DeliveryPending, hook.DeliveryHeld, hook.DeliveryExhausted, hook.DeliveryDelivered} {
			if one.String() == state {
				f.State = one
			}
		}
	}
	return s.options.Store.Deliveries(c.ctx(), c.center.Number, f, store.Page{Cursor: cursor})
}

// deliveryFilterOf reads what the form asks for, but for the state.
func deliveryFilterOf(q *listQuery) store.DeliveryFilter {
	f := store.DeliveryFilter{
		Webhook: hook.WebhookID{UUID: q.id("webhook")}, Interaction: hook.InteractionID{UUID: q.id("interaction")}, Session: hook.SessionID{UUID: q.id("session")},
		Event: oneOf(q, "event", interaction.Events()), Media: oneOf(q, "media", interaction.MediaTypes()),
		Status: q.number("status", 100, 599), From: q.time("from"), To: q.time("to"),
	}
	names := make([]string, 0, len(hook.Failures()))
	for _, one := range hook.Failures() {
		names = append(names, one.String())
	}
	name := oneOf(q, "failure", names)
	for _, one := range hook.Failures() {
		if one.String() == name {
			f.Failure = one
		}
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		q.fail("to", "must be later than the other time")
	}
	return f
}

// webhookNames are what webhooks are called on pages.
type webhookNames struct {
	// shown is whether URLs may be shown: they may hold secrets, and the API tells them to those alone who administer webhooks.
	shown bool
	byID  map[hook.WebhookID]string
	list  []*hook.Webhook
}

// webhookNames reads the contact centre's webhooks, up to webhooksChosenMax.
func (s *Server) webhookNames(c *call) (*webhookNames, error) {
	list, _, err := s.options.Store.Webhooks(c.ctx(), c.center.Number, store.Page{Limit: webhooksChosenMax})
	n := &webhookNames{shown: c.by.May(hook.PermitWebhooks), byID: map[hook.WebhookID]string{}}
	for _, w := range list {
		n.byID[w.ID] = nameOfWebhook(w)
		if w.Settings.Purpose != hook.PurposeNotices {
			n.list = append(n.list, w)
		}
	}
	return n, err
}

// of returns a webhook's name.
func (n *webhookNames) of(id hook.WebhookID) string {
	if name := n.byID[id]; name != "" && n.shown {
		return name
	}
	return id.String()
}

// choices are the webhooks to choose from. One that is chosen already is among them, even when it was deleted.
func (n *webhookNames) choices(chosen string) (list []webhookChoice) {
	found := chosen == ""
	for _, w := range n.list {
		id := w.ID.String()
		found = found || id == chosen
		list = append(list, webhookChoice{id, n.choice(w), id == chosen})
	}
	if !found {
		list = append(list, webhookChoice{chosen, chosen, true})
	}
	return list
}

// choice is a webhook in a list to choose from: two may have the same description.
func (n *webhookNames) choice(w *hook.Webhook) string {
	name := n.of(w.ID)
	if n.shown && w.Settings.Description != "" {
		shown, _, _ := strings.Cut(w.Settings.URL, "?")
		name += ", " + shown
	}
	return name
}

// Tabs are the lists, what needs somebody first.
func (p *deliveriesPage) Tabs() (list []tab) {
	for _, t := range [...]struct {
		state, text string
		count       int64
	}{
		{"exhausted", "Exhausted", p.Open.Exhausted},
		{"failing", "Failing now", 0},
		{"pending", "Pending", p.Open.Pending},
		{"held", "Held", p.Open.Held},
		{"delivered", "Delivered", 0},
		{"all", "All", 0},
	} {
		list = append(list, tab{t.text, p.Path + querySet(p.Query, "state", t.state), t.count, t.state == p.State})
	}
	return list
}

// Value is what a field of the form holds.
func (p *deliveriesPage) Value(field string) string {
	if at, ok := parseTime(p.Query.Get(field)); ok && (field == "from" || field == "to") {
		return fieldTime(at)
	}
	return p.Query.Get(field)
}

// Older is the URL of the next page.
func (p *deliveriesPage) Older() string {
	query := url.Values{"state": {p.State}}
	for name, list := range p.Query {
		if name != "state" && name != "cursor" && p.Query.Get(name) != "" {
			query[name] = list
		}
	}
	query.Set("cursor", p.Next)
	return p.Path + "?" + query.Encode()
}

// First is the URL of the first page, where this is another.
func (p *deliveriesPage) First() string {
	if p.Query.Get("cursor") == "" {
		return ""
	}
	return p.Path + querySet(p.Query, "state", p.State)
}

// OnlyWebhook is the URL of the same list of one webhook.
func (p *deliveriesPage) OnlyWebhook(id hook.WebhookID) string {
	query := url.Values{"state": {p.State}}
	for name, list := range p.Query {
		if name != "state" {
			query[name] = list
		}
	}
	return p.Path + querySet(query, "webhook", id.String())
}

// Unfiltered is the URL of the list of the same state without filters.
func (p *deliveriesPage) Unfiltered() string { return p.Path + "?state=" + url.QueryEscape(p.State) }

// All is the URL of the list of all states with the same filters.
func (p *deliveriesPage) All() string { return p.Path + querySet(p.Query, "state", "all") }

// ReplayAll is the form of a replay that does what the list shows, as far as a replay by the range can.
func (p *deliveriesPage) ReplayAll() string {
	query := url.Values{}
	for to, from := range map[string]string{"webhook": "webhook", "events": "event", "mediaTypes": "media", "from": "from", "to": "to"} {
		if v := p.Query.Get(from); v != "" {
			query.Set(to, v)
		}
	}
	switch p.State {
	case "exhausted", "delivered":
		query.Set("states", p.State)
	default:
		query["states"] = []string{"exhausted"}
	}
	for _, name := range [...]string{"interaction", "session", "status", "failure"} {
		if p.Query.Get(name) != "" {
			query.Set("wider", "yes")
		}
	}
	return p.URL("replays", "new") + "?" + query.Encode()
}

// Events are what the form lets choose.
func (p *deliveriesPage) Events() []interaction.Event { return interaction.Events() }

// MediaTypes are what the form lets choose.
func (p *deliveriesPage) MediaTypes() []interaction.MediaType { return interaction.MediaTypes() }

// Failures are the classes of failure that are stored.
func (p *deliveriesPage) Failures() (list []string) {
	for _, f := range hook.Failures() {
		if f != hook.FailureProxy {
			list = append(list, f.String())
		}
	}
	return list
}

// Badge is the class of the state's colour.
func (d listedDelivery) Badge() string {
	return deliveryBadge(d.State, d.LastAttempt != nil && !d.LastAttempt.Acknowledged())
}

// Last is the last attempt in a few words.
func (d listedDelivery) Last() string { return attemptInWords(d.LastAttempt) }

// Tries is how many attempts were made, with the noun.
func (d listedDelivery) Tries() string { return nounOf(d.AttemptsMade, "attempt", "attempts") }

// Sending is whether it may be being sent now.
func (d listedDelivery) Sending() bool {
	return d.State == hook.DeliveryPending && d.NextAttemptAt.IsZero()
}

// Open is whether it is still to be made.
func (d listedDelivery) Open() bool {
	return d.State == hook.DeliveryPending || d.State == hook.DeliveryWaiting || d.State == hook.DeliveryHeld
}

// Held is whether it waits for its webhook, whatever its own time of the next attempt says.
func (d listedDelivery) Held() bool { return d.State == hook.DeliveryHeld }

// Waits is whether it is a FINISHED whose STARTED is still to be delivered.
func (d listedDelivery) Waits() bool { return d.State == hook.DeliveryWaiting }

// attemptInWords says what came of an attempt.
func attemptInWords(a *hook.Attempt) string {
	switch {
	case a == nil:
		return "not tried yet"
	case a.Acknowledged():
		return strconv.Itoa(a.Status) + " in " + took(a.Duration)
	case a.Failure == hook.FailureStatus, a.Failure == hook.FailureRedirect:
		text := strconv.Itoa(a.Status)
		if name := http.StatusText(a.Status); name != "" {
			text += " " + name
		}
		return text
	default:
		return failureInWords(a.Failure)
	}
}

// failureInWords says what went wrong where no response came that could be judged.
func failureInWords(f hook.Failure) string {
	switch f {
	case hook.FailureTimeout:
		return "no answer in time"
	case hook.FailureDNS:
		return "the name did not resolve"
	case hook.FailureRefused:
		return "nothing listens there"
	case hook.FailureBroken:
		return "the connection broke"
	case hook.FailureTLS:
		return "TLS failed"
	case hook.FailureBlocked:
		return "the address is not allowed"
	case hook.FailureRequest:
		return "not HTTP"
	case hook.FailureToken:
		return "no access token"
	case hook.FailureProxy:
		return "the proxy failed"
	case hook.FailureStatus, hook.FailureRedirect, hook.FailureNone:
	}
	return f.String()
}
