package console

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

const (
	// replayEvery is how often the pages of replays are made anew.
	replayEvery = time.Second
	// replayBack is how far a replay goes back where nobody says.
	replayBack = 24 * time.Hour
)

// replaysPage answers: what was replayed, by whom, and how far is it?
type replaysPage struct {
	frame
	Items []shownReplay
	Next  string
	// Later is whether this is not the first page.
	Later bool
}

// replayPage is one replay.
type replayPage struct {
	frame
	Replay shownReplay
}

// shownReplay is a replay as pages show it.
type shownReplay struct {
	*hook.Replay
	WebhookName string
}

// replayRoutes are the pages of replays.
func (s *Server) replayRoutes() {
	s.handle("GET /console/cc/{center}/replays", row{needs: hook.PermitDeliveries, live: replayEvery}, s.showReplays)
	s.handle("GET /console/cc/{center}/replays/new", row{needs: hook.PermitDeliveries}, s.askReplay)
	s.handle("POST /console/cc/{center}/replays/new", row{needs: hook.PermitDeliveries}, s.createReplay)
	s.handle("GET /console/cc/{center}/replays/{id}", row{needs: hook.PermitDeliveries, live: replayEvery}, s.showReplay)
	s.handle("POST /console/cc/{center}/replays/{id}/{op}", row{needs: hook.PermitDeliveries}, s.steerReplay)
}

// showReplays lists replays, newest first.
func (s *Server) showReplays(c *call) (answer, error) {
	cursor := c.r.URL.Query().Get("cursor")
	list, next, err := s.options.Store.Replays(c.ctx(), c.center.Number, store.Page{Cursor: cursor})
	if errors.Is(err, hook.ErrBadID) {
		return goTo(c.url("replays")).warning("That page of the list does not exist; this is the first one."), nil
	} else if err != nil {
		return answer{}, err
	}
	names, err := s.webhookNames(c)
	p := &replaysPage{frame: c.frame("Replays"), Next: next, Later: cursor != ""}
	for _, r := range list {
		p.Items = append(p.Items, names.replay(r))
	}
	return show("replays", p), err
}

// replay names the webhook of a replay, which may have been deleted since.
func (n *webhookNames) replay(r *hook.Replay) shownReplay {
	name := n.of(r.Webhook.ID)
	if n.shown {
		name = nameOfWebhook(r.Webhook)
	}
	return shownReplay{r, name}
}

// replayOf finds the replay that the path names.
func (s *Server) replayOf(c *call) (hook.ReplayID, error) {
	id, err := hook.ParseUUID(c.r.PathValue("id"))
	return hook.ReplayID{UUID: id}, err
}

// showReplay shows one replay.
func (s *Server) showReplay(c *call) (answer, error) {
	id, err := s.replayOf(c)
	if err != nil {
		return answer{}, err
	}
	r, err := s.options.Store.Replay(c.ctx(), c.center.Number, id)
	if err != nil {
		return answer{}, err
	}
	names, err := s.webhookNames(c)
	title := "Replay"
	if r.DryRun {
		title = "Dry run of a replay"
	}
	return show("replay", &replayPage{c.frame(title).about(r.ID.String()), names.replay(r)}), err
}

// steerReplay pauses, resumes or cancels a replay.
func (s *Server) steerReplay(c *call) (answer, error) {
	id, err := s.replayOf(c)
	if err != nil {
		return answer{}, err
	}
	page := c.url("replays", id.String())
	steer, said := s.options.Store.PauseReplay, "The replay is paused."
	switch c.r.PathValue("op") {
	case "pause":
	case "resume":
		steer, said = s.options.Store.ResumeReplay, "The replay goes on."
	case "cancel":
		steer, said = s.options.Store.CancelReplay, "The replay is cancelled. What it has made pending by then goes out."
	default:
		return answer{}, hook.ErrNotFound
	}
	_, err = steer(c.ctx(), c.center.Number, id, c.now, once(c, func(*hook.Replay) string { return page }))
	var conflict *hook.ConflictError
	if errors.As(err, &conflict) {
		return refused(err, page)
	} else if err != nil {
		return answer{}, err
	}
	return goTo(page).saying(said), nil
}

