package signin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"github.com/hookswitch/hookswitch/internal/bearer"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/signin"
)

const (
	clientID     = "console"
	clientSecret = "the client's secret + more"
	callback     = "https://hooks.example/console/sign-in/callback"
)

// issuer is a real HTTP server with an authorization server of the tests behind it: its authorization endpoint is played by [issuer.authorize],
// its token endpoint checks everything that one has to check (RFC 6749, section 4.1.3; RFC 7636, section 4.6).
type issuer struct {
	url    string
	key    *ecdsa.PrivateKey
	server oidctest.Server
	// exchanges counts requests to the token endpoint.
	exchanges atomic.Int64

	mu sync.Mutex // guards all below
	// said changes what the issuer says of itself.
	said map[string]any
	// codes are the requests for which codes were given.
	codes map[string]url.Values
	// claims changes those of the next ID tokens; a nil removes.
	claims map[string]any
	// sign signs in place of the issuer's key, if it is set.
	sign func(claims string) string
	// away and instead answer in place of the whole issuer, and of its token endpoint.
	away, instead http.Handler
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key, codes: map[string]url.Values{}, said: map[string]any{}}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.url = server.URL
	i.server.SetIssuer(i.url)
	i.server.PublicKeys = []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k", Algorithm: oidc.ES256}}
	return i
}

// set changes the issuer under its lock.
func (i *issuer) set(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	away, instead := i.away, i.instead
	i.mu.Unlock()
	switch {
	case away != nil:
		away.ServeHTTP(w, r)
	case strings.HasPrefix(r.URL.Path, "/.well-known/"):
		i.discover(w, r)
	case r.URL.Path == "/token":
		i.exchanges.Add(1)
		if instead != nil {
			instead.ServeHTTP(w, r)
			return
		}
		i.token(w, r)
	default:
		i.server.ServeHTTP(w, r)
	}
}

// discover answers as go-oidc's issuer does, with changes.
func (i *issuer) discover(w http.ResponseWriter, r *http.Request) {
	recorded := httptest.NewRecorder()
	i.server.ServeHTTP(recorded, r)
	said := map[string]any{}
	if err := json.Unmarshal(recorded.Body.Bytes(), &said); err != nil {
		panic(err) // go-oidc wrote it
	}
	i.mu.Lock()
	maps.Copy(said, i.said)
	i.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer(w, http.StatusOK, said)
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
}

// authorize is what a browser does at the issuer: it follows the location, the person signs in, and the issuer sends the browser back with
// the query that is returned.
func (i *issuer) authorize(t *testing.T, location string) url.Values {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	asked := u.Query()
	if asked.Get("response_type") != "code" || asked.Get("client_id") != clientID || asked.Get("redirect_uri") != callback ||
		asked.Get("code_challenge_method") != "S256" || len(asked.Get("code_challenge")) != 43 || len(asked.Get("nonce")) < 26 || len(asked.Get("state")) < 26 {
		t.Fatalf("the browser is sent to %s", location)
	}
	code := rand.Text()
	i.set(func() { i.codes[code] = asked })
	return url.Values{"code": {code}, "state": {asked.Get("state")}}
}

func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	id, secret, inHeader := r.BasicAuth()
	if inHeader { // encoded as in a form before they are joined (RFC 6749, section 2.3.1)
		var err error
		if secret, err = url.QueryUnescape(secret); err != nil {
			answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
			return
		}
	} else {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	ways, _ := i.said["token_endpoint_auth_methods_supported"].([]string)
	wantSecret, wantHeader := clientSecret, true
	if len(ways) > 0 {
		wantHeader = ways[0] == "client_secret_basic"
		if ways[0] == "none" {
			wantSecret = ""
		}
	}
	if id != clientID || secret != wantSecret || inHeader != wantHeader {
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": "wrong: " + secret})
		return
	}
	code := r.PostFormValue("code")
	asked, ok := i.codes[code]
	delete(i.codes, code)
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || r.PostFormValue("redirect_uri") != asked.Get("redirect_uri") || base64.RawURLEncoding.EncodeToString(challenge[:]) != asked.Get("code_challenge") {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": code})
		return
	}
	answer(w, http.StatusOK, map[string]any{"access_token": "opaque", "token_type": "Bearer", "expires_in": 300, "id_token": i.idToken(asked.Get("nonce"))})
}

