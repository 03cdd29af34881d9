package store_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// list is one of the store's lists, its rows named in words.
type list struct {
	name string
	// add makes one more row.
	add func(t *testing.T, s *storetest.Opened, now time.Time)
	// read returns a page of a contact centre.
	read func(t *testing.T, s *storetest.Opened, center hook.ContactCenterNumber, p store.Page) ([]string, string, error)
	// oldestFirst is the order; otherwise it is newest first.
	oldestFirst bool
}

func lists() []list {
	addInteraction := func(t *testing.T, s *storetest.Opened, now time.Time) {
		change(t, s, now, create(newInteraction(), "q"))
	}
	return []list{
		{name: "interactions", add: addInteraction, read: func(t *testing.T, s *storetest.Opened, center hook.ContactCenterNumber, p store.Page) ([]string, string, error) {
			page, next, err := s.Interactions(t.Context(), center, store.InteractionFilter{}, p)
			return named(page, func(i *hook.Interaction) any { return i.Serial }), next, err
		}},
		{name: "deliveries", add: func(t *testing.T, s *storetest.Opened, now time.Time) {
			addInteraction(t, s, now)
			webhooks, _, err := s.Webhooks(t.Context(), theCenter, store.Page{})
			must(t, err)
			for i, d := range claim(t, s, now, webhooks[0], 1) { // a mixture of open and delivered
				if i%2 == 0 {
					record(t, s, now, acknowledges(d, now))
				}
			}
		}, read: func(t *testing.T, s *storetest.Opened, center hook.ContactCenterNumber, p store.Page) ([]string, string, error) {
			page, next, err := s.Deliveries(t.Context(), center, store.DeliveryFilter{}, p)
			return named(page, func(d *store.Delivery) any { return d.ID }), next, err
		}},
		{name: "webhooks", add: func(t *testing.T, s *storetest.Opened, _ time.Time) {
			webhook(t, s, theCenter)
		}, read: func(t *testing.T, s *storetest.Opened, center hook.ContactCenterNumber, p store.Page) ([]string, string, error) {
			page, next, err := s.Webhooks(t.Context(), center, p)
			return named(page, func(w *hook.Webhook) any { return fmt.Sprintf("%09d", w.Number) }), next, err
		}},
		{name: "events", oldestFirst: true, add: func(t *testing.T, s *storetest.Opened, now time.Time) {
			addInteraction(t, s, now)
			events(t, s, theCenter) // waits until it can be read
		}, read: func(t *testing.T, s *storetest.Opened, center hook.ContactCenterNumber, p store.Page) ([]string, string, error) {
			page, next, err := s.Events(t.Context(), center, p.Cursor, p.Limit)
			if len(page) == 0 {
				next = "" // an empty page has a cursor here, to go on from
			}
			return named(page, func(r store.EventRecord) any { return r.Event.Serial }), next, err
		}},
	}
}

func named[T any](page []T, name func(T) any) []string {
	out := make([]string, len(page))
	for i, row := range page {
		out[i] = fmt.Sprint(name(row))
	}
	return out
}

// eachList runs a test for each list, with as many rows in it as are asked for.
func eachList(t *testing.T, rows int, test func(t *testing.T, s *storetest.Opened, l list)) {
	for _, l := range lists() {
		t.Run(l.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, e storetest.Engine) {
				s, now := e.Open(t), moment()
				webhook(t, s, theCenter)
				for i := range rows {
					l.add(t, s, now.Add(time.Duration(i)*time.Millisecond))
				}
				test(t, s, l)
			})
		})
	}
}

