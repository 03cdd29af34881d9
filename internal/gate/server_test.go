package gate_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/gate"
)

// TestConnectionsAreBounded shows that connections beyond the limit of an address, and beyond that of all, are closed before anything is read, and that
// a place that was left is free again.
func TestConnectionsAreBounded(t *testing.T) {
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	l := gate.Limit(inner, 5, 3)
	accepted := make(chan net.Conn, 10)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, err = c.Write([]byte("in"))
			if err != nil {
				t.Error(err)
			}
			accepted <- c
		}
	}()
	_, port, err := net.SplitHostPort(inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	dial := func(from string) (in bool) {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err := d.DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() }) // it may be closed by the other side already
		_, err = io.ReadFull(c, make([]byte, 2))
		return err == nil
	}
	var got []bool
	for _, from := range []string{"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.3"} {
		got = append(got, dial(from))
	}
	if diff := cmp.Diff([]bool{true, true, true, false, true, true, false}, got); diff != "" {
		t.Error(diff)
	}
	if l.Open() != 5 || l.Refused() != 2 {
		t.Errorf("%d open, %d refused", l.Open(), l.Refused())
	}
	c := <-accepted // one of 127.0.0.1
	if err := errors.Join(c.Close()); err != nil {
		t.Error(err)
	}
	_ = c.Close() // closing twice frees one place only, whatever it says
	if !dial("127.0.0.1") || dial("127.0.0.1") {
		t.Error("one place was left, and not one came in")
	}
	for len(accepted) > 0 {
		if err := (<-accepted).Close(); err != nil {
			t.Error(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	<-ended
	if l.Open() != 0 {
		t.Errorf("%d are open in the end", l.Open())
	}
}

// TestEveryLimitOfTheServer names the limits of every server, so that none is lost: zero would be none in net/http.
func TestEveryLimitOfTheServer(t *testing.T) {
	s := gate.NewServer(http.NotFoundHandler(), nil, slog.New(slog.DiscardHandler))
	got := []any{s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout, s.MaxHeaderBytes, *s.HTTP2}
	want := []any{
		10 * time.Second, 30 * time.Second, 2 * time.Minute, 2 * time.Minute, 32 << 10,
		http.HTTP2Config{
			MaxConcurrentStreams: 64, MaxReceiveBufferPerConnection: 512 << 10, MaxReceiveBufferPerStream: 128 << 10,
			SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second, WriteByteTimeout: 30 * time.Second,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestDribblingIsCutOff shows, on a clock of its own, when a server gives up on a connection that says nothing, a header and a body that dribble
// by a byte a second, and a reader that takes nothing of its answer.
func TestDribblingIsCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		begin string
		drip  string
		want  time.Duration
	}{
		"nothing":  {"", "", 10 * time.Second},
		"a header": {"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ", "x", 10 * time.Second},
		"a body":   {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n", "x", 30 * time.Second},
		"a reader": {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "", 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, client := net.Pipe()
				handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, err := io.Copy(io.Discard, r.Body)
					if err == nil {
						_, err = w.Write(make([]byte, 1<<20))
					}
					if err == nil {
						t.Error("all was read and written")
					}
				})
				s := gate.NewServer(handler, nil, slog.New(slog.DiscardHandler))
				l := &single{conn: server, ended: make(chan struct{})}
				served := make(chan error, 1)
				go func() { served <- s.Serve(l) }()
				if name != "a reader" {
					go func() { _, _ = io.Copy(io.Discard, client) }() // until the connection ends, either way
				}
				begun := time.Now()
				if _, err := io.WriteString(client, c.begin); err != nil {
					t.Fatal(err)
				}
				for c.drip != "" {
					<-time.After(time.Second)
					if _, err := io.WriteString(client, c.drip); err != nil {
						break
					}
				}
				<-l.ended
				if took := time.Since(begun); took < c.want || took > c.want+2*time.Second {
					t.Errorf("cut off after %v, want %v", took, c.want)
				}
				if err := errors.Join(client.Close(), s.Shutdown(context.Background())); err != nil {
					t.Error(err)
				}
				if err := <-served; !errors.Is(err, http.ErrServerClosed) {
					t.Error(err)
				}
			})
		})
	}
}

// single is a listener of one connection, which tells when that was closed.
type single struct {
	conn  net.Conn
	taken bool
	ended chan struct{}
	done  bool
}

