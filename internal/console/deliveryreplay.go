package console

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

const (
	// selectedMax is how many deliveries are replayed by one form: as many as a page of the list has.
	selectedMax = store.PageLimitDefault
	// reasonsShownMax is how many reasons the next page tells in its first line; each delivery's state is in its row.
	reasonsShownMax = 3
	// replayedEvery is how often the page of what was replayed is made anew.
	replayedEvery = 2 * time.Second
)

// selectedPage says what a replay of the selected deliveries would do to each of them, or how each of them is since.
type selectedPage struct {
	frame
	Items []selectedDelivery
	// Can is how many can be replayed, and Resends how many of these were delivered before.
	Can, Resends int
	// Done is whether the replay was made.
	Done bool
	// Delivered and Exhausted count what became of those that were replayed.
	Delivered, Exhausted int
}

// selectedDelivery is one of them.
type selectedDelivery struct {
	listedDelivery
	// Refused says why it cannot be replayed, and Effect what happens when it is.
	Refused, Effect string
}

// askReplaySelected shows what the replay of the selected deliveries would do, and changes nothing.
func (s *Server) askReplaySelected(c *call) (answer, error) {
	return s.showSelected(c, "Replay selected deliveries", false)
}

// showReplayedSelected shows what has become of them since.
func (s *Server) showReplayedSelected(c *call) (answer, error) {
	return s.showSelected(c, "Replayed deliveries", true)
}

func (s *Server) showSelected(c *call, title string, done bool) (answer, error) {
	ids, problem := selectedOf(c.r.URL.Query()["id"])
	if problem != "" {
		return goTo(c.url("deliveries")).warning("Nothing was replayed: " + problem + "."), nil
	}
	p := &selectedPage{frame: c.frame(title), Done: done}
	names, err := s.webhookNames(c)
	if err != nil {
		return answer{}, err
	}
	for _, id := range ids {
		d, err := s.options.Store.Delivery(c.ctx(), c.center.Number, id)
		if errors.Is(err, hook.ErrNotFound) {
			d = &store.Delivery{ID: id}
		} else if err != nil {
			return answer{}, err
		}
		p.add(s.selected(c, d, names))
	}
	return show("selected", p), nil
}

func (p *selectedPage) add(d selectedDelivery) {
	p.Items = append(p.Items, d)
	if d.Refused == "" {
		p.Can++
		if d.State == hook.DeliveryDelivered {
			p.Resends++
		}
	}
	switch d.State {
	case hook.DeliveryDelivered:
		p.Delivered++
	case hook.DeliveryExhausted:
		p.Exhausted++
	case hook.DeliveryPending, hook.DeliveryWaiting, hook.DeliveryHeld:
	}
}

// selected says what a replay would do to a delivery. The store decides when it is made: this looks at what can be known before.
func (s *Server) selected(c *call, d *store.Delivery, names *webhookNames) selectedDelivery {
	one := selectedDelivery{listedDelivery: listedDelivery{d, names.of(d.Webhook)}}
	w, err := s.options.Store.Webhook(c.ctx(), c.center.Number, d.Webhook)
	switch {
	case d.State == 0:
		one.Refused = "it does not exist, or its retention has ended"
	case err != nil:
		one.Refused = "its webhook was deleted"
	case d.State == hook.DeliveryPending || d.State == hook.DeliveryWaiting || d.State == hook.DeliveryHeld:
		one.Refused = "it is still to be made; only exhausted and delivered ones can be replayed"
	case !w.Enabled:
		one.Effect = "held until its webhook is enabled"
	case d.State == hook.DeliveryDelivered:
		one.Effect = "sent again; the receiver has acknowledged it before"
	default:
		one.Effect = "sent again, with a new budget of attempts"
	}
	if one.Refused == "" {
		e, err := s.options.Store.EventOf(c.ctx(), c.center.Number, d.ID)
		if err == nil && len(e.Payload) == 0 {
			one.Refused = "its payload was removed when the retention ended"
		}
	}
	return one
}

