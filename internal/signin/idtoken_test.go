package signin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// TestIDTokenIsJudged refuses ID tokens that are not this client's, of now and for this sign-in, though a right code was exchanged for them.
func TestIDTokenIsJudged(t *testing.T) {
	for name, c := range map[string]struct {
		claims  map[string]any
		problem hook.SignInProblem
		words   string
	}{
		"nonce of another":      {map[string]any{"nonce": "another-nonce-of-26-letters"}, hook.SignInAgain, "no sign-in that this browser has begun"},
		"no nonce":              {map[string]any{"nonce": nil}, hook.SignInAgain, "no sign-in that this browser has begun"},
		"nonce that is no text": {map[string]any{"nonce": []string{"x"}}, hook.SignInMisset, "claims that cannot be read"},
		"expired":               {map[string]any{"exp": noon().Add(-2 * time.Minute).Unix()}, hook.SignInMisset, "has expired"},
		"just expired":          {map[string]any{"exp": noon().Unix()}, hook.SignInMisset, "has expired: compare the clocks"},
		"no expiry":             {map[string]any{"exp": nil}, hook.SignInMisset, "says no time"},
		"not valid yet":         {map[string]any{"nbf": noon().Add(time.Hour).Unix()}, hook.SignInMisset, "is not valid yet"},
		"other audience":        {map[string]any{"aud": "hookswitch"}, hook.SignInMisset, "was made for another audience"},
		"other issuer":          {map[string]any{"iss": "https://other.example"}, hook.SignInMisset, "was made by another issuer"},
		"other party":           {map[string]any{"azp": "other"}, hook.SignInMisset, "was made for another client"},
		"party is no text":      {map[string]any{"azp": 7}, hook.SignInMisset, "was made for another client"},
		"several audiences":     {map[string]any{"aud": []string{clientID, "other"}}, hook.SignInMisset, "was made for another client"},
		"an access token":       {map[string]any{"typ": "Bearer"}, hook.SignInMisset, "another kind of token"},
		"a logout token":        {map[string]any{"typ": "Logout"}, hook.SignInMisset, "another kind of token"},
		"slack names":           {map[string]any{"Sub": "admin"}, hook.SignInMisset, "claims that cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			s := setUp(t)
			s.set(func() { s.claims = c.claims })
			state, query := s.begin()
			s.bad(state, query, c.problem, c.words)
		})
	}
}

// TestIDTokensThatIssuersMake takes what usual issuers put into ID tokens.
func TestIDTokensThatIssuersMake(t *testing.T) {
	for name, claims := range map[string]map[string]any{
		"azp and kind":      {"azp": clientID, "typ": "ID", "at_hash": "x", "sid": "s"},
		"list":              {"aud": []string{clientID}},
		"several audiences": {"aud": []string{"other", clientID}, "azp": clientID},
		"skewed clocks":     {"nbf": noon().Add(30 * time.Second).Unix(), "iat": noon().Add(30 * time.Second).Unix()},
	} {
		t.Run(name, func(t *testing.T) {
			s := setUp(t)
			s.set(func() { s.claims = claims })
			s.good(s.begin())
		})
	}
}

// TestSignatureOfIDTokens takes no token that another key, no key, or the issuer's public key as a shared secret has signed (RFC 8725, section 2.1).
func TestSignatureOfIDTokens(t *testing.T) {
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const algorithm = "its ID token is no JWT with one signature by an asymmetric algorithm"
	for name, c := range map[string]struct {
		sign  func(s *stage, claims string) string
		words string
	}{
		"another key": {func(_ *stage, claims string) string { return oidctest.SignIDToken(foreign, "k", oidc.ES256, claims) }, "is not signed by a key of its issuer"},
		"none": {func(_ *stage, claims string) string {
			encode := base64.RawURLEncoding.EncodeToString
			return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + "."
		}, algorithm},
		"public key as secret": {func(s *stage, claims string) string {
			der, err := x509.MarshalPKIXPublicKey(s.key.Public())
			if err != nil {
				t.Fatal(err)
			}
			secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
			return oidctest.SignIDToken(secret, "k", "HS256", claims)
		}, algorithm},
		"client secret as secret": {func(_ *stage, claims string) string {
			return oidctest.SignIDToken([]byte(clientSecret+clientSecret), "k", "HS256", claims)
		}, algorithm},
	} {
		t.Run(name, func(t *testing.T) {
			s := setUp(t)
			s.set(func() { s.sign = func(claims string) string { return c.sign(s, claims) } })
			state, query := s.begin()
			s.bad(state, query, hook.SignInMisset, c.words)
		})
	}
}

// TestClaimsThatPermitNothing tells the person which claim is missing, and where to read on.
func TestClaimsThatPermitNothing(t *testing.T) {
	for name, c := range map[string]struct {
		claims map[string]any
		words  string
	}{
		"no contact centre":       {map[string]any{"hookswitch_ccid": nil}, "has no claim hookswitch_ccid, which names the contact centre"},
		"unknown contact centre":  {map[string]any{"hookswitch_ccid": "south"}, "names in hookswitch_ccid a contact centre that does not exist"},
		"a list":                  {map[string]any{"hookswitch_ccid": []string{"north"}}, "has a claim hookswitch_ccid that is no text"},
		"no permissions":          {map[string]any{"hookswitch_permissions": nil}, "has no claim hookswitch_permissions, which names your permissions"},
		"permissions of others":   {map[string]any{"hookswitch_permissions": []string{"offline_access"}}, "names in its claim hookswitch_permissions no permission of this server"},
		"no subject":              {map[string]any{"sub": nil}, "has no subject (sub)"},
		"permissions are nothing": {map[string]any{"hookswitch_permissions": 7}, "no permission of this server"},
	} {
		t.Run(name, func(t *testing.T) {
			s := setUp(t)
			s.set(func() { s.claims = c.claims })
			state, query := s.begin()
			s.bad(state, query, hook.SignInRefused, c.words)
			s.bad(state, query, hook.SignInAgain, "") // the code is used up
		})
		t.Run(name+" points to the docs", func(t *testing.T) {
			s := setUp(t)
			s.set(func() { s.claims = c.claims })
			state, query := s.begin()
			s.bad(state, query, hook.SignInRefused, "(docs/oidc.md, Signing in to the console)")
		})
	}
}
