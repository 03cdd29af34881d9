package egress

import (
	"bufio"
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/egress/egresstest"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// wantTiming checks which parts of an attempt's time are told, and that they fit into the whole.
func wantTiming(t testing.TB, a hook.Answer, want string) {
	t.Helper()
	var told []string
	whole := time.Duration(0)
	for _, part := range []struct {
		name string
		took time.Duration
	}{{"dns", a.Timing.DNS}, {"connect", a.Timing.Connect}, {"tls", a.Timing.TLS}} {
		if part.took != 0 {
			told = append(told, part.name)
		}
		whole += part.took
	}
	if first := a.Timing.FirstByte; first != 0 {
		told = append(told, "first")
		if first < whole {
			t.Errorf("the first byte came after %v, before the rest: %+v", first, a.Timing)
		}
		whole = first
	}
	if whole > a.Took+3*time.Microsecond { // each part may have been made a microsecond
		t.Errorf("%+v in %v", a.Timing, a.Took)
	}
	if got := strings.Join(told, " "); got != want {
		t.Errorf("told %q, want %q: %+v", got, want, a.Timing)
	}
}

// wantMost checks that a part took nearly all the time of a post that ran out of it.
func wantMost(t testing.TB, part time.Duration) {
	t.Helper()
	if part < short*3/5 || part > long {
		t.Errorf("%v of %v", part, short)
	}
}

// named returns a client for a server at example.com, and that URL.
func named(t *testing.T, http2 bool, change ...func(*Options)) (c *Client, url string) {
	t.Helper()
	server, _ := secureServer(t, http2, nil, func(http.ResponseWriter, *http.Request) {})
	names := &nameServer{answers: func(int64) []netip.Addr { return addresses("127.0.0.1") }}
	o := Options{AllowPrivate: loopback(), Resolver: names.resolver(t), RootCAs: x509.NewCertPool()}
	o.RootCAs.AddCert(server.Certificate())
	for _, f := range change {
		f(&o)
	}
	c = New(o)
	t.Cleanup(c.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return c, "https://example.com:" + port
}

// A post tells what it spent its time on, and nothing of what did not happen.
func TestTimingIsOfWhatHappened(t *testing.T) {
	t.Run("an address", func(t *testing.T) {
		r, c := listen(t, answer(ok)), newClient(t)
		wantTiming(t, send(t, c, r.url(), long), "connect first")
		wantTiming(t, send(t, c, r.url(), long), "first")
	})
	for _, test := range []struct {
		name  string
		http2 bool
	}{{"a name, HTTP/1.1", false}, {"a name, HTTP/2", true}} {
		t.Run(test.name, func(t *testing.T) {
			c, url := named(t, test.http2)
			wantTiming(t, send(t, c, url, long), "dns connect tls first")
			wantTiming(t, send(t, c, url, long), "first")
		})
	}
	t.Run("a TLS of the webhook's own", func(t *testing.T) {
		server, _ := secureServer(t, true, nil, func(http.ResponseWriter, *http.Request) {})
		c := newClient(t)
		p := post(t, server.URL, long)
		p.Credentials = &hook.Credentials{TLS: hook.TLS{Roots: pemOf("CERTIFICATE", server.Certificate().Raw)}}
		wantTiming(t, c.Send(t.Context(), p), "connect tls first")
		wantTiming(t, c.Send(t.Context(), p), "first")
	})
}

// Through a proxy, connecting is all until the tunnel stands: what the proxy's own name, TLS and login take is in it.
func TestTimingThroughProxies(t *testing.T) {
	eachScheme(t, func(t *testing.T, scheme string) {
		p, o := startProxy(t, scheme, egresstest.Behaviour{})
		c, url := named(t, true, func(options *Options) { options.Proxy = o })
		wantTiming(t, send(t, c, url, long), "dns connect tls first")
		wantTiming(t, send(t, c, url, long), "first")
		r := listen(t, answer(ok))
		wantTiming(t, send(t, c, r.url(), long), "connect first")
		p.Do(egresstest.Behaviour{Swallow: true})
		a := send(t, c, "http://127.0.0.2:1/", short)
		if a.Failure != hook.FailureTimeout {
			t.Errorf("got %+v", a)
		}
		wantTiming(t, a, "connect")
		wantMost(t, a.Timing.Connect)
	})
}

// A post that fails tells how far it got, and one whose time is up where it spent it.
func TestTimingShowsWhereAPostFailed(t *testing.T) {
	hang := func(_ *receiver, conn net.Conn) { _, _ = io.Copy(io.Discard, conn) } // until the client closes
	t.Run("the name server is silent", func(t *testing.T) {
		c := New(Options{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}})
		defer c.Close()
		a := send(t, c, "https://receiver.invalid./", short)
		wantTiming(t, a, "dns")
		wantMost(t, a.Timing.DNS)
	})
	t.Run("there is no such name", func(t *testing.T) {
		names := &nameServer{answers: func(int64) []netip.Addr { return nil }}
		c := New(Options{Resolver: names.resolver(t)})
		defer c.Close()
		a := send(t, c, "https://receiver.invalid./", long)
		if a.Failure != hook.FailureDNS {
			t.Errorf("got %+v", a)
		}
		wantTiming(t, a, "dns")
	})
	t.Run("the address is blocked", func(t *testing.T) {
		c := New(Options{})
		defer c.Close()
		wantTiming(t, send(t, c, "https://127.0.0.1:1/", long), "")
	})
	t.Run("the name's address is blocked", func(t *testing.T) {
		c, url := named(t, true, func(o *Options) { o.AllowPrivate = nil })
		wantTiming(t, send(t, c, url, long), "dns")
	})
	t.Run("connection refused", func(t *testing.T) {
		wantTiming(t, send(t, newClient(t), "http://127.0.0.1:1/", long), "connect")
	})
	t.Run("TLS is never done", func(t *testing.T) {
		a := send(t, newClient(t), strings.Replace(listen(t, hang).url(), "http:", "https:", 1), short)
		wantTiming(t, a, "connect tls")
		wantMost(t, a.Timing.TLS)
	})
	t.Run("the certificate is not trusted", func(t *testing.T) {
		server, _ := secureServer(t, true, nil, func(http.ResponseWriter, *http.Request) {})
		wantTiming(t, send(t, newClient(t), server.URL, long), "connect tls")
	})
	t.Run("no answer", func(t *testing.T) {
		wantTiming(t, send(t, newClient(t), listen(t, hang).url(), short), "connect")
	})
	t.Run("half an answer", func(t *testing.T) {
		r := listen(t, answerAndHang("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"))
		wantTiming(t, send(t, newClient(t), r.url(), short), "connect first")
	})
	t.Run("the caller's context has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := listen(t, func(r *receiver, conn net.Conn) {
			_, _ = r.next(bufio.NewReader(conn))
			cancel()
			_, _ = io.Copy(io.Discard, conn)
		})
		a := newClient(t).Send(ctx, post(t, r.url(), long))
		wantTiming(t, a, "connect")
	})
}

