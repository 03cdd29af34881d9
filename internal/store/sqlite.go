package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the database/sql driver, for migrations
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// sqliteReaders is how many connections read beside the one that writes.
	sqliteReaders = 4
	// sqliteCacheKiB bounds each connection's page cache.
	sqliteWriterCacheKiB = 24_576
	sqliteReaderCacheKiB = 2_048
	// sqliteWALPagesMax is the size of the write-ahead log at which it is checkpointed: 4 KiB a page, so 64 MiB.
	sqliteWALPagesMax = 16_384
	// sqliteCheckpointPasses is how often a checkpoint runs beside the writer before the writer finishes it, and
	// sqliteTailPagesMax is how little must be left for it to do so earlier.
	sqliteCheckpointPasses = 4
	sqliteTailPagesMax     = 1_024
	// sqliteBusyMax is how long a connection waits for another one's lock.
	sqliteBusyMax = 10 * time.Second
)

//go:embed migrations/sqlite/*.sql
var sqliteMigrations embed.FS

// sqliteEngine is SQLite in WAL mode with synchronous=FULL: a commit returns after its fsync.
type sqliteEngine struct {
	writer  *sqliteConn
	readers chan *sqliteConn
	// checkpointer moves the write-ahead log into the database beside the writer.
	checkpointer *sqliteConn
	lock         *sqliteConn
	// walPagesMax is sqliteWALPagesMax, but in the tests of it.
	walPagesMax int64
	// tail asks the writer to finish a checkpoint that is nearly complete.
	tail atomic.Bool
	// stale says that the log holds what must not stay readable.
	stale atomic.Bool
}

// openSQLite opens or makes the database at path and brings its schema up to date. A second process is refused.
func openSQLite(ctx context.Context, path string) (_ *sqliteEngine, err error) {
	e := &sqliteEngine{readers: make(chan *sqliteConn, sqliteReaders), walPagesMax: sqliteWALPagesMax}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close())
		}
	}()
	for _, file := range []string{path, path + ".lock"} {
		if err := prepareFile(file); err != nil {
			return nil, fmt.Errorf("open database %s: %w", path, err)
		}
	}
	if e.lock, err = lockSQLite(path); err != nil {
		return nil, err
	}
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		e.stale.Store(true) // a process that was killed may have left there what it had overwritten
	}
	if err := migrateSQLite(ctx, path); err != nil {
		return nil, err
	}
	if e.writer, err = dialSQLite(path, sqliteBusyMax, durable(sqliteWriterCacheKiB)...); err != nil {
		return nil, err
	}
	if e.checkpointer, err = dialSQLite(path, sqliteBusyMax, durable(sqliteReaderCacheKiB)...); err != nil {
		return nil, err
	}
	for range sqliteReaders {
		c, err := dialSQLite(path, sqliteBusyMax, durable(sqliteReaderCacheKiB, "query_only = 1")...)
		if err != nil {
			return nil, err
		}
		e.readers <- c
	}
	return e, nil
}

// sqliteMagic is how every SQLite database begins (SQLite, "Database File Format", section 1.3).
const sqliteMagic = "SQLite format 3\x00"

// prepareFile makes the file when it does not exist, for the owner's eyes only because it will hold secrets, and refuses
// one that is no database. SQLite gives the files beside it the same mode.
func prepareFile(path string) (err error) {
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no folder %s; make it first", filepath.Dir(path))
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder; name a file in it", path)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	head := make([]byte, len(sqliteMagic))
	if n, err := io.ReadFull(f, head); n > 0 && (err != nil || string(head) != sqliteMagic) {
		return fmt.Errorf("%s is a file, but not an SQLite database; name another one", path)
	}
	return nil
}

// lockSQLite holds a lock beside the database for as long as the process lives, so that two processes never deliver from
// one file. The lock is SQLite's own, on a file of its own: the system releases it when the process dies, however it dies.
func lockSQLite(path string) (_ *sqliteConn, err error) {
	c, err := dialSQLite(path+".lock", 0, "locking_mode = EXCLUSIVE")
	if err == nil {
		err = c.run("BEGIN EXCLUSIVE")
	}
	switch {
	case err == nil:
		return c, nil
	case sqliteCode(err) == sqlite3.SQLITE_BUSY:
		err = &hook.ConflictError{Verb: "open database " + path, State: "in use", Detail: "another process uses it (it holds " + path +
			".lock); stop that one first, or name another database"}
	default:
		err = fmt.Errorf("open database %s: %w", path, translate(err))
	}
	if c != nil {
		err = errors.Join(err, c.close())
	}
	return nil, err
}

