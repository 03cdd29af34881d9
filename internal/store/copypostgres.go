package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// postgresCopy is a PostgreSQL database as a copy uses it.
type postgresCopy struct{ conn *pgconn.PgConn }

func openPostgresSide(ctx context.Context, database string) (*copySide, error) {
	config, err := postgresConfig(database)
	if err != nil {
		return nil, err
	}
	shown := shownDatabase(config.ConnConfig)
	conn, err := pgconn.ConnectConfig(ctx, &config.ConnConfig.Config)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", shown, translatePostgres(err))
	}
	name := config.ConnConfig.Database
	return &copySide{copyEnd: &postgresCopy{conn}, shown: shown, postgres: true, emptying: fmt.Sprintf("dropdb %[1]s && createdb %[1]s", name)}, nil
}

// readLong makes the settings of a transaction that reads whole tables: it may take hours, and rows are read by the index of
// their order, so that nothing is sorted on disk first.
const readLong statement = `SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true),
	set_config('lock_timeout', '5000', true), set_config('enable_sort', 'off', true), set_config('jit', 'off', true)`

func (c *postgresCopy) begin(ctx context.Context, first ...statement) error {
	// Whatever is locked is locked before anything is read, because the first read fixes what the transaction sees.
	for _, s := range append([]statement{"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "SET LOCAL lock_timeout = 5000"}, append(first, readLong)...) {
		if err := c.execute(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (c *postgresCopy) end(ctx context.Context) error { return c.execute(ctx, "COMMIT") }

func (c *postgresCopy) execute(ctx context.Context, s statement) error {
	_, err := c.conn.Exec(ctx, string(s)).ReadAll()
	return translatePostgres(err)
}

func (c *postgresCopy) rows(ctx context.Context, query statement, _ []columnKind, each func(copyRow) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	result := c.conn.ExecParams(ctx, string(query), nil, nil, nil, binaryFormat)
	for result.NextRow() {
		values := result.Values()
		err := each(values)
		if i := slices.IndexFunc(values, func(v []byte) bool { return v == nil }); i >= 0 {
			err = fmt.Errorf("column %s is NULL", result.FieldDescriptions()[i].Name)
		}
		if err != nil {
			cancel() // else the rest would be read first, which may be millions of rows
			_, _ = result.Close()
			return err
		}
	}
	_, err := result.Close()
	return translatePostgres(err)
}

// How the binary format of COPY begins and ends (PostgreSQL, "COPY", section "Binary Format").
const (
	copyHeader  = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	copyTrailer = "\xff\xff"
)

func (c *postgresCopy) insert(ctx context.Context, t *copyTable, b *copyBatch) error {
	all := io.MultiReader(strings.NewReader(copyHeader), bytes.NewReader(b.bytes), strings.NewReader(copyTrailer))
	tag, err := c.conn.CopyFrom(ctx, all, "COPY "+t.name+" ("+strings.Join(t.columns, ", ")+") FROM STDIN (FORMAT binary)")
	if err != nil {
		return translatePostgres(err)
	}
	if n := tag.RowsAffected(); n != int64(b.rows) {
		return fmt.Errorf("PostgreSQL took %d of %d rows", n, b.rows)
	}
	return nil
}

func (c *postgresCopy) run(ctx context.Context, statements ...statement) (err error) {
	for _, s := range append(append([]statement{"BEGIN"}, statements...), "COMMIT") {
		if err = c.execute(ctx, s); err != nil {
			break
		}
	}
	if err != nil && !c.conn.IsClosed() {
		err = errors.Join(err, c.execute(ctx, "ROLLBACK"))
	}
	return err
}

// close does not wait for the other side's farewell for long: the connection may have been cut.
func (c *postgresCopy) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), postgresConnectMax)
	defer cancel()
	if c.conn.IsClosed() {
		return nil
	}
	return c.conn.Close(ctx)
}
