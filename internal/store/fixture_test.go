package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// theCenter is the contact centre that every store has.
const theCenter hook.ContactCenterNumber = 1

// moment is a time as the store keeps it. Tests begin at the present, because opening a store does too.
func moment() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func newUUID() hook.UUID {
	var random [16]byte
	rand.Read(random[:]) // never fails: see crypto/rand
	return hook.V4(random)
}

func newInteraction() hook.InteractionID { return hook.InteractionID{UUID: newUUID()} }

// create is the creation of a chat; a queue submits it too.
func create(id hook.InteractionID, queue string) hook.Change {
	return hook.Change{Op: hook.OpCreate, ID: id, Draft: &hook.Draft{
		ID: id, SessionID: hook.SessionID{UUID: newUUID()}, Media: interaction.MediaChat, Subtype: interaction.SubtypeInboundNew, Queue: queue,
	}}
}

func submit(id hook.InteractionID, queue string) hook.Change {
	return hook.Change{Op: hook.OpSubmit, ID: id, Queue: queue}
}

func accept(id hook.InteractionID, agent string) hook.Change {
	return hook.Change{Op: hook.OpAccept, ID: id, Agent: agent}
}

func back(id hook.InteractionID, queue string) hook.Change {
	return hook.Change{Op: hook.OpReturn, ID: id, Queue: queue}
}

func stop(id hook.InteractionID) hook.Change {
	return hook.Change{Op: hook.OpStop, ID: id, By: hook.ByAgentDesktop, Reason: "resolved"}
}

// judge makes changes and returns what became of each.
func judge(t testing.TB, s *storetest.Opened, now time.Time, changes ...hook.Change) []store.ChangeResult {
	t.Helper()
	results, err := s.AcceptChanges(t.Context(), theCenter, now, changes, nil)
	if err != nil {
		t.Fatalf("accept changes: %v", err)
	}
	if len(results) != len(changes) {
		t.Fatalf("%d results for %d changes", len(results), len(changes))
	}
	return results
}

// change makes changes that must all be possible, as many at a time as a caller may, and returns the last interaction.
func change(t testing.TB, s *storetest.Opened, now time.Time, changes ...hook.Change) (last *hook.Interaction) {
	t.Helper()
	for some := range slices.Chunk(changes, hook.ChangesMax) {
		for i, r := range judge(t, s, now, some...) {
			if r.Err != nil {
				t.Fatalf("change %d, %s: %v", i, some[i].Op, r.Err)
			}
			last = r.Interaction
		}
	}
	return last
}

// webhook makes an enabled webhook of the contact centre.
func webhook(t testing.TB, s *storetest.Opened, center hook.ContactCenterNumber, edits ...func(*hook.Webhook)) *hook.Webhook {
	t.Helper()
	w := &hook.Webhook{
		ID: hook.WebhookID{UUID: newUUID()}, ContactCenter: center, Settings: hook.DefaultSettings(),
		Secrets: hook.Secrets{Current: hook.NewSecret("0123456789abcdef")}, Enabled: true,
	}
	w.Settings.URL = "https://receiver.example/interactions"
	for _, edit := range edits {
		edit(w)
	}
	made, err := s.CreateWebhook(t.Context(), moment(), w, nil)
	if err != nil {
		t.Fatalf("create webhook: %v", err)
	}
	return made
}

func disabled(w *hook.Webhook) { w.Enabled = false }

func contactCenter(t testing.TB, s *storetest.Opened, id string) hook.ContactCenter {
	t.Helper()
	c, err := s.CreateContactCenter(t.Context(), moment(), hook.ContactCenterID(id), "The centre "+id, nil)
	if err != nil {
		t.Fatalf("create contact centre: %v", err)
	}
	return c
}

func claim(t testing.TB, s *storetest.Opened, now time.Time, w *hook.Webhook, limit int) []*hook.Delivery {
	t.Helper()
	claimed, err := s.Claim(t.Context(), now, w.Number, limit)
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	return claimed
}