func (l *single) Accept() (net.Conn, error) {
	if l.taken {
		<-l.ended
		return nil, http.ErrServerClosed
	}
	l.taken = true
	return &telling{Conn: l.conn, l: l}, nil
}

func (*single) Close() error     { return nil }
func (l *single) Addr() net.Addr { return l.conn.LocalAddr() }

type telling struct {
	net.Conn
	l *single
}

func (c *telling) Close() error {
	if !c.l.done {
		c.l.done = true
		close(c.l.ended)
	}
	return c.Conn.Close()
}

// TestHeadersOfEveryAnswer compares what every answer says with literals, without TLS and with it, and shows that a handler may say otherwise.
func TestHeadersOfEveryAnswer(t *testing.T) {
	own := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/docs/" {
			w.Header().Set("Content-Security-Policy", "its own")
		}
	})
	for publicURL, hsts := range map[string]string{"http://h.example": "", "https://h.example/base": "max-age=31536000"} {
		for path, policy := range map[string]string{"/": "default-src 'none'; frame-ancestors 'none'", "/docs/": "its own"} {
			w := httptest.NewRecorder()
			gate.Protect(own, publicURL, http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
			want := http.Header{
				"X-Content-Type-Options": {"nosniff"}, "X-Frame-Options": {"DENY"}, "Content-Security-Policy": {policy}, "Referrer-Policy": {"no-referrer"},
				"Cross-Origin-Resource-Policy": {"same-origin"}, "Cross-Origin-Opener-Policy": {"same-origin"}, "Cache-Control": {"no-store"},
			}
			if hsts != "" {
				want.Set("Strict-Transport-Security", hsts)
			}
			if diff := cmp.Diff(want, w.Header()); diff != "" {
				t.Errorf("%s%s: %s", publicURL, path, diff)
			}
		}
	}
}

// TestOtherOrigins shows which requests of browsers are refused before a handler sees them, and that programs pass.
func TestOtherOrigins(t *testing.T) {
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	handler := gate.Protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }), "https://public.example/base", refuse)
	for name, c := range map[string]struct {
		method string
		header string // as name: value, lines
		want   int
	}{
		"a program":                             {"POST", "", 202},
		"a page of ours":                        {"POST", "Sec-Fetch-Site: same-origin\nOrigin: https://h.example", 202},
		"a bookmark":                            {"POST", "Sec-Fetch-Site: none", 202},
		"a page of another's":                   {"POST", "Sec-Fetch-Site: cross-site\nOrigin: https://evil.example", 403},
		"a page of a sibling":                   {"DELETE", "Sec-Fetch-Site: same-site\nOrigin: https://x.h.example", 403},
		"an old browser, ours":                  {"PATCH", "Origin: https://h.example", 202},
		"an old browser, another's":             {"PATCH", "Origin: https://evil.example", 403},
		"a sandboxed frame":                     {"POST", "Origin: null", 403},
		"behind a proxy that changes Host":      {"POST", "Sec-Fetch-Site: cross-site\nOrigin: https://public.example", 202},
		"reading from a page of another's":      {"GET", "Sec-Fetch-Site: cross-site\nOrigin: https://evil.example", 202},
		"asking before, from another's, passes": {"OPTIONS", "Sec-Fetch-Site: cross-site\nOrigin: https://evil.example", 202},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "https://h.example/v1/webhooks", http.NoBody)
			for line := range strings.Lines(c.header) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("got %d, want %d", w.Code, c.want)
			}
			for name := range w.Header() {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("the answer has %s: nobody of another origin reads us", name)
				}
			}
		})
	}
}

// TestOperations shows what the operators' listener answers, and that the command line, which may hold a key, is not among it.
func TestOperations(t *testing.T) {
	said := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }) // a recorder takes all
	}
	handler := gate.Operations(said("api"), said("metrics"))
	for path, want := range map[string]string{
		"/metrics": "metrics", "/healthz": "api", "/readyz": "api", "/debug/pprof/": "goroutine", "/debug/pprof/heap?debug=1": "heap profile",
		"/debug/pprof/cmdline": "Unknown profile", "/v1/webhooks": "404 page not found", "/": "404 page not found",
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s says %.80q, want %q", path, w.Body.String(), want)
		}
	}
}
