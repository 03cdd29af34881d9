package egress

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// clientTLS returns a client certificate of a name, with its key, as a webhook has them.
func clientTLS(t testing.TB, name string, from, until time.Time) hook.TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return hook.TLS{Certificate: pemOf("CERTIFICATE", der), Key: hook.NewSecret(pemOf("PRIVATE KEY", private))}
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// identified sends a post with a webhook's own TLS.
func identified(t testing.TB, c *Client, url string, own hook.TLS) hook.Answer {
	t.Helper()
	p := post(t, url, long)
	p.Credentials = &hook.Credentials{TLS: own}
	return c.Send(t.Context(), p)
}

func valid() (from, until time.Time) { return time.Now().Add(-time.Hour), time.Now().Add(time.Hour) }

// Each webhook shows its own certificate, on connections of its own, and one without shows none, whatever the order; TLS sessions are not
// shared either. HTTP/1.1 and HTTP/2, directly and through a proxy.
func TestEachWebhookShowsItsOwnCertificate(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(fmt.Sprint("HTTP/2 ", http2, " ", tls.VersionName(version)), func(t *testing.T) {
				config := &tls.Config{ClientAuth: tls.RequestClientCert, MaxVersion: version}
				server, connections := secureServer(t, http2, config, func(w http.ResponseWriter, r *http.Request) {
					name := "nobody"
					if len(r.TLS.PeerCertificates) > 0 {
						name = r.TLS.PeerCertificates[0].Subject.CommonName
					}
					_, _ = fmt.Fprint(w, name, " ", r.TLS.DidResume) // the client may have gone
				})
				roots := pemOf("CERTIFICATE", server.Certificate().Raw)
				from, until := valid()
				c := New(Options{AllowPrivate: loopback()})
				defer c.Close()
				nobody := hook.TLS{Roots: roots}
				one, two := clientTLS(t, "one", from, until), clientTLS(t, "two", from, until)
				one.Roots, two.Roots = roots, roots
				again := one // another webhook with the same texts
				again.Certificate = strings.Clone(one.Certificate)
				for range 3 {
					for _, test := range []struct {
						own  hook.TLS
						want string
					}{{one, "one false"}, {two, "two false"}, {nobody, "nobody false"}, {again, "one false"}} {
						if a := identified(t, c, server.URL, test.own); a.Failure != hook.FailureNone || string(a.Response) != test.want {
							t.Errorf("got %v %q %q, want %q", a.Failure, a.Error, a.Response, test.want)
						}
					}
				}
				if n := connections.Load(); n != 3 {
					t.Errorf("%d connections of three identities", n)
				}
				c.Close() // and the sessions go on, each for its own
				for _, test := range []struct {
					own  hook.TLS
					want string
				}{{nobody, "nobody true"}, {two, "two true"}, {one, "one true"}} {
					if a := identified(t, c, server.URL, test.own); string(a.Response) != test.want {
						t.Errorf("resumed: got %+v, want %q", a, test.want)
					}
				}
			})
		}
	}
}

