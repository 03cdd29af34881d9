package hook

import (
	"crypto/x509"
	"net/url"
	"slices"
	"strings"
)

// Given are the secret values that a change of settings brings along.
type Given struct {
	// Headers are the names of the headers that come with a value.
	Headers      []string
	Password     bool
	ClientSecret bool
}

// CheckKept refuses a change that would send a stored secret to somebody else; the error is an [InvalidError] with the prefix before each
// name. Whoever may change a webhook may not thereby learn what is stored with it: a secret stays with whom it was given for, and goes to
// another only when it is given again. That is for headers and what [Authorization] makes the receiver, by its scheme, host and port, as it
// is to browsers and to curl, which drop such headers there; for a password also the user name, for a client's secret also its id and the
// token endpoint. Roots of the webhook's own say who the receiver is as much as its name does: with others, whoever can answer for that name on
// the way there would get what is stored. A client's private key may stay: TLS proves that it is there, and shows it to nobody.
func (s *Settings) CheckKept(prefix string, before *Settings, given *Given) error {
	c := new(checker)
	if strings.HasPrefix(s.URL, mailScheme) { // nothing is sent with an e-mail
		return nil
	}
	moved := origin(s.URL) != origin(before.URL) || trustsMore(s.TLS.Roots, before.TLS.Roots)
	if moved {
		for _, name := range sortedKeys(s.Headers) {
			if !containsFold(given.Headers, name) {
				c.fail(prefix+"headers."+clip(name), "", "is kept for the receiver that the URL and tls.roots named before: give its value again for another scheme, host or port or other roots, or remove it with null")
			}
		}
	}
	if now, old := s.Authorization.Basic, before.Authorization.Basic; now != nil && old != nil && !given.Password && (moved || now.Username != old.Username) {
		c.fail(prefix+"authorization.password", "", "is kept for this user name and the receiver that the URL and tls.roots named before: give it again with another user name, scheme, host or port or other roots")
	}
	now, old := s.Authorization.OAuth2, before.Authorization.OAuth2
	if now != nil && old != nil && !given.ClientSecret && (moved || now.TokenURL != old.TokenURL || now.ClientID != old.ClientID) {
		c.fail(prefix+"authorization.clientSecret", "", "is kept for this tokenUrl and clientId, and for the receiver that the URL and tls.roots named before: give it again with another of them")
	}
	return c.err()
}

// trustsMore reports whether roots verify a receiver that others do not: one of them is new, or the machine's own come in their place or go.
// A certificate that is only left out makes no receiver good.
func trustsMore(roots, before string) bool {
	if roots == before {
		return false
	}
	now, err := ParseCertificates(roots)
	old, errOld := ParseCertificates(before)
	if err != nil || errOld != nil || len(now) == 0 || len(old) == 0 {
		return true
	}
	return slices.ContainsFunc(now, func(c *x509.Certificate) bool { return !slices.ContainsFunc(old, c.Equal) })
}

// origin is to whom a URL belongs: its scheme, host and port.
func origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil { // no valid URL is like it
		return ""
	}
	port := u.Port()
	if port == "" && u.Scheme == "https" {
		port = "443"
	} else if port == "" {
		port = "80"
	}
	return strings.ToLower(u.Scheme + "://" + strings.TrimSuffix(u.Hostname(), ".") + ":" + port)
}

// SameOrigin reports whether two URLs have the same scheme, host and port.
func SameOrigin(a, b string) bool { return origin(a) == origin(b) }

func containsFold(list []string, name string) bool {
	for _, v := range list {
		if strings.EqualFold(v, name) {
			return true
		}
	}
	return false
}
