package hook

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// The bounds of an app secret, in bytes (specification, section 4).
const (
	SecretBytesMin = 16  // SecretBytesMin is the length of the shortest secret.
	SecretBytesMax = 256 // SecretBytesMax is the length of the longest secret.
	// SecretBytesGenerated is how many random bytes a generated secret is made from.
	SecretBytesGenerated = 32
)

// Secret is an app secret. However it is printed, logged or encoded, it shows as three stars; only [Secret.Reveal] gives it.
// Compare it with [Secret.Equal].
type Secret struct {
	_ [0]func() // so that == does not compile: it would compare pointers
	// value is behind a pointer because fmt calls no method on an unexported field of another struct: it prints what it
	// finds there by reflection, and an address tells nothing.
	value *string
}

// stars is what shows of a secret.
const stars = "***"

// NewSecret holds a secret.
func NewSecret(value string) Secret { return Secret{value: &value} }

// Reveal returns the secret itself, for signing and for the one answer that shows it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Equal reports whether both are the same secret, in a time that tells nothing but their lengths.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns three stars.
func (Secret) String() string { return stars }

// GoString returns three stars.
func (Secret) GoString() string { return stars }

// Format writes three stars for every verb: a verb that no method answers, such as %d, would print the fields.
func (Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, stars) // a fmt.State keeps what it is given; fmt itself reports what its writer says
}

// MarshalText returns three stars.
func (Secret) MarshalText() ([]byte, error) { return []byte(stars), nil }

// LogValue returns three stars.
func (Secret) LogValue() slog.Value { return slog.StringValue(stars) }