// Guarantee 6: pages follow each other without a gap or a repetition, in order, whatever their size.
func TestListPages(t *testing.T) {
	eachList(t, 7, func(t *testing.T, s *storetest.Opened, l list) {
		whole, next, err := l.read(t, s, theCenter, store.Page{})
		must(t, err)
		if next != "" && !l.oldestFirst {
			t.Errorf("the last page has the cursor %q", next)
		}
		sorted := slices.Clone(whole)
		slices.Sort(sorted)
		if !l.oldestFirst {
			slices.Reverse(sorted)
		}
		if len(whole) < 7 || !slices.Equal(whole, sorted) {
			t.Errorf("the list is %v", whole)
		}
		for limit := 1; limit <= len(whole)+1; limit++ {
			var all []string
			for p := (store.Page{Limit: limit}); ; {
				page, next, err := l.read(t, s, theCenter, p)
				must(t, err)
				if len(page) > limit {
					t.Fatalf("a page of %d rows for the limit %d", len(page), limit)
				}
				all = append(all, page...)
				if p.Cursor = next; next == "" {
					break
				}
			}
			if diff := cmp.Diff(whole, all); diff != "" {
				t.Errorf("in pages of %d (-whole +pages):\n%s", limit, diff)
			}
		}
	})
}

// Guarantee 6: a cursor stays good while rows are added: what was there is listed once, and nothing new pushes into it.
func TestListCursorsAreStable(t *testing.T) {
	eachList(t, 6, func(t *testing.T, s *storetest.Opened, l list) {
		before, _, err := l.read(t, s, theCenter, store.Page{})
		must(t, err)
		var all []string
		later := moment().Add(time.Minute)
		for p := (store.Page{Limit: 2}); len(all) < len(before); {
			page, next, err := l.read(t, s, theCenter, p)
			must(t, err)
			all = append(all, page...)
			p.Cursor = next
			l.add(t, s, later)
			later = later.Add(time.Second)
		}
		if diff := cmp.Diff(before, all[:len(before)]); diff != "" {
			t.Errorf("while rows were added (-before +pages):\n%s", diff)
		}
	})
}

// I7: a page has a default size and a largest one.
func TestListLimits(t *testing.T) {
	eachList(t, 0, func(t *testing.T, s *storetest.Opened, l list) {
		var changes []hook.Change
		for range store.PageLimitMax + 5 {
			changes = append(changes, create(newInteraction(), "q"))
		}
		change(t, s, moment(), changes...)
		events(t, s, theCenter) // waits until all can be read
		if l.name == "webhooks" {
			for range store.PageLimitDefault + 5 {
				l.add(t, s, moment())
			}
		}
		for limit, want := range map[int]int{
			-1: 1, 0: store.PageLimitDefault, 1: 1, store.PageLimitMax: store.PageLimitMax, store.PageLimitMax + 1: store.PageLimitMax,
		} {
			if l.name == "webhooks" {
				want = min(want, store.PageLimitDefault+6)
			}
			page, _, err := l.read(t, s, theCenter, store.Page{Limit: limit})
			must(t, err)
			if len(page) != want {
				t.Errorf("limit %d: %d rows, want %d", limit, len(page), want)
			}
		}
	})
}

// Guarantee 6: a text that no list returned is no cursor, and says so; one that points nowhere lists nothing that is wrong.
func TestListBadCursors(t *testing.T) {
	eachList(t, 1, func(t *testing.T, s *storetest.Opened, l list) {
		for _, cursor := range []string{
			"x", "not a cursor", "AAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAA\x00", "ÄÄÄÄÄÄÄÄ",
			base64.RawURLEncoding.EncodeToString(make([]byte, 13)), base64.RawURLEncoding.EncodeToString(make([]byte, 11)),
		} {
			if _, _, err := l.read(t, s, theCenter, store.Page{Cursor: cursor}); !errors.Is(err, hook.ErrBadID) {
				t.Errorf("cursor %q: %v, want %v", cursor, err, hook.ErrBadID)
			}
		}
		before, after := store.Cursor(0, 0), store.Cursor(1<<62, 1<<30)
		if l.oldestFirst {
			before, after = after, before
		}
		for cursor, want := range map[string]int{before: 0, after: len(mustRead(t, s, l))} {
			page, _, err := l.read(t, s, theCenter, store.Page{Cursor: cursor})
			if err != nil || len(page) != want {
				t.Errorf("cursor %s: %v, %v; want %d rows", cursor, page, err, want)
			}
		}
	})
}

