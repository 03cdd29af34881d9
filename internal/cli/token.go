package cli

import (
	"context"
	"crypto/x509"
	"os"

	"github.com/hookswitch/hookswitch/internal/bearer"
	"github.com/hookswitch/hookswitch/internal/console"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/signin"
)

// tokenIssuer returns the issuer whose tokens are taken and with which people sign in, or nil when the configuration names none. It asks
// nobody: the server starts while the issuer is away.
func (n *node) tokenIssuer() (*bearer.Issuer, error) {
	o := &n.config.Access.OIDC
	if o.Issuer == "" {
		return nil, nil
	}
	var roots *x509.CertPool
	if o.CAFile != "" {
		text, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, n.config.Refuse("oidc-ca-file", "cannot be read: "+err.Error())
		}
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(text) {
			return nil, n.config.Refuse("oidc-ca-file", "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")
		}
	}
	return bearer.NewIssuer(bearer.Options{
		Issuer: o.Issuer, CenterClaim: o.CenterClaim, PermissionsClaim: o.PermissionsClaim, PermissionsPrefix: o.PermissionsPrefix,
		Center: n.store.ContactCenter, Roots: roots, Log: n.log, Metrics: n.metrics,
	}), nil
}

// tokenVerifier returns what judges bearer tokens, or nil where none are taken.
func (n *node) tokenVerifier(issuer *bearer.Issuer) func(context.Context, string, func() error) (hook.Caller, error) {
	audience := n.config.Access.OIDC.Audience
	if issuer == nil || audience == "" {
		return nil
	}
	return bearer.New(issuer, audience).Verify
}

// signIn returns what signs people in to the console, or nil where only keys do.
func (n *node) signIn(issuer *bearer.Issuer) console.Issuer {
	c := &n.config.Access.SignIn
	if issuer == nil || c.ClientID == "" {
		return nil
	}
	return signin.New(signin.Options{Issuer: issuer, ClientID: c.ClientID, ClientSecret: c.ClientSecret, Scopes: c.Scopes})
}
