package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// postgresHelpers is how many groups of changes, and of outcomes, are committed beside one that takes long.
	postgresHelpers = 2
	// postgresReaders is how many queries run beside the writers.
	postgresReaders = 6
	// postgresConnections is how many connections a node has: for changes, for outcomes, for reading, and one for its slot.
	postgresConnections = 2*(1+postgresHelpers) + postgresReaders + 1
	// postgresConnectMax is how long a connection may take to come about.
	postgresConnectMax = 5 * time.Second
	// postgresTransactMax is how long a transaction may take before the database counts as unavailable.
	postgresTransactMax = 10 * time.Second
	// postgresIdleMax is how long a transaction may wait for its node, and postgresIdleShare bounds it by the lease: whoever waits
	// for the locks of a frozen node must not lose its own leases over that. A node that was just slow begins anew.
	postgresIdleMax   = 2 * time.Second
	postgresIdleShare = 3
	// postgresLockMax is how long a statement waits for a lock.
	postgresLockMax = 5 * time.Second
	// postgresTriesMax is how often a transaction is begun anew that the database broke off for the sake of another one.
	postgresTriesMax = 5
	// postgresResetEvery is how often all connections are made anew while the database refuses to be written to.
	postgresResetEvery = time.Second
)

//go:embed migrations/postgres/*.sql
var postgresMigrations embed.FS

// The statements around every transaction. Settings are made for the transaction alone, because a pooler may give the next
// one another session: a node that freezes or is cut off in the middle of a transaction soon loses its locks; nobody waits
// for a lock for ever; and plans use indexes only, whatever the statistics say, because the open set is as good as empty in
// one moment and large in the next.
const (
	beginWork  statement = `BEGIN`
	commitWork statement = `COMMIT`
	settings             = `SELECT set_config('idle_in_transaction_session_timeout', '%d', true), set_config('lock_timeout', '%d', true),
		set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
		set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true)`
	lockText statement = `SELECT pg_advisory_xact_lock(hashtextextended($2, $1))`
)

// postgresEngine is PostgreSQL, with as many processes writing to it as like to: none of them is special, and all that they
// agree on is in rows.
type postgresEngine struct {
	pool    *pgxpool.Pool
	readers chan struct{} // holds one value for each query that runs
	reset   atomic.Int64  // when all connections were made anew, in nanoseconds since 1970
	shape   postgresShape
	// settings are made at the beginning of each transaction.
	settings statement
	seat     *seat
	log      *slog.Logger
}

// openPostgres connects to the database and brings its schema up to date.
func openPostgres(ctx context.Context, database string, lease time.Duration, log *slog.Logger, m *metrics) (_ *postgresEngine, err error) {
	config, err := postgresConfig(database)
	if err != nil {
		return nil, err
	}
	if err := migratePostgres(ctx, config.ConnConfig); err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", shownDatabase(config.ConnConfig), translatePostgres(err))
	}
	e := &postgresEngine{pool: pool, readers: make(chan struct{}, postgresReaders), log: log}
	e.settings = statement(fmt.Sprintf(settings, min(postgresIdleMax, lease/postgresIdleShare).Milliseconds(), postgresLockMax.Milliseconds()))
	if e.seat, err = takeSeat(e, log, m.skew); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open database %s: %w", shownDatabase(config.ConnConfig), err)
	}
	if err := e.placeForeignEvents(ctx, config.ConnConfig); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: find places for events: %w", shownDatabase(config.ConnConfig), err), e.close())
	}
	return e, nil
}

// postgresConfig reads a database's URL and the environment that PostgreSQL's own programs read.
func postgresConfig(database string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(database)
	if err != nil {
		return nil, fmt.Errorf("read the database's URL: %w", err) // the driver leaves out the password
	}
	config.MaxConns = postgresConnections
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec // nothing is prepared but by postgresConn
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = postgresConnectMax
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "hookswitch"
	}
	return config, nil
}

// shownDatabase names a database without its password.
func shownDatabase(c *pgx.ConnConfig) string {
	return fmt.Sprintf("%s at %s:%d", c.Database, c.Host, c.Port)
}

func (e *postgresEngine) traits() traits {
	return traits{helpers: postgresHelpers, apart: true, shared: true}
}

func (e *postgresEngine) slot() hook.Slot { return e.seat.slot() }

