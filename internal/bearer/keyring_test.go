package bearer_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/bearer"
	"github.com/hookswitch/hookswitch/internal/hook"
)

const unsigned = "is not signed by a key of its issuer"

// TestUnknownKeyStorm sends tokens that name keys which nobody has, from many callers for a minute: the issuer is asked once every ten
// seconds, and a good token is judged all the while.
func TestUnknownKeyStorm(t *testing.T) {
	b := setUp(t, newIssuer(t))
	b.good(t, b.token(nil))
	before := b.asks.Load()
	for range 60 {
		b.pass(time.Second)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				b.refused(t, oidctest.SignIDToken(rsaKeys()[1], rand.Text(), oidc.RS256, b.claims(nil)), unsigned)
				b.refused(t, oidctest.SignIDToken(rsaKeys()[1], "first", oidc.RS256, b.claims(nil)), unsigned)
			})
		}
		b.good(t, b.token(map[string]any{"jti": rand.Text()}))
		all.Wait()
	}
	if asked := b.asks.Load() - before; asked != 6 {
		t.Errorf("2,400 tokens with unknown keys within a minute made %d requests to the issuer, want 6", asked)
	}
}

// TestRotatedKeys takes a new key at once, with a name of its own, with the old one's, and without any; the old key is refused after an hour
// at the latest.
func TestRotatedKeys(t *testing.T) {
	b := setUp(t, newIssuer(t))
	b.good(t, b.token(nil))
	b.pass(10 * time.Second)
	b.set(nil, public("first", rsaKeys()[0]), public("second", rsaKeys()[1]))
	b.good(t, oidctest.SignIDToken(rsaKeys()[1], "second", oidc.RS256, b.claims(nil)))

	b.pass(10 * time.Second)
	b.set(nil, public("first", rsaKeys()[0]))
	b.good(t, oidctest.SignIDToken(rsaKeys()[1], "second", oidc.RS256, b.claims(map[string]any{"jti": 1}))) // known still
	b.pass(time.Hour)
	b.refused(t, oidctest.SignIDToken(rsaKeys()[1], "second", oidc.RS256, b.claims(nil)), unsigned)

	b.pass(10 * time.Second)
	b.set(nil, public("first", rsaKeys()[1]))
	b.good(t, oidctest.SignIDToken(rsaKeys()[1], "first", oidc.RS256, b.claims(nil)))
	b.pass(10 * time.Second)
	b.set(nil, public("third", rsaKeys()[0]))
	b.good(t, oidctest.SignIDToken(rsaKeys()[0], "", oidc.RS256, b.claims(nil)))
}

// TestIssuerAway starts without an issuer: tokens are neither good nor bad, the issuer is asked less and less often, and once it is there
// tokens are good. The log has one line for each change.
func TestIssuerAway(t *testing.T) {
	b := setUp(t, newIssuer(t))
	b.set(http.HandlerFunc(away))
	for n := range 300 {
		if pause := b.unjudged(t, b.token(map[string]any{"jti": n})); pause > time.Minute {
			t.Fatalf("asked to wait for %v", pause)
		}
		b.pass(time.Second)
	}
	if asked := b.asks.Load(); asked != 9 { // after 0, 2, 6, 14, 30, 62, 122, 182 and 242 s
		t.Errorf("the issuer was asked %d times in five minutes", asked)
	}
	b.set(nil)
	b.pass(time.Minute)
	b.good(t, b.token(nil))
	want := []string{"the token issuer does not give its keys", "the token issuer gives its keys"}
	if diff := cmp.Diff(want, b.log.all()); diff != "" {
		t.Error(diff)
	}
}

// TestKnownKeysWhileIssuerIsAway goes on with the keys that are known, for a day; a key that is not known cannot be judged meanwhile, and a
// wrong signature is bad all the same.
func TestKnownKeysWhileIssuerIsAway(t *testing.T) {
	b := setUp(t, newIssuer(t))
	b.good(t, b.token(nil))
	b.set(http.HandlerFunc(away))
	b.pass(23 * time.Hour)
	b.good(t, b.token(nil))
	b.unjudged(t, oidctest.SignIDToken(rsaKeys()[1], "second", oidc.RS256, b.claims(nil)))
	b.refused(t, oidctest.SignIDToken(rsaKeys()[1], "first", oidc.RS256, b.claims(nil)), unsigned)
	b.pass(time.Hour)
	b.unjudged(t, b.token(nil))
	b.set(nil)
	b.pass(time.Minute)
	b.good(t, b.token(nil))
}

// TestKeysMove finds keys that the issuer shows elsewhere since then.
func TestKeysMove(t *testing.T) {
	b := setUp(t, newIssuer(t))
	b.good(t, b.token(nil))
	moved := newIssuer(t, public("second", rsaKeys()[1]))
	b.set(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "openid-configuration") {
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, b.url, moved.url+"/keys")
			return
		}
		b.answers.ServeHTTP(w, r) // the old place shows the old keys
	}))
	b.pass(time.Hour)
	b.good(t, oidctest.SignIDToken(rsaKeys()[1], "second", oidc.RS256, b.claims(nil)))
}