// claimOne claims the one delivery of the webhook that is due.
func claimOne(t testing.TB, s *storetest.Opened, now time.Time, w *hook.Webhook) *hook.Delivery {
	t.Helper()
	claimed := claim(t, s, now, w, 10)
	if len(claimed) != 1 {
		t.Fatalf("%d deliveries are due, want one", len(claimed))
	}
	return claimed[0]
}

func attempt(d *hook.Delivery, now time.Time, failure hook.Failure) hook.Attempt {
	a := hook.Attempt{Number: d.Attempts + 1, StartedAt: now, Duration: 1500 * time.Microsecond, Status: 200, Failure: failure, Response: []byte("{}")}
	if failure != hook.FailureNone {
		a.Status, a.Error, a.Response = 0, "no answer", []byte{}
	}
	return a
}

func acknowledges(d *hook.Delivery, now time.Time) hook.Outcome {
	return hook.Outcome{Delivery: d, Attempt: attempt(d, now, hook.FailureNone)}
}

func fails(d *hook.Delivery, now, next time.Time) hook.Outcome {
	return hook.Outcome{Delivery: d, Attempt: attempt(d, now, hook.FailureTimeout), Next: next}
}

func exhausts(d *hook.Delivery, now time.Time) hook.Outcome { return fails(d, now, time.Time{}) }

func record(t testing.TB, s *storetest.Opened, now time.Time, outcomes ...hook.Outcome) hook.Recorded {
	t.Helper()
	recorded, err := s.Record(t.Context(), now, outcomes)
	if err != nil {
		t.Fatalf("record: %v", err)
	}
	return recorded
}

// deliver claims and acknowledges all that is due.
func deliver(t testing.TB, s *storetest.Opened, now time.Time, w *hook.Webhook) []*hook.Delivery {
	t.Helper()
	claimed := claim(t, s, now, w, 1_000)
	outcomes := make([]hook.Outcome, len(claimed))
	for i, d := range claimed {
		outcomes[i] = acknowledges(d, now)
	}
	if r := record(t, s, now, outcomes...); len(r.Late) != 0 {
		t.Fatalf("outcomes %v were late", r.Late)
	}
	return claimed
}

func replay(t testing.TB, s *storetest.Opened, now time.Time, id hook.DeliveryID) *store.Delivery {
	t.Helper()
	d, err := s.ReplayDelivery(t.Context(), theCenter, id, now, nil)
	if err != nil {
		t.Fatalf("replay: %v", err)
	}
	return d
}

func delivery(t testing.TB, s *storetest.Opened, id hook.DeliveryID) *store.Delivery {
	t.Helper()
	d, err := s.Delivery(t.Context(), theCenter, id)
	if err != nil {
		t.Fatalf("read delivery: %v", err)
	}
	return d
}

// events returns all events of the contact centre.
func events(t testing.TB, s *storetest.Opened, center hook.ContactCenterNumber) []*hook.Event {
	t.Helper()
	committed, err := s.Numbers(fmt.Sprintf(`SELECT count(*) FROM events WHERE center = %d AND interaction <> 0`, center))
	must(t, err)
	watch := s.WatchEvents(center)
	defer watch.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all []*hook.Event
	for after := ""; ; {
		arrived := watch.Arrived()
		page, next, err := s.Events(t.Context(), center, after, store.PageLimitMax)
		if err != nil {
			t.Fatalf("read events: %v", err)
		}
		if len(page) == 0 && len(all) >= int(committed[0]) {
			return all
		}
		if len(page) == 0 { // the tests share a server, and another one's transaction has not ended
			select {
			case <-arrived:
			case <-ctx.Done():
				t.Fatalf("%d of %d events can be read", len(all), committed[0])
			}
			continue
		}
		for _, r := range page {
			all = append(all, r.Event)
		}
		if next == after {
			t.Fatalf("the cursor of events stays at %q", next)
		}
		after = next
	}
}