func mustRead(t *testing.T, s *storetest.Opened, l list) []string {
	t.Helper()
	page, _, err := l.read(t, s, theCenter, store.Page{})
	must(t, err)
	return page
}

// Guarantee of the contract's end: what belongs to another contact centre is not found, whichever way it is asked for.
func TestListsAreIsolated(t *testing.T) {
	eachList(t, 3, func(t *testing.T, s *storetest.Opened, l list) {
		other := contactCenter(t, s, "other")
		whole := mustRead(t, s, l)
		page, next, err := l.read(t, s, other.Number, store.Page{})
		if err != nil || len(page) != 0 || next != "" {
			t.Errorf("the other contact centre sees %v, %q, %v", page, next, err)
		}
		_, cursor, err := l.read(t, s, theCenter, store.Page{Limit: 1})
		must(t, err)
		if page, _, err := l.read(t, s, other.Number, store.Page{Cursor: cursor}); err != nil || len(page) != 0 {
			t.Errorf("with a cursor it sees %v, %v", page, err)
		}
		w := webhook(t, s, other.Number)
		_, err = s.AcceptChanges(t.Context(), other.Number, moment(), []hook.Change{create(newInteraction(), "q")}, nil)
		must(t, err)
		claimOne(t, s, moment(), w)
		if diff := cmp.Diff(whole, mustRead(t, s, l)); diff != "" {
			t.Errorf("what the other one has is seen here (-before +after):\n%s", diff)
		}
	})
}

// Guarantee of the contract's end: every method that takes an id finds it in its own contact centre alone.
func TestIDsAreIsolated(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		other := contactCenter(t, s, "other").Number
		w := webhook(t, s, theCenter)
		i := change(t, s, now, create(newInteraction(), "q"))
		d := deliver(t, s, now, w)[0]
		before := snapshot(t, s)
		asks := map[string]func(center hook.ContactCenterNumber) error{
			"interaction": func(c hook.ContactCenterNumber) error { _, err := s.Interaction(t.Context(), c, i.ID); return err },
			"delivery":    func(c hook.ContactCenterNumber) error { _, err := s.Delivery(t.Context(), c, d.ID()); return err },
			"replay": func(c hook.ContactCenterNumber) error {
				_, err := s.ReplayDelivery(t.Context(), c, d.ID(), now, nil)
				return err
			},
			"webhook": func(c hook.ContactCenterNumber) error { _, err := s.Webhook(t.Context(), c, w.ID); return err },
			"update webhook": func(c hook.ContactCenterNumber) error {
				_, err := s.UpdateWebhook(t.Context(), c, w.ID, now, func(*hook.Webhook) error { return nil })
				return err
			},
			"enable webhook": func(c hook.ContactCenterNumber) error {
				_, err := s.EnableWebhook(t.Context(), c, w.ID, now, true, nil)
				return err
			},
			"change": func(c hook.ContactCenterNumber) error {
				results, err := s.AcceptChanges(t.Context(), c, now, []hook.Change{stop(i.ID)}, nil)
				must(t, err)
				return results[0].Err
			},
			"delete webhook": func(c hook.ContactCenterNumber) error { return s.DeleteWebhook(t.Context(), c, w.ID, now) },
		}
		for name, ask := range asks {
			if err := ask(other); !errors.Is(err, hook.ErrNotFound) {
				t.Errorf("%s from another contact centre: %v", name, err)
			}
		}
		if diff := cmp.Diff(before, snapshot(t, s), same(), unkeyed()); diff != "" {
			t.Errorf("another contact centre changed something (-before +after):\n%s", diff)
		}
		for _, name := range slices.Sorted(maps.Keys(asks)) {
			if name == "delete webhook" {
				continue
			}
			if err := asks[name](theCenter); err != nil {
				t.Errorf("%s from its own: %v", name, err)
			}
		}
		must(t, asks["delete webhook"](theCenter))

		// The same id may be used in two contact centres, for two interactions.
		twin, err := s.AcceptChanges(t.Context(), other, now, []hook.Change{create(i.ID, "")}, nil)
		if err != nil || twin[0].Err != nil {
			t.Errorf("the same id elsewhere: %v, %v", err, twin)
		}
		for _, f := range []store.DeliveryFilter{{Webhook: w.ID}, {Interaction: i.ID}} {
			list, _, err := s.Deliveries(t.Context(), other, f, store.Page{})
			if err != nil || len(list) != 0 {
				t.Errorf("deliveries of another contact centre's %+v: %d, %v", f, len(list), err)
			}
		}
	})
}