// TestOneReadAtATime has many callers come first together: one asks, all are judged.
func TestOneReadAtATime(t *testing.T) {
	b := setUp(t, newIssuer(t))
	var all sync.WaitGroup
	for n := range 50 {
		all.Go(func() {
			if _, err := b.verifier.Verify(t.Context(), b.token(map[string]any{"jti": n}), nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := b.asks.Load(); got != 2 {
		t.Errorf("%d requests", got)
	}
}

// TestSlowIssuer bounds what a token costs whose issuer answers nothing, or a byte now and then; a caller that goes away waits no longer.
func TestSlowIssuer(t *testing.T) {
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	trickling := func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
			}
			if _, err := w.Write([]byte(" ")); err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
		}
	}
	for name, answer := range map[string]http.HandlerFunc{"silent": silent, "trickling": trickling} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t, newIssuer(t), func(o *bearer.Options) { o.Timeout = 100 * time.Millisecond })
			b.set(answer)
			begun := time.Now()
			b.unjudged(t, b.token(nil))
			if took := time.Since(begun); took < 100*time.Millisecond || took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
	t.Run("the caller goes", func(t *testing.T) {
		b := setUp(t, newIssuer(t))
		asked, gone := make(chan struct{}), make(chan struct{})
		b.set(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(asked)
			<-gone
			away(w, nil)
		}))
		first := make(chan error, 1)
		go func() {
			_, err := b.verifier.Verify(t.Context(), b.token(nil), nil)
			first <- err
		}()
		<-asked
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.verifier.Verify(ctx, b.token(nil), nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(gone)
		if _, ok := errors.AsType[*hook.UnjudgedError](<-first); !ok {
			t.Error("the first one is judged")
		}
	})
}

// TestHostileIssuer shows that no answer of an issuer makes this server read much, ask elsewhere, or take a key that is none.
func TestHostileIssuer(t *testing.T) {
	elsewhere := newIssuer(t)
	usual := newIssuer(t)
	discovery := func(jwks string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "openid-configuration") {
				fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":%q}`, r.Host, strings.ReplaceAll(jwks, "HOST", r.Host))
				return
			}
			usual.answers.ServeHTTP(w, &http.Request{Method: http.MethodGet, URL: r.URL})
		}
	}
	keys := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "openid-configuration") {
				discovery("http://HOST/keys")(w, r)
				return
			}
			fmt.Fprint(w, text)
		}
	}
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to+r.URL.Path, http.StatusFound) }
	}
	for name, answer := range map[string]http.HandlerFunc{
		"configuration redirects": redirect(elsewhere.url),
		"redirects to itself":     redirect(""),
		"keys by plain http":      discovery("http://keys.example/keys"),
		"keys in a file":          discovery("file:///etc/passwd"),
		"no keys named":           discovery(""),
		"another issuer's": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, elsewhere.url, elsewhere.url+"/keys")
		},
		"huge configuration":        func(w http.ResponseWriter, _ *http.Request) { pour(w, `{"issuer":"`) },
		"huge keys":                 keys(`{"keys":[` + strings.Repeat(`{"kty":"x"},`, 100_000) + `{}]}`),
		"nested keys":               keys(`{"keys":` + strings.Repeat("[", 100_000)),
		"many keys":                 keys(`{"keys":[` + strings.Repeat(jwk(t)+",", 64) + jwk(t) + `]}`),
		"no keys":                   keys(`{"keys":[]}`),
		"keys no JSON":              keys(`<html>`),
		"a shared secret":           keys(`{"keys":[{"kty":"oct","kid":"first","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}]}`),
		"for encryption":            keys(`{"keys":[` + strings.Replace(jwk(t), `"kty"`, `"use":"enc","kty"`, 1) + `]}`),
		"an answer of another kind": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t, newIssuer(t))
			b.set(answer)
			b.unjudged(t, b.token(nil))
			b.pass(2 * time.Second)
			b.set(nil)
			b.good(t, b.token(nil)) // it recovers
		})
	}
	if got := elsewhere.asks.Load(); got != 0 {
		t.Errorf("the other host was asked %d times", got)
	}
}

// jwk is the first key as its issuer shows it, without its use.
func jwk(t *testing.T) string {
	t.Helper()
	i := newIssuer(t)
	w := httptest.NewRecorder()
	i.answers.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/keys", http.NoBody))
	text := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(w.Body.String()), `{"keys":[`), "]}")
	return strings.Replace(text, `"use":"sig",`, "", 1)
}

// pour writes until nobody reads, up to 64 MiB.
func pour(w http.ResponseWriter, begin string) {
	block := bytes.Repeat([]byte("x"), 1<<20)
	if _, err := w.Write([]byte(begin)); err != nil {
		return
	}
	for range 64 {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// TestIssuerOverTLS takes the operator's own authority, and no other.
func TestIssuerOverTLS(t *testing.T) {
	i := &issuer{}
	server := httptest.NewTLSServer(i)
	t.Cleanup(server.Close)
	server.Config.ErrorLog = nil
	i.url = server.URL
	i.answers.PublicKeys = []oidctest.PublicKey{public("first", rsaKeys()[0])}
	i.answers.SetIssuer(i.url)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	b := setUp(t, i, func(o *bearer.Options) { o.Roots = roots })
	b.good(t, b.token(nil))
	b = setUp(t, i)
	b.unjudged(t, b.token(nil))

	plain := newIssuer(t) // keys in plain text, even on this machine, are for an issuer that is so itself
	i.set(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.url, plain.url+"/keys")
	}))
	b = setUp(t, i, func(o *bearer.Options) { o.Roots = roots })
	b.unjudged(t, b.token(nil))
	if n := plain.asks.Load(); n != 0 {
		t.Errorf("keys were read in plain text, %d times", n)
	}
}
