package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// idBytesMax bounds an event's id that is used as it is.
const idBytesMax = 64

// compose makes the e-mail about a notice.
func (s *Sender) compose(to string, body []byte, now time.Time) (*mail.Msg, error) {
	n, err := parseNotice(body)
	if err != nil {
		return nil, err
	}
	text, err := n.text()
	if err != nil {
		return nil, err
	}
	m := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithCharset(mail.CharsetUTF8), mail.WithEncoding(mail.EncodingQP))
	if err := m.FromFormat(oneLine(s.options.From.Name, nameBytesMax), s.options.From.Address); err != nil {
		return nil, fmt.Errorf("write the sender: %w", err)
	}
	if err := m.To(path(to)); err != nil {
		return nil, fmt.Errorf("write the recipient: %w", err)
	}
	m.Subject(n.headline())
	m.SetDateWithValue(now)
	m.SetMessageIDWithValue(messageID(n.ID, s.options.From.Address))
	m.SetGenHeader("Auto-Submitted", "auto-generated")      // RFC 3834, section 5
	m.SetGenHeader(mail.HeaderXAutoResponseSuppress, "All") // the same for Exchange (MS-OXCMAIL)
	m.SetUserAgent("Hookswitch/" + oneLine(s.options.Version, nameBytesMax))
	m.SetBodyString(mail.TypeTextPlain, text)
	if err := m.AttachReader("notice.json", bytes.NewReader(body), mail.WithFileContentType("application/json")); err != nil {
		return nil, fmt.Errorf("attach the notice: %w", err)
	}
	return m, nil
}

// messageID makes the same id of the same event, whenever it is sent. An id that is no part of one (RFC 5322, section 3.6.4) is
// replaced by its hash.
func messageID(event, from string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
	}
	if len(event) > idBytesMax || strings.ContainsFunc(event, func(r rune) bool { return !plain(r) }) {
		sum := sha256.Sum256([]byte(event))
		event = hex.EncodeToString(sum[:])
	}
	return event + from[strings.LastIndexByte(from, '@'):]
}
