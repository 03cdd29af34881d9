package store_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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

// What is true of SQLite alone: the files, the lock, the disk, the write-ahead log, the schema and the plans.

// A database that is open in one process is refused to another, at once and in clear words, until it is closed.
func TestSQLiteRefusesSecondProcess(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	change(t, s, moment(), create(newInteraction(), "q"))
	began := time.Now()
	_, err := store.Open(t.Context(), store.Options{Sealer: sealtest.Keyset(), Database: s.Database()})
	if err == nil || !strings.Contains(err.Error(), "another process uses it") || !strings.Contains(err.Error(), s.Database()) {
		t.Fatalf("the second one: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it was refused after %v", took)
	}
	change(t, s, moment(), create(newInteraction(), "q")) // the first one goes on
	s.Reopen(t)
	if n := len(events(t, s, theCenter)); n != 2 {
		t.Errorf("%d events after a restart, want 2", n)
	}
}

// What cannot be opened is refused in words that name the file and what to do.
func TestSQLiteRefusesPaths(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	must(t, os.WriteFile(text, []byte(strings.Repeat("This is not a database. ", 1_000)), 0o600))
	for name, tt := range map[string]struct{ path, want string }{
		"a folder that does not exist":  {filepath.Join(dir, "none", "store.db"), "there is no folder " + filepath.Join(dir, "none")},
		"a file that is not a database": {text, "is a file, but not an SQLite database"},
		"a folder":                      {dir, dir},
		"a file in place of a folder":   {filepath.Join(text, "store.db"), "there is no folder " + text},
	} {
		_, err := store.Open(t.Context(), store.Options{Sealer: sealtest.Keyset(), Database: tt.path})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.path) {
			t.Errorf("%s: %v, want %q and the path", name, err, tt.want)
		}
	}
	if got, err := os.ReadFile(text); err != nil || !strings.HasPrefix(string(got), "This is not a database. ") {
		t.Errorf("the file that is not a database was changed: %v", err)
	}
}

// A path is taken as it is, with whatever characters, and with or without "sqlite:" before it.
func TestSQLitePaths(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"plain.db", "with a space.db", "50%25?mode=memory&x=#1.db", "Zürich.db"} {
		for _, prefix := range []string{"", "sqlite:"} {
			s, err := store.Open(t.Context(), store.Options{Sealer: sealtest.Keyset(), Database: prefix + filepath.Join(dir, name)})
			if err != nil {
				t.Errorf("%s%s: %v", prefix, name, err)
				continue
			}
			must(t, s.Close())
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Errorf("%s%s: %v", prefix, name, err)
			}
		}
	}
}

// At Open the leases of the process before are freed, all of them and at once; retries that are due later stay so.
func TestSQLiteTakesOver(t *testing.T) {
	t.Parallel()
	l := &lane{room: true}
	s, now := storetest.Open(t, l.option(), storetest.With(func(o *store.Options) { o.Lease = store.LeaseMax })), moment()
	w, off := webhook(t, s, theCenter), webhook(t, s, theCenter, disabled)
	for range 3 {
		change(t, s, now, create(newInteraction(), "q"))
	}
	taken := l.all()
	retryAt := now.Add(5 * time.Minute) // while a lease could last
	record(t, s, now, fails(taken[0], now, retryAt), exhausts(taken[1], now))
	id := newInteraction()
	change(t, s, now, create(id, "q"), stop(id))
	s.Reopen(t)

	got := claim(t, s, moment().Add(time.Second), w, 10)
	if len(got) != 2 || got[0].Event.Serial != taken[2].Event.Serial || got[1].Event.InteractionID != id {
		t.Errorf("%d deliveries are due after the restart, want the two that were leased", len(got))
	}
	if r := record(t, s, now, acknowledges(taken[2], now)); len(r.Late) != 1 {
		t.Errorf("an outcome of the dead process: %+v", r)
	}
	list, err := s.Due(t.Context())
	must(t, err)
	if len(list) != 1 || !list[0].At.Equal(retryAt) {
		t.Errorf("due next: %+v, want the retry at %v", list, retryAt)
	}
	if got := deliveries(t, s, theCenter, store.DeliveryFilter{Webhook: off.ID, State: hook.DeliveryHeld}); len(got) != 4 {
		t.Errorf("%d deliveries are held, want 4", len(got))
	}
}

