package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	selectSessionEvents statement = `SELECT started_event, finished_event FROM interactions WHERE center = $1 AND session_id = $2 LIMIT $3`
	// selectPendingEvents finds what is pending of a webhook, with the FINISHED that waits for it: whatever waits, waits for one
	// that is pending.
	selectPendingEvents statement = `SELECT d.event, coalesce((SELECT f.event FROM deliveries f
		WHERE f.center = d.center AND f.waits_for = d.event AND f.webhook = d.webhook AND f.state = 2), 0)
		FROM deliveries d WHERE d.center = $1 AND d.webhook = $2 AND d.state = 1 LIMIT $3`
	selectLastAttempts statement = `SELECT a.event, a.webhook, ` + attemptColumns + ` FROM attempts a`
	// selectOpenAttempts finds the last attempts of what is open by their numbers: one row of each, and not all that were made.
	selectOpenAttempts statement = `SELECT a.event, a.webhook, ` + attemptColumns + ` FROM deliveries d
		JOIN attempts a ON a.center = d.center AND a.event = d.event AND a.webhook = d.webhook AND a.number = d.attempts`
	isLastAttempt = `(SELECT 1 FROM attempts l WHERE l.center = a.center AND l.event = a.event AND l.webhook = a.webhook
		AND l.number > a.number LIMIT 1) IS NULL`
)

// DeliveryFilter says which deliveries a list holds; a zero field filters nothing.
type DeliveryFilter struct {
	State hook.DeliveryState
	// Failing leaves out what has not failed since it was made or replayed last. It goes with the states of what is to be made still.
	Failing     bool
	Webhook     hook.WebhookID
	Interaction hook.InteractionID
	Session     hook.SessionID
	Event       interaction.Event
	Media       interaction.MediaType
	// Status and Failure are about the attempts: one and the same of them, not only the last, has both.
	Status  int
	Failure hook.Failure
	// From is inclusive and To exclusive; they are about when the event occurred, to the millisecond.
	From, To time.Time
}

// Deliveries returns a page of the deliveries of a contact centre, newest first, and the cursor of the next page or nothing. Their
// attempts are left out, but for the last one. A page may be shorter than its limit, even empty, and have a cursor: then it ended
// at the bound of what one request looks at.
func (s *Store) Deliveries(ctx context.Context, center hook.ContactCenterNumber, f DeliveryFilter, p Page) ([]*Delivery, string, error) {
	after, err := parseCursorOf(deliveriesList, p.Cursor, newest())
	if err != nil {
		return nil, "", err
	}
	q, err := s.newDeliverySearch(ctx, center, f, after)
	if err != nil || q == nil {
		return nil, "", err
	}
	keys, next, err := q.page(deliveriesList, p)
	if err != nil {
		return nil, "", err
	}
	list, err := s.deliveriesOf(center, keys)
	if err != nil {
		return nil, "", err
	}
	// What has changed its state since it was found is not in a list of that state.
	list = slices.DeleteFunc(list, func(d *Delivery) bool { return !f.fits(d.State) })
	return list, next, s.readLastAttempts(center, list)
}

// fits reports whether a list of the filter's state holds deliveries of a state: those that wait are pending.
func (f *DeliveryFilter) fits(state hook.DeliveryState) bool {
	pending := func(s hook.DeliveryState) bool { return s == hook.DeliveryPending || s == hook.DeliveryWaiting }
	return f.State == 0 || f.State == state || pending(f.State) && pending(state)
}

// deliverySearch is a filter in the terms of the tables.
type deliverySearch struct {
	DeliveryFilter
	number hook.WebhookNumber
	// narrowed is whether the events are known: then nothing else need be an index.
	narrowed bool
}

