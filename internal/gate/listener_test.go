package gate_test

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/gate"
)

// crowded is a real server whose connections are bounded. Requests of /wait are answered when they are let go.
type crowded struct {
	*gate.Listener
	t    *testing.T
	port string
	let  chan struct{}
}

func crowd(t *testing.T, most, mostPerAddress int) *crowded {
	t.Helper()
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := &crowded{Listener: gate.Limit(inner, most, mostPerAddress), t: t, port: port, let: make(chan struct{})}
	server := gate.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush() // a caller that is gone is no matter here
			<-c.let
		}
	}), nil, slog.New(slog.DiscardHandler))
	server.ConnState = c.Follow
	served := make(chan error, 1)
	go func() { served <- server.Serve(c) }()
	t.Cleanup(func() {
		close(c.let)
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if c.Open() != 0 {
			t.Errorf("%d are open in the end", c.Open())
		}
	})
	return c
}

// guest is a connection to such a server.
type guest struct {
	net.Conn
	in *bufio.Reader
}

func (c *crowded) dial(from string) *guest {
	c.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.DialContext(c.t.Context(), "tcp", "127.0.0.1:"+c.port)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() }) // it may be closed by the other side already
	if err := conn.SetDeadline(time.Now().Add(hostileTimeout)); err != nil {
		c.t.Fatal(err)
	}
	return &guest{conn, bufio.NewReader(conn)}
}

// ask makes a request, and reports whether it was answered.
func (g *guest) ask(path string) bool {
	if _, err := io.WriteString(g, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		return false
	}
	answer, err := http.ReadResponse(g.in, nil)
	if err != nil {
		return false
	}
	if path == "/wait" { // its end is still to come
		return answer.StatusCode == http.StatusOK
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return errors.Join(err, answer.Body.Close()) == nil
}

// settled waits until the server has heard of what was done on its connections.
func (c *crowded) settled(quiet int) {
	c.t.Helper()
	for tick, end := time.NewTicker(time.Millisecond), time.Now().Add(hostileTimeout); c.Quiet() != quiet; <-tick.C {
		if time.Now().After(end) {
			c.t.Fatalf("%d connections are quiet, want %d", c.Quiet(), quiet)
		}
	}
}

// ended reports whether the server has closed a connection.
func (g *guest) ended() bool {
	_, err := g.in.Peek(1)
	return errors.Is(err, io.EOF)
}

// TestQuietConnectionsMakeRoom shows that connections which are kept, however many addresses they are of, keep nobody out: the one that goes is the
// longest quiet one of the address that has most, and none on which a request is worked on.
func TestQuietConnectionsMakeRoom(t *testing.T) {
	for name, use := range map[string]func(*guest) bool{
		"kept after a request": func(g *guest) bool { return g.ask("/") },
		"that say nothing":     func(*guest) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			c := crowd(t, 10, 6)
			few := c.dial("127.0.1.1")
			busy := c.dial("127.0.1.2")
			if !few.ask("/") || !busy.ask("/wait") {
				t.Fatal("not answered")
			}
			var many []*guest
			for i := range 5 {
				g := c.dial("127.0.1.2")
				if !use(g) {
					t.Fatal("not answered")
				}
				c.settled(2 + i)
				many = append(many, g)
			}
			for i := range 3 { // as many as there are places
				if !c.dial("127.0.1.3").ask("/") {
					t.Fatal("not answered")
				}
				c.settled(7 + i)
			}
			for i := range 2 { // of a new address each
				if from := []string{"127.0.1.4", "127.0.1.5"}[i]; !c.dial(from).ask("/") {
					t.Errorf("%s did not get in", from)
				}
				if !many[i].ended() {
					t.Errorf("connection %d, the longest quiet one of those of most, is still open", i)
				}
			}
			c.settled(9)
			if !few.ask("/") || !many[2].ask("/") {
				t.Error("another one was closed")
			}
			if c.Open() != 10 || c.Refused() != 0 || c.Ended() != 2 {
				t.Errorf("%d open, %d refused, %d ended", c.Open(), c.Refused(), c.Ended())
			}
		})
	}
}

// TestAddressMakesRoomForItself shows that an address which has as many as it may closes one of its own, and that an address which has as many as any
// closes nobody else's.
func TestAddressMakesRoomForItself(t *testing.T) {
	c := crowd(t, 4, 2)
	var asked [2]*guest
	for i := range asked { // the first is quiet before the second is
		if asked[i] = c.dial("127.0.1.1"); !asked[i].ask("/") {
			t.Fatal("not answered")
		}
		c.settled(1 + i)
	}
	first, second := asked[0], asked[1]
	if !c.dial("127.0.1.1").ask("/") || !first.ended() {
		t.Error("the third of an address took not the place of its first")
	}
	other := c.dial("127.0.1.2")
	if !other.ask("/wait") || !c.dial("127.0.1.2").ask("/wait") {
		t.Fatal("not answered")
	}
	if c.dial("127.0.1.2").ask("/") {
		t.Error("a third of an address got in, although both others are worked on")
	}
	if !second.ask("/") {
		t.Error("another's was closed")
	}
	if c.Open() != 4 || c.Refused() != 1 || c.Ended() != 1 {
		t.Errorf("%d open, %d refused, %d ended", c.Open(), c.Refused(), c.Ended())
	}
}

// TestBusyConnectionsStay shows that where a request is worked on on every connection none is closed.
func TestBusyConnectionsStay(t *testing.T) {
	c := crowd(t, 3, 3)
	for range 3 {
		if !c.dial("127.0.1.1").ask("/wait") {
			t.Fatal("not answered")
		}
	}
	if c.dial("127.0.1.2").ask("/") || c.Ended() != 0 || c.Refused() != 1 {
		t.Errorf("%d ended, %d refused", c.Ended(), c.Refused())
	}
}
