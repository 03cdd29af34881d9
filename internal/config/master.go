package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// KeysetBytesMax bounds the text of a master keyset.
const KeysetBytesMax = 64 << 10

func parseKeyset(text string) (hook.Secret, error) {
	switch text = strings.TrimSpace(text); {
	case text == "":
		return hook.Secret{}, nil
	case len(text) > KeysetBytesMax:
		return hook.Secret{}, fmt.Errorf("is %d bytes long; at most %d are allowed", len(text), KeysetBytesMax)
	}
	return hook.NewSecret(text), nil
}

func parsePath(text string) (string, error) {
	if strings.ContainsRune(text, 0) {
		return "", errors.New("holds a NUL byte")
	}
	return text, nil
}

// CheckMaster refuses a keyset that is given twice. It is for those who use it.
func (c *Config) CheckMaster() error {
	if c.Master.Keyset.IsZero() || c.Master.File == "" {
		return nil
	}
	return &Error{Problems: []Problem{c.missing("master-keyset-file", "is set, and so is master-keyset: set one of them")}}
}