// newDeliverySearch returns what looks for the deliveries of a filter, or nil when nothing can match.
func (s *Store) newDeliverySearch(ctx context.Context, center hook.ContactCenterNumber, f DeliveryFilter, after position) (*search, error) {
	d := &deliverySearch{DeliveryFilter: f}
	if !f.Webhook.IsZero() {
		if d.number = s.webhookNumber(center, f.Webhook); d.number == 0 {
			return nil, nil
		}
	}
	q := &search{engine: s.engine, center: center, in: span{after, oldest()}}
	if !f.From.IsZero() {
		q.in.down.serial = hook.SerialAt(f.From)
	}
	if to := (position{hook.SerialAt(f.To), oldest().webhook}); !f.To.IsZero() && q.in.after.compare(to) < 0 {
		q.in.after = to
	}
	var err error
	if q.only, err = s.eventsOf(ctx, center, d); errors.Is(err, hook.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	d.narrowed = q.only != nil
	q.sources = d.sources()
	return q, nil
}

// eventsOf returns the events whose deliveries the filter is about, when an index tells and they are not many; else nil.
func (s *Store) eventsOf(ctx context.Context, center hook.ContactCenterNumber, d *deliverySearch) ([]hook.Serial, error) {
	switch {
	case !d.Interaction.IsZero():
		i, err := s.Interaction(ctx, center, d.Interaction)
		if err != nil {
			return nil, err
		}
		if !d.Session.IsZero() && d.Session != i.SessionID {
			return nil, hook.ErrNotFound
		}
		return newestFirst([]hook.Serial{i.StartedEvent, i.Stopped.Event}), nil
	case !d.Session.IsZero():
		return s.few(selectSessionEvents, center, d.Session.UUID)
	case d.number != 0 && (d.fits(hook.DeliveryPending) || d.fits(hook.DeliveryHeld)) && d.State != 0:
		return s.few(selectPendingEvents, center, d.number)
	default:
		return nil, nil
	}
}

// sources returns the indexes in which the deliveries are found.
func (d *deliverySearch) sources() []source {
	switch {
	case d.narrowed:
		return d.natural()
	case d.rareStatus() || d.Failure != hook.FailureNone:
		return []source{{
			table: "attempts", alias: "x", serial: "event", webhook: "webhook", repeats: true,
			index: d.attemptIndex, filter: func(q *selection) { d.ownFilter(q, "x"); d.stateOfAttempt(q); d.eventFilter(q, "x") },
		}}
	case d.State == hook.DeliveryExhausted:
		return []source{{
			table: "deliveries", alias: "d", serial: "event", webhook: "webhook",
			index: func(q *selection) {
				q.where("d.state = 3")
				if d.number != 0 {
					q.where("d.webhook = %s", d.number)
				}
			},
			filter: func(q *selection) { d.ownFilter(q, "d"); d.eventFilter(q, "d"); d.attempted(q, "d") },
		}}
	default:
		return d.natural()
	}
}

// natural is the open set, the log, or both.
func (d *deliverySearch) natural() []source {
	var list []source
	if d.State != hook.DeliveryDelivered {
		list = append(list, source{
			table: "deliveries", alias: "d", serial: "event", webhook: "webhook",
			filter: func(q *selection) { d.ownFilter(q, "d"); d.stateOfOpen(q); d.eventFilter(q, "d"); d.attempted(q, "d") },
		})
	}
	if d.State == 0 || d.State == hook.DeliveryDelivered {
		list = append(list, source{
			table: "attempts", alias: "a", serial: "event", webhook: "webhook",
			filter: func(q *selection) {
				d.ownFilter(q, "a")
				d.lastOfDelivered(q)
				d.eventFilter(q, "a")
				d.attempted(q, "a")
			},
		})
	}
	return list
}

// rareStatus reports whether the attempts of the status have an index.
func (d *deliverySearch) rareStatus() bool { return d.Status != 0 && d.Status != 200 }

// attemptIndex names the index of a status or of a failure. It says twice what is in it: once so that it is used whatever the
// arguments are.
func (d *deliverySearch) attemptIndex(q *selection) {
	if d.rareStatus() {
		q.where("x.status <> 200 AND x.status = %s", d.Status)
		return
	}
	q.where("x.failure <> 0 AND x.failure = %s", int64(d.Failure))
}

// ownFilter adds the conditions on the entry itself. They come first, then the one on the state, then what costs most.
func (d *deliverySearch) ownFilter(q *selection, t string) {
	if d.number != 0 {
		q.where(t+".webhook = %s", d.number)
	}
	if t == "x" && d.rareStatus() && d.Failure != hook.FailureNone {
		q.where("x.failure + 0 = %s", int64(d.Failure))
	}
	if t == "x" && !d.rareStatus() && d.Status != 0 {
		q.where("x.status + 0 = %s", d.Status)
	}
}

// eventFilter adds the conditions on the event and its interaction.
func (d *deliverySearch) eventFilter(q *selection, t string) {
	session := !d.Session.IsZero() && !d.narrowed
	if d.Event == "" && d.Media == "" && !session {
		return
	}
	from := "events e"
	if d.Media != "" || session {
		from += " JOIN interactions i ON i.center = e.center AND i.serial = e.interaction"
	}
	q.where("(SELECT 1 FROM " + from + " WHERE e.center = " + t + ".center AND e.serial = " + t + ".event")
	if d.Event != "" {
		q.where("e.kind = %s", encode(kindList(), d.Event))
	}
	if d.Media != "" {
		q.where("i.media = %s", encode(mediaList(), d.Media))
	}
	if session {
		q.where("i.session_id = %s", d.Session.UUID)
	}
	q.add(") = 1", nil)
}

// sameDelivery is the condition that two rows belong to one delivery.
func sameDelivery(t, u string) string {
	return t + ".center = " + u + ".center AND " + t + ".event = " + u + ".event AND " + t + ".webhook = " + u + ".webhook"
}

// stateOfOpen adds the condition on the state of a delivery of the open set.
func (d *deliverySearch) stateOfOpen(q *selection) {
	if d.State != 0 {
		q.where("(SELECT 1 FROM webhooks w WHERE w.center = d.center AND w.number = d.webhook")
		whereState(q, d.State)
		q.add(") = 1", nil)
	}
	d.failing(q)
}

// failing adds that an attempt of a delivery of the open set was made since it was made or replayed last.
func (d *deliverySearch) failing(q *selection) {
	if d.Failing {
		q.where("d.attempts > d.base")
	}
}

// lastOfDelivered adds that an attempt is the last one and was acknowledged. One that was replayed since is left to the open set,
// but not when the list holds both: between its two queries it would be in neither.
func (d *deliverySearch) lastOfDelivered(q *selection) {
	q.where("a.failure = 0 AND " + isLastAttempt)
	if d.State == hook.DeliveryDelivered {
		q.where("(SELECT 1 FROM deliveries o WHERE " + sameDelivery("o", "a") + ") IS NULL")
	}
}

// stateOfAttempt adds the condition on the state of the delivery that an attempt was made for.
func (d *deliverySearch) stateOfAttempt(q *selection) {
	switch d.State {
	case 0:
	case hook.DeliveryDelivered:
		q.where("(SELECT l.failure FROM attempts l WHERE " + sameDelivery("l", "x") + " ORDER BY l.number DESC LIMIT 1) = 0")
		q.where("(SELECT 1 FROM deliveries o WHERE " + sameDelivery("o", "x") + ") IS NULL")
	default:
		q.where("(SELECT 1 FROM deliveries d JOIN webhooks w ON w.center = d.center AND w.number = d.webhook WHERE " + sameDelivery("d", "x"))
		whereState(q, d.State)
		d.failing(q)
		q.add(") = 1", nil)
	}
}

// attempted adds that one of the attempts has the status and the failure. No index but the key's is of use for that.
func (d *deliverySearch) attempted(q *selection, t string) {
	if d.Status == 0 && d.Failure == hook.FailureNone {
		return
	}
	q.where("(SELECT 1 FROM attempts t WHERE " + sameDelivery("t", t))
	if d.Status != 0 {
		q.where("t.status + 0 = %s", d.Status)
	}
	if d.Failure != hook.FailureNone {
		q.where("t.failure + 0 = %s", int64(d.Failure))
	}
	q.add(" LIMIT 1) = 1", nil)
}

// deliveriesOf reads the deliveries of a page, in its order. One that is replayed or delivered meanwhile is found all the same.
func (s *Store) deliveriesOf(center hook.ContactCenterNumber, keys []position) ([]*Delivery, error) {
	found := make(map[hook.DeliveryKey]*Delivery, len(keys))
	missing := func() (list []position) {
		for _, k := range keys {
			if found[hook.DeliveryKey{Event: k.serial, Webhook: k.webhook}] == nil {
				list = append(list, k)
			}
		}
		return list
	}
	open := func(some []position) ([]*Delivery, error) {
		return s.openDeliveries(center, func(q *selection) { q.whereKeys("d.event", "d.webhook", some) })
	}
	delivered := func(some []position) ([]*Delivery, error) {
		return s.deliveredDeliveries(center, func(q *selection) { q.whereKeys("a.event", "a.webhook", some) })
	}
	for _, read := range []func([]position) ([]*Delivery, error){open, delivered, open} {
		for some := range slices.Chunk(missing(), searchRowsStep) {
			list, err := read(some)
			if err != nil {
				return nil, fmt.Errorf("read deliveries: %w", err)
			}
			for _, d := range list {
				found[d.key] = d
			}
		}
	}
	list := make([]*Delivery, 0, len(keys))
	for _, k := range keys {
		if d := found[hook.DeliveryKey{Event: k.serial, Webhook: k.webhook}]; d != nil {
			list = append(list, d)
		}
	}
	return list, nil
}

// readLastAttempts adds the last attempt to each delivery of a page that has made one. What is not open any more has all of its attempts looked at.
func (s *Store) readLastAttempts(center hook.ContactCenterNumber, list []*Delivery) error {
	byKey := map[hook.DeliveryKey]*Delivery{}
	var keys []position
	for _, d := range list {
		if d.LastAttempt == nil && d.AttemptsMade > 0 {
			byKey[d.key] = d
			keys = append(keys, position{d.key.Event, d.key.Webhook})
		}
	}
	read := func(from statement, column, alias string, where func(*selection)) error {
		for some := range slices.Chunk(keys, searchRowsStep) {
			q := newSelect(from, column, center)
			q.whereKeys(alias+".event", alias+".webhook", some)
			where(q)
			err := s.engine.read(q.text(""), func(r row) error {
				a, key := new(hook.Attempt), hook.DeliveryKey{}
				err := scanAttempt(r, a, &key.Event, &key.Webhook)
				byKey[key].LastAttempt = a
				return err
			}, q.args...)
			if err != nil {
				return fmt.Errorf("read last attempts: %w", err)
			}
		}
		return nil
	}
	if err := read(selectOpenAttempts, "d.center", "d", func(*selection) {}); err != nil {
		return err
	}
	keys = slices.DeleteFunc(keys, func(k position) bool {
		return byKey[hook.DeliveryKey{Event: k.serial, Webhook: k.webhook}].LastAttempt != nil
	})
	return read(selectLastAttempts, "a.center", "a", func(q *selection) { q.where(isLastAttempt) })
}
