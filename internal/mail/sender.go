package mail

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	netmail "net/mail"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/egress"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// Scheme is that of the URLs that this package sends to (RFC 6068).
const Scheme = "mailto"

// Cancelled is the text of an answer that the caller's own context cut short.
const Cancelled = "cancelled before the mail server had taken the e-mail over"

// TLS says how the connection to the mail server is secured.
type TLS string

// The ways to secure it.
const (
	TLSImplicit TLS = "implicit" // TLSImplicit speaks TLS from the first byte (RFC 8314, section 3.3).
	TLSRequired TLS = "required" // TLSRequired sends nothing without STARTTLS (RFC 3207).
	TLSOptional TLS = "optional" // TLSOptional uses STARTTLS where the server offers it.
	TLSNone     TLS = "none"     // TLSNone never uses it.
)

// Options are what a sender needs.
type Options struct {
	// Host and Port are the mail server's.
	Host string
	Port int
	TLS  TLS
	// User and Password are empty where the server asks for none. They are sent over TLS only.
	User     string
	Password hook.Secret
	// From is the address that e-mails come from, with or without a name.
	From netmail.Address
	// Hostname is the name of this machine, which the server is greeted with; empty means localhost.
	Hostname string
	// Version is the program's.
	Version string
	// RootCAs verifies the server's certificate; nil means the machine's own roots.
	RootCAs *x509.CertPool
	// Resolver looks the host up; nil means [net.DefaultResolver].
	Resolver *net.Resolver
}

// Sender sends e-mails. It is safe for concurrent use by any number of goroutines.
type Sender struct {
	options Options
}

// New returns a sender. It connects to nothing before the first [Sender.Send].
func New(o Options) *Sender {
	if o.Hostname == "" {
		o.Hostname = "localhost"
	}
	return &Sender{options: o}
}

// Send sends one e-mail and returns what came of it, within the post's timeout.
func (s *Sender) Send(ctx context.Context, p hook.Post) hook.Answer {
	start := time.Now()
	a := s.send(ctx, &p, start)
	a.Took = time.Since(start)
	return a
}

func (s *Sender) send(ctx context.Context, p *hook.Post, now time.Time) hook.Answer {
	to, err := addressOf(p.URL)
	if err != nil {
		return hook.Answer{Failure: hook.FailureRequest, Error: "the URL " + err.Error()}
	}
	message, err := s.compose(to, p.Body, now)
	if err != nil {
		return hook.Answer{Failure: hook.FailureRequest, Error: oneLine(err.Error(), hook.ErrorBytesMax)}
	}
	timed, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	t := &transfer{options: &s.options, step: stepConnect}
	said, err := t.run(timed, s.options.From.Address, to, message)
	if err != nil {
		return t.failed(ctx, p.Timeout, err)
	}
	return hook.Answer{Status: http.StatusOK, Response: []byte(oneLine(said, hook.ResponseBytesMax))}
}

// Check says why no e-mail can be sent to a URL, or nothing.
func (s *Sender) Check(u *url.URL) error {
	_, err := addressOf(u)
	return err
}

// addressOf returns the one address of a mailto: URL.
func addressOf(u *url.URL) (string, error) {
	wrong := errors.New("must be a mailto: URL of one address, such as mailto:ops@example.com")
	if u == nil || u.Scheme != Scheme || u.Opaque == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", wrong
	}
	text, err := url.PathUnescape(u.Opaque)
	if err != nil {
		return "", wrong
	}
	parsed, err := netmail.ParseAddress(text)
	if err != nil || parsed.Address != text || strings.ContainsFunc(text, hidden) {
		return "", wrong
	}
	return text, nil
}

// failed says what went wrong. ctx is the caller's own context.
func (t *transfer) failed(ctx context.Context, limit time.Duration, err error) hook.Answer {
	if ctx.Err() != nil {
		return hook.Answer{Failure: hook.FailureBroken, Error: Cancelled}
	}
	var refused *textproto.Error
	var a hook.Answer
	var text string
	switch {
	case errors.As(err, &refused):
		a.Failure, a.Status = hook.FailureStatus, refused.Code
		text = fmt.Sprintf("it refuses %s: %d %s", t.step, refused.Code, refused.Msg)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		a.Failure, text = hook.FailureTimeout, fmt.Sprintf("no end of %s within %s", t.step, limit)
	case errors.Is(err, errNoTLS):
		a.Failure, text = hook.FailureTLS, err.Error()
	case errors.Is(err, errNoAuth), errors.Is(err, errTooLong):
		a.Failure, text = hook.FailureRequest, err.Error()
	default:
		a.Failure, text = egress.Classify(err, t.step == stepHandshake)
	}
	a.Error = oneLine("mail server "+t.options.Host+": "+text, hook.ErrorBytesMax)
	return a
}
