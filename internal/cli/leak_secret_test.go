package cli_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"github.com/hookswitch/hookswitch/internal/pgtest"
	"github.com/hookswitch/hookswitch/internal/seal"
)

// keyset makes a master keyset and returns its text.
func (r *leakRun) keyset() string {
	r.Helper()
	k, err := seal.New()
	if err != nil {
		r.Fatal(err)
	}
	text, err := k.Encode()
	if err != nil {
		r.Fatal(err)
	}
	return string(text)
}

var keyOfKeyset = regexp.MustCompile(`"value":\s*"([^"]+)"`)

// keysOf returns the keys of a keyset: each as Tink's JSON has it, and itself, which are its last 32 bytes.
func (r *leakRun) keysOf(keyset string, but ...string) []string {
	r.Helper()
	var keys []string
	for _, m := range keyOfKeyset.FindAllStringSubmatch(keyset, -1) {
		if slices.Contains(but, m[1]) {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(m[1])
		if err != nil || len(raw) < 32 {
			r.Fatalf("a keyset has a key of %d bytes: %v", len(raw), err)
		}
		keys = append(keys, m[1], string(raw[len(raw)-32:]))
	}
	if keys == nil {
		r.Fatal("a keyset has no key")
	}
	return keys
}

// certified makes a certificate for 127.0.0.1 and its key, whose secret is one of the table: the number itself, and what a PEM shows of it.
func (r *leakRun) certified(name string, serial int64) (certFile, keyFile string) {
	r.Helper()
	certFile, keyFile = filepath.Join(r.dir, fmt.Sprintf("%d.crt", serial)), filepath.Join(r.dir, fmt.Sprintf("%d.key", serial))
	certify(r.T, certFile, keyFile, serial)
	text := r.text(keyFile)
	block, _ := pem.Decode([]byte(text))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		r.Fatal(err)
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		r.Fatalf("certify made a key of another kind: %T", parsed)
	}
	number, err := private.Bytes()
	if err != nil {
		r.Fatal(err)
	}
	lines := strings.Split(text, "\n")
	// PKCS #8 of P-256 has the number from its 36th byte on: at the end of the first line, and on the second.
	r.is(name, string(number), lines[1][48:], lines[2][:24])
	return certFile, keyFile
}

func (r *leakRun) text(file string) string {
	r.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		r.Fatal(err)
	}
	return string(raw)
}

// authorizationServer gives one secret a token, and repeats all others in its refusal.
func (r *leakRun) authorizationServer() string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, secret, _ := q.BasicAuth()
		if secret == r.of("OAuth2 client secret") {
			fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, r.of("access token"))
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":"invalid_client","error_description":"%s%s %s"}`, secret, q.FormValue("client_secret"), q.Header.Get("Authorization"))
	}))
	r.Cleanup(server.Close)
	return server.URL
}

