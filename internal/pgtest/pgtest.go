package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// statementWait bounds one statement of this package's own.
const statementWait = time.Minute

// process is what the tests of this process share. It is a variable because TestMain and tests have nothing else in common.
var process shared

// A shared is made at first use and closed by Main.
type shared struct {
	mu        sync.Mutex // guards all that follows
	ground    *ground
	groundErr error // kept, so that every test fails at once instead of trying again
	server    *Server
	serverErr error
	templates map[string]*template
	databases int // how many were named
}

// A template is a database that nobody may connect to any more.
type template struct {
	once sync.Once
	name string
	err  error
}

// Main runs a package's tests, stops the shared server if they started one, deletes its folder and returns the exit code.
// Every package that uses this one calls it in TestMain: os.Exit(pgtest.Main(m)).
func Main(m *testing.M) int {
	code := m.Run()
	if err := process.close(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return max(code, 1)
	}
	return code
}

// Database returns the URL of a new, empty database on the server that the process shares. It is dropped when the test ends,
// whoever is still connected. Parallel tests may call it.
func Database(t testing.TB) string {
	t.Helper()
	server, err := process.serve()
	if err != nil {
		t.Fatalf("start the shared PostgreSQL: %v", err)
	}
	return lend(t, server, "template0")
}

// Clone returns the URL of a new database that is a copy of what fill made of an empty one. The process calls fill once for each
// key, whatever number of tests ask for it at once; if it fails, all of them do. The copy is dropped when the test ends.
func Clone(t testing.TB, key string, fill func(ctx context.Context, url string) error) string {
	t.Helper()
	server, err := process.serve()
	if err != nil {
		t.Fatalf("start the shared PostgreSQL: %v", err)
	}
	made := process.template(key)
	made.once.Do(func() {
		made.err = errors.New("fill did not return") // it called t.FailNow or panicked
		made.err = made.make(t.Context(), server, fill)
	})
	if made.err != nil {
		t.Fatalf("fill the template %s: %v", key, made.err)
	}
	return lend(t, server, made.name)
}

// Start starts a server of the test's own. It is stopped, and its folder deleted, when the test ends; if the test failed, the end
// of the server's log is in the test's output.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	g, err := process.prepare()
	if err != nil {
		t.Fatalf("prepare PostgreSQL: %v", err)
	}
	server, err := g.newServer(options)
	if err != nil {
		t.Fatalf("prepare a PostgreSQL server: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of PostgreSQL's log:\n%s", server.logEnd())
		}
		if err := server.remove(); err != nil {
			t.Errorf("remove the PostgreSQL server: %v", err)
		}
	})
	if err := server.begin(choosePort); err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	return server
}

func (p *shared) prepare() (*ground, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.prepareLocked()
}

func (p *shared) prepareLocked() (*ground, error) {
	if p.ground == nil && p.groundErr == nil {
		p.ground, p.groundErr = newGround()
	}
	return p.ground, p.groundErr
}

// serve returns the shared server, started.
func (p *shared) serve() (*Server, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server == nil && p.serverErr == nil {
		p.server, p.serverErr = p.startLocked()
	}
	return p.server, p.serverErr
}

func (p *shared) startLocked() (*Server, error) {
	g, err := p.prepareLocked()
	if err != nil {
		return nil, err
	}
	server, err := g.newServer([]Option{Setting("full_page_writes", "off"), Setting("max_connections", "300")})
	if err != nil {
		return nil, err
	}
	if err := server.begin(choosePort); err != nil {
		return nil, errors.Join(err, server.remove())
	}
	return server, nil
}

func (p *shared) template(key string) *template {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.templates == nil {
		p.templates = map[string]*template{}
	}
	if p.templates[key] == nil {
		p.templates[key] = &template{name: fmt.Sprintf("template_%d", len(p.templates)+2)}
	}
	return p.templates[key]
}

// name returns a name that no other database of this process has.
func (p *shared) name() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.databases++
	return fmt.Sprintf("test_%d", p.databases)
}

func (p *shared) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	if p.server != nil {
		errs = append(errs, p.server.remove())
	}
	if p.ground != nil {
		errs = append(errs, os.RemoveAll(p.ground.folder))
	}
	p.server, p.ground, p.templates = nil, nil, nil
	return errors.Join(errs...)
}

func (m *template) make(ctx context.Context, server *Server, fill func(context.Context, string) error) error {
	if err := server.create(m.name, "template0"); err != nil {
		return err
	}
	if err := fill(ctx, server.URL(m.name)); err != nil {
		return err
	}
	// CREATE DATABASE waits for sessions on its template and then fails: nobody may be left there, and nobody may come.
	err := execute(server.URL(maintenance), "ALTER DATABASE "+quote(m.name)+" WITH ALLOW_CONNECTIONS false")
	if err != nil {
		return fmt.Errorf("close template: %w", err)
	}
	return execute(server.URL(maintenance),
		"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '"+m.name+"'")
}

// lend makes a database for as long as the test runs.
func lend(t testing.TB, server *Server, from string) string {
	t.Helper()
	name := process.name()
	if err := server.create(name, from); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := execute(server.URL(maintenance), "DROP DATABASE "+quote(name)+" WITH (FORCE)"); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	return server.URL(name)
}

// Do runs one statement in a database, as its superuser, for tests that may not know a driver.
func Do(t testing.TB, url, sql string) {
	t.Helper()
	if err := execute(url, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// execute runs one statement on a connection of its own.
func execute(url, sql string) error {
	// Not the test's context, which has ended when its databases are dropped.
	ctx, cancel := context.WithTimeout(context.Background(), statementWait)
	defer cancel()
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	_, err = conn.Exec(ctx, sql).ReadAll()
	return errors.Join(err, conn.Close(ctx))
}

// quote makes an identifier of a name.
func quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
