package egress

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// certificate returns a self-signed certificate for an address.
func certificate(t *testing.T, address string, from, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "receiver"}, NotBefore: from, NotAfter: until,
		IPAddresses: []net.IP{net.ParseIP(address)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// secureServer starts an HTTP server that speaks TLS, with HTTP/2 or without, and counts its connections.
func secureServer(t testing.TB, http2 bool, config *tls.Config, handler http.HandlerFunc) (server *httptest.Server, connections *atomic.Int64) {
	t.Helper()
	connections = new(atomic.Int64)
	server = httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = http2
	server.TLS = config
	server.Config.ErrorLog = discardLog()
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, connections
}

// trusting returns a client that trusts the server's own certificate.
func trusting(t testing.TB, server *httptest.Server) *Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	c := New(Options{AllowPrivate: loopback(), RootCAs: roots})
	t.Cleanup(c.Close)
	return c
}

func TestSecure(t *testing.T) {
	const posts = 20
	for _, test := range []struct {
		name  string
		http2 bool
		proto string
	}{{"HTTP/1.1", false, "HTTP/1.1"}, {"HTTP/2", true, "HTTP/2.0"}} {
		t.Run(test.name, func(t *testing.T) {
			server, connections := secureServer(t, test.http2, nil, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil || string(body) != payload || r.Proto != test.proto || r.UserAgent() != "" || r.Header["Idempotency-Key"] != nil ||
					r.Header["Accept-Encoding"] != nil {
					w.WriteHeader(http.StatusTeapot)
				}
				_, _ = io.WriteString(w, "ok") // the client may have gone
			})
			c := trusting(t, server)
			for range posts {
				if a := send(t, c, server.URL, long); a.Status != 200 || a.Failure != hook.FailureNone || string(a.Response) != "ok" {
					t.Fatalf("got %+v", a)
				}
			}
			if n := connections.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

func TestManyAtOnceOverHTTP2(t *testing.T) {
	server, _ := secureServer(t, true, nil, func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != payload {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	c := trusting(t, server)
	var all sync.WaitGroup
	for range 300 {
		all.Go(func() {
			if a := c.Send(t.Context(), post(t, server.URL, long)); a.Status != 200 || a.Failure != hook.FailureNone {
				t.Errorf("got %+v", a)
			}
		})
	}
	all.Wait()
}

func TestFloodOverHTTP2(t *testing.T) {
	written := make(chan int, 1)
	server, connections := secureServer(t, true, nil, func(w http.ResponseWriter, _ *http.Request) {
		n, piece := 0, make([]byte, 8<<10)
		for range 100_000_000 / len(piece) {
			m, err := w.Write(piece)
			n += m
			if err != nil {
				break
			}
		}
		written <- n
	})
	c := trusting(t, server)
	for range 3 {
		a := send(t, c, server.URL, long)
		if a.Status != 200 || a.Failure != hook.FailureNone || len(a.Response) != hook.ResponseBytesMax {
			t.Errorf("got %d %q %d", a.Status, a.Failure, len(a.Response))
		}
		if n := <-written; n > 1<<20 {
			t.Errorf("the receiver got rid of %d bytes", n)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections: a stream is reset, not the connection", n)
	}
}

func TestTimeoutOverHTTP2(t *testing.T) {
	server, _ := secureServer(t, true, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_ = http.NewResponseController(w).Flush() // the client may have gone
		}
		<-r.Context().Done() // the stream's reset
	})
	c := trusting(t, server)
	wantFailure(t, send(t, c, server.URL+"/headers", short), hook.FailureTimeout, "no response within 150ms")
	wantFailure(t, send(t, c, server.URL+"/body", short), hook.FailureTimeout, "the response body was not complete within 150ms")
}

func TestStreamThatTheReceiverEnds(t *testing.T) {
	server, _ := secureServer(t, true, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_ = http.NewResponseController(w).Flush() // the client may have gone
		}
		panic(http.ErrAbortHandler)
	})
	c := trusting(t, server)
	for _, path := range []string{"/headers", "/body"} {
		wantFailure(t, send(t, c, server.URL+path, long), hook.FailureBroken, "the connection broke before the response was complete")
	}
}

func TestHeadersOverHTTP2AreBounded(t *testing.T) {
	server, _ := secureServer(t, true, nil, func(w http.ResponseWriter, r *http.Request) {
		value := strings.Repeat("z", 8<<10)
		if r.URL.Path == "/one" {
			value = strings.Repeat(value, 16)
		}
		for i := range 16 {
			w.Header().Set("X-Flood-"+strconv.Itoa(i), value)
		}
	})
	c := trusting(t, server)
	for _, path := range []string{"/many", "/one"} {
		// The client ends the connection, and either its reason or its end is noticed first.
		a := send(t, c, server.URL+path, long)
		if a.Status != 0 || (a.Failure != hook.FailureRequest && a.Failure != hook.FailureBroken) {
			t.Errorf("%s: got %+v", path, a)
		}
	}
}

func TestCertificate(t *testing.T) {
	day := 24 * time.Hour
	past, future := time.Now().Add(-2*day).Truncate(time.Second), time.Now().Add(2*day).Truncate(time.Second)
	tests := []struct {
		name        string
		address     string
		from, until time.Time
		trusted     bool
		text        string
	}{
		{"good", "127.0.0.1", past, future, true, ""},
		{"self-signed", "127.0.0.1", past, future, false, "the certificate is signed by an unknown authority"},
		{
			"expired", "127.0.0.1", past, past.Add(day), true,
			"the certificate has expired at " + past.Add(day).UTC().Format(time.RFC3339),
		},
		{
			"from the future", "127.0.0.1", future, future.Add(day), true,
			"the certificate is not valid before " + future.UTC().Format(time.RFC3339),
		},
		{
			"another's", "127.0.0.9", past, future, true,
			"the certificate is for another name: certificate is valid for 127.0.0.9, not 127.0.0.1",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			own, roots := certificate(t, test.address, test.from, test.until)
			if !test.trusted {
				roots = x509.NewCertPool()
			}
			var requests atomic.Int64
			server, _ := secureServer(t, true, &tls.Config{Certificates: []tls.Certificate{own}}, func(http.ResponseWriter, *http.Request) {
				requests.Add(1)
			})
			c := New(Options{AllowPrivate: loopback(), RootCAs: roots})
			defer c.Close()
			a := send(t, c, server.URL+"/?token=hunter2", long)
			if test.text == "" {
				wantFailure(t, a, hook.FailureNone, "")
				return
			}
			wantFailure(t, a, hook.FailureTLS, test.text)
			if n := requests.Load(); n != 0 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestHandshake(t *testing.T) {
	secure := func(r *receiver) string { return "https://" + r.address + "/?token=hunter2" }
	t.Run("garbage", func(t *testing.T) {
		r := listen(t, func(_ *receiver, conn net.Conn) { _, _ = io.WriteString(conn, "220 mail.example ESMTP\r\n") })
		wantFailure(t, send(t, newClient(t), secure(r), long), hook.FailureTLS, "the receiver does not speak TLS")
	})
	t.Run("closed", func(t *testing.T) {
		r := listen(t, func(*receiver, net.Conn) {})
		wantFailure(t, send(t, newClient(t), secure(r), long), hook.FailureTLS, "the receiver closed the connection during the TLS handshake")
	})
	t.Run("silence", func(t *testing.T) {
		gone := make(chan struct{})
		r := listen(t, func(_ *receiver, conn net.Conn) {
			defer close(gone)
			_, _ = io.Copy(io.Discard, conn) // until the client closes
		})
		wantFailure(t, send(t, newClient(t), secure(r), short), hook.FailureTimeout, "the TLS handshake was not complete within 150ms")
		<-gone
	})
	t.Run("TLS 1.1", func(t *testing.T) {
		server, _ := secureServer(t, false, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, func(http.ResponseWriter, *http.Request) {})
		a := send(t, trusting(t, server), server.URL, long)
		wantFailure(t, a, hook.FailureTLS, "the TLS handshake failed: remote error: tls: protocol version not supported")
	})
	t.Run("a client certificate is asked for", func(t *testing.T) {
		// With TLS 1.2 the refusal belongs to the handshake; with 1.3 it may be lost behind a reset.
		server, _ := secureServer(t, false, &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, func(http.ResponseWriter, *http.Request) {})
		a := send(t, trusting(t, server), server.URL, long)
		if a.Failure != hook.FailureTLS {
			t.Errorf("got %+v", a)
		}
	})
	t.Run("refusal after the handshake", func(t *testing.T) {
		failure, text := classify(&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")})
		if failure != hook.FailureTLS || text != "the receiver ended TLS: tls: certificate required" {
			t.Errorf("got %s %q", failure, text)
		}
	})
}
