package hook

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
)

const (
	// KeyNameBytesMax bounds the name of a key.
	KeyNameBytesMax = 128
	// KeysMax is how many keys a contact centre can have, and how many admin keys there can be.
	KeysMax = 1_000
	// KeySecretBytes is how many random bytes make the secret of a key: 256 bits.
	KeySecretBytes = 32
	// KeyPrefix begins the text of every key, for those who look for leaked credentials.
	KeyPrefix = "hsk_"
	// ConfiguredKey is the name of the admin key that the configuration sets, or that the first start made. No other has it.
	ConfiguredKey = "configured"

	keyIDDigits    = 32 // the id in hexadecimal
	keySecretStart = len(KeyPrefix) + keyIDDigits + 1
	keyTextBytes   = keySecretStart + (KeySecretBytes*8+4)/5
	// keyShownBytesMax is the longest text that is hashed without leaving the stack.
	keyShownBytesMax = 256
)

// ErrNoKey means that a text is not that of a key.
var ErrNoKey = errors.New("no such key")

// KeyID names an API key.
type KeyID struct{ UUID }

// Key is an API key, without what it is made of: nobody can tell the text of a key but who was given it.
type Key struct {
	ID KeyID
	// Center is the contact centre that it belongs to; zero is an admin key.
	Center      ContactCenterNumber
	Name        string
	Permissions []Permission
	Enabled     bool
	// ExpiresAt is when it ends; zero is never.
	ExpiresAt time.Time
	// UsedAt is when it was last used, to the minute; zero if it never was.
	UsedAt    time.Time
	CreatedAt time.Time
	// UpdatedAt is when it was last changed; zero if it never was.
	UpdatedAt time.Time
}

// KeyEndedError is a key that opens nothing any more; whoever is told this has shown the right text.
type KeyEndedError struct {
	// ExpiredAt is when it expired; zero for a key that is disabled.
	ExpiredAt time.Time
}

// Error says why, and what helps.
func (e *KeyEndedError) Error() string {
	if e.ExpiredAt.IsZero() {
		return "the key is disabled"
	}
	return "the key expired at " + e.ExpiredAt.UTC().Format(time.RFC3339)
}

// NewKeyText makes the text of a key, hsk_ID_SECRET: the id in hexadecimal, the secret in base32 (RFC 4648, section 6) in lower case and
// without padding.
func NewKeyText(id KeyID, secret [KeySecretBytes]byte) string {
	coded := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret[:])
	return KeyPrefix + hex.EncodeToString(id.UUID[:]) + "_" + strings.ToLower(coded)
}

// MakeKeyText makes the id and the text of a new key with randomness that it reads.
func MakeKeyText(random io.Reader, now time.Time) (id KeyID, text string, err error) {
	if id.UUID, err = ReadV7(random, now); err != nil {
		return id, "", err
	}
	var secret [KeySecretBytes]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return id, "", fmt.Errorf("read randomness: %w", err)
	}
	return id, NewKeyText(id, secret), nil
}

// KeyProof is what a store needs of a text that somebody shows as a key.
type KeyProof struct {
	// ID is the key that the text names; zero where it names none.
	ID KeyID
	// Hash is the SHA-256 of the text.
	Hash [sha256.Size]byte
}

// ProofOf makes the proof of a text, which may be any.
func ProofOf(text string) (p KeyProof) {
	if len(text) > keyShownBytesMax {
		p.Hash = sha256.Sum256([]byte(text))
		return p
	}
	var shown [keyShownBytesMax]byte
	p.Hash = sha256.Sum256(shown[:copy(shown[:], text)])
	if len(text) == keyTextBytes && text[:len(KeyPrefix)] == KeyPrefix && text[keySecretStart-1] == '_' {
		if _, err := hex.Decode(p.ID.UUID[:], shown[len(KeyPrefix):keySecretStart-1]); err != nil {
			p.ID = KeyID{} // it is no key of ours, and may be the configured one
		}
	}
	return p
}

// Admin reports whether it is an admin key.
func (k *Key) Admin() bool { return k.Center == 0 }

// Configured reports whether it is the admin key that the configuration sets, or that the first start made.
func (k *Key) Configured() bool { return k.Admin() && k.Name == ConfiguredKey }

