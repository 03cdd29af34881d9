package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/egress/egresstest"
)

// authority is a private certificate authority.
type authority struct {
	t           *testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.certificate, a.key = a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) issue(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c, key
}

// client returns a client certificate of a name and its key as PEM.
func (a *authority) client(name string, until time.Time) map[string]any {
	a.t.Helper()
	c, key := a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: name}, NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return map[string]any{
		"certificate": pemOf("CERTIFICATE", c.Raw), "key": pemOf("PRIVATE KEY", private), "roots": pemOf("CERTIFICATE", a.certificate.Raw),
	}
}

// server returns how a receiver on loopback is to listen, which wants a certificate of this authority of every client.
func (a *authority) server() *tls.Config {
	a.t.Helper()
	c, key := a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "receiver"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{c.Raw}, PrivateKey: key}}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// strictReceiver demands of each path the credentials that a test says, and notes what came.
type strictReceiver struct {
	mu sync.Mutex // guards everything below
	// wants is who may post to each path, as [shown] says, and gives the tokens that it takes.
	wants map[string][]string
	// secrets are the client's secrets that give a token, which is named after its secret.
	secrets []string
	// facts are how often each event came, by path; who counts what each path was shown.
	facts map[string]map[string]int
	who   map[string]map[string]int
	wrong []string
}

func (r *strictReceiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	name := ""
	if q.TLS != nil {
		name = q.TLS.PeerCertificates[0].Subject.CommonName
	}
	_, secret, _ := q.BasicAuth()
	if q.URL.Path == "/token" {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.who["/token"][name]++
		for _, good := range r.secrets {
			if good == secret {
				fmt.Fprintf(w, `{"access_token":"of-%s","expires_in":3600}`, secret)
				return
			}
		}
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var p struct {
		Data struct {
			Entities []struct {
				Event  interaction.Event
				Entity struct{ ID string }
			}
		}
	}
	err := json.NewDecoder(q.Body).Decode(&p)
	shown := strings.TrimSpace(name + " " + q.Header.Get("Authorization"))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.who[q.URL.Path][shown]++
	good := false
	for _, want := range r.wants[q.URL.Path] {
		good = good || want == shown
	}
	if !good || err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	for _, e := range p.Data.Entities {
		facts := r.facts[q.URL.Path]
		if e.Event == interaction.EventFinished && facts[e.Entity.ID+" "+string(interaction.EventStarted)] == 0 {
			r.wrong = append(r.wrong, q.URL.Path+": FINISHED of "+e.Entity.ID+" came first")
		}
		facts[e.Entity.ID+" "+string(e.Event)]++
	}
}

func (r *strictReceiver) want(path string, who ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wants[path] = who
	if r.facts[path] == nil {
		r.facts[path], r.who[path] = map[string]int{}, map[string]int{}
	}
}

// events returns how many different events a path has acknowledged.
func (r *strictReceiver) events(path string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.facts[path])
}

// shown returns how often a path was shown something.
func (r *strictReceiver) shown(path, who string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.who[path][who]
}

// identityRun is a server with webhooks of all kinds at one host.
type identityRun struct {
	*testing.T
	receiver *strictReceiver
	server   *process
	url      string
	webhooks map[string]string
	sent     int
}

func (r *identityRun) call(method, path string, body any, want int) string {
	r.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		r.Fatal(err)
	}
	q, err := http.NewRequestWithContext(r.Context(), method, r.url+path, strings.NewReader(string(text)))
	if err != nil {
		r.Fatal(err)
	}
	q.Header.Set("X-Api-Key", adminKey)
	q.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		r.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != want {
		r.Fatalf("%s %s: %s %s %v", method, path, answer.Status, said, err)
	}
	return string(said)
}

// create makes a webhook of a path with a secret, and more settings, that fails for nobody's sake.
func (r *identityRun) create(base, path string, more map[string]any) {
	r.Helper()
	settings := map[string]any{
		"url": base + path, "concurrency": 32, "requestTimeout": "10s", "circuitBreaker": map[string]any{"failures": 1000, "share": 1},
		"retry": map[string]any{"timeout": "100ms", "attempts": 100, "backoff": 1, "maxTimeout": "100ms"},
	}
	for name, value := range more {
		settings[name] = value
	}
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(r.call("POST", "/v1/webhooks", settings, 201)), &made); err != nil {
		r.Fatal(err)
	}
	r.webhooks[path] = made.ID
}

