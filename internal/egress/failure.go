package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// failed completes the answer of a post that got no complete response. ctx is the caller's own context.
func (s *sending) failed(ctx context.Context, p *hook.Post, a hook.Answer, err error) hook.Answer {
	if ctx.Err() != nil {
		a.Failure, a.Error = hook.FailureBroken, Cancelled
		return a
	}
	var text string
	switch {
	case isProxys(err):
		a.Failure, text = classify(err)
	case s.overdue(err):
		if a.Failure = hook.FailureTimeout; s.stage.Load() == stageProxy {
			a.Failure = hook.FailureProxy // the transport may have seen the end of the time before the dial has
		}
		text = s.timeoutText(p.Timeout)
	default:
		a.Failure, text = classify(err)
	}
	a.Error = oneLine(text)
	return a
}

// overdue reports whether an error means that the attempt's time is up. A dial has a timer of its own for the same
// deadline, so its error may come first, in the words of the net package.
func (s *sending) overdue(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	deadline, _ := s.Deadline()
	return isTimeout(err) && !time.Now().Before(deadline)
}

func (s *sending) timeoutText(limit time.Duration) string {
	switch s.stage.Load() {
	case stageDial:
		return fmt.Sprintf("no connection within %s", limit)
	case stageProxy:
		return fmt.Sprintf("the egress proxy did not answer within %s", limit)
	case stageTunnel:
		return fmt.Sprintf("the egress proxy got no connection to the receiver within %s", limit)
	case stageHandshake:
		return fmt.Sprintf("the TLS handshake was not complete within %s", limit)
	case stageBody:
		return fmt.Sprintf("the response body was not complete within %s", limit)
	default:
		return fmt.Sprintf("no response within %s", limit)
	}
}

func isTimeout(err error) bool {
	var timed net.Error
	return errors.As(err, &timed) && timed.Timeout()
}

// classify says what went wrong and in which words. Types decide wherever there are types; what is left are the errors of
// net/http about a response that it cannot read.
func classify(err error) (hook.Failure, string) {
	var (
		blocked   *blockedError
		proxy     *proxyError
		target    *targetError
		name      *net.DNSError
		handshake *handshakeError
		op        *net.OpError
	)
	switch {
	case errors.As(err, &blocked):
		return hook.FailureBlocked, blocked.reason
	case errors.As(err, &proxy):
		return hook.FailureProxy, proxy.Error()
	case errors.As(err, &target):
		return target.failure, target.reason
	case errors.As(err, &name):
		return hook.FailureDNS, nameText(name)
	case errors.As(err, &handshake):
		return hook.FailureTLS, tlsText(handshake.cause)
	case errors.As(err, &op) && op.Op == "remote error":
		// With TLS 1.3 a receiver refuses our side of the handshake only after we have finished it.
		return hook.FailureTLS, "the receiver ended TLS: " + op.Err.Error()
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return hook.FailureRequest, "this machine has too many open files: raise its limit"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return hook.FailureRequest, "this machine has no free port or address for a connection"
	case errors.Is(err, syscall.ECONNREFUSED):
		return hook.FailureRefused, "connection refused" + by(op)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTDOWN):
		return hook.FailureRefused, "no route to the receiver" + by(op)
	case isTimeout(err):
		return hook.FailureTimeout, "no connection: the system gave up" + by(op)
	case isBroken(err, op):
		return hook.FailureBroken, "the connection broke before the response was complete"
	}
	if op != nil {
		err = op.Err // the rest of the text would be Go's words for what was being done
	}
	return hook.FailureRequest, requestText(err)
}

// Classify says for another protocol what went wrong with a connection, and in which words; handshake is whether it happened in the TLS
// handshake. That the caller's time is up or its context ended is for the caller to see first.
func Classify(err error, handshake bool) (hook.Failure, string) {
	if handshake {
		err = &handshakeError{err}
	}
	failure, text := classify(err)
	return failure, oneLine(text)
}

// by names the address that was dialled.
func by(op *net.OpError) string {
	if op == nil || op.Addr == nil {
		return ""
	}
	return ": " + op.Addr.String()
}

func nameText(e *net.DNSError) string {
	switch {
	case e.IsNotFound:
		return fmt.Sprintf("the name %s does not resolve", e.Name)
	case e.IsTimeout:
		return fmt.Sprintf("the name %s does not resolve: the DNS server does not answer", e.Name)
	}
	if strings.Contains(e.Err, ":") { // an error of the connection to the DNS server, with its address and ours, which are nobody's business
		return fmt.Sprintf("the name %s does not resolve: the DNS server cannot be reached", e.Name)
	}
	return fmt.Sprintf("the name %s does not resolve: %s", e.Name, e.Err)
}

// tlsText says why a handshake failed.
func tlsText(err error) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &authority):
		return "the certificate is signed by an unknown authority"
	case errors.As(err, &name):
		return "the certificate is for another name: " + trimmed(name)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		c := invalid.Cert
		if time.Now().Before(c.NotBefore) {
			return "the certificate is not valid before " + c.NotBefore.UTC().Format(time.RFC3339)
		}
		return "the certificate has expired at " + c.NotAfter.UTC().Format(time.RFC3339)
	case errors.As(err, &invalid):
		return "the certificate is not valid: " + trimmed(invalid)
	case errors.As(err, &record):
		return "the receiver does not speak TLS"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the receiver closed the connection during the TLS handshake"
	}
	return "the TLS handshake failed: " + trimmed(err)
}

// isBroken reports whether a connection ended early.
func isBroken(err error, op *net.OpError) bool {
	for _, broken := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, os.ErrClosed, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE,
	} {
		if errors.Is(err, broken) {
			return true
		}
	}
	if op != nil && (op.Op == "read" || op.Op == "write") {
		return true
	}
	// What follows has no type outside net/http: the connection that closed between its dial and its first use, and the
	// errors of its HTTP/2 about a connection or a stream that the receiver ended.
	text := err.Error()
	switch {
	case strings.HasSuffix(text, "server closed idle connection"):
		return true
	case strings.HasPrefix(text, "stream error: "):
		return !strings.Contains(text, "PROTOCOL_ERROR") || strings.HasSuffix(text, "received from peer")
	case strings.HasPrefix(text, "connection error: "):
		return false // what the receiver sent is not HTTP/2
	}
	return strings.HasPrefix(text, "http2: ") && !strings.Contains(text, "header list")
}

// requestText says what net/http could not send or read.
func requestText(err error) string {
	if strings.Contains(err.Error(), "response headers exceeded") || strings.Contains(err.Error(), "header list larger") {
		return fmt.Sprintf("the response headers are longer than %d bytes", responseHeaderBytesMax)
	}
	if strings.HasPrefix(err.Error(), "connection error: ") || strings.HasPrefix(err.Error(), "stream error: ") {
		return "the response is not valid HTTP/2: " + err.Error()
	}
	return trimmed(err)
}

// trimmed returns an error's text without the names of Go's packages.
func trimmed(err error) string {
	text := err.Error()
	for _, prefix := range []string{"net/http: ", "HTTP/1.x transport connection broken: ", "tls: ", "x509: ", "http: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}

// oneLine makes a text storable: what a receiver sent may be quoted in it, so it is cut, valid and without control
// characters.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) <= hook.ErrorBytesMax {
		return text
	}
	end := hook.ErrorBytesMax
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
