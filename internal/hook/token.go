package hook

import (
	"strings"
	"time"
)

// TokenError is a bearer token that nobody may be let in with.
type TokenError struct {
	// Reason goes on after "the token", for example "has expired". It is plain ASCII without quotes and holds nothing of the token.
	Reason string
}

// Error returns the reason as a sentence without its end.
func (e *TokenError) Error() string { return "the token " + e.Reason }

// UnjudgedError means that a bearer token cannot be judged now, because its issuer cannot be asked for its keys. The same token may
// be good later.
type UnjudgedError struct {
	// RetryAfter is when the issuer is asked again.
	RetryAfter time.Duration
}

// Error says what is missing.
func (*UnjudgedError) Error() string {
	return "tokens cannot be judged now, because their issuer does not give its keys; API keys work"
}

// IsJWT reports whether a text has the form of a JSON Web Token: three parts of base64url with dots between them, of which the first
// begins as a JSON object does (RFC 7515, section 3.1). The third may be empty, as that of an unsigned token is.
func IsJWT(text string) bool {
	head, rest, _ := strings.Cut(text, ".")
	claims, signature, dots := strings.Cut(rest, ".")
	return dots && strings.HasPrefix(head, "ey") && claims != "" && isBase64URL(head) && isBase64URL(claims) && isBase64URL(signature)
}

func isBase64URL(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