// transact sends each stage of all tasks in one round trip, as far as they may be executed beside each other.
func (e *postgresEngine) transact(tasks []task) error {
	if err := e.seat.hold(); err != nil {
		return err
	}
	how := alone
	if len(tasks) > aloneTasksMax {
		how = together
	}
	return e.work(how, func(b *postgresBatch) error {
		list := waves(tasks)
		for i, wave := range list {
			if err := b.run(wave, i == len(list)-1); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *postgresEngine) read(s statement, each func(row) error, args ...any) error {
	if err := e.waitRead(); err != nil {
		return err
	}
	defer func() { <-e.readers }()
	given := false
	return e.work(reading, func(b *postgresBatch) error {
		if given { // the connection was lost in the middle: the rows that were given cannot be taken back
			return &taskError{fmt.Errorf("%w: the rest of the rows was lost", hook.ErrUnavailable)}
		}
		b.query(s, func(r row) error {
			given = true
			return each(r)
		}, args...)
		return nil
	})
}

// waitRead waits for a query's turn, no longer than a transaction may take: while the database does not answer, the queries
// before it take as long as they may, and those behind them must not add that up.
func (e *postgresEngine) waitRead() error {
	select {
	case e.readers <- struct{}{}:
		return nil
	default:
	}
	limit := time.NewTimer(postgresTransactMax)
	defer limit.Stop()
	select {
	case e.readers <- struct{}{}:
		return nil
	case <-limit.C:
		return fmt.Errorf("%w: %d queries run, and more wait", hook.ErrUnavailable, postgresReaders)
	}
}

// manner is how a transaction is made.
type manner int

const (
	// reading is one that only reads: it is committed in the round trip that it is made in.
	reading manner = iota
	// alone is one task's, and together that of a group: one that was broken off to end a deadlock is not begun anew, for it
	// would meet the same one. Its tasks are then run alone, and hold few locks.
	alone
	together
)

// aloneTasksMax is how many tasks a transaction has that is one caller's: with the catalogue's guard, and a fault of a test's.
const aloneTasksMax = 3

// work runs f in a transaction, again where the database or a pooler before it broke it off for a reason that may be gone.
func (e *postgresEngine) work(how manner, f func(*postgresBatch) error) (err error) {
	for range postgresTriesMax {
		err = e.workOnce(how, f)
		if how == together && brokenOff(err) {
			return err
		}
		if lost := new(lostError); !brokenOff(err) && !errors.As(err, &lost) && !e.shape.again(err, e.log) {
			break
		}
	}
	e.leaveStandby(err, time.Now())
	return translatePostgres(err)
}

// leaveStandby makes all connections anew when one of them turns out to be read-only: after a fail-over another server takes
// the writes, and only a new connection looks for it.
func (e *postgresEngine) leaveStandby(err error, now time.Time) {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != pgReadOnly {
		return
	}
	last := e.reset.Load()
	if now.UnixNano()-last >= int64(postgresResetEvery) && e.reset.CompareAndSwap(last, now.UnixNano()) {
		e.pool.Reset()
	}
}

func (e *postgresEngine) workOnce(how manner, f func(*postgresBatch) error) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), postgresTransactMax)
	defer cancel()
	c, err := e.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer c.Release() // which closes a connection that is not fit for use any more
	b := newPostgresBatch(ctx, c.Conn().PgConn(), &e.shape)
	b.query(beginWork, nil)
	b.query(e.settings, nil)
	err = f(b)
	if err == nil && how != reading {
		err = b.flush()
	}
	if err == nil && !b.committed {
		b.commit()
		err = b.flush()
	}
	if (!b.committed || how == reading) && ctx.Err() == nil && connectionLost(err) {
		err = &lostError{err} // the server ends a session whose transaction idles too long: this node was too slow, or frozen
	}
	if own := new(taskError); b.committed && errors.As(err, &own) {
		err = fmt.Errorf("%w: read after the commit: %w", hook.ErrUnavailable, err)
	}
	return b.end(ctx, err)
}

// run executes tasks stage by stage. The last tasks of a transaction are committed in the round trip of their last stage, but
// not in the first one's, in which the catalogue's guard may find that all is to be begun anew.
func (b *postgresBatch) run(wave []task, last bool) error {
	for n := 0; len(wave) > 0; n++ {
		more := wave[:0:0]
		for _, t := range wave {
			b.at(0)
			if t.stage(n, b) {
				more = append(more, t)
			}
		}
		if last && n > 0 && len(more) == 0 {
			b.commit()
		}
		if err := b.flush(); err != nil {
			return err
		}
		wave = more
	}
	return nil
}

func (e *postgresEngine) maintain() error { return e.seat.keep() }

func (e *postgresEngine) close() error {
	err := e.seat.leave()
	e.pool.Close()
	if err != nil && !errors.Is(err, hook.ErrUnavailable) {
		return fmt.Errorf("give the slot back: %w", err)
	}
	return nil // a database that is gone finds out by itself when the slot is not renewed
}
