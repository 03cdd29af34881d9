package console

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// interactionsPage answers: which interactions are there?
type interactionsPage struct {
	frame
	Query  interactionQuery
	Faults faults
	Items  []interactionItem
	// Older is the page that goes on, or nothing; Searched is how far back this one looked.
	Older    string
	Searched time.Time
	// First is whether this is the first page.
	First bool
	// Command makes an interaction, for whoever has none.
	Command string
}

// interactionItem is an interaction in the list.
type interactionItem struct {
	*hook.Interaction
	URL string
}

// Class is the colour of its state.
func (i interactionItem) Class() string { return interactionBadge(i.State) }

// interactionQuery is what somebody looks for, as it was typed.
type interactionQuery struct {
	ID, Session, State, Media, Subtype, Queue, From, To, Within, Cursor string
}

// stateOpen is the filter of every state but STOPPED.
const stateOpen = "open"

// withinToday is the quick choice of the present day.
const withinToday = "today"

// values is the query of a URL that asks for the same; what is empty is left out.
func (q interactionQuery) values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{
		"q": q.ID, "session": q.Session, "state": q.State, "media": q.Media, "subtype": q.Subtype, "queue": q.Queue,
		"from": q.From, "to": q.To, "within": q.Within, "cursor": q.Cursor,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}

// filtered reports whether anything narrows the list.
func (q interactionQuery) filtered() bool {
	q.Cursor = ""
	return q != interactionQuery{}
}

// interactionRoutes are the pages of interactions, and that of one delivery, which a timeline leads to.
func (s *Server) interactionRoutes() {
	s.handle("GET /console/cc/{center}/interactions", row{needs: hook.PermitInteractionsRead}, s.listInteractions)
	s.handle("GET /console/cc/{center}/interactions/{id}", row{needs: hook.PermitInteractionsRead, live: deliveryEvery, shared: true}, s.showInteraction)
	s.handle("GET /console/cc/{center}/deliveries/{id}", row{needs: hook.PermitDeliveries, live: deliveryEvery}, s.showDelivery)
	s.handle("POST /console/cc/{center}/deliveries/{id}/replay", row{needs: hook.PermitDeliveries}, s.replayDelivery)
}

// listInteractions shows interactions, newest first, or goes to what has the id that was asked for.
func (s *Server) listInteractions(c *call) (answer, error) {
	value := func(name string) string { return strings.TrimSpace(c.r.FormValue(name)) }
	q := interactionQuery{
		ID: value("q"), Session: value("session"), State: value("state"), Media: value("media"), Subtype: value("subtype"), Queue: value("queue"),
		From: value("from"), To: value("to"), Within: value("within"), Cursor: value("cursor"),
	}
	page := &interactionsPage{frame: c.frame("Interactions"), Query: q, Faults: faults{}, First: q.Cursor == "", Command: c.createCommand()}
	if q.ID != "" {
		location, problem, err := c.find(q.ID)
		if err != nil {
			return answer{}, err
		}
		if location != "" {
			return goTo(location), nil
		}
		page.Faults["q"] = problem
	}
	filter := q.filter(c.now, page.Faults)
	filter.Readable = c.by.Readable()
	if len(page.Faults) > 0 {
		return wrong("interactions", page), nil
	}
	found, next, err := s.options.Store.Interactions(c.ctx(), c.center.Number, filter, store.Page{Cursor: q.Cursor})
	if errors.Is(err, hook.ErrBadID) {
		page.Faults["cursor"] = "This is not where a list of interactions goes on. Begin at the first page."
		return wrong("interactions", page), nil
	} else if err != nil {
		return answer{}, err
	}
	for _, i := range found {
		page.Items = append(page.Items, interactionItem{i, c.url("interactions", i.ID.String())})
	}
	if next != "" {
		older := q
		older.Cursor = next
		page.Older = "?" + older.values().Encode()
		if page.Searched, err = store.CursorTime(next); err != nil {
			return answer{}, err
		}
	}
	return show("interactions", page), nil
}

// filter reads the query; what is wrong with it goes to the faults.
func (q interactionQuery) filter(now time.Time, f faults) store.InteractionFilter {
	filter := store.InteractionFilter{
		Media: interaction.MediaType(q.Media), Subtype: interaction.Subtype(q.Subtype), Queue: q.Queue, Open: q.State == stateOpen,
	}
	if q.State != "" && !filter.Open {
		state, ok := hook.ParseState(q.State)
		if filter.State = state; !ok {
			f["state"] = "There is no such state. Choose one of the list."
		}
	}
	if q.Media != "" && !filter.Media.Valid() {
		f["media"] = "There is no such media type. Choose one of the list."
	}
	if q.Subtype != "" && !filter.Subtype.Valid() {
		f["subtype"] = "There is no such subtype. Choose one of the list."
	}
	if len(q.Queue) > hook.QueueBytesMax {
		f["queue"] = "No queue has so long a name."
	}
	if q.Session != "" && filter.SessionID.UnmarshalText([]byte(q.Session)) != nil {
		f["session"] = "A session id has the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx."
	}
	q.times(now, f, &filter)
	return filter
}

