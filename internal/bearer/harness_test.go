package bearer_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"github.com/hookswitch/hookswitch/internal/bearer"
	"github.com/hookswitch/hookswitch/internal/hook"
)

const audience = "hookswitch"

// rsaKeys are made once, because that takes long.
var rsaKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var out [2]*rsa.PrivateKey
	for i := range out {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		out[i] = key
	}
	return out
})

func ecKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// issuer is a real HTTP server with go-oidc's own test issuer behind it.
type issuer struct {
	url  string
	asks atomic.Int64 // requests

	mu sync.Mutex // guards both below
	// answers is the test issuer.
	answers oidctest.Server
	// instead answers in its place, if it is set.
	instead http.Handler
}

func newIssuer(tb testing.TB, keys ...oidctest.PublicKey) *issuer {
	tb.Helper()
	i := &issuer{}
	server := httptest.NewServer(i)
	tb.Cleanup(server.Close)
	i.url = server.URL
	if keys == nil {
		keys = []oidctest.PublicKey{public("first", rsaKeys()[0])}
	}
	i.answers.PublicKeys = keys
	i.answers.SetIssuer(i.url)
	return i
}

func public(id string, key crypto.Signer) oidctest.PublicKey {
	alg := oidc.RS256
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		alg = oidc.ES256
	}
	return oidctest.PublicKey{PublicKey: key.Public(), KeyID: id, Algorithm: alg}
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.asks.Add(1)
	i.mu.Lock()
	handler := i.instead
	if handler == nil {
		answers := i.answers
		handler = &answers
	}
	i.mu.Unlock()
	handler.ServeHTTP(w, r)
}

// set changes what the issuer answers; nil is the usual.
func (i *issuer) set(instead http.Handler, keys ...oidctest.PublicKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.instead = instead
	if keys != nil {
		i.answers.PublicKeys = keys
	}
}

func away(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }

// clock is the time of the test.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time           { return time.Unix(0, c.nanos.Load()) }
func (c *clock) pass(d time.Duration)     { c.nanos.Add(int64(d)) }
func (c *clock) in(d time.Duration) int64 { return c.now().Add(d).Unix() }

// bench is a verifier with an issuer and a clock.
type bench struct {
	*issuer
	*clock
	verifier *bearer.Verifier
	log      *lines
}

// lines is a log that keeps its messages.
type lines struct {
	mu   sync.Mutex // guards text
	text []string
}

func (l *lines) Write(b []byte) (int, error) {
	var line struct{ Msg string }
	if err := json.Unmarshal(b, &line); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, line.Msg)
	return len(b), nil
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}

// centers knows two contact centres.
func centers(id hook.ContactCenterID) (hook.ContactCenter, error) {
	numbers := map[hook.ContactCenterID]hook.ContactCenterNumber{"default": 1, "north": 2, "zero": 0}
	number, ok := numbers[id]
	if !ok {
		return hook.ContactCenter{}, hook.ErrNotFound
	}
	return hook.ContactCenter{Number: number, ID: id}, nil
}

func setUp(tb interface{ Helper() }, i *issuer, change ...func(*bearer.Options)) *bench {
	tb.Helper()
	b := &bench{issuer: i, clock: newClock(), log: &lines{}}
	o := bearer.Options{
		Issuer: i.url, CenterClaim: "hookswitch_ccid", PermissionsClaim: "hookswitch_permissions",
		Center: centers, Now: b.now, Log: slog.New(slog.NewJSONHandler(b.log, nil)),
	}
	for _, c := range change {
		c(&o)
	}
	b.verifier = bearer.New(bearer.NewIssuer(o), audience)
	return b
}

// claims are those of a good token, with changes; a nil removes.
func (b *bench) claims(change map[string]any) string {
	all := map[string]any{
		"iss": b.url, "aud": audience, "sub": "user-1", "exp": b.in(10 * time.Minute), "iat": b.in(0),
		"hookswitch_ccid": "north", "hookswitch_permissions": []string{"interactions:write", "unknown"},
	}
	maps.Copy(all, change)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // a map of a test's own values
	}
	return string(text)
}

// token is a good one, with changes.
func (b *bench) token(change map[string]any) string {
	return oidctest.SignIDToken(rsaKeys()[0], "first", oidc.RS256, b.claims(change))
}

// refused fails the test unless a token is refused for a reason.
func (b *bench) refused(tb testing.TB, token, reason string) {
	tb.Helper()
	caller, err := b.verifier.Verify(tb.Context(), token, nil)
	if bad, ok := errors.AsType[*hook.TokenError](err); !ok || bad.Reason != reason {
		tb.Errorf("got %+v, %v; want the reason %q", caller, err, reason)
	}
}

// unjudged fails the test unless a token cannot be judged now, and returns when it can again.
func (b *bench) unjudged(tb testing.TB, token string) time.Duration {
	tb.Helper()
	caller, err := b.verifier.Verify(tb.Context(), token, nil)
	later, ok := errors.AsType[*hook.UnjudgedError](err)
	if !ok || later.RetryAfter <= 0 {
		tb.Fatalf("got %+v, %v", caller, err)
	}
	return later.RetryAfter
}

// good fails the test unless a token is good.
func (b *bench) good(tb testing.TB, token string) hook.Caller {
	tb.Helper()
	caller, err := b.verifier.Verify(tb.Context(), token, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return caller
}
