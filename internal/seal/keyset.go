package seal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// prefixBytes is the length of what Tink writes before each text: its version, 1, and the number of the key in four bytes, the
// highest first (Tink, "Tink's wire format", section "Tink output prefix").
const prefixBytes = 5

// ErrForged says that a sealed text was changed, or belongs to another record.
var ErrForged = errors.New("the sealed text was changed, or belongs to another record")

// UnknownKeyError says that a text was sealed with a key that is not in the keyset.
type UnknownKeyError struct {
	// Number is the key's.
	Number uint32
}

// Error names the key.
func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("sealed with master key %d, which the keyset does not hold", e.Number)
}

// Unwrap returns [hook.ErrLocked].
func (e *UnknownKeyError) Unwrap() error { return hook.ErrLocked }

// Keyset seals and opens. It never changes, and is safe for concurrent use.
type Keyset struct {
	handle  *keyset.Handle
	aead    tink.AEAD
	primary uint32
	// numbers are those of all keys, in the order in which they were added.
	numbers []uint32
}

// New makes a keyset of one random key.
func New() (*Keyset, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return newKeyset(handle)
}

// Parse reads a keyset as [Keyset.Encode] writes it: Tink's JSON of a keyset that is not encrypted itself.
func Parse(text []byte) (*Keyset, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
	if err != nil {
		// Tink's error may repeat what it could not read.
		return nil, errors.New("is no keyset: it must be the JSON of a Tink keyset in clear text, as `hookswitch serve` writes it for a new store")
	}
	return newKeyset(handle)
}

func newKeyset(handle *keyset.Handle) (*Keyset, error) {
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, errors.New("is a keyset, but not of keys for authenticated encryption (AES256_GCM)")
	}
	info := handle.KeysetInfo()
	k := &Keyset{handle: handle, aead: primitive, primary: info.GetPrimaryKeyId()}
	for _, key := range info.GetKeyInfo() {
		k.numbers = append(k.numbers, key.GetKeyId())
	}
	return k, nil
}

// Encode returns the keyset in clear text, for the one file that only its owner may read.
func (k *Keyset) Encode() ([]byte, error) {
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(k.handle, keyset.NewJSONWriter(&out)); err != nil {
		return nil, fmt.Errorf("write keyset: %w", err)
	}
	return append(out.Bytes(), '\n'), nil
}

// Primary returns the number of the key that seals; it is never zero.
func (k *Keyset) Primary() uint32 { return k.primary }

// Numbers returns the numbers of all keys, in the order in which they were added.
func (k *Keyset) Numbers() []uint32 { return slices.Clone(k.numbers) }

// Staged returns the number of the key that was added after the primary one, and seals nothing yet; zero is none.
func (k *Keyset) Staged() uint32 {
	if last := k.numbers[len(k.numbers)-1]; last != k.primary {
		return last
	}
	return 0
}

// Problem returns nil: nothing can happen to a keyset in memory.
func (k *Keyset) Problem() error { return nil }

// Stage returns a keyset with one more random key, which opens and seals nothing yet.
func (k *Keyset) Stage() (*Keyset, error) {
	manager := keyset.NewManagerFromHandle(k.handle)
	if _, err := manager.Add(aead.AES256GCMKeyTemplate()); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return managed(manager)
}

// Promote returns a keyset in which the staged key is primary.
func (k *Keyset) Promote() (*Keyset, error) {
	manager := keyset.NewManagerFromHandle(k.handle)
	if err := manager.SetPrimary(k.Staged()); err != nil {
		return nil, errors.New("no key is staged")
	}
	return managed(manager)
}

// promoted returns a keyset in which a key is primary that is staged; false where it is not.
func (k *Keyset) promoted(number uint32) (*Keyset, bool) {
	if number == 0 || k.Staged() != number {
		return nil, false
	}
	next, err := k.Promote()
	return next, err == nil
}

// Without returns a keyset that does not hold some of the keys any more; the primary one cannot be left out.
func (k *Keyset) Without(numbers []uint32) (*Keyset, error) {
	manager := keyset.NewManagerFromHandle(k.handle)
	for _, number := range numbers {
		if err := manager.Delete(number); err != nil {
			return nil, fmt.Errorf("leave out key %d: it is the primary one, or not there", number)
		}
	}
	return managed(manager)
}

func managed(manager *keyset.Manager) (*Keyset, error) {
	handle, err := manager.Handle()
	if err != nil {
		return nil, fmt.Errorf("make keyset: %w", err)
	}
	return newKeyset(handle)
}

// Seal encrypts a text for the record that about names, and returns the number of the key.
func (k *Keyset) Seal(plain []byte, about string) (sealed []byte, key uint32, err error) {
	sealed, err = k.aead.Encrypt(plain, []byte(about))
	if err != nil {
		return nil, 0, fmt.Errorf("seal: %w", err)
	}
	return sealed, k.primary, nil
}

// Open decrypts what was sealed for the record that about names.
func (k *Keyset) Open(sealed []byte, about string) ([]byte, error) {
	if len(sealed) >= prefixBytes {
		if number := binary.BigEndian.Uint32(sealed[1:prefixBytes]); !slices.Contains(k.numbers, number) {
			return nil, &UnknownKeyError{number}
		}
	}
	plain, err := k.aead.Decrypt(sealed, []byte(about))
	if err != nil {
		return nil, ErrForged // Tink says no more than that either
	}
	return plain, nil
}
