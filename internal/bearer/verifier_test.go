package bearer_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookswitch/hookswitch/internal/bearer"
	"github.com/hookswitch/hookswitch/internal/hook"
)

func TestGoodToken(t *testing.T) {
	b := setUp(t, newIssuer(t))
	want := hook.Caller{Center: 2, Permissions: []hook.Permission{hook.PermitInteractionsWrite}, Actor: "oidc user-1"}
	for range 2 {
		if diff := cmp.Diff(want, b.good(t, b.token(nil))); diff != "" {
			t.Error(diff)
		}
	}
	if got := b.asks.Load(); got != 2 {
		t.Errorf("%d requests to the issuer, want one for its configuration and one for its keys", got)
	}
}

// TestEveryAlgorithm takes a key of each kind, and no key does for an algorithm that it is not for.
func TestEveryAlgorithm(t *testing.T) {
	publicEd, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, rs := ecKey(t), rsaKeys()[0]
	b := setUp(t, newIssuer(t, public("ec", ec), public("rsa", rs), oidctest.PublicKey{PublicKey: publicEd, KeyID: "ed", Algorithm: oidc.EdDSA},
		oidctest.PublicKey{PublicKey: rs.Public(), KeyID: "pss", Algorithm: oidc.PS512}))
	b.good(t, oidctest.SignIDToken(ec, "ec", oidc.ES256, b.claims(nil)))
	b.good(t, oidctest.SignIDToken(ed, "ed", oidc.EdDSA, b.claims(nil)))
	b.good(t, oidctest.SignIDToken(rs, "rsa", oidc.RS256, b.claims(nil)))
	b.good(t, oidctest.SignIDToken(rs, "pss", oidc.PS512, b.claims(nil)))
	b.good(t, oidctest.SignIDToken(rs, "", oidc.RS256, b.claims(nil))) // names no key
	b.refused(t, oidctest.SignIDToken(rs, "rsa", oidc.PS256, b.claims(nil)), "is not signed by a key of its issuer")
}

func TestBadTokens(t *testing.T) {
	b := setUp(t, newIssuer(t))
	der, err := x509.MarshalPKIXPublicKey(rsaKeys()[0].Public())
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	encode := base64.RawURLEncoding.EncodeToString
	payload, signature := encode([]byte(b.claims(nil))), strings.Split(b.token(nil), ".")[2]
	const (
		noJWT     = "is no signed JWT of at most 16 KiB"
		algorithm = "is no JWT with one signature by an asymmetric algorithm"
		unsigned  = "is not signed by a key of its issuer"
		expired   = "has expired, or says no time at which it does"
		audience  = "was made for another audience"
	)
	for name, c := range map[string]struct{ token, reason string }{
		"empty":              {"", noJWT},
		"a key":              {"hsk_0123456789", noJWT},
		"too long":           {b.token(map[string]any{"x": strings.Repeat("x", 16<<10)}), noJWT},
		"JSON serialisation": {`{"payload":"` + payload + `","signatures":[]}`, noJWT},
		"other audience":     {b.token(map[string]any{"aud": "other"}), audience},
		"part of audience":   {b.token(map[string]any{"aud": "hookswitch2"}), audience},
		"no audience":        {b.token(map[string]any{"aud": nil}), audience},
		"other issuer":       {b.token(map[string]any{"iss": "https://other.example"}), "was made by another issuer"},
		"slash more":         {b.token(map[string]any{"iss": b.url + "/"}), "was made by another issuer"},
		"no issuer":          {b.token(map[string]any{"iss": nil}), "has claims that cannot be read"},
		"expired":            {b.token(map[string]any{"exp": b.in(-61 * time.Second)}), expired},
		"no expiry":          {b.token(map[string]any{"exp": nil}), expired},
		"expiry is text":     {b.token(map[string]any{"exp": "tomorrow"}), "has claims that cannot be read"},
		"other audiences":    {b.token(map[string]any{"aud": []string{"a", "b"}}), audience},
		"not yet":            {b.token(map[string]any{"nbf": b.in(62 * time.Second)}), "is not valid yet"},
		"long not yet":       {b.token(map[string]any{"nbf": b.in(time.Hour)}), "is not valid yet"},
		"no subject":         {b.token(map[string]any{"sub": nil}), "has no subject (sub)"},
		"other key":          {oidctest.SignIDToken(rsaKeys()[1], "first", oidc.RS256, b.claims(nil)), unsigned},
		"none":               {encode([]byte(`{"alg":"none"}`)) + "." + payload + ".", algorithm},
		"none with a key":    {encode([]byte(`{"alg":"none","kid":"first"}`)) + "." + payload + "." + signature, algorithm},
		"NONE":               {encode([]byte(`{"alg":"NONE","kid":"first"}`)) + "." + payload + ".", algorithm},
		"HS256 by PEM":       {oidctest.SignIDToken(asPEM, "first", "HS256", b.claims(nil)), algorithm},
		"HS256 by DER":       {oidctest.SignIDToken(der, "first", "HS256", b.claims(nil)), algorithm},
		"no header":          {"eyJ." + payload + "." + signature, algorithm},
		"brings its key":     {withJWK(t, b), unsigned},
		"claims no object":   {oidctest.SignIDToken(rsaKeys()[0], "first", oidc.RS256, `["iss"]`), "has claims that cannot be read"},
		"claims no JSON":     {oidctest.SignIDToken(rsaKeys()[0], "first", oidc.RS256, `iss`), "has claims that cannot be read"},
		"no contact centre":  {b.token(map[string]any{"hookswitch_ccid": nil}), "has no claim hookswitch_ccid, which names the contact centre"},
		"centre is a number": {b.token(map[string]any{"hookswitch_ccid": 2}), "has a claim hookswitch_ccid that is no text"},
		"unknown centre":     {b.token(map[string]any{"hookswitch_ccid": "south"}), "names in hookswitch_ccid a contact centre that does not exist"},
		"centre no id":       {b.token(map[string]any{"hookswitch_ccid": "NORTH "}), "names in hookswitch_ccid a contact centre that does not exist"},
		"centre empty":       {b.token(map[string]any{"hookswitch_ccid": ""}), "names in hookswitch_ccid a contact centre that does not exist"},
		"centre of number 0": {b.token(map[string]any{"hookswitch_ccid": "zero"}), "names in hookswitch_ccid a contact centre that does not exist"},
		"ID token":           {b.token(map[string]any{"at_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng"}), "is no access token but another kind, such as an ID token"},
		"ID token with code": {b.token(map[string]any{"c_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng"}), "is no access token but another kind, such as an ID token"},
		"ID token by name":   {b.token(map[string]any{"typ": "ID"}), "is no access token but another kind, such as an ID token"},
		"logout token":       {typed(t, b, "logout+jwt"), "is of another type (typ) than JWT or at+jwt"},
		"type is a number":   {typed(t, b, 1), "is of another type (typ) than JWT or at+jwt"},
		"audience in case":   {audienceInCase(b), "has claims that cannot be read"},
		"subject in case":    {b.token(map[string]any{"Sub": "somebody else"}), "has claims that cannot be read"},
		"signature cut":      {b.token(nil)[:len(b.token(nil))-4], unsigned},
		"claims changed":     {changedClaims(b), unsigned},
	} {
		t.Run(name, func(t *testing.T) {
			b.refused(t, c.token, c.reason)
			b.refused(t, c.token, c.reason) // not kept as good
			b.pass(time.Millisecond)
		})
	}
	if len(b.log.all()) > 1 {
		t.Errorf("bad tokens are logged: %q", b.log.all())
	}
}