// Guarantee 1: what was answered is in the files at that moment: a copy of them, as a crash would leave them, has it,
// while other callers are in the middle of their commits.
func TestSQLiteSurvivesCrash(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	w := webhook(t, s, theCenter)
	const callers, rounds, copies = 6, 12, 4
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for round := range rounds {
				id := newInteraction()
				results, err := s.AcceptChanges(t.Context(), theCenter, moment(), []hook.Change{create(id, "q"), stop(id)}, nil)
				if err != nil || results[1].Err != nil {
					t.Errorf("accept changes: %v, %+v", err, results)
					return
				}
				if caller == 0 && round%(rounds/copies) == 0 {
					crashed(t, s.Database(), results[1].Interaction, w)
				}
			}
		})
	}
	wg.Wait()
}

// crashed copies the database as it is at this moment and looks for the interaction in the copy.
func crashed(t *testing.T, database string, want *hook.Interaction, w *hook.Webhook) {
	t.Helper()
	dir := t.TempDir()
	// Another process copies: closing a file of the database in this one would drop the locks that SQLite holds on it.
	if out, err := exec.CommandContext(t.Context(), "cp", database, database+"-wal", dir).CombinedOutput(); err != nil {
		t.Errorf("copy the database: %v: %s", err, out)
		return
	}
	s, err := store.Open(t.Context(), store.Options{Sealer: sealtest.Keyset(), Database: filepath.Join(dir, filepath.Base(database))})
	if err != nil {
		t.Errorf("open the copy: %v", err)
		return
	}
	defer s.Close()
	got, err := s.Interaction(t.Context(), theCenter, want.ID)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("in the copy, %v (-want +got):\n%s", err, diff)
	}
	list, _, err := s.Deliveries(t.Context(), theCenter, store.DeliveryFilter{Interaction: want.ID}, store.Page{})
	if diff := cmp.Diff([]string{"FINISHED to 0: waiting, 0", "STARTED to 0: pending, 0"}, states(list, w)); diff != "" || err != nil {
		t.Errorf("deliveries in the copy, %v (-want +got):\n%s", err, diff)
	}
}

// Guarantee 1: on a full disk the store says that it is unavailable, loses nothing that it acknowledged, goes on reading,
// is not ready, and works again by itself once there is space.
func TestSQLiteFullDisk(t *testing.T) {
	t.Parallel()
	s, now := storetest.Open(t), moment()
	w := webhook(t, s, theCenter)
	must(t, s.LimitPages(t.Context(), 1)) // SQLite makes this the present size
	var acknowledged []hook.InteractionID
	full := 0
	for n := 0; full < 20; n++ {
		if n > 5_000 {
			t.Fatal("the disk does not fill")
		}
		id := newInteraction()
		_, err := s.AcceptChanges(t.Context(), theCenter, now, []hook.Change{create(id, "q")}, nil)
		switch {
		case err == nil:
			acknowledged = append(acknowledged, id)
		case errors.Is(err, hook.ErrUnavailable):
			full++
		default:
			t.Fatalf("on a full disk: %v", err)
		}
	}
	if len(acknowledged) == 0 {
		t.Fatal("nothing was acknowledged before the disk was full")
	}
	wantError(t, s.Ready(t.Context()), hook.ErrUnavailable)
	wantError(t, s.Ready(t.Context()), hook.ErrUnavailable)
	check := func(when string) {
		t.Helper()
		for _, id := range acknowledged {
			if _, err := s.Interaction(t.Context(), theCenter, id); err != nil {
				t.Errorf("%s: %v", when, err)
			}
		}
		if e, d := len(events(t, s, theCenter)), len(deliveries(t, s, theCenter, store.DeliveryFilter{})); e != len(acknowledged) || d != len(acknowledged) {
			t.Errorf("%s: %d events and %d deliveries of %d interactions", when, e, d, len(acknowledged))
		}
	}
	check("while the disk is full")
	must(t, s.LimitPages(t.Context(), 1<<30))
	must(t, s.Ready(t.Context()))
	id := newInteraction()
	change(t, s, now, create(id, "q"))
	acknowledged = append(acknowledged, id)
	check("when there is space again")
	if got := deliver(t, s, now, w); len(got) != len(acknowledged) {
		t.Errorf("%d deliveries, want %d", len(got), len(acknowledged))
	}
	s.Reopen(t)
	check("after a restart")
}