// Guarantee 6: each filter lets through what it names, alone and with others.
func TestListInteractionFilters(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, start := e.Open(t), moment()
		at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
		session := hook.SessionID{UUID: newUUID()}
		ids := make([]hook.InteractionID, 5)
		for n := range ids {
			ids[n] = newInteraction()
			c := create(ids[n], []string{"", "support", "support", "sales", "sales"}[n])
			if n%2 == 1 {
				c.Draft.Media, c.Draft.Subtype = "email", "Outbound"
			}
			if n >= 3 {
				c.Draft.SessionID = session
			}
			change(t, s, at(n), c)
		}
		change(t, s, at(5), accept(ids[2], "x"), stop(ids[3]), accept(ids[4], "x"), stop(ids[4]))
		for _, tt := range []struct {
			name   string
			filter store.InteractionFilter
			want   []int
		}{
			{"nothing", store.InteractionFilter{}, []int{4, 3, 2, 1, 0}},
			{"NEW", store.InteractionFilter{State: hook.StateNew}, []int{0}},
			{"QUEUED", store.InteractionFilter{State: hook.StateQueued}, []int{1}},
			{"IN_PROCESS", store.InteractionFilter{State: hook.StateInProcess}, []int{2}},
			{"STOPPED", store.InteractionFilter{State: hook.StateStopped}, []int{4, 3}},
			{"open", store.InteractionFilter{Open: true}, []int{2, 1, 0}},
			{"media type", store.InteractionFilter{Media: "email"}, []int{3, 1}},
			{"subtype", store.InteractionFilter{Subtype: "InboundNew"}, []int{4, 2, 0}},
			{"queue", store.InteractionFilter{Queue: "support"}, []int{2, 1}},
			{"queue that is none", store.InteractionFilter{Queue: "' OR 1=1"}, nil},
			{"session", store.InteractionFilter{SessionID: session}, []int{4, 3}},
			{"created after, exclusive", store.InteractionFilter{CreatedAfter: at(2)}, []int{4, 3}},
			{"created before, exclusive", store.InteractionFilter{CreatedBefore: at(2)}, []int{1, 0}},
			{"created between", store.InteractionFilter{CreatedAfter: at(0), CreatedBefore: at(4)}, []int{3, 2, 1}},
			{"long ago and far away", store.InteractionFilter{CreatedAfter: time.Unix(-1<<40, 0), CreatedBefore: time.Unix(1<<40, 0)}, []int{4, 3, 2, 1, 0}},
			{"several", store.InteractionFilter{Open: true, Media: "email", Queue: "support", CreatedAfter: at(0)}, []int{1}},
		} {
			for _, limit := range []int{1, 50} {
				var got []int
				for p := (store.Page{Limit: limit}); ; {
					page, next, err := s.Interactions(t.Context(), theCenter, tt.filter, p)
					must(t, err)
					for _, i := range page {
						got = append(got, slices.Index(ids, i.ID))
					}
					if p.Cursor = next; next == "" {
						break
					}
				}
				if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s, in pages of %d (-want +got):\n%s", tt.name, limit, diff)
				}
			}
		}
	})
}

