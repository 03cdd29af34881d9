package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/hookswitch/hookswitch/internal/config"
	"github.com/hookswitch/hookswitch/internal/seal"
	"github.com/hookswitch/hookswitch/internal/store"
)

// keysetSuffix is what the keyset's file has behind the name of the embedded store.
const keysetSuffix = ".keyset"

// keysetError is a master keyset that cannot be used: the start is refused, and nothing was done.
type keysetError struct{ error }

// Unwrap returns the reason.
func (e *keysetError) Unwrap() error { return e.error }

// keysetFile returns the file of the keyset: the one that is named, or that of an embedded store. It is empty where there is
// none.
func keysetFile(c *config.Config) string {
	switch {
	case !c.Master.Keyset.IsZero():
		return ""
	case c.Master.File != "":
		return c.Master.File
	case store.IsPostgres(c.Database):
		return ""
	}
	return strings.TrimPrefix(c.Database, "sqlite:") + keysetSuffix
}

// sharedKeyset refuses a start on PostgreSQL without a keyset that can be read, before the tables are brought up to date: nodes of an older
// version could not go on with them, and there would be none in their place.
func sharedKeyset(c *config.Config) error {
	if !store.IsPostgres(c.Database) || !c.Master.Keyset.IsZero() {
		return nil
	}
	path := keysetFile(c)
	if path == "" {
		return fmt.Errorf("cannot use the store: %w", &keysetError{errNoKeyset})
	}
	if _, err := seal.Follow(path, slog.New(slog.DiscardHandler)); errors.Is(err, fs.ErrNotExist) {
		return &keysetError{fmt.Errorf("cannot use the store: there is no master keyset %s: put it back from its backup; for a new store make one, and give the same "+
			"to every node: hookswitch keys new-master >%s", path, path)}
	} else if err != nil {
		return fmt.Errorf("cannot use the store: %w", &keysetError{err})
	}
	return nil
}

// masterKeyset returns how the store, once it is open, finds the keyset that the configuration names. That of an embedded store in
// which nothing is sealed yet is made.
func masterKeyset(c *config.Config, log *slog.Logger) func(known []uint32) (store.Sealer, error) {
	return func(known []uint32) (store.Sealer, error) {
		if !c.Master.Keyset.IsZero() {
			k, err := seal.Parse([]byte(c.Master.Keyset.Reveal()))
			if err != nil {
				return nil, c.Refuse("master-keyset", err.Error())
			}
			return k, nil
		}
		path := keysetFile(c)
		if path == "" {
			return nil, &keysetError{errNoKeyset}
		}
		ring, err := seal.Follow(path, log)
		if !errors.Is(err, fs.ErrNotExist) {
			return orKeysetError(ring, err)
		}
		switch {
		case len(known) > 0:
			return nil, &keysetError{fmt.Errorf("there is no master keyset %s, and the store's secrets are sealed with master key %s: "+
				"put the keyset back from its backup, or name its place with master-keyset-file. No other one can open them", path, numbersText(known))}
		case c.Master.File != "" && store.IsPostgres(c.Database):
			return nil, &keysetError{fmt.Errorf("there is no master keyset %s; make one, and give the same to every node: hookswitch keys new-master >%s", path, path)}
		}
		if _, err := seal.MakeFile(path); err != nil {
			return nil, &keysetError{err}
		}
		log.Info("made a master keyset, which seals the secrets of webhooks; keep a copy of it apart from those of the store", "file", path)
		return orKeysetError(seal.Follow(path, log))
	}
}

func orKeysetError(ring *seal.Ring, err error) (store.Sealer, error) {
	if err != nil {
		return nil, &keysetError{err}
	}
	return ring, nil
}

// errNoKeyset is a PostgreSQL store without a keyset: one that a node made for itself would not be that of the others.
var errNoKeyset = errors.New("a store on PostgreSQL needs master-keyset-file or master-keyset, the same for every node. Make a keyset once with\n" +
	"  (umask 077; hookswitch keys new-master >master.keyset)\nand keep a copy of it apart from those of the database")

// numbersText lists keys by their numbers.
func numbersText(numbers []uint32) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = fmt.Sprint(n)
	}
	return strings.Join(texts, ", ")
}

// whereKeyset says where the keyset of a database is, as far as can be known without the server's configuration.
func (a *app) whereKeyset(database string) string {
	path := a.env(config.EnvPrefix + "MASTER_KEYSET_FILE")
	if path == "" && !store.IsPostgres(database) {
		path = strings.TrimPrefix(database, "sqlite:") + keysetSuffix
		if _, err := os.Stat(path); err != nil {
			path = ""
		}
	}
	if path == "" {
		return " (master-keyset-file names it)"
	}
	return ": " + path
}
