package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// exerciseSearches lists deliveries with every filter, and with every two of them.
func exerciseSearches(t *testing.T, s *storetest.Opened, w *hook.Webhook, id hook.InteractionID) {
	t.Helper()
	i, err := s.Interaction(t.Context(), theCenter, id)
	must(t, err)
	filters := []func(*store.DeliveryFilter){
		func(*store.DeliveryFilter) {},
		func(f *store.DeliveryFilter) { f.State = hook.DeliveryPending },
		func(f *store.DeliveryFilter) { f.State, f.Failing = hook.DeliveryPending, true },
		func(f *store.DeliveryFilter) { f.State = hook.DeliveryExhausted },
		func(f *store.DeliveryFilter) { f.State = hook.DeliveryDelivered },
		func(f *store.DeliveryFilter) { f.State = hook.DeliveryHeld },
		func(f *store.DeliveryFilter) { f.Webhook = w.ID },
		func(f *store.DeliveryFilter) { f.Interaction = id },
		func(f *store.DeliveryFilter) { f.Session = i.SessionID },
		func(f *store.DeliveryFilter) { f.Event = "STARTED" },
		func(f *store.DeliveryFilter) { f.Media = "chat" },
		func(f *store.DeliveryFilter) { f.Status = 200 },
		func(f *store.DeliveryFilter) { f.Status = 503 },
		func(f *store.DeliveryFilter) { f.Failure = hook.FailureStatus },
		func(f *store.DeliveryFilter) { f.From = moment() },
		func(f *store.DeliveryFilter) { f.To = moment() },
	}
	for n, one := range filters {
		for _, other := range filters[n:] {
			var f store.DeliveryFilter
			one(&f)
			other(&f)
			_, _, err := s.Deliveries(t.Context(), theCenter, f, store.Page{})
			must(t, err)
		}
	}
	// With a filter that the interaction and the session do not make needless.
	busy := store.DeliveryFilter{Webhook: w.ID, Event: "STARTED", Media: "chat", Status: 503, Failure: hook.FailureStatus}
	for _, state := range []hook.DeliveryState{0, hook.DeliveryPending, hook.DeliveryExhausted, hook.DeliveryDelivered, hook.DeliveryHeld} {
		busy.State = state
		_, _, err := s.Deliveries(t.Context(), theCenter, busy, store.Page{})
		must(t, err)
	}
	for _, newest := range []bool{false, true} {
		_, err := s.OpenInteractions(t.Context(), theCenter, store.OpenFilter{Newest: newest, Limit: 1})
		must(t, err)
	}
}

