package delivery

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// leaseLong is the lease that the memory gives: the store's default.
const leaseLong = 90 * time.Second

// memory is a Queue for tests of what is not the store's: it leases, records and releases as the store does, and fails
// when it is told to.
type memory struct {
	mu       sync.Mutex // guards everything below
	webhooks map[hook.WebhookNumber]*hook.Webhook
	open     map[hook.DeliveryKey]*entry
	token    int64
	lease    time.Duration
	late     int
	// outcomes are what was recorded, in order.
	outcomes []hook.Outcome
	// released counts deliveries given back, and claims how often some were asked for.
	released, claims int
	// claimTakes is how long a claim takes after it was made.
	claimTakes time.Duration
	// refuse makes Record fail.
	refuse func([]hook.Outcome) error
	// refuseCircuit makes SwapCircuit fail, and swaps counts how often it did not.
	refuseCircuit func() error
	swaps         int
}

// entry is a delivery in the open set.
type entry struct {
	event          *hook.Event
	due            time.Time
	token          int64
	attempts, base int
	exhausted      bool
}

func newMemory(webhooks ...*hook.Webhook) *memory {
	q := &memory{webhooks: map[hook.WebhookNumber]*hook.Webhook{}, open: map[hook.DeliveryKey]*entry{}, lease: leaseLong}
	for _, w := range webhooks {
		q.put(w)
	}
	return q
}

// put makes a webhook, or changes it.
func (q *memory) put(w *hook.Webhook) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.webhooks[w.Number] = w
}

// change replaces a webhook by a changed copy.
func (q *memory) change(n hook.WebhookNumber, change func(w *hook.Webhook)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := *q.webhooks[n]
	change(&w)
	q.webhooks[n] = &w
}

func (q *memory) WebhookByNumber(n hook.WebhookNumber) (*hook.Webhook, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w, ok := q.webhooks[n]
	return w, ok
}

// swapped returns how often somebody wanted to change a circuit.
func (q *memory) swapped() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.swaps
}

// circuit returns the circuit as it is stored.
func (q *memory) circuit(n hook.WebhookNumber) hook.Circuit {
	w, _ := q.WebhookByNumber(n)
	return w.Circuit
}

func (q *memory) active(n hook.WebhookNumber) bool {
	w, ok := q.webhooks[n]
	return ok && w.Enabled && !w.Deleted()
}

func (q *memory) Due(context.Context) ([]hook.Due, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	first := map[hook.WebhookNumber]time.Time{}
	for key, en := range q.open {
		at, ok := first[key.Webhook]
		if !en.exhausted && q.active(key.Webhook) && (!ok || en.due.Before(at)) {
			first[key.Webhook] = en.due
		}
	}
	var list []hook.Due
	for n, at := range first {
		list = append(list, hook.Due{Webhook: n, At: at})
	}
	return list, nil
}

func (q *memory) Claim(_ context.Context, now time.Time, n hook.WebhookNumber, limit int) ([]*hook.Delivery, error) {
	claimed := q.claim(now, n, limit)
	if q.claimTakes > 0 {
		<-time.After(q.claimTakes)
	}
	return claimed, nil
}

func (q *memory) claim(now time.Time, n hook.WebhookNumber, limit int) []*hook.Delivery {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.claims++
	if !q.active(n) {
		return nil
	}
	var due []*entry
	for key, en := range q.open {
		if key.Webhook == n && !en.exhausted && !en.due.After(now) {
			due = append(due, en)
		}
	}
	slices.SortFunc(due, func(a, b *entry) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.event.Serial, b.event.Serial))
	})
	q.token++
	var claimed []*hook.Delivery
	for _, en := range due[:min(limit, len(due))] {
		en.token, en.due = q.token, now.Add(q.lease)
		claimed = append(claimed, &hook.Delivery{
			Event: en.event, Webhook: n, Attempts: en.attempts, Base: en.base, Lease: hook.Lease{Token: en.token, Until: en.due},
		})
	}
	return claimed
}

func (q *memory) Record(_ context.Context, _ time.Time, outcomes []hook.Outcome) (hook.Recorded, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var r hook.Recorded
	if q.refuse != nil {
		if err := q.refuse(outcomes); err != nil {
			return r, err
		}
	}
	for i, o := range outcomes {
		en, ok := q.open[o.Delivery.Key()]
		if !ok || en.token != o.Delivery.Lease.Token {
			r.Late = append(r.Late, i)
			q.late++
			continue
		}
		q.outcomes = append(q.outcomes, o)
		en.attempts, en.token, en.due = o.Attempt.Number, 0, o.Next
		switch {
		case o.Attempt.Acknowledged():
			delete(q.open, o.Delivery.Key())
		case o.Exhausts():
			en.exhausted = true
		}
	}
	return r, nil
}

