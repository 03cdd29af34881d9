package egress

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The limits of the connections, all of one process.
const (
	// idleConnectionsMax is how many unused connections are kept. One costs 17 KiB (plain) to 26 KiB (TLS) with its
	// goroutines, as measured with the receiver's end in it, so all of them stay below 110 MiB. The least recently used
	// one makes room.
	idleConnectionsMax = 4_096
	// idleConnectionsPerHostMax is a webhook's highest concurrency, so that a busy one never dials at each post.
	idleConnectionsPerHostMax = 1_024
	// idleTimeout is just below the 60 s after which common load balancers close: who closes first has no race to lose.
	idleTimeout = 55 * time.Second
	// bufferBytes is the size of a connection's two buffers: a usual POST and its answer fit, and a hundred webhooks have
	// thousands of connections.
	bufferBytes = 2 << 10
	// responseHeaderBytesMax bounds the status line and headers, interim responses included.
	responseHeaderBytesMax = 64 << 10
	// streamBufferBytes and connectionBufferBytes are how much an HTTP/2 receiver may send before we read it; 64 KiB is
	// the least that net/http takes for a connection. The default is 4 MiB for each stream, 1 GiB for all.
	streamBufferBytes     = 16 << 10
	connectionBufferBytes = 256 << 10
	// pingAfter and pingTimeout find dead HTTP/2 connections, which many posts share.
	pingAfter   = 15 * time.Second
	pingTimeout = 10 * time.Second
	// tlsSessionsMax is how many receivers' TLS sessions are kept for resumption.
	tlsSessionsMax = 1_024
)

// Cancelled is the text of an answer that the caller's own context cut short.
const Cancelled = "cancelled before the response was complete"

// Options says which receivers may be reached, and how they are found and trusted. The zero value reaches public
// addresses over https.
type Options struct {
	// AllowPrivate lists the networks that may be reached although they are not public, over https and http.
	AllowPrivate []netip.Prefix
	// RootCAs verifies the receivers' certificates; nil means the machine's own roots.
	RootCAs *x509.CertPool
	// Resolver looks names up; nil means [net.DefaultResolver].
	Resolver *net.Resolver
	// Proxy is what receivers are reached through; nil means directly.
	Proxy *Proxy
	// Direct lists the networks that are reached directly although there is a proxy. They are guarded like all others.
	Direct []netip.Prefix
}

// Client posts to receivers. It is safe for concurrent use by any number of goroutines.
type Client struct {
	guard      *guard
	dialer     *dialer
	transport  *http.Transport
	identities identities
	buffers    sync.Pool // of *[hook.ResponseBytesMax]byte, for bodies of unknown length
}

// New returns a client. It opens nothing and starts nothing before the first [Client.Send].
func New(o Options) *Client {
	g := newGuard(o.AllowPrivate)
	c := &Client{guard: g, dialer: newDialer(o, g)}
	c.transport = newTransport(c.dialer, idleConnectionsMax)
	c.identities = identities{client: c, known: make(map[identityKey]*identity)}
	return c
}

// newTransport returns a transport with connections of its own.
func newTransport(d *dialer, idleMax int) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Transport{
		Proxy:                  nil, // the dialer asks the proxy, for addresses that were checked
		DialContext:            d.dialPlain,
		DialTLSContext:         d.dialTLS,
		Protocols:              protocols,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConns:           idleMax,
		MaxIdleConnsPerHost:    min(idleMax, idleConnectionsPerHostMax),
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: responseHeaderBytesMax,
		ReadBufferSize:         bufferBytes,
		WriteBufferSize:        bufferBytes,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream:     streamBufferBytes,
			MaxReceiveBufferPerConnection: connectionBufferBytes,
			SendPingTimeout:               pingAfter,
			PingTimeout:                   pingTimeout,
		},
	}
}

// Close closes the idle connections; one that is in use closes when its post ends.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	c.identities.closeIdle()
}

// transportFor returns what a post is sent with: the transport of all, or that of its webhook's own TLS.
func (c *Client) transportFor(p *hook.Post) (*http.Transport, error) {
	if p.Credentials == nil || p.Credentials.TLS.IsZero() || p.URL.Scheme != "https" {
		return c.transport, nil
	}
	return c.identities.transport(&p.Credentials.TLS, time.Now())
}

