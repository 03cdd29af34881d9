package cli_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
)

// people are the pages of an issuer where a person is signed in already: it sends browsers back at once, and exchanges each code once for who has
// the secret and PKCE's verifier.
type people struct {
	*tokenIssuer
	secret string

	mu sync.Mutex // guards all below
	// codes are the requests for which codes were given.
	codes map[string]url.Values
	// claims are those of the person.
	claims map[string]any
	// code is the next code, if it is set, and token the last ID token.
	code, token string
}

func (p *people) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.URL.Path == "/auth" {
		asked, code := r.URL.Query(), p.code
		if code == "" {
			code = rand.Text()
		}
		p.codes[code] = asked
		http.Redirect(w, r, asked.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {asked.Get("state")}}.Encode(), http.StatusFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	id, encoded, _ := r.BasicAuth()
	secret, err := url.QueryUnescape(encoded) // RFC 6749, section 2.3.1
	if err != nil {
		secret = ""
	}
	code := r.PostFormValue("code")
	asked, known := p.codes[code]
	delete(p.codes, code)
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if id != "console" || secret != p.secret || !known || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(challenge[:]) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant","error_description":"`+secret+`"}`) // a server that went away has nothing to read
		return
	}
	claims := map[string]any{"iss": p.url, "aud": "console", "sub": "user-1", "exp": time.Now().Add(time.Hour).Unix(), "nonce": asked.Get("nonce")}
	for name, value := range p.claims {
		claims[name] = value
	}
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err) // a map of a test's own values
	}
	p.token = oidctest.SignIDToken(p.key, "k", oidc.ES256, string(text))
	answer := map[string]any{"access_token": "opaque", "token_type": "Bearer", "id_token": p.token}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// visitor is a browser, which follows redirects and keeps cookies.
type visitor struct {
	*testing.T
	http.Client
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, http.Client{Jar: jar}}
}

// open opens a page, and returns where that led to.
func (v *visitor) open(url string) (status int, at *url.URL, page string) {
	v.Helper()
	r, err := http.NewRequestWithContext(v.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		v.Fatal(err)
	}
	resp, err := v.Do(r)
	if err != nil {
		v.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.Fatal(err)
	}
	return resp.StatusCode, resp.Request.URL, string(body)
}

// A server starts while its issuer is away, and its console says so to whoever wants to sign in with it. Once the issuer is there, a person comes
// by it to the page that was asked for, and is who the claims say; whose claims name no contact centre is told what is missing. A code is of no
// use to another browser. Without an audience, bearer tokens are not taken.
func TestServeSignsIn(t *testing.T) {
	issuer := newTokenIssuer(t)
	p := &people{tokenIssuer: issuer, secret: "the-console's-own", codes: map[string]url.Values{}, claims: map[string]any{
		"hookswitch_ccid": "default", "realm_access": map[string]any{"roles": []string{"hs:interactions:read", "admin"}},
	}}
	issuer.people.Store(p)
	issuer.away.Store(true)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(p.secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := launch(t, []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey, "HOOKSWITCH_OIDC_CLIENT_SECRET_FILE=" + filepath.Join(dir, "secret")}, "",
		"serve", "--listen", "127.0.0.1:0", "--database", filepath.Join(dir, "h.db"), "--oidc-issuer", issuer.url, "--oidc-client-id", "console",
		"--oidc-permissions-claim", "realm_access.roles", "--oidc-permissions-prefix", "hs:")
	base := server.await(&server.stderr, `msg=listening url=(\S+)`)[1]
	v := newVisitor(t)
	sees := func(path string, status int, at string, texts ...string) {
		t.Helper()
		got, led, page := v.open(base + path)
		if got != status || led.Path != at {
			t.Fatalf("%s leads to %v with %d, want %s with %d:\n%s", path, led, got, at, status, page)
		}
		for _, text := range texts {
			if !strings.Contains(page, text) {
				t.Errorf("%s does not say %q:\n%s", path, text, page)
			}
		}
	}
	const wanted, begin = "/console/cc/default/", "/console/sign-in/oidc?next=/console/cc/default/"
	sees(wanted, http.StatusOK, "/console/sign-in", "Sign in with "+strings.TrimPrefix(issuer.url, "http://"))
	sees(begin, http.StatusServiceUnavailable, "/console/sign-in/oidc", "does not answer now", "with the key")
	issuer.away.Store(false)
	tick, limit := time.NewTicker(50*time.Millisecond), time.After(awaitMax)
	defer tick.Stop()
	last := ""
	for status := 0; status != http.StatusOK; { // the issuer is asked again after two seconds
		select {
		case <-tick.C:
			status, _, last = v.open(base + begin)
		case <-limit:
			t.Fatalf("nobody is signed in, although the issuer is there: %s", last)
		}
	}
	sees(wanted, http.StatusOK, wanted, "oidc user-1", "Sign out")

	v = newVisitor(t)
	p.mu.Lock()
	p.claims = map[string]any{"hookswitch_ccid": "default"}
	p.mu.Unlock()
	sees(begin, http.StatusForbidden, "/console/sign-in/callback", "has no claim realm_access.roles, which names your permissions")
	sees(wanted, http.StatusOK, "/console/sign-in")
	sees("/console/sign-in/callback?code=c&state=s", http.StatusBadRequest, "/console/sign-in/callback", "belongs to no sign-in that this browser has begun")

	bearer := issuer.sign(t, "default", "hs:admin")
	if code, _, stderr := run(t, []string{"HOOKSWITCH_SERVER=" + base, "HOOKSWITCH_TOKEN=" + bearer}, "", "interactions", "list"); code != 5 {
		t.Errorf("without an audience a token is taken: %d %s", code, stderr)
	}
}
