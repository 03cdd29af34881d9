package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// Copies forget no column: what they know of the tables is what the databases say, on both engines.
func TestCopyKnowsEveryColumn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		query := `SELECT m.name || '.' || c.name || ' ' || c.type FROM sqlite_master m, pragma_table_info(m.name) c
			WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT IN ('goose_db_version', 'compatibility')`
		if e.Shared {
			query = `SELECT table_name || '.' || column_name || ' ' || data_type FROM information_schema.columns
				WHERE table_schema = current_schema AND table_name NOT IN ('goose_db_version', 'compatibility', 'nodes')
				AND column_name <> 'tx'` // it orders the commits of one database
		}
		found, err := e.Open(t).Texts(query)
		must(t, err)
		want := store.DescribedColumns(e.Shared)
		slices.Sort(found)
		slices.Sort(want)
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("described columns and those of the database (-described +found):\n%s", diff)
		}
	})
}

// filled is a store with something of everything, closed.
type filled struct {
	database string
	webhooks []*hook.Webhook
	now      time.Time
	repeated []hook.Change
}

// fillStore makes one: two contact centres, webhooks of every sort, interactions in every state, deliveries that are leased,
// due, waiting, held, exhausted, delivered and replayed, answers of more than one batch, and what is no plain text.
func fillStore(t testing.TB, e storetest.Engine) *filled {
	t.Helper()
	f := &filled{now: moment()}
	s := e.Open(t)
	f.database = s.Database()
	contactCenter(t, s, "second")
	must(t, s.SetAdminKey(t.Context(), f.now, [32]byte{7}))
	busy, failing, off := webhook(t, s, theCenter), webhook(t, s, theCenter), webhook(t, s, theCenter, disabled)
	gone := webhook(t, s, 2)
	must(t, s.DeleteWebhook(t.Context(), 2, gone.ID, f.now))
	f.webhooks = []*hook.Webhook{busy, failing, off, gone}

	ids := make([]hook.InteractionID, 7)
	for i := range ids {
		ids[i] = newInteraction()
		made := create(ids[i], fmt.Sprintf("queue %d", i))
		made.Draft.Content = hook.Content{Subject: "Grüße, 世界", UserData: map[string]string{"n": fmt.Sprint(i)}}
		change(t, s, f.now, made)
	}
	change(t, s, f.now, create(newInteraction(), "")) // stays NEW
	delivered := claim(t, s, f.now, busy, 2)
	record(t, s, f.now, acknowledges(delivered[0], f.now), acknowledges(delivered[1], f.now))
	tried := claim(t, s, f.now, failing, 3)
	record(t, s, f.now, fails(tried[0], f.now, f.now.Add(time.Hour)), exhausts(tried[1], f.now), exhausts(tried[2], f.now))
	replay(t, s, f.now, hook.NewDeliveryID(tried[2].Event.Serial, failing.Number))
	replay(t, s, f.now, hook.NewDeliveryID(delivered[1].Event.Serial, busy.Number))
	change(t, s, f.now, accept(ids[3], "ann"), stop(ids[3]), stop(ids[0]))
	if leased := claim(t, s, f.now, busy, 4); len(leased) != 4 {
		t.Fatalf("%d deliveries are leased", len(leased))
	}

	f.repeated = []hook.Change{create(newInteraction(), "")}
	_, err := s.AcceptChanges(t.Context(), theCenter, f.now, f.repeated, onceChanges("the key", 9))
	must(t, err)
	long := &store.Once[[]store.ChangeResult]{Encode: func([]store.ChangeResult, error) (store.Answer, bool) {
		return store.Answer{Status: 201, Body: make([]byte, store.CopyBatchBytesMax/2)}, true
	}}
	for _, key := range []string{"a", "B", "ä", "_", "Z"} { // in the order of their bytes, which is not that of any language
		long.Key = key
		_, err := s.AcceptChanges(t.Context(), theCenter, f.now, []hook.Change{create(newInteraction(), "")}, long)
		must(t, err)
	}
	for _, text := range []string{
		`INSERT INTO trims (center, what, passed, began_at) VALUES (1, 2, 3, 4)`,
		`INSERT INTO notice_marks (center, kind, webhook, last_at, held_back) VALUES (1, 2, 3, 4, 5)`,
		`INSERT INTO replays (center, id, webhook, filter, rate, dry_run, state, actor, created_at, updated_at)
			SELECT center, id, number, '{}', 7, 1, 2, 'somebody', 8, 9 FROM webhooks`,
		`INSERT INTO audit (center, serial, at, actor, action, subject, before, after) VALUES (1, 2, 3, 'somebody', 'webhook.update', 'it', '', '{}')`,
	} {
		must(t, s.Write(t.Context(), text))
	}
	s.Stop(t)
	return f
}