// Send posts once and returns what came of it, within the post's timeout. The post's header and body must never
// change afterwards: the transport may still be reading them for a response that came early.
//
// It calls [http.Transport.RoundTrip] rather than [http.Client.Do], which would only add what is not wanted here
// (redirects, cookies, credentials from the URL, the URL in every error's text) and about a tenth of the time of a post.
func (c *Client) Send(ctx context.Context, p hook.Post) hook.Answer {
	start := time.Now()
	a := c.send(ctx, p, start)
	if p.ResponseMax == 0 { // who wants more of an answer than is kept reads it, and needs it as it is
		p.Conceal(&a)
	}
	a.Took = time.Since(start)
	return a
}

func (c *Client) send(ctx context.Context, p hook.Post, began time.Time) (a hook.Answer) {
	if problem := problemOf(&p); problem != "" {
		return hook.Answer{Failure: hook.FailureRequest, Error: problem}
	}
	transport, err := c.transportFor(&p)
	if err != nil {
		return hook.Answer{Failure: hook.FailureTLS, Error: oneLine(err.Error())}
	}
	timed, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	s := newSending(timed, began)
	defer func() { a.Timing = s.timing() }()
	resp, err := s.roundTrip(transport, &p)
	if err != nil {
		return s.failed(ctx, &p, hook.Answer{}, err)
	}
	a.Status = resp.StatusCode
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// The body of a 101 is the bare connection, which no deadline would ever interrupt: it is not read.
		closeBody(resp)
		a.Failure, a.Error = hook.FailureRequest, "the receiver answered 101 Switching Protocols, which was not asked for"
		return a
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		a.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	a.Response, err = c.read(resp, cmp.Or(p.ResponseMax, hook.ResponseBytesMax))
	closeBody(resp)
	if err != nil {
		s.stage.Store(stageBody)
		return s.failed(ctx, &p, a, err)
	}
	return a
}

// problemOf says why a post cannot be made at all, or nothing.
func problemOf(p *hook.Post) string {
	switch {
	case p.URL == nil || p.URL.Host == "" || p.URL.Opaque != "":
		return "the URL is not absolute"
	case p.URL.Scheme != "https" && p.URL.Scheme != "http":
		return "the URL is neither https nor http"
	case p.URL.User != nil:
		return "the URL holds credentials, which are not sent"
	}
	return ""
}

// read returns the beginning of the body. It has an error when the body ends before it is complete and before
// bytesMax. Reading to the end is what returns the connection to the pool; closing a body that was not
// read to its end closes the connection.
func (c *Client) read(resp *http.Response, bytesMax int) ([]byte, error) {
	switch n := resp.ContentLength; {
	case n == 0:
		return nil, nil
	case n > 0 && n <= int64(bytesMax):
		// One byte more than there is, so that the end is read too: over HTTP/2 it comes after the last byte.
		body, err := fill(resp.Body, make([]byte, n+1))
		if int64(len(body)) == n {
			err = nil // complete, whatever followed
		}
		return body, err
	case bytesMax != hook.ResponseBytesMax: // rare: no receiver's answer
		return fill(resp.Body, make([]byte, bytesMax))
	default:
		buffer, pooled := c.buffers.Get().(*[hook.ResponseBytesMax]byte)
		if !pooled {
			buffer = new([hook.ResponseBytesMax]byte)
		}
		defer c.buffers.Put(buffer)
		body, err := fill(resp.Body, buffer[:])
		return slices.Clone(body), err
	}
}

// fill reads until the buffer is full or the reader ends.
func fill(r io.Reader, buffer []byte) ([]byte, error) {
	n := 0
	for n < len(buffer) {
		m, err := r.Read(buffer[n:])
		n += m
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return buffer[:n], err
		}
	}
	return buffer[:n], nil
}

func closeBody(resp *http.Response) {
	_ = resp.Body.Close() // whatever it says, what was read is what counts
}

// tlsConfig returns the configuration of every handshake.
func tlsConfig(o Options) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		CipherSuites:       cipherSuites(),
		RootCAs:            o.RootCAs,
		NextProtos:         []string{"h2", "http/1.1"},
		ClientSessionCache: tls.NewLRUClientSessionCache(tlsSessionsMax),
	}
}

// cipherSuites are those of TLS 1.2 with forward secrecy and authenticated encryption (RFC 9325, section 4.2; ChaCha20 is RFC 7905). Those of
// TLS 1.3 are all of that kind.
func cipherSuites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}