// Percent is how much of its range the replay has passed.
func (r shownReplay) Percent() int { return int(r.Progress() * 100) }

// Badge is the class of the state's colour.
func (r shownReplay) Badge() string { return replayBadge(r.State) }

// Running and Paused are for the buttons.
func (r shownReplay) Running() bool { return r.State == hook.ReplayRunning }

// Paused is whether it stands still.
func (r shownReplay) Paused() bool { return r.State == hook.ReplayPaused }

// Ended is whether nothing can follow.
func (r shownReplay) Ended() bool { return r.State.Ended() }

// ForReal is whether the same can be asked for again without a dry run: this was one, and it has found something.
func (r shownReplay) ForReal() bool {
	return r.DryRun && r.State == hook.ReplayFinished && r.Counts.Matched > 0 && !r.Webhook.Deleted()
}

// States, Events and MediaTypes are what it is about, in words.
func (r shownReplay) States() string {
	texts := make([]string, len(r.Filter.States))
	for i, one := range r.Filter.States {
		texts[i] = one.String()
	}
	return strings.Join(texts, " and ")
}

// Events are the events that it is about, in words.
func (r shownReplay) Events() string {
	if len(r.Filter.Events) == 0 {
		return "all"
	}
	return joined(r.Filter.Events)
}

// MediaTypes are the media types that it is about, in words.
func (r shownReplay) MediaTypes() string {
	if len(r.Filter.MediaTypes) == 0 {
		return "all"
	}
	return joined(r.Filter.MediaTypes)
}

// Fields are the replay as a form has it, for the same once more.
func (r shownReplay) Fields() []formField {
	list := []formField{
		{"webhook", r.Webhook.ID.String()}, {"from", fieldTime(r.Filter.From)}, {"to", fieldTime(r.Filter.To)},
	}
	for _, one := range r.Filter.States {
		list = append(list, formField{"states", one.String()})
	}
	for _, one := range r.Filter.Events {
		list = append(list, formField{"events", string(one)})
	}
	for _, one := range r.Filter.MediaTypes {
		list = append(list, formField{"mediaTypes", string(one)})
	}
	if r.Rate != 0 {
		list = append(list, formField{"rate", strconv.Itoa(r.Rate)})
	}
	return list
}

// Query is the same for a URL.
func (r shownReplay) Query() string {
	query := url.Values{}
	for _, f := range r.Fields() {
		query.Add(f.Name, f.Value)
	}
	return "?" + query.Encode()
}

// Length is how long the range of time is.
func (r shownReplay) Length() string { return span(r.Filter.To.Sub(r.Filter.From)) }

// formField is a hidden field.
type formField struct{ Name, Value string }

// replayForm asks what is to be replayed.
type replayForm struct {
	frame
	Query    url.Values
	Faults   faults
	Webhooks []webhookChoice
	// Wider is whether the list that somebody comes from was filtered by something that a replay by the range cannot.
	Wider bool
}

// askReplay shows the form, with what the URL says in it.
func (s *Server) askReplay(c *call) (answer, error) {
	query := c.r.URL.Query()
	if query.Get("from") == "" {
		query.Set("from", fieldTime(c.now.Add(-replayBack).Truncate(time.Second)))
	}
	if len(query["states"]) == 0 {
		query.Set("states", hook.DeliveryExhausted.String())
	}
	p, err := s.replayForm(c, query)
	return show("replay-new", p), err
}

func (s *Server) replayForm(c *call, query url.Values) (*replayForm, error) {
	names, err := s.webhookNames(c)
	if err != nil {
		return nil, err
	}
	return &replayForm{
		frame: c.frame("Replay deliveries"), Query: query, Webhooks: names.choices(query.Get("webhook")), Wider: query.Get("wider") != "",
	}, nil
}