// snapshot is all that the public methods say of a store, cursors included.
func (f *filled) snapshot(t testing.TB, s *storetest.Opened) map[string]any {
	t.Helper()
	all := map[string]any{"contact centres": s.ContactCenters()}
	keys, _, err := s.Keys(0, store.Page{})
	must(t, err)
	caller, err := s.CallerOf(hook.KeyProof{Hash: [32]byte{7}}, moment())
	all["key"] = []any{keys, caller, err}
	for _, c := range s.ContactCenters() {
		note := func(what string, v ...any) { all[fmt.Sprintf("%s %s %d", c.ID, what, len(all))] = v }
		for cursor, first := "", true; first || cursor != ""; first = false {
			list, next, err := s.Interactions(t.Context(), c.Number, store.InteractionFilter{}, store.Page{Cursor: cursor, Limit: 3})
			must(t, err)
			note("interactions", list, next)
			cursor = next
		}
		for cursor, first := "", true; first || cursor != ""; first = false {
			list, next, err := s.Deliveries(t.Context(), c.Number, store.DeliveryFilter{}, store.Page{Cursor: cursor, Limit: 3})
			must(t, err)
			for _, d := range list {
				full, err := s.Delivery(t.Context(), c.Number, d.ID)
				must(t, err)
				full.NextAttemptAt = time.Time{} // see TestCopyFreesLeases
				note("delivery", full)
			}
			note("deliveries", next)
			cursor = next
		}
		for _, e := range events(t, s, c.Number) {
			note("event", e)
		}
		list, next, err := s.Webhooks(t.Context(), c.Number, store.Page{})
		must(t, err)
		note("webhooks", list, next)
	}
	for _, w := range f.webhooks {
		got, _ := s.WebhookByNumber(w.Number)
		all["webhook "+w.ID.String()] = got
	}
	_, err = s.AcceptChanges(t.Context(), theCenter, f.now.Add(time.Minute), f.repeated, onceChanges("the key", 9))
	var answered *store.AnsweredError
	if !errors.As(err, &answered) {
		t.Errorf("the repeated request got %v", err)
	}
	all["answer"] = answered
	return all
}

// copyStore copies and demands that both sides are the same.
func copyStore(t testing.TB, from, to string) *store.CopyReport {
	t.Helper()
	report, err := store.Copy(t.Context(), store.CopyOptions{From: from, To: to})
	if err != nil {
		t.Fatalf("copy: %v", err)
	}
	for _, table := range report.Tables {
		if !table.Same() || table.Source != table.Destination || table.Name != "retention" && table.Copied == 0 {
			t.Errorf("table %s: %+v", table.Name, table)
		}
	}
	return report
}

