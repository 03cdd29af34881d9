package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// shared runs a test on every engine that many processes can use, with two stores open on one database.
func shared(t *testing.T, test func(t *testing.T, a, b *storetest.Opened)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		if a := e.Open(t); e.Shared {
			test(t, a, a.Join(t))
		}
	})
}

// Guarantee 6 on PostgreSQL: no statement scans a table that grows, in whichever order of statistics: with the tables as good as
// empty, and with them full and analysed.
func TestPostgresPlans(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		if e.Name != "postgres" {
			return // TestSQLitePlans
		}
		var mu sync.Mutex // guards calls
		calls := map[string][]any{}
		l := &lane{room: true}
		s := e.Open(t, l.option(), storetest.Before(func(s *store.Store) {
			s.Watch(&store.Spy{Statement: func(text string, args []any) {
				mu.Lock()
				defer mu.Unlock()
				calls[text] = args
			}})
		}))
		exercise(t, s, l)
		mu.Lock()
		executed := maps.Clone(calls)
		mu.Unlock()
		if len(executed) < 40 {
			t.Errorf("%d statements were executed: the exercise does too little", len(executed))
		}
		executed[store.SelectForeign] = nil
		explain(t, s, executed)
		must(t, s.Write(t.Context(), `INSERT INTO deliveries (center, event, webhook, state, due_at) SELECT 1, n, 1, 1, n FROM generate_series(1, 20000) n`))
		must(t, s.Write(t.Context(), `INSERT INTO attempts (center, event, webhook, number, started_at, duration_us, status, failure, error, response)
			SELECT 1, n, 1, 1, n, 1, 200, 0, '', '' FROM generate_series(1, 20000) n`))
		// A history from before there were transactions in it: all of one.
		must(t, s.Write(t.Context(), `INSERT INTO interactions (center, serial, id, session_id, media, subtype, state, queue, content, created_at, submitted_at, started_event)
			SELECT 1, n, gen_random_uuid(), gen_random_uuid(), 1, 1, 2, 'q', '', n, n, n FROM generate_series(1, 20000) n`))
		must(t, s.Write(t.Context(), `INSERT INTO events (center, serial, interaction, kind, operation_id, occurred_at, payload)
			SELECT 1, n, n, 1, gen_random_uuid(), n, '' FROM generate_series(1, 20000) n`))
		must(t, s.Write(t.Context(), `ANALYZE`))
		explain(t, s, executed)
		explainMerged(t, s)
	})
}

func explain(t *testing.T, s *storetest.Opened, calls map[string][]any) {
	t.Helper()
	small := regexp.MustCompile(`Seq Scan on (webhooks|contact_centers|api_keys|catalogue|nodes|retention|trims|master_keys)\b`)
	inOrder := regexp.MustCompile(`^SELECT (DISTINCT )?(d\.event, d\.webhook|a\.event, a\.webhook|x\.event, x\.webhook|i\.serial) FROM`) // what looks for a page
	byKey := regexp.MustCompile(`^(DELETE FROM|UPDATE) deliveries .*event = \$2 AND webhook = \$3`)
	byPlace := map[string]*regexp.Regexp{ // what reads events in their order, and the part of the index that it reads
		"ORDER BY e.tx, e.serial":                       regexp.MustCompile(`events_by_commit on events e\n\s+Index Cond: .*ROW\(tx, serial\) > ROW.*tx < `),
		"ORDER BY e.tx DESC":                            regexp.MustCompile(`Backward using events_by_commit on events e\n\s+Index Cond: .*tx < `),
		"ORDER BY tx DESC":                              regexp.MustCompile(`Backward using events_by_commit on events\n\s+Index Cond: .*tx < `),
		"FROM events WHERE center = $1 AND serial < $2": regexp.MustCompile(`Backward using events_pkey on events\n\s+Index Cond: .*serial < `),
		"SELECT coalesce((SELECT tx FROM":               regexp.MustCompile(`events_pkey on events\n\s+Index Cond: .*serial = `),
		"INSERT INTO events":                            regexp.MustCompile(`events_pkey on events s\n\s+Index Cond: .*serial = `),
		"e.tx >= pg_snapshot_xmax":                      regexp.MustCompile(`events_by_commit on events e\n\s+Index Cond: .*tx >= `),
	}
	unseen := maps.Clone(byPlace)
	defer func() {
		for part := range unseen {
			t.Errorf("no statement has %q", part)
		}
	}()
	for text, args := range calls {
		plan, err := s.Explain(text, args...)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		all := strings.Join(plan, "\n\t")
		for _, step := range plan {
			if strings.Contains(step, "Seq Scan on") && !small.MatchString(step) {
				t.Errorf("%s\nscans:\n\t%s", text, all)
			}
		}
		for part, want := range byPlace {
			if strings.Contains(text, part) {
				delete(unseen, part)
			}
			if strings.Contains(text, part) && (!want.MatchString(all) || strings.Contains(all, "Sort")) {
				t.Errorf("%s\ndoes not read events by their places, want %s:\n\t%s", text, want, all)
			}
		}
		if byKey.MatchString(strings.ReplaceAll(text, "\n", " ")) && !strings.Contains(all, "using deliveries_pkey") {
			t.Errorf("%s\ndoes not find the delivery by its key:\n\t%s", text, all)
		}
		if inOrder.MatchString(text) && !strings.Contains(text, " IN (") && strings.Contains(all, "Sort") {
			t.Errorf("%s\nsorts, and does not read an index in the order of the list:\n\t%s", text, all)
		}
		if want, ok := map[string]string{store.WalkExhausted: "deliveries_exhausted_by_webhook on deliveries", store.WalkEvents: "events_pkey on events"}[text]; ok && (!strings.Contains(all, want) || strings.Contains(all, "Sort") && text == store.WalkExhausted) {
			t.Errorf("a replay does not walk along an index:\n\t%s", all)
		}
		if text == store.ClaimDue && (!regexp.MustCompile(`deliveries_due on deliveries\n\s+Index Cond: .*due_at <= `).MatchString(all) || strings.Contains(all, "Sort")) {
			t.Errorf("a claim does not read the index of what is due, in its order:\n\t%s", all)
		}
	}
}

