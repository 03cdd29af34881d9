package console

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

const (
	// eventsShown is how many events the page begins with, and how many come with each link to newer ones.
	eventsShown = 100
	// eventsLookMax is how many of the newest events are looked at for those that a filter lets through.
	eventsLookMax = 1_000
)

// eventsPage answers: what happens right now?
type eventsPage struct {
	frame
	Filter eventFilter
	Faults faults
	// Rows are newest first.
	Rows []eventRow
	// Cursor goes on behind the newest event that was looked at.
	Cursor string
	// Looked is how many events were looked at.
	Looked int
	// Since is whether the page shows what came after a cursor, and not the newest.
	Since bool
}

// eventFilter says which events are shown; an empty text lets everything through.
type eventFilter struct {
	Event, Media, Subtype, Queue string
	readable                     func(interaction.MediaType) bool
}

// eventRow is an event as it is listed.
type eventRow struct {
	*store.EventRecord
	// URL is where its interaction is, empty where who looks may not read interactions.
	URL string
}

// eventFilterOf reads the filter of a request, and says what is wrong with it.
func (c *call) eventFilterOf() (f eventFilter, wrong faults) {
	f = eventFilter{
		Event: c.r.FormValue("event"), Media: c.r.FormValue("media"), Subtype: c.r.FormValue("subtype"), Queue: c.r.FormValue("queue"), readable: c.by.MayRead,
	}
	wrong = faults{}
	if f.Event != "" && !slices.Contains(interaction.Events(), interaction.Event(f.Event)) {
		wrong["event"] = "There is no such event."
	}
	if f.Media != "" && !slices.Contains(c.by.Readable(), interaction.MediaType(f.Media)) {
		wrong["media"] = "There is no such media type that you may read."
	}
	if f.Subtype != "" && !slices.Contains(interaction.Subtypes(), interaction.Subtype(f.Subtype)) {
		wrong["subtype"] = "There is no such subtype."
	}
	return f, wrong
}

// Wants reports whether an event is shown.
func (f *eventFilter) wants(e *store.EventRecord) bool {
	return f.readable(e.Event.Media) && (f.Event == "" || f.Event == string(e.Event.Kind)) && (f.Media == "" || f.Media == string(e.Event.Media)) &&
		(f.Subtype == "" || f.Subtype == string(e.Event.Subtype)) && (f.Queue == "" || f.Queue == e.Interaction.Queue)
}

// Set reports whether anything is left out.
func (f *eventFilter) Set() bool { return f.query().Encode() != "" }

// query is the filter as a URL has it.
func (f *eventFilter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"event": f.Event, "media": f.Media, "subtype": f.Subtype, "queue": f.Queue} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// after is the filter with a cursor.
func (f *eventFilter) after(cursor string) string {
	q := f.query()
	q.Set("after", cursor)
	return "?" + q.Encode()
}

// showEvents shows the newest events, or those after a cursor.
func (s *Server) showEvents(c *call) (answer, error) {
	page := &eventsPage{frame: c.frame("Live"), Cursor: c.r.FormValue("after"), Since: c.r.FormValue("after") != ""}
	if page.Filter, page.Faults = c.eventFilterOf(); len(page.Faults) > 0 {
		return wrong("events", page), nil
	}
	err := page.read(c)
	if errors.Is(err, hook.ErrBadID) {
		page.Faults["after"] = "The link to this page is not whole: begin with the newest events."
		return wrong("events", page), nil
	} else if err != nil {
		return answer{}, err
	}
	return show("events", page), nil
}

// read reads the page.
func (p *eventsPage) read(c *call) (err error) {
	data, look := c.server.options.Store, eventsShown
	if p.Filter.Set() || len(c.by.Readable()) < len(interaction.MediaTypes()) {
		look = eventsLookMax
	}
	if !p.Since {
		if p.Cursor, err = data.EventsBack(c.ctx(), c.center.Number, look); err != nil {
			return err
		}
	}
	for p.Looked < look {
		limit := min(look-p.Looked, store.PageLimitMax)
		found, next, err := data.Events(c.ctx(), c.center.Number, p.Cursor, limit)
		if err != nil {
			return err
		}
		p.Looked += len(found)
		for i := range found {
			if p.Since && len(p.Rows) == eventsShown { // the rest is for the next page
				break
			}
			if p.Cursor = found[i].Cursor; p.Filter.wants(&found[i]) {
				p.Rows = append(p.Rows, c.eventRow(&found[i]))
			}
		}
		if p.Since && len(p.Rows) == eventsShown {
			break
		}
		if p.Cursor = next; len(found) < limit {
			break
		}
	}
	slices.Reverse(p.Rows)
	p.Rows = p.Rows[:min(len(p.Rows), eventsShown)]
	return nil
}

// eventRow makes a row of an event.
func (c *call) eventRow(e *store.EventRecord) eventRow {
	row := eventRow{EventRecord: e}
	if c.by.Permits(hook.PermitInteractionsRead) {
		row.URL = c.url("interactions", e.Event.InteractionID.String())
	}
	return row
}

// Class is the colour of an event.
func (r *eventRow) Class() string {
	if r.Event.Kind == interaction.EventStarted {
		return badgeInfo
	}
	return badgeGood // as STOPPED, the state that it is about
}

// StateClass is the colour of the interaction's state.
func (r *eventRow) StateClass() string { return interactionBadge(r.Interaction.State) }

// Newer is the page with what came since.
func (p *eventsPage) Newer() string { return p.Filter.after(p.Cursor) }

// Stream is where the script goes on.
func (p *eventsPage) Stream() string { return p.URL("live", "stream") + p.Filter.after(p.Cursor) }

// Kinds, MediaTypes and Subtypes are what can be chosen.
func (*eventsPage) Kinds() []interaction.Event { return interaction.Events() }

// MediaTypes are those that may be read.
func (p *eventsPage) MediaTypes() []interaction.MediaType { return p.By.Readable() }

// Subtypes are what can be chosen.
func (*eventsPage) Subtypes() []interaction.Subtype { return interaction.Subtypes() }

// oneLine makes a template's text data of one server-sent event: none of its lines may begin another field (HTML, "Server-sent events").
func oneLine(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r", ""), "\n", "\ndata: ")
}
