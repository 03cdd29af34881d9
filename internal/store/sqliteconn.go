package store

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	modernc "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
	"zombiezen.com/go/sqlite"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// sqlitePreparedMax bounds a connection's prepared statements; lists with many filters make many.
const sqlitePreparedMax = 256

// sqliteMarks removes what is for engines with row locks.
var sqliteMarks = strings.NewReplacer(forUpdate, "", skipLocked, "")

// sqliteConn is one connection with its prepared statements. One goroutine uses it at a time: SQLite takes no locks of its
// own for it.
type sqliteConn struct {
	conn     *sqlite.Conn
	prepared map[statement]*sqliteStatement
}

// sqliteStatement is a prepared statement.
type sqliteStatement struct {
	stmt *sqlite.Stmt
	// order tells which argument each of the parameters takes.
	order []int
	// row gives the columns of the current row to pointers.
	row row
}

func dialSQLite(path string, busy time.Duration, pragmas ...string) (*sqliteConn, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite, sqlite.OpenCreate)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, translate(err))
	}
	conn.SetBusyTimeout(busy)
	c := &sqliteConn{conn: conn, prepared: make(map[statement]*sqliteStatement)}
	for _, pragma := range pragmas {
		if err := c.run(statement("PRAGMA " + pragma)); err != nil {
			return nil, errors.Join(fmt.Errorf("open database %s: %w", path, translate(err)), c.close())
		}
	}
	return c, nil
}

func (c *sqliteConn) close() error { return errors.Join(c.forget(), c.conn.Close()) }

// forget closes the prepared statements.
func (c *sqliteConn) forget() error {
	var errs []error
	for _, st := range c.prepared {
		errs = append(errs, st.stmt.Finalize())
	}
	clear(c.prepared)
	return errors.Join(errs...)
}

// prepare turns $1, $2, … into anonymous parameters and remembers which argument each of them takes.
func (c *sqliteConn) prepare(s statement) (*sqliteStatement, error) {
	if st, ok := c.prepared[s]; ok {
		return st, nil
	}
	if len(c.prepared) >= sqlitePreparedMax {
		if err := c.forget(); err != nil {
			return nil, err
		}
	}
	st := new(sqliteStatement)
	unmarked := tellMark.ReplaceAllString(placeMark.ReplaceAllString(sqliteMarks.Replace(string(s)), ""), "")
	text := placeholder.ReplaceAllStringFunc(unmarked, func(p string) string {
		n, _ := strconv.Atoi(p[1:]) // the pattern lets digits through alone
		st.order = append(st.order, n-1)
		return "?"
	})
	var rest int
	var err error
	if st.stmt, rest, err = c.conn.PrepareTransient(text); err != nil {
		return nil, fmt.Errorf("prepare %q: %w", s, err)
	}
	if rest != 0 {
		return nil, errors.Join(fmt.Errorf("prepare %q: it is more than one statement", s), st.stmt.Finalize())
	}
	st.row = func(dest ...any) error { return scanSQLite(st.stmt, dest) }
	c.prepared[s] = st
	return st, nil
}

func (st *sqliteStatement) bind(args []any) {
	for i, n := range st.order {
		at := i + 1 // SQLite counts parameters from 1
		switch v := args[n].(type) {
		case int64:
			st.stmt.BindInt64(at, v)
		case int:
			st.stmt.BindInt64(at, int64(v))
		case string:
			st.stmt.BindText(at, v)
		case []byte:
			st.stmt.BindBytes(at, v)
		case hook.Serial:
			st.stmt.BindInt64(at, int64(v))
		case hook.WebhookNumber:
			st.stmt.BindInt64(at, int64(v))
		case hook.ContactCenterNumber:
			st.stmt.BindInt64(at, int64(v))
		case hook.UUID:
			st.stmt.BindBytes(at, v[:])
		default:
			panic(fmt.Sprintf("store: argument of type %T", v))
		}
	}
}

func (c *sqliteConn) exec(s statement, args []any) (changed int64, err error) {
	err = c.query(s, nil, args)
	return int64(c.conn.Changes()), err
}

// query runs a statement to its end and gives each row to a function, if there is one.
func (c *sqliteConn) query(s statement, each func(row) error, args []any) (err error) {
	st, err := c.prepare(s)
	if err != nil {
		return err
	}
	st.bind(args)
	for {
		more, err := st.stmt.Step()
		if err != nil {
			return err // Step has reset the statement
		}
		if !more {
			return st.stmt.Reset()
		}
		if each == nil {
			continue
		}
		if err := each(st.row); err != nil {
			return errors.Join(err, st.stmt.Reset())
		}
	}
}

func (c *sqliteConn) run(text statement) error { return c.query(text, nil, nil) }

// rollback ends a failed transaction. SQLite has ended it already after some errors; then there is nothing to do.
func (c *sqliteConn) rollback() error {
	if c.conn.AutocommitEnabled() {
		return nil
	}
	return c.run("ROLLBACK")
}

// checkpoint runs a checkpoint and returns the pages in the write-ahead log and how many of them were moved.
func (c *sqliteConn) checkpoint(mode string) (pages, moved int64, err error) {
	err = c.query(statement("PRAGMA wal_checkpoint("+mode+")"), func(r row) error {
		var busy int64
		return r(&busy, &pages, &moved)
	}, nil)
	return pages, moved, err
}

// truncate moves the whole write-ahead log into the database and cuts it to nothing, unless somebody is busy with it.
func (c *sqliteConn) truncate() (busy bool, err error) {
	err = c.query("PRAGMA wal_checkpoint(TRUNCATE)", func(r row) error {
		var pages, moved int64
		return r(&busy, &pages, &moved)
	}, nil)
	return busy, err
}

// scanSQLite gives the columns of a row to pointers. NULL is the zero value.
func scanSQLite(st *sqlite.Stmt, dest []any) error {
	if n := st.DataCount(); n != len(dest) {
		return fmt.Errorf("scan: %d columns for %d values", n, len(dest))
	}
	for i, d := range dest {
		switch d := d.(type) {
		case *string:
			*d = st.ColumnText(i)
		case *[]byte:
			*d = make([]byte, st.ColumnLen(i))
			st.ColumnBytes(i, *d)
		case *hook.UUID:
			if n := st.ColumnBytes(i, d[:]); n != len(d) {
				return fmt.Errorf("scan: column %d has %d bytes, which are no UUID", i+1, n)
			}
		default:
			if !assignNumber(d, st.ColumnInt64(i)) {
				return fmt.Errorf("scan: column %d cannot be given to a %T", i+1, d)
			}
		}
	}
	return nil
}

// sqliteCode returns SQLite's primary result code of an error of a connection or of the migrations' driver, or -1.
func sqliteCode(err error) int {
	var e *modernc.Error
	switch {
	case err == nil:
		return -1
	case errors.As(err, &e):
		return e.Code() & 0xff
	default:
		return int(sqlite.ErrCode(err).ToPrimary())
	}
}

// translate turns a driver's error into one that callers know, by its code.
func translate(err error) error {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PROTOCOL:
		return fmt.Errorf("%w: %w", hook.ErrUnavailable, err)
	default:
		return err
	}
}
