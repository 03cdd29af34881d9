package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"
)

// sqliteCopyCacheKiB bounds the page cache of a destination, where the random keys of interactions touch many pages. A source is
// read from its beginning to its end, for which a reader's cache is enough.
const sqliteCopyCacheKiB = 65_536

// sqliteCopy is an SQLite database as a copy uses it.
type sqliteCopy struct {
	conn *sqliteConn
	lock *sqliteConn // nil where the file may be in use
	// space holds the values of the current row, and at where each of them ends.
	space []byte
	at    []int
	row   copyRow
}

// openSQLiteSide opens a file that exists.
func openSQLiteSide(ctx context.Context, path string, pragmas ...string) (*copySide, error) {
	if err := prepareFile(path); err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, translate(err))
	}
	conn.SetBusyTimeout(sqliteBusyMax)
	conn.SetInterrupt(ctx.Done())
	c := &sqliteCopy{conn: &sqliteConn{conn: conn, prepared: make(map[statement]*sqliteStatement)}}
	for _, pragma := range pragmas {
		if err := c.conn.run(statement("PRAGMA " + pragma)); err != nil {
			return nil, errors.Join(fmt.Errorf("open database %s: %w", path, translate(err)), c.close())
		}
	}
	return &copySide{copyEnd: c, shown: path, emptying: fmt.Sprintf("delete %[1]s, %[1]s-wal and %[1]s-shm", path)}, nil
}

// lockedSQLiteSide opens a file that nobody else uses.
func lockedSQLiteSide(ctx context.Context, path string, pragmas ...string) (*copySide, error) {
	if err := prepareFile(path + ".lock"); err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	lock, err := lockSQLite(path)
	if err != nil {
		return nil, err
	}
	s, err := openSQLiteSide(ctx, path, pragmas...)
	if err != nil {
		return nil, errors.Join(err, lock.close())
	}
	s.copyEnd.(*sqliteCopy).lock = lock //nolint:errcheck // openSQLiteSide makes no other
	return s, nil
}

// sqliteFilling are the pragmas of a destination: a crash leaves a database that can be read, and that says that it is
// incomplete. The last commit waits for the disk.
func sqliteFilling() []string {
	return []string{fmt.Sprintf("cache_size = -%d", sqliteCopyCacheKiB), "journal_mode = WAL", "synchronous = NORMAL", fmt.Sprintf("wal_autocheckpoint = %d", sqliteWALPagesMax), "temp_store = MEMORY"}
}

// sqliteReading are the pragmas of a source.
func sqliteReading() []string {
	return []string{fmt.Sprintf("cache_size = -%d", sqliteReaderCacheKiB), "query_only = 1"}
}

func (c *sqliteCopy) rows(_ context.Context, query statement, kinds []columnKind, each func(copyRow) error) error {
	st, err := c.conn.prepare(query)
	if err != nil {
		return translate(err)
	}
	for {
		more, err := st.stmt.Step()
		if err != nil {
			return translate(err) // Step has reset the statement
		}
		if !more {
			return translate(st.stmt.Reset())
		}
		err = c.encode(st.stmt, kinds)
		if err == nil {
			err = each(c.row)
		}
		if err != nil {
			return errors.Join(err, st.stmt.Reset())
		}
	}
}

// encode makes a row of the statement's current one.
func (c *sqliteCopy) encode(st *sqlite.Stmt, kinds []columnKind) (err error) {
	c.space, c.at, c.row = c.space[:0], c.at[:0], c.row[:0]
	for i, kind := range kinds {
		is, want := st.ColumnType(i), sqliteTypeOf(kind)
		switch n := st.ColumnLen(i); {
		case is != want || kind == uuidColumn && n != uuidBytes:
			return fmt.Errorf("column %s holds a value of type %v and %d bytes", st.ColumnName(i), is, n)
		case want == sqlite.TypeInteger:
			if c.space, err = appendNumber(c.space, kind, st.ColumnInt64(i)); err != nil {
				return fmt.Errorf("column %s: %w", st.ColumnName(i), err)
			}
		default:
			at := len(c.space)
			c.space = slices.Grow(c.space, n)[:at+n]
			st.ColumnBytes(i, c.space[at:])
		}
		c.at = append(c.at, len(c.space))
	}
	from := 0
	for _, to := range c.at {
		c.row = append(c.row, c.space[from:to])
		from = to
	}
	return nil
}

// sqliteTypeOf is how SQLite stores the values of a kind.
func sqliteTypeOf(k columnKind) sqlite.ColumnType {
	switch k {
	case textColumn:
		return sqlite.TypeText
	case bytesColumn, uuidColumn:
		return sqlite.TypeBlob
	default:
		return sqlite.TypeInteger
	}
}

func (c *sqliteCopy) insert(_ context.Context, t *copyTable, b *copyBatch) error {
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(t.columns)), ", ")
	st, err := c.conn.prepare(statement("INSERT INTO " + t.name + " (" + strings.Join(t.columns, ", ") + ") VALUES (" + marks + ")"))
	if err != nil {
		return translate(err)
	}
	return c.transact(func() error {
		return b.each(func(r copyRow) error {
			if err := bindRow(st.stmt, t.kinds, r); err != nil {
				return err
			}
			if _, err := st.stmt.Step(); err != nil {
				return err
			}
			return st.stmt.Reset()
		})
	})
}

func bindRow(st *sqlite.Stmt, kinds []columnKind, r copyRow) error {
	for i, value := range r {
		switch kinds[i] {
		case textColumn:
			st.BindText(i+1, string(value))
		case bytesColumn, uuidColumn:
			st.BindBytes(i+1, value)
		default:
			n, err := decodeNumber(value)
			if err != nil {
				return err
			}
			st.BindInt64(i+1, n)
		}
	}
	return nil
}

func (c *sqliteCopy) run(_ context.Context, statements ...statement) error {
	return c.transact(func() error {
		for _, s := range statements {
			if err := c.conn.run(s); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *sqliteCopy) transact(f func() error) error {
	err := c.conn.run("BEGIN IMMEDIATE")
	if err == nil {
		err = f()
	}
	if err == nil {
		err = c.conn.run("COMMIT")
	}
	if err != nil {
		return translate(errors.Join(err, c.conn.rollback()))
	}
	return nil
}

// begin begins a transaction whose first read fixes what it sees.
func (c *sqliteCopy) begin(_ context.Context, first ...statement) error {
	for _, s := range append([]statement{"BEGIN"}, first...) {
		if err := c.conn.run(s); err != nil {
			return translate(err)
		}
	}
	return nil
}

func (c *sqliteCopy) end(context.Context) error { return translate(c.conn.run("COMMIT")) }

func (c *sqliteCopy) close() error {
	err := c.conn.close()
	if c.lock != nil {
		err = errors.Join(err, c.lock.close())
	}
	return err
}
