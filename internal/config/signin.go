package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// ClientBytesMax bounds the id and the secret of the console as the issuer's client.
	ClientBytesMax = 1_024
	// ScopesMax bounds how many scopes are asked for.
	ScopesMax = 32
	// ScopeBytesMax bounds a scope.
	ScopeBytesMax = 256
)

// scopeOpenID is the scope without which there is no ID token (OpenID Connect Core 1.0, section 3.1.2.1).
const scopeOpenID = "openid"

// SignIn says how people sign in to the console with the issuer.
type SignIn struct {
	// ClientID is empty where they do not.
	ClientID string
	// ClientSecret is zero for a public client.
	ClientSecret hook.Secret
	Scopes       []string
}

// isVSCHAR reports whether a character may be in a client's id or secret (RFC 6749, appendix A).
func isVSCHAR(r rune) bool { return r >= ' ' && r <= '~' }

func parseClientID(text string) (string, error) {
	switch {
	case len(text) > ClientBytesMax:
		return "", fmt.Errorf("is %d bytes long; at most %d are allowed", len(text), ClientBytesMax)
	case strings.ContainsFunc(text, func(r rune) bool { return !isVSCHAR(r) }):
		return "", errors.New("holds a character that is not visible ASCII")
	}
	return text, nil
}

func parseClientSecret(text string) (hook.Secret, error) {
	if text == "" {
		return hook.Secret{}, nil
	}
	if _, err := parseClientID(text); err != nil {
		return hook.Secret{}, err
	}
	return hook.NewSecret(text), nil
}

// parseScopes reads scopes with commas or, as issuers write them, spaces between.
func parseScopes(text string) ([]string, error) {
	scopes := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	for _, scope := range scopes {
		switch {
		case len(scope) > ScopeBytesMax:
			return nil, fmt.Errorf("holds a scope of %d bytes; at most %d are allowed", len(scope), ScopeBytesMax)
		case strings.ContainsFunc(scope, func(r rune) bool { return !isVSCHAR(r) || r == '"' || r == '\\' }): // RFC 6749, section 3.3
			return nil, errors.New("holds a quote, a backslash or a character that is not visible ASCII")
		}
	}
	switch {
	case len(scopes) > ScopesMax:
		return nil, fmt.Errorf("has %d scopes; at most %d are allowed", len(scopes), ScopesMax)
	case !slices.Contains(scopes, scopeOpenID):
		return nil, errors.New("must have the scope openid: without it an issuer does not say who signed in")
	}
	return scopes, nil
}
