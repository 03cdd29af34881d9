package hook

import "time"

// Credentials are what a POST shows its receiver beside the signatures. They are stored sealed, headers included, because those often
// hold tokens.
type Credentials struct {
	// Headers are sent with every POST.
	Headers map[string]string `json:"headers,omitempty"`
	// Authorization is what the Authorization header is made of.
	Authorization Authorization `json:"-"`
	// TLS is how the connection is made.
	TLS TLS `json:"-"`
}

// Authorization is what a POST's Authorization header is made of: one of the two, or neither.
type Authorization struct {
	Basic  *BasicAuth
	OAuth2 *ClientCredentials
}

// BasicAuth is a user name and a password (RFC 7617).
type BasicAuth struct {
	Username string
	Password Secret
}

// ClientCredentials ask an authorization server for a bearer token (RFC 6749, section 4.4).
type ClientCredentials struct {
	TokenURL     string
	ClientID     string
	ClientSecret Secret
	Scopes       []string
	// Audience is sent as the parameter that many servers want, though no RFC has it; empty means it is not sent.
	Audience string
	// InBody sends the client's credentials in the body in place of the Authorization header (RFC 6749, section 2.3.1).
	InBody bool
}

// TLS is what is the webhook's own about its connections; its texts are PEM (RFC 7468).
type TLS struct {
	// Certificate is the client's, with the intermediate ones behind it, and Key is its private key.
	Certificate string
	Key         Secret
	// Roots verify the receiver's certificate in place of the machine's own; empty means those.
	Roots string
}

// IsZero reports whether nothing is the webhook's own.
func (t *TLS) IsZero() bool { return t.Certificate == "" && t.Key.IsZero() && t.Roots == "" }

// Secrets are the app secrets of a webhook. A receiver that rotates its secret knows two of them for a while.
type Secrets struct {
	// Current signs every header.
	Current Secret
	// Next is the one that will be current; zero is none.
	Next Secret
	// Previous was current until PreviousUntil at the latest; zero is none.
	Previous      Secret
	PreviousUntil time.Time
}

// Equal reports whether both are the same secrets.
func (s *Secrets) Equal(other *Secrets) bool {
	return s.Current.Equal(other.Current) && s.Next.Equal(other.Next) && s.Previous.Equal(other.Previous) && s.PreviousUntil.Equal(other.PreviousUntil)
}
