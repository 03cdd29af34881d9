package hook

import (
	"encoding/base64"
	"net/textproto"
	"strconv"
	"strings"
)

// The bounds of what a webhook shows its receiver; sizes are in bytes.
const (
	UsernameBytesMax     = 256   // UsernameBytesMax bounds the user name of Basic.
	PasswordBytesMax     = 1_024 // PasswordBytesMax bounds its password.
	ClientIDBytesMax     = 512   // ClientIDBytesMax bounds the client's id of OAuth2.
	ClientSecretBytesMax = 4_096 // ClientSecretBytesMax bounds its secret.
	ScopesMax            = 32    // ScopesMax bounds the scopes.
	ScopeBytesMax        = 256   // ScopeBytesMax bounds one of them.
	AudienceBytesMax     = 2_048 // AudienceBytesMax bounds the audience.
)

// authorizationHeader is made of [Authorization], or is among the headers.
const authorizationHeader = "Authorization"

// IsZero reports whether there is neither of the two.
func (a *Authorization) IsZero() bool { return a.Basic == nil && a.OAuth2 == nil }

// Clone returns a copy that shares nothing that could be written.
func (a *Authorization) Clone() Authorization {
	var c Authorization
	if a.Basic != nil {
		basic := *a.Basic
		c.Basic = &basic
	}
	if a.OAuth2 != nil {
		oauth2 := *a.OAuth2
		oauth2.Scopes = append([]string(nil), oauth2.Scopes...)
		c.OAuth2 = &oauth2
	}
	return c
}

// Header returns the value of the Authorization header (RFC 7617, section 2).
func (b *BasicAuth) Header() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(b.Username+":"+b.Password.Reveal()))
}

// credentials checks what a webhook shows its receiver, apart from its headers. No value is repeated.
func (c *checker) credentials(prefix string, s *Settings) {
	a, at := &s.Authorization, prefix+"authorization"
	if strings.HasPrefix(s.URL, mailScheme) {
		if !a.IsZero() {
			c.fail(at, "", "is for webhooks over HTTP; an e-mail carries none")
		}
		if !s.TLS.IsZero() {
			c.fail(prefix+"tls", "", "is for webhooks over HTTP; how e-mail is sent is for the operator to say")
		}
		return
	}
	if a.Basic != nil && a.OAuth2 != nil {
		c.fail(at, "", "is one of basic and oauth2")
	}
	if !a.IsZero() {
		for _, name := range sortedKeys(s.Headers) {
			if textproto.CanonicalMIMEHeaderKey(name) == authorizationHeader {
				c.fail(prefix+"headers."+clip(name), "", "would be sent beside the one that authorization makes: drop this header, or drop authorization")
			}
		}
	}
	if a.Basic != nil {
		c.basic(at+".", a.Basic)
	}
	if a.OAuth2 != nil {
		c.oauth2(at+".", a.OAuth2)
	}
	c.tls(prefix+"tls.", &s.TLS)
}

// basic checks a user name and a password. RFC 7617, section 2, forbids the colon in the name, which ends there, and control characters in
// both.
func (c *checker) basic(prefix string, b *BasicAuth) {
	c.credential(prefix+"username", b.Username, 0, UsernameBytesMax)
	if strings.Contains(b.Username, ":") {
		c.fail(prefix+"username", "", "must not contain a colon, which ends a user name (RFC 7617, section 2)")
	}
	c.credential(prefix+"password", b.Password.Reveal(), 0, PasswordBytesMax)
	if b.Username == "" && b.Password.IsZero() {
		c.fail(prefix+"password", "", "must not be empty where the user name is empty, too")
	}
}

func (c *checker) oauth2(prefix string, o *ClientCredentials) {
	c.tokenURL(prefix+"tokenUrl", o.TokenURL)
	c.credential(prefix+"clientId", o.ClientID, 1, ClientIDBytesMax)
	c.credential(prefix+"clientSecret", o.ClientSecret.Reveal(), 1, ClientSecretBytesMax)
	if len(o.Scopes) > ScopesMax {
		c.fail(prefix+"scopes", "", "has %d entries; at most %d are allowed", len(o.Scopes), ScopesMax)
	} else {
		for i, scope := range o.Scopes {
			if len(scope) > ScopeBytesMax || !validScope(scope) {
				c.fail(prefix+"scopes["+strconv.Itoa(i)+"]", "", `is not a scope of 1 to %d visible ASCII characters other than " and \ (RFC 6749, section 3.3)`, ScopeBytesMax)
			}
		}
	}
	c.credential(prefix+"audience", o.Audience, 0, AudienceBytesMax)
}

// tokenURL checks the token endpoint as any other target; unlike a webhook, it can never be an e-mail address.
func (c *checker) tokenURL(field, raw string) {
	if strings.HasPrefix(raw, mailScheme) {
		c.fail(field, "", "must begin with https://")
		return
	}
	c.webhookURL(field, raw)
}

// validScope reports whether the text is a scope-token (RFC 6749, section 3.3).
func validScope(scope string) bool {
	return scope != "" && !strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
}

// credential checks a text and never repeats it.
func (c *checker) credential(field, value string, bytesMin, bytesMax int) {
	switch n := len(value); {
	case n < bytesMin:
		c.fail(field, "", "must not be empty")
	case n > bytesMax:
		c.fail(field, "", "is %d bytes long; at most %d are allowed", n, bytesMax)
	default:
		if problem := textProblem(value); problem != "" {
			c.fail(field, "", "%s", problem)
		}
	}
}
