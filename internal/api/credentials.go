package api

import (
	"maps"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// hiddenValue is shown in place of each header's value. Given back, it means the value that is stored.
const hiddenValue = "***"

// Credentials are what a webhook shows its receiver, as they are shown: without any secret.
type Credentials struct {
	Headers       map[string]string `json:"headers,omitempty" doc:"Their names. Each value is shown as ***, because it may be a credential."`
	Authorization *Authorization    `json:"authorization,omitempty" doc:"What the Authorization header is made of, without the password or the client's secret."`
	TLS           *TLS              `json:"tls,omitempty" doc:"The webhook's own certificates, without the private key."`
}

// AuthorizationType is the kind of an authorization in the API's JSON.
type AuthorizationType string

// Schema returns the kinds.
func (AuthorizationType) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "AuthorizationType", "basic for a user name and a password (RFC 7617), oauth2 for bearer tokens by client credentials (RFC 6749, section 4.4).",
		[]AuthorizationType{hook.AuthorizationBasic, hook.AuthorizationOAuth2})
}

// Authorization is what the Authorization header is made of, as it is shown.
type Authorization struct {
	Type     AuthorizationType `json:"type"`
	Username string            `json:"username,omitempty"`
	TokenURL string            `json:"tokenUrl,omitempty"`
	ClientID string            `json:"clientId,omitempty"`
	Scopes   []string          `json:"scopes,omitempty" nullable:"false"`
	Audience string            `json:"audience,omitempty"`
	InBody   bool              `json:"inBody,omitempty" doc:"Absent: false."`
}

// TLS is what is the webhook's own about its connections, as it is shown.
type TLS struct {
	Certificate []Certificate `json:"certificate,omitempty" nullable:"false" doc:"The client's certificate, and those behind it."`
	Roots       []Certificate `json:"roots,omitempty" nullable:"false" doc:"What verifies the receiver's certificate. Absent: the server's own roots."`
}

// Certificate is what people know a certificate by.
type Certificate struct {
	Subject     string  `json:"subject"`
	Issuer      string  `json:"issuer"`
	NotAfter    instant `json:"notAfter"`
	Fingerprint string  `json:"fingerprint" doc:"SHA-256 of the certificate, in hex."`
}

func showCredentials(s *hook.Credentials) Credentials {
	var shown Credentials
	for name := range s.Headers {
		if shown.Headers == nil {
			shown.Headers = make(map[string]string, len(s.Headers))
		}
		shown.Headers[name] = hiddenValue
	}
	if b := s.Authorization.Basic; b != nil {
		shown.Authorization = &Authorization{Type: hook.AuthorizationBasic, Username: b.Username}
	}
	if o := s.Authorization.OAuth2; o != nil {
		shown.Authorization = &Authorization{
			Type: hook.AuthorizationOAuth2, TokenURL: o.TokenURL, ClientID: o.ClientID, Scopes: o.Scopes, Audience: o.Audience, InBody: o.InBody,
		}
	}
	if !s.TLS.IsZero() {
		shown.TLS = &TLS{Certificate: showCertificates(s.TLS.Certificate), Roots: showCertificates(s.TLS.Roots)}
	}
	return shown
}

func showCertificates(text string) []Certificate {
	var shown []Certificate
	for _, f := range hook.Facts(text) {
		shown = append(shown, Certificate{f.Subject, f.Issuer, instant{f.NotAfter}, f.Fingerprint})
	}
	return shown
}

// CredentialsDraft says in a body what a webhook shows its receiver.
type CredentialsDraft struct {
	Headers       optional[map[string]optional[string]] `json:"headers,omitzero" doc:"Sent with every POST; those that Hookswitch sends cannot be set. A value of *** keeps the one that is stored."`
	Authorization optional[AuthorizationDraft]          `json:"authorization,omitzero" doc:"Sent with every POST as the Authorization header; none when absent."`
	TLS           optional[TLSDraft]                    `json:"tls,omitzero" doc:"A client certificate and roots of the webhook's own; none when absent."`
}