// I7: while the store is written to without a pause, the write-ahead log stays bounded, because it is checkpointed beside
// the writer and begun anew.
func TestSQLiteBoundsLog(t *testing.T) {
	t.Parallel()
	const (
		rows, batch = 12_000, 150
		walPagesMax = 512
		boundBytes  = 4 * walPagesMax * 4_096 // what is written while a checkpoint runs comes on top
	)
	path := filepath.Join(t.TempDir(), "store.db")
	b, err := store.OpenBare(t.Context(), path, walPagesMax)
	must(t, err)
	defer b.Close()
	wrote := make(chan struct{}, 1)
	var maintaining sync.WaitGroup
	maintaining.Go(func() { // beside the writer, whenever it has written something
		for range wrote {
			if err := b.Maintain(); err != nil {
				t.Errorf("maintain: %v", err)
			}
		}
	})
	largest, body := int64(0), []byte(strings.Repeat("x", 900))
	for n := 0; n < rows; n += batch {
		must(t, b.Write(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO answers (center, key, fingerprint, status, body, at) SELECT 1, $1 || i, x'', 200, $3, $2 FROM n`, batch),
			fmt.Sprintf("%06d ", n), moment().UnixMilli(), body))
		select {
		case wrote <- struct{}{}:
		default:
		}
		info, err := os.Stat(path + "-wal")
		must(t, err)
		largest = max(largest, info.Size())
	}
	close(wrote)
	maintaining.Wait()
	info, err := os.Stat(path)
	must(t, err)
	if largest > boundBytes || info.Size() < boundBytes {
		t.Errorf("the log grew to %d bytes while %d were written; want at most %d, of more than that", largest, info.Size(), boundBytes)
	}
	t.Logf("the log grew to %d bytes while %d were written", largest, info.Size())
}

var update = flag.Bool("update", false, "write the golden files anew")

// The schema that the migrations make is a reviewed file.
func TestSQLiteSchema(t *testing.T) {
	t.Parallel()
	got := strings.Join(schema(t, storetest.Open(t)), "\n\n") + "\n"
	const golden = "testdata/schema.sql"
	if *update {
		must(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the schema changed; if that is meant, run go test -run TestSQLiteSchema -update (-want +got):\n%s", diff)
	}
}

// schema returns the statements that make the database, without those of the tool that migrates it.
func schema(t *testing.T, s *storetest.Opened) []string {
	t.Helper()
	list, err := s.Texts(`SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%' ORDER BY tbl_name, type DESC, name`)
	must(t, err)
	return list
}

// docs/schema.md names every table and every column, and every number that a word is stored as.
func TestSchemaIsDocumented(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	text, err := os.ReadFile("../../docs/schema.md")
	must(t, err)
	sections := map[string]string{}
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		sections[strings.Trim(name, "`")] = body
	}
	tables, err := s.Texts(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'`)
	must(t, err)
	for _, table := range tables {
		body, ok := sections[table]
		if !ok {
			t.Errorf("there is no section for the table %s", table)
			continue
		}
		columns, err := s.Texts(`SELECT name FROM pragma_table_info('` + table + `')`)
		must(t, err)
		for _, column := range columns {
			if !strings.Contains(body, "\n| `"+column+"` |") {
				t.Errorf("the section %s has no row for the column %s", table, column)
			}
		}
	}
	for _, row := range store.StoredNumbers() {
		if !strings.Contains(string(text), row) {
			t.Errorf("there is no row %q", row)
		}
	}
}

// Guarantee 6: no statement of the hot path, and no list, scans a table; a claim reads the index of what is due. So the
// cost does not grow with history.
func TestSQLitePlans(t *testing.T) {
	t.Parallel()
	type call struct {
		text string
		args []any
	}
	var mu sync.Mutex // guards calls
	calls := map[string]call{}
	l := &lane{room: true}
	s := storetest.Open(t, l.option(), storetest.Before(func(s *store.Store) {
		s.Watch(&store.Spy{Statement: func(text string, args []any) {
			mu.Lock()
			defer mu.Unlock()
			calls[text] = call{text, args}
		}})
	}))
	exercise(t, s, l)
	// Statements over tables that are as small as the configuration may scan them, and an INSERT … SELECT of a maximum too.
	small := regexp.MustCompile(`^SCAN (w|webhooks|contact_centers|c|api_keys|catalogue|retention|trims|master_keys)\b`)
	constant := regexp.MustCompile(`^SCAN (\d+ )?CONSTANT ROW|^SCAN \d+-ROW VALUES CLAUSE|^SCAN \(subquery|^SCAN (e|i)? ?VIRTUAL|^SCAN part$`)
	// Few rows are grouped at a time, which an index has found: those of a step of a count.
	bounded := regexp.MustCompile(`LIMIT [^ ]+\) part GROUP BY webhook$`)
	planned := 0
	mu.Lock()
	list := slices.Collect(maps.Values(calls))
	mu.Unlock()
	for _, c := range list {
		plan, err := s.Plan(c.text, c.args...)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		planned++
		for _, step := range plan {
			if strings.HasPrefix(step, "SCAN ") && !small.MatchString(step) && !constant.MatchString(step) || strings.Contains(step, "TEMP B-TREE") && !bounded.MatchString(c.text) {
				t.Errorf("%s\nscans or sorts:\n\t%s", c.text, strings.Join(plan, "\n\t"))
				break
			}
		}
		if strings.HasPrefix(c.text, "SELECT event, attempts, base, lease FROM deliveries") && !slices.ContainsFunc(plan, func(step string) bool {
			return strings.Contains(step, "deliveries_due (center=? AND webhook=? AND due_at<?)")
		}) {
			t.Errorf("a claim does not read the index of what is due:\n\t%s", strings.Join(plan, "\n\t"))
		}
		if strings.HasPrefix(c.text, "UPDATE deliveries SET state = 1, due_at") && !strings.Contains(strings.Join(plan, ""), "deliveries_waiting") {
			t.Errorf("a FINISHED is not freed by the index of what waits:\n\t%s", strings.Join(plan, "\n\t"))
		}
	}
	if planned < 40 {
		t.Errorf("%d statements were planned: the exercise does too little", planned)
	}
}

// readEvents reads events from everywhere: the beginning, the end, an event, one that was removed, one of another order, and from
// other processes.
func readEvents(t *testing.T, s *storetest.Opened) {
	t.Helper()
	last := events(t, s, theCenter)
	_, end, err := s.Events(t.Context(), theCenter, store.EventsLatest, 1)
	must(t, err)
	removed := last[0].Serial - 1
	for _, after := range []string{end, store.EventCursor(1, removed), store.EventCursor(1<<60, removed)} {
		_, _, err := s.Events(t.Context(), theCenter, after, 1)
		must(t, err)
	}
	if store.IsPostgres(s.Database()) {
		watch := s.WatchEvents(theCenter)
		defer watch.Close()
		<-watch.Arrived() // there are some that the watch has not seen
	}
}

// exercise uses every method of the store, with every filter.
func exercise(t *testing.T, s *storetest.Opened, l *lane) {
	now := moment()
	other := contactCenter(t, s, "other")
	w := webhook(t, s, theCenter)
	webhook(t, s, other.Number)
	must(t, s.SetAdminKey(t.Context(), now, [32]byte{1}))
	ids := []hook.InteractionID{newInteraction(), newInteraction(), newInteraction(), newInteraction()}
	_, err := s.AcceptChanges(t.Context(), theCenter, now, []hook.Change{create(ids[0], "q"), stop(ids[0]), create(ids[1], "q")}, onceChanges("key", 1))
	must(t, err)
	l.full = true
	change(t, s, now, create(ids[2], ""), submit(ids[2], "q"), accept(ids[2], "x"), stop(ids[2]))
	change(t, s, now, create(ids[3], "q"))
	judge(t, s, now, create(ids[3], "q"), stop(newInteraction()))
	taken := l.all()
	record(t, s, now, acknowledges(taken[0], now), exhausts(taken[1], now))
	for _, d := range claim(t, s, now, w, 10) {
		record(t, s, now, fails(d, now, now))
	}
	must(t, s.Release(t.Context(), now, claim(t, s, now, w, 10)))
	replay(t, s, now, taken[0].ID())
	replay(t, s, now, taken[1].ID())
	deliver(t, s, now, w)
	deliver(t, s, now, w)
	exerciseReplays(t, s, w, now)
	exerciseConsole(t, s, w, ids[0], now)
	_, err = s.Due(t.Context())
	must(t, err)
	s.PruneAnswers(t.Context(), now)
	_, err = s.UpdateWebhook(t.Context(), theCenter, w.ID, now, func(*hook.Webhook) error { return nil })
	must(t, err)
	delivery(t, s, taken[0].ID())
	readEvents(t, s)
	for _, f := range []store.InteractionFilter{
		{},
		{State: hook.StateNew},
		{Open: true},
		{Media: "chat"},
		{Subtype: "SMS"},
		{Queue: "q"},
		{SessionID: hook.SessionID{UUID: newUUID()}},
		{CreatedAfter: now},
		{CreatedBefore: now},
		{CreatedAfter: now, CreatedBefore: now},
	} {
		_, _, err := s.Interactions(t.Context(), theCenter, f, store.Page{})
		must(t, err)
	}
	exerciseSearches(t, s, w, ids[0])
	for _, f := range []store.AuditFilter{{}, {Subject: w.ID.String()}, {Action: "webhook"}, {Actor: "hookswitch"}, {From: now}, {To: now}} {
		_, _, err := s.AuditLog(t.Context(), theCenter, f, store.Page{})
		must(t, err)
	}
	remove(t, s, now)
	s.Reopen(t) // with what it reads and frees at the start
}

// exerciseConsole does what the console alone asks for, with something open in every state.
func exerciseConsole(t *testing.T, s *storetest.Opened, w *hook.Webhook, of hook.InteractionID, now time.Time) {
	t.Helper()
	id := newInteraction()
	change(t, s, now, create(id, "q"), stop(id))
	_, err := s.CountBacklog(t.Context(), theCenter, now, 1)
	must(t, err)
	_, err = s.Activity(t.Context(), theCenter, w.Number, now.Add(-time.Hour), now, time.Hour)
	must(t, err)
	s.WriteActivity(t.Context(), now)
	s.PruneActivity(t.Context(), now)
	_, err = s.EventOf(t.Context(), theCenter, deliveries(t, s, theCenter, store.DeliveryFilter{Interaction: of})[0].ID)
	must(t, err)
}

// remove removes some of each kind, finds nothing more, and reports.
func remove(t *testing.T, s *storetest.Opened, now time.Time) {
	p := hook.Retention{}.Policy(kept)
	p.Deliveries, p.Attempts, p.Payloads = hook.Kept{For: trimAge}, hook.Kept{For: trimAge}, hook.Kept{For: trimAge}
	for _, what := range []int{store.TrimsPayloads, store.TrimsAttempts, store.TrimsDeliveries, store.TrimsInteractions} {
		_, err := s.ReportRetention(t.Context(), theCenter, p, later(now), "")
		must(t, err)
		for range 3 { // the first one begins the walk, the next ones go on and begin it anew
			_, _, err = s.RetainBy(t.Context(), theCenter, p, what, now)
			must(t, err)
			now = later(now).Add(store.RetainWalkEvery)
		}
	}
	_, err := s.UpdateContactCenter(t.Context(), now, "other", func(*hook.ContactCenter) error { return nil })
	must(t, err)
}