// receiverWithTLS is a receiver that wants a client certificate; authority is a file with who signed its own.
func (r *leakRun) receiverWithTLS(h http.Handler) (url, authority string) {
	server := httptest.NewUnstartedServer(h)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	r.Cleanup(server.Close)
	return server.URL, r.file("receiver.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
}

// credentials makes webhooks that show their receivers something, and returns their ids.
func (r *leakRun) credentials(echo string, h http.Handler) []string {
	r.Helper()
	tokens := r.authorizationServer()
	receiver, authority := r.receiverWithTLS(h)
	cert, key := r.certified("key of a client certificate", 2)
	create := []string{"webhooks", "create", "--json", "--retry-attempts", "0", "--circuit-failures", "1", "--url"}
	var ids []string
	for _, more := range [][]string{
		{echo + "/fails", "--basic-user", "hookswitch", "--basic-password-file", r.file("password", r.of("Basic password")+"\n")},
		{
			receiver, "--ca", authority, "--client-cert", cert, "--client-key", key, "--oauth2-token-url", tokens, "--oauth2-client-id", "us",
			"--oauth2-client-secret-file", r.file("client.secret", r.of("OAuth2 client secret")+"\n"),
		},
		{echo, "--oauth2-token-url", tokens, "--oauth2-client-id", "us", "--oauth2-client-secret-file", r.file("wrong.secret", r.of("OAuth2 client secret that is refused"))},
		{echo, "--oauth2-in-body", "--oauth2-token-url", tokens, "--oauth2-client-id", "us", "--oauth2-client-secret-file", r.file("wrong.secret", r.of("OAuth2 client secret that is refused"))},
	} {
		id, _ := r.created(r.hookswitch(placeMade, 0, []string{"HOOKSWITCH_SECRET=" + r.of("app secret from the environment")}, append(create, more...)...))
		ids = append(ids, id)
	}
	for i, code := range []int{1, 0, 1, 1} {
		r.hookswitch(placeLists, code, nil, "webhooks", "test", ids[i], "--json")
	}
	_, other := r.certified("key that belongs to no certificate", 3)
	r.hookswitch(placeClients, 7, nil, "webhooks", "update", ids[1], "--client-key", other)
	for _, body := range []string{
		`{"url":"https://a.example","authorization":{"type":"oauth3","password":"%s","clientSecret":"%[1]s","token":"%[1]s"}}`,
		`{"url":"https://a.example","authorization":{"type":"basic","username":"%[1]s:","password":"%[1]s\n"}}`,
		`{"url":"https://a.example","tls":{"certificate":"%s","key":"%[1]s","roots":"%[1]s"}}`,
		`{"url":"https://a.example","tls":{"certificate":"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----","key":["%[1]s"]}}`,
	} {
		r.request(placeRefused, http.MethodPost, "/v1/webhooks", fmt.Sprintf(body, r.of("credential of a refused webhook")))
	}
	return ids
}

var keyOfAnswer = regexp.MustCompile(`"(hsk_[0-9a-f]+_([0-9A-Za-z]+))"`)

// keys makes API keys, uses them, and ends them.
func (r *leakRun) keys() {
	made := func(name, answer string) string {
		m := keyOfAnswer.FindStringSubmatch(answer)
		if m == nil {
			r.Fatalf("no key in %s", answer)
		}
		r.is(name, m[1], m[2])
		return m[1]
	}
	for range 2 {
		made("API key", r.request(placeMade, http.MethodPost, "/v1/keys", `{"name":"CRM","permissions":["webhooks"]}`, "Idempotency-Key", "one key"))
	}
	key := r.of("API key")
	r.hookswitch(placeWebhook, 0, []string{"HOOKSWITCH_API_KEY=" + key}, "webhooks", "list")
	r.hookswitch(placeWebhook, 5, []string{"HOOKSWITCH_API_KEY=" + key}, "audit", "list")
	r.flagged(placeWebhook, 0, nil, "", "webhooks", "list", "--key", key, "--json")
	admin := made("API key of an administrator", r.hookswitch(placeMade, 0, nil, "keys", "create", "operations", "--admin", "--json"))
	answer := r.hookswitch(placeMade, 0, []string{"HOOKSWITCH_ADMIN_KEY=" + admin}, "keys", "create", "old", "--permissions", "interactions:read", "--json")
	old := made("API key that is disabled", answer)
	id, _ := r.created(answer)
	r.hookswitch(placeWebhook, 0, nil, "keys", "disable", id)
	r.hookswitch(placeClients, 5, []string{"HOOKSWITCH_API_KEY=" + old}, "interactions", "list")
	r.hookswitch(placeWebhook, 0, nil, "keys", "expire", id, "--json")
	r.hookswitch(placeWebhook, 0, nil, "keys", "list", "--json")
	r.hookswitch(placeWebhook, 0, nil, "keys", "list", "--admin")
	r.hookswitch(placeWebhook, 0, nil, "keys", "get", id)
	r.hookswitch(placeClients, 5, []string{"HOOKSWITCH_API_KEY=" + r.of("wrong key with a bad length")[:20]}, "webhooks", "list")
	r.flagged(placeClients, 5, nil, "", "webhooks", "list", "--key", r.of("wrong key in a flag"))
	r.flagged(placeClients, 5, nil, "", "webhooks", "list", "--token", r.of("wrong token in a flag"))
	r.flagged(placeClients, 2, nil, "", "webhooks", "list", "--key", r.of("wrong key in a flag"), "--token", r.of("wrong token in a flag"))
}

// tokens shows the server tokens of its issuer, good and bad ones.
func (r *leakRun) tokens(issuer, foreign *tokenIssuer) {
	r.Helper()
	for _, token := range []struct {
		name  string
		key   *tokenIssuer
		claim string
		value any
		code  int
	}{
		{name: "bearer token", key: issuer, claim: "iat", value: 1},
		{name: "bearer token of another key", key: foreign, claim: "iat", value: 2, code: 5},
		{name: "bearer token that has expired", key: issuer, claim: "exp", value: 3, code: 5},
		{name: "bearer token for another audience", key: issuer, claim: "aud", value: "another", code: 5},
		{name: "bearer token without a contact centre", key: issuer, claim: "hookswitch_ccid", value: 4, code: 5},
	} {
		claims := map[string]any{
			"iss": issuer.url, "aud": "hookswitch", "sub": "user-1", "exp": time.Now().Add(time.Hour).Unix(), "hookswitch_ccid": "*", "hookswitch_permissions": "admin",
		}
		claims[token.claim] = token.value
		text, err := json.Marshal(claims)
		if err != nil {
			r.Fatal(err)
		}
		signed := oidctest.SignIDToken(token.key.key, "k", oidc.ES256, string(text))
		r.is(token.name, strings.Split(signed, ".")[1:]...)
		env := []string{"HOOKSWITCH_TOKEN=" + signed}
		r.hookswitch(placeMade, token.code, env, "webhooks", "create", "--url", "https://127.0.0.1:1/", "--secret-file", r.file("app.secret", r.of("app secret that was given")))
		if token.code == 0 {
			r.flagged(placeClients, 0, nil, "", "interactions", "list", "--token", signed)
			r.request(placeRefused, http.MethodGet, "/v1/webhooks", "", "X-Api-Key", signed)
		}
	}
}

// master rotates the master key, and prints keysets where that is asked for.
func (r *leakRun) master(keyset, file string) {
	r.Helper()
	made := r.hookswitch(placeKeysets, 0, nil, "keys", "new-master")
	r.is("master keyset that was made", r.keysOf(made)...)
	rotate := []string{"keys", "rotate-master"}
	before := keyOfKeyset.FindStringSubmatch(keyset)[1]
	if file == "" {
		r.hookswitch(placeClients, 2, r.settings, rotate...)
		r.is("master keyset after a rotation", r.keysOf(r.flagged(placeKeysets, 0, nil, keyset, append(rotate, "--from-stdin")...), before)...)
	} else {
		r.hookswitch(placeClients, 0, r.settings, append(rotate, "--json")...)
		r.is("master keyset after a rotation", r.keysOf(r.text(file), before)...)
	}
	elsewhere := append(slices.Clone(r.settings), "HOOKSWITCH_LISTEN=127.0.0.1:0", "HOOKSWITCH_DATABASE=elsewhere.db")
	for _, broken := range []string{keyset[:len(keyset)-4], strings.Replace(keyset, "AesGcmKey", "AesGcmKeys", 1), strings.Replace(keyset, `"value":`, `"value":1,"valued":`, 1)} {
		r.flagged(placeClients, 2, nil, broken, append(rotate, "--from-stdin")...)
		r.hookswitch(placeClients, 2, append(elsewhere, "HOOKSWITCH_MASTER_KEYSET_FILE=", "HOOKSWITCH_MASTER_KEYSET="+broken), "serve")
		r.hookswitch(placeClients, 2, append(elsewhere, "HOOKSWITCH_MASTER_KEYSET=", "HOOKSWITCH_MASTER_KEYSET_FILE="+r.file("broken.keyset", broken)), "serve")
	}
	r.hookswitch(placeLists, 0, nil, "keys", "master", "--json")
}

// malformed sends what is no request, with a key in it, over TCP and, where the server has it, over TLS.
func (r *leakRun) malformed() {
	r.Helper()
	address := strings.TrimPrefix(strings.TrimPrefix(r.url, "https://"), "http://")
	key := r.of("key in a malformed request")
	for _, text := range []string{
		key + strings.Repeat(" ", 24) + "\r\n\r\n",
		key + " / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /v1/webhooks HTTP/" + key + "\r\n\r\n",
		"GET /%zz" + key + " HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /v1/webhooks HTTP/1.1\r\nHost: " + key + "/{}\r\n\r\n",
		"GET /v1/webhooks HTTP/1.1\r\nHost: a\r\nX-Api-Key " + key + "\r\n\r\n",
		"GET /v1/webhooks HTTP/1.1\r\nHost: a\r\n" + key + ": \x00\r\n\r\n",
		"GET /v1/webhooks HTTP/1.1\r\nHost: a\r\nContent-Length: " + key + "\r\n\r\n",
		"GET /v1/webhooks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + key + "\r\n\r\n",
		"GET /v1/webhooks HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: " + key + "\r\n\r\n",
		"GET /v1/webhooks HTTP/1.1\r\nHost: a\r\nX-Api-Key: " + key + "\r\nX-Api-Key: " + key + "\r\nConnection: close\r\n\r\n",
		"\x16\x03\x01\x00\x40\x01" + key + "\r\n\r\n",
	} {
		dialers := map[string]func() (net.Conn, error){"tcp": func() (net.Conn, error) { return net.DialTimeout("tcp", address, awaitMax) }}
		if strings.HasPrefix(r.url, "https:") {
			for _, protocol := range []string{"h2", "http/1.1"} {
				dialers[protocol] = func() (net.Conn, error) {
					return tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}, ServerName: "localhost"})
				}
			}
		}
		if conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{key}}); err == nil {
			r.Errorf("a protocol of nobody's is spoken: %v", conn.Close())
		}
		for name, dial := range dialers {
			conn, err := dial()
			if err != nil {
				r.Fatal(err)
			}
			if err := conn.SetDeadline(time.Now().Add(awaitMax)); err != nil {
				r.Error(err)
			}
			if _, err := io.WriteString(conn, text); err != nil {
				r.Errorf("%s: %v", name, err)
			}
			if half, ok := conn.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite() // the server may have closed it already
			}
			answer, _ := io.ReadAll(io.LimitReader(conn, 64<<10)) // however it ends, what came counts
			r.wrote(placeMalformed, string(answer))
			_ = conn.Close() // as above
		}
	}
}