func (r *identityRun) patch(path string, change map[string]any) {
	r.Helper()
	r.call("PATCH", "/v1/webhooks/"+r.webhooks[path], change, 200)
}

// emit makes interactions and stops them: two events each.
func (r *identityRun) emit(interactions int) {
	r.Helper()
	var changes []map[string]any
	for range interactions {
		r.sent++
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", r.sent)
		changes = append(changes, map[string]any{"op": "create", "id": id, "queue": "q", "mediaType": "chat", "subtype": "InboundNew"}, map[string]any{"op": "stop", "id": id, "by": "workflow"})
	}
	if said := r.call("POST", "/v1/interactions/batch", map[string]any{"changes": changes}, 200); strings.Contains(said, `"problem"`) {
		r.Fatal(said[:500])
	}
}

// tell logs how far each path has come.
func (r *identityRun) tell() {
	r.receiver.mu.Lock()
	defer r.receiver.mu.Unlock()
	for path, facts := range r.receiver.facts {
		r.Logf("%s: %d of %d, %v", path, len(facts), 2*r.sent, r.receiver.who[path])
	}
}

func (r *identityRun) until(what string, holds func() bool) {
	r.Helper()
	tick, limit := time.NewTicker(5*time.Millisecond), time.NewTimer(awaitMax)
	defer tick.Stop()
	defer limit.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit.C:
			r.tell()
			log := r.server.stderr.String()
			r.Fatalf("never: %s\n%s", what, log[max(0, len(log)-3000):])
		}
	}
}

// startIdentities starts a server whose webhooks go through a proxy of a scheme, or directly where that is empty.
func startIdentities(t *testing.T, scheme string) (*identityRun, *egresstest.Proxy) {
	t.Helper()
	env := []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey}
	var proxy *egresstest.Proxy
	if scheme != "" {
		proxy = egresstest.Start(t, scheme, nil, egresstest.Behaviour{User: "us@home", Password: "p@ss:/?#%"})
		env = append(env, "HOOKSWITCH_EGRESS_PROXY="+scheme+"://us%40home:p%40ss%3A%2F%3F%23%25@"+proxy.Address)
	}
	r := &identityRun{T: t, webhooks: map[string]string{}, receiver: &strictReceiver{
		wants: map[string][]string{}, facts: map[string]map[string]int{}, who: map[string]map[string]int{"/token": {}}, secrets: []string{"one", "two"},
	}}
	r.server = launch(t, env, "", "serve", "--listen", "127.0.0.1:0", "--allow-private-targets", "127.0.0.0/8", "--database", filepath.Join(t.TempDir(), "h.db"))
	r.url = r.server.await(&r.server.stderr, `msg=listening url=(\S+)`)[1]
	return r, proxy
}

