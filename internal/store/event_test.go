package store_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// follower reads the events of a contact centre as a receiver does, and waits for those that are to come.
type follower struct {
	store  *storetest.Opened
	random *rand.Rand
	cursor string
	read   []string // interaction and kind
}

// follow reads until it has read so many events.
func (f *follower) follow(ctx context.Context, want int) error {
	watch := f.store.WatchEvents(theCenter)
	defer watch.Close()
	for len(f.read) < want {
		arrived := watch.Arrived()
		page, next, err := f.store.Events(ctx, theCenter, f.cursor, 1+f.random.IntN(20))
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		for _, e := range page {
			f.read = append(f.read, fmt.Sprintf("%s of %s", e.Event.Kind, e.Event.InteractionID))
		}
		if f.cursor = next; len(page) > 0 {
			continue
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d events were read: %w", len(f.read), want, context.Cause(ctx))
		}
	}
	return nil
}

// connect opens a connection to a store's database, beside it.
func connect(t *testing.T, s *storetest.Opened) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), s.Database())
	must(t, err)
	t.Cleanup(func() { must(t, c.Close(context.Background())) })
	return c
}

// The feed: every reader reads every event once, all in one order, in which no FINISHED comes before its STARTED, while several
// processes write, one of whose clocks is behind, and while other transactions take long and make events late.
func TestEventsInOneOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		first := e.Open(t)
		stores := []*storetest.Opened{first}
		behind := []time.Duration{0}
		lateWriters := 0
		if e.Shared {
			stores, behind, lateWriters = append(stores, first.Join(t), first.Join(t)), append(behind, 0, 5*time.Minute), 3
		}
		const writers, lives, readers = 4, 40, 3
		want := 2*len(stores)*writers*lives + lateWriters*lives
		ctx, cancel := contextWithTimeout(t, time.Minute)
		defer cancel()
		var lateSerials atomic.Int64 // older than all others
		lateSerials.Store(int64(hook.SerialAt(time.Now().Add(-time.Hour))))
		var wg sync.WaitGroup
		for i, s := range stores {
			for range writers {
				wg.Go(func() { live(t, s, behind[i], lives) })
			}
		}
		for range lateWriters {
			c, s := connect(t, first), stores[1]
			wg.Go(func() {
				for range lives {
					if err := writeLate(ctx, c, s, &lateSerials); err != nil {
						t.Errorf("write late: %v", err)
						return
					}
				}
			})
		}
		followers := make([]*follower, readers*len(stores))
		for i := range followers {
			f := &follower{store: stores[i%len(stores)], random: rand.New(rand.NewPCG(uint64(i), 1))}
			followers[i] = f
			wg.Go(func() {
				if err := f.follow(ctx, want); err != nil {
					t.Errorf("reader %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		for i, f := range followers {
			if diff := cmp.Diff(followers[0].read, f.read); diff != "" {
				t.Errorf("reader %d and the first one (-first +other):\n%s", i, diff)
			}
		}
		checkOrder(t, followers[0].read, want)
	})
}

// checkOrder looks for events that were read twice, or a FINISHED before its STARTED.
func checkOrder(t *testing.T, read []string, want int) {
	t.Helper()
	seen := map[string]bool{}
	for _, one := range read {
		if seen[one] {
			t.Errorf("%s was read twice", one)
		}
		seen[one] = true
		if id, ok := strings.CutPrefix(one, "FINISHED"); ok && !seen["STARTED"+id] {
			t.Errorf("%s was read before its STARTED", one)
		}
	}
	if len(read) != want {
		t.Errorf("%d events were read, want %d", len(read), want)
	}
}

// live makes interactions that are started and finished.
func live(t *testing.T, s *storetest.Opened, behind time.Duration, lives int) {
	for range lives {
		id := newInteraction()
		for _, ch := range []hook.Change{create(id, "q"), stop(id)} {
			results, err := s.AcceptChanges(t.Context(), theCenter, moment().Add(-behind), []hook.Change{ch}, nil)
			if err != nil || results[0].Err != nil {
				t.Errorf("accept: %v, %+v", err, results)
				return
			}
		}
	}
}

// writeLate makes a STARTED in a transaction that is begun before others are committed, and is committed after them.
func writeLate(ctx context.Context, c *pgx.Conn, s *storetest.Opened, serials *atomic.Int64) error {
	id := newInteraction()
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	if _, err = tx.Exec(ctx, `SELECT pg_current_xact_id()`); err == nil {
		for range rand.IntN(4) { // it takes as long as these
			if _, err = s.AcceptChanges(ctx, theCenter, moment(), []hook.Change{create(newInteraction(), "")}, nil); err != nil {
				break
			}
		}
	}
	serial := serials.Add(2)
	if err == nil {
		_, err = tx.Exec(ctx, `INSERT INTO interactions (center, serial, id, session_id, media, subtype, state, queue, content, created_at, submitted_at, started_event)
			VALUES ($1, $2, $3, $3, 1, 1, 2, 'q', '', 1, 1, $4)`, int(theCenter), serial, id.String(), serial+1)
	}
	if err == nil {
		_, err = tx.Exec(ctx, `INSERT INTO events (center, serial, interaction, kind, operation_id, occurred_at, payload) VALUES ($1, $2, $3, 1, $4, 1, '')`,
			int(theCenter), serial+1, serial, newUUID().String())
	}
	return errors.Join(err, tx.Commit(ctx))
}

// A FINISHED is read after its STARTED also where its transaction is the older one: it had begun, and waited for a lock, while
// another one made the STARTED.
func TestEventsFinishedBehindStarted(t *testing.T) {
	shared(t, func(t *testing.T, a, b *storetest.Opened) {
		ids := []hook.InteractionID{newInteraction(), newInteraction(), newInteraction()}
		slices.SortFunc(ids, func(x, y hook.InteractionID) int { return bytes.Compare(x.UUID[:], y.UUID[:]) })
		made, held, finished := ids[0], ids[1], ids[2] // in the order in which a transaction locks them
		change(t, a, moment(), create(held, "q"), create(finished, ""))
		c := connect(t, a)
		holder, err := c.Begin(t.Context())
		must(t, err)
		_, err = holder.Exec(t.Context(), `SELECT 1 FROM interactions WHERE id = $1 FOR UPDATE`, held.String())
		must(t, err)
		ended := make(chan error, 1)
		go func() {
			results, err := b.AcceptChanges(t.Context(), theCenter, moment(), []hook.Change{create(made, ""), stop(held), stop(finished)}, nil)
			if err == nil {
				err = errors.Join(results[0].Err, results[1].Err, results[2].Err)
			}
			ended <- err
		}()
		waitForLock(t, a)
		change(t, a, moment(), submit(finished, "q"))
		must(t, holder.Commit(t.Context()))
		must(t, <-ended)
		var got []string
		for _, e := range events(t, a, theCenter) {
			if e.InteractionID == finished {
				got = append(got, string(e.Kind))
			}
		}
		if diff := cmp.Diff([]string{"STARTED", "FINISHED"}, got); diff != "" {
			t.Errorf("its events (-want +got):\n%s", diff)
		}
		if n, err := a.Numbers(`SELECT count(*) FROM events f JOIN interactions i ON i.finished_event = f.serial JOIN events s ON s.serial = i.started_event
			WHERE f.tx = s.tx AND f.serial > s.serial`); err != nil || n[0] != 1 {
			t.Errorf("%v, %v FINISHED have the place of their STARTED, want 1: the test shows nothing", err, n)
		}
	})
}

// waitForLock waits until a transaction of the database waits for a lock.
func waitForLock(t *testing.T, s *storetest.Opened) {
	t.Helper()
	ctx, cancel := contextWithTimeout(t, time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		waiting, err := s.Numbers(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
		must(t, err)
		if waiting[0] > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("no transaction waits for a lock")
		}
	}
}

// What is committed while an older transaction has not ended is not read before that one's events, and whoever waits is told once it
// has ended, on every node.
func TestEventsWaitForOlderTransaction(t *testing.T) {
	shared(t, func(t *testing.T, a, b *storetest.Opened) {
		ctx, cancel := contextWithTimeout(t, time.Minute)
		defer cancel()
		old := newInteraction()
		change(t, a, moment(), create(old, ""))
		older, err := connect(t, a).Begin(ctx)
		must(t, err)
		_, err = older.Exec(ctx, `SELECT pg_current_xact_id()`)
		must(t, err)
		change(t, a, moment(), create(newInteraction(), "q"))
		readers := []*follower{{store: a}, {store: b}}
		for _, f := range readers {
			if page, next, err := f.store.Events(ctx, theCenter, "", 10); err != nil || len(page) != 0 {
				t.Fatalf("%d events are read before an older transaction has ended, %v", len(page), err)
			} else {
				f.cursor, f.random = next, rand.New(rand.NewPCG(1, 1))
			}
		}
		var wg sync.WaitGroup
		for _, f := range readers {
			wg.Go(func() {
				if err := f.follow(ctx, 2); err != nil {
					t.Error(err)
				}
			})
		}
		_, err = older.Exec(ctx, `INSERT INTO events (center, serial, interaction, kind, operation_id, occurred_at, payload)
			SELECT center, serial + 1, serial, 1, gen_random_uuid(), 1, '' FROM interactions WHERE id = $1`, old.String())
		must(t, err)
		must(t, older.Commit(ctx))
		wg.Wait()
		for _, f := range readers {
			if f.read[0] != "STARTED of "+old.String() {
				t.Errorf("read %v, want that of the older transaction first", f.read)
			}
		}
	})
}

// A reader whose cursor is of another order misses nothing: one from before there were transactions in it, one of a store that
// was copied to the other engine, one whose event was lost or came from another cluster of databases.
func TestEventsCursorsOfOtherOrders(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		for _, at := range []time.Duration{-96 * time.Hour, -48 * time.Hour, -time.Hour, 0} {
			change(t, s, now.Add(at), create(newInteraction(), "q"))
		}
		all := events(t, s, theCenter)
		place := func(i int) (int64, hook.Serial) {
			t.Helper()
			page, _, err := s.Events(t.Context(), theCenter, "", i+1)
			must(t, err)
			tx, serial, err := store.EventPlace(page[i].Cursor)
			must(t, err)
			return tx, serial
		}
		tx, serial := place(2)
		const never = 1 << 60 // a transaction that has not come yet
		moved := 2            // what is read from there on: what is a day older, and newer
		for name, tt := range map[string]struct {
			cursor string
			want   int // the first event that is read
		}{
			"an event":                       {store.EventCursor(tx, serial), 3},
			"an event, by serial alone":      {store.Cursor(serial, 0), 3},
			"an event of a copied SQLite":    {store.EventCursor(0, serial), 3},
			"an event of another order":      {store.EventCursor(never, serial), moved},
			"nothing yet":                    {store.EventCursor(0, 0), 0},
			"nothing yet, by serial alone":   {store.Cursor(0, 0), 0},
			"the end":                        {store.EventsLatest, 4},
			"an event that was lost":         {store.EventCursor(never, serial-1), moved},
			"before all, of another order":   {store.EventCursor(never, all[0].Serial-1), 0},
			"an old one, of another order":   {store.EventCursor(never, all[1].Serial), 1},
			"an event that was removed":      {store.EventCursor(tx, serial-1), 2},
			"a removed one, by serial alone": {store.Cursor(serial-1, 0), 2},
		} {
			page, _, err := s.Events(t.Context(), theCenter, tt.cursor, 10)
			must(t, err)
			var got []hook.Serial
			for _, r := range page {
				got = append(got, r.Event.Serial)
			}
			var want []hook.Serial
			for _, e := range all[tt.want:] {
				want = append(want, e.Serial)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	})
}

// What no list of events returned is no cursor.
func TestEventsRefusesCursors(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	for _, cursor := range []string{
		"x", "latest ", "Latest", "====", store.EventCursor(-1, 1), store.EventCursor(1, -1), store.Cursor(-1, 0),
		base64.RawURLEncoding.EncodeToString(make([]byte, 17)), base64.RawURLEncoding.EncodeToString(make([]byte, 16)), strings.Repeat("A", 512),
	} {
		_, _, err := s.Events(t.Context(), theCenter, cursor, 1)
		if !errors.Is(err, hook.ErrBadID) {
			t.Errorf("%q: %v", cursor, err)
		}
	}
}

// A reader that begins at the end of an empty contact centre, or of one with events, reads what comes next, and nothing else.
func TestEventsLatest(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t)
		for range 3 {
			before := events(t, s, theCenter)
			page, next, err := s.Events(t.Context(), theCenter, store.EventsLatest, 10)
			if err != nil || len(page) != 0 {
				t.Fatalf("at the end: %v, %v", page, err)
			}
			id := newInteraction()
			change(t, s, moment(), create(id, "q"))
			events(t, s, theCenter)
			page, _, err = s.Events(t.Context(), theCenter, next, 10)
			if err != nil || len(page) != 1 || page[0].Event.InteractionID != id {
				t.Errorf("after %d events: %v, %v", len(before), page, err)
			}
		}
	})
}

