package bearer

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// tokenBytesMax bounds a token before anything is read of it.
	tokenBytesMax = 16 << 10
	// skewMax is by how much the issuer's clock may differ from ours (RFC 7519, section 4.1.4, permits a few minutes).
	skewMax = time.Minute
)

// Verifier judges bearer tokens. It is safe for concurrent use.
type Verifier struct {
	issuer   *Issuer
	audience string
	known    *cache
	metrics  *metrics
}

// New makes a verifier of an issuer's tokens whose aud claim holds the audience. It starts nothing and asks nobody.
func New(i *Issuer, audience string) *Verifier {
	return &Verifier{issuer: i, audience: audience, known: newCache(), metrics: newMetrics(i.options.Metrics)}
}

// Verify returns whom a token shows. Nobody may change the caller's permissions: they are shared. first, where it is not nil, is asked before
// a token that is not known is examined, which costs the verification of a signature; its error is returned.
func (v *Verifier) Verify(ctx context.Context, token string, first func() error) (hook.Caller, error) {
	if len(token) > tokenBytesMax || !hook.IsJWT(token) {
		v.metrics.tokens.WithLabelValues(resultRefused).Inc()
		return hook.Caller{}, &hook.TokenError{Reason: "is no signed JWT of at most 16 KiB"}
	}
	now, sum := v.issuer.options.Now(), sha256.Sum256([]byte(token))
	if caller, ok := v.known.get(sum, now); ok {
		v.metrics.cached.Inc()
		return caller, nil
	}
	if first != nil {
		if err := first(); err != nil {
			return hook.Caller{}, err
		}
	}
	caller, expiry, err := v.judge(ctx, token)
	v.metrics.tokens.WithLabelValues(resultOf(err)).Inc()
	if err != nil {
		return hook.Caller{}, err
	}
	v.known.put(sum, caller, expiry, now)
	return caller, nil
}

func (v *Verifier) judge(ctx context.Context, text string) (hook.Caller, time.Time, error) {
	token, err := v.issuer.Token(ctx, text, v.audience)
	if err != nil {
		return hook.Caller{}, time.Time{}, err
	}
	if reason := token.misused(); reason != "" {
		return hook.Caller{}, time.Time{}, &hook.TokenError{Reason: reason}
	}
	caller, err := v.issuer.Caller(token.Claims)
	return caller, token.Expiry.Add(skewMax), err
}