// typed signs good claims under a header with a type.
func typed(t *testing.T, b *bench, kind any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: rsaKeys()[0], KeyID: "first"}},
		(&jose.SignerOptions{}).WithHeader("typ", kind))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(b.claims(nil)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// audienceInCase is a token for another audience, beside which ours is named in capitals.
func audienceInCase(b *bench) string {
	claims := strings.Replace(b.claims(map[string]any{"aud": "other"}), `"aud":"other"`, `"aud":"other","AUD":"`+audience+`"`, 1)
	return oidctest.SignIDToken(rsaKeys()[0], "first", oidc.RS256, claims)
}

// TestAccessTokens shows that the types of access tokens are taken, and that a token which says none is.
func TestAccessTokens(t *testing.T) {
	b := setUp(t, newIssuer(t))
	for _, kind := range []string{"JWT", "at+jwt", "AT+JWT", "application/at+jwt"} {
		b.good(t, typed(t, b, kind))
	}
	b.good(t, b.token(map[string]any{"typ": "Bearer", "nonce": "n", "azp": "client"}))
}

// TestWhoExaminesIsAsked shows that a token which is known is let in without that, and that no other is examined when the answer is no.
func TestWhoExaminesIsAsked(t *testing.T) {
	b, no := setUp(t, newIssuer(t)), errors.New("no")
	first := func() error { return no }
	if _, err := b.verifier.Verify(t.Context(), b.token(nil), first); !errors.Is(err, no) {
		t.Errorf("a token that is not known: %v", err)
	}
	if got := b.asks.Load(); got != 0 {
		t.Errorf("it was examined: %d requests to the issuer", got)
	}
	b.good(t, b.token(nil))
	if _, err := b.verifier.Verify(t.Context(), b.token(nil), first); err != nil {
		t.Errorf("a token that is known: %v", err)
	}
}

// withJWK signs with a key that the token itself brings (RFC 7515, section 4.1.3).
func withJWK(t *testing.T, b *bench) string {
	t.Helper()
	own := oidctest.SignIDToken(rsaKeys()[1], "first", oidc.RS256, b.claims(nil))
	n := base64.RawURLEncoding.EncodeToString(rsaKeys()[1].N.Bytes())
	header := `{"alg":"RS256","kid":"first","jwk":{"kty":"RSA","n":"` + n + `","e":"AQAB"},"jku":"http://127.0.0.1:1/keys"}`
	parts := strings.Split(own, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + parts[1] + "." + parts[2]
}

func changedClaims(b *bench) string {
	mine, other := strings.Split(b.token(nil), "."), strings.Split(b.token(map[string]any{"hookswitch_ccid": "*"}), ".")
	return mine[0] + "." + other[1] + "." + mine[2]
}

// TestClockSkew takes what is wrong by a minute, and not more.
func TestClockSkew(t *testing.T) {
	b := setUp(t, newIssuer(t))
	b.good(t, b.token(map[string]any{"exp": b.in(-59 * time.Second)}))
	b.good(t, b.token(map[string]any{"nbf": b.in(59 * time.Second)}))
	b.good(t, b.token(map[string]any{"nbf": float64(b.in(0)) + 0.5}))
	b.good(t, b.token(map[string]any{"aud": []string{"other", audience}}))
}

// TestKeptUntilExpiry shows that a verdict that is kept does not outlive the token, nor a minute.
func TestKeptUntilExpiry(t *testing.T) {
	b := setUp(t, newIssuer(t))
	short, long := b.token(map[string]any{"exp": b.in(-30 * time.Second)}), b.token(nil)
	b.good(t, short)
	b.good(t, long)
	b.pass(31 * time.Second)
	b.refused(t, short, "has expired, or says no time at which it does")
	b.set(nil, public("second", rsaKeys()[1])) // the first key is gone
	b.good(t, long)
	b.pass(30 * time.Second)
	b.refused(t, oidctest.SignIDToken(rsaKeys()[0], "third", oidc.RS256, b.claims(nil)), "is not signed by a key of its issuer") // the keys are read anew
	b.refused(t, long, "is not signed by a key of its issuer")
}

// TestCacheIsBounded verifies more tokens than are kept.
func TestCacheIsBounded(t *testing.T) {
	ec := ecKey(t)
	b := setUp(t, newIssuer(t, public("ec", ec)))
	first := ""
	for n := range 10_050 {
		token := oidctest.SignIDToken(ec, "ec", oidc.ES256, b.claims(map[string]any{"jti": n}))
		if n == 0 {
			first = token
		}
		b.good(t, token)
	}
	if n := b.verifier.Cached(); n > 10_000 || n < 1 {
		t.Errorf("%d are kept", n)
	}
	b.good(t, first)
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	b := setUp(t, newIssuer(t), func(o *bearer.Options) { o.Metrics = registry })
	token := b.token(nil)
	b.good(t, token)
	b.good(t, token)
	b.good(t, token)
	b.refused(t, "x", "is no signed JWT of at most 16 KiB")
	got := map[string]float64{}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	want := map[string]float64{
		"hookswitch_tokens_total verified": 1, "hookswitch_tokens_total cached": 2, "hookswitch_tokens_total refused": 1, "hookswitch_tokens_total unjudged": 0,
		"hookswitch_issuer_reads_total done": 1, "hookswitch_issuer_reads_total failed": 0,
		"hookswitch_issuer_keys_read_timestamp_seconds": float64(b.in(0)),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestStoreFails tells a contact centre that cannot be looked for from one that does not exist.
func TestStoreFails(t *testing.T) {
	b := setUp(t, newIssuer(t), func(o *bearer.Options) {
		o.Center = func(hook.ContactCenterID) (hook.ContactCenter, error) {
			return hook.ContactCenter{}, hook.ErrUnavailable
		}
	})
	if _, err := b.verifier.Verify(t.Context(), b.token(nil), nil); !errors.Is(err, hook.ErrUnavailable) {
		t.Error(err)
	}
}

// TestSecretStaysOut shows that no reason and no line of the log holds a piece of a token.
func TestSecretStaysOut(t *testing.T) {
	b := setUp(t, newIssuer(t))
	for _, token := range []string{b.token(map[string]any{"aud": "secret-audience"}), b.token(map[string]any{"hookswitch_ccid": "secret-centre"})} {
		_, err := b.verifier.Verify(t.Context(), token, nil)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
		for _, part := range strings.Split(token, ".") {
			if bytes.Contains([]byte(err.Error()), []byte(part)) {
				t.Errorf("%v holds a part of the token", err)
			}
		}
	}
}

// TestWeakKeys refuses an issuer whose only key is too short.
func TestWeakKeys(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	b := setUp(t, newIssuer(t, public("weak", weak)))
	b.unjudged(t, oidctest.SignIDToken(weak, "weak", oidc.RS256, b.claims(nil)))
}
