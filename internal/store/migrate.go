package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// migrateLock is the advisory lock that is held during migrations: an arbitrary number that is ours.
const migrateLock = 0x686f6f6b

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
	if oldest > newest {
		return &hook.ConflictError{Verb: "use the database", State: "newer", Detail: fmt.Sprintf(
			"its schema needs a Hookswitch that knows version %d, and this one knows up to %d; use a newer release", oldest, newest)}
	}
	return nil
}

// migratePostgres migrates under a lock that lives as long as a transaction, so that it works through a pooler and ends with
// the process that holds it.
func migratePostgres(ctx context.Context, config *pgx.ConnConfig) error {
	db := stdlib.OpenDB(*config)
	err := migrate(ctx, goose.DialectPostgres, db, mustSub(postgresMigrations, "migrations/postgres"), func(ctx context.Context) (func() error, error) {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return nil, err
		}
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, migrateLock); err != nil {
			return nil, errors.Join(err, tx.Rollback())
		}
		return tx.Rollback, nil
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("migrate database %s: %w", shownDatabase(config), translatePostgres(err))
	}
	return nil
}