// configurations shows the configuration that is in force, one of flags, and broken ones.
func (r *leakRun) configurations() {
	r.Helper()
	r.hookswitch(placeLog, 0, r.settings, "config")
	in := r.of("secret in a configuration of flags")
	flags := []string{
		"--admin-key", in, "--database", "postgres://u:" + in + "@127.0.0.1:1/h", "--smtp", "smtp://u:" + in + "@mail.example", "--smtp-from", "a@mail.example",
		"--egress-proxy", "socks5://u:" + in + "@proxy.example", "--oidc-client-secret", in, "--oidc-client-id", "c", "--oidc-issuer", "https://login.example", "--master-keyset", strings.Replace(r.keyset(), `"keyId"`, `"`+in+`":1,"keyId"`, 1),
	}
	r.flagged(placeLog, 0, nil, "", append([]string{"config"}, flags...)...)
	r.flagged(placeLog, 6, nil, "", append([]string{"serve", "--listen", "127.0.0.1:0"}, flags...)...)
	r.flagged(placeLog, 0, nil, "", append([]string{"__complete", "config"}, append(flags, "")...)...)
	r.flagged(placeLog, 0, []string{"HOOKSWITCH_SECRET=" + in}, "", "__complete", "webhooks", "list", "--key", in, "--token", in, "")
	r.hookswitch(placeLog, 0, nil, "completion", "bash")
	broken := r.of("secret in a broken configuration")
	for _, text := range []string{
		"admin-key: {%s}\nlisten: here\n",
		"admin-key: [%s\n",
		"admin-key: \"%s\nlisten: here\n",
		"adminkey: %s\n",
		"admin-key: |\n  a\n  %s\nlistn: here\n",
		"- %s\n",
		"admin-key: !!int %s\n",
		"database: postgre://u:%s@h/d\nsmtp: smtp://u:%[1]s@\negress-proxy: ftp://u:%[1]s@h\nmaster-keyset: %[1]s\nadmin-key: %[1]s é\noidc-client-secret: %[1]s é\noidc-issuer: http://u:%[1]s@h\n" +
			"otlp-endpoint: ftp://u:%[1]s@h\npublic-url: https://u:%[1]s@h\n",
		"database: postgres://u:%s@h:port/d\nsmtp: \"smtp://u:%[1]s%%zz@h\"\negress-proxy: \"http://u:%[1]s%%zz@h\"\notlp-endpoint: \"http://u:%[1]s%%zz@h\"\n",
	} {
		env := []string{"HOOKSWITCH_CONFIG=" + r.file("broken.yaml", fmt.Sprintf(text, broken))}
		r.hookswitch(placeClients, 2, env, "serve")
		r.hookswitch(placeClients, 2, env, "config")
	}
	r.hookswitch(placeClients, 2, []string{
		"HOOKSWITCH_DATABASE=postgre://u:" + broken + "@h/d", "HOOKSWITCH_SMTP=smtp://u:" + broken + "@mail.example?starttls=none", "HOOKSWITCH_EGRESS_PROXY=http://u:" + broken,
		"HOOKSWITCH_MASTER_KEYSET=" + broken, "HOOKSWITCH_ADMIN_KEY=" + broken + "\n",
	}, "serve")
}