// Guarantee 6: each filter of deliveries lets through what it names, whether a delivery is open or delivered.
func TestListDeliveryFilters(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, start := e.Open(t), moment()
		at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
		w, off := webhook(t, s, theCenter), webhook(t, s, theCenter, disabled)
		all := []*hook.Webhook{w, off}
		ids := make([]hook.InteractionID, 4)
		for n := range ids {
			ids[n] = newInteraction()
			change(t, s, at(n), create(ids[n], "q"))
		}
		claimed := claim(t, s, at(4), w, 3)
		record(t, s, at(4), acknowledges(claimed[0], at(4)), exhausts(claimed[1], at(4)), fails(claimed[2], at(4), at(9)))
		change(t, s, at(5), stop(ids[0]), stop(ids[2]))
		const (
			d0, e1, p2, p3 = "STARTED to 0: delivered, 1", "STARTED to 0: exhausted, 1", "STARTED to 0: pending, 1", "STARTED to 0: pending, 0"
			held           = "STARTED to 1: held, 0"
			f0, f0off      = "FINISHED to 0: pending, 0", "FINISHED to 1: waiting, 0"
			f2, f2off      = "FINISHED to 0: waiting, 0", "FINISHED to 1: waiting, 0"
		)
		for _, tt := range []struct {
			name   string
			filter store.DeliveryFilter
			want   []string
		}{
			{"nothing", store.DeliveryFilter{}, []string{d0, held, e1, held, p2, held, p3, held, f0, f0off, f2, f2off}},
			{"delivered", store.DeliveryFilter{State: hook.DeliveryDelivered}, []string{d0}},
			{"exhausted", store.DeliveryFilter{State: hook.DeliveryExhausted}, []string{e1}},
			{"pending", store.DeliveryFilter{State: hook.DeliveryPending}, []string{p2, p3, f0, f0off, f2, f2off}},
			{"held", store.DeliveryFilter{State: hook.DeliveryHeld}, []string{held, held, held, held}},
			{"webhook", store.DeliveryFilter{Webhook: off.ID}, []string{held, held, held, held, f0off, f2off}},
			{"webhook that is none", store.DeliveryFilter{Webhook: hook.WebhookID{UUID: newUUID()}}, nil},
			{"interaction", store.DeliveryFilter{Interaction: ids[0]}, []string{d0, held, f0, f0off}},
			{"interaction without FINISHED", store.DeliveryFilter{Interaction: ids[1]}, []string{e1, held}},
			{"interaction that is none", store.DeliveryFilter{Interaction: newInteraction()}, nil},
			{"event", store.DeliveryFilter{Event: "FINISHED"}, []string{f0, f0off, f2, f2off}},
			{"from, inclusive", store.DeliveryFilter{From: at(3)}, []string{p3, held, f0, f0off, f2, f2off}},
			{"to, exclusive", store.DeliveryFilter{To: at(1)}, []string{d0, held}},
			{"to, exclusive, when a FINISHED occurred", store.DeliveryFilter{To: at(5)}, []string{d0, held, e1, held, p2, held, p3, held}},
			{"from and to", store.DeliveryFilter{From: at(1), To: at(2)}, []string{e1, held}},
			{"several", store.DeliveryFilter{State: hook.DeliveryPending, Webhook: w.ID, Event: "STARTED", From: at(0), To: at(3)}, []string{p2}},
		} {
			if diff := cmp.Diff(tt.want, states(deliveries(t, s, theCenter, tt.filter), all...), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
			var paged []*store.Delivery
			for p := (store.Page{Limit: 1}); ; {
				page, next, err := s.Deliveries(t.Context(), theCenter, tt.filter, p)
				must(t, err)
				paged = append(paged, page...)
				if p.Cursor = next; next == "" {
					break
				}
			}
			slices.Reverse(paged)
			if diff := cmp.Diff(tt.want, states(paged, all...), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s, in pages of one (-want +got):\n%s", tt.name, diff)
			}
		}
	})
}

