package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// proxyAnswerBytesMax bounds what is read of a proxy's answer.
	proxyAnswerBytesMax = 16 << 10
	// The last part of a post's time is for asking a silent proxy whether it is there: this share of it, at most so long.
	proxyProbeShare = 8
	proxyProbeMax   = time.Second
)

// The schemes of proxies.
const (
	// ProxyHTTP is CONNECT over a plain connection.
	ProxyHTTP = "http"
	// ProxyHTTPS is CONNECT over TLS.
	ProxyHTTPS = "https"
	// ProxySOCKS5 is SOCKS, version 5 (RFC 1928).
	ProxySOCKS5 = "socks5"
)

// Proxy is the operator's proxy, through which all receivers are reached. Its own address is not guarded.
type Proxy struct {
	// Scheme is one of the words above.
	Scheme string
	Host   string
	Port   int
	// User and Password are both empty where the proxy wants none.
	User     string
	Password hook.Secret
	// RootCAs verifies the proxy's certificate; nil means the machine's own roots.
	RootCAs *x509.CertPool
}

// proxy makes connections through a [Proxy]. It is asked for addresses only, never for names.
type proxy struct {
	Proxy
	address string
	dialer  net.Dialer
	tls     *tls.Config
	// authorization is the value of Proxy-Authorization, or empty.
	authorization string
}

func newProxy(o *Proxy, resolver *net.Resolver) *proxy {
	p := &proxy{Proxy: *o, address: net.JoinHostPort(o.Host, fmt.Sprint(o.Port)), dialer: net.Dialer{Resolver: resolver}}
	if o.Scheme == ProxyHTTPS {
		p.tls = &tls.Config{
			MinVersion: tls.VersionTLS12, CipherSuites: cipherSuites(), ServerName: o.Host, RootCAs: o.RootCAs, NextProtos: []string{"http/1.1"},
			ClientSessionCache: tls.NewLRUClientSessionCache(1),
		}
	}
	if o.User != "" {
		p.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(o.User+":"+o.Password.Reveal()))
	}
	return p
}

// proxyError says that the proxy itself failed: [hook.FailureProxy].
type proxyError struct{ reason string }

func (e *proxyError) Error() string { return "the egress proxy " + e.reason }

// targetError is what a proxy that works says about a receiver.
type targetError struct {
	failure hook.Failure
	reason  string
}

func (e *targetError) Error() string { return e.reason }

// silentError says that a proxy did not answer in time whether it could connect.
type silentError struct{}

func (e *silentError) Error() string {
	return "the egress proxy got no connection to the receiver in time"
}

func isProxys(err error) bool {
	var failed *proxyError
	return errors.As(err, &failed)
}

// dial has the proxy connect to an address until a time, which is before the context's deadline.
func (p *proxy) dial(ctx context.Context, s *sending, to netip.AddrPort, until time.Time) (net.Conn, error) {
	// Whatever comes before the proxy is asked for the receiver is the proxy's own affair and may take all the time there is.
	conn, err := p.open(ctx, s)
	if err != nil {
		return nil, err
	}
	if p.Scheme == ProxySOCKS5 {
		err = p.greet(conn)
	}
	tunnel := conn
	if err == nil {
		s.reach(stageTunnel)
		if err = conn.SetDeadline(until); err == nil {
			tunnel, err = p.ask(conn, to)
		}
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{}) // the post's context is what bounds it from now on
	}
	if err != nil {
		_ = conn.Close() // the reason is told already
		return nil, proxied(err)
	}
	return tunnel, nil
}

// open connects to the proxy.
func (p *proxy) open(ctx context.Context, s *sending) (net.Conn, error) {
	s.reach(stageProxy)
	conn, err := p.dialer.DialContext(ctx, "tcp", p.address)
	if err != nil {
		return nil, &proxyError{"cannot be reached: " + reasonOf(err, false)}
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			_ = conn.Close() // it is broken
			return nil, &proxyError{"broke the connection"}
		}
	}
	if p.tls == nil {
		return conn, nil
	}
	secure := tls.Client(conn, p.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the handshake's error is the one to tell
		return nil, &proxyError{"failed TLS: " + reasonOf(err, true)}
	}
	return secure, nil
}

// ask has the proxy connect, and returns the tunnel.
func (p *proxy) ask(conn net.Conn, to netip.AddrPort) (net.Conn, error) {
	if p.Scheme == ProxySOCKS5 {
		return conn, p.askSOCKS(conn, to)
	}
	return p.askHTTP(conn, to)
}

// blame says who is to blame for the last error of all addresses. A proxy of which nothing was heard is asked for itself: a receiver that
// swallows packets looks the same, and is far more common.
func (p *proxy) blame(ctx context.Context, s *sending, err error) error {
	var silent *silentError
	if !errors.As(err, &silent) {
		return err
	}
	if p.Scheme == ProxyHTTP { // TLS and SOCKS have answered on the same connection already
		if !p.alive(ctx, s) {
			return &proxyError{"does not answer"}
		}
	}
	return &targetError{hook.FailureTimeout, silent.Error()}
}

// alive reports whether a proxy answers anything at all, to a request that is for itself (RFC 9110, section 7.6.2).
func (p *proxy) alive(ctx context.Context, s *sending) bool {
	conn, err := p.open(ctx, s)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }() // it has served
	if _, err := io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: "+p.address+"\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n"); err != nil {
		return false
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	return err == nil
}

// proxied turns an error of a connection to a proxy into one of those above.
func proxied(err error) error {
	var (
		failed *proxyError
		target *targetError
	)
	switch {
	case errors.As(err, &failed), errors.As(err, &target):
		return err
	case isTimeout(err):
		return &silentError{}
	}
	return &proxyError{"broke the connection before it had answered"}
}

// reasonOf describes an error of the way to the proxy, without its address.
func reasonOf(err error, handshake bool) string {
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "it does not answer"
	case errors.As(err, &op) && op.Addr != nil:
		copied := *op
		copied.Addr = nil
		err = &copied
	}
	_, text := Classify(err, handshake)
	return text
}
