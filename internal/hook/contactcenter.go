package hook

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// DefaultContactCenter is the contact centre that every new store has and that an admin key means when it names none.
const DefaultContactCenter ContactCenterID = "default"

// ContactCenterIDBytesMax bounds a contact-centre id.
const ContactCenterIDBytesMax = 64

// ContactCenterID names a contact centre; it is what the x-ccid header carries. It is a short lower-case text or a UUID:
// letters, digits, dots, dashes and underscores.
type ContactCenterID string

// ContactCenterNumber is the internal key of a contact centre; every other key starts with it.
type ContactCenterNumber int32

// ContactCenter is a tenant.
type ContactCenter struct {
	Number    ContactCenterNumber
	ID        ContactCenterID
	Name      string
	CreatedAt time.Time
	Settings  CenterSettings
	// UpdatedAt is when name or settings were last changed; zero if they never were.
	UpdatedAt time.Time
}

// CenterSettings is what an operator sets for a contact centre. It is shared between those who read it: nobody writes to what it
// points to.
type CenterSettings struct {
	Retention Retention `json:"retention,omitzero"`
}

// ContactCenterNameBytesMax bounds a contact centre's name.
const ContactCenterNameBytesMax = 256

var contactCenterPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// ParseContactCenterID checks a contact-centre id.
func ParseContactCenterID(s string) (ContactCenterID, error) {
	if len(s) > ContactCenterIDBytesMax || !contactCenterPattern.MatchString(s) {
		return "", fmt.Errorf("%w: contact centre %q: 1 to %d of a-z, 0-9, dot, dash and underscore, beginning with a letter or digit",
			ErrBadID, clip(s), ContactCenterIDBytesMax)
	}
	return ContactCenterID(s), nil
}

// ContactCenterIDRule says what a contact-centre id must be, beside its length.
const ContactCenterIDRule = "must be 1 to 64 of a-z, 0-9, dot, dash and underscore, beginning with a letter or digit"

// ContactCenterNameProblem says what is wrong with a contact centre's name, or nothing. It may be empty.
func ContactCenterNameProblem(name string) string {
	switch {
	case len(name) > ContactCenterNameBytesMax:
		return fmt.Sprintf("is %d bytes long; at most %d are allowed", len(name), ContactCenterNameBytesMax)
	case strings.ContainsFunc(name, unicode.IsControl):
		return "holds a control character"
	default:
		return ""
	}
}
