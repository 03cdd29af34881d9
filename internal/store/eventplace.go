package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The events of a database that was restored into another cluster of databases bring the numbers of that cluster's transactions
// with them, which this one has not come to yet: nobody could read them, and what is made here would come before them.
const (
	// nextTransaction is the first one that nothing which can be seen is of.
	nextTransaction = `pg_snapshot_xmax(pg_current_snapshot())`
	// selectForeign reads the contact centres that have such events, by the index of places.
	selectForeign statement = `SELECT c.number FROM contact_centers c CROSS JOIN LATERAL
		(SELECT 1 FROM events e WHERE e.center = c.number AND e.tx >= ` + nextTransaction + ` LIMIT 1) AS found`
	placeForeign = `UPDATE events SET tx = pg_current_xact_id() WHERE center = $1 AND tx >= ` + nextTransaction
)

// placeForeignEvents gives events that came from another cluster a place in the order of this one: all of a contact centre's in one
// transaction, and so in the order of their serials.
func (e *postgresEngine) placeForeignEvents(ctx context.Context, config *pgx.ConnConfig) error {
	var centers []hook.ContactCenterNumber
	foreign := func() error {
		centers = nil
		return e.read(selectForeign, func(r row) error {
			var center hook.ContactCenterNumber
			err := r(&center)
			centers = append(centers, center)
			return err
		})
	}
	if err := foreign(); err != nil || len(centers) == 0 {
		return err
	}
	db := stdlib.OpenDB(*config)
	unlock, err := lockPostgres(ctx, db)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	err = foreign() // another node may have been quicker
	for _, center := range centers {
		if err == nil {
			err = e.placeForeignOf(ctx, db, center)
		}
	}
	return translatePostgres(errors.Join(err, unlock(), db.Close()))
}

func (e *postgresEngine) placeForeignOf(ctx context.Context, db *sql.DB, center hook.ContactCenterNumber) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `SET LOCAL statement_timeout = 0`); err != nil { // there may be millions
		return errors.Join(err, tx.Rollback())
	}
	result, err := tx.ExecContext(ctx, placeForeign, int64(center))
	if err != nil {
		return errors.Join(fmt.Errorf("place events: %w", err), tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	count, err := result.RowsAffected()
	e.log.Info("events came from another cluster of databases; their order is now that of their serials", "contactCenter", int64(center), "count", count)
	return err
}
