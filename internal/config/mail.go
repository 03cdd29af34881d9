package config

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// MailFromBytesMax bounds the sender of e-mails, with its name.
const MailFromBytesMax = 512

// The ports of mail servers (RFC 8314, section 3.3).
const (
	portSubmission = 587
	portImplicit   = 465
)

// Mail says how notices are sent by e-mail.
type Mail struct {
	// Server is nil when no e-mail can be sent.
	Server *MailServer
	From   mail.Address
}

// MailServer is the mail server that takes e-mails.
type MailServer struct {
	Host string
	Port int
	// TLS is one of the words below.
	TLS      string
	User     string
	Password hook.Secret
}

// How a connection to the mail server is secured.
const (
	// MailImplicit is TLS from the first byte: smtps.
	MailImplicit = "implicit"
	// MailRequired is STARTTLS, without which nothing is sent.
	MailRequired = "required"
	// MailOptional is STARTTLS where the server offers it.
	MailOptional = "optional"
	// MailPlain is no TLS.
	MailPlain = "none"
)

// parseMailServer reads a mail server's URL; empty is none.
func parseMailServer(text string) (*MailServer, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return nil, errors.New("is not a mail server's URL, such as smtp://user:password@mail.example.com:587 or smtps://mail.example.com " +
			"(write @ : / ? # and % in a password as %40 %3A %2F %3F %23 and %25)")
	}
	s := &MailServer{Host: u.Hostname(), Port: portSubmission, TLS: MailRequired}
	if u.Scheme == "smtps" {
		s.Port, s.TLS = portImplicit, MailImplicit
	}
	if u.Port() != "" {
		if s.Port, err = strconv.Atoi(u.Port()); err != nil || s.Port < 1 || s.Port > 65_535 {
			return nil, errors.New("has a port that is not a number from 1 to 65535")
		}
	}
	if strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return nil, errors.New("must end with the host or its port, or ?starttls=…")
	}
	if err := s.parseTLS(u.RawQuery); err != nil {
		return nil, err
	}
	if err := s.parseUser(u.User); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *MailServer) parseTLS(query string) error {
	if query == "" {
		return nil
	}
	mode, ok := strings.CutPrefix(query, "starttls=")
	switch {
	case !ok || mode != MailRequired && mode != MailOptional && mode != MailPlain:
		return fmt.Errorf("takes no other parameter than starttls=%s, starttls=%s or starttls=%s", MailRequired, MailOptional, MailPlain)
	case s.TLS == MailImplicit:
		return errors.New("begins with smtps, which is TLS from the start: leave starttls out, or begin with smtp")
	}
	s.TLS = mode
	return nil
}

func (s *MailServer) parseUser(user *url.Userinfo) error {
	if user == nil {
		return nil
	}
	password, _ := user.Password()
	switch {
	case user.Username() == "" || password == "":
		return errors.New("must have both a user and a password, or none of them")
	case s.TLS != MailRequired && s.TLS != MailImplicit:
		return errors.New("has a password, which is sent over TLS only: leave starttls out, or the user and the password")
	case strings.ContainsFunc(user.Username()+password, unicode.IsControl):
		return errors.New("has a control character in its user or password")
	}
	s.User, s.Password = user.Username(), hook.NewSecret(password)
	return nil
}

func parseMailFrom(text string) (mail.Address, error) {
	if text == "" {
		return mail.Address{}, nil
	}
	address, err := mail.ParseAddress(text)
	switch {
	case len(text) > MailFromBytesMax:
		return mail.Address{}, fmt.Errorf("is %d bytes long; at most %d are allowed", len(text), MailFromBytesMax)
	case err != nil || strings.ContainsFunc(text, unicode.IsControl):
		return mail.Address{}, errors.New("is not an address, such as hookswitch@example.com or Hookswitch <hookswitch@example.com>")
	}
	return *address, nil
}

// mailProblems says what is missing of the two keys that only work together.
func (c *Config) mailProblems() []Problem {
	switch {
	case c.Mail.Server != nil && c.Mail.From.Address == "":
		return []Problem{c.missing("smtp-from", "is needed where smtp is set: give the address that e-mails come from, such as hookswitch@example.com")}
	case c.Mail.Server == nil && c.Mail.From.Address != "":
		return []Problem{c.missing("smtp", "is needed where smtp-from is set: give the mail server, such as smtp://user:password@mail.example.com:587")}
	}
	return nil
}

func (c *Config) missing(key, message string) Problem {
	p := Problem{Key: key, Message: message}
	for _, s := range c.settings {
		if s.Name == key {
			p.Origin = s.Origin
		}
	}
	return p
}
