package console

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

const (
	// deliveryEvery is how often the page of a delivery, or of an interaction, is made anew for those who look at it.
	deliveryEvery = 2 * time.Second
	// attemptsShownMax is how many attempts the page of a delivery shows, the newest.
	attemptsShownMax = 100
)

// deliveryPage answers: what became of this delivery, why, and what happens next?
type deliveryPage struct {
	frame
	Delivery *deliveryView
	// InteractionURL is empty where the interaction may not be read.
	InteractionURL string
	Operation      hook.OperationID
	Trace          string
	Payload        payloadView
	// Kept is whether there still is a payload, and Concealed whether who looks may not see it.
	Kept, Concealed bool
	Attempts        []*attemptView
	// Older is how many attempts are not shown, and Removed how many are not kept any more.
	Older, Removed int
	Plan           []planned
	// MayReplay is whether it can be replayed now, and ReplayKey what makes that count once.
	MayReplay bool
	ReplayKey string
}

// showDelivery shows one delivery.
func (s *Server) showDelivery(c *call) (answer, error) {
	var id hook.DeliveryID
	if err := id.UnmarshalText([]byte(c.r.PathValue("id"))); err != nil {
		return answer{}, err
	}
	d, err := s.options.Store.Delivery(c.ctx(), c.center.Number, id)
	if err != nil {
		return answer{}, err
	}
	e, err := c.eventOf(id)
	if err != nil {
		return answer{}, err
	}
	w, _ := c.receiver(d)
	page := &deliveryPage{
		frame: c.frame("Delivery " + d.ID.String()), Delivery: c.delivery(d), Operation: d.Operation, ReplayKey: c.replayKey(d),
		Older: max(len(d.Attempts)-attemptsShownMax, 0), Removed: max(d.AttemptsMade-len(d.Attempts), 0),
	}
	if e != nil {
		page.Trace, page.Kept = traceOf(e), len(e.Payload) > 0
		if page.Concealed = c.conceals(e); !page.Concealed {
			page.Payload = newPayload(e)
		}
		if c.by.MayRead(e.Media) {
			page.InteractionURL = c.url("interactions", d.Interaction.String())
		}
	}
	page.MayReplay = page.Delivery.Resolved() && page.Kept && w != nil && !w.Deleted()
	if w != nil && !page.Delivery.Resolved() {
		page.Plan = planOf(d, &w.Settings.Retry, c.now)
	}
	if page.Attempts, err = c.attempts(d, e, attemptsShownMax); err != nil {
		return answer{}, err
	}
	return show("delivery", page), nil
}

// conceals reports whether who looks may not see what an event says: of an interaction, that takes the permission to read it, as in the API, which
// shows the body of a delivery to nobody; of a notice, which belongs to none, the permission to read notices.
func (c *call) conceals(e *hook.Event) bool {
	if e.Media.Valid() {
		return !c.by.MayRead(e.Media)
	}
	return !c.by.May(hook.PermitWebhooks)
}

// eventOf returns the event of a delivery, nil where retention has just removed it.
func (c *call) eventOf(id hook.DeliveryID) (*hook.Event, error) {
	e, err := c.server.options.Store.EventOf(c.ctx(), c.center.Number, id)
	if errors.Is(err, hook.ErrNotFound) {
		return nil, nil
	}
	return e, err
}

// traceOf is the trace id of an event as its POSTs carry it.
func traceOf(e *hook.Event) string {
	id := e.TraceID()
	return hex.EncodeToString(id[:])
}

// replayKey makes the Idempotency-Key of the button that replays a delivery. It is the same until there is another attempt, because the
// button is in a part of the page that is made anew all the time.
func (c *call) replayKey(d *store.Delivery) string {
	sum := sha256.Sum256([]byte(d.ID.String() + " " + strconv.Itoa(d.AttemptsMade) + " " + string(c.by.Actor)))
	return hex.EncodeToString(sum[:16])
}

// replayDelivery delivers a delivery again.
func (s *Server) replayDelivery(c *call) (answer, error) {
	var id hook.DeliveryID
	if err := id.UnmarshalText([]byte(c.r.PathValue("id"))); err != nil {
		return answer{}, err
	}
	location := c.url("deliveries", id.String())
	_, err := s.options.Store.ReplayDelivery(c.ctx(), c.center.Number, id, c.now, once(c, func(*store.Delivery) string { return location }))
	if errors.Is(err, hook.ErrNotFound) {
		return answer{}, err
	} else if err != nil {
		return refused(err, location)
	}
	return goTo(location).saying("The delivery is replayed: it is pending again, with a new budget of attempts and the same body."), nil
}

// planned is one attempt that is still to come.
type planned struct {
	Number int
	// At is when it goes out, or the zero time where nobody knows.
	At time.Time
	// Wait is what comes before it; empty for the first.
	Wait string
}

// planOf returns the attempts that a delivery has left, each with its wait if all before it fail. The jitter and what a receiver asks for
// by Retry-After are not in it. When one that is held, waits or is being sent goes out is not known.
func planOf(d *store.Delivery, r *hook.Retry, now time.Time) (list []planned) {
	var at time.Time
	if d.State == hook.DeliveryPending && !d.NextAttemptAt.IsZero() {
		at = d.NextAttemptAt
		if at.Before(now) {
			at = now
		}
	}
	for tried := d.AttemptsMade - d.Base; tried <= r.Attempts; tried++ {
		p := planned{Number: d.Base + tried + 1}
		if len(list) > 0 {
			wait := r.Wait(tried, 0, 0.5) // in the middle of the jitter
			p.Wait = took(wait)
			if !at.IsZero() {
				at = at.Add(wait)
			}
		}
		p.At = at
		list = append(list, p)
	}
	return list
}
