package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// copyEnd is a database of either engine on one connection, as a copy uses it.
type copyEnd interface {
	// rows gives every row of a query to each, as it comes; kinds are those of the query's columns.
	rows(ctx context.Context, query statement, kinds []columnKind, each func(copyRow) error) error
	// insert writes the rows of a batch in one transaction.
	insert(ctx context.Context, t *copyTable, b *copyBatch) error
	// run executes statements in one transaction.
	run(ctx context.Context, statements ...statement) error
	// begin begins a transaction that only reads, and in which everything is seen as it is at one moment.
	begin(ctx context.Context, first ...statement) error
	// end ends that transaction.
	end(ctx context.Context) error
	close() error
}

// copySide is one database of a copy.
type copySide struct {
	copyEnd
	// shown is its name without a password.
	shown    string
	postgres bool
	// emptying says how an operator empties it.
	emptying string
}

// openSide opens a database that exists.
func openSide(ctx context.Context, database string) (*copySide, error) {
	if IsPostgres(database) {
		return openPostgresSide(ctx, database)
	}
	path := sqlitePath(database)
	if err := checkExists(path); err != nil {
		return nil, err
	}
	return openSQLiteSide(ctx, path, sqliteReading()...)
}

func sqlitePath(database string) string { return strings.TrimPrefix(database, "sqlite:") }

func checkExists(path string) error {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("open database %s: %w", path, hook.ErrNotFound)
	}
	return nil // whatever else is wrong with it is found when it is opened
}

// number reads a query's one number.
func (s *copySide) number(ctx context.Context, query statement) (n int64, err error) {
	err = s.rows(ctx, query, []columnKind{bigColumn}, func(r copyRow) (err error) {
		n, err = decodeNumber(r[0])
		return err
	})
	return n, err
}

// has reports whether there is a table.
func (s *copySide) has(ctx context.Context, table string) (bool, error) {
	query := "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '" + table + "'"
	if s.postgres {
		query = "SELECT count(to_regclass('" + table + "'))"
	}
	n, err := s.number(ctx, statement(query))
	return n > 0, err
}

// occupantsShownMax bounds how many rows of a table are counted to say what is in a database that should be empty.
const occupantsShownMax = 1_000

// checkEmpty refuses a destination that holds anything.
func (s *copySide) checkEmpty(ctx context.Context) error {
	var found []string
	for _, t := range copyTables() {
		if t.name == "catalogue" {
			continue // the migrations make its row
		}
		there, err := s.has(ctx, t.name)
		if err != nil {
			return err
		}
		if !there {
			continue // the schema is old, and stays so unless the rest is empty
		}
		n, err := s.number(ctx, statement(fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s LIMIT %d) found", t.name, occupantsShownMax+1)))
		if err != nil {
			return err
		}
		switch {
		case n > occupantsShownMax:
			found = append(found, fmt.Sprintf("more than %d rows of %s", occupantsShownMax, t.name))
		case n > 0:
			found = append(found, fmt.Sprintf("%d of %s", n, t.name))
		}
	}
	if len(found) == 0 {
		return nil
	}
	return &hook.ConflictError{Verb: "copy to " + s.shown, State: "not empty", Detail: "it holds " + strings.Join(found, ", ") +
		"; name an empty database, or empty this one: " + s.emptying}
}

const (
	selectLiveNodes statement = `SELECT name FROM nodes WHERE until > ` + databaseNow + ` ORDER BY slot`
	// lockNodes keeps nodes from taking a slot for as long as the transaction lasts.
	lockNodes statement = `LOCK TABLE nodes IN SHARE MODE`
)

// checkUnused refuses a PostgreSQL database that nodes use, unless somebody knows that they are dead. SQLite has its lock.
func (s *copySide) checkUnused(ctx context.Context, force bool) error {
	if !s.postgres || force {
		return nil
	}
	var names []string
	err := s.rows(ctx, selectLiveNodes, []columnKind{textColumn}, func(r copyRow) error {
		names = append(names, string(r[0]))
		return nil
	})
	if err != nil || len(names) == 0 {
		return err
	}
	return &hook.ConflictError{Verb: "copy", State: "in use", Detail: fmt.Sprintf(
		"%s is used by %s; stop them first. A node that died is forgotten %v after it did: if all of these are dead, say so with --force",
		s.shown, strings.Join(names, ", "), seatLease)}
}
