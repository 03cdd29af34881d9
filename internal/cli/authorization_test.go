package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// arrival is what a server of the test was sent: the Authorization header and, of an authorization server, what it is asked for.
type arrival struct{ authorization, scope string }

// startServers starts an authorization server, which takes two secrets of a client's, and a receiver.
func startServers(t *testing.T) (tokenURL, receiverURL string, asked, posted chan arrival) {
	t.Helper()
	asked, posted = make(chan arrival, 100), make(chan arrival, 100)
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, secret, _ := r.BasicAuth()
		asked <- arrival{secret, r.FormValue("scope")}
		fmt.Fprintf(w, `{"access_token":"token-for-%s","token_type":"Bearer","expires_in":3600}`, secret)
	}))
	t.Cleanup(tokens.Close)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		posted <- arrival{authorization: r.Header.Get("Authorization") + r.Header.Get("X-Token")}
	}))
	t.Cleanup(receiver.Close)
	return tokens.URL, receiver.URL, asked, posted
}

// A webhook's deliveries carry what its settings say: a token, one of a secret that was rotated, Basic, and headers from a file. Nothing of
// it is in an answer, the audit log or the server's own log.
func TestServeAuthorizes(t *testing.T) {
	tokenURL, receiverURL, asked, posted := startServers(t)
	folder := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	server := launch(t, []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey}, "", "serve", "--listen", "127.0.0.1:0",
		"--allow-private-targets", "127.0.0.0/8", "--database", filepath.Join(folder, "h.db"), "--log-level", "debug")
	env := []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey, "HOOKSWITCH_SERVER=" + server.await(&server.stderr, `msg=listening url=(\S+)`)[1]}
	said := ""
	must := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := run(t, env, "", args...)
		if code != 0 {
			t.Fatalf("%s: %s", strings.Join(args, " "), stderr)
		}
		said += stdout + stderr
		return stdout
	}
	arrives := func(want string) {
		t.Helper()
		must("interactions", "create", "--queue", "q")
		if got := <-posted; got.authorization != want {
			t.Errorf("a delivery came with %q, want %q", got.authorization, want)
		}
	}
	must("webhooks", "create", "--url", receiverURL, "--oauth2-token-url", tokenURL, "--oauth2-client-id", "us", "--oauth2-scope", "a b",
		"--oauth2-client-secret-file", file("secret", "hunter2-one\n"))
	id := strings.Fields(must("webhooks", "list"))
	webhook := ""
	for _, word := range id {
		if strings.Count(word, "-") == 4 {
			webhook = word
		}
	}
	arrives("Bearer token-for-hunter2-one")
	arrives("Bearer token-for-hunter2-one")
	if got := <-asked; got != (arrival{"hunter2-one", "a b"}) || len(asked) != 0 {
		t.Errorf("asked with %+v, and %d times more", got, len(asked))
	}
	must("webhooks", "update", webhook, "--oauth2-client-secret-file", file("secret", "hunter2-two"))
	arrives("Bearer token-for-hunter2-two")
	if got := <-asked; got.authorization != "hunter2-two" {
		t.Errorf("asked with %+v", got)
	}
	must("webhooks", "update", webhook, "--basic-user", "Aladdin", "--basic-password-file", file("password", "open sesame\n"))
	arrives("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==") // the example of RFC 7617, section 2
	must("webhooks", "update", webhook, "--no-authorization", "--header-file", file("headers", "X-Token: hunter2-three\n\nX-Other: 1\n"))
	arrives("hunter2-three")
	shown := must("webhooks", "get", webhook)
	if !strings.Contains(shown, "X-Token: ***") {
		t.Errorf("headers are not shown:\n%s", shown)
	}
	if code, _, stderr := run(t, env, "", "webhooks", "update", webhook, "--url", tokenURL); code == 0 || !strings.Contains(stderr, "headers.X-Token") {
		t.Errorf("another receiver would get the header: %d %s", code, stderr)
	}
	for _, wrong := range [][]string{
		{"--basic-user", "u", "--oauth2-client-id", "c"},
		{"--header-file", file("headers", "hunter2-four")},
		{"--header", "hunter2-four"},
		{"--basic-password-file", "-", "--client-key", "-"},
		{"--no-authorization", "--basic-user", "u"}, // not clear which is meant
		{"--no-tls", "--ca", file("roots", "")},
	} {
		if code, _, stderr := run(t, env, "", append([]string{"webhooks", "update", webhook}, wrong...)...); code != 2 || strings.Contains(stderr, "hunter2-four") && wrong[0] != "--header" {
			t.Errorf("%v: %d %s", wrong, code, stderr)
		}
	}
	said += must("webhooks", "list", "--json") + must("audit", "list", "--json") + must("deliveries", "list", "--json") + server.stderr.String() + server.stdout.String()
	for _, secret := range []string{"hunter2", "open sesame", "QWxhZGRpbjpv"} {
		if strings.Contains(said, secret) {
			t.Errorf("%s shows", secret)
		}
	}
	if !strings.Contains(strings.ReplaceAll(said, " ", ""), `"clientSecret":"***(changed)"`) {
		t.Error("the audit log does not say that the client's secret changed")
	}
}
