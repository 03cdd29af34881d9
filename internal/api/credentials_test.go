package api_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// newCertificate makes a certificate of a client's, which issued itself, and its key, in PEM.
func newCertificate(tb testing.TB, name string, until time.Time) (certificate, key string) {
	tb.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: until.Add(-time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		tb.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}

func marshal(tb testing.TB, v any) string {
	tb.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// credentials returns a webhook's credentials as they are stored.
func (h *harness) credentials(id string) hook.Credentials {
	h.tb.Helper()
	parsed, err := hook.ParseUUID(id)
	if err != nil {
		h.tb.Fatal(err)
	}
	for _, center := range h.store.ContactCenters() {
		if w, err := h.store.Webhook(h.tb.Context(), center.Number, hook.WebhookID{UUID: parsed}); err == nil {
			return w.Settings.Credentials
		}
	}
	h.tb.Fatalf("no webhook %s", id)
	return hook.Credentials{}
}

const basicHook = `{"url":"https://a.example/x","headers":{"X-Token":"hunter2"},"authorization":{"type":"basic","username":"user","password":"hunter2"}}`

const oauth2Hook = `{"url":"https://a.example/x","authorization":{"type":"oauth2","tokenUrl":"https://t.example/token","clientId":"us","clientSecret":"hunter2",
	"scopes":["a","b"],"audience":"them","inBody":true}}`

// What is secret is shown by no answer: not of the creation, of a PATCH, of a list, nor in the audit log, and it is what is sent.
func TestCredentialsAreNotShown(t *testing.T) {
	h := start(t)
	certificate, key := newCertificate(t, "client.example", time.Now().Add(time.Hour))
	for name, test := range map[string]struct{ body, want string }{
		"basic":  {basicHook, `{"type":"basic","username":"user"}`},
		"oauth2": {oauth2Hook, `{"type":"oauth2","tokenUrl":"https://t.example/token","clientId":"us","scopes":["a","b"],"audience":"them","inBody":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			made := h.call("POST", "/v1/webhooks", strings.TrimSuffix(test.body, "}")+`,"tls":`+marshal(t, map[string]string{"roots": certificate})+`}`)
			id := text(made.object(t), "id")
			got := h.call("GET", "/v1/webhooks/"+id, "")
			var shown struct{ Authorization json.RawMessage }
			if err := json.Unmarshal(got.body, &shown); err != nil || string(shown.Authorization) != test.want {
				t.Errorf("shown %s, %v, want %s", shown.Authorization, err, test.want)
			}
			patched := h.call("PATCH", "/v1/webhooks/"+id, `{"description":"again","tls":`+marshal(t, map[string]string{"certificate": certificate, "key": key})+`}`)
			if subject := text(patched.object(t), "tls", "certificate", 0, "subject"); subject != "CN=client.example" || patched.status != 200 {
				t.Errorf("the certificate is of %q: %s", subject, patched.body)
			}
			for _, r := range []reply{made, got, patched, h.call("GET", "/v1/webhooks", ""), h.call("GET", "/v1/audit", "")} {
				if bytes.Contains(r.body, []byte("hunter2")) || bytes.Contains(r.body, []byte("PRIVATE")) || r.status >= 300 {
					t.Errorf("%d %s", r.status, r.body)
				}
			}
			c := h.credentials(id)
			var secret string
			if b := c.Authorization.Basic; b != nil {
				secret = b.Password.Reveal()
			} else {
				secret = c.Authorization.OAuth2.ClientSecret.Reveal()
			}
			if secret != "hunter2" || c.TLS.Key.Reveal() != key || c.TLS.Roots != certificate {
				t.Errorf("stored %q and %+v", secret, c)
			}
		})
	}
}

// A change keeps each secret that it leaves out, but only for whom it was given: nobody who may change webhooks can have one sent to
// somebody else.
func TestStoredSecretsGoToNobodyElse(t *testing.T) {
	h := start(t)
	ours, _ := newCertificate(t, "ours.example", time.Now().Add(time.Hour))
	theirs, _ := newCertificate(t, "theirs.example", time.Now().Add(time.Hour))
	roots := func(text string) string { return marshal(t, text) }
	withRoots := strings.TrimSuffix(basicHook, "}") + `,"tls":{"roots":` + roots(ours+theirs) + `}}`
	both := []string{"body.authorization.password", "body.headers.X-Token"}
	for name, test := range map[string]struct {
		made, patch string
		want        []string
	}{
		"roots":                           {basicHook, `{"tls":{"roots":` + roots(theirs) + `}}`, both},
		"other roots":                     {strings.Replace(withRoots, roots(ours+theirs), roots(ours), 1), `{"tls":{"roots":` + roots(theirs+ours) + `}}`, both},
		"no roots any more":               {withRoots, `{"tls":null}`, both},
		"roots, all given":                {basicHook, `{"tls":{"roots":` + roots(theirs) + `},"headers":{"X-Token":"new"},"authorization":{"password":"new"}}`, nil},
		"one root less":                   {withRoots, `{"tls":{"roots":` + roots(theirs) + `}}`, nil},
		"oauth2: roots":                   {oauth2Hook, `{"tls":{"roots":` + roots(theirs) + `}}`, []string{"body.authorization.clientSecret"}},
		"another path":                    {basicHook, `{"url":"https://A.example:443/other?x=1"}`, nil},
		"another host":                    {basicHook, `{"url":"https://b.example/x"}`, []string{"body.authorization.password", "body.headers.X-Token"}},
		"another port":                    {basicHook, `{"url":"https://a.example:444/x"}`, []string{"body.authorization.password", "body.headers.X-Token"}},
		"another scheme":                  {basicHook, `{"url":"http://a.example/x"}`, []string{"body.authorization.password", "body.headers.X-Token"}},
		"another host, all given":         {basicHook, `{"url":"https://b.example/x","headers":{"x-token":"new"},"authorization":{"password":"new"}}`, nil},
		"another host, all removed":       {basicHook, `{"url":"https://b.example/x","headers":null,"authorization":null}`, nil},
		"another host, stars":             {basicHook, `{"url":"https://b.example/x","headers":{"X-Token":"***"},"authorization":null}`, []string{"body.headers.X-Token"}},
		"another user":                    {basicHook, `{"authorization":{"username":"other"}}`, []string{"body.authorization.password"}},
		"another user, given":             {basicHook, `{"authorization":{"username":"other","password":"new"}}`, nil},
		"stars":                           {basicHook, `{"headers":{"x-TOKEN":"***"}}`, nil},
		"stars of nothing":                {basicHook, `{"headers":{"X-Other":"***"}}`, []string{"body.headers.X-Other"}},
		"oauth2: another host":            {oauth2Hook, `{"url":"https://b.example/x"}`, []string{"body.authorization.clientSecret"}},
		"oauth2: another token URL":       {oauth2Hook, `{"authorization":{"tokenUrl":"https://t.example/other"}}`, []string{"body.authorization.clientSecret"}},
		"oauth2: another client":          {oauth2Hook, `{"authorization":{"clientId":"other"}}`, []string{"body.authorization.clientSecret"}},
		"oauth2: another, given":          {oauth2Hook, `{"authorization":{"tokenUrl":"https://u.example","clientSecret":"new"}}`, nil},
		"oauth2: another scope":           {oauth2Hook, `{"authorization":{"scopes":null,"audience":null,"inBody":null}}`, nil},
		"from oauth2 to basic":            {oauth2Hook, `{"authorization":{"type":"basic","username":"user","password":"new"}}`, nil},
		"from oauth2 to basic, not given": {oauth2Hook, `{"authorization":{"type":"basic"}}`, []string{"body.authorization.password"}},
		"of the other kind":               {oauth2Hook, `{"authorization":{"password":"new"}}`, []string{"body.authorization.type"}},
		"both":                            {basicHook, `{"headers":{"authorization":"Bearer x"}}`, []string{"body.headers.authorization"}},
	} {
		t.Run(name, func(t *testing.T) {
			id := text(h.must(201, "POST", "/v1/webhooks", test.made), "id")
			before := h.credentials(id)
			r := h.call("PATCH", "/v1/webhooks/"+id, test.patch)
			var got []string
			if r.status != http.StatusOK {
				got = slices.Sorted(maps.Keys(r.wrong(t)))
				if after := h.credentials(id); after.Authorization.Basic != before.Authorization.Basic || after.Authorization.OAuth2 != before.Authorization.OAuth2 {
					t.Error("the webhook was changed")
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("refused (-want +got):\n%s%s", diff, r.body)
			}
			if bytes.Contains(r.body, []byte("hunter2")) {
				t.Errorf("a secret shows: %s", r.body)
			}
		})
	}
	id := text(h.must(201, "POST", "/v1/webhooks", basicHook), "id")
	h.must(200, "PATCH", "/v1/webhooks/"+id, `{"headers":{"x-TOKEN":"***"},"description":"kept"}`)
	if c := h.credentials(id); c.Authorization.Basic.Password.Reveal() != "hunter2" || c.Headers["x-TOKEN"] != "hunter2" || len(c.Headers) != 1 {
		t.Errorf("what was left out did not stay: %v", c.Headers)
	}
}

// A certificate that has expired is refused where it is given.
func TestExpiredCertificate(t *testing.T) {
	h := start(t)
	certificate, key := newCertificate(t, "client.example", time.Now().Add(-time.Minute))
	r := h.call("POST", "/v1/webhooks", `{"url":"https://a.example","tls":`+marshal(t, map[string]string{"certificate": certificate, "key": key})+`}`)
	if got := r.wrong(t); !strings.Contains(got["body.tls.certificate"], "has expired at") || len(got) != 1 {
		t.Errorf("%d %s", r.status, r.body)
	}
}
