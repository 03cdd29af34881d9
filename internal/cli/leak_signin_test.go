package cli_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// signIn has somebody sign in to the console, and others fail: with an issuer that repeats the secret which it was sent, and with a wrong key.
func (r *leakRun) signIn(issuer *tokenIssuer) {
	r.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.Fatal(err)
	}
	p := &people{
		tokenIssuer: issuer, secret: r.of("client secret of the console"), code: r.of("code of a sign-in"), codes: map[string]url.Values{},
		claims: map[string]any{"hookswitch_ccid": "*", "hookswitch_permissions": "admin"},
	}
	issuer.people.Store(p)
	v := &visitor{r.T, http.Client{Jar: jar, Transport: r.web}}
	status, _, page := v.open(r.url + "/console/sign-in/oidc")
	if status != http.StatusOK {
		r.Fatalf("signing in: %d %s", status, page)
	}
	r.wrote(placeLists, page)
	r.is("ID token of a sign-in", strings.Split(p.token, ".")[1:]...)
	at, err := url.Parse(r.url)
	if err != nil {
		r.Fatal(err)
	}
	found := false
	for _, cookie := range jar.Cookies(at) {
		if strings.HasSuffix(cookie.Name, "hookswitch-session") {
			r.is("session of the console", cookie.Value)
			found = true
		}
	}
	if !found {
		r.Fatal("there is no session")
	}
	p.mu.Lock()
	p.secret += "!"
	p.mu.Unlock()
	status, _, page = v.open(r.url + "/console/sign-in/oidc")
	if status != http.StatusBadRequest {
		r.Errorf("signing in with a secret that is not the issuer's: %d %s", status, page)
	}
	r.wrote(placeRefused, page)
	form, err := v.PostForm(r.url+"/console/sign-in", url.Values{"key": {r.of("wrong key in the console's form")}})
	if err != nil {
		r.Fatal(err)
	}
	defer form.Body.Close()
	text, err := io.ReadAll(form.Body)
	if err != nil || form.StatusCode != http.StatusUnauthorized {
		r.Errorf("a wrong key: %d %v", form.StatusCode, err)
	}
	r.wrote(placeRefused, string(text))
}
