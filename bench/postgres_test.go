package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The tests share a server: starting one takes longer than they do.
func TestPostgres(t *testing.T) {
	p, err := openPostgres(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	for name, test := range map[string]func(*testing.T, *postgres){
		"our own waits for the disk":             testOwnPostgresWaitsForTheDisk,
		"a bill counts what a trial uses":        testBillCountsWhatATrialUses,
		"a given one is used and left as it was": testGivenPostgresIsUsedAndLeftAsItWas,
		"partitions count as their table":        testPartitionsCountAsTheirTable,
	} {
		t.Run(name, func(t *testing.T) { test(t, p) })
	}
}

func perform(t *testing.T, database string, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		err := connect(t.Context(), database, func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, sql)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func testOwnPostgresWaitsForTheDisk(t *testing.T, p *postgres) {
	version, settings, err := p.settings(t.Context())
	if err != nil || !strings.HasPrefix(version, "PostgreSQL ") {
		t.Errorf("error %v, version %q", err, version)
	}
	got := strings.Split(settings, ", ")
	for _, want := range []string{"fsync=on", "synchronous_commit=on", "full_page_writes=on", "autovacuum=on", "shared_buffers=512MB", "max_wal_size=4GB"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q does not have %s", settings, want)
		}
	}
}

func testBillCountsWhatATrialUses(t *testing.T, p *postgres) {
	d, err := p.create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before, err := d.bill(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const rows = 200_000
	var after bill
	err = connect(t.Context(), d.url, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE TABLE things (id bigint PRIMARY KEY); INSERT INTO things SELECT generate_series(1, 200000)")
		if err != nil {
			return err
		}
		after, err = d.bill(ctx) // while the session is open, as those of a node are
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// A row of eight bytes takes 36 on its page and 16 or more in the index, and more in the log.
	if wal, disk := after.wal-before.wal, after.disk-before.disk; wal < 50*rows || disk < 50*rows {
		t.Errorf("%d bytes of log and %d on disk for %d rows", wal, disk, rows)
	}
	// Connecting takes some milliseconds, the rows a tenth of a second and more.
	if _, ok := readStat(1); ok && after.cpu-before.cpu < 50*time.Millisecond {
		t.Errorf("%d rows took %v of CPU time", rows, after.cpu-before.cpu)
	}
	if closed, err := d.bill(t.Context()); err != nil || closed.cpu < after.cpu {
		t.Errorf("error %v; %v of CPU time after the session was closed, %v before", err, closed.cpu, after.cpu)
	}
	if err := d.drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.bill(t.Context()); err == nil {
		t.Error("a database that was dropped answers")
	}
}

func testGivenPostgresIsUsedAndLeftAsItWas(t *testing.T, own *postgres) {
	given, err := openPostgres(t.Context(), own.admin.String())
	if err != nil {
		t.Fatal(err)
	}
	d, err := given.create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	perform(t, d.url, "SELECT 1")
	if err := d.drop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := given.close(); err != nil {
		t.Error(err)
	}
	var left int
	err = ask(t.Context(), own.admin.String(), "SELECT count(*) FROM pg_database WHERE datname LIKE '"+databasePrefix+"%'",
		func(r pgx.Row) error { return r.Scan(&left) })
	if err != nil || left != 0 {
		t.Errorf("error %v, %d databases left", err, left)
	}
	if _, ok := readStat(1); ok && given.postmaster != own.postmaster {
		t.Errorf("the server's process is %d, the given one's %d", own.postmaster, given.postmaster)
	}
}

func testPartitionsCountAsTheirTable(t *testing.T, p *postgres) {
	d, err := p.create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.drop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	perform(t, d.url, "CREATE TABLE events (id bigint PRIMARY KEY) PARTITION BY RANGE (id)",
		"CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (1000)",
		"CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (1000) TO (2000)",
		"INSERT INTO events SELECT generate_series(0, 1999)")
	parts, err := d.parts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]int64{}
	for _, p := range parts {
		if p.Table != "events" || p.Bytes < 0 {
			t.Errorf("got %+v", p)
		}
		pages[p.Name] += p.Bytes / 8192
	}
	// 226 rows of 36 bytes with their pointers fit on a page: five pages for each partition.
	if pages[rowsPart] != 10 || pages["events_pkey"] < 6 {
		t.Errorf("got %v pages", pages)
	}
}
