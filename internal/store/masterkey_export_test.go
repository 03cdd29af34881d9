package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// Reseal seals all that is not under the primary key, as a running store does from time to time.
func (s *Store) Reseal(ctx context.Context, now time.Time) error { return s.resealAll(ctx, now) }

// ResealRowsMax is how many records are sealed anew in one transaction.
const ResealRowsMax = resealRowsMax

// MigrateTo makes the tables that a version before this one had.
func MigrateTo(ctx context.Context, database string, version int64) (err error) {
	dialect, files := goose.DialectSQLite3, mustSub(sqliteMigrations, "migrations/sqlite")
	var db *sql.DB
	if IsPostgres(database) {
		config, err := postgresConfig(database)
		if err != nil {
			return err
		}
		dialect, files, db = goose.DialectPostgres, mustSub(postgresMigrations, "migrations/postgres"), stdlib.OpenDB(*config.ConnConfig)
	} else if db, err = sql.Open("sqlite", sqliteDSN(database)); err != nil {
		return err
	}
	known, err := goose.NewProvider(dialect, db, files)
	if err == nil {
		_, err = known.UpTo(ctx, version)
	}
	return errors.Join(err, db.Close())
}

// ReadAnew reads everything anew that is kept in memory, as after a change by another process.
func (s *Store) ReadAnew() error { return s.refresh() }