// A webhook's roots are trusted by it alone, and in place of the others.
func TestPrivateRoots(t *testing.T) {
	server, _ := secureServer(t, true, nil, func(http.ResponseWriter, *http.Request) {})
	_, pool := certificate(t, "127.0.0.1", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	other, _ := certificate(t, "127.0.0.1", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	c := New(Options{AllowPrivate: loopback(), RootCAs: pool})
	defer c.Close()
	const unknown = "the certificate is signed by an unknown authority"
	wantFailure(t, identified(t, c, server.URL, hook.TLS{Roots: pemOf("CERTIFICATE", server.Certificate().Raw)}), hook.FailureNone, "")
	wantFailure(t, send(t, c, server.URL, long), hook.FailureTLS, unknown)
	wantFailure(t, identified(t, c, server.URL, hook.TLS{Roots: pemOf("CERTIFICATE", other.Certificate[0])}), hook.FailureTLS, unknown)
	trusts := trusting(t, server)
	wantFailure(t, send(t, trusts, server.URL, long), hook.FailureNone, "")
	wantFailure(t, identified(t, trusts, server.URL, hook.TLS{Roots: pemOf("CERTIFICATE", other.Certificate[0])}), hook.FailureTLS, unknown)
}

// What cannot be used is told in plain words and without the key, and nothing is sent.
func TestUnusableTLS(t *testing.T) {
	from, until := valid()
	good, other := clientTLS(t, "one", from, until), clientTLS(t, "two", from, until)
	expired := clientTLS(t, "old", from.Add(-time.Hour), from)
	early := clientTLS(t, "young", until, until.Add(time.Hour))
	server, connections := secureServer(t, true, nil, func(http.ResponseWriter, *http.Request) {})
	c := trusting(t, server)
	const unusable = "the webhook's client certificate and key cannot be used: "
	for _, test := range []struct {
		name string
		own  hook.TLS
		text string
	}{
		{"no key", hook.TLS{Certificate: good.Certificate}, unusable},
		{"no certificate", hook.TLS{Key: good.Key}, unusable},
		{"another's key", hook.TLS{Certificate: good.Certificate, Key: other.Key}, unusable + "private key does not match public key"},
		{"garbage", hook.TLS{Certificate: "garbage", Key: hook.NewSecret("hunter2")}, unusable},
		{"garbage as roots", hook.TLS{Roots: "garbage"}, "the webhook's roots hold no certificate: give them as PEM"},
		{"expired", expired, "the webhook's client certificate has expired at " + from.UTC().Format(time.RFC3339) + ": give it a new one"},
		{"from the future", early, "the webhook's client certificate is not valid before " + until.UTC().Format(time.RFC3339)},
	} {
		for range 2 {
			a := identified(t, c, server.URL, test.own)
			if a.Failure != hook.FailureTLS || !strings.HasPrefix(a.Error, test.text) || strings.Contains(a.Error, "hunter2") || strings.Contains(a.Error, "PRIVATE") && strings.Contains(a.Error, "BEGIN") {
				t.Errorf("%s: got %v %q, want %q", test.name, a.Failure, a.Error, test.text)
			}
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// A receiver that wants a certificate and gets none says so.
func TestReceiverWantsCertificate(t *testing.T) {
	server, _ := secureServer(t, true, &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, func(http.ResponseWriter, *http.Request) {})
	c := trusting(t, server)
	if a := send(t, c, server.URL, long); a.Failure != hook.FailureTLS {
		t.Errorf("got %+v", a)
	}
	from, until := valid()
	own := clientTLS(t, "one", from, until)
	wantFailure(t, identified(t, c, server.URL, own), hook.FailureNone, "")
}

// Only suites with forward secrecy and authenticated encryption are spoken.
func TestOldCipherSuites(t *testing.T) {
	server, _ := secureServer(t, false, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}}, func(http.ResponseWriter, *http.Request) {})
	wantFailure(t, send(t, trusting(t, server), server.URL, long), hook.FailureTLS, "the TLS handshake failed: remote error: tls: handshake failure")
}

// Identities are bounded, and those that nobody uses are dropped with their connections.
func TestIdentitiesAreBounded(t *testing.T) {
	c := newClient(t)
	now := time.Now()
	from, until := valid()
	root := clientTLS(t, "root", from, until).Certificate
	var all []*http.Transport
	for n := range identitiesMax + 10 {
		transport, err := c.identities.transport(&hook.TLS{Roots: root + fmt.Sprint("# ", n)}, now.Add(time.Duration(n)))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, transport)
		if n := len(c.identities.known); n > identitiesMax {
			t.Fatalf("%d identities", n)
		}
	}
	last, err := c.identities.transport(&hook.TLS{Roots: root + fmt.Sprint("# ", identitiesMax+9)}, now)
	if err != nil || last != all[identitiesMax+9] {
		t.Error("the one used last was dropped")
	}
	first, err := c.identities.transport(&hook.TLS{Roots: root + "# 0"}, now)
	if err != nil || first == all[0] {
		t.Error("the one used first was kept")
	}
	later := now.Add(2 * identityIdle)
	if _, err := c.identities.transport(&hook.TLS{Roots: root}, later); err != nil || len(c.identities.known) != 1 {
		t.Errorf("%d are kept that nobody uses, %v", len(c.identities.known), err)
	}
}

// Many posts of several identities at once get along.
func TestIdentitiesAtOnce(t *testing.T) {
	server, _ := secureServer(t, true, &tls.Config{ClientAuth: tls.RequestClientCert}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.TLS.PeerCertificates[0].Subject.CommonName) // the client may have gone
	})
	c := trusting(t, server)
	from, until := valid()
	var all sync.WaitGroup
	for n := range 8 {
		name := fmt.Sprint("webhook ", n)
		own := clientTLS(t, name, from, until)
		for range 20 {
			all.Go(func() {
				if a := identified(t, c, server.URL, own); string(a.Response) != name {
					t.Errorf("got %+v, want %s", a, name)
				}
			})
		}
	}
	all.Wait()
}
