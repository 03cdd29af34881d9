package bearer

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"log/slog"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// tokenBytesMax bounds a token before anything is read of it.
	tokenBytesMax = 16 << 10
	// skewMax is by how much the issuer's clock may differ from ours (RFC 7519, section 4.1.4, permits a few minutes).
	skewMax = time.Minute
)

// Options are what a verifier needs.
type Options struct {
	// Issuer is the issuer as its tokens name it, to the letter: an https URL, or an http one on this machine.
	Issuer string
	// Audience is what a token's aud claim must hold.
	Audience string
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
	// Metrics is where the verifier's metrics are registered; nil means nowhere.
	Metrics *prometheus.Registry
}

// Verifier judges tokens. It is safe for concurrent use.
type Verifier struct {
	options Options
	tokens  *oidc.IDTokenVerifier
	known   *cache
	metrics *metrics
}

// New makes a verifier. It starts nothing and asks nobody.
func New(o Options) *Verifier {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Timeout == 0 {
		o.Timeout = requestTimeout
	}
	v := &Verifier{options: o, known: newCache(), metrics: newMetrics(o.Metrics)}
	v.tokens = oidc.NewVerifier(o.Issuer, newKeyring(&v.options, v.metrics), &oidc.Config{
		ClientID: o.Audience, SupportedSigningAlgs: algorithms(),
		Now: func() time.Time { return o.Now().Add(-skewMax) }, // it decides the expiry; notYet does the other end
	})
	return v
}

// Verify returns whom a token shows. Nobody may change the caller's permissions: they are shared. first, where it is not nil, is asked before
// a token that is not known is examined, which costs the verification of a signature; its error is returned.
func (v *Verifier) Verify(ctx context.Context, token string, first func() error) (hook.Caller, error) {
	if len(token) > tokenBytesMax || !hook.IsJWT(token) {
		v.metrics.tokens.WithLabelValues(resultRefused).Inc()
		return hook.Caller{}, &hook.TokenError{Reason: "is no signed JWT of at most 16 KiB"}
	}
	now, sum := v.options.Now(), sha256.Sum256([]byte(token))
	if caller, ok := v.known.get(sum, now); ok {
		v.metrics.cached.Inc()
		return caller, nil
	}
	if first != nil {
		if err := first(); err != nil {
			return hook.Caller{}, err
		}
	}
	caller, expiry, err := v.judge(ctx, token, now)
	v.metrics.tokens.WithLabelValues(resultOf(err)).Inc()
	if err != nil {
		return hook.Caller{}, err
	}
	v.known.put(sum, caller, expiry, now)
	return caller, nil
}

// finding is what the keyring found about a token, on its way past the library, which turns errors into text.
type finding struct {
	// payload is the token's, once its signature is verified.
	payload []byte
	err     error
}

// findingKey is the key of the finding in a context.
type findingKey struct{}

func (v *Verifier) judge(ctx context.Context, text string, now time.Time) (caller hook.Caller, expiry time.Time, err error) {
	found := &finding{}
	token, err := v.tokens.Verify(context.WithValue(ctx, findingKey{}, found), text)
	switch {
	case found.err != nil:
		return caller, expiry, found.err
	case found.payload == nil:
		return caller, expiry, &hook.TokenError{Reason: "is no JWT with one signature by an asymmetric algorithm"}
	}
	held, readable := decode(found.payload)
	if err != nil || !readable {
		return caller, expiry, v.refused(held, err)
	}
	if reason := held.misused(header(text)); reason != "" {
		return caller, expiry, &hook.TokenError{Reason: reason}
	}
	if held.notYet(now) {
		return caller, expiry, &hook.TokenError{Reason: "is not valid yet"}
	}
	caller, err = v.options.caller(held, token.Subject)
	return caller, token.Expiry.Add(skewMax), err
}

// refused says why the library refused claims whose signature is the issuer's.
func (v *Verifier) refused(held claims, cause error) error {
	_, expired := errors.AsType[*oidc.TokenExpiredError](cause)
	issuer, isText := held["iss"].(string)
	reason := "has claims that cannot be read"
	switch {
	case held == nil || !isText:
	case issuer != v.options.Issuer:
		reason = "was made by another issuer"
	case expired:
		reason = "has expired, or says no time at which it does"
	case held.notYet(v.options.Now()):
		reason = "is not valid yet"
	case !held.isFor(v.options.Audience):
		reason = "was made for another audience"
	}
	return &hook.TokenError{Reason: reason}
}
