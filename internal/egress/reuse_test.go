package egress

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestConnectionIsReused(t *testing.T) {
	const posts = 50
	tests := []struct {
		name, response string
		connections    int64
	}{
		{"short body", ok, 1},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n", 1},
		{"chunked body", "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1},
		{"body over the limit", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + string(make([]byte, 5_000)), posts},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := listen(t, answer(test.response))
			c := newClient(t)
			for range posts {
				if a := send(t, c, r.url(), long); a.Failure != hook.FailureNone {
					t.Fatalf("got %+v", a)
				}
			}
			if n := r.connections.Load(); n != test.connections {
				t.Errorf("%d connections, want %d", n, test.connections)
			}
		})
	}
}

// mayAnswer scripts a receiver that answers the first request of each connection and ends the connection when the
// second comes, as one does that closes an idle connection while it is being used again. Its first connections answer
// only when all of them have a request.
func mayAnswer(together *sync.WaitGroup, bodies chan<- string) func(*receiver, net.Conn) {
	return func(r *receiver, conn net.Conn) {
		in := bufio.NewReader(conn)
		for first := true; ; first = false {
			body, read := r.next(in)
			if !read {
				return
			}
			bodies <- string(body)
			if !first {
				return
			}
			together.Done()
			together.Wait()
			if _, err := io.WriteString(conn, ok); err != nil {
				return
			}
		}
	}
}

func TestReusedConnectionThatDied(t *testing.T) {
	const posts = 10 // all that the receiver may get
	tests := []struct {
		name string
		idle int // connections that will die
		want hook.Failure
		text string
	}{
		{"one, repeated on a fresh connection", 1, hook.FailureNone, ""},
		{"more, repeated once", 3, hook.FailureBroken, "the connection broke before the response was complete"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var together, sent sync.WaitGroup
			together.Add(test.idle)
			bodies := make(chan string, posts)
			r := listen(t, func(r *receiver, conn net.Conn) {
				if r.connections.Load() > int64(test.idle) { // the fresh one
					answer(ok)(r, conn)
					return
				}
				mayAnswer(&together, bodies)(r, conn)
			})
			c := newClient(t)
			for range test.idle {
				sent.Go(func() {
					if a := c.Send(t.Context(), post(t, r.url(), long)); a.Failure != hook.FailureNone {
						t.Errorf("got %+v", a)
					}
				})
			}
			sent.Wait()
			wantFailure(t, send(t, c, r.url(), long), test.want, test.text)
			if n := r.requests.Load(); n != int64(test.idle)+1+repeatsMax {
				t.Errorf("%d requests", n)
			}
			for range test.idle + 1 {
				if body := <-bodies; body != payload {
					t.Errorf("got body %q", body)
				}
			}
		})
	}
}

func TestFreshConnectionThatDiesIsNotRepeated(t *testing.T) {
	r := listen(t, answerOnce(""))
	wantFailure(t, send(t, newClient(t), r.url(), long), hook.FailureBroken, "the connection broke before the response was complete")
	if n := r.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestReusedConnectionThatBreaksInItsResponseIsNotRepeated(t *testing.T) {
	r := listen(t, func(r *receiver, conn net.Conn) {
		in := bufio.NewReader(conn)
		for _, response := range []string{ok, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"} {
			if _, read := r.next(in); !read {
				return
			}
			_, _ = io.WriteString(conn, response) // the client may have gone
		}
	})
	c := newClient(t)
	wantFailure(t, send(t, c, r.url(), long), hook.FailureNone, "")
	wantFailure(t, send(t, c, r.url(), long), hook.FailureBroken, "the connection broke before the response was complete")
	if n := r.requests.Load(); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// TestIdleConnectionsClosedByTheReceiver races each post with the end of the connection before it.
func TestIdleConnectionsClosedByTheReceiver(t *testing.T) {
	for _, test := range []struct {
		name  string
		bytes int
	}{{"one write", 300}, {"many writes", 300_000}} {
		t.Run(test.name, func(t *testing.T) {
			r := listen(t, answerOnce(ok)) // closes without saying so
			c := newClient(t)
			p := post(t, r.url(), long)
			p.Body = bytes.Repeat([]byte("x"), test.bytes)
			for range 100 {
				if a := c.Send(t.Context(), p); a.Failure != hook.FailureNone {
					t.Fatalf("got %+v", a)
				}
			}
		})
	}
}
