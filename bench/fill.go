package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// fillProgressEvery is after how many rows the progress is printed.
const fillProgressEvery = 1_000_000

// fill writes a world into a store that no process uses: past the product, which would take hours, but in the shapes that it writes.
func (w *world) fill(ctx context.Context, f *fleet, path string) error {
	if f.database == nil {
		return w.fillSQLite(ctx, path)
	}
	filled := make(chan error) // main's thread is locked, and what iter.Pull makes must not move between such a thread and others
	go func() { filled <- w.fillPostgres(ctx, f.database.url) }()
	return <-filled
}

// said counts rows and prints how many there are from time to time.
func said(ctx context.Context, t tableRows) iter.Seq[[]any] {
	begin := time.Now()
	return func(yield func([]any) bool) {
		n := 0
		for r := range t.rows {
			if n++; n%fillProgressEvery == 0 {
				fmt.Fprintf(os.Stderr, "%s: %d rows after %v\n", t.table, n, time.Since(begin).Round(time.Second))
			}
			if ctx.Err() != nil || !yield(r) {
				return
			}
		}
		fmt.Fprintf(os.Stderr, "%s: %d rows in %v\n", t.table, n, time.Since(begin).Round(100*time.Millisecond))
	}
}

// fillSQLite fills a file in one transaction without a journal: what is broken off is no store.
func (w *world) fillSQLite(ctx context.Context, path string) (err error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for _, text := range []string{"PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", "PRAGMA cache_size = -500000", "BEGIN"} {
		if err := sqlitex.ExecuteTransient(conn, text, nil); err != nil {
			return fmt.Errorf("prepare to fill: %w", err)
		}
	}
	if err := w.number(func(text string, scan func(at int64, id hook.UUID, number int64)) error {
		return sqlitex.ExecuteTransient(conn, text, &sqlitex.ExecOptions{ResultFunc: func(r *sqlite.Stmt) error {
			var id hook.UUID
			r.ColumnBytes(1, id[:])
			scan(r.ColumnInt64(0), id, r.ColumnInt64(2))
			return nil
		}})
	}); err != nil {
		return err
	}
	for _, t := range w.tables() {
		if err := insertSQLite(ctx, conn, t); err != nil {
			return fmt.Errorf("fill %s: %w", t.table, err)
		}
	}
	if err := sqlitex.ExecuteTransient(conn, "COMMIT", nil); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := sqlitex.ExecuteTransient(conn, "PRAGMA journal_mode = WAL", nil); err != nil {
		return fmt.Errorf("use the log again: %w", err)
	}
	return ctx.Err()
}

func insertSQLite(ctx context.Context, conn *sqlite.Conn, t tableRows) error {
	stmt, err := conn.Prepare("INSERT INTO " + t.table + " (" + strings.Join(t.columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(t.columns)-1) + ")")
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	for r := range said(ctx, t) {
		for i, v := range r {
			switch v := v.(type) {
			case int64:
				stmt.BindInt64(i+1, v)
			case string:
				stmt.BindText(i+1, v)
			case []byte:
				stmt.BindBytes(i+1, v)
			case hook.UUID:
				stmt.BindBytes(i+1, v[:])
			default:
				return fmt.Errorf("%w: a %T", errUsage, v)
			}
		}
		if _, err := stmt.Step(); err != nil {
			return fmt.Errorf("insert: %w", err)
		}
		if err := stmt.Reset(); err != nil {
			return fmt.Errorf("insert: %w", err)
		}
	}
	return ctx.Err()
}

// number reads by which numbers the store knows the contact centre and the webhooks, which were made in order.
func (w *world) number(query func(text string, scan func(at int64, id hook.UUID, number int64)) error) error {
	err := query("SELECT center, id, number FROM webhooks ORDER BY number", func(center int64, _ hook.UUID, number int64) {
		w.center, w.hooks = center, append(w.hooks, number)
	})
	if err == nil && len(w.hooks) != len(worldHooks()) {
		err = fmt.Errorf("%w: %d webhooks are in the store, not %d", errIncomplete, len(w.hooks), len(worldHooks()))
	}
	return err
}

// fillPostgres copies the rows into a database, and vacuums it as it would have been in the course of 90 days.
func (w *world) fillPostgres(ctx context.Context, url string) (err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if err := w.number(func(text string, scan func(at int64, id hook.UUID, number int64)) error {
		rows, err := conn.Query(ctx, text)
		if err != nil {
			return fmt.Errorf("read webhooks: %w", err)
		}
		var center, number int64
		var id [16]byte
		_, err = pgx.ForEachRow(rows, []any{&center, &id, &number}, func() error {
			scan(center, hook.UUID(id), number)
			return nil
		})
		if err != nil {
			return fmt.Errorf("read webhooks: %w", err)
		}
		return nil
	}); err != nil {
		return err
	}
	for _, t := range w.tables() {
		next, stop := iter.Pull(said(ctx, t))
		_, err := conn.CopyFrom(ctx, pgx.Identifier{t.table}, t.columns, pgx.CopyFromFunc(func() ([]any, error) {
			r, ok := next()
			if !ok {
				return nil, nil
			}
			for i, v := range r {
				if id, is := v.(hook.UUID); is {
					r[i] = [16]byte(id)
				}
			}
			return r, nil
		}))
		stop()
		if err != nil {
			return fmt.Errorf("fill %s: %w", t.table, err)
		}
	}
	if _, err := conn.Exec(ctx, "VACUUM (ANALYZE)"); err != nil {
		return fmt.Errorf("vacuum: %w", err)
	}
	return ctx.Err()
}
