package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/hookswitch/hookswitch/internal/config"
	"github.com/hookswitch/hookswitch/internal/seal"
	"github.com/hookswitch/hookswitch/internal/store"
)

const (
	// keysetSuffix is what the keyset's file has behind the name of the embedded store.
	keysetSuffix = ".keyset"
	// keysetMode lets its owner alone read it.
	keysetMode fs.FileMode = 0o600
)

// masterKeyset finds the keyset that the configuration names; that of an embedded store is made when it is not there.
func masterKeyset(c *config.Config) (*seal.Keyset, error) {
	if !c.Master.Keyset.IsZero() {
		k, err := seal.Parse([]byte(c.Master.Keyset.Reveal()))
		if err != nil {
			return nil, c.Refuse("master-keyset", err.Error())
		}
		return k, nil
	}
	path := c.Master.File
	if path == "" {
		if store.IsPostgres(c.Database) {
			return nil, c.Refuse("master-keyset-file", "is needed with PostgreSQL")
		}
		path = strings.TrimPrefix(c.Database, "sqlite:") + keysetSuffix
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && c.Master.File == "" {
		return newKeysetFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read master keyset: %w", err)
	}
	k, err := seal.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("master keyset %s %w", path, err)
	}
	return k, nil
}

func newKeysetFile(path string) (*seal.Keyset, error) {
	k, err := seal.New()
	if err != nil {
		return nil, err
	}
	text, err := k.Encode()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, text, keysetMode); errors.Is(err, fs.ErrNotExist) {
		return k, nil // there is no folder, as the store will say
	} else if err != nil {
		return nil, fmt.Errorf("write master keyset: %w", err)
	}
	return k, nil
}
