package store_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// backUp backs a store up into a new file and returns its path.
func backUp(t testing.TB, database string) (string, *store.CopyReport) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backup.db")
	report, err := store.Backup(t.Context(), store.BackupOptions{Database: database, To: path})
	if err != nil {
		t.Fatalf("back up: %v", err)
	}
	return path, report
}

// A backup of a store is that store: in one file, for its owner alone, beside whoever uses the store, and nothing else is left.
func TestBackupIsTheStore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		f := fillStore(t, e)
		s := e.Open(t, storetest.On(f.database))
		path, report := backUp(t, f.database)
		names, err := os.ReadDir(filepath.Dir(path))
		must(t, err)
		info, err := os.Stat(path)
		must(t, err)
		if len(names) != 1 || info.Mode() != 0o600 {
			t.Errorf("%d files in the folder, the backup's mode is %v", len(names), info.Mode())
		}
		if want := map[bool]int64{true: 4, false: 0}[e.Shared]; report.Freed != want { // opening it freed them on SQLite
			t.Errorf("%d leases ended, want %d", report.Freed, want)
		}
		want := f.snapshot(t, s)
		restored := storetest.Open(t, storetest.On(path))
		if diff := cmp.Diff(want, f.snapshot(t, restored), same(), unkeyed()); diff != "" {
			t.Errorf("the backup (-store +backup):\n%s", diff)
		}
		if got := claim(t, restored, moment().Add(time.Second), f.webhooks[0], 10); len(got) != 7 {
			t.Errorf("%d deliveries are due after restoring, want 7", len(got))
		}
		restored.Stop(t)
		copyStore(t, path, e.Empty(t)) // and back where it came from
	})
}

// dangling counts what a store holds of something without what belongs to it; a store that is consistent holds none.
func dangling() map[string]string {
	return map[string]string{
		"events without an interaction":       `SELECT count(*) FROM events e WHERE e.interaction <> 0 AND NOT EXISTS (SELECT 1 FROM interactions i WHERE i.center = e.center AND i.serial = e.interaction)`,
		"deliveries without an event":         `SELECT count(*) FROM deliveries d WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.center = d.center AND e.serial = d.event)`,
		"attempts without an event":           `SELECT count(*) FROM attempts a WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.center = a.center AND e.serial = a.event)`,
		"interactions without their STARTED":  `SELECT count(*) FROM interactions i WHERE started_event <> 0 AND NOT EXISTS (SELECT 1 FROM events e WHERE e.center = i.center AND e.serial = i.started_event)`,
		"interactions without their FINISHED": `SELECT count(*) FROM interactions i WHERE finished_event <> 0 AND NOT EXISTS (SELECT 1 FROM events e WHERE e.center = i.center AND e.serial = i.finished_event)`,
		"events neither open nor attempted": `SELECT count(*) FROM events e WHERE e.interaction <> 0 AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.center = e.center AND d.event = e.serial)
			AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.center = e.center AND a.event = e.serial AND a.failure = 0)`,
		"followers of nothing": `SELECT count(*) FROM deliveries d WHERE state = 2 AND NOT EXISTS
			(SELECT 1 FROM deliveries s WHERE s.center = d.center AND s.event = d.waits_for AND s.webhook = d.webhook AND s.followed = 1)`,
		"leases": `SELECT count(*) FROM deliveries WHERE lease <> 0`,
	}
}

// A backup that is made while others write and deliver is the store as it was at one moment, and can be used.
func TestBackupUnderLoad(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		l := &lane{room: true}
		s := e.Open(t, l.option())
		w := webhook(t, s, theCenter)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		for range 4 {
			wg.Go(func() { load(ctx, t, s, w, l) })
		}
		for last, round := int64(0), 0; round < 4; {
			path, report := backUp(t, s.Database())
			if report.Rows() == last {
				continue // nothing was written yet
			}
			last = report.Rows()
			round++
			restored := storetest.Open(t, storetest.On(path))
			for what, query := range dangling() {
				n, err := restored.Numbers(query)
				must(t, err)
				if n[0] != 0 {
					t.Errorf("%d %s", n[0], what)
				}
			}
			deliver(t, restored, moment().Add(time.Minute), w)
			change(t, restored, moment(), create(newInteraction(), "q"))
			restored.Stop(t)
		}
	})
}