// profiles looks at all that operators can see of the process.
func (r *leakRun) profiles() {
	r.Helper()
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/goroutine?debug=2", "/debug/pprof/goroutine?debug=1", "/debug/pprof/heap?debug=1", "/debug/pprof/allocs?debug=1", "/debug/pprof/symbol"} {
		r.request(placeProfiles, http.MethodGet, r.operations+path, "")
	}
	r.request(placeRefused, http.MethodGet, r.operations+"/debug/pprof/cmdline", "")
}

// unkept has PostgreSQL refuse a row, and tell the row in its error.
func (r *leakRun) unkept(database string) {
	r.Helper()
	pgtest.Do(r.T, database, `ALTER TABLE webhooks ADD CONSTRAINT refused CHECK (unsealed || settings NOT LIKE '%unkept%')`)
	r.request(placeRefused, http.MethodPost, "/v1/webhooks", `{"url":"https://unkept.example/?token=`+r.of("value in the query of a URL")+
		`","secret":"`+r.of("secret of a webhook that cannot be kept")+`","headers":{"X-Token":"`+r.of("secret of a webhook that cannot be kept")+`"}}`)
	pgtest.Do(r.T, database, `ALTER TABLE webhooks DROP CONSTRAINT refused`)
}

// withPassword returns the URL of a database with a password, which the server does not ask for.
func withPassword(database, password string) string {
	u, err := url.Parse(database)
	if err != nil {
		panic(err) // pgtest made it
	}
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String()
}
