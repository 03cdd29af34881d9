package console

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

const (
	// deliveriesReadMax is of how many deliveries of an interaction the attempts are shown, and attemptsOfEachMax how many of each, the newest.
	deliveriesReadMax = 20
	attemptsOfEachMax = 5
)

// interactionPage answers: what happened to this interaction, and who was told?
type interactionPage struct {
	frame
	I       *hook.Interaction
	SelfURI string
	// SessionURL lists what else belongs to the session.
	SessionURL string
	Contact    string
	UserData   []headerLine
	// Timeline is what happened, oldest first.
	Timeline []moment
	// Deliveries are of all its events; More is whether there are others, and Unread how many have attempts that the timeline does not show.
	Deliveries []*deliveryView
	More       bool
	Unread     int
}

// moment is something on the timeline. Of the pointers one is set at most.
type moment struct {
	At time.Time
	// Kind is a word for the template, Class the colour.
	Kind, Class string
	Event       *eventView
	Delivery    *deliveryView
	Attempt     *attemptView
	// Left is how many attempts of the delivery are not on the timeline.
	Left int
}

// Precise is its time to the millisecond.
func (m moment) Precise() string { return precise(m.At) }

// eventView is an event as it is shown.
type eventView struct {
	Kind      interaction.Event
	Operation hook.OperationID
	Trace     string
	Payload   payloadView
}

// showInteraction shows one interaction.
func (s *Server) showInteraction(c *call) (answer, error) {
	var id hook.InteractionID
	if err := id.UnmarshalText([]byte(c.r.PathValue("id"))); err != nil {
		return answer{}, err
	}
	i, err := s.options.Store.Interaction(c.ctx(), c.center.Number, id)
	if err != nil {
		return answer{}, err
	}
	if !c.by.MayRead(i.Media) { // whether there is such a one is not this caller's to know
		return answer{}, hook.ErrNotFound
	}
	page := &interactionPage{
		frame: c.frame("Interaction " + i.ID.String()), I: i, SelfURI: i.SelfURI(s.options.PublicURL), SessionURL: c.url("interactions") + "?session=" + i.SessionID.String(),
		Contact: printable([]byte(indented(string(i.Content.Contact)))), Timeline: lifeOf(i),
	}
	for _, key := range slices.Sorted(maps.Keys(i.Content.UserData)) {
		page.UserData = append(page.UserData, headerLine{key, i.Content.UserData[key]})
	}
	events, err := page.addEvents(c)
	if err != nil {
		return answer{}, err
	}
	if c.by.May(hook.PermitDeliveries) {
		if err := page.addDeliveries(c, events); err != nil {
			return answer{}, err
		}
	}
	slices.SortStableFunc(page.Timeline, func(a, b moment) int { return a.At.Compare(b.At) })
	return show("interaction", page), nil
}

// lifeOf is what is stored of the interaction's own life.
func lifeOf(i *hook.Interaction) []moment {
	list := []moment{{At: i.CreatedAt, Kind: "created"}}
	if !i.SubmittedAt.IsZero() {
		list = append(list, moment{At: i.SubmittedAt, Kind: "submitted"})
	}
	if !i.AcceptedAt.IsZero() {
		list = append(list, moment{At: i.AcceptedAt, Kind: "accepted"})
	}
	if i.State == hook.StateStopped {
		list = append(list, moment{At: i.Stopped.At, Kind: "stopped"})
	}
	return list
}

// addEvents puts the events on the timeline, and returns them by their kinds.
func (p *interactionPage) addEvents(c *call) (map[interaction.Event]*hook.Event, error) {
	events := map[interaction.Event]*hook.Event{}
	for _, serial := range [...]hook.Serial{p.I.StartedEvent, p.I.Stopped.Event} {
		if serial == 0 {
			continue
		}
		e, err := c.eventOf(hook.NewDeliveryID(serial, 0)) // the webhook does not count
		if err != nil {
			return nil, err
		}
		if e == nil {
			continue
		}
		events[e.Kind] = e
		p.Timeline = append(p.Timeline, moment{At: e.OccurredAt, Kind: "event", Event: &eventView{e.Kind, e.OperationID, traceOf(e), newPayload(e)}})
	}
	return events, nil
}

// addDeliveries puts each webhook's deliveries on the timeline, with their attempts.
func (p *interactionPage) addDeliveries(c *call, events map[interaction.Event]*hook.Event) error {
	st := c.server.options.Store
	list, next, err := st.Deliveries(c.ctx(), c.center.Number, store.DeliveryFilter{Interaction: p.I.ID}, store.Page{Limit: store.PageLimitMax})
	if err != nil {
		return err
	}
	p.More = next != ""
	slices.SortStableFunc(list, func(a, b *store.Delivery) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for n, d := range list {
		if n < deliveriesReadMax {
			whole, err := st.Delivery(c.ctx(), c.center.Number, d.ID)
			if err != nil { // it may have been removed meanwhile
				return err
			}
			d = whole
		} else if d.AttemptsMade > 0 {
			p.Unread++
		}
		view := c.delivery(d)
		p.Deliveries = append(p.Deliveries, view)
		attempts, err := c.attempts(d, events[d.Event], attemptsOfEachMax)
		if err != nil {
			return err
		}
		left := 0
		if n < deliveriesReadMax {
			left = len(d.Attempts) - len(attempts)
		}
		p.Timeline = append(p.Timeline, moment{At: d.CreatedAt, Kind: "delivery", Class: view.Class, Delivery: view, Left: left})
		for _, a := range slices.Backward(attempts) {
			p.Timeline = append(p.Timeline, moment{At: a.StartedAt, Kind: "attempt", Class: a.Class(), Attempt: a})
		}
	}
	return nil
}

// StateClass is the colour of its state.
func (p *interactionPage) StateClass() string { return interactionBadge(p.I.State) }

// HasContact reports whether the contact centre keeps anything with it.
func (p *interactionPage) HasContact() bool { return p.Contact != "" || len(p.UserData) > 0 }

// AttemptsOfEach is how many attempts of each delivery the timeline shows.
func (p *interactionPage) AttemptsOfEach() string { return strconv.Itoa(attemptsOfEachMax) }