func migrateSQLite(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", sqliteDSN(path))
	if err != nil {
		return fmt.Errorf("open database %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// The process holds the database's lock already.
	alone := func(context.Context) (func() error, error) { return func() error { return nil }, nil }
	if err := migrate(ctx, goose.DialectSQLite3, db, mustSub(sqliteMigrations, "migrations/sqlite"), alone); err != nil {
		return fmt.Errorf("migrate database %s: %w", path, translate(err))
	}
	return nil
}

// durable are the pragmas of a connection to the store: a commit returns after its fsync, and checkpoints are ours.
func durable(cacheKiB int, more ...string) []string {
	return append([]string{
		"journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 0",
		fmt.Sprintf("cache_size = -%d", cacheKiB), "temp_store = MEMORY",
	}, more...)
}

// sqliteDSN names a database file for database/sql. The transactions of migrations are as durable as all others.
func sqliteDSN(path string) string {
	q := url.Values{"_pragma": {fmt.Sprintf("busy_timeout(%d)", sqliteBusyMax.Milliseconds()), "journal_mode(WAL)", "synchronous(FULL)"}}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

func (e *sqliteEngine) transact(tasks []task) error {
	if slices.ContainsFunc(tasks, overwrites) {
		return e.transactOverwriting(tasks)
	}
	return e.transactUsual(tasks)
}

func (e *sqliteEngine) transactUsual(tasks []task) error {
	if err := e.writer.run("BEGIN IMMEDIATE"); err != nil {
		return translate(err)
	}
	b := &sqliteBatch{conn: e.writer}
	for _, t := range tasks {
		for n := 0; t.stage(n, b) && b.err == nil; n++ {
		}
		if b.err != nil {
			break
		}
	}
	if b.err == nil {
		b.err = e.writer.run("COMMIT")
	}
	if b.err != nil {
		return translate(errors.Join(b.err, e.writer.rollback()))
	}
	e.finishCheckpoint()
	return nil
}

func (e *sqliteEngine) read(s statement, each func(row) error, args ...any) error {
	c := <-e.readers
	defer func() { e.readers <- c }()
	return translate(c.query(s, each, args))
}

// traits: one writer, in a process that has the database for itself.
func (e *sqliteEngine) traits() traits { return traits{} }

func (e *sqliteEngine) slot() hook.Slot { return 0 }

// maintain checkpoints the write-ahead log when it has grown: first beside the writer, which stops nobody, as often as it
// takes until little is left; that the writer finishes itself, so that the next commit starts the log from its beginning.
func (e *sqliteEngine) maintain() error {
	if err := e.emptyLog(); err != nil {
		return translate(err)
	}
	pages, _, err := e.checkpointer.checkpoint("NOOP")
	if err != nil || pages < e.walPagesMax {
		return translate(err)
	}
	for range sqliteCheckpointPasses {
		pages, moved, err := e.checkpointer.checkpoint("PASSIVE")
		if err != nil {
			return translate(err)
		}
		if pages-moved <= sqliteTailPagesMax {
			break
		}
	}
	e.tail.Store(true)
	return nil
}

// finishCheckpoint moves what the last pass of maintain left. A failure is maintain's to find and report: the log just
// goes on growing until a later pass succeeds.
func (e *sqliteEngine) finishCheckpoint() {
	if e.tail.CompareAndSwap(true, false) {
		_, _, _ = e.writer.checkpoint("PASSIVE")
	}
}

func (e *sqliteEngine) close() error {
	var errs []error
	if e.writer != nil {
		_, _, err := e.writer.checkpoint("PASSIVE")
		errs = append(errs, err, e.writer.close())
	}
	if e.checkpointer != nil {
		errs = append(errs, e.checkpointer.close())
	}
	close(e.readers)
	for c := range e.readers {
		errs = append(errs, c.close())
	}
	if e.lock != nil {
		errs = append(errs, e.lock.close())
	}
	return errors.Join(errs...)
}

// sqliteBatch executes each statement as it is queued.
type sqliteBatch struct {
	conn *sqliteConn
	err  error
}

func (b *sqliteBatch) exec(s statement, affected func(int64), args ...any) {
	if b.err != nil {
		return
	}
	n, err := b.conn.exec(s, args)
	if err != nil {
		b.err = err
		return
	}
	if affected != nil {
		affected(n)
	}
}

// at and lock have nothing to do: there is one writer, and it executes one task after the other.
func (b *sqliteBatch) at(uint64) {}

func (b *sqliteBatch) lock(hook.ContactCenterNumber, string) {}

func (b *sqliteBatch) query(s statement, each func(row) error, args ...any) {
	if b.err == nil {
		b.err = b.conn.query(s, each, args)
	}
}
