package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookswitch/hookswitch/internal/pgtest"
)

const (
	// queryMax bounds each statement of this program.
	queryMax = time.Minute
	// databasePrefix begins the name of every database that this program makes.
	databasePrefix = "hookswitch_bench_"
)

// ownSettings are those of a small server of its own: commits wait for the disk, as they do by default, and the limits of a
// laptop are raised. internal/pgtest would not wait for the disk.
func ownSettings() []pgtest.Option {
	return []pgtest.Option{
		pgtest.Setting("fsync", "on"), pgtest.Setting("shared_buffers", "512MB"), pgtest.Setting("max_wal_size", "4GB"),
		pgtest.Setting("max_connections", "200"),
	}
}

// A postgres is the PostgreSQL of a run, in which every trial has a database of its own.
type postgres struct {
	own        *pgtest.Server // nil where it was there already
	admin      *url.URL       // a database from which others are made
	prefix     string
	made       int
	postmaster int // the process id of its first process, zero where that is not on this machine
}

// A database is the store of one trial.
type database struct {
	postgres  *postgres
	name, url string
}

// openPostgres starts a PostgreSQL, or uses the one given.
func openPostgres(ctx context.Context, given string) (_ *postgres, err error) {
	p := &postgres{}
	if given == "" {
		if p.own, err = pgtest.New(ownSettings()...); err != nil {
			return nil, fmt.Errorf("start PostgreSQL: %w", err)
		}
		given = p.own.URL("postgres")
	}
	if p.admin, err = url.Parse(given); err != nil {
		return nil, errors.Join(fmt.Errorf("read URL of PostgreSQL: %w", errors.Unwrap(err)), p.close()) // the inner one is without the URL
	}
	random := make([]byte, 4)
	rand.Read(random) // never fails: see crypto/rand
	p.prefix = databasePrefix + hex.EncodeToString(random) + "_"
	if p.postmaster, err = p.findPostmaster(ctx); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *postgres) close() error {
	if p.own == nil {
		return nil
	}
	return p.own.Close()
}

// findPostmaster asks the server for the process that answers, and the system for that one's parent.
func (p *postgres) findPostmaster(ctx context.Context) (int, error) {
	var pid int
	var address string
	err := ask(ctx, p.admin.String(), "SELECT pg_backend_pid(), coalesce(host(inet_server_addr()), '')", func(r pgx.Row) error {
		if err := r.Scan(&pid, &address); err != nil {
			return err
		}
		s, ok := readStat(pid)
		if pid = 0; ok && s.name == "postgres" && here(address) {
			pid = s.parent
		}
		return nil
	})
	return pid, err
}

// here reports whether a server's address is this machine's. A server that is reached through a socket has none.
func here(address string) bool {
	at, err := netip.ParseAddr(address)
	return address == "" || err == nil && at.IsLoopback()
}

// create makes an empty database. Copying files, PostgreSQL writes a checkpoint before and after: each trial begins with one.
func (p *postgres) create(ctx context.Context) (*database, error) {
	p.made++
	at, name := *p.admin, fmt.Sprintf("%s%d", p.prefix, p.made)
	at.Path = "/" + name
	d := &database{postgres: p, name: name, url: at.String()}
	return d, p.execute(ctx, "CREATE DATABASE "+name+" TEMPLATE template0 STRATEGY file_copy")
}

// drop deletes the database, also when the run was broken off.
func (d *database) drop(ctx context.Context) error {
	return d.postgres.execute(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+d.name+" WITH (FORCE)")
}

func (p *postgres) execute(ctx context.Context, sql string) error {
	return connect(ctx, p.admin.String(), func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql)
		return err
	})
}

// A bill is what a database and its server had used at one moment.
type bill struct {
	cpu       time.Duration // of all processes of the server
	wal, disk int64         // bytes; the log is the server's, the disk the database's
}