// AuthorizationDraft says in a body what the Authorization header is made of.
type AuthorizationDraft struct {
	Type         optional[AuthorizationType] `json:"type,omitzero" doc:"Which kind; needed where there is none yet. Another kind begins anew."`
	Username     optional[string]            `json:"username,omitzero" doc:"For basic: at most 256 bytes without a colon."`
	Password     optional[string]            `json:"password,omitzero" doc:"For basic: at most 1,024 bytes; never shown."`
	TokenURL     optional[string]            `json:"tokenUrl,omitzero" doc:"For oauth2: the token endpoint, a target as the webhook's url is one."`
	ClientID     optional[string]            `json:"clientId,omitzero" doc:"For oauth2: the client's id."`
	ClientSecret optional[string]            `json:"clientSecret,omitzero" doc:"For oauth2: the client's secret; never shown."`
	Scopes       optional[[]string]          `json:"scopes,omitzero" doc:"For oauth2: the scopes to ask for; none when absent."`
	Audience     optional[string]            `json:"audience,omitzero" doc:"For oauth2: sent as the parameter audience, which some servers want; not sent when absent."`
	InBody       optional[bool]              `json:"inBody,omitzero" doc:"For oauth2: whether the client's id and secret are sent in the body in place of the Authorization header; false when absent."`
}

// TransformSchema gives the document the domain's bounds.
func (AuthorizationDraft) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	textSize(s, "username", 0, hook.UsernameBytesMax)
	textSize(s, "password", 0, hook.PasswordBytesMax)
	textSize(s, "tokenUrl", 1, hook.URLBytesMax)
	textSize(s, "clientId", 1, hook.ClientIDBytesMax)
	textSize(s, "clientSecret", 1, hook.ClientSecretBytesMax)
	textSize(s, "audience", 0, hook.AudienceBytesMax)
	scopes := s.Properties["scopes"]
	scopes.MaxItems = set(hook.ScopesMax)
	scopes.Items = &huma.Schema{Type: huma.TypeString, MinLength: set(1), MaxLength: set(hook.ScopeBytesMax)}
	return s
}

// TLSDraft says in a body what is the webhook's own about its connections.
type TLSDraft struct {
	Certificate optional[string] `json:"certificate,omitzero" doc:"The client's certificate in PEM, with the intermediate ones behind it. One that has expired is refused."`
	Key         optional[string] `json:"key,omitzero" doc:"Its private key in PEM, not encrypted: RSA of 2,048 to 4,096 bits, ECDSA of 256 or more, or Ed25519; never shown."`
	Roots       optional[string] `json:"roots,omitzero" doc:"Certificates in PEM that verify the receiver's, in place of the server's own; those when absent."`
}

// TransformSchema gives the document the domain's bounds.
func (TLSDraft) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	textSize(s, "certificate", 0, hook.CertificateBytesMax)
	textSize(s, "key", 0, hook.KeyBytesMax)
	textSize(s, "roots", 0, hook.RootsBytesMax)
	return s
}

// settle puts what a body gives into the settings, as [SettingsDraft] does. What is there is copied before it is changed: others may be
// reading it.
func (d *CredentialsDraft) settle(r *reader, s *hook.Credentials, prefix string) {
	d.settleHeaders(r, s, prefix)
	switch {
	case d.Authorization.null:
		s.Authorization = hook.Authorization{}
	case d.Authorization.given:
		s.Authorization = s.Authorization.Clone()
		d.Authorization.value.settle(r, &s.Authorization, prefix+"authorization.")
	}
	if d.TLS.null {
		s.TLS = hook.TLS{}
	}
	put(&s.TLS.Certificate, d.TLS.value.Certificate, "", same)
	put(&s.TLS.Key, d.TLS.value.Key, hook.Secret{}, hook.NewSecret)
	put(&s.TLS.Roots, d.TLS.value.Roots, "", same)
}

