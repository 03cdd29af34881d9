package storetest

import (
	"path/filepath"
	"testing"

	"github.com/hookswitch/hookswitch/internal/pgtest"
	"github.com/hookswitch/hookswitch/internal/store"
)

// Empty returns the name of a database in which nothing was ever made: on SQLite there is no file yet.
func (e Engine) Empty(t testing.TB) string {
	t.Helper()
	if e.Shared {
		return pgtest.Database(t)
	}
	return filepath.Join(t.TempDir(), "empty.db")
}

// On opens the store on a database of this name.
func On(database string) Option {
	return With(func(o *store.Options) { o.Database = database })
}

// Pairs runs the test from each engine to each, beside other tests.
func Pairs(t *testing.T, test func(t *testing.T, from, to Engine)) {
	t.Helper()
	t.Parallel()
	for _, from := range engines() {
		for _, to := range engines() {
			t.Run(from.Name+" to "+to.Name, func(t *testing.T) {
				t.Parallel()
				test(t, from, to)
			})
		}
	}
}
