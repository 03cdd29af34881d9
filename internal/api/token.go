package api

import (
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// tokenText returns the token of a request that is to be judged as one, or nothing: a text of its form in Authorization, where the server
// takes tokens and no key was sent beside it.
func (s *Server) tokenText(h http.Header) string {
	if s.checks.token == nil || h.Get(headerKey) != "" {
		return ""
	}
	if text := keyText(h); hook.IsJWT(text) {
		return text
	}
	return ""
}

// callerByToken finds who a token shows. Bad ones are limited like wrong keys. A good one is let in whatever else came from its address: at
// once where it is known, else as one of those that are examined for an address beyond its limit.
func (s *Server) callerByToken(r *http.Request, token string) (hook.Caller, error) {
	by, err := s.checks.token(r.Context(), token, func() error {
		if wait := s.callers.failures.examine(r.RemoteAddr, s.clock()); wait > 0 {
			return tooManyFailures(wait)
		}
		return nil
	})
	if _, bad := errors.AsType[*hook.TokenError](err); bad {
		if wait := s.callers.failures.take(r.RemoteAddr, s.clock()); wait > 0 {
			return hook.Caller{}, tooManyFailures(wait)
		}
		s.callers.failures.count(failureToken)
	}
	return by, err
}

// invalidToken is the 401 of RFC 6750, section 3.1. The reason can stand in the challenge, see [hook.TokenError].
func invalidToken(err *hook.TokenError) *Problem {
	return newProblem(http.StatusUnauthorized, err.Error()).
		with("WWW-Authenticate", `Bearer realm="hookswitch", error="invalid_token", error_description="`+err.Error()+`"`)
}

func tokenUnjudged(err *hook.UnjudgedError) *Problem {
	return newProblem(http.StatusServiceUnavailable, err.Error()).with("Retry-After", wholeSeconds(err.RetryAfter))
}

// tokenScheme is what the document says about tokens.
func tokenScheme() *huma.SecurityScheme {
	return &huma.SecurityScheme{
		Type: "http", Scheme: "bearer", BearerFormat: "JWT",
		Description: "A token of the OpenID Connect issuer that the server is configured with (oidc-issuer). It names one contact centre, or *, " +
			"and permissions. While the issuer's keys cannot be read, the answer is 503 with Retry-After.",
	}
}
