package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// Schema is the state of a database's schema.
type Schema struct {
	// Database is its name, without a password.
	Database string
	// Version is the newest migration that was applied; zero is none.
	Version int64
	// Newest is the newest one that this program knows for the database's engine.
	Newest int64
	// Pending are the files of those that are still to be applied, oldest first.
	Pending []string
	// Oldest is the version that a program must know at least to use the database.
	Oldest int64
}

// Usable returns an error unless a server of this program may use the database, once pending migrations are applied.
func (s *Schema) Usable() error {
	switch {
	case s.Oldest == incompleteCopy:
		return &hook.ConflictError{Verb: "use the database", State: "incomplete", Detail: "copying into it was not finished: empty it and copy again"}
	case s.Oldest > s.Newest:
		return &hook.ConflictError{Verb: "use the database", State: "newer", Detail: fmt.Sprintf(
			"its schema needs a Hookswitch that knows version %d, and this one knows up to %d; use a newer release", s.Oldest, s.Newest)}
	}
	return nil
}

// incompleteCopy in the table compatibility means that somebody copies into the database, or began to. It is written before
// the first row and replaced after the last check, and it keeps every program away, those too that know nothing of copies:
// none knows so high a version.
const incompleteCopy = math.MaxInt32

const (
	markIncomplete statement = `UPDATE compatibility SET oldest = 2147483647 WHERE oldest < 2147483647 RETURNING oldest`
	clearCatalogue statement = `DELETE FROM catalogue`
)

// markComplete takes the mark away again.
func markComplete(oldest int64) statement {
	return statement(fmt.Sprintf("UPDATE compatibility SET oldest = %d", oldest))
}

// migrationFiles are the migrations of an engine.
func migrationFiles(postgres bool) fs.FS {
	if postgres {
		return mustSub(postgresMigrations, "migrations/postgres")
	}
	return mustSub(sqliteMigrations, "migrations/sqlite")
}

// ReadSchema looks at a database's schema and changes nothing: beside a running server, too.
func ReadSchema(ctx context.Context, database string) (_ *Schema, err error) {
	s, err := openSide(ctx, database)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return s.schema(ctx)
}

func (s *copySide) schema(ctx context.Context) (*Schema, error) {
	applied, err := s.applied(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the schema of %s: %w", s.shown, err)
	}
	names, err := fs.Glob(migrationFiles(s.postgres), "*.sql") // in order
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	found := &Schema{Database: s.shown}
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		found.Newest = version
		if !slices.Contains(applied, version) {
			found.Pending = append(found.Pending, name)
		}
	}
	for _, version := range applied {
		found.Version = max(found.Version, version)
	}
	there, err := s.has(ctx, "compatibility")
	if err == nil && there {
		found.Oldest, err = s.number(ctx, "SELECT oldest FROM compatibility")
	}
	if err != nil {
		return nil, fmt.Errorf("read the schema of %s: %w", s.shown, err)
	}
	return found, nil
}

// applied returns the versions that the migrations' own table lists.
func (s *copySide) applied(ctx context.Context) (versions []int64, err error) {
	there, err := s.has(ctx, goose.DefaultTablename)
	if err != nil || !there {
		return nil, err
	}
	err = s.rows(ctx, "SELECT version_id FROM "+goose.DefaultTablename, []columnKind{bigColumn}, func(r copyRow) error {
		version, err := decodeNumber(r[0])
		versions = append(versions, version)
		return err
	})
	return versions, err
}

// checkSource refuses a database whose tables are not exactly those that this program knows.
func (s *copySide) checkSource(ctx context.Context) error {
	found, err := s.schema(ctx)
	if err != nil {
		return err
	}
	if err := found.Usable(); err != nil {
		return fmt.Errorf("read %s: %w", s.shown, err)
	}
	conflict := &hook.ConflictError{Verb: "read " + s.shown}
	switch {
	case found.Version == 0:
		conflict.State, conflict.Detail = "no store", "it has no tables of Hookswitch"
	case len(found.Pending) > 0:
		conflict.State, conflict.Detail = "old", "its schema misses "+strings.Join(found.Pending, ", ")+
			"; run `hookswitch migrate up` on it first, or use the release that it belongs to"
	case found.Version > found.Newest:
		conflict.State, conflict.Detail = "newer", fmt.Sprintf("its schema has version %d, and this program knows up to %d; use the newer release",
			found.Version, found.Newest)
	default:
		return nil
	}
	return conflict
}

// MigrateUp makes the tables of a database, or brings its schema up to date, and returns it as it was before and is now. On
// SQLite no server may use the database meanwhile; on PostgreSQL as many as like to.
func MigrateUp(ctx context.Context, database string) (before, after *Schema, err error) {
	s, err := openMigrated(ctx, database, func(s *copySide) (err error) {
		if before, err = s.schema(ctx); err == nil {
			err = before.Usable()
		}
		return err
	})
	if err != nil {
		return before, nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	after, err = s.schema(ctx)
	return before, after, err
}

// openMigrated opens a database that this process may change, asks first whether it should, and brings its schema up to date.
func openMigrated(ctx context.Context, database string, first func(*copySide) error) (s *copySide, err error) {
	if IsPostgres(database) {
		s, err = openPostgresSide(ctx, database)
	} else if err = prepareFile(sqlitePath(database)); err == nil {
		s, err = lockedSQLiteSide(ctx, sqlitePath(database), sqliteFilling()...)
	} else {
		err = fmt.Errorf("open database %s: %w", sqlitePath(database), err)
	}
	if err != nil {
		return nil, err
	}
	if err = first(s); err == nil {
		err = s.migrate(ctx, database)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *copySide) migrate(ctx context.Context, database string) error {
	if !s.postgres {
		return migrateSQLite(ctx, sqlitePath(database))
	}
	config, err := postgresConfig(database)
	if err != nil {
		return err
	}
	return migratePostgres(ctx, config.ConnConfig)
}
