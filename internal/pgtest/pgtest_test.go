package pgtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
)

const tablesQuery = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"

// query returns the first column of one statement's result.
func query(t *testing.T, url, sql string) []string {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	results, err := conn.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	out := []string{}
	for _, row := range results[0].Rows {
		out = append(out, string(row[0]))
	}
	return out
}

func want(t *testing.T, url, sql string, rows ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, rows...), query(t, url, sql)); diff != "" {
		t.Errorf("%s at %s (-want +got):\n%s", sql, url, diff)
	}
}

func do(t *testing.T, url, sql string) {
	t.Helper()
	if err := execute(url, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestDatabasesOfParallelTestsAreEmptyAndTheirOwn(t *testing.T) {
	var urls sync.Map
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			url := Database(t)
			if _, taken := urls.LoadOrStore(url, true); taken {
				t.Errorf("%s was given out twice", url)
			}
			want(t, url, tablesQuery)
			table := fmt.Sprintf("only_%d", i)
			do(t, url, "CREATE TABLE "+table+" (id bigint)")
			want(t, url, tablesQuery, table)
		})
	}
}

func TestDatabaseIsDroppedWhenItsTestEndsThoughSomebodyIsConnected(t *testing.T) {
	var left *pgconn.PgConn
	t.Run("uses one", func(t *testing.T) {
		var err error
		if left, err = pgconn.Connect(context.Background(), Database(t)); err != nil {
			t.Fatal(err)
		}
	})
	if left == nil {
		t.FailNow()
	}
	if _, err := left.Exec(t.Context(), "SELECT 1").ReadAll(); err == nil {
		t.Error("the database of a test that has ended still answers")
	}
	left.Close(t.Context())
}

func TestSharedServerHasTheSettingsThatTestsCountOn(t *testing.T) {
	url := Database(t)
	for name, value := range map[string]string{
		"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on", "autovacuum": "on", "max_connections": "300",
		"server_encoding": "UTF8", "lc_messages": "C", "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
	} {
		want(t, url, "SHOW "+name, value)
	}
	want(t, url, "SELECT datcollate FROM pg_database WHERE datname = current_database()", "C")
}

func TestClonesShareOneFillAndNothingElse(t *testing.T) {
	var fills atomic.Int32
	var left *pgconn.PgConn // a connection that fill does not close must not stand in the way
	fill := func(ctx context.Context, url string) error {
		fills.Add(1)
		conn, err := pgconn.Connect(ctx, url)
		if err != nil {
			return err
		}
		left = conn
		_, err = conn.Exec(ctx, "CREATE TABLE things (id bigint); INSERT INTO things VALUES (7)").ReadAll()
		return err
	}
	key := process.name() // not that of an earlier run in this process (-count)
	t.Run("all", func(t *testing.T) {
		for i := range 6 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				url := Clone(t, key, fill)
				want(t, url, "SELECT id FROM things", "7")
				do(t, url, fmt.Sprintf("UPDATE things SET id = %d", i))
				want(t, url, "SELECT id FROM things", fmt.Sprint(i))
			})
		}
	})
	if n := fills.Load(); n != 1 {
		t.Errorf("the template was filled %d times, want once", n)
	}
	left.Close(t.Context())
	other := Clone(t, "another key", func(context.Context, string) error { return nil })
	want(t, other, tablesQuery)
}

func TestFillThatFailsFailsEveryTestThatClonesIt(t *testing.T) {
	broken := errors.New("broken")
	for range 2 {
		failed := &failing{TB: t}
		var wait sync.WaitGroup
		wait.Go(func() { Clone(failed, "broken", func(context.Context, string) error { return broken }) })
		wait.Wait()
		if !failed.fatal {
			t.Error("Clone gave out a database that was not filled")
		}
	}
}

// failing is a test that may fail: it notes it instead.
type failing struct {
	testing.TB
	fatal bool
}

func (f *failing) Fatalf(string, ...any) {
	f.fatal = true
	runtime.Goexit() // as the real one
}

func BenchmarkClone(b *testing.B) {
	for b.Loop() {
		Clone(b, "empty", func(context.Context, string) error { return nil })
	}
}
