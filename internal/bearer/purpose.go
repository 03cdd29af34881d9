package bearer

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// accessTypes are the media types (typ) in the header of tokens for a server like this one, where it says one: any JWT, and an access
// token (RFC 9068, section 2.1). Others are for others: of a logout, a security event, a proof of possession (RFC 8725, section 3.11).
func accessTypes() []string {
	return []string{"", "jwt", "application/jwt", "at+jwt", "application/at+jwt"}
}

// readBySlack are the claims that the library reads whatever the case of their names.
func readBySlack() []string { return []string{"iss", "sub", "aud", "exp", "iat", "nbf"} }

// isSlack reports whether the library may have read another claim than the one that is named to the letter.
func (c Claims) isSlack() bool {
	for name := range c {
		if lower := strings.ToLower(name); lower != name && slices.Contains(readBySlack(), lower) {
			return true
		}
	}
	return false
}

// mediaType returns the type (typ) in the header of a JWT whose signature is verified; the names in it are compared to the letter.
func mediaType(token string) string {
	first, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(first)
	var held map[string]any
	if err != nil || json.Unmarshal(text, &held) != nil { // the library has read it
		return "unknown"
	}
	said, given := held["typ"]
	name, isText := said.(string)
	if given && !isText {
		return "unknown"
	}
	return strings.ToLower(name)
}

// misused says why a token of the issuer is not an access token, or nothing. Its ID tokens tell a client who logged in,
// and are shown to whoever serves that client: at_hash and c_hash are in no other kind (OpenID Connect Core 1.0, sections 3.1.3.6 and
// 3.3.2.11); some issuers name the kind in a claim typ, too.
func (t *Token) misused() string {
	if !slices.Contains(accessTypes(), t.Type) {
		return "is of another type (typ) than JWT or at+jwt"
	}
	_, access := t.Claims["at_hash"]
	_, code := t.Claims["c_hash"]
	kind, _ := t.Claims["typ"].(string)
	if access || code || slices.Contains([]string{"ID", "Refresh", "Offline", "Logout"}, kind) {
		return "is no access token but another kind, such as an ID token"
	}
	return ""
}