// A store that was copied to another engine and back again is the same store: every list, record, id and cursor, what is open,
// and the answers to Idempotency-Keys.
func TestCopyRoundTrip(t *testing.T) {
	storetest.Pairs(t, func(t *testing.T, from, to storetest.Engine) {
		f := fillStore(t, from)
		there, back := to.Empty(t), from.Empty(t)
		first := copyStore(t, f.database, there)
		second := copyStore(t, there, back)
		for i, table := range first.Tables {
			if table.Found != second.Tables[i].Found {
				t.Errorf("table %s has another sum after the way back", table.Name)
			}
		}
		if first.Freed != 4 || second.Freed != 0 || first.Replaced != 0 {
			t.Errorf("%d leases ended on the way there and %d on the way back; %d texts were replaced", first.Freed, second.Freed, first.Replaced)
		}
		want := f.snapshot(t, from.Open(t, storetest.On(f.database)))
		for name, s := range map[string]*storetest.Opened{"there": to.Open(t, storetest.On(there)), "back": from.Open(t, storetest.On(back))} {
			if diff := cmp.Diff(want, f.snapshot(t, s), same(), unkeyed()); diff != "" {
				t.Errorf("%s (-source +copy):\n%s", name, diff)
			}
			change(t, s, moment(), create(newInteraction(), "q")) // it goes on: serials come after those that were copied
			if next := f.webhooks[len(f.webhooks)-1].Number + 1; webhook(t, s, theCenter).Number != next {
				t.Errorf("%s: the next webhook's number is not %d", name, next)
			}
		}
	})
}

// Sums are over texts in the order of their bytes, whatever order a database's language has.
func TestCopyOrdersTextsByTheirBytes(t *testing.T) {
	storetest.Pairs(t, func(t *testing.T, from, to storetest.Engine) {
		if !from.Shared {
			return // it knows no other order
		}
		f := fillStore(t, from)
		must(t, store.Tamper(t.Context(), f.database, `ALTER TABLE answers ALTER COLUMN key TYPE TEXT COLLATE "de-x-icu"`))
		copyStore(t, f.database, to.Empty(t))
	})
}

// What was leased in the source is due in the destination, at once and for everybody; what is due later stays so.
func TestCopyFreesLeases(t *testing.T) {
	storetest.Pairs(t, func(t *testing.T, from, to storetest.Engine) {
		f := fillStore(t, from)
		database := to.Empty(t)
		copyStore(t, f.database, database)
		s := to.Open(t, storetest.On(database))
		if got := claim(t, s, moment().Add(time.Second), f.webhooks[0], 10); len(got) != 7 {
			t.Errorf("%d deliveries are due, want 7: all that are open but the FINISHED that waits", len(got))
		}
		if got := claim(t, s, f.now.Add(59*time.Minute), f.webhooks[1], 10); len(got) != 5 {
			t.Errorf("%d deliveries of the other webhook are due, want 5: one is due later, one is exhausted, two wait", len(got))
		}
	})
}

// A copy that ends before its end leaves a destination that nobody uses by mistake: no server, no migration, no other copy.
func TestCopyInterrupted(t *testing.T) {
	storetest.Pairs(t, func(t *testing.T, from, to storetest.Engine) {
		f := fillStore(t, from)
		for name, when := range map[string]func(store.CopyProgress) bool{
			"while it writes":     func(p store.CopyProgress) bool { return p.Table == "answers" && p.Done > 0 },
			"while it is checked": func(p store.CopyProgress) bool { return p.Verifying && p.Table == "answers" },
		} {
			t.Run(name, func(t *testing.T) {
				database := to.Empty(t)
				ctx, cancel := context.WithCancel(t.Context())
				_, err := store.Copy(ctx, store.CopyOptions{From: f.database, To: database, Progress: func(p store.CopyProgress) {
					if when(p) {
						cancel()
					}
				}})
				if !errors.Is(err, store.ErrInterrupted) || !strings.Contains(err.Error(), "is incomplete now") || errors.Is(err, hook.ErrUnavailable) {
					t.Errorf("the interrupted copy: %v", err)
				}
				_, err = store.Open(t.Context(), store.Options{Sealer: sealtest.Keyset(), Database: database})
				if !asConflict(err, new(*hook.ConflictError)) {
					t.Errorf("a server on it: %v", err)
				}
				_, _, err = store.MigrateUp(t.Context(), database)
				wantConflict(t, err, "incomplete")
				_, err = store.Copy(t.Context(), store.CopyOptions{From: f.database, To: database})
				wantConflict(t, err, "incomplete")
				_, err = store.Copy(t.Context(), store.CopyOptions{From: database, To: to.Empty(t)})
				wantConflict(t, err, "incomplete")
				found, err := store.ReadSchema(t.Context(), database)
				must(t, err)
				wantConflict(t, found.Usable(), "incomplete")
			})
		}
	})
}