// A post that is repeated because its connection was dead has dialled itself.
func TestTimingOfARepeatedPost(t *testing.T) {
	var once sync.WaitGroup
	once.Add(1)
	bodies := make(chan string, 3)
	r := listen(t, func(r *receiver, conn net.Conn) {
		if r.connections.Load() == 1 {
			mayAnswer(&once, bodies)(r, conn)
			return
		}
		answer(ok)(r, conn)
	})
	c := newClient(t)
	wantTiming(t, send(t, c, r.url(), long), "connect first")
	wantTiming(t, send(t, c, r.url(), long), "connect first")
	if n := r.connections.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

// Of many posts that share connections, only those tell of a dial whose own dial they go on with.
func TestTimingOfSharedDials(t *testing.T) {
	server, connections := secureServer(t, true, nil, func(http.ResponseWriter, *http.Request) {})
	c := trusting(t, server)
	var all sync.WaitGroup
	dialled := make(chan struct{}, 100)
	for range cap(dialled) {
		all.Go(func() {
			a := c.Send(t.Context(), post(t, server.URL, long))
			if a.Timing.Connect == 0 {
				wantTiming(t, a, "first")
				return
			}
			wantTiming(t, a, "connect tls first")
			dialled <- struct{}{}
		})
	}
	all.Wait()
	if n := int64(len(dialled)); n == 0 || n > connections.Load() {
		t.Errorf("%d posts tell of a dial, of %d connections", n, connections.Load())
	}
}