// Guarantee 6: the filters that are about attempts look at all attempts of a delivery, and those about its interaction at that.
func TestListDeliverySearches(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, start := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		session := hook.SessionID{UUID: newUUID()}
		ids := make([]hook.InteractionID, 5)
		for n := range ids {
			ids[n] = newInteraction()
			c := create(ids[n], "q")
			if n%2 == 1 {
				c.Draft.Media, c.Draft.Subtype = "email", "Outbound"
			}
			if n >= 3 {
				c.Draft.SessionID = session
			}
			change(t, s, start.Add(time.Duration(n)*time.Second), c)
		}
		// What comes of each: 0 is delivered after a 503 and a 503, 1 exhausted by a timeout, 2 pending after a 500 and a timeout,
		// 3 delivered at once, 4 never tried.
		now := start.Add(time.Minute)
		script := [][]hook.Attempt{
			{{Status: 503, Failure: hook.FailureStatus}, {Status: 503, Failure: hook.FailureStatus}, {Status: 200}},
			{{Failure: hook.FailureTimeout}},
			{{Status: 500, Failure: hook.FailureStatus}, {Failure: hook.FailureTimeout}},
			{{Status: 200}},
			nil,
		}
		for round := range 3 {
			for _, d := range claim(t, s, now, w, len(ids)) {
				n := slices.Index(ids, d.Event.InteractionID)
				if round >= len(script[n]) {
					must(t, s.Release(t.Context(), now, []*hook.Delivery{d}))
					continue
				}
				o := hook.Outcome{Delivery: d, Attempt: script[n][round]}
				o.Attempt.Number, o.Attempt.StartedAt = round+1, now
				if n != 1 && !o.Attempt.Acknowledged() {
					o.Next = now
				}
				record(t, s, now, o)
			}
		}
		for _, tt := range []struct {
			name   string
			filter store.DeliveryFilter
			want   []int
		}{
			{"status", store.DeliveryFilter{Status: 503}, []int{0}},
			{"status of an acknowledgement", store.DeliveryFilter{Status: 200}, []int{0, 3}},
			{"status that nobody had", store.DeliveryFilter{Status: 418}, nil},
			{"failure", store.DeliveryFilter{Failure: hook.FailureTimeout}, []int{1, 2}},
			{"failure that nobody had", store.DeliveryFilter{Failure: hook.FailureDNS}, nil},
			{"status and failure of one attempt", store.DeliveryFilter{Status: 500, Failure: hook.FailureStatus}, []int{2}},
			{"status and failure of different attempts", store.DeliveryFilter{Status: 500, Failure: hook.FailureTimeout}, nil},
			{"status 200 and a failure of another attempt", store.DeliveryFilter{Status: 200, Failure: hook.FailureStatus}, nil},
			{"failure and delivered", store.DeliveryFilter{Failure: hook.FailureStatus, State: hook.DeliveryDelivered}, []int{0}},
			{"failure and exhausted", store.DeliveryFilter{Failure: hook.FailureTimeout, State: hook.DeliveryExhausted}, []int{1}},
			{"failure and pending", store.DeliveryFilter{Failure: hook.FailureTimeout, State: hook.DeliveryPending}, []int{2}},
			{"failure and held", store.DeliveryFilter{Failure: hook.FailureTimeout, State: hook.DeliveryHeld}, nil},
			{"failure and interaction", store.DeliveryFilter{Failure: hook.FailureStatus, Interaction: ids[2]}, []int{2}},
			{"failure and another interaction", store.DeliveryFilter{Failure: hook.FailureStatus, Interaction: ids[1]}, nil},
			{"failure and media type", store.DeliveryFilter{Failure: hook.FailureTimeout, Media: "email"}, []int{1}},
			{"failure and webhook", store.DeliveryFilter{Failure: hook.FailureTimeout, Webhook: w.ID}, []int{1, 2}},
			{"exhausted and webhook", store.DeliveryFilter{State: hook.DeliveryExhausted, Webhook: w.ID}, []int{1}},
			{"pending and webhook", store.DeliveryFilter{State: hook.DeliveryPending, Webhook: w.ID}, []int{2, 4}},
			{"media type", store.DeliveryFilter{Media: "email"}, []int{1, 3}},
			{"media type and status", store.DeliveryFilter{Media: "email", Status: 200}, []int{3}},
			{"session", store.DeliveryFilter{Session: session}, []int{3, 4}},
			{"session that is none", store.DeliveryFilter{Session: hook.SessionID{UUID: newUUID()}}, nil},
			{"session and its interaction", store.DeliveryFilter{Session: session, Interaction: ids[3]}, []int{3}},
			{"session and another interaction", store.DeliveryFilter{Session: session, Interaction: ids[0]}, nil},
			{"session and state", store.DeliveryFilter{Session: session, State: hook.DeliveryDelivered}, []int{3}},
			{"session and time", store.DeliveryFilter{Session: session, From: start.Add(4 * time.Second)}, []int{4}},
			{"failure and time", store.DeliveryFilter{Failure: hook.FailureTimeout, To: start.Add(2 * time.Second)}, []int{1}},
		} {
			for _, limit := range []int{1, 50} {
				got := interactionsIn(t, s, tt.filter, limit)
				var places []int
				for _, id := range got {
					places = append(places, slices.Index(ids, id))
				}
				slices.Reverse(places)
				if diff := cmp.Diff(tt.want, places, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s, in pages of %d (-want +got):\n%s", tt.name, limit, diff)
				}
			}
		}
	})
}

// Guarantee 6: whatever filters are combined, a list holds what filtering everything by hand gives, in that order.
func TestSearchesAgree(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, start := e.Open(t), moment()
		random := rand.New(rand.NewPCG(7, 11))
		webhooks := []*hook.Webhook{webhook(t, s, theCenter), webhook(t, s, theCenter), webhook(t, s, theCenter, disabled)}
		interactions := map[hook.InteractionID]*hook.Interaction{}
		sessions := []hook.SessionID{{UUID: newUUID()}, {UUID: newUUID()}, {UUID: newUUID()}}
		for n := range 30 {
			c := create(newInteraction(), "q")
			c.Draft.SessionID = sessions[random.IntN(len(sessions))]
			if random.IntN(3) == 0 {
				c.Draft.Media, c.Draft.Subtype = "email", "Outbound"
			}
			at := start.Add(time.Duration(n) * time.Second)
			i := change(t, s, at, c)
			interactions[i.ID] = i
			if random.IntN(2) == 0 {
				change(t, s, at.Add(100*time.Millisecond), stop(i.ID))
			}
		}
		now := start.Add(time.Minute)
		attempts := []hook.Attempt{
			{Status: 200},
			{Status: 200},
			{Status: 503, Failure: hook.FailureStatus},
			{Status: 500, Failure: hook.FailureStatus},
			{Failure: hook.FailureTimeout},
			{Status: 200, Failure: hook.FailureBroken},
		}
		for range 4 {
			for _, w := range webhooks[:2] {
				for _, d := range claim(t, s, now, w, 12) {
					o := hook.Outcome{Delivery: d, Attempt: attempts[random.IntN(len(attempts))]}
					o.Attempt.Number, o.Attempt.StartedAt = d.Attempts+1, now
					if !o.Attempt.Acknowledged() && random.IntN(3) > 0 {
						o.Next = now
					}
					record(t, s, now, o)
				}
			}
		}
		all := deliveries(t, s, theCenter, store.DeliveryFilter{})
		for n, d := range all {
			if random.IntN(8) == 0 && d.State == hook.DeliveryDelivered {
				replay(t, s, now, d.ID)
			}
			all[n] = delivery(t, s, d.ID)
		}
		checkSearches(t, s, all, interactions, webhooks, start)
	})
}

