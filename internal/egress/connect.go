package egress

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// interimMax is how many interim answers (1xx) a proxy may give before the one that counts.
const interimMax = 5

// askHTTP has an HTTP proxy connect to an address (RFC 9110, section 9.3.6), and returns the tunnel.
func (p *proxy) askHTTP(conn net.Conn, to netip.AddrPort) (net.Conn, error) {
	request := "CONNECT " + to.String() + " HTTP/1.1\r\nHost: " + to.String() + "\r\n"
	if p.authorization != "" {
		request += "Proxy-Authorization: " + p.authorization + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		return nil, fmt.Errorf("ask the proxy: %w", err)
	}
	in := bufio.NewReader(io.LimitReader(conn, proxyAnswerBytesMax))
	for range interimMax {
		answer, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect})
		switch {
		case err != nil && isTimeout(err):
			return nil, fmt.Errorf("read the proxy's answer: %w", err)
		case err != nil:
			return nil, &proxyError{"does not speak HTTP, or broke the connection"}
		}
		switch _ = answer.Body.Close(); { // nothing of it is wanted
		case answer.StatusCode >= 100 && answer.StatusCode <= 199:
			continue
		case answer.StatusCode < 200 || answer.StatusCode > 299:
			return nil, refusalHTTP(answer)
		}
		return unread(conn, in), nil
	}
	return nil, &proxyError{fmt.Sprintf("gave more than %d interim answers", interimMax)}
}

// unread returns the tunnel with what was read of it already: a receiver may speak first, though none of ours should.
func unread(conn net.Conn, in *bufio.Reader) net.Conn {
	if in.Buffered() == 0 {
		return conn
	}
	rest, _ := in.Peek(in.Buffered()) // so much is there
	return &begunConn{Conn: conn, rest: rest}
}

// begunConn is a connection of which the beginning was read already.
type begunConn struct {
	net.Conn
	rest []byte
}

func (c *begunConn) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// refusalHTTP says who is to blame for an answer that is no tunnel; the package's documentation says why.
func refusalHTTP(answer *http.Response) error {
	words := fmt.Sprintf("answered %d", answer.StatusCode)
	if said := proxyStatus(answer.Header.Values("Proxy-Status")); said != "" {
		words += " (" + said + ")"
		if failure, known := proxyStatusFailures()[said]; known {
			if failure == hook.FailureProxy {
				return &proxyError{words}
			}
			return &targetError{failure, "the egress proxy " + words}
		}
	}
	switch answer.StatusCode {
	case http.StatusProxyAuthRequired:
		return &proxyError{"refuses the user and password of egress-proxy: it " + words}
	case http.StatusForbidden:
		return &targetError{hook.FailureBlocked, "the egress proxy does not allow the receiver: it " + words}
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return &targetError{hook.FailureRefused, "the egress proxy got no connection to the receiver: it " + words}
	case http.StatusGatewayTimeout:
		return &targetError{hook.FailureTimeout, "the egress proxy got no connection to the receiver in time: it " + words}
	}
	return &proxyError{words}
}

// proxyStatus returns the error type of the proxy that is next to us (RFC 9209, section 2.1.1), or nothing.
func proxyStatus(values []string) string {
	said := ""
	for part := range strings.FieldsFuncSeq(strings.Join(values, ","), func(r rune) bool { return r == ';' || r == ',' }) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(part), "error="); ok {
			said = strings.TrimSpace(text)
		}
	}
	return said
}

// proxyStatusFailures is what the error types of RFC 9209 (section 2.3) mean that say who is to blame.
func proxyStatusFailures() map[string]hook.Failure {
	return map[string]hook.Failure{
		"connection_refused": hook.FailureRefused, "destination_unavailable": hook.FailureRefused, "destination_ip_unroutable": hook.FailureRefused,
		"connection_timeout": hook.FailureTimeout, "connection_terminated": hook.FailureBroken, "destination_ip_prohibited": hook.FailureBlocked,
		"http_request_denied":  hook.FailureBlocked,
		"proxy_internal_error": hook.FailureProxy, "proxy_internal_response": hook.FailureProxy, "proxy_configuration_error": hook.FailureProxy,
		"proxy_loop_detected": hook.FailureProxy, "connection_limit_reached": hook.FailureProxy,
	}
}