// createReplay begins a replay, or a dry run of it.
func (s *Server) createReplay(c *call) (answer, error) {
	q := newListQuery(c.r.PostForm)
	webhook, draft := draftReplay(c, q)
	var made *hook.Replay
	if len(q.faults) == 0 {
		id, err := s.newUUID(c.now)
		if err != nil {
			return answer{}, err
		}
		draft.ID.UUID = id
		of := once(c, func(r *hook.Replay) string { return c.url("replays", r.ID.String()) })
		if of != nil { // another form after going back is another request: only the very same one counts once
			of.Key += fmt.Sprintf(" %x", of.Fingerprint[:8])
		}
		made, err = s.options.Store.CreateReplay(c.ctx(), c.now, webhook, draft, of)
		if !q.take(err) {
			return answer{}, err
		}
	}
	if len(q.faults) > 0 {
		p, err := s.replayForm(c, c.r.PostForm)
		if err != nil {
			return answer{}, err
		}
		p.Faults = q.faults
		return wrong("replay-new", p), nil
	}
	said := "The replay has begun."
	if made.DryRun {
		said = "The dry run has begun. It counts and changes nothing."
	}
	return goTo(c.url("replays", made.ID.String())).saying(said), nil
}

// draftReplay reads the form.
func draftReplay(c *call, q *listQuery) (hook.WebhookID, *hook.Replay) {
	webhook := hook.WebhookID{UUID: q.id("webhook")}
	if webhook.IsZero() {
		q.fail("webhook", "must be chosen")
	}
	r := &hook.Replay{ContactCenter: c.center.Number, DryRun: q.text("dry") == "yes"}
	r.Filter.From, r.Filter.To = q.time("from"), q.time("to")
	r.Filter.Events, r.Filter.MediaTypes = someOf(q, "events", interaction.Events()), someOf(q, "mediaTypes", interaction.MediaTypes())
	for _, name := range someOf(q, "states", []string{hook.DeliveryExhausted.String(), hook.DeliveryDelivered.String()}) {
		if name == hook.DeliveryExhausted.String() {
			r.Filter.States = append(r.Filter.States, hook.DeliveryExhausted)
		} else {
			r.Filter.States = append(r.Filter.States, hook.DeliveryDelivered)
		}
	}
	if len(r.Filter.States) == 0 {
		q.fail("states", "must be chosen: exhausted, delivered or both")
	}
	r.Rate = q.number("rate", 1, hook.ReplayRateMax)
	q.take(r.Validate("", c.now))
	return webhook, r
}

// take adds the faults that an error of the domain names, and reports whether that was all of it. What the form calls by another name has
// that one.
func (q *listQuery) take(err error) bool {
	if err == nil {
		return true
	}
	var conflict *hook.ConflictError
	if errors.Is(err, hook.ErrNotFound) {
		q.fail("webhook", "does not exist any more")
		return true
	} else if errors.As(err, &conflict) {
		q.fail("webhook", conflict.Detail)
		return true
	}
	found, ok := faultsOf(err)
	for field, text := range found {
		field, _, _ = strings.Cut(field, "[")
		if field == "webhookId" {
			field = "webhook"
		}
		q.fail(field, text)
	}
	return ok
}

// Value is what a field of the form holds.
func (p *replayForm) Value(field string) string {
	if field == "from" || field == "to" {
		if at, ok := parseTime(p.Query.Get(field)); ok {
			return fieldTime(at)
		}
	}
	return p.Query.Get(field)
}

// Has reports whether a box is checked.
func (p *replayForm) Has(field, value string) bool { return slices.Contains(p.Query[field], value) }

// Events are what the form lets choose.
func (p *replayForm) Events() []interaction.Event { return interaction.Events() }

// MediaTypes are what the form lets choose.
func (p *replayForm) MediaTypes() []interaction.MediaType { return interaction.MediaTypes() }

// RateMax is the largest rate.
func (p *replayForm) RateMax() int { return hook.ReplayRateMax }