// Events that a dump brought from another cluster of databases, whose transactions had larger numbers, can be read after the
// next start, before what is made then; somebody who read them there misses none.
func TestEventsOfAnotherCluster(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		if !e.Shared {
			return // no transactions in its order
		}
		var log bytes.Buffer
		s := e.Open(t, storetest.With(func(o *store.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) }))
		for range 5 {
			change(t, s, moment(), create(newInteraction(), "q"))
		}
		old := events(t, s, theCenter)
		const there = 1 << 40 // the number of a transaction there
		must(t, s.Write(t.Context(), fmt.Sprintf(`UPDATE events SET tx = '%d'`, int64(there))))
		if page, _, err := s.Events(t.Context(), theCenter, "", 10); err != nil || len(page) != 0 {
			t.Fatalf("%d events are read that no transaction here has made, %v", len(page), err)
		}
		s.Reopen(t)
		if !strings.Contains(log.String(), "came from another cluster") || !strings.Contains(log.String(), "count=5") {
			t.Errorf("the log says nothing of it: %s", log.String())
		}
		made := change(t, s, moment(), create(newInteraction(), "q"))
		now := events(t, s, theCenter)
		if diff := cmp.Diff(old, now[:len(now)-1]); diff != "" || now[len(now)-1].Serial != made.StartedEvent {
			t.Errorf("events after the start (-before +after):\n%s", diff)
		}
		page, _, err := s.Events(t.Context(), theCenter, store.EventCursor(there, old[2].Serial), 10)
		if err != nil || len(page) < 3 || page[len(page)-1].Event.Serial != made.StartedEvent {
			t.Errorf("after a cursor from there: %d events, %v", len(page), err)
		}
		log.Reset()
		s.Reopen(t)
		if strings.Contains(log.String(), "cluster") {
			t.Errorf("they were placed again: %s", log.String())
		}
	})
}

