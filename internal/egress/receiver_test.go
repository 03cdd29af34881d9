package egress

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// short is the timeout of posts that are meant to run into it.
	short = 150 * time.Millisecond
	// long is the timeout of posts that are not, and what a post may take at most when its own timeout is short.
	long = 20 * time.Second
)

const payload = `{"operationId":"f6c49d91-926b-4473-b2f3-8d8fd295c968"}`

// loopback is what tests allow.
func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// newClient returns a client that may reach the tests' receivers.
func newClient(t testing.TB) *Client {
	t.Helper()
	c := New(Options{AllowPrivate: loopback()})
	t.Cleanup(c.Close)
	return c
}

func parse(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// post returns a post to a URL.
func post(t testing.TB, raw string, timeout time.Duration) hook.Post {
	t.Helper()
	return hook.Post{
		URL: parse(t, raw), Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(payload), Timeout: timeout,
	}
}

func send(t testing.TB, c *Client, raw string, timeout time.Duration) hook.Answer {
	t.Helper()
	a := c.Send(t.Context(), post(t, raw, timeout))
	if a.Took <= 0 || a.Took > long {
		t.Errorf("took %s", a.Took)
	}
	return a
}

// wantFailure checks an answer's class of failure and its text.
func wantFailure(t testing.TB, a hook.Answer, failure hook.Failure, text string) {
	t.Helper()
	if a.Failure != failure || a.Error != text {
		t.Errorf("got %q %q, want %q %q", a.Failure, a.Error, failure, text)
	}
}

// receiver is a TCP server whose every byte is scripted.
type receiver struct {
	address     string
	connections atomic.Int64
	requests    atomic.Int64
}

// listen starts a receiver that hands each connection to serve and closes it afterwards. The clean-up waits for all.
func listen(t testing.TB, serve func(r *receiver, conn net.Conn)) *receiver {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{address: listener.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed by the clean-up
			}
			r.connections.Add(1)
			all.Go(func() {
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				defer conn.Close()
				serve(r, conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		cancel()
		all.Wait()
	})
	return r
}

func (r *receiver) url() string { return "http://" + r.address + "/hook?token=hunter2" }

// next reads one request with its body and counts it; ok is false when the connection ends.
func (r *receiver) next(in *bufio.Reader) (body []byte, ok bool) {
	request, err := http.ReadRequest(in)
	if err != nil {
		return nil, false
	}
	body, err = io.ReadAll(request.Body)
	if err != nil {
		return nil, false
	}
	r.requests.Add(1)
	return body, true
}

// answer returns a script that reads a request, writes the text and keeps the connection for the next one.
func answer(text string) func(*receiver, net.Conn) {
	return func(r *receiver, conn net.Conn) {
		in := bufio.NewReader(conn)
		for {
			if _, ok := r.next(in); !ok {
				return
			}
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
		}
	}
}

// answerOnce returns a script that reads a request, writes the text and closes.
func answerOnce(text string) func(*receiver, net.Conn) {
	return func(r *receiver, conn net.Conn) {
		if _, ok := r.next(bufio.NewReader(conn)); ok {
			_, _ = io.WriteString(conn, text) // the client may have gone
		}
	}
}

// answerAndHang returns a script that reads a request, writes the text and waits for the client to close.
func answerAndHang(text string) func(*receiver, net.Conn) {
	return func(r *receiver, conn net.Conn) {
		in := bufio.NewReader(conn)
		if _, ok := r.next(in); !ok {
			return
		}
		_, _ = io.WriteString(conn, text) // the client may have gone
		_, _ = in.ReadByte()              // ends when it has
	}
}

// drip returns a script that reads a request, writes the text and then one byte after another, slowly and for ever.
func drip(text string) func(*receiver, net.Conn) {
	return func(r *receiver, conn net.Conn) {
		if _, ok := r.next(bufio.NewReader(conn)); !ok {
			return
		}
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for piece := []byte(text); ; piece = []byte("x") {
			if _, err := conn.Write(piece); err != nil {
				return
			}
			<-tick.C
		}
	}
}

// flood returns a script that reads a request, writes the text and then a piece for ever, and tells how much it wrote.
func flood(text, piece string, written *atomic.Int64) func(*receiver, net.Conn) {
	return func(r *receiver, conn net.Conn) {
		if _, ok := r.next(bufio.NewReader(conn)); !ok {
			return
		}
		for b := []byte(text); ; b = bytes.Repeat([]byte(piece), 1+8_192/len(piece)) {
			n, err := conn.Write(b)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	}
}
