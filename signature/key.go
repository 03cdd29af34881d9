package signature

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// SecretPrefix marks a secret whose rest is a key in base64. It is that of Standard Webhooks 1.0.
const SecretPrefix = "whsec_"

// ErrEmptyKey says that a secret has the prefix and nothing behind it.
var ErrEmptyKey = errors.New("no key after " + SecretPrefix)

// StandardKey gives the key with which secret signs by Standard Webhooks: the decoded bytes if secret has the
// SecretPrefix, and otherwise its own bytes. It fails if the prefix is there and no base64 follows; who takes a secret
// from a person should refuse it then. Signers and verifiers, which must not fail, use the bytes of such a secret as
// they are.
func StandardKey(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, SecretPrefix)
	if !ok {
		return []byte(secret), nil
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("decode secret after %s: %w", SecretPrefix, err)
	}
	if len(key) == 0 {
		return nil, ErrEmptyKey
	}
	return key, nil
}

// StandardSecret gives secret in the form that libraries for Standard Webhooks want: SecretPrefix and the base64 of
// its key. A secret that already has this form comes back unchanged.
func StandardSecret(secret []byte) string {
	return SecretPrefix + base64.StdEncoding.EncodeToString(standardKey(secret))
}

func standardKey(secret []byte) []byte {
	key, err := StandardKey(string(secret))
	if err != nil {
		return secret
	}
	return key
}
