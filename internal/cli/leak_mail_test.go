package cli_test

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
)

// startLoginMailbox starts a mail server that wants a user and a password, and takes them over STARTTLS alone; authority is the PEM of who
// signed its certificate.
func startLoginMailbox(t *testing.T, password string) (m mailbox, address string, authority []byte) {
	t.Helper()
	m = make(mailbox, 256)
	certified := httptest.NewTLSServer(nil) // for its certificate
	certificates := certified.TLS.Certificates
	certified.Close()
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return newLoginSession(smtp.AuthSession.Auth, m, password), nil
	}))
	server.Domain, server.ErrorLog, server.TLSConfig = "mail.example", log.New(io.Discard, "", 0), &tls.Config{Certificates: certificates}
	return m, serveMail(t, server), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificates[0].Certificate[0]})
}

// loginSession is that of a server that wants a password. S is the library's type of a mechanism, which comes from a module without
// releases: it is inferred, so that the module need not be required.
type loginSession[S any] struct {
	mailbox
	password string
	known    bool
}

func newLoginSession[S any](_ func(smtp.AuthSession, string) (S, error), m mailbox, password string) smtp.Session {
	return &loginSession[S]{mailbox: m, password: password}
}

func (s *loginSession[S]) AuthMechanisms() []string { return []string{"PLAIN"} }

func (s *loginSession[S]) Auth(string) (chosen S, err error) {
	chosen, ok := any(plainLogin(s.login)).(S)
	if !ok {
		err = errors.New("the library's mechanisms have another form now")
	}
	return chosen, err
}

func (s *loginSession[S]) login(password string) error {
	if s.known = password == s.password; !s.known {
		return smtp.ErrAuthFailed
	}
	return nil
}

func (s *loginSession[S]) Mail(from string, o *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	return s.mailbox.Mail(from, o)
}

// plainLogin reads the password from one response (RFC 4616, section 2).
type plainLogin func(password string) error

func (p plainLogin) Next(response []byte) (challenge []byte, done bool, err error) {
	parts := strings.Split(string(response), "\x00")
	if len(parts) != 3 {
		return nil, true, errors.New("not a message of PLAIN")
	}
	return nil, true, p(parts[2])
}
