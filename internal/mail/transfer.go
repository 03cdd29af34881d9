package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	netmail "net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

const (
	// answerBytesMax bounds what is read of a connection: certificates and a dozen answers.
	answerBytesMax = 256 << 10
	// goodbyeMax bounds how long the server may take to end, once it has the e-mail.
	goodbyeMax = time.Second
)

// The steps of a transfer, in the words of a failure.
const (
	stepConnect   = "the connection"
	stepHandshake = "the TLS handshake"
	stepGreeting  = "the greeting"
	stepAuth      = "the login"
	stepFrom      = "the sender's address"
	stepTo        = "the recipient"
	stepMessage   = "the message"
)

var (
	errNoTLS   = errors.New("it offers no STARTTLS, which is required (see the key smtp)")
	errNoAuth  = errors.New("it offers no login that is known: PLAIN, LOGIN or SCRAM-SHA-256")
	errTooLong = fmt.Errorf("it says more than %d bytes", answerBytesMax)
)

// transfer is one e-mail on its way, on a connection of its own.
type transfer struct {
	options *Options
	step    string
	conn    net.Conn
}

// run hands the message over and returns what the server said to it. When ctx ends, the connection is closed under whatever waits
// for it.
func (t *transfer) run(ctx context.Context, from, to string, message io.WriterTo) (said string, err error) {
	dialer := net.Dialer{Resolver: t.options.Resolver}
	raw, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(t.options.Host, strconv.Itoa(t.options.Port)))
	if err == nil {
		t.conn = &bounded{Conn: raw, left: answerBytesMax}
		stop := context.AfterFunc(ctx, t.hangUp)
		said, err = t.talk(ctx, t.conn, from, to, message)
		stop()
		t.hangUp()
	}
	if err != nil && ctx.Err() != nil {
		return "", ctx.Err() // and not that the connection is closed
	}
	return said, err
}

// hangUp closes the connection. What that says is of no interest: the server has the e-mail by now, or it has not.
func (t *transfer) hangUp() { _ = t.conn.Close() }

func (t *transfer) talk(ctx context.Context, conn net.Conn, from, to string, message io.WriterTo) (string, error) {
	if t.options.TLS == TLSImplicit {
		t.step = stepHandshake
		secured := tls.Client(conn, t.tlsConfig())
		if err := secured.HandshakeContext(ctx); err != nil {
			return "", err
		}
		conn = secured
	}
	t.step = stepGreeting
	client, err := smtp.NewClient(conn, t.options.Host)
	if err != nil {
		return "", err
	}
	if err := client.Hello(t.options.Hostname); err != nil {
		return "", err
	}
	if err := t.secure(client); err != nil {
		return "", err
	}
	if err := t.login(client); err != nil {
		return "", err
	}
	return t.hand(client, from, to, message)
}

func (t *transfer) secure(client *smtp.Client) error {
	if t.options.TLS != TLSRequired && t.options.TLS != TLSOptional {
		return nil
	}
	if offered, _ := client.Extension("STARTTLS"); !offered {
		if t.options.TLS == TLSRequired {
			return errNoTLS
		}
		return nil
	}
	t.step = stepHandshake
	return client.StartTLS(t.tlsConfig())
}

func (t *transfer) tlsConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.options.Host, RootCAs: t.options.RootCAs}
}

// login authenticates where there is a user. The simplest way that the server knows is taken: all of it is inside TLS, without
// which the library refuses to send a password.
func (t *transfer) login(client *smtp.Client) error {
	if t.options.User == "" {
		return nil
	}
	t.step = stepAuth
	if _, secured := client.TLSConnectionState(); !secured {
		return errNoTLS
	}
	_, offered := client.Extension("AUTH")
	offers := strings.Fields(offered)
	user, password := t.options.User, t.options.Password.Reveal()
	switch {
	case slices.Contains(offers, "PLAIN"):
		return client.Auth(smtp.PlainAuth("", user, password, t.options.Host, false))
	case slices.Contains(offers, "LOGIN"):
		return client.Auth(smtp.LoginAuth(user, password, t.options.Host, false))
	case slices.Contains(offers, "SCRAM-SHA-256"):
		return client.Auth(smtp.ScramSHA256Auth(user, password))
	}
	return errNoAuth
}

// hand gives the message to the server.
func (t *transfer) hand(client *smtp.Client, from, to string, message io.WriterTo) (string, error) {
	t.step = stepFrom
	if err := client.Mail(path(from)); err != nil {
		return "", err
	}
	t.step = stepTo
	if err := client.Rcpt(path(to)); err != nil {
		return "", err
	}
	t.step = stepMessage
	w, err := client.Data()
	if err != nil {
		return "", err
	}
	if _, err := message.WriteTo(w); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	// From here on the e-mail is the server's, whatever becomes of the rest.
	said := "250"
	if d, ok := w.(*smtp.DataCloser); ok {
		said += " " + d.ServerResponse()
	}
	if err := t.conn.SetDeadline(time.Now().Add(goodbyeMax)); err == nil {
		_ = client.Quit() // see above
	}
	return said, nil
}

// path writes an address as the commands take it, in angle brackets and quoted where it must be.
func path(address string) string { return (&netmail.Address{Address: address}).String() }

// bounded is a connection of which only so much is read.
type bounded struct {
	net.Conn
	left int
}

// Read reads, up to the bound.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errTooLong
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
