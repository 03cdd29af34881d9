package bearer

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// Options are what an issuer's tokens are judged by.
type Options struct {
	// Issuer is the issuer as its tokens name it, to the letter: an https URL, or an http one on this machine.
	Issuer string
	// CenterClaim and PermissionsClaim name claims; dots lead into nested ones.
	CenterClaim, PermissionsClaim string
	// PermissionsPrefix stands before each permission that is meant for this server; it is cut off, and what has it not is ignored.
	PermissionsPrefix string
	// Center finds a contact centre; what does not exist is [hook.ErrNotFound].
	Center func(hook.ContactCenterID) (hook.ContactCenter, error)
	// Roots verify the issuer's certificate; nil means the machine's own.
	Roots *x509.CertPool
	// Timeout bounds a request to the issuer; zero means five seconds.
	Timeout time.Duration
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Log gets a line when the issuer stops answering, and when it begins; nil means nothing is logged.
	Log *slog.Logger
	// Metrics is where metrics are registered; nil means nowhere.
	Metrics *prometheus.Registry
}

// Issuer is an OpenID Connect issuer: what it says of itself, its keys, and the claims that it signs. It is safe for concurrent use.
type Issuer struct {
	options Options
	keys    *keyring
}

// NewIssuer makes an issuer. It starts nothing and asks nobody.
func NewIssuer(o Options) *Issuer {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Timeout == 0 {
		o.Timeout = requestTimeout
	}
	i := &Issuer{options: o}
	i.keys = newKeyring(&i.options)
	return i
}

// Token is a JWT whose signature is the issuer's, and which is for an audience and valid now.
type Token struct {
	// Type is the media type (typ) in its header in small letters, and empty where there is none.
	Type   string
	Claims Claims
	// Expiry is when it expires, by the issuer's clock.
	Expiry time.Time
}

// finding is what the keyring found about a token, on its way past the library, which turns errors into text.
type finding struct {
	// payload is the token's, once its signature is verified.
	payload []byte
	err     error
}

// findingKey is the key of the finding in a context.
type findingKey struct{}

// Token judges the form, signature, issuer, audience and times of a JWT. Whatever its kind is: that is for the caller to judge.
func (i *Issuer) Token(ctx context.Context, text, audience string) (token Token, err error) {
	if len(text) > tokenBytesMax || !hook.IsJWT(text) {
		return token, &hook.TokenError{Reason: "is no signed JWT of at most 16 KiB"}
	}
	found, now := &finding{}, i.options.Now()
	library := oidc.NewVerifier(i.options.Issuer, i.keys, &oidc.Config{
		ClientID: audience, SupportedSigningAlgs: algorithms(),
		Now: func() time.Time { return now.Add(-skewMax) }, // it decides the expiry; notYet does the other end
	})
	read, err := library.Verify(context.WithValue(ctx, findingKey{}, found), text)
	switch {
	case found.err != nil:
		return token, found.err
	case found.payload == nil:
		return token, &hook.TokenError{Reason: "is no JWT with one signature by an asymmetric algorithm"}
	}
	held, readable := decode(found.payload)
	switch {
	case err != nil || !readable:
		return token, i.refused(held, audience, err)
	case held.isSlack():
		return token, &hook.TokenError{Reason: "has claims that cannot be read"}
	case held.notYet(now):
		return token, &hook.TokenError{Reason: "is not valid yet"}
	}
	return Token{Type: mediaType(text), Claims: held, Expiry: read.Expiry}, nil
}

// refused says why the library refused claims whose signature is the issuer's.
func (i *Issuer) refused(held Claims, audience string, cause error) error {
	_, expired := errors.AsType[*oidc.TokenExpiredError](cause)
	issuer, isText := held["iss"].(string)
	reason := "has claims that cannot be read"
	switch {
	case held == nil || !isText:
	case issuer != i.options.Issuer:
		reason = "was made by another issuer"
	case expired:
		reason = "has expired, or says no time at which it does"
	case held.notYet(i.options.Now()):
		reason = "is not valid yet"
	case !held.isFor(audience):
		reason = "was made for another audience"
	}
	return &hook.TokenError{Reason: reason}
}

// Name returns the issuer's URL, as its tokens name it.
func (i *Issuer) Name() string { return i.options.Issuer }

// PermissionsClaim returns the name of the claim with the permissions.
func (i *Issuer) PermissionsClaim() string { return i.options.PermissionsClaim }

// Permits reports whether a URL of the issuer may be used: https, or http where the issuer is on this machine, too.
func (i *Issuer) Permits(u *url.URL) bool { return permits(i.options.Issuer)(u) }

// Client returns the client for requests to the issuer, with the bounds that the package comment names.
func (i *Issuer) Client() *http.Client { return i.keys.client }

// Discovery is what an issuer says of itself (OpenID Connect Discovery 1.0, section 3), as far as it is needed here.
type Discovery struct {
	KeysURL          string `json:"jwks_uri"`
	AuthorizationURL string `json:"authorization_endpoint"`
	TokenURL         string `json:"token_endpoint"`
	// ClientAuthentication are the ways in which the token endpoint takes a client's secret; none means client_secret_basic.
	ClientAuthentication []string `json:"token_endpoint_auth_methods_supported"`
	// NamesItself says that its answers to browsers have the parameter iss (RFC 9207, section 3).
	NamesItself bool `json:"authorization_response_iss_parameter_supported"`
}

// Discovery returns what the issuer says of itself; it is kept and read anew as its keys are, and together with them. An error is
// [*hook.UnjudgedError], or that of the context.
func (i *Issuer) Discovery(ctx context.Context) (Discovery, error) {
	if _, err := i.keys.keysFor(ctx, "", false); err != nil {
		return Discovery{}, err
	}
	i.keys.mu.Lock()
	defer i.keys.mu.Unlock()
	return i.keys.state.said, nil
}