// A choice is a filter and what it lets through.
type choice struct {
	name string
	set  func(*store.DeliveryFilter)
	fits func(*store.Delivery) bool
}

func checkSearches(t *testing.T, s *storetest.Opened, all []*store.Delivery, interactions map[hook.InteractionID]*hook.Interaction, webhooks []*hook.Webhook, start time.Time) {
	t.Helper()
	choices := []choice{{"nothing", func(*store.DeliveryFilter) {}, func(*store.Delivery) bool { return true }}}
	for _, state := range []hook.DeliveryState{hook.DeliveryPending, hook.DeliveryHeld, hook.DeliveryExhausted, hook.DeliveryDelivered} {
		choices = append(choices, choice{state.String(), func(f *store.DeliveryFilter) { f.State = state }, func(d *store.Delivery) bool {
			return d.State == state || state == hook.DeliveryPending && d.State == hook.DeliveryWaiting
		}})
	}
	for n, w := range webhooks {
		choices = append(choices, choice{fmt.Sprint("webhook ", n), func(f *store.DeliveryFilter) { f.Webhook = w.ID }, func(d *store.Delivery) bool { return d.Webhook == w.ID }})
	}
	id, session := all[0].Interaction, interactions[all[len(all)/2].Interaction].SessionID
	from, to := start.Add(5*time.Second), start.Add(20*time.Second)
	choices = append(
		choices,
		choice{"interaction", func(f *store.DeliveryFilter) { f.Interaction = id }, func(d *store.Delivery) bool { return d.Interaction == id }},
		choice{"session", func(f *store.DeliveryFilter) { f.Session = session }, func(d *store.Delivery) bool { return interactions[d.Interaction].SessionID == session }},
		choice{"email", func(f *store.DeliveryFilter) { f.Media = "email" }, func(d *store.Delivery) bool { return interactions[d.Interaction].Media == "email" }},
		choice{"FINISHED", func(f *store.DeliveryFilter) { f.Event = "FINISHED" }, func(d *store.Delivery) bool { return d.Event == "FINISHED" }},
		choice{"from", func(f *store.DeliveryFilter) { f.From = from }, func(d *store.Delivery) bool { return !d.CreatedAt.Before(from) }},
		choice{"to", func(f *store.DeliveryFilter) { f.To = to }, func(d *store.Delivery) bool { return d.CreatedAt.Before(to) }},
	)
	for _, tried := range []hook.Attempt{{Status: 503}, {Status: 200}, {Failure: hook.FailureStatus}, {Failure: hook.FailureTimeout}, {Status: 200, Failure: hook.FailureBroken}, {Status: 500, Failure: hook.FailureStatus}} {
		choices = append(choices, choice{fmt.Sprintf("status %d, failure %q", tried.Status, tried.Failure), func(f *store.DeliveryFilter) {
			f.Status, f.Failure = tried.Status, tried.Failure
		}, func(d *store.Delivery) bool {
			return slices.ContainsFunc(d.Attempts, func(a hook.Attempt) bool {
				return (tried.Status == 0 || a.Status == tried.Status) && (tried.Failure == hook.FailureNone || a.Failure == tried.Failure)
			})
		}})
	}
	for n, one := range choices {
		for m, two := range choices[n:] {
			for _, three := range choices[n+m:] {
				var f store.DeliveryFilter
				for _, c := range []choice{one, two, three} {
					c.set(&f)
				}
				if f != set(f, one) || f != set(f, two) || f != set(f, three) {
					continue // two of them set one field
				}
				var want []hook.DeliveryID
				for _, d := range all {
					if one.fits(d) && two.fits(d) && three.fits(d) {
						want = append(want, d.ID)
					}
				}
				var got []hook.DeliveryID
				for _, d := range deliveries(t, s, theCenter, f) {
					got = append(got, d.ID)
				}
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s and %s and %s (-want +got):\n%s", one.name, two.name, three.name, diff)
				}
			}
		}
	}
}