// What is merged is found by its key too: without statistics, and with those of a small table, which PostgreSQL makes by itself
// as soon as fifty rows were written. With those of an empty one all indexes of interactions would look the same to it; the
// open set, which is as good as empty at any time, is found by its key even so.
func explainMerged(t *testing.T, s *storetest.Opened) {
	t.Helper()
	given := strings.NewReplacer("$1::bigint[]", "'{1,1,1}'::bigint[]", "$2::bigint[]", "'{1,2,3}'::bigint[]", "$3::bigint[]", "'{1,1,1}'::bigint[]",
		"$4::bigint[]", "'{1,1,1}'::bigint[]", "$2::uuid[]", "array_fill(gen_random_uuid(), ARRAY[3])",
		"$5::uuid[]", "array_fill(gen_random_uuid(), ARRAY[3])", "$6::bigint[]", "'{1,1,1}'::bigint[]", "$7::bytea[]", "array_fill(''::bytea, ARRAY[3])",
		"$8::bytea[]", "array_fill(''::bytea, ARRAY[3])", "$9::bigint[]", "'{0,1,2}'::bigint[]")
	insert := given.Replace(store.Merged(store.InsertEvent, theCenter, hook.Serial(1), hook.Serial(1), int64(1), newUUID(), int64(1), []byte{}, []byte{}, hook.Serial(0)))
	lock := given.Replace(store.Merged(store.LockInteraction, theCenter, newUUID()))
	lockOpen := given.Replace(store.Merged(store.LockStarted, theCenter, hook.Serial(1)))
	remove := given.Replace(store.Merged(store.DeliverDelivery, theCenter, hook.Serial(1), hook.WebhookNumber(1), int64(1)))
	for range 100 {
		change(t, s, moment(), create(newInteraction(), ""))
	}
	for _, prepare := range []string{`SELECT 1`, `ANALYZE interactions`, `ANALYZE events`, `DELETE FROM deliveries`, `ANALYZE deliveries`} {
		must(t, s.Write(t.Context(), prepare))
		for text, want := range map[string]string{
			insert:   "Index Cond: ((center = given.p1) AND (serial = given.p9))",
			lock:     "Index Cond: ((center = given.p1) AND (id = given.p2))",
			lockOpen: "Index Cond: ((center = given.p1) AND (event = given.p2))",
			remove:   "Index Cond: ((center = given.p1) AND (event = given.p2) AND (webhook = given.p3))",
		} {
			plan, err := s.Explain(text)
			must(t, err)
			if all := strings.Join(plan, "\n\t"); !strings.Contains(all, want) || strings.Contains(all, "Seq Scan") {
				t.Errorf("after %s, %s\ndoes not find rows by their key:\n\t%s", prepare, text, all)
			}
		}
	}
}