// bill reads the meters.
func (d *database) bill(ctx context.Context) (bill, error) {
	var b bill
	err := ask(ctx, d.url, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint, pg_database_size(current_database())",
		func(r pgx.Row) error { return r.Scan(&b.wal, &b.disk) })
	b.cpu = familyCPU(d.postgres.postmaster)
	return b, err
}

// settings says what the server is and how it is set: what matters for durability, and whatever is not PostgreSQL's default.
func (p *postgres) settings(ctx context.Context) (version, settings string, err error) {
	const sql = `SELECT split_part(version(), ' on ', 1), string_agg(name || '=' || current_setting(name), ', ' ORDER BY name) FROM pg_settings
		WHERE name IN ('autovacuum', 'fsync', 'full_page_writes', 'synchronous_commit') OR setting IS DISTINCT FROM boot_val
		AND context <> 'internal' AND source NOT IN ('default', 'override', 'client', 'session') AND category NOT LIKE 'Client Connection Defaults%'
		AND category NOT LIKE 'Reporting and Logging%' AND category NOT LIKE 'File Locations%' AND category NOT LIKE '%Authentication'
		AND name NOT IN ('cluster_name', 'listen_addresses', 'port', 'unix_socket_directories')`
	err = ask(ctx, p.admin.String(), sql, func(r pgx.Row) error { return r.Scan(&version, &settings) })
	return version, settings, err
}

// describeStore says which PostgreSQL is measured, if it is one.
func (b *lab) describeStore(ctx context.Context, rep *reporter) error {
	if b.postgres == nil {
		return nil
	}
	version, settings, err := b.postgres.settings(ctx)
	if err != nil {
		return err
	}
	whose := "started for this run"
	if b.postgres.own == nil {
		whose = "given"
	}
	rep.say("%s, %s: %s\n", version, whose, settings)
	return rep.keep("postgres", map[string]string{"version": version, "settings": settings})
}

// ask runs a query that answers one row, on a connection of its own.
func ask(ctx context.Context, database, sql string, read func(pgx.Row) error) error {
	return connect(ctx, database, func(ctx context.Context, conn *pgx.Conn) error { return read(conn.QueryRow(ctx, sql)) })
}

func connect(ctx context.Context, database string, f func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, queryMax)
	defer cancel()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	if err := errors.Join(f(ctx, conn), conn.Close(ctx)); err != nil {
		return fmt.Errorf("ask PostgreSQL: %w", err)
	}
	return nil
}

// A part is a table's rows, what else belongs to it, or one of its indexes.
type part struct {
	Table   string `json:"table"`
	Name    string `json:"part"` // rowsPart, restPart, or the name of an index
	Bytes   int64  `json:"bytes"`
	Dead    int64  `json:"deadTuples"`
	Vacuums int64  `json:"autovacuums"`
}

const (
	rowsPart = "rows"
	restPart = "maps and TOAST"
)

// parts lists what the database consists of; the partitions of a table count as the table.
func (d *database) parts(ctx context.Context) ([]part, error) {
	sql := strings.NewReplacer("ROWS", "'"+rowsPart+"'", "REST", "'"+restPart+"'").Replace(`
		SELECT coalesce(pg_partition_root(relid), relid)::regclass::text, ROWS, sum(pg_relation_size(relid))::bigint,
			sum(n_dead_tup)::bigint, sum(autovacuum_count)::bigint FROM pg_stat_user_tables GROUP BY 1
		UNION ALL
		SELECT coalesce(pg_partition_root(relid), relid)::regclass::text, REST,
			sum(pg_table_size(relid) - pg_relation_size(relid))::bigint, 0, 0 FROM pg_stat_user_tables GROUP BY 1
		UNION ALL
		SELECT coalesce(pg_partition_root(relid), relid)::regclass::text, coalesce(pg_partition_root(indexrelid), indexrelid)::regclass::text,
			sum(pg_relation_size(indexrelid))::bigint, 0, 0 FROM pg_stat_user_indexes GROUP BY 1, 2`)
	var list []part
	err := connect(ctx, d.url, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, sql)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[part])
		return err
	})
	return list, err
}
