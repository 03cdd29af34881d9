package bearer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// The limits of a request to the issuer.
const (
	requestTimeout = 5 * time.Second
	// bodyBytesMax bounds the issuer's configuration, and its keys.
	bodyBytesMax = 256 << 10
	// headerBytesMax bounds the header of an answer.
	headerBytesMax = 64 << 10
	redirectsMax   = 3
)

// newClient makes the client for the issuer. It keeps no connection: reads are minutes apart.
func newClient(issuer string, roots *x509.CertPool, timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &guarded{permits: permits(issuer), next: &http.Transport{
			Proxy:             http.ProxyFromEnvironment,
			DialContext:       (&net.Dialer{Timeout: timeout}).DialContext,
			TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			DisableKeepAlives: true, DisableCompression: true, // what is compressed may be larger than it looks
			MaxResponseHeaderBytes: headerBytesMax,
		}},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			switch first := via[0].URL; {
			case len(via) > redirectsMax:
				return fmt.Errorf("more than %d redirects", redirectsMax)
			case r.URL.Scheme != first.Scheme || r.URL.Host != first.Host:
				return errors.New("a redirect to another host is not followed")
			}
			return nil
		},
	}
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// permits returns the rule for URLs of an issuer: https only, and where the issuer is on this machine and speaks http, its other URLs may, too.
func permits(issuer string) func(*url.URL) bool {
	u, err := url.Parse(issuer)
	local := err == nil && u.Scheme == "http" && isLoopback(u.Hostname())
	return func(u *url.URL) bool {
		return u.Scheme == "https" || local && u.Scheme == "http" && isLoopback(u.Hostname())
	}
}

// guarded is a transport that asks https only, and whose answers end.
type guarded struct {
	next    http.RoundTripper
	permits func(*url.URL) bool
}

// RoundTrip makes a request.
func (g *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !g.permits(r.URL) {
		return nil, errors.New("the URL must begin with https")
	}
	resp, err := g.next.RoundTrip(r)
	if err == nil {
		resp.Body = &bounded{body: resp.Body, left: bodyBytesMax}
	}
	return resp, err
}

// bounded is a body that fails where it is too long.
type bounded struct {
	body io.ReadCloser
	left int64
}

var errTooLarge = fmt.Errorf("the answer is larger than %d bytes", bodyBytesMax)

// Read reads at most one byte more than is permitted.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.body.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// Close closes the body.
func (b *bounded) Close() error { return b.body.Close() }
