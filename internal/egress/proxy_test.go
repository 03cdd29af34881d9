package egress

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/egress/egresstest"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// proxySecret must be in no answer.
const proxySecret = "proxy-hunter2"

// startProxy starts a proxy and returns it with how a client uses it.
func startProxy(t *testing.T, scheme string, does egresstest.Behaviour) (*egresstest.Proxy, *Proxy) {
	t.Helper()
	var config *tls.Config
	var roots *x509.CertPool
	if scheme == ProxyHTTPS {
		own, pool := certificate(t, "127.0.0.1", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		config, roots = &tls.Config{Certificates: []tls.Certificate{own}}, pool
	}
	p := egresstest.Start(t, scheme, config, does)
	return p, &Proxy{Scheme: scheme, Host: "127.0.0.1", Port: p.Port(), RootCAs: roots}
}

// proxying returns a client that reaches the tests' receivers through a proxy.
func proxying(t *testing.T, o *Proxy, change ...func(*Options)) *Client {
	t.Helper()
	options := Options{AllowPrivate: loopback(), Proxy: o}
	for _, c := range change {
		c(&options)
	}
	c := New(options)
	t.Cleanup(c.Close)
	return c
}

func eachScheme(t *testing.T, test func(t *testing.T, scheme string)) {
	for _, scheme := range []string{ProxyHTTP, ProxyHTTPS, ProxySOCKS5} {
		t.Run(scheme, func(t *testing.T) { test(t, scheme) })
	}
}

// The proxy is asked for the address that was checked, and the receiver sees its own name; http goes through a tunnel too.
func TestProxyGetsAddressesOnly(t *testing.T) {
	eachScheme(t, func(t *testing.T, scheme string) {
		for _, login := range []string{"", "user"} {
			does := egresstest.Behaviour{User: login}
			if login != "" {
				does.Password = proxySecret
			}
			p, o := startProxy(t, scheme, does)
			o.User, o.Password = does.User, hook.NewSecret(does.Password)
			host := make(chan string, 1)
			server, _ := secureServer(t, true, nil, func(_ http.ResponseWriter, r *http.Request) { host <- r.TLS.ServerName + " " + r.Host + " " + r.Proto })
			names := &nameServer{answers: func(int64) []netip.Addr { return addresses("127.0.0.1") }}
			c := proxying(t, o, func(o *Options) {
				o.Resolver = names.resolver(t)
				o.RootCAs = x509.NewCertPool()
				o.RootCAs.AddCert(server.Certificate()) // for example.com too
			})
			address := server.Listener.Addr().String()
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				t.Fatal(err)
			}
			wantFailure(t, send(t, c, "https://example.com:"+port+"/?token=hunter2", long), hook.FailureNone, "")
			if got, want := <-host, "example.com example.com:"+port+" HTTP/2.0"; got != want {
				t.Errorf("the receiver saw %q, want %q", got, want)
			}
			plain := listen(t, answer(ok))
			wantFailure(t, send(t, c, plain.url(), long), hook.FailureNone, "")
			wantFailure(t, send(t, c, plain.url(), long), hook.FailureNone, "") // on the same connection
			if diff := cmp.Diff([]string{address, plain.address}, p.Asked()); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// What the guard refuses is never asked of the proxy, whatever the name resolves to at the moment.
func TestProxyIsNotAskedForBlockedAddresses(t *testing.T) {
	eachScheme(t, func(t *testing.T, scheme string) {
		p, o := startProxy(t, scheme, egresstest.Behaviour{Status: 502, Reply: 5})
		names := &nameServer{answers: func(asked int64) []netip.Addr {
			if asked == 0 {
				return addresses("169.254.169.254", "8.8.8.8", "10.0.0.1")
			}
			return addresses("10.0.0.1")
		}}
		c := proxying(t, o, func(o *Options) { o.Resolver, o.AllowPrivate = names.resolver(t), nil })
		if a := send(t, c, "https://receiver.invalid./", long); a.Failure != hook.FailureRefused {
			t.Errorf("got %+v", a)
		}
		wantFailure(t, send(t, c, "https://receiver.invalid./", long), hook.FailureBlocked,
			"the address 10.0.0.1 is private: the operator has not listed it in allow-private-targets")
		wantFailure(t, send(t, c, "http://8.8.8.8/", long), hook.FailureBlocked,
			"http is refused for the public address 8.8.8.8: use https, or have the operator list it in allow-private-targets")
		wantFailure(t, send(t, c, "https://[::ffff:127.0.0.1]/", long), hook.FailureBlocked,
			"the address 127.0.0.1 is loopback: the operator has not listed it in allow-private-targets")
		wantFailure(t, send(t, c, "https://8.8.8.8:25/", long), hook.FailureBlocked,
			"the port 25 is for another protocol than HTTP: use another one, or have the operator list the address in allow-private-targets")
		if diff := cmp.Diff([]string{"8.8.8.8:443"}, p.Asked()); diff != "" {
			t.Error(diff)
		}
	})
}

// A receiver with several addresses is reached at the one that answers.
func TestProxyTriesEveryAddress(t *testing.T) {
	eachScheme(t, func(t *testing.T, scheme string) {
		p, o := startProxy(t, scheme, egresstest.Behaviour{})
		r := listen(t, answer(ok))
		_, port, err := net.SplitHostPort(r.address)
		if err != nil {
			t.Fatal(err)
		}
		names := &nameServer{answers: func(int64) []netip.Addr { return addresses("127.9.9.9", "127.9.9.8", "127.0.0.1") }}
		c := proxying(t, o, func(o *Options) { o.Resolver = names.resolver(t) })
		wantFailure(t, send(t, c, "http://receiver.invalid.:"+port+"/", long), hook.FailureNone, "")
		if got := p.Asked(); !slices.Contains(got, r.address) {
			t.Errorf("asked for %v", got)
		}
	})
}

// Who is to blame is as the package's documentation says, and no text holds the password.
func TestProxyBlame(t *testing.T) {
	const none = "the egress proxy got no connection to the receiver"
	type does = egresstest.Behaviour
	tests := []struct {
		name, schemes string
		does          does
		failure       hook.Failure
		text          string
	}{
		{"407", "http https", does{User: "another", Password: "one"}, hook.FailureProxy, "refuses the user and password of egress-proxy: it answered 407"},
		{"login", "socks5", does{User: "another", Password: "one"}, hook.FailureProxy, "refuses the user and password of egress-proxy"},
		{"no login", "socks5", does{}, hook.FailureProxy, "takes no user and password"},
		{"500", "http https", does{Status: 500}, hook.FailureProxy, "answered 500"},
		{"429", "http https", does{Status: 429}, hook.FailureProxy, "answered 429"},
		{"302", "http https", does{Status: 302}, hook.FailureProxy, "answered 302"},
		{"403", "http https", does{Status: 403}, hook.FailureBlocked, "the egress proxy does not allow the receiver: it answered 403"},
		{"502", "http https", does{Status: 502}, hook.FailureRefused, none + ": it answered 502"},
		{"503", "http https", does{Status: 503}, hook.FailureRefused, none + ": it answered 503"},
		{"504", "http https", does{Status: 504}, hook.FailureTimeout, none + " in time: it answered 504"},
		{"503 of its own", "http", does{Status: 503, Header: "Proxy-Status: far; error=connection_refused, near; error=proxy_internal_error\r\n"}, hook.FailureProxy, "answered 503 (proxy_internal_error)"},
		{"500 of the receiver", "http", does{Status: 500, Header: "Proxy-Status: near; error=connection_timeout; details=\"x\"\r\n"}, hook.FailureTimeout, "the egress proxy answered 500 (connection_timeout)"},
		{"502 of its rules", "http", does{Status: 502, Header: "Proxy-Status: near;error=destination_ip_prohibited\r\n"}, hook.FailureBlocked, "answered 502 (destination_ip_prohibited)"},
		{"reply 1", "socks5", does{Reply: 1}, hook.FailureProxy, "failed: its reply is 1"},
		{"reply 7", "socks5", does{Reply: 7}, hook.FailureProxy, "failed: its reply is 7"},
		{"reply 2", "socks5", does{Reply: 2}, hook.FailureBlocked, "does not allow the receiver"},
		{"reply 3", "socks5", does{Reply: 3}, hook.FailureRefused, none + ": network unreachable"},
		{"reply 4", "socks5", does{Reply: 4}, hook.FailureRefused, none + ": host unreachable"},
		{"reply 5", "socks5", does{Reply: 5}, hook.FailureRefused, none + ": connection refused"},
		{"reply 6", "socks5", does{Reply: 6}, hook.FailureTimeout, none + ": TTL expired"},
		{"reply 8", "socks5", does{Reply: 8}, hook.FailureRefused, none + ": address type not supported"},
		{"garbage", "http https socks5", does{Say: "220 mail.example ESMTP\r\n"}, hook.FailureProxy, "does not speak"},
		{"the end of the connection", "http https", does{Say: "HTTP/1.1 2"}, hook.FailureProxy, "broke the connection"},
		{"interim answers without end", "http", does{Say: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 99)}, hook.FailureProxy, "interim answers"},
		{"headers without end", "http", does{Say: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20)}, hook.FailureProxy, "does not speak HTTP, or broke the connection"},
		{"silence", "http https socks5", does{Mute: true}, hook.FailureProxy, ""},
		{"silence about the receiver", "http https socks5", does{Swallow: true}, hook.FailureTimeout, none},
	}
	for _, test := range tests {
		for scheme := range strings.FieldsSeq(test.schemes) {
			t.Run(test.name+" "+scheme, func(t *testing.T) {
				t.Parallel() // some wait
				login := test.does
				if login.User == "" && test.name != "no login" {
					login.User, login.Password = "user", proxySecret
				}
				r := listen(t, answer(ok))
				_, o := startProxy(t, scheme, login)
				o.User, o.Password = "user", hook.NewSecret(proxySecret)
				timeout := long
				if test.does.Mute || test.does.Swallow {
					timeout = 20 * short // an eighth of it must do for asking the proxy for itself
				}
				a := send(t, proxying(t, o), r.url(), timeout)
				if a.Failure != test.failure || !strings.Contains(a.Error, test.text) || a.Status != 0 {
					t.Errorf("got %v %q, want %v %q", a.Failure, a.Error, test.failure, test.text)
				}
				if strings.Contains(a.Error, "hunter2") || strings.Contains(a.Error, "127.0.0.1") || strings.Contains(a.Error, "dXNlcjpw") {
					t.Errorf("the text tells too much: %q", a.Error)
				}
			})
		}
	}
}

// A proxy that is down is to blame, and needs nothing but to come back.
func TestProxyComesBack(t *testing.T) {
	eachScheme(t, func(t *testing.T, scheme string) {
		p, o := startProxy(t, scheme, egresstest.Behaviour{})
		c := proxying(t, o)
		r := listen(t, answer(ok))
		wantFailure(t, send(t, c, r.url(), long), hook.FailureNone, "")
		p.Down()
		wantFailure(t, send(t, c, r.url(), long), hook.FailureProxy, "the egress proxy cannot be reached: connection refused")
		p.Up()
		wantFailure(t, send(t, c, r.url(), long), hook.FailureNone, "")
	})
}

// A receiver that refuses or breaks is to blame behind a proxy too.
func TestReceiverBehindProxyFails(t *testing.T) {
	eachScheme(t, func(t *testing.T, scheme string) {
		_, o := startProxy(t, scheme, egresstest.Behaviour{})
		c := proxying(t, o)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := listener.Addr().String()
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		if a := send(t, c, "http://"+address+"/", long); a.Failure != hook.FailureRefused {
			t.Errorf("refused: got %+v", a)
		}
		wantFailure(t, send(t, c, listen(t, answerOnce("")).url(), long), hook.FailureBroken, "the connection broke before the response was complete")
		wantFailure(t, send(t, c, listen(t, answerAndHang("")).url(), short), hook.FailureTimeout, "no response within 150ms")
		garbage := listen(t, func(_ *receiver, conn net.Conn) { _, _ = io.WriteString(conn, "220 mail.example ESMTP\r\n") })
		wantFailure(t, send(t, c, "https://"+garbage.address+"/", long), hook.FailureTLS, "the receiver does not speak TLS")
	})
}

// A proxy that connects elsewhere than it was asked to meets TLS: the certificate is for another name.
func TestProxyThatLies(t *testing.T) {
	eachScheme(t, func(t *testing.T, scheme string) {
		server, _ := secureServer(t, true, nil, func(http.ResponseWriter, *http.Request) { t.Error("a request arrived") })
		_, o := startProxy(t, scheme, egresstest.Behaviour{To: server.Listener.Addr().String()})
		a := send(t, proxying(t, o), "https://127.0.0.2/", long)
		if a.Failure != hook.FailureTLS {
			t.Errorf("got %+v", a)
		}
	})
}

// The proxy's own certificate counts, before it hears the password.
func TestProxyCertificate(t *testing.T) {
	_, o := startProxy(t, ProxyHTTPS, egresstest.Behaviour{})
	o.RootCAs = x509.NewCertPool()
	wantFailure(t, send(t, proxying(t, o), "http://127.0.0.1:9/", long), hook.FailureProxy,
		"the egress proxy failed TLS: the certificate is signed by an unknown authority")
}
