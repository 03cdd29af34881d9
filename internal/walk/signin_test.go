package walk_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"github.com/hookswitch/hookswitch/internal/browsertest"
)

// issuer is an OpenID Connect issuer with a page on which one logs in. To a browser it is another site than the console: its host is localhost, the
// console's 127.0.0.1.
func issuer(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("make key: %v", err)
	}
	answers := &oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k", Algorithm: oidc.ES256}}}
	pages := http.NewServeMux()
	pages.Handle("/", answers)
	web := httptest.NewServer(pages)
	t.Cleanup(web.Close)
	at := strings.Replace(web.URL, "127.0.0.1", "localhost", 1)
	answers.SetIssuer(at)
	pages.HandleFunc("GET /auth", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Log in</title><link rel="icon" href="data:,"><h1>Log in</h1><form method="post" action="%s"><button>Log in</button></form>`,
			html.EscapeString(r.URL.RequestURI()))
	})
	pages.HandleFunc("POST /auth", func(w http.ResponseWriter, r *http.Request) {
		asked := r.URL.Query()
		code := url.Values{"code": {asked.Get("nonce")}, "state": {asked.Get("state")}}
		http.Redirect(w, r, asked.Get("redirect_uri")+"?"+code.Encode(), http.StatusFound)
	})
	pages.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		claims, err := json.Marshal(map[string]any{
			"iss": at, "aud": "console", "sub": "ada", "exp": time.Now().Add(time.Hour).Unix(), "nonce": r.PostFormValue("code"),
			"hookswitch_ccid": "default", "hookswitch_permissions": []string{"interactions:read"},
		})
		if err != nil {
			t.Errorf("encode claims: %v", err)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"a","token_type":"Bearer","id_token":%q}`, oidctest.SignIDToken(key, "k", oidc.ES256, string(claims)))
	})
	return at
}

// TestSignInWithAnotherSite signs in with an issuer that is another site to the browser: the cookies of the sign-in come along when it sends the
// browser back, and the person is then on the page that was asked for. With a link of the issuer's site, one stays signed in.
func TestSignInWithAnotherSite(t *testing.T) {
	t.Parallel()
	at := issuer(t)
	s := serve(t, "sqlite", filepath.Join(t.TempDir(), "walk.db"), "--oidc-issuer", at, "--oidc-client-id", "console")
	p := browsertest.Open(t, s.url)
	p.Trust(at)
	const wanted = "/console/cc/default/"
	p.Go(wanted)
	p.Axe()
	p.Follow("link", "Sign in with "+strings.TrimPrefix(at, "http://"))
	p.Follow("button", "Log in")
	p.AwaitText("oidc ada")
	p.AwaitPath(wanted)
	browsertest.Eval[bool](p, fmt.Sprintf(`document.body.innerHTML = "", location.href = %q, true`, at+"/auth?redirect_uri="+url.QueryEscape(s.url+wanted)))
	p.AwaitText("Log in")
	p.Follow("button", "Log in")
	p.AwaitText("oidc ada")
	p.Follow("button", "Sign out")
	p.AwaitText("You are signed out.")
	p.Go(wanted)
	p.AwaitText("API key")
}