// What is not what was written is found, by its bytes also where the rows are as many, and is never used.
func TestCopyFindsDifferences(t *testing.T) {
	storetest.Pairs(t, func(t *testing.T, from, to storetest.Engine) {
		f := fillStore(t, from)
		for name, tamper := range map[string]string{
			"a changed byte": `UPDATE attempts SET error = 'no answer!' WHERE error = 'no answer'`,
			"a lost row":     `DELETE FROM events WHERE serial = (SELECT max(serial) FROM events)`,
		} {
			t.Run(name, func(t *testing.T) {
				database := to.Empty(t)
				report, err := store.Copy(t.Context(), store.CopyOptions{From: f.database, To: database, Progress: func(p store.CopyProgress) {
					if p.Table == "catalogue" && !p.Verifying {
						must(t, store.Tamper(t.Context(), database, tamper))
					}
				}})
				if !errors.Is(err, store.ErrDiffers) {
					t.Fatalf("the copy: %v", err)
				}
				var differ []string
				for _, table := range report.Tables {
					if !table.Same() {
						differ = append(differ, table.Name)
					}
				}
				if len(differ) != 1 || !strings.Contains(tamper, differ[0]) {
					t.Errorf("different tables: %v", differ)
				}
				_, err = store.Open(t.Context(), store.Options{Sealer: sealtest.Keyset(), Database: database})
				if !asConflict(err, new(*hook.ConflictError)) {
					t.Errorf("a server on it: %v", err)
				}
			})
		}
	})
}