// Webhooks of one host show their receiver each its own certificate, password or token, while thousands of deliveries flow, a certificate and a
// client's secret are renewed, and the proxy dies and returns. Nothing is lost, nothing comes before what it follows, nobody is shown what is
// another webhook's, and a webhook that has nothing of its own is not held up.
func TestServeManyIdentities(t *testing.T) {
	for _, scheme := range []string{"", "http", "socks5"} {
		t.Run("through "+scheme, func(t *testing.T) {
			ca, hour := newAuthority(t), time.Now().Add(time.Hour)
			r, proxy := startIdentities(t, scheme)
			receiver := httptest.NewUnstartedServer(r.receiver)
			receiver.TLS, receiver.EnableHTTP2, receiver.Config.ErrorLog = ca.server(), scheme != "", log.New(io.Discard, "", 0)
			receiver.StartTLS()
			t.Cleanup(receiver.Close)
			open := httptest.NewServer(r.receiver)
			t.Cleanup(open.Close)

			basic, oauth := "basic Basic dXNlcjpwYXNz", "oauth Bearer of-"
			for path, who := range map[string]string{"/north": "north", "/south": "south", "/basic": basic, "/oauth": oauth + "one", "/open": ""} {
				r.receiver.want(path, who)
			}
			r.create(receiver.URL, "/north", map[string]any{"tls": ca.client("north", hour)})
			r.create(receiver.URL, "/south", map[string]any{"tls": ca.client("south", hour)})
			r.create(receiver.URL, "/basic", map[string]any{"tls": ca.client("basic", hour), "authorization": map[string]any{"type": "basic", "username": "user", "password": "pass"}})
			r.create(receiver.URL, "/oauth", map[string]any{"tls": ca.client("oauth", hour), "authorization": map[string]any{
				"type": "oauth2", "tokenUrl": receiver.URL + "/token", "clientId": "us", "clientSecret": "one",
			}})
			r.create(open.URL, "/open", nil)

			r.emit(80)
			r.until("some are delivered", func() bool { return r.receiver.events("/north") > 20 && r.receiver.events("/oauth") > 20 })
			r.receiver.want("/north", "north", "north-2")
			r.receiver.want("/oauth", oauth+"one", oauth+"two")
			r.patch("/north", map[string]any{"tls": ca.client("north-2", hour)})
			r.patch("/oauth", map[string]any{"authorization": map[string]any{"clientSecret": "two"}})
			r.emit(40)
			r.until("the renewed ones are shown", func() bool {
				return r.receiver.shown("/north", "north-2") > 0 && r.receiver.shown("/oauth", oauth+"two") > 0
			})
			if proxy != nil { // after that, so that no request for a token is broken: such a failure is kept for ten seconds
				proxy.Down()
				r.emit(20)
				r.server.await(&r.server.stderr, "the egress proxy fails")
				proxy.Up()
			}
			r.receiver.want("/north", "north-2") // what still comes with the old ones is tried again
			r.receiver.want("/oauth", oauth+"two")
			r.emit(40)
			for path := range r.webhooks {
				r.until("all events at "+path, func() bool { return r.receiver.events(path) == 2*r.sent })
			}
			r.until("all recorded", func() bool {
				return strings.Contains(r.call("GET", "/v1/deliveries?state=pending", nil, 200), `"items":[]`)
			})
			r.check(map[string][]string{
				"/north": {"north", "north-2"}, "/south": {"south"}, "/basic": {basic}, "/oauth": {oauth + "one", oauth + "two"}, "/open": {""}, "/token": {"oauth"},
			})
			if scheme == "" { // a proxy changes nothing about it
				r.refuses(ca)
			}
		})
	}
}

// check looks at what came where, in the end.
func (r *identityRun) check(may map[string][]string) {
	r.Helper()
	r.receiver.mu.Lock()
	defer r.receiver.mu.Unlock()
	for _, wrong := range r.receiver.wrong {
		r.Error(wrong)
	}
	for path, who := range r.receiver.who {
		for shown, times := range who {
			if !slices.Contains(may[path], shown) {
				r.Errorf("%s was shown %q %d times", path, shown, times)
			}
		}
	}
	if asked := r.receiver.who["/token"]["oauth"]; asked > 4 { // one for each secret, and more where the proxy broke a connection
		r.Errorf("%d tokens were asked for", asked)
	}
}

// refuses gives a webhook certificates that are no good, and tells why each is refused, here or by the receiver.
func (r *identityRun) refuses(ca *authority) {
	r.Helper()
	south := "/v1/webhooks/" + r.webhooks["/south"]
	says := func(body map[string]any, status int, want string) {
		r.Helper()
		if said := r.call("PATCH", south, map[string]any{"tls": body}, status); !strings.Contains(said, want) {
			r.Errorf("the change is answered %s, not with %q", said, want)
		}
	}
	tested := func(want string) {
		r.Helper()
		r.until("a test says "+want, func() bool { return strings.Contains(r.call("POST", south+"/test", map[string]any{}, 200), want) })
	}
	tested(`"acknowledged":true`)
	other := newAuthority(r.T)
	another := ca.client("another", time.Now().Add(time.Hour))
	says(map[string]any{"certificate": another["certificate"]}, 422, "does not belong to the certificate")
	says(map[string]any{"certificate": another["certificate"], "key": nil}, 422, "is missing")
	says(ca.client("late", time.Now().Add(-time.Minute)), 422, "has expired")
	stranger := other.client("stranger", time.Now().Add(time.Hour))
	delete(stranger, "roots")
	says(stranger, 200, "stranger")
	tested("the receiver ended TLS")
	says(map[string]any{"certificate": nil, "key": nil}, 200, "south")
	tested("certificate required")
	says(map[string]any{"roots": other.client("x", time.Now().Add(time.Hour))["roots"]}, 200, "south")
	tested("unknown authority")
	says(ca.client("brief", time.Now().Add(2*time.Second)), 200, "brief")
	tested("the webhook's client certificate has expired")
}
