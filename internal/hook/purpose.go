package hook

import (
	"net/mail"
	"strconv"
	"strings"
)

const (
	// mailScheme begins the URL of a webhook whose notices are sent by e-mail (RFC 6068).
	mailScheme = "mailto:"
	// MailBytesMax bounds the address in such a URL: 64 bytes before the @, and 255 behind it (RFC 5321, section 4.5.3.1).
	MailBytesMax = 320
)

// Purposes returns every purpose.
func Purposes() []Purpose { return []Purpose{PurposeInteractions, PurposeNotices} }

// purpose checks the purpose, and the settings that only one of the purposes has.
func (c *checker) purpose(prefix string, s *Settings) {
	checkList(c, prefix+"notices", s.Notices, NoticeKinds())
	switch s.Serves() {
	case PurposeInteractions:
		c.only(prefix+"notices", len(s.Notices), PurposeNotices)
	case PurposeNotices:
		c.only(prefix+"events", len(s.Events), PurposeInteractions)
		c.only(prefix+"mediaTypes", len(s.MediaTypes), PurposeInteractions)
		c.only(prefix+"subtypes", len(s.Subtypes), PurposeInteractions)
		if s.Batch.MaxEvents > 1 { // CloudEvents has a format for several, but receivers of one would not know it
			c.fail(prefix+"batch.maxEvents", strconv.Itoa(s.Batch.MaxEvents), "must be 1 where the purpose is %q", PurposeNotices)
		}
	default:
		c.fail(prefix+"purpose", string(s.Purpose), "must be one of %v", Purposes())
	}
}

// only refuses a filter that the purpose gives no meaning to.
func (c *checker) only(field string, entries int, purpose Purpose) {
	if entries > 0 {
		c.fail(field, "", "is for webhooks whose purpose is %q", purpose)
	}
}

// mailURL checks a mailto: URL of one address.
func (c *checker) mailURL(field, raw string) {
	address := strings.TrimPrefix(raw, mailScheme)
	switch parsed, err := mail.ParseAddress(address); {
	case len(address) > MailBytesMax:
		c.fail(field, "", "has an address of %d bytes; at most %d are allowed", len(address), MailBytesMax)
	case textProblem(raw) != "":
		c.fail(field, "", "%s", textProblem(raw))
	case strings.ContainsAny(address, "?#%"):
		c.fail(field, "", "must be a mailto: URL of one address alone, without headers (?…), as mailto:ops@example.com")
	case err != nil || parsed.Name != "" || parsed.Address != address:
		c.fail(field, "", "must be a mailto: URL of one address, as mailto:ops@example.com")
	}
}
