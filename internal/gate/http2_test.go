package gate_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/gate"
)

// The frames of HTTP/2 that a hostile client needs, and error codes (RFC 9113, sections 6 and 7).
const (
	preface                = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	frameHeaders           = 1
	frameReset             = 3
	frameSettings          = 4
	frameGoAway            = 7
	flagsEndBoth           = 0x1 | 0x4 // of the stream, of the headers
	flagAck                = 0x1
	codeCancel             = 8
	codeEnhanceYourCalm    = 11
	streamsOfTheHostile    = 2_000
	getSlash               = "\x82\x84\x87\x41\x01h" // GET / https, authority h: RFC 7541, appendix A
	hostileTimeout         = 30 * time.Second
	frameHeaderBytes       = 9
	goodRequestsMeanwhile  = 20
	handlersOfOneHTTP2Conn = 64
)

func appendFrame(b []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	b = append(b, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// secureServer is a real server with TLS, whose answers to / wait until they are let go, counting how many of those there are at a time.
type secureServer struct {
	address string
	roots   *x509.CertPool
	let     chan struct{}

	mu            sync.Mutex // guards those below
	running, most int
}

func startSecure(t *testing.T) *secureServer {
	t.Helper()
	dir := t.TempDir()
	chain, key := pair(t, time.Now().AddDate(0, 1, 0))
	write(t, filepath.Join(dir, "chain"), chain, 0o644)
	write(t, filepath.Join(dir, "key"), key, 0o600)
	certificate, err := gate.OpenCertificate(filepath.Join(dir, "chain"), filepath.Join(dir, "key"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &secureServer{address: inner.Addr().String(), roots: x509.NewCertPool(), let: make(chan struct{})}
	s.roots.AppendCertsFromPEM(chain)
	l := gate.Limit(inner, 100, 100)
	server := gate.NewServer(http.HandlerFunc(s.answer), certificate, slog.New(slog.DiscardHandler))
	server.ConnState = l.Follow
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(l, "", "") }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

func (s *secureServer) answer(_ http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		return
	}
	s.mu.Lock()
	s.running++
	s.most = max(s.most, s.running)
	s.mu.Unlock()
	<-s.let // whatever becomes of the request: work that was begun
	s.mu.Lock()
	s.running--
	s.mu.Unlock()
}

// hostileClient opens a connection on which frames are written as they come, and reads until the server says that it has had enough, or until enough
// streams were reset; it returns how many were, and why the connection was given up.
func (s *secureServer) hostileClient(t *testing.T, resets int, frames func(stream uint32) []byte) (reset int, gaveUp uint32) {
	t.Helper()
	d := tls.Dialer{Config: &tls.Config{RootCAs: s.roots, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}}
	conn, err := d.DialContext(t.Context(), "tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // the server may have closed it
	if err := conn.SetDeadline(time.Now().Add(hostileTimeout)); err != nil {
		t.Fatal(err)
	}
	text := appendFrame([]byte(preface), frameSettings, 0, 0, nil)
	text = appendFrame(text, frameSettings, flagAck, 0, nil)
	for i := range uint32(streamsOfTheHostile) {
		text = append(text, frames(2*i+1)...)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { _, _ = conn.Write(text) }) // until the server has had enough
	in := bufio.NewReader(conn)
	for header := make([]byte, frameHeaderBytes); reset < resets; {
		if _, err := io.ReadFull(in, header); err != nil {
			t.Fatalf("after %d resets: %v", reset, err)
		}
		payload := make([]byte, int(header[0])<<16|int(header[1])<<8|int(header[2]))
		if _, err := io.ReadFull(in, payload); err != nil {
			t.Fatal(err)
		}
		switch header[3] {
		case frameReset:
			reset++
		case frameGoAway:
			_ = conn.Close()
			return reset, binary.BigEndian.Uint32(payload[4:])
		}
	}
	return reset, 0
}

// good shows that another caller is answered over HTTP/2.
func (s *secureServer) good(t *testing.T) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: hostileTimeout}
	for range goodRequestsMeanwhile {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.address+"/good", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2 {
			t.Errorf("got %s %d, %v", answer.Proto, answer.StatusCode, err)
		}
	}
}

// TestManyStreams shows that a client which opens thousands of requests on one connection, whatever it was told, has as many of them worked on as the
// limit says, that the others are refused one by one, and that others are answered meanwhile.
func TestManyStreams(t *testing.T) {
	s := startSecure(t)
	reset, gaveUp := s.hostileClient(t, streamsOfTheHostile-handlersOfOneHTTP2Conn, func(stream uint32) []byte {
		return appendFrame(nil, frameHeaders, flagsEndBoth, stream, []byte(getSlash))
	})
	if reset != streamsOfTheHostile-handlersOfOneHTTP2Conn || gaveUp != 0 {
		t.Errorf("%d of %d streams were refused, code %d", reset, streamsOfTheHostile, gaveUp)
	}
	s.good(t)
	s.atMost(t)
}

// TestRapidReset shows that a client which opens requests and cancels them at once (CVE-2023-44487) does not get more of them worked on than the limit
// says, although what was begun goes on: the connection is given up, and others are answered meanwhile.
func TestRapidReset(t *testing.T) {
	s := startSecure(t)
	_, gaveUp := s.hostileClient(t, streamsOfTheHostile, func(stream uint32) []byte {
		text := appendFrame(nil, frameHeaders, flagsEndBoth, stream, []byte(getSlash))
		return appendFrame(text, frameReset, 0, stream, binary.BigEndian.AppendUint32(nil, codeCancel))
	})
	if gaveUp != codeEnhanceYourCalm {
		t.Errorf("the connection was given up with %d, want %d", gaveUp, codeEnhanceYourCalm)
	}
	s.good(t)
	s.atMost(t)
}

// atMost compares how many handlers ran at a time, and lets them go.
func (s *secureServer) atMost(t *testing.T) {
	t.Helper()
	close(s.let)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.most > handlersOfOneHTTP2Conn || s.most == 0 {
		t.Errorf("%d requests of one connection were worked on at a time, at most %d are meant", s.most, handlersOfOneHTTP2Conn)
	}
}