func (q *memory) Release(_ context.Context, now time.Time, deliveries []*hook.Delivery) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, d := range deliveries {
		if en, ok := q.open[d.Key()]; ok && en.token == d.Lease.Token {
			en.token, en.due = 0, now
			q.released++
		}
	}
	return nil
}

func (q *memory) SwapCircuit(_ context.Context, n hook.WebhookNumber, from, to hook.Circuit) (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refuseCircuit != nil {
		if err := q.refuseCircuit(); err != nil {
			return false, err
		}
	}
	q.swaps++
	if !q.webhooks[n].Circuit.Is(from) {
		return false, nil
	}
	w := *q.webhooks[n]
	w.Circuit = to
	q.webhooks[n] = &w
	return true, nil
}

// emit stores an event for a webhook and hands the delivery to the engine, as the store does after its commit.
func (q *memory) emit(e *Engine, n hook.WebhookNumber, event *hook.Event) {
	q.mu.Lock()
	room := q.active(n)
	q.mu.Unlock()
	room = room && e.Room(n)
	d := &hook.Delivery{Event: event, Webhook: n}
	q.mu.Lock()
	en := &entry{event: event, due: time.Now()}
	if room {
		q.token++
		en.token, en.due = q.token, en.due.Add(q.lease)
		d.Lease = hook.Lease{Token: en.token, Until: en.due}
	}
	q.open[d.Key()] = en
	q.mu.Unlock()
	if room && !e.Take(d) {
		_ = q.Release(context.Background(), time.Now(), []*hook.Delivery{d}) // it never fails
	}
}

// store puts a delivery into the open set, due now, as one that another process left.
func (q *memory) store(n hook.WebhookNumber, event *hook.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open[hook.DeliveryKey{Event: event.Serial, Webhook: n}] = &entry{event: event, due: time.Now()}
}

// left returns how many deliveries are open.
func (q *memory) left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.open)
}

// traffic returns how often deliveries were claimed, and how many were given back.
func (q *memory) traffic() (claims, released int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.claims, q.released
}

// recorded returns the outcomes so far.
func (q *memory) recorded() []hook.Outcome {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.outcomes)
}

// newEvent returns the STARTED of the nth interaction.
func newEvent(n int) *hook.Event { return newEventOf(interaction.EventStarted, n, n) }

// newEventOf returns an event with the nth serial.
func newEventOf(kind interaction.Event, n, of int) *hook.Event {
	i := &hook.Interaction{
		Serial: hook.Serial(of), ID: hook.InteractionID{UUID: numbered(1, of)}, SessionID: hook.SessionID{UUID: numbered(2, of)},
		ContactCenter: 1, Media: interaction.MediaChat, Subtype: interaction.SubtypeInboundNew,
	}
	return hook.NewEvent(kind, i, "default", hook.Serial(1_000_000+n), hook.OperationID{UUID: numbered(3, n)}, time.Now(), publicURL)
}

// publicURL is the base of the tests' selfUris.
const publicURL = "https://hookswitch.example"

// numbered makes a UUID that tells its number.
func numbered(kind byte, n int) hook.UUID {
	var random [16]byte
	random[0] = kind
	binary.BigEndian.PutUint32(random[12:], uint32(n))
	return hook.V4(random)
}

// secret is the app secret of the tests' webhooks.
const secret = "correct horse battery staple"

// newWebhook returns an enabled webhook with the default settings.
func newWebhook(n hook.WebhookNumber, changes ...func(*hook.Settings)) *hook.Webhook {
	w := &hook.Webhook{
		Number: n, ID: hook.WebhookID{UUID: numbered(4, int(n))}, ContactCenter: 1, CenterID: "default",
		Settings: hook.DefaultSettings(), Secrets: hook.Secrets{Current: hook.NewSecret(secret)}, Enabled: true,
	}
	w.Settings.URL = "https://receiver.example/hook"
	for _, change := range changes {
		change(&w.Settings)
	}
	return w
}

func concurrency(n int) func(*hook.Settings) { return func(s *hook.Settings) { s.Concurrency = n } }

// check fails the test when a webhook's settings are not legal: the tests stay within the bounds.
func check(t testing.TB, webhooks ...*hook.Webhook) {
	t.Helper()
	for _, w := range webhooks {
		if err := w.Settings.Validate(""); err != nil {
			t.Fatal(err)
		}
	}
}