func (i *issuer) idToken(nonce string) string {
	claims := map[string]any{
		"iss": i.url, "aud": clientID, "sub": "user-1", "exp": noon().Add(time.Hour).Unix(), "iat": noon().Unix(), "nonce": nonce,
		"hookswitch_ccid": "north", "hookswitch_permissions": []string{"webhooks", "offline_access"},
	}
	maps.Copy(claims, i.claims)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err) // a map of a test's own values
	}
	if i.sign != nil {
		return i.sign(string(text))
	}
	return oidctest.SignIDToken(i.key, "k", oidc.ES256, string(text))
}

// noon is when the tests begin.
func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// stage is a flow with its issuer and clock.
type stage struct {
	*testing.T
	*issuer
	flow *signin.Flow
	// passed is how much time has passed since noon.
	passed atomic.Int64
}

func (s *stage) now() time.Time        { return noon().Add(time.Duration(s.passed.Load())) }
func (s *stage) pass(by time.Duration) { s.passed.Add(int64(by)) }

func setUp(t *testing.T, change ...func(*bearer.Options, *signin.Options)) *stage {
	t.Helper()
	s := &stage{T: t, issuer: newIssuer(t)}
	at := bearer.Options{Issuer: s.url, CenterClaim: "hookswitch_ccid", PermissionsClaim: "hookswitch_permissions", Center: centers, Now: s.now}
	o := signin.Options{ClientID: clientID, ClientSecret: hook.NewSecret(clientSecret), Scopes: []string{"openid"}, Now: s.now}
	for _, c := range change {
		c(&at, &o)
	}
	o.Issuer = bearer.NewIssuer(at)
	s.flow = signin.New(o)
	return s
}

var errStore = errors.New("the store is away")

func centers(id hook.ContactCenterID) (hook.ContactCenter, error) {
	if id == "broken" {
		return hook.ContactCenter{}, errStore
	}
	if id != "north" {
		return hook.ContactCenter{}, hook.ErrNotFound
	}
	return hook.ContactCenter{Number: 2, ID: id}, nil
}

// begin begins a sign-in and has the person sign in at the issuer.
func (s *stage) begin() (state []byte, query url.Values) {
	s.Helper()
	location, state, err := s.flow.Begin(s.Context(), callback)
	if err != nil {
		s.Fatal(err)
	}
	return state, s.authorize(s.T, location)
}

// good finishes a sign-in.
func (s *stage) good(state []byte, query url.Values) (hook.Caller, time.Time) {
	s.Helper()
	caller, until, err := s.flow.Finish(s.Context(), state, query)
	if err != nil {
		s.Fatal(err)
	}
	return caller, until
}

// bad fails the test unless a sign-in meets an obstacle of a kind, of which the person is told with some words.
func (s *stage) bad(state []byte, query url.Values, problem hook.SignInProblem, words string) {
	s.Helper()
	caller, until, err := s.flow.Finish(s.Context(), state, query)
	s.met(err, problem, words)
	if caller.Actor != "" || caller.Permissions != nil || caller.Center != 0 || !until.IsZero() {
		s.Errorf("an error came with %+v until %v", caller, until)
	}
}

func (s *stage) met(err error, problem hook.SignInProblem, words string) {
	s.Helper()
	met, ok := errors.AsType[*hook.SignInError](err)
	if !ok || met.Problem != problem || !strings.Contains(met.Text, words) {
		s.Errorf("got %v, want one of kind %d with %q", err, problem, words)
		return
	}
	if problem == hook.SignInAway && met.RetryAfter <= 0 {
		s.Error("nobody says when the issuer is asked again")
	}
	if all := fmt.Sprintf("%v %+v %v", met.Text, met, met.Cause); strings.Contains(all, clientSecret) || strings.Contains(all, url.QueryEscape(clientSecret)) {
		s.Errorf("the client's secret is in %s", all)
	}
}
