package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// actionPage has everything that can be done with one interaction.
type actionPage struct {
	frame
	Desk        desk
	Interaction *hook.Interaction
	Queues      []string
	// Op, Entered and Faults are of the form that was sent, where it was wrong.
	Op      string
	Entered url.Values
	Faults  faults
}

// interactionOf finds the interaction that the path names. Whether there is one of a media type that the caller may not read is not
// theirs to know.
func (s *Server) interactionOf(c *call) (*hook.Interaction, error) {
	id, err := hook.ParseUUID(c.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	i, err := s.options.Store.Interaction(c.ctx(), c.center.Number, hook.InteractionID{UUID: id})
	if err == nil && !c.by.MayRead(i.Media) {
		return nil, hook.ErrNotFound
	}
	return i, err
}

// showAction shows what can be done with an interaction.
func (s *Server) showAction(c *call) (answer, error) {
	p, err := s.actionPage(c)
	return show("queue-action", p), err
}

func (s *Server) actionPage(c *call) (*actionPage, error) {
	i, err := s.interactionOf(c)
	if err != nil {
		return nil, err
	}
	p := &actionPage{frame: c.frame("Handle an interaction").about(i.ID.String()), Desk: c.deskOf(), Interaction: i, Entered: url.Values{}}
	p.Queues, err = s.queueNames(c)
	return p, err
}

// act makes a change that the path names to an interaction.
func (s *Server) act(c *call) (answer, error) {
	i, err := s.interactionOf(c)
	if err != nil {
		return answer{}, err
	}
	form, op := c.r.PostForm, c.r.PathValue("op")
	change := hook.Change{Op: hook.Op(op), ID: i.ID, Queue: strings.TrimSpace(form.Get("queue"))}
	switch op {
	case "submit", "return":
	case "transfer":
		change.Op = hook.OpReturn
	case "accept":
		change.Agent = strings.TrimSpace(form.Get("agent"))
	case "stop":
		change.By, change.Reason = hook.Stopper(form.Get("by")), strings.TrimSpace(form.Get("reason"))
	default:
		return answer{}, hook.ErrNotFound
	}
	wrongFields, _ := faultsOf(change.Validate(""))
	if op == "transfer" && change.Queue == "" {
		wrongFields = faults{"queue": "must not be empty"}
	}
	if len(wrongFields) > 0 {
		p, err := s.actionPage(c)
		if err != nil {
			return answer{}, err
		}
		p.Op, p.Entered, p.Faults = op, form, wrongFields
		return wrong("queue-action", p), nil
	}
	d := c.deskOf()
	if op == "accept" {
		d.Agent = change.Agent
	}
	return s.change(c, change, c.url("queues")+d.query())
}

// change has the store make a change, and goes to a page that says what came of it.
func (s *Server) change(c *call, change hook.Change, next string) (answer, error) {
	of := once(c, func([]store.ChangeResult) string { return next })
	if of != nil {
		of.Encode = func(results []store.ChangeResult, err error) (store.Answer, bool) {
			if err != nil || results[0].Err != nil { // which may be possible when it is tried again
				return store.Answer{}, false
			}
			return store.Answer{Status: http.StatusSeeOther, Body: []byte(next)}, true
		}
	}
	results, err := s.options.Store.AcceptChanges(c.ctx(), c.center.Number, c.now, []hook.Change{change}, of)
	if err == nil {
		err = results[0].Err
	}
	var conflict *hook.ConflictError
	switch {
	case errors.As(err, &conflict), errors.Is(err, hook.ErrNotFound):
		a, err := refused(err, next)
		return a.linking("See the interaction", c.url("interactions", change.ID.String())), err
	case err != nil:
		return answer{}, err
	}
	said, err := s.said(c, change, results[0].Interaction)
	return goTo(next).saying(said).linking("See the interaction", c.url("interactions", change.ID.String())), err
}

// said says what a change has come to: the state, and the event that it has emitted.
func (s *Server) said(c *call, change hook.Change, i *hook.Interaction) (string, error) {
	text := i.State.String()
	switch i.State {
	case hook.StateQueued:
		text += " in " + i.Queue
	case hook.StateInProcess:
		text += " with " + i.Agent
	case hook.StateNew, hook.StateStopped:
	}
	var event interaction.Event
	switch {
	case change.Op == hook.OpStop && i.Stopped.At.Equal(c.now):
		event = interaction.EventFinished
	case change.Op == hook.OpSubmit, change.Op == hook.OpCreate && i.State == hook.StateQueued:
		event = interaction.EventStarted
	case change.Op == hook.OpStop:
		return text + " already: nothing was emitted.", nil
	case change.Op == hook.OpCreate:
		return text + ": nothing is emitted before it is submitted into a queue.", nil
	default:
		return text + ": this emits nothing.", nil
	}
	list, more, err := s.options.Store.Deliveries(c.ctx(), c.center.Number, store.DeliveryFilter{Interaction: i.ID, Event: event}, store.Page{Limit: store.PageLimitMax})
	switch {
	case err != nil:
		return text, err
	case more != "":
		return fmt.Sprintf("%s: %s was emitted to more than %d webhooks.", text, event, len(list)), nil
	case len(list) == 0:
		return fmt.Sprintf("%s: %s was emitted; no webhook wants it.", text, event), nil
	default:
		return fmt.Sprintf("%s: %s was emitted to %s.", text, event, nounOf(len(list), "webhook", "webhooks")), nil
	}
}

// Form is where a form of the page is sent.
func (p *actionPage) Form(op string) string {
	return p.URL("queues", p.Interaction.ID.String(), op) + p.Desk.query()
}

// Back is the page of the queues that somebody comes from.
func (p *actionPage) Back() string { return p.URL("queues") + p.Desk.query() }

// Badge is the class of the state's colour.
func (p *actionPage) Badge() string { return interactionBadge(p.Interaction.State) }

// New, Queued, InProcess and Stopped tell which forms the page has.
func (p *actionPage) New() bool { return p.Interaction.State == hook.StateNew }

// Queued is whether it waits.
func (p *actionPage) Queued() bool { return p.Interaction.State == hook.StateQueued }

// InProcess is whether an agent has it.
func (p *actionPage) InProcess() bool { return p.Interaction.State == hook.StateInProcess }

// Stopped is whether nothing can be done any more.
func (p *actionPage) Stopped() bool { return p.Interaction.State == hook.StateStopped }

// Stoppers are who may stop it.
func (p *actionPage) Stoppers() []hook.Stopper { return hook.Stoppers() }

// Value is what a field of a form holds: what was entered, or what is the case.
func (p *actionPage) Value(op, field string) string {
	switch {
	case op == p.Op:
		return p.Entered.Get(field)
	case field == "agent":
		return p.Desk.Agent
	default:
		return ""
	}
}

// Fault is what is wrong with a field of a form.
func (p *actionPage) Fault(op, field string) string {
	if op != p.Op {
		return ""
	}
	return p.Faults[field]
}

// newInteractionPage is the form that makes an interaction.
type newInteractionPage struct {
	frame
	Desk    desk
	Queues  []string
	Entered url.Values
	Faults  faults
}

// askInteraction shows the form.
func (s *Server) askInteraction(c *call) (answer, error) {
	d := c.deskOf()
	p, err := s.newInteractionPage(c, url.Values{
		"mediaType": {string(interaction.MediaChat)}, "subtype": {string(interaction.SubtypeInboundNew)}, "queue": {d.Queue},
	})
	return show("queue-new", p), err
}

// newInteractionPage makes the page of the form. It is for those alone who may read something: others would not see what they have made.
func (s *Server) newInteractionPage(c *call, entered url.Values) (*newInteractionPage, error) {
	if len(c.by.Readable()) == 0 {
		return nil, &permissionError{"the permission " + string(hook.PermitInteractionsRead) + ", or that of one media type, too"}
	}
	names, err := s.queueNames(c)
	return &newInteractionPage{frame: c.frame("New interaction"), Desk: c.deskOf(), Queues: names, Entered: entered}, err
}

// createInteraction makes an interaction, submitted where a queue is given.
func (s *Server) createInteraction(c *call) (answer, error) {
	draft, wrongFields, err := s.draftInteraction(c)
	if err != nil {
		return answer{}, err
	}
	change := hook.Change{Op: hook.OpCreate, ID: draft.ID, Draft: draft}
	found, _ := faultsOf(change.Validate(""))
	for field, text := range found {
		field, _, _ = strings.Cut(field, ".")
		if wrongFields[field] == "" {
			wrongFields[field] = text
		}
	}
	if draft.Media.Valid() && !c.by.MayRead(draft.Media) {
		wrongFields["mediaType"] = "is one that you may not read: you would not see the interaction here"
	}
	if len(wrongFields) > 0 {
		p, err := s.newInteractionPage(c, c.r.PostForm)
		if err != nil {
			return answer{}, err
		}
		p.Faults = wrongFields
		return wrong("queue-new", p), nil
	}
	d := c.deskOf()
	d.State, d.Page = "", 1
	if d.Queue != "" && d.Queue != draft.Queue { // else it would not be there
		d.Queue = ""
	}
	return s.change(c, change, c.url("queues")+d.query())
}

// draftInteraction reads the form.
func (s *Server) draftInteraction(c *call) (*hook.Draft, faults, error) {
	form, wrongFields := c.r.PostForm, faults{}
	field := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	d := &hook.Draft{
		Media: interaction.MediaType(field("mediaType")), Subtype: interaction.Subtype(field("subtype")), Queue: field("queue"),
		Content: hook.Content{Subject: field("subject"), Contact: json.RawMessage(field("contact"))},
	}
	for n, line := range strings.Split(strings.ReplaceAll(form.Get("userData"), "\r\n", "\n"), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if _, twice := d.Content.UserData[name]; !ok || twice {
			wrongFields["userData"] = fmt.Sprintf("line %d must be a name of its own, = and a text, as colour=red", n+1)
			continue
		}
		if d.Content.UserData == nil {
			d.Content.UserData = map[string]string{}
		}
		d.Content.UserData[name] = value
	}
	var err error
	if d.ID.UUID, err = s.newUUID(c.now); err == nil {
		d.SessionID.UUID, err = s.newUUID(c.now)
	}
	return d, wrongFields, err
}

// Value is what a field holds.
func (p *newInteractionPage) Value(field string) string { return p.Entered.Get(field) }

// Is reports whether a choice is chosen.
func (p *newInteractionPage) Is(field string, value any) bool {
	return p.Entered.Get(field) == fmt.Sprint(value)
}

// Form is where the form is sent.
func (p *newInteractionPage) Form() string { return p.URL("queues", "new") + p.Desk.query() }

// Back is the page of the queues that somebody comes from.
func (p *newInteractionPage) Back() string { return p.URL("queues") + p.Desk.query() }

// MediaTypes are those that who looks may read.
func (p *newInteractionPage) MediaTypes() []interaction.MediaType { return p.By.Readable() }

// Subtypes are what the form lets choose.
func (p *newInteractionPage) Subtypes() []interaction.Subtype { return interaction.Subtypes() }
