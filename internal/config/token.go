package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

const (
	// IssuerBytesMax bounds the issuer and the audience.
	IssuerBytesMax = 1_024
	// ClaimBytesMax bounds the name of a claim and the prefix of permissions.
	ClaimBytesMax = 256
)

// OIDC says whose bearer tokens are taken, and what they mean.
type OIDC struct {
	// Issuer is as its tokens name it, to the letter; empty takes no tokens and signs nobody in.
	Issuer string
	// Audience is empty where bearer tokens are not taken.
	Audience string
	// CenterClaim and PermissionsClaim are names of claims; dots lead into nested ones.
	CenterClaim, PermissionsClaim string
	PermissionsPrefix             string
	// CAFile is a file with the certificates that verify the issuer's; empty means the machine's own.
	CAFile string
}

// parseIssuer reads an issuer's URL (OpenID Connect Core 1.0, section 2, on iss); empty is none.
func parseIssuer(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	switch {
	case len(text) > IssuerBytesMax:
		return "", fmt.Errorf("is %d bytes long; at most %d are allowed", len(text), IssuerBytesMax)
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("is not an https URL, such as https://login.example.com/realms/main")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "", errors.New("must begin with https: whoever could change its answers could let anybody in (http is for this machine alone, such as http://127.0.0.1:8080)")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return "", errors.New("must not contain a user name, a query (?…) or a fragment (#…)")
	}
	return text, nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

func parseAudience(text string) (string, error) {
	if len(text) > IssuerBytesMax {
		return "", fmt.Errorf("is %d bytes long; at most %d are allowed", len(text), IssuerBytesMax)
	}
	return text, nil
}

// parseClaim reads the name of a claim, or a prefix. They may be in the header of an answer (RFC 6750, section 3, on error_description).
func parseClaim(text string) (string, error) {
	switch {
	case len(text) > ClaimBytesMax:
		return "", fmt.Errorf("is %d bytes long; at most %d are allowed", len(text), ClaimBytesMax)
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }):
		return "", errors.New("holds a space, a quote, a backslash or a character that is not visible ASCII")
	}
	return text, nil
}

// oidcProblems says what is missing of the keys that only work together.
func (c *Config) oidcProblems() (out []Problem) {
	o, s := &c.Access.OIDC, &c.Access.SignIn
	if o.Issuer != "" && o.Audience == "" && s.ClientID == "" {
		out = append(out, c.missing("oidc-audience", "is needed where oidc-issuer is set: without it a token that the issuer made for any other program would be taken; "+
			"give what its tokens for this server have as aud. Or set oidc-client-id, where people are to sign in to the console and no tokens are to be taken"))
	}
	if s.ClientID == "" && !s.ClientSecret.IsZero() {
		out = append(out, c.missing("oidc-client-id", "is needed where oidc-client-secret is set: give the name under which the issuer knows the console"))
	}
	if o.Issuer != "" {
		return out
	}
	for _, key := range []string{"oidc-audience", "oidc-client-id", "oidc-ca-file", "oidc-permissions-prefix"} {
		for _, s := range c.settings {
			if s.Name == key && s.Value != "" {
				return append(out, c.missing("oidc-issuer", "is needed where "+key+" is set: give the issuer of the tokens, such as https://login.example.com/realms/main"))
			}
		}
	}
	return out
}