// Ended says why the key opens nothing at a time; nil means that it does.
func (k *Key) Ended(now time.Time) error {
	switch {
	case !k.Enabled:
		return &KeyEndedError{}
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return &KeyEndedError{ExpiredAt: k.ExpiresAt}
	default:
		return nil
	}
}

// Lasts reports whether it is an enabled admin key that never expires: one of these must remain.
func (k *Key) Lasts() bool { return k.Admin() && k.Enabled && k.ExpiresAt.IsZero() }

// Actor is how the audit log names who uses the key.
func (k *Key) Actor() Actor {
	if k.Configured() {
		return "admin key"
	}
	kind := "key "
	if k.Admin() {
		kind = "admin key "
	}
	// What stands in brackets is the id, and nothing that somebody has put into a name.
	return Actor(kind + strings.NewReplacer("(", "[", ")", "]").Replace(k.Name) + " (" + k.ID.String() + ")")
}

// Caller is who uses the key. Its permissions are the key's own list.
func (k *Key) Caller() Caller {
	return Caller{Center: k.Center, Permissions: k.Permissions, Actor: k.Actor()}
}

// Validate checks what is not as it was before the change, which for a new key is all; the error is an [InvalidError] with the prefix
// before each field's name.
func (k *Key) Validate(prefix string, now time.Time, before *Key) error {
	c := new(checker)
	if k.Name != before.Name || k.Name == "" {
		c.text(prefix+"name", k.Name, 1, KeyNameBytesMax)
		if strings.ContainsFunc(k.Name, func(r rune) bool { return !unicode.IsGraphic(r) && !unicode.IsControl(r) }) {
			c.fail(prefix+"name", k.Name, "holds a character that cannot be seen") // it could make the audit log look like another
		}
		if k.Name == ConfiguredKey || before.Configured() {
			c.fail(prefix+"name", k.Name, "%s is the name of the key that the configuration sets, and of no other", ConfiguredKey)
		}
	}
	if len(k.Permissions) == 0 || !slices.Equal(k.Permissions, before.Permissions) {
		k.checkPermissions(c, prefix+"permissions")
	}
	if !k.ExpiresAt.IsZero() && !k.ExpiresAt.Equal(before.ExpiresAt) && !k.ExpiresAt.After(now) {
		c.fail(prefix+"expiresAt", k.ExpiresAt.Format(time.RFC3339), "must be later than now; to end a key now, expire it")
	}
	return c.err()
}

func (k *Key) checkPermissions(c *checker, field string) {
	all := joinPermissions(Permissions(), ", ")
	for _, p := range k.Permissions {
		if !slices.Contains(Permissions(), p) {
			c.fail(field, string(p), "must be some of %s", all)
			return
		}
	}
	switch {
	case k.Admin() && !slices.Equal(k.Permissions, []Permission{PermitAdmin}):
		c.fail(field, "", "of an admin key are admin alone; a key with others belongs to a contact centre")
	case len(k.Permissions) == 0:
		c.fail(field, "", "must be some of %s", all)
	}
}

// SortPermissions returns permissions in the order of [Permissions], each once; what is none of them comes last.
func SortPermissions(given []Permission) []Permission {
	sorted := make([]Permission, 0, len(given))
	for _, p := range slices.Concat(Permissions(), given) {
		if slices.Contains(given, p) && !slices.Contains(sorted, p) {
			sorted = append(sorted, p)
		}
	}
	return sorted
}

// ParsePermissions reads permissions with spaces between. One that this program does not know permits nothing, and is kept.
func ParsePermissions(text string) (list []Permission) {
	for p := range strings.FieldsSeq(text) {
		list = append(list, Permission(p))
	}
	return list
}

// JoinPermissions is the inverse of [ParsePermissions].
func JoinPermissions(list []Permission) string { return joinPermissions(list, " ") }

func joinPermissions(list []Permission, between string) string {
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = string(p)
	}
	return strings.Join(texts, between)
}

// KeepAdminKey is the refusal of a change that would leave no enabled admin key which never expires.
func KeepAdminKey(verb string) error {
	return &ConflictError{
		Verb: verb, State: "that it is the last one",
		Detail: fmt.Sprintf("no other admin key is enabled and never expires, and without one nobody could administer this installation; "+
			"create another one first (hookswitch keys create NAME --admin), then %s", verb),
	}
}
