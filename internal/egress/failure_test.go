package egress

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/hookswitch/hookswitch/internal/hook"
)

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

func TestClassify(t *testing.T) {
	dial := func(cause error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(8, 8, 8, 8), Port: 443}, Err: os.NewSyscallError("connect", cause)}
	}
	tests := []struct {
		name string
		err  error
		want hook.Failure
		text string
	}{
		{"unreachable host", dial(syscall.EHOSTUNREACH), hook.FailureRefused, "no route to the receiver: 8.8.8.8:443"},
		{"unreachable network", dial(syscall.ENETUNREACH), hook.FailureRefused, "no route to the receiver: 8.8.8.8:443"},
		{"the system's own timeout", dial(syscall.ETIMEDOUT), hook.FailureTimeout, "no connection: the system gave up: 8.8.8.8:443"},
		{"no descriptor", dial(syscall.EMFILE), hook.FailureRequest, "this machine has too many open files: raise its limit"},
		{"no port", dial(syscall.EADDRNOTAVAIL), hook.FailureRequest, "this machine has no free port or address for a connection"},
		{"reset", fmt.Errorf("read: %w", syscall.ECONNRESET), hook.FailureBroken, "the connection broke before the response was complete"},
		{"the peer's stream error", errors.New("stream error: stream ID 1; PROTOCOL_ERROR; received from peer"), hook.FailureBroken, "the connection broke before the response was complete"},
		{"our stream error", errors.New("stream error: stream ID 1; PROTOCOL_ERROR"), hook.FailureRequest, "the response is not valid HTTP/2: stream error: stream ID 1; PROTOCOL_ERROR"},
		{"not HTTP/2", errors.New("connection error: COMPRESSION_ERROR"), hook.FailureRequest, "the response is not valid HTTP/2: connection error: COMPRESSION_ERROR"},
		{"lost HTTP/2 connection", errors.New("http2: client connection lost"), hook.FailureBroken, "the connection broke before the response was complete"},
		{"name server's silence", &net.DNSError{Name: "a.example", IsTimeout: true}, hook.FailureDNS, "the name a.example does not resolve: the DNS server does not answer"},
		{"name server's trouble", &net.DNSError{Name: "a.example", Err: "server misbehaving"}, hook.FailureDNS, "the name a.example does not resolve: server misbehaving"},
		{"name server's address", &net.DNSError{Name: "a.example", Err: "read udp 10.0.0.9:4000->10.0.0.53:53: read: connection refused"}, hook.FailureDNS, "the name a.example does not resolve: the DNS server cannot be reached"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if failure, text := classify(test.err); failure != test.want || text != test.text {
				t.Errorf("got %q %q, want %q %q", failure, text, test.want, test.text)
			}
		})
	}
}

func TestOneLine(t *testing.T) {
	long := strings.Repeat("x", hook.ErrorBytesMax-1)
	tests := []struct{ name, text, want string }{
		{"plain", "as it is", "as it is"},
		{"control characters", "a\r\nb\x00c\x1b", "a  b c "},
		{"broken UTF-8", "a\xffb", "a\uFFFDb"},
		{"too long", long + "yz", long + "y"},
		{"cut before a rune", long + "é", long},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := oneLine(test.text)
			if got != test.want || !utf8.ValidString(got) || len(got) > hook.ErrorBytesMax {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
