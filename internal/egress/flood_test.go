package egress

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// frame makes a frame of HTTP/2 (RFC 9113, section 4.1).
func frame(kind, flags byte, stream uint32, payload string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	b = append(b, flags)
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// Whatever a receiver floods a connection of HTTP/2 with, a post ends in its time, is a failure, and leaves nothing behind.
func TestFloodOfFrames(t *testing.T) {
	const (
		headers, reset, settings, ping, goAway, window, continuation = 1, 3, 4, 6, 7, 8, 9
		acknowledged, endHeaders                                     = 1, 4
		limit                                                        = 300 * time.Millisecond
	)
	own, pool := certificate(t, "127.0.0.1", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	config := &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{"h2"}}
	for name, test := range map[string]struct {
		first, flood []byte
		deaf         bool
	}{
		"PING":                   {nil, frame(ping, 0, 0, "12345678"), false},
		"PING, and it is deaf":   {nil, frame(ping, 0, 0, "12345678"), true},
		"answers to no PING":     {nil, frame(ping, acknowledged, 0, "12345678"), false},
		"SETTINGS":               {nil, frame(settings, 0, 0, ""), false},
		"answers to no SETTINGS": {nil, frame(settings, acknowledged, 0, ""), false},
		"CONTINUATION":           {frame(headers, 0, 1, "\x88"), frame(continuation, 0, 1, "\x00\x01a\x7f\xc1\x0f"+strings.Repeat("b", 2_112)), false},
		"empty CONTINUATION":     {frame(headers, 0, 1, "\x88"), frame(continuation, 0, 1, ""), false},
		"103":                    {nil, frame(headers, endHeaders, 1, "\x08\x03103"), false},
		"RST_STREAM":             {nil, frame(reset, 0, 1, "\x00\x00\x00\x02"), false},
		"WINDOW_UPDATE":          {nil, frame(window, 0, 0, "\x7f\xff\xff\xff"), false},
		"GOAWAY":                 {nil, frame(goAway, 0, 0, "\x00\x00\x00\x01\x00\x00\x00\x00"), false},
		"a frame of 16 MB":       {nil, frame(headers, 0, 1, strings.Repeat("a", 1<<24-1)), false},
		"of no kind":             {nil, frame(0xbb, 0, 0, "xxxx"), false},
	} {
		t.Run(name, func(t *testing.T) {
			r := listen(t, func(_ *receiver, plain net.Conn) {
				conn := tls.Server(plain, config)
				if !test.deaf {
					go func() { _, _ = io.Copy(io.Discard, conn) }() // until it is closed
				}
				_, err := conn.Write(append(frame(settings, 0, 0, ""), test.first...))
				for err == nil {
					_, err = conn.Write(test.flood)
				}
			})
			c := New(Options{AllowPrivate: loopback(), RootCAs: pool})
			defer c.Close()
			a := send(t, c, "https://"+r.address+"/", limit)
			// Which of the three depends on how far the post has come when the flood begins.
			failed := a.Failure == hook.FailureTimeout || a.Failure == hook.FailureBroken || a.Failure == hook.FailureRequest
			if !failed || a.Took > limit+time.Second {
				t.Errorf("got %q %q after %v", a.Failure, a.Error, a.Took)
			}
		})
	}
}

// What an answer asks a browser to remember is forgotten, and TLS is not begun anew on its demand.
func TestNothingIsRemembered(t *testing.T) {
	second := make(chan http.Header, 2)
	server, connections := secureServer(t, true, nil, func(w http.ResponseWriter, r *http.Request) {
		second <- r.Header
		w.Header().Set("Set-Cookie", "a=b; Path=/")
		w.Header().Set("Alt-Svc", `h2="127.0.0.1:1"; ma=3600, h3=":1"`)
		w.Header().Set("Strict-Transport-Security", "max-age=3600")
		w.Header().Set("Accept-CH", "Sec-CH-UA")
		w.Header().Set("Content-Encoding", "gzip") // and what follows is none
		_, _ = io.WriteString(w, "x")
	})
	c := trusting(t, server)
	for range 2 {
		if a := send(t, c, server.URL, long); a.Status != 200 || string(a.Response) != "x" {
			t.Errorf("got %+v", a)
		}
		if h := <-second; len(h) != 2 { // Content-Type and Content-Length
			t.Errorf("sent %v", h)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	if r := tlsConfig(Options{RootCAs: x509.NewCertPool()}).Renegotiation; r != tls.RenegotiateNever {
		t.Errorf("renegotiation is %v", r)
	}
}
