package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// migrateLock is the advisory lock that is held during migrations: an arbitrary number that is ours.
	migrateLock = 0x686f6f6b
	// migrateTryEvery is how often a node that starts asks for the lock while another one migrates.
	migrateTryEvery = 100 * time.Millisecond
	// migrateTriesMax is how often migrating is begun anew that the database broke off: one that changes several tables may take
	// its locks in another order than the nodes do that work meanwhile. What it has done of its migrations, stays.
	migrateTriesMax = 10
)

// migrate brings a schema up to date: lock keeps other processes away until the function that it returns is called. Where
// nothing is missing, nothing is locked or written. A schema that is newer than this program is used as long as it allows
// programs as old as this one.
func migrate(ctx context.Context, dialect goose.Dialect, db *sql.DB, files fs.FS, lock func(context.Context) (unlock func() error, err error)) (err error) {
	known, err := goose.NewProvider(dialect, db, files)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	pending, err := known.HasPending(ctx)
	if err != nil {
		return fmt.Errorf("look for migrations: %w", err)
	}
	if pending {
		unlock, err := lock(ctx)
		if err != nil {
			return fmt.Errorf("lock migrations: %w", err)
		}
		_, err = known.Up(ctx) // looks again what is missing
		if err = errors.Join(err, unlock()); err != nil {
			return fmt.Errorf("apply migrations: %w", err)
		}
	}
	return checkCompatible(ctx, db, known)
}

// checkCompatible refuses a schema that programs as old as this one cannot use.
func checkCompatible(ctx context.Context, db *sql.DB, known *goose.Provider) error {
	sources := known.ListSources()
	newest := sources[len(sources)-1].Version
	var oldest int64
	if err := db.QueryRowContext(ctx, `SELECT oldest FROM compatibility`).Scan(&oldest); err != nil {
		return fmt.Errorf("read the schema's compatibility: %w", err)
	}
	return (&Schema{Newest: newest, Oldest: oldest}).Usable()
}

// migratePostgres migrates under a lock that lives as long as a transaction, so that it works through a pooler and ends with
// the process that holds it.
func migratePostgres(ctx context.Context, config *pgx.ConnConfig) error {
	db := stdlib.OpenDB(*config)
	lock := func(ctx context.Context) (func() error, error) { return lockPostgres(ctx, db) }
	var err error
	for range migrateTriesMax {
		err = migrate(ctx, goose.DialectPostgres, db, mustSub(postgresMigrations, "migrations/postgres"), lock)
		if !brokenOff(err) {
			break
		}
	}
	if _, refused := errors.AsType[*hook.ConflictError](err); !refused {
		err = translatePostgres(err)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("migrate database %s: %w", shownDatabase(config), err)
	}
	return nil
}

// lockPostgres waits for the lock and returns what frees it. While it waits it holds no connection: behind a pooler there may
// be fewer of them than nodes that wait, and the one that has the lock needs a second one to migrate.
func lockPostgres(ctx context.Context, db *sql.DB) (unlock func() error, err error) {
	again := time.NewTicker(migrateTryEvery)
	defer again.Stop()
	for {
		if unlock, err := tryLockPostgres(ctx, db); unlock != nil || err != nil {
			return unlock, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// tryLockPostgres returns nil when another process has the lock. The transaction that holds it idles while the schema is
// changed on another connection, however long a server's settings allow that.
func tryLockPostgres(ctx context.Context, db *sql.DB) (unlock func() error, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	var locked bool
	err = tx.QueryRowContext(ctx, `SELECT pg_try_advisory_xact_lock($1) FROM set_config('idle_in_transaction_session_timeout', '0', true)`,
		migrateLock).Scan(&locked)
	if err != nil || !locked {
		return nil, errors.Join(err, tx.Rollback())
	}
	return tx.Rollback, nil
}