// A database that cannot be one side of a copy is refused before anything is written, and the message says what is wrong.
func TestCopyRefuses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		f, other := fillStore(t, e), fillStore(t, e)
		live := e.Open(t)
		old, newer := fillStore(t, e).database, fillStore(t, e).database
		must(t, store.Tamper(t.Context(), old, `DELETE FROM goose_db_version WHERE version_id > 1`))
		must(t, store.Tamper(t.Context(), newer, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, `+truth(e)+`)`))
		empty := e.Empty(t)
		if !e.Shared {
			must(t, os.WriteFile(empty, nil, 0o600))
		}
		for name, tt := range map[string]struct{ from, to, state, text string }{
			"a destination that is a store":       {f.database, other.database, "not empty", "2 of contact_centers"},
			"a source that a server uses":         {live.Database(), e.Empty(t), "in use", "stop"},
			"a destination that a server uses":    {f.database, live.Database(), map[bool]string{true: "not empty", false: "in use"}[e.Shared], ""},
			"a source that is no store":           {empty, e.Empty(t), "no store", ""},
			"a source with an old schema":         {old, e.Empty(t), "old", "migrate up"},
			"a source with a newer schema":        {newer, e.Empty(t), "newer", "9999"},
			"a destination with a newer schema":   {f.database, newer, "newer", "9999"},
			"a destination that is its source":    {f.database, f.database, map[bool]string{true: "not empty", false: "in use"}[e.Shared], ""},
			"a destination that is an old store":  {f.database, old, "not empty", ""},
			"a database whose server was stopped": {f.database, e.Empty(t), "", ""},
		} {
			_, err := store.Copy(t.Context(), store.CopyOptions{From: tt.from, To: tt.to})
			if tt.state == "" {
				must(t, err)
				continue
			}
			var conflict *hook.ConflictError
			if !asConflict(err, &conflict) || conflict.State != tt.state || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%s: %v, want a conflict with the state %s and the text %q", name, err, tt.state, tt.text)
			}
		}
		change(t, live, moment(), create(newInteraction(), "q")) // it goes on
	})
}

// truth is true in the words of an engine.
func truth(e storetest.Engine) string {
	if e.Shared {
		return "true"
	}
	return "1"
}

// Nodes that died without leaving are named, and --force says that they are dead. A store that is being copied lets no node in.
func TestCopyForce(t *testing.T) {
	storetest.Pairs(t, func(t *testing.T, from, to storetest.Engine) {
		if !from.Shared {
			return // its lock dies with the process
		}
		f := fillStore(t, from)
		must(t, store.Tamper(t.Context(), f.database, `UPDATE nodes SET until = 9000000000000, name = 'node-7:42'`))
		_, err := store.Copy(t.Context(), store.CopyOptions{From: f.database, To: to.Empty(t)})
		wantConflict(t, err, "in use")
		if !strings.Contains(err.Error(), "node-7:42") || !strings.Contains(err.Error(), "--force") {
			t.Errorf("the node is not named: %v", err)
		}
		var refused error
		report, err := store.Copy(t.Context(), store.CopyOptions{From: f.database, To: to.Empty(t), Force: true, Progress: func(store.CopyProgress) {
			if refused == nil {
				ctx, cancel := contextWithTimeout(t, time.Minute)
				defer cancel()
				_, refused = store.Open(ctx, store.Options{Sealer: sealtest.Keyset(), Database: f.database})
			}
		}})
		must(t, err)
		if report.Rows() == 0 {
			t.Error("nothing was copied")
		}
		wantError(t, refused, hook.ErrUnavailable)
	})
}

// A text that PostgreSQL cannot hold is copied as far as it can, and counted; from SQLite to SQLite it stays as it is.
func TestCopyReplacesTexts(t *testing.T) {
	storetest.Pairs(t, func(t *testing.T, from, to storetest.Engine) {
		if from.Shared {
			return
		}
		f := fillStore(t, from)
		must(t, store.Tamper(t.Context(), f.database, `UPDATE attempts SET error = CAST(X'61006280' AS TEXT) WHERE error <> ''`))
		database := to.Empty(t)
		report := copyStore(t, f.database, database)
		want, replaced := "a\x00b\x80", int64(0)
		if to.Shared {
			want, replaced = "a\uFFFDb\uFFFD", 3
		}
		got, err := to.Open(t, storetest.On(database)).Texts(`SELECT error FROM attempts WHERE error <> '' LIMIT 1`)
		must(t, err)
		if len(got) != 1 || got[0] != want || report.Replaced != replaced {
			t.Errorf("got %q, %d replaced, want %q, %d", got, report.Replaced, want, replaced)
		}
	})
}

// No password is in an error, whatever is wrong with the URL or with what is behind it.
func TestCopyShowsNoPassword(t *testing.T) {
	t.Parallel()
	source := storetest.Open(t)
	source.Stop(t)
	for _, url := range []string{
		"postgres://hooks:p4ssw0rd@127.0.0.1:1/hooks", "postgres://hooks:p4ssw0rd@127.0.0.1:none/hooks", "postgres://127.0.0.1:1/hooks?user=u&password=p4ssw0rd",
		"postgres://hooks:p4ssw0rd@127.0.0.1:1/hooks?sslmode=p4ss",
	} {
		_, into := store.Copy(t.Context(), store.CopyOptions{From: source.Database(), To: url})
		_, from := store.Copy(t.Context(), store.CopyOptions{From: url, To: filepath.Join(t.TempDir(), "x.db")})
		_, backup := store.Backup(t.Context(), store.BackupOptions{Database: url, To: filepath.Join(t.TempDir(), "x.db")})
		_, status := store.ReadSchema(t.Context(), url)
		_, _, up := store.MigrateUp(t.Context(), url)
		for _, err := range []error{into, from, backup, status, up} {
			if err == nil || strings.Contains(err.Error(), "p4ssw0rd") {
				t.Errorf("%v", err)
			}
		}
	}
}
