package cli

import (
	"context"
	"crypto/x509"
	"os"

	"github.com/hookswitch/hookswitch/internal/bearer"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// tokenVerifier returns what judges bearer tokens, or nil when the configuration names no issuer. It asks nobody: the server starts while
// the issuer is away.
func (n *node) tokenVerifier() (func(context.Context, string, func() error) (hook.Caller, error), error) {
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
	return bearer.New(bearer.NewIssuer(bearer.Options{
		Issuer: o.Issuer, CenterClaim: o.CenterClaim, PermissionsClaim: o.PermissionsClaim, PermissionsPrefix: o.PermissionsPrefix,
		Center: n.store.ContactCenter, Roots: roots, Log: n.log, Metrics: n.metrics,
	}), o.Audience).Verify, nil
}
