package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
)

// tokenIssuer is go-oidc's own test issuer on a real listener.
type tokenIssuer struct {
	url  string
	key  *ecdsa.PrivateKey
	away atomic.Bool
	// people answer at /auth and /token, where there are any.
	people atomic.Pointer[people]
	oidctest.Server
}

func newTokenIssuer(t *testing.T) *tokenIssuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &tokenIssuer{key: key}
	i.PublicKeys = []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k", Algorithm: oidc.ES256}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i.away.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		if p := i.people.Load(); p != nil && (r.URL.Path == "/auth" || r.URL.Path == "/token") {
			p.ServeHTTP(w, r)
			return
		}
		i.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	i.url = server.URL
	i.SetIssuer(i.url)
	return i
}

func (i *tokenIssuer) sign(t *testing.T, center string, roles ...string) string {
	t.Helper()
	claims, err := json.Marshal(map[string]any{
		"iss": i.url, "aud": "hookswitch", "sub": "user-1", "exp": time.Now().Add(time.Hour).Unix(),
		"hookswitch_ccid": center, "realm_access": map[string]any{"roles": roles},
	})
	if err != nil {
		t.Fatal(err)
	}
	return oidctest.SignIDToken(i.key, "k", oidc.ES256, string(claims))
}

// A server starts while its issuer is away: keys work, tokens are neither good nor bad. Once the issuer is there, a token makes interactions of
// the contact centre that it names, and of no other; one that names every contact centre does for each.
func TestServeTakesTokens(t *testing.T) {
	issuer := newTokenIssuer(t)
	issuer.away.Store(true)
	server := launch(t, []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey}, "", "serve", "--listen", "127.0.0.1:0", "--database", filepath.Join(t.TempDir(), "h.db"),
		"--oidc-issuer", issuer.url, "--oidc-audience", "hookswitch", "--oidc-permissions-claim", "realm_access.roles", "--oidc-permissions-prefix", "hs:")
	url := server.await(&server.stderr, `msg=listening url=(\S+)`)[1]
	base := []string{"HOOKSWITCH_SERVER=" + url}
	command := func(env, want string, code int, args ...string) string {
		t.Helper()
		got, stdout, stderr := run(t, append(base, env), "", args...)
		if got != code || !strings.Contains(stdout+stderr, want) {
			t.Fatalf("%v: exit %d, want %d with %q: %s%s", args, got, code, want, stdout, stderr)
		}
		return stdout
	}
	admin := "HOOKSWITCH_ADMIN_KEY=" + adminKey
	command(admin, "north", 0, "contact-centers", "create", "north", "--json")
	command(admin, "south", 0, "contact-centers", "create", "south", "--json")
	north := "HOOKSWITCH_TOKEN=" + issuer.sign(t, "north", "hs:interactions:write", "hs:interactions:read", "hs:webhooks", "offline_access")

	command(north, "tokens cannot be judged now", 6, "interactions", "create", "--queue", "q")
	server.await(&server.stderr, "the token issuer does not give its keys")
	issuer.away.Store(false)
	tick, limit := time.NewTicker(50*time.Millisecond), time.After(awaitMax)
	defer tick.Stop()
	for good := false; !good; { // the issuer is asked again after two seconds
		select {
		case <-tick.C:
			code, _, _ := run(t, append(base, north), "", "interactions", "list")
			good = code == 0
		case <-limit:
			t.Fatal("no token is good, although the issuer is there")
		}
	}
	command(north, `"contactCenterId": "north"`, 0, "interactions", "create", "--queue", "q", "--json")
	command(north, "another contact centre", 5, "interactions", "create", "--queue", "q", "--contact-center", "south")
	reader := "HOOKSWITCH_TOKEN=" + issuer.sign(t, "north", "hs:interactions:read", "interactions:write", "admin")
	command(reader, "north", 0, "interactions", "list", "--json")
	command(reader, "the key or token lacks the permission interactions:write", 5, "interactions", "create", "--queue", "q")
	command(admin, `"items": []`, 0, "interactions", "list", "--contact-center", "south", "--json")
	all := "HOOKSWITCH_TOKEN=" + issuer.sign(t, "*", "hs:interactions:write", "hs:interactions:read")
	command(all, `"contactCenterId": "south"`, 0, "interactions", "create", "--queue", "q", "--contact-center", "south", "--json")
	command(north, `"url": "https://receiver.example/"`, 0, "webhooks", "create", "--url", "https://receiver.example/", "--json")
	command(admin, "oidc user-1 from 127.0.0.1", 0, "audit", "list", "--contact-center", "north", "--json")
	command("HOOKSWITCH_TOKEN="+issuer.sign(t, "west", "hs:admin"), "a contact centre that does not exist", 5, "interactions", "list")

	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(strings.TrimPrefix(north, "HOOKSWITCH_TOKEN=")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	command(admin, "north", 0, "interactions", "list", "--token-file", file, "--json") // a flag comes before the environment
	command(admin, "give one of them", 2, "interactions", "list", "--token-file", file, "--key", adminKey)
}