// set is a filter with a choice's field set anew.
func set(f store.DeliveryFilter, c choice) store.DeliveryFilter {
	c.set(&f)
	return f
}

// interactionsIn names the deliveries of a list by their interactions, newest first.
func interactionsIn(t *testing.T, s *storetest.Opened, f store.DeliveryFilter, limit int) (ids []hook.InteractionID) {
	t.Helper()
	for p := (store.Page{Limit: limit}); ; {
		page, next, err := s.Deliveries(t.Context(), theCenter, f, p)
		must(t, err)
		for _, d := range page {
			ids = append(ids, d.Interaction)
		}
		if p.Cursor = next; next == "" {
			return ids
		}
	}
}

// Guarantee 6: a request looks at a bounded part of the store, and says where the next one goes on: whoever follows the cursors finds
// everything, though pages between are empty.
func TestSearchIsBounded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		const rows = 50_000
		s, now := e.Open(t), moment()
		w, rare := webhook(t, s, theCenter), webhook(t, s, theCenter)
		id := newInteraction()
		change(t, s, now, create(id, "rare"))
		i, err := s.Interaction(t.Context(), theCenter, id)
		must(t, err)
		// What is older is found behind all that is newer: interactions, and deliveries of one webhook, pending or delivered.
		for _, text := range []string{
			`INSERT INTO interactions (center, serial, id, session_id, media, subtype, state, created_at)
				SELECT center, serial + n, ` + map[bool]string{true: "gen_random_uuid()", false: "randomblob(16)"}[e.Shared] + `, session_id, 1, 1, 2, created_at FROM interactions, numbers`,
			`INSERT INTO events (center, serial, interaction, kind, operation_id, occurred_at, payload)
				SELECT e.center, e.serial + n, e.interaction, 1, e.operation_id, e.occurred_at, e.payload FROM events e, numbers`,
			`INSERT INTO deliveries (center, event, webhook, state, due_at, lease)
				SELECT d.center, d.event + n, d.webhook, d.state, d.due_at, 0 FROM deliveries d, numbers WHERE webhook = $2`,
		} {
			must(t, s.Write(t.Context(), `WITH RECURSIVE numbers(n) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n < $3) `+text, 1, w.Number, rows))
		}
		count := func(name string, wantPages int, read func(p store.Page) (int, string, error)) {
			t.Helper()
			found, pages := 0, 0
			for p := (store.Page{}); ; {
				n, next, err := read(p)
				must(t, err)
				found, pages = found+n, pages+1
				if p.Cursor = next; next == "" {
					break
				}
			}
			if found != 1 || pages < wantPages || wantPages == 1 && pages > 1 || pages > rows/store.SearchRowsFirst+1 {
				t.Errorf("%s: %d found on %d pages, want 1 on %d or more", name, found, pages, wantPages)
			}
		}
		deliveries := func(f store.DeliveryFilter) func(p store.Page) (int, string, error) {
			return func(p store.Page) (int, string, error) {
				list, next, err := s.Deliveries(t.Context(), theCenter, f, p)
				return len(list), next, err
			}
		}
		wantPages := rows/store.SearchRowsMax + 1
		count("deliveries of a rare webhook", wantPages, deliveries(store.DeliveryFilter{Webhook: rare.ID}))
		count("what is pending of a rare webhook", 1, deliveries(store.DeliveryFilter{Webhook: rare.ID, State: hook.DeliveryPending}))
		count("interactions of a rare queue", wantPages, func(p store.Page) (int, string, error) {
			list, next, err := s.Interactions(t.Context(), theCenter, store.InteractionFilter{Queue: "rare"}, p)
			return len(list), next, err
		})
		count("interactions of a rare queue in a session of many", wantPages, func(p store.Page) (int, string, error) {
			list, next, err := s.Interactions(t.Context(), theCenter, store.InteractionFilter{Queue: "rare", SessionID: i.SessionID}, p)
			return len(list), next, err
		})
		count("deliveries of a rare webhook in a session of many", wantPages, deliveries(store.DeliveryFilter{Webhook: rare.ID, Session: i.SessionID}))
	})
}

// A cursor is good for the list that gave it, and for no other; those of older versions do not say which that was.
func TestCursorsNameTheirList(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		webhook(t, s, theCenter)
		webhook(t, s, theCenter)
		for range 2 {
			change(t, s, now, create(newInteraction(), "q"))
		}
		for _, from := range lists() {
			_, cursor, err := from.read(t, s, theCenter, store.Page{Limit: 1})
			must(t, err)
			for _, to := range lists() {
				if _, _, err := to.read(t, s, theCenter, store.Page{Cursor: cursor}); from.name != "events" && to.name != "events" && (err == nil) != (from.name == to.name) {
					t.Errorf("a cursor of %s given to %s: %v", from.name, to.name, err)
				}
			}
		}
	})
}