// times reads the range of time. What was typed counts before a quick choice.
func (q interactionQuery) times(now time.Time, f faults, filter *store.InteractionFilter) {
	from, fromOK := parseTime(q.From)
	to, toOK := parseTime(q.To)
	fromOK, toOK = fromOK || q.From == "", toOK || q.To == ""
	if !fromOK {
		f["from"] = "The time " + wrongTime + "."
	}
	if !toOK {
		f["to"] = "The time " + wrongTime + "."
	}
	if fromOK && toOK && !from.IsZero() && !to.IsZero() && !from.Before(to) {
		f["to"] = "The end is not after the beginning."
	}
	if q.From == "" && q.To == "" && q.Within != "" {
		var ok bool
		if from, ok = begins(q.Within, now); !ok {
			f["from"] = "There is no such quick choice of time."
		}
	}
	if !from.IsZero() {
		filter.CreatedAfter = from.Add(-time.Millisecond) // which is exclusive
	}
	filter.CreatedBefore = to
}

// begins is when the time of a quick choice begins.
func begins(within string, now time.Time) (from time.Time, ok bool) {
	if within == withinToday {
		return now.Truncate(24 * time.Hour), true
	}
	for _, choice := range quickTimes() {
		if choice.value == within && choice.span > 0 {
			return now.Add(-choice.span), true
		}
	}
	return from, false
}

// quickTime is a range of time that ends now.
type quickTime struct {
	text, value string
	span        time.Duration
}

func quickTimes() []quickTime {
	return []quickTime{
		{text: "All times"},
		{"Last 15 minutes", "15m", 15 * time.Minute},
		{"Last hour", "1h", time.Hour},
		{text: "Today", value: withinToday},
		{"Last 24 hours", "24h", 24 * time.Hour},
		{"Last 7 days", "7d", 7 * 24 * time.Hour},
	}
}

// link is a way to the same list in another form.
type link struct {
	Text, URL string
	Current   bool
}

// Times are the quick choices of time, each with everything else as it is.
func (p *interactionsPage) Times() (list []link) {
	for _, choice := range quickTimes() {
		q := p.Query
		q.ID, q.Cursor, q.From, q.To, q.Within = "", "", "", "", choice.value
		list = append(list, link{choice.text, p.URL("interactions") + "?" + q.values().Encode(), p.Query.From == "" && p.Query.To == "" && p.Query.Within == choice.value})
	}
	return list
}

// FirstURL is the first page of the same list.
func (p *interactionsPage) FirstURL() string {
	q := p.Query
	q.Cursor = ""
	return p.URL("interactions") + "?" + q.values().Encode()
}

// Filtered reports whether anything narrows the list.
func (p *interactionsPage) Filtered() bool { return p.Query.filtered() }

// States are the choices of a state.
func (p *interactionsPage) States() []choice {
	list := []choice{{"", "any", p.Query.State == ""}, {stateOpen, "open: not STOPPED", p.Query.State == stateOpen}}
	for s := hook.StateNew; s <= hook.StateStopped; s++ {
		list = append(list, choice{s.String(), s.String(), p.Query.State == s.String()})
	}
	return list
}

// Media are the choices of a media type: those that may be read.
func (p *interactionsPage) Media() []choice { return choicesOf(p.By.Readable(), p.Query.Media) }

// Subtypes are the choices of a subtype.
func (p *interactionsPage) Subtypes() []choice {
	return choicesOf(interaction.Subtypes(), p.Query.Subtype)
}

// choice is an option of a select.
type choice struct {
	Value, Text string
	Chosen      bool
}

func choicesOf[T ~string](values []T, chosen string) []choice {
	list := []choice{{"", "any", chosen == ""}}
	for _, v := range values {
		list = append(list, choice{string(v), string(v), string(v) == chosen})
	}
	return list
}

// createCommand makes an interaction on a local server.
func (c *call) createCommand() string {
	command := "hookswitch interactions create --media chat --subtype WhatsApp --queue support --subject 'My first chat'"
	if c.by.Center == 0 { // such a key has to say for which
		command += " --contact-center " + shellQuote(string(c.center.ID))
	}
	return command
}