// settleHeaders merges the headers one by one (RFC 7396): a null removes one. Names have no case.
func (d *CredentialsDraft) settleHeaders(r *reader, s *hook.Credentials, prefix string) {
	switch {
	case d.Headers.null:
		s.Headers = nil
	case d.Headers.given:
		stored := s.Headers
		merged := maps.Clone(stored)
		if merged == nil {
			merged = map[string]string{}
		}
		for name := range d.Headers.value {
			maps.DeleteFunc(merged, func(old, _ string) bool { return strings.EqualFold(old, name) })
		}
		for name, v := range d.Headers.value {
			if !v.given || v.null {
				continue
			}
			merged[name] = v.value
			if v.value != hiddenValue {
				continue
			}
			delete(merged, name)
			for old, value := range stored {
				if strings.EqualFold(old, name) {
					merged[name] = value
				}
			}
			if _, kept := merged[name]; !kept {
				r.fail(prefix+"headers."+name, hiddenValue+" keeps the value that is stored, and none is: give the value")
			}
		}
		s.Headers = merged
	}
}

// settle puts what a body gives into an authorization.
func (d *AuthorizationDraft) settle(r *reader, a *hook.Authorization, prefix string) {
	kind := ""
	switch {
	case d.Type.given && !d.Type.null:
		kind = string(d.Type.value)
	case a.Basic != nil:
		kind = hook.AuthorizationBasic
	case a.OAuth2 != nil:
		kind = hook.AuthorizationOAuth2
	}
	basic := d.Username.given || d.Password.given
	oauth2 := d.TokenURL.given || d.ClientID.given || d.ClientSecret.given || d.Scopes.given || d.Audience.given || d.InBody.given
	switch {
	case kind == hook.AuthorizationBasic && !oauth2:
		a.OAuth2 = nil
		if a.Basic == nil {
			a.Basic = &hook.BasicAuth{}
		}
		put(&a.Basic.Username, d.Username, "", same)
		put(&a.Basic.Password, d.Password, hook.Secret{}, hook.NewSecret)
	case kind == hook.AuthorizationOAuth2 && !basic:
		a.Basic = nil
		if a.OAuth2 == nil {
			a.OAuth2 = &hook.ClientCredentials{}
		}
		o := a.OAuth2
		put(&o.TokenURL, d.TokenURL, "", same)
		put(&o.ClientID, d.ClientID, "", same)
		put(&o.ClientSecret, d.ClientSecret, hook.Secret{}, hook.NewSecret)
		put(&o.Scopes, d.Scopes, nil, same)
		put(&o.Audience, d.Audience, "", same)
		put(&o.InBody, d.InBody, false, same)
	case kind == hook.AuthorizationBasic:
		r.fail(prefix+"type", "is basic, which has a username and a password and nothing else")
	case kind == hook.AuthorizationOAuth2:
		r.fail(prefix+"type", "is oauth2, which has no username and no password")
	default:
		r.fail(prefix+"type", `must be "basic" or "oauth2"`)
	}
}

// given says which secrets the body brings.
func (d *CredentialsDraft) given() *hook.Given {
	brings := func(o optional[string]) bool { return o.given && !o.null }
	g := &hook.Given{Password: brings(d.Authorization.value.Password), ClientSecret: brings(d.Authorization.value.ClientSecret)}
	for name, v := range d.Headers.value {
		if brings(v) && v.value != hiddenValue {
			g.Headers = append(g.Headers, name)
		}
	}
	return g
}

func (r *reader) fail(field, message string) {
	r.wrong = append(r.wrong, hook.FieldError{Field: field, Message: message})
}

// tokenURL is the token endpoint of a body.
func (d *CredentialsDraft) tokenURL() optional[string] { return d.Authorization.value.TokenURL }