// Guarantee 6: a delivery that is delivered or replayed while a list is read, before whichever of its queries, is in the list once.
func TestListDeliveryWhileChanged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		now := moment()
		meanwhile := func() {}
		s := e.Open(t, storetest.Before(func(s *store.Store) {
			s.Watch(&store.Spy{Statement: func(text string, _ []any) {
				if strings.HasPrefix(text, "SELECT") && (strings.Contains(text, " d.event") || strings.Contains(text, " a.event")) {
					meanwhile()
				}
			}})
		}))
		w := webhook(t, s, theCenter)
		for name, tt := range map[string]struct {
			change func() func() // makes a delivery, and returns what happens to it
			fewest int           // queries, so that the test sees all of them
		}{
			"delivered": {func() func() {
				change(t, s, now, create(newInteraction(), "q"))
				d := claimOne(t, s, now, w)
				return func() { record(t, s, now, acknowledges(d, now)) }
			}, 5},
			"replayed": {func() func() {
				change(t, s, now, create(newInteraction(), "q"))
				id := deliver(t, s, now, w)[0].ID()
				return func() { replay(t, s, now, id) }
			}, 5},
		} {
			for at, queries := 0, 1; at < queries; at++ {
				happen := tt.change()
				before := len(deliveries(t, s, theCenter, store.DeliveryFilter{}))
				queries = 0
				meanwhile = func() {
					hook := meanwhile
					meanwhile = func() {}
					if queries++; queries == at+1 {
						happen()
					}
					meanwhile = hook
				}
				got := deliveries(t, s, theCenter, store.DeliveryFilter{})
				meanwhile = func() {}
				if len(got) != before {
					t.Errorf("%s before query %d: %d deliveries are listed, want %d", name, at+1, len(got), before)
				}
				if queries < tt.fewest {
					t.Errorf("%s: only %d queries were seen", name, queries)
				}
				deliver(t, s, now, w) // nothing is left for the next round
			}
		}
	})
}

// Guarantee 6: a delivery that is replayed while it is looked for is found.
func TestDeliveryWhileReplayed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		now := moment()
		meanwhile := func() {}
		s := e.Open(t, storetest.Before(func(s *store.Store) {
			s.Watch(&store.Spy{Statement: func(text string, _ []any) {
				if strings.Contains(text, "FROM attempts a JOIN") {
					meanwhile()
				}
			}})
		}))
		w := webhook(t, s, theCenter)
		change(t, s, now, create(newInteraction(), "q"))
		id := deliver(t, s, now, w)[0].ID()
		meanwhile = func() {
			meanwhile = func() {}
			replay(t, s, now, id)
		}
		if d := delivery(t, s, id); d.State != hook.DeliveryPending || d.AttemptsMade != 1 {
			t.Errorf("found %+v", d)
		}
	})
}

// Guarantee 6: events are pulled in the order of their commits, each with its interaction as it is now, and an empty page
// gives a cursor to go on from.
func TestListEvents(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		none, cursor, err := s.Events(t.Context(), theCenter, "", 10)
		if err != nil || len(none) != 0 || cursor == "" {
			t.Fatalf("with no events: %v, %q, %v", none, cursor, err)
		}
		id := newInteraction()
		change(t, s, now, create(id, "q"))
		change(t, s, now.Add(-time.Hour), create(newInteraction(), "q")) // the clock was set back
		change(t, s, now, stop(id))
		events(t, s, theCenter) // waits until all can be read
		var got []string
		for range 3 {
			page, next, err := s.Events(t.Context(), theCenter, cursor, 1)
			must(t, err)
			r := page[0]
			got = append(got, fmt.Sprintf("%s, now %s", r.Event.Kind, r.Interaction.State))
			if next != r.Cursor {
				t.Errorf("the page goes on at %q, its last event at %q", next, r.Cursor)
			}
			cursor = next
		}
		if diff := cmp.Diff([]string{"STARTED, now STOPPED", "STARTED, now QUEUED", "FINISHED, now STOPPED"}, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if page, same, err := s.Events(t.Context(), theCenter, cursor, 10); err != nil || len(page) != 0 || same != cursor {
			t.Errorf("after the last: %v, %q, %v", page, same, err)
		}
	})
}
