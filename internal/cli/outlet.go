package cli

import (
	"context"
	"errors"
	"net/url"
	"os"

	"github.com/hookswitch/hookswitch/internal/config"
	"github.com/hookswitch/hookswitch/internal/egress"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/mail"
	"github.com/hookswitch/hookswitch/internal/token"
)

// outlet sends each post by the scheme of its URL: notices as e-mail to mailto:, all else over HTTP, with a token where the webhook wants one.
type outlet struct {
	web    *egress.Client
	tokens *token.Sender
	// mail is nil where no mail server is configured.
	mail *mail.Sender
}

// errNoMail says what is missing.
var errNoMail = errors.New("is for e-mail, and no mail server is configured: set the keys smtp and smtp-from")

// newMailer makes the sender of e-mails, or nil where none is configured.
func newMailer(c *config.Mail, version string) *mail.Sender {
	if c.Server == nil {
		return nil
	}
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "" // the server is then greeted as localhost, which most take
	}
	return mail.New(mail.Options{
		Host: c.Server.Host, Port: c.Server.Port, TLS: tlsModes()[c.Server.TLS], User: c.Server.User, Password: c.Server.Password,
		From: c.From, Hostname: hostname, Version: version,
	})
}

func tlsModes() map[string]mail.TLS {
	return map[string]mail.TLS{
		config.MailImplicit: mail.TLSImplicit, config.MailRequired: mail.TLSRequired, config.MailOptional: mail.TLSOptional, config.MailPlain: mail.TLSNone,
	}
}

// egressProxy returns the proxy that is configured, or nil.
func egressProxy(p *config.EgressProxy) *egress.Proxy {
	if p == nil {
		return nil
	}
	return &egress.Proxy{Scheme: p.Scheme, Host: p.Host, Port: p.Port, User: p.User, Password: p.Password}
}

// Send sends one post.
func (o *outlet) Send(ctx context.Context, p hook.Post) hook.Answer {
	switch {
	case p.URL == nil || p.URL.Scheme != mail.Scheme:
		if p.Credentials != nil && p.Credentials.Authorization.OAuth2 != nil {
			return o.tokens.Send(ctx, p)
		}
		return o.web.Send(ctx, p)
	case o.mail == nil:
		return hook.Answer{Failure: hook.FailureRequest, Error: "the URL " + errNoMail.Error()}
	default:
		return o.mail.Send(ctx, p)
	}
}

// check says why nothing can ever be sent to a URL.
func (o *outlet) check(u *url.URL) error {
	switch {
	case u.Scheme != mail.Scheme:
		return o.web.Check(u)
	case o.mail == nil:
		return errNoMail
	default:
		return o.mail.Check(u)
	}
}