// A statement is merged where that cannot change what it means, and in no other case.
func TestMerged(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text string
		args []any
		want string
	}{
		"rows to insert": {
			`INSERT INTO t (a, b, c) VALUES ($1, 0, $2)`,
			[]any{int64(1), "x"},
			`INSERT INTO t (a, b, c) SELECT given.p1, 0, given.p2 FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS given(p1, p2, n)`,
		},
		"rows to lock": {
			"SELECT a FROM t\n\tWHERE b = $1 AND c = $2 {{for update}}",
			[]any{newUUID(), []byte{1}},
			`SELECT given.n, found.* FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS given(p1, p2, n)` +
				` CROSS JOIN LATERAL (SELECT a FROM t WHERE b = given.p1 AND c = given.p2 FOR UPDATE) AS found`,
		},
		"rows that are told apart by a column": {
			`INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO NOTHING {{tell b}}`,
			[]any{int64(1), int64(2)},
			`INSERT INTO t (a, b) SELECT given.p1, given.p2 FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS given(p1, p2, n)` +
				` ON CONFLICT (a) DO NOTHING RETURNING b`,
		},
		"a conflict whose rows cannot be told apart": {`INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO NOTHING`, []any{int64(1)}, ""},
		"a change": {`UPDATE t SET a = $1 WHERE b = $2`, []any{int64(1), int64(2)}, ""},
		"rows to remove": {
			`DELETE FROM t WHERE a = $1 AND b = $2 AND c + 0 = 1`,
			[]any{int64(1), int64(2)},
			`DELETE FROM t WHERE ctid = ANY (ARRAY(SELECT found.place FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS given(p1, p2, n)` +
				` CROSS JOIN LATERAL (SELECT ctid AS place FROM t WHERE a = given.p1 AND b = given.p2 AND c + 0 = 1 FOR UPDATE) AS found))` +
				` RETURNING a::bigint, b::bigint`,
		},
		"a removal without a key":    {`DELETE FROM t WHERE a <= $1`, []any{int64(1)}, ""},
		"a claim":                    {store.ClaimDue, []any{int64(1), int64(1), int64(1), int64(1), int64(1), int64(1)}, ""},
		"a query that locks nothing": {`SELECT a FROM t WHERE b = $1`, []any{int64(1)}, ""},
		"rows from a query":          {`INSERT INTO t (a) SELECT max(a) FROM t WHERE b = $1`, []any{int64(1)}, ""},
	} {
		if diff := cmp.Diff(tt.want, strings.TrimSpace(store.Merged(tt.text, tt.args...))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Tasks that decide about the same interaction are not executed beside each other, and one that says nothing about that is alone.
func TestWaves(t *testing.T) {
	t.Parallel()
	x, y, z := newInteraction(), newInteraction(), newInteraction()
	type ids = []hook.InteractionID
	for name, tt := range map[string]struct {
		callers []ids
		want    []int
	}{
		"different ones":           {[]ids{{x}, {y}, {z}}, []int{3}},
		"the same one twice":       {[]ids{{x}, {y}, {x}, {z}}, []int{2, 2}},
		"one of a batch":           {[]ids{{x, y}, {z}, {z, y}}, []int{2, 1}},
		"alone":                    {[]ids{{x}, nil, {y}}, []int{1, 1, 1}},
		"twice in one batch":       {[]ids{{x, x}, {y}}, []int{2}},
		"again and again":          {[]ids{{x}, {x}, {x}}, []int{1, 1, 1}},
		"nothing, beside anything": {[]ids{{}, {x}, {}}, []int{3}},
	} {
		if diff := cmp.Diff(tt.want, store.Waves(tt.callers...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Whatever many callers ask of the same interactions through two processes at once, each life is one life: one create of an id
// succeeds, one STARTED and at most one FINISHED is emitted, nobody is told that the store is not available, and once all is
// delivered a FINISHED was never due before its STARTED was acknowledged.
func TestSharedLives(t *testing.T) {
	shared(t, func(t *testing.T, a, b *storetest.Opened) {
		w := webhook(t, a, theCenter)
		now := moment()
		const callers, lives = 24, 40
		ids := make([]hook.InteractionID, lives)
		for i := range ids {
			ids[i] = newInteraction()
		}
		var mu sync.Mutex // guards created and finished
		created, finished := map[hook.InteractionID]int{}, 0
		var wg sync.WaitGroup
		for caller := range callers {
			s := []*storetest.Opened{a, b}[caller%2]
			random := rand.New(rand.NewPCG(uint64(caller), 1))
			wg.Go(func() {
				for _, i := range random.Perm(lives) {
					batch := []hook.Change{create(ids[i], "q")}
					if random.IntN(2) == 0 {
						batch = append(batch, create(ids[(i+1)%lives], "q"), accept(ids[i], "x"))
					}
					if random.IntN(3) > 0 {
						batch = append(batch, stop(ids[random.IntN(lives)]), stop(ids[i]))
					}
					results, err := s.AcceptChanges(t.Context(), theCenter, now, batch, nil)
					if err != nil {
						t.Errorf("accept: %v", err)
						return
					}
					mu.Lock()
					for j, r := range results {
						if batch[j].Op == hook.OpCreate && r.Err == nil {
							created[batch[j].ID]++
						}
					}
					mu.Unlock()
				}
			})
		}
		order := map[hook.InteractionID][]string{}
		working, stopWorking := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		for _, s := range []*storetest.Opened{a, b, a, b} {
			workers.Go(func() {
				for working.Err() == nil {
					claimed, err := s.Claim(t.Context(), time.Now().Add(time.Hour), w.Number, 16)
					if err != nil {
						t.Errorf("claim: %v", err)
						return
					}
					outcomes := make([]hook.Outcome, len(claimed))
					mu.Lock()
					for i, d := range claimed {
						outcomes[i] = acknowledges(d, now)
						order[d.Event.InteractionID] = append(order[d.Event.InteractionID], string(d.Event.Kind))
					}
					mu.Unlock()
					if _, err := s.Record(t.Context(), time.Now(), outcomes); err != nil {
						t.Errorf("record: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
		stopWorking()
		workers.Wait()
		later := time.Now().Add(2 * time.Hour)
		for range 3 {
			for _, d := range deliver(t, b, later, w) {
				order[d.Event.InteractionID] = append(order[d.Event.InteractionID], string(d.Event.Kind))
			}
		}
		for _, id := range ids {
			if created[id] != 1 {
				t.Errorf("%d creates of %s succeeded", created[id], id)
			}
			i, err := a.Interaction(t.Context(), theCenter, id)
			must(t, err)
			want := []string{"STARTED"}
			if i.State == hook.StateStopped {
				finished++
				want = append(want, "FINISHED")
			}
			if diff := cmp.Diff(want, order[id]); diff != "" {
				t.Errorf("%s is %s; its events (-want +got):\n%s", id, i.State, diff)
			}
		}
		if finished == 0 {
			t.Error("nothing was stopped")
		}
	})
}

// A request repeated under its Idempotency-Key while the first one is still being made, through another process, is made once.
func TestSharedOnce(t *testing.T) {
	shared(t, func(t *testing.T, a, b *storetest.Opened) {
		var mu sync.Mutex // guards made and answered
		made, answered := 0, 0
		var wg sync.WaitGroup
		for caller := range 16 {
			s := []*storetest.Opened{a, b}[caller%2]
			wg.Go(func() {
				for request := range 20 {
					once := onceChanges(fmt.Sprint("key ", request), byte(request))
					_, err := s.AcceptChanges(t.Context(), theCenter, moment(), []hook.Change{create(newInteraction(), "q")}, once)
					mu.Lock()
					if before := new(store.AnsweredError); errors.As(err, &before) {
						answered++
					} else if err == nil {
						made++
					} else {
						t.Errorf("accept: %v", err)
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if made != 20 || answered != 15*20 {
			t.Errorf("%d were made and %d answered again, want 20 and 300", made, answered)
		}
	})
}

// A webhook counts from the answer on, in every process: for deliveries, for those who read it, and for claims.
func TestSharedWebhooks(t *testing.T) {
	shared(t, func(t *testing.T, a, b *storetest.Opened) {
		for round := range 5 {
			w := webhook(t, a, theCenter)
			if _, err := b.Webhook(t.Context(), theCenter, w.ID); err != nil {
				t.Fatalf("read by the other: %v", err)
			}
			w2 := webhook(t, b, theCenter)
			if w.Number == w2.Number {
				t.Fatalf("two webhooks have number %d", w.Number)
			}
			change(t, a, moment(), create(newInteraction(), "q"))
			change(t, b, moment(), create(newInteraction(), "q"))
			for _, made := range []*hook.Webhook{w, w2} {
				if n := len(deliveries(t, a, theCenter, store.DeliveryFilter{Webhook: made.ID})); n != 2 {
					t.Errorf("round %d: %d deliveries to webhook %d, want 2", round, n, made.Number)
				}
			}
			_, err := b.EnableWebhook(t.Context(), theCenter, w.ID, moment(), false, nil)
			must(t, err)
			if got := claim(t, a, time.Now(), w, 10); len(got) != 0 {
				t.Errorf("claimed %d deliveries of a webhook that another process had disabled", len(got))
			}
			must(t, b.DeleteWebhook(t.Context(), theCenter, w.ID, moment()))
			must(t, a.DeleteWebhook(t.Context(), theCenter, w2.ID, moment()))
			change(t, a, moment(), create(newInteraction(), "q"))
			if n := len(deliveries(t, b, theCenter, store.DeliveryFilter{State: hook.DeliveryHeld})); n != 4*(round+1) {
				t.Errorf("round %d: %d deliveries of deleted webhooks", round, n)
			}
		}
		if _, err := a.CreateContactCenter(t.Context(), moment(), "north", "North", nil); err != nil {
			t.Fatal(err)
		}
		if _, err := b.ContactCenter("north"); err != nil {
			t.Errorf("the other process: %v", err)
		}
		must(t, a.SetAdminKey(t.Context(), moment(), [32]byte{7}))
		if _, err := b.FindCaller(hook.KeyProof{Hash: [32]byte{7}}, moment()); err != nil {
			t.Error("the other process does not know the key")
		}
	})
}

// Serials of two processes differ, and one that follows another process's comes after it, whatever the clocks say.
func TestSharedSerials(t *testing.T) {
	shared(t, func(t *testing.T, a, b *storetest.Opened) {
		now, id := moment(), newInteraction()
		change(t, a, now.Add(time.Hour), create(id, "q")) // its clock is ahead
		stopped := change(t, b, now, stop(id))
		if stopped.Stopped.Event <= stopped.StartedEvent {
			t.Errorf("FINISHED is %d, and STARTED %d", stopped.Stopped.Event, stopped.StartedEvent)
		}
		slots, err := a.Numbers(`SELECT slot FROM nodes WHERE until > 0 ORDER BY slot`)
		must(t, err)
		if diff := cmp.Diff([]int64{0, 1}, slots); diff != "" {
			t.Errorf("slots (-want +got):\n%s", diff)
		}
		b.Reopen(t) // a slot that was given back is taken again
		if slots, err = a.Numbers(`SELECT slot FROM nodes WHERE until > 0 ORDER BY slot`); len(slots) != 2 || err != nil {
			t.Errorf("slots %v, %v", slots, err)
		}
	})
}

// A transaction whose connection is ended before the commit is begun anew, and nobody is told; one that fails each time is not
// begun for ever.
func TestPostgresConnectionEnded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		if e.Name != "postgres" {
			return // there is no connection to lose
		}
		s := e.Open(t)
		must(t, s.Write(t.Context(), `CREATE SEQUENCE tries`))
		must(t, s.Write(t.Context(), `SELECT CASE WHEN nextval('tries') = 1 THEN pg_terminate_backend(pg_backend_pid()) END`))
		wantError(t, s.Write(t.Context(), `SELECT pg_terminate_backend(pg_backend_pid()) WHERE nextval('tries') > 0`), hook.ErrUnavailable)
		tries, err := s.Numbers(`SELECT last_value FROM tries`)
		if diff := cmp.Diff([]int64{2 + 5}, tries); diff != "" || err != nil {
			t.Errorf("%v, tries (-want +got):\n%s", err, diff)
		}
		must(t, s.Ready(t.Context()))
		change(t, s, moment(), create(newInteraction(), "q"))
	})
}

// A text that PostgreSQL cannot hold is kept as far as it can.
func TestPostgresTexts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		id := newInteraction()
		change(t, s, now, create(id, "a\x00b"))
		d := claimOne(t, s, now, w)
		o := fails(d, now, now.Add(time.Hour))
		o.Attempt.Error = "broken \xff\x00 text"
		if r := record(t, s, now, o); len(r.Late) != 0 {
			t.Error("late")
		}
		shown := delivery(t, s, d.ID())
		if got := shown.Attempts[0].Error; !strings.HasPrefix(got, "broken ") || !strings.HasSuffix(got, " text") {
			t.Errorf("%q", got)
		}
	})
}

// What is wrong with a URL, or cannot be reached, is said without the password.
func TestPostgresOpenRefused(t *testing.T) {
	for name, tt := range map[string]struct{ database, want string }{
		"a port that is none":      {"postgres://u:p4ss@127.0.0.1:x/d", "port"},
		"nobody listens":           {"postgres://u:p4ss@127.0.0.1:1/d", "127.0.0.1:1"},
		"an unknown parameter":     {"postgres://u:p4ss@127.0.0.1:1/d?sslmode=perhaps", "sslmode"},
		"a host that is not there": {"postgres://u:p4ss@nowhere.invalid/d", "nowhere.invalid"},
	} {
		_, err := store.Open(t.Context(), store.Options{Sealer: sealtest.Keyset(), Database: tt.database})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "p4ss") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
