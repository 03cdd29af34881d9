package hook

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// The kinds of [Authorization].
const (
	AuthorizationBasic  = "basic"  // AuthorizationBasic is [BasicAuth].
	AuthorizationOAuth2 = "oauth2" // AuthorizationOAuth2 is [ClientCredentials].
)

// RedactedAuthorization is an [Authorization] that may be kept for ever.
type RedactedAuthorization struct {
	Type         string   `json:"type"`
	Username     string   `json:"username,omitempty"`
	Password     string   `json:"password,omitempty"`
	TokenURL     string   `json:"tokenUrl,omitempty"`
	ClientID     string   `json:"clientId,omitempty"`
	ClientSecret string   `json:"clientSecret,omitempty"`
	Scopes       []string `json:"scopes,omitempty"`
	Audience     string   `json:"audience,omitempty"`
	InBody       bool     `json:"inBody,omitempty"`
}

// RedactedTLS is a [TLS] that may be kept for ever.
type RedactedTLS struct {
	Certificate []CertificateFacts `json:"certificate,omitempty"`
	Key         string             `json:"key,omitempty"`
	Roots       []CertificateFacts `json:"roots,omitempty"`
}

// CertificateFacts are what people know a certificate by.
type CertificateFacts struct {
	Subject  string    `json:"subject"`
	Issuer   string    `json:"issuer"`
	NotAfter time.Time `json:"notAfter"`
	// Fingerprint is the SHA-256 of the certificate, in hex.
	Fingerprint string `json:"fingerprint"`
}

// Facts returns what is shown of certificates in PEM; nothing of a text that holds none.
func Facts(text string) []CertificateFacts {
	list, err := ParseCertificates(text)
	if err != nil { // none is stored that cannot be read
		return nil
	}
	facts := make([]CertificateFacts, len(list))
	for i, c := range list {
		sum := sha256.Sum256(c.Raw)
		facts[i] = CertificateFacts{c.Subject.String(), c.Issuer.String(), c.NotAfter.UTC(), hex.EncodeToString(sum[:])}
	}
	return facts
}

// RedactedAuthorization returns what may be kept of the authorization, or nil where there is none. before is as in [Settings.Redacted].
func (s *Settings) RedactedAuthorization(before *Settings) *RedactedAuthorization {
	var old Authorization
	if before != nil {
		old = before.Authorization
	}
	switch a := &s.Authorization; {
	case a.Basic != nil:
		r := &RedactedAuthorization{Type: AuthorizationBasic, Username: a.Basic.Username, Password: stars}
		if old.Basic != nil && !old.Basic.Password.Equal(a.Basic.Password) {
			r.Password = starsChanged
		}
		return r
	case a.OAuth2 != nil:
		o := a.OAuth2
		r := &RedactedAuthorization{
			Type: AuthorizationOAuth2, TokenURL: redactURL(o.TokenURL), ClientID: o.ClientID, ClientSecret: stars, Scopes: o.Scopes, Audience: o.Audience, InBody: o.InBody,
		}
		if old.OAuth2 == nil {
			return r
		}
		if !old.OAuth2.ClientSecret.Equal(o.ClientSecret) {
			r.ClientSecret = starsChanged
		}
		if o.TokenURL != old.OAuth2.TokenURL && r.TokenURL == redactURL(old.OAuth2.TokenURL) {
			r.TokenURL += strings.TrimPrefix(starsChanged, stars)
		}
		return r
	}
	return nil
}

// RedactedTLS returns what may be kept of the webhook's own TLS, or nil where there is none. before is as in [Settings.Redacted].
func (s *Settings) RedactedTLS(before *Settings) *RedactedTLS {
	t := &s.TLS
	if t.IsZero() {
		return nil
	}
	r := &RedactedTLS{Certificate: Facts(t.Certificate), Roots: Facts(t.Roots)}
	if !t.Key.IsZero() {
		r.Key = stars
		if before != nil && !before.TLS.Key.IsZero() && !before.TLS.Key.Equal(t.Key) {
			r.Key = starsChanged
		}
	}
	return r
}
