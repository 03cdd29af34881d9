package storetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hookswitch/hookswitch/internal/pgtest"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/internal/store"
)

// PublicURL is the base of every selfUri in the stores that this package opens.
const PublicURL = "https://hookswitch.example"

// Engine is a kind of database that the store runs on.
type Engine struct {
	// Name is the engine's name, in lower case.
	Name string
	// Shared is whether many stores may be open on one database.
	Shared bool
	// database returns the name of a new and empty database.
	database func(t testing.TB) string
}

func engines() []Engine {
	return []Engine{
		{Name: "sqlite", database: copyOfTables},
		{Name: "postgres", Shared: true, database: func(t testing.TB) string { return pgtest.Clone(t, "store", fill) }},
	}
}

// tables is the file of an SQLite database that has the tables and holds nothing: applying every migration takes longer than most
// tests of one guarantee do.
var tables = sync.OnceValues(func() (file []byte, err error) {
	folder, err := os.MkdirTemp("", "hookswitch-storetest-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	path := filepath.Join(folder, "store.db")
	if _, _, err := store.MigrateUp(context.Background(), path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func copyOfTables(t testing.TB) string {
	t.Helper()
	file, err := tables()
	if err != nil {
		t.Fatalf("make the tables: %v", err)
	}
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatalf("copy the tables: %v", err)
	}
	return path
}

// fill makes the tables once, so that each test gets a copy of an empty store.
func fill(ctx context.Context, url string) error {
	s, err := store.Open(ctx, store.Options{Sealer: sealtest.Keyset(), Database: url, PublicURL: PublicURL})
	if err != nil {
		return err
	}
	return s.Close()
}

// Each runs the test on every engine, beside other tests.
func Each(t *testing.T, test func(t *testing.T, e Engine)) {
	t.Helper()
	t.Parallel()
	for _, e := range engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

// Option changes how a store is opened.
type Option func(*Opened)

// With lets a test change the store's options.
func With(change func(*store.Options)) Option {
	return func(o *Opened) { change(&o.options) }
}

// Before runs f on the store each time that it is opened, before it runs: there its lanes are named.
func Before(f func(*store.Store)) Option {
	return func(o *Opened) { o.before = append(o.before, f) }
}

// Opened is a running store.
type Opened struct {
	*store.Store
	// Faulty makes its commits fail.
	Faulty *Faulty

	options store.Options
	before  []func(*store.Store)
	stop    func()
}

// Open opens a store on SQLite: for the tests of those that use a store.
func Open(t testing.TB, options ...Option) *Opened {
	t.Helper()
	return engines()[0].Open(t, options...)
}

// Open opens a new store and runs it until the test ends.
func (e Engine) Open(t testing.TB, options ...Option) *Opened {
	t.Helper()
	f := new(Faulty)
	o := &Opened{Faulty: f, options: store.Options{Sealer: sealtest.Keyset(), Database: e.database(t), PublicURL: PublicURL, Faults: f}}
	for _, option := range options {
		option(o)
	}
	t.Cleanup(func() { o.Stop(t) })
	o.Start(t)
	return o
}

// Join opens another store on the same database, as another process would, and runs it until the test ends. The engine must
// be [Engine.Shared].
func (o *Opened) Join(t testing.TB, options ...Option) *Opened {
	t.Helper()
	f := new(Faulty)
	joined := &Opened{Faulty: f, options: o.options}
	joined.options.Faults = f
	for _, option := range options {
		option(joined)
	}
	t.Cleanup(func() { joined.Stop(t) })
	joined.Start(t)
	return joined
}

// Database returns the name of the database.
func (o *Opened) Database() string { return o.options.Database }

// Start opens the store after [Opened.Stop], on the same database.
func (o *Opened) Start(t testing.TB) {
	t.Helper()
	s, err := store.Open(t.Context(), o.options)
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	for _, f := range o.before {
		f(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	o.Store = s
	o.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run store: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	}
}

// Stop ends the store's Run and closes it; a store that is stopped already stays so.
func (o *Opened) Stop(t testing.TB) {
	t.Helper()
	if o.stop != nil {
		o.stop()
		o.stop = nil
	}
}

// Reopen stops the store and starts it anew, as a restarted process would.
func (o *Opened) Reopen(t testing.TB) {
	t.Helper()
	o.Stop(t)
	o.Start(t)
}