// A group that is rolled back and repeated makes its serials anew, behind those of all that was executed before: where one process
// writes, their order is that of the commits.
func TestEventsOfRepeatedGroup(t *testing.T) {
	t.Parallel()
	var executed []hook.Serial // by the one writer
	s := storetest.Open(t, storetest.Before(func(s *store.Store) {
		s.Watch(&store.Spy{Statement: func(text string, args []any) {
			if text == store.InsertEvent {
				serial, _ := args[1].(hook.Serial) // as the statement has it
				executed = append(executed, serial)
			}
		}})
	}))
	const rounds, callers = 20, 4
	for range rounds {
		s.Faulty.Fail(storetest.BeforeCommit, 1, errors.New("a task's own fault"))
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				id := newInteraction()
				for tries := 0; ; tries++ {
					_, err := s.AcceptChanges(t.Context(), theCenter, moment(), []hook.Change{create(id, "q"), stop(id)}, nil)
					if err == nil {
						return
					}
					if tries > 0 { // the caller of a group of one is told of the fault
						t.Errorf("accept: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	committed := events(t, s, theCenter)
	s.Stop(t)
	for i := 1; i < len(executed); i++ {
		if executed[i] <= executed[i-1] {
			t.Errorf("serial %d was made after %d", executed[i], executed[i-1])
		}
	}
	if len(committed) != 2*rounds*callers || len(executed) < len(committed)+2*rounds {
		t.Errorf("%d events, and %d inserts of them, want %d and more: each round repeats some", len(committed), len(executed), 2*rounds*callers)
	}
}