// deliveries returns all deliveries that the filter lets through, oldest first.
func deliveries(t testing.TB, s *storetest.Opened, center hook.ContactCenterNumber, f store.DeliveryFilter) []*store.Delivery {
	t.Helper()
	var all []*store.Delivery
	for p := (store.Page{Limit: store.PageLimitMax}); ; {
		page, next, err := s.Deliveries(t.Context(), center, f, p)
		if err != nil {
			t.Fatalf("list deliveries: %v", err)
		}
		all = append(all, page...)
		if p.Cursor = next; next == "" {
			slices.Reverse(all)
			return all
		}
	}
}

// states says of each delivery what it is, to which of the webhooks, and how many attempts it made.
func states(list []*store.Delivery, webhooks ...*hook.Webhook) []string {
	out := make([]string, len(list))
	for i, d := range list {
		w := slices.IndexFunc(webhooks, func(w *hook.Webhook) bool { return w.ID == d.Webhook })
		state := d.State.String()
		if d.State == hook.DeliveryWaiting {
			state = "waiting"
		}
		out[i] = fmt.Sprintf("%s to %d: %s, %d", d.Event, w, state, d.AttemptsMade)
	}
	return out
}

// wantStates compares all deliveries of the default contact centre, oldest first.
func wantStates(t testing.TB, s *storetest.Opened, webhooks []*hook.Webhook, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, states(deliveries(t, s, theCenter, store.DeliveryFilter{}), webhooks...)); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
}

// wantConflict checks that the change was refused, and in which state.
func wantConflict(t testing.TB, err error, state string) {
	t.Helper()
	var conflict *hook.ConflictError
	if !errors.As(err, &conflict) || conflict.State != state {
		t.Errorf("error is %v, want a conflict with the state %s", err, state)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// same compares what the store returns, secrets included.
func same() cmp.Options {
	return cmp.Options{cmp.Comparer(func(a, b hook.Secret) bool { return a.Equal(b) })}
}

// lane takes deliveries as the engine does.
type lane struct {
	room bool

	mu    sync.Mutex // guards what follows
	full  bool
	taken []*hook.Delivery
	// told is which webhooks it was told of that have due deliveries.
	told []hook.WebhookNumber
}

func (l *lane) Room(hook.WebhookNumber) bool { return l.room }

func (l *lane) Take(d *hook.Delivery) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.full {
		l.taken = append(l.taken, d)
	}
	return !l.full
}

func (l *lane) Due(w hook.WebhookNumber) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, w)
}

// all returns what the lane took.
func (l *lane) all() []*hook.Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.taken)
}

func (l *lane) option() storetest.Option {
	return storetest.Before(func(s *store.Store) { s.HandTo(l) })
}

func asConflict(err error, target **hook.ConflictError) bool { return errors.As(err, target) }

func isNotFound(err error) bool { return errors.Is(err, hook.ErrNotFound) }

// unkeyed leaves out what a shown delivery keeps for the store alone.
func unkeyed() cmp.Option { return cmpopts.IgnoreUnexported(store.Delivery{}) }

// errImpatient is why a test's context ended.
var errImpatient = errors.New("nobody waits any longer")

func contextWithTimeout(t testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(t.Context(), d, errImpatient)
}

// onceChanges binds changes to an Idempotency-Key; the answer tells what became of each change.
func onceChanges(key string, fingerprint byte) *store.Once[[]store.ChangeResult] {
	return &store.Once[[]store.ChangeResult]{
		Key: key, Fingerprint: [32]byte{fingerprint},
		Encode: func(results []store.ChangeResult, err error) (store.Answer, bool) {
			body := fmt.Sprintf("%v\x00\xff", err)
			for _, r := range results {
				body += "\n" + verdict(r)
			}
			return store.Answer{Status: 207, Body: []byte(body)}, true
		},
	}
}
