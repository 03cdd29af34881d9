package token

import (
	"context"
	"maps"
	"net/http"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// Poster sends one post, as internal/egress does.
type Poster interface {
	Send(ctx context.Context, p hook.Post) hook.Answer
}

// Sender sends posts with tokens. It is safe for concurrent use.
type Sender struct {
	poster    Poster
	userAgent string
	cache     cache
}

// New returns a sender that asks for tokens and posts through the poster. The version names this program to authorization servers.
func New(poster Poster, version string) *Sender {
	return &Sender{poster: poster, userAgent: "Hookswitch/" + version}
}

// Send gets a token for the post, which has credentials of OAuth2, and sends it. The post's header is not changed.
func (s *Sender) Send(ctx context.Context, p hook.Post) hook.Answer {
	began := time.Now()
	deadline := began.Add(p.Timeout)
	key := keyOf(p.Credentials.Authorization.OAuth2)
	var answer hook.Answer
	for repeated := false; ; repeated = true {
		t, failed := s.token(ctx, deadline, key, &p)
		if failed != nil {
			if repeated { // the receiver has answered: what it said tells more
				break
			}
			answer = failed.answer()
			break
		}
		one := p
		one.Header = withToken(p.Header, t)
		if one.Timeout = left(deadline); one.Timeout == 0 {
			if !repeated {
				answer = failureOf(hook.FailureToken, "the token came when the post's time was up").answer()
			}
			break
		}
		answer = s.poster.Send(ctx, one)
		if answer.Status != http.StatusUnauthorized || !s.cache.reject(key, t, time.Now()) || repeated {
			break
		}
	}
	answer.Took = time.Since(began)
	return answer
}

// left is how long there is until the deadline, without the fractions that nobody wants to read in an error.
func left(deadline time.Time) time.Duration {
	return max(0, time.Until(deadline).Truncate(time.Millisecond))
}

// withToken returns a copy of the header with the token (RFC 6750, section 2.1).
func withToken(header http.Header, token string) http.Header {
	h := maps.Clone(header)
	if h == nil {
		h = make(http.Header, 1)
	}
	h["Authorization"] = []string{"Bearer " + token}
	return h
}