// load opens and stops interactions and delivers their events until the context ends.
func load(ctx context.Context, t testing.TB, s *storetest.Opened, w *hook.Webhook, l *lane) {
	for ctx.Err() == nil {
		id, now := newInteraction(), moment()
		_, err := s.AcceptChanges(ctx, theCenter, now, []hook.Change{create(id, "q")}, nil)
		if err == nil {
			_, err = s.AcceptChanges(ctx, theCenter, now, []hook.Change{stop(id)}, nil)
		}
		l.mu.Lock()
		taken := l.taken
		l.taken = nil
		l.mu.Unlock()
		more, claimed := s.Claim(ctx, now, w.Number, 10)
		var outcomes []hook.Outcome
		for _, d := range append(taken, more...) {
			outcomes = append(outcomes, acknowledges(d, now))
		}
		_, recorded := s.Record(ctx, now, outcomes)
		if err = errors.Join(err, claimed, recorded); err != nil && ctx.Err() == nil {
			t.Errorf("the load: %v", err)
			return
		}
	}
}

// A backup overwrites nothing, not even what appears while it is made, and one that fails leaves nothing.
func TestBackupLeavesFilesAlone(t *testing.T) {
	t.Parallel()
	opened := storetest.Open(t)
	change(t, opened, moment(), create(newInteraction(), "q"))
	source := opened.Database()
	dir := t.TempDir()
	there := filepath.Join(dir, "there.db")
	must(t, os.WriteFile(there, []byte("mine"), 0o600))
	_, err := store.Backup(t.Context(), store.BackupOptions{Database: source, To: there})
	wantConflict(t, err, "there already")

	late := filepath.Join(dir, "late.db")
	_, err = store.Backup(t.Context(), store.BackupOptions{Database: source, To: late, Progress: func(p store.CopyProgress) {
		if p.Verifying && p.Table == "events" {
			must(t, os.WriteFile(late, []byte("mine"), 0o600))
		}
	}})
	wantConflict(t, err, "there already")

	ctx, cancel := context.WithCancel(t.Context())
	_, err = store.Backup(ctx, store.BackupOptions{Database: source, To: filepath.Join(dir, "never.db"), Progress: func(store.CopyProgress) { cancel() }})
	wantError(t, err, store.ErrInterrupted)
	_, err = store.Backup(t.Context(), store.BackupOptions{Database: filepath.Join(dir, "none.db"), To: filepath.Join(dir, "never.db")})
	wantError(t, err, hook.ErrNotFound)
	_, err = store.Backup(t.Context(), store.BackupOptions{Database: source, To: filepath.Join(dir, "none", "never.db")})
	wantError(t, err, fs.ErrNotExist)

	found, err := os.ReadDir(dir)
	must(t, err)
	if len(found) != 2 {
		t.Errorf("the folder holds %v", found)
	}
	for _, name := range []string{there, late} {
		if text, err := os.ReadFile(name); err != nil || string(text) != "mine" {
			t.Errorf("%s holds %d bytes, %v", name, len(text), err)
		}
	}
}

// A schema is made, found up to date, and left alone; what is pending is named, and looking at it changes nothing.
func TestMigrateUp(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		database := e.Empty(t)
		if e.Shared {
			found, err := store.ReadSchema(t.Context(), database)
			must(t, err)
			if found.Version != 0 || len(found.Pending) == 0 || found.Pending[0] != "00001_first.sql" || strings.Contains(found.Database, "://") {
				t.Errorf("an empty database: %+v", found)
			}
		} else {
			_, err := store.ReadSchema(t.Context(), database)
			wantError(t, err, hook.ErrNotFound)
		}
		before, after, err := store.MigrateUp(t.Context(), database)
		must(t, err)
		if before.Version != 0 || after.Version != after.Newest || len(after.Pending) != 0 || len(before.Pending) == 0 {
			t.Errorf("from %+v to %+v", before, after)
		}
		if again, _, err := store.MigrateUp(t.Context(), database); err != nil || len(again.Pending) != 0 {
			t.Errorf("again: %+v, %v", again, err)
		}
		s := e.Open(t, storetest.On(database))
		found, err := store.ReadSchema(t.Context(), database) // beside a running server
		must(t, err)
		if diff := cmp.Diff(after, found); diff != "" || found.Usable() != nil {
			t.Errorf("a database in use: %s, %v", diff, found.Usable())
		}
		if _, _, err := store.MigrateUp(t.Context(), database); (err != nil) == e.Shared {
			t.Errorf("beside a server: %v", err)
		}
		s.Stop(t)
		must(t, store.Tamper(t.Context(), database, `UPDATE compatibility SET oldest = 9999`))
		_, _, err = store.MigrateUp(t.Context(), database)
		wantConflict(t, err, "newer")
	})
}

// A migration that raises the oldest version keeps the mark of a copy that was not finished: it is larger than any version.
func TestMigrationsKeepTheMarkOfCopies(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("migrations", "*", "*.sql"))
	must(t, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		must(t, err)
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "UPDATE compatibility") && !strings.Contains(line, "WHERE oldest < ") {
				t.Errorf("%s: %q must end in WHERE oldest < and the version", name, line)
			}
		}
	}
	if len(files) < 4 {
		t.Errorf("only %d migrations were found", len(files))
	}
}