// selectedOf reads the ids of a selection, or says what is wrong with it.
func selectedOf(texts []string) (ids []hook.DeliveryID, problem string) {
	for _, text := range texts {
		id, err := hook.ParseUUID(text)
		if err != nil {
			return nil, "an id of a delivery is not one"
		}
		if one := (hook.DeliveryID{UUID: id}); !slices.Contains(ids, one) {
			ids = append(ids, one)
		}
	}
	switch {
	case len(ids) == 0:
		return nil, "no delivery was selected"
	case len(ids) > selectedMax:
		return nil, fmt.Sprintf("%d deliveries are selected, and %d at most are replayed so; filter the list and replay everything that fits", len(ids), selectedMax)
	default:
		return ids, ""
	}
}

// replaySelected replays the selected deliveries, each for itself, so that what cannot be replayed keeps no other back.
func (s *Server) replaySelected(c *call) (answer, error) {
	ids, problem := selectedOf(c.r.PostForm["id"])
	if problem != "" {
		return goTo(c.url("deliveries")).warning("Nothing was replayed: " + problem + "."), nil
	}
	replayed := 0
	var reasons []string
	// In the order of their events, which their ids are in: a STARTED cannot be replayed while its FINISHED is being sent.
	for _, id := range slices.SortedFunc(slices.Values(ids), func(a, b hook.DeliveryID) int { return bytes.Compare(a.UUID[:], b.UUID[:]) }) {
		err := s.replayOnce(c, id)
		if err == nil {
			replayed++
			continue
		}
		reason, known := whyNotReplayed(err)
		if !known {
			return answer{}, err
		}
		reasons = append(reasons, id.String()+": "+reason)
	}
	query := url.Values{}
	for _, id := range ids {
		query.Add("id", id.String())
	}
	a := goTo(c.url("deliveries", "replayed") + "?" + query.Encode())
	text := fmt.Sprintf("%s of %s made pending again.", count(replayed), nounOf(len(ids), "delivery is", "deliveries are"))
	if len(reasons) == 0 {
		return a.saying(text), nil
	}
	text += " Not replayed: " + strings.Join(reasons[:min(len(reasons), reasonsShownMax)], "; ")
	if more := len(reasons) - reasonsShownMax; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return a.warning(text + "."), nil
}

// replayOnce replays one delivery of a form, once however often the form is sent.
func (s *Server) replayOnce(c *call, id hook.DeliveryID) error {
	of := once(c, func(*store.Delivery) string { return "" })
	if of != nil { // one key for each delivery; the same form has the same ones
		of.Key += " " + id.String()
	}
	_, err := s.options.Store.ReplayDelivery(c.ctx(), c.center.Number, id, c.now, of)
	var before *store.AnsweredError
	if errors.As(err, &before) {
		return nil
	}
	return err
}

// whyNotReplayed says why the store has not replayed a delivery; known is false for what is no fault of the delivery.
func whyNotReplayed(err error) (reason string, known bool) {
	var conflict *hook.ConflictError
	switch {
	case errors.As(err, &conflict):
		return conflict.Detail, true
	case errors.Is(err, hook.ErrNotFound):
		return "it does not exist any more", true
	case errors.Is(err, hook.ErrUnavailable):
		return hook.ErrUnavailable.Error(), true
	default:
		return "", false
	}
}

// nounOf is a number with its noun.
func nounOf[N int | int64](n N, one, many string) string {
	if n == 1 {
		return count(n) + " " + one
	}
	return count(n) + " " + many
}

// Cannot is how many cannot be replayed.
func (p *selectedPage) Cannot() int { return len(p.Items) - p.Can }

// Open is how many are still to be delivered.
func (p *selectedPage) Open() int { return len(p.Items) - p.Delivered - p.Exhausted }
