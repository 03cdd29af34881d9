package egress

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookswitch/hookswitch/internal/hook"
)

func TestAnswer(t *testing.T) {
	exact := strings.Repeat("y", hook.ResponseBytesMax)
	tests := []struct {
		name   string
		script func(*receiver, net.Conn)
		want   hook.Answer
	}{
		{"200", answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), hook.Answer{Status: 200, Response: []byte("ok")}},
		{"200 until close", answerOnce("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok"), hook.Answer{Status: 200, Response: []byte("ok")}},
		{
			"200 chunked", answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
			hook.Answer{Status: 200, Response: []byte("ok")},
		},
		{
			"200 of exactly the limit", answer("HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n" + exact),
			hook.Answer{Status: 200, Response: []byte(exact)},
		},
		{
			"200 of one byte more, never sent", answerAndHang("HTTP/1.1 200 OK\r\nContent-Length: 4097\r\n\r\n" + exact),
			hook.Answer{Status: 200, Response: []byte(exact)},
		},
		{"200 after 103", answer("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), hook.Answer{Status: 200}},
		{"200 with Retry-After", answer("HTTP/1.1 200 OK\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"), hook.Answer{Status: 200}},
		{
			"200 of HTTP/1.0", answerOnce("HTTP/1.0 200 OK\r\n\r\nok"),
			hook.Answer{Status: 200, Response: []byte("ok")},
		},
		{
			"nothing is decompressed", answer("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbomb"),
			hook.Answer{Status: 200, Response: []byte("bomb")},
		},
		{"204", answer("HTTP/1.1 204 No Content\r\n\r\n"), hook.Answer{Status: 204}},
		{"500", answer("HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nsick"), hook.Answer{Status: 500, Response: []byte("sick")}},
		{
			"429", answer("HTTP/1.1 429 Slow\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n"),
			hook.Answer{Status: 429, RetryAfter: 2 * time.Minute},
		},
		{
			"503 with garbage to wait for", answer("HTTP/1.1 503 Busy\r\nRetry-After: -1\r\nContent-Length: 0\r\n\r\n"),
			hook.Answer{Status: 503},
		},
		{
			"close before the response", answerOnce(""),
			hook.Answer{Failure: hook.FailureBroken, Error: "the connection broke before the response was complete"},
		},
		{
			"close in the headers", answerOnce("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"),
			hook.Answer{Failure: hook.FailureBroken, Error: "the connection broke before the response was complete"},
		},
		{
			"close in the body", answerOnce("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
			hook.Answer{
				Status: 200, Response: []byte("half"), Failure: hook.FailureBroken, Error: "the connection broke before the response was complete",
			},
		},
		{
			"close in a chunk", answerOnce("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf"),
			hook.Answer{
				Status: 200, Response: []byte("half"), Failure: hook.FailureBroken, Error: "the connection broke before the response was complete",
			},
		},
		{
			"chunks that are none", answerAndHang("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nwhat\r\n"),
			hook.Answer{Status: 200, Failure: hook.FailureRequest, Error: "invalid byte in chunk length"},
		},
		{
			"not HTTP", answerAndHang("220 mail.example ESMTP\r\n\r\n"),
			hook.Answer{Failure: hook.FailureRequest, Error: `malformed HTTP status code "mail.example"`},
		},
		{
			"not HTTP, with bytes to harm a terminal", answerAndHang("\x1b[2J\x00\r\n\r\n"),
			hook.Answer{Failure: hook.FailureRequest, Error: `malformed HTTP response "\x1b[2J\x00"`},
		},
		{
			// The body of a 101 is the connection itself, which no context interrupts.
			"101 that nobody asked for", answerAndHang("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
			hook.Answer{
				Status: 101, Failure: hook.FailureRequest,
				Error: "the receiver answered 101 Switching Protocols, which was not asked for",
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := listen(t, test.script)
			got := send(t, newClient(t), r.url(), long)
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(hook.Answer{}, "Took", "Timing"), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			if n := r.requests.Load(); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	tests := []struct {
		name   string
		script func(*receiver, net.Conn)
		status int
		text   string
	}{
		{"silence before the headers", answerAndHang(""), 0, "no response within 150ms"},
		{"drip of headers", drip("HTTP/1.1 200 OK\r\nX-Drip: "), 0, "no response within 150ms"},
		{"silence after the headers", answerAndHang("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), 200, "the response body was not complete within 150ms"},
		{"drip of a body", drip("HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n"), 200, "the response body was not complete within 150ms"},
		{"drip of a body without length", drip("HTTP/1.1 200 OK\r\n\r\n"), 200, "the response body was not complete within 150ms"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			gone := make(chan struct{})
			r := listen(t, func(r *receiver, conn net.Conn) {
				defer close(gone)
				test.script(r, conn)
			})
			a := send(t, newClient(t), r.url(), short)
			wantFailure(t, a, hook.FailureTimeout, test.text)
			if a.Status != test.status {
				t.Errorf("status %d", a.Status)
			}
			if a.Took < short || a.Took > short+5*time.Second {
				t.Errorf("took %s", a.Took)
			}
			<-gone // the connection was closed: every script runs until then
		})
	}
}

func TestRequestNeverRead(t *testing.T) {
	release := make(chan struct{})
	r := listen(t, func(_ *receiver, _ net.Conn) { <-release })
	defer close(release)
	p := post(t, r.url(), short)
	p.Body = make([]byte, 64<<20) // more than the sockets hold
	wantFailure(t, newClient(t).Send(t.Context(), p), hook.FailureTimeout, "no response within 150ms")
}

func TestFloodIsNotDrained(t *testing.T) {
	const acceptable = 32 << 20 // what the sockets of a loopback may hold
	tests := []struct {
		name, text, piece string
		want              hook.Answer
	}{
		{
			"body", "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n", "z",
			hook.Answer{Status: 200, Response: []byte(strings.Repeat("z", hook.ResponseBytesMax))},
		},
		{
			"body without end", "HTTP/1.1 500 Oops\r\n\r\n", "z",
			hook.Answer{Status: 500, Response: []byte(strings.Repeat("z", hook.ResponseBytesMax))},
		},
		{
			"one header", "HTTP/1.1 200 OK\r\nX-Flood: ", "z",
			hook.Answer{Failure: hook.FailureRequest, Error: "the response headers are longer than 65536 bytes"},
		},
		{
			"headers", "HTTP/1.1 200 OK\r\n", "X-Flood: z\r\n",
			hook.Answer{Failure: hook.FailureRequest, Error: "the response headers are longer than 65536 bytes"},
		},
		{
			"interim responses", "", "HTTP/1.1 100 Continue\r\n\r\n",
			hook.Answer{Failure: hook.FailureRequest, Error: "the response headers are longer than 65536 bytes"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var written atomic.Int64
			gone := make(chan struct{})
			r := listen(t, func(r *receiver, conn net.Conn) {
				defer close(gone)
				flood(test.text, test.piece, &written)(r, conn)
			})
			got := send(t, newClient(t), r.url(), long)
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(hook.Answer{}, "Took", "Timing")); diff != "" {
				t.Error(diff)
			}
			<-gone
			if n := written.Load(); n > acceptable {
				t.Errorf("the receiver got rid of %d bytes", n)
			}
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	for _, status := range []string{"301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"} {
		t.Run(status, func(t *testing.T) {
			other := listen(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
			r := listen(t, answer("HTTP/1.1 "+status+"\r\nLocation: "+other.url()+"\r\nContent-Length: 0\r\n\r\n"))
			a := send(t, newClient(t), r.url(), long)
			if a.Failure != hook.FailureNone || a.Status/100 != 3 {
				t.Errorf("got %+v", a)
			}
			if got := hook.Success2xx.Judge(&a); got != hook.FailureRedirect {
				t.Errorf("judged %s", got)
			}
			if n := other.connections.Load(); n != 0 {
				t.Errorf("the other host got %d connections", n)
			}
		})
	}
}

func TestRequestIsSentAsGiven(t *testing.T) {
	got := make(chan string, 1)
	r := listen(t, func(_ *receiver, conn net.Conn) {
		in := bufio.NewReader(conn)
		var text strings.Builder
		for !strings.HasSuffix(text.String(), payload) {
			b, err := in.ReadByte()
			if err != nil {
				break
			}
			text.WriteByte(b)
		}
		got <- text.String()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") // the client may have gone
	})
	tests := []struct {
		name   string
		header http.Header
		want   string
	}{
		{"no headers", nil, ""},
		{"headers", http.Header{"X-B3-TraceId": {"1"}, "X-Hub-Signature": {"sha1=0"}}, "X-B3-TraceId: 1\r\nX-Hub-Signature: sha1=0\r\n"},
		{"a user agent", http.Header{"User-Agent": {"Hookswitch/1"}}, "User-Agent: Hookswitch/1\r\n"},
		{"a key of the receiver's", http.Header{"Idempotency-Key": {"k"}}, "Idempotency-Key: k\r\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := hook.Post{URL: parse(t, r.url()), Header: test.header, Body: []byte(payload), Timeout: long}
			if a := newClient(t).Send(t.Context(), p); a.Status != 200 {
				t.Fatalf("got %+v", a)
			}
			// net/http writes Host, User-Agent and Content-Length first, in this order.
			agent, rest := "", test.want
			if strings.HasPrefix(rest, "User-Agent") {
				agent, rest = rest, ""
			}
			want := "POST /hook?token=hunter2 HTTP/1.1\r\nHost: " + r.address + "\r\n" + agent + "Content-Length: 54\r\n" + rest + "\r\n" + payload
			if diff := cmp.Diff(want, <-got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPostThatCannotBeMade(t *testing.T) {
	tests := []struct {
		name, url, text string
	}{
		{"credentials", "http://user:hunter2@127.0.0.1:1/", "the URL holds credentials, which are not sent"},
		{"name only", "https://user@127.0.0.1:1/", "the URL holds credentials, which are not sent"},
		{"file", "file:///etc/passwd", "the URL is not absolute"},
		{"gopher", "gopher://127.0.0.1/", "the URL is neither https nor http"},
		{"relative", "/hook", "the URL is not absolute"},
		{"opaque", "http:127.0.0.1", "the URL is not absolute"},
		{"port out of range", "http://127.0.0.1:99999/", "address 99999: invalid port"},
	}
	c := newClient(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantFailure(t, send(t, c, test.url, long), hook.FailureRequest, test.text)
		})
	}
	t.Run("no URL", func(t *testing.T) {
		wantFailure(t, c.Send(t.Context(), hook.Post{Timeout: long}), hook.FailureRequest, "the URL is not absolute")
	})
	t.Run("header with a line break", func(t *testing.T) {
		p := post(t, "http://127.0.0.1:1/", long)
		p.Header["X-Evil"] = []string{"hunter2\r\nX-More: 1"}
		wantFailure(t, c.Send(t.Context(), p), hook.FailureRequest, `invalid header field value for "X-Evil"`)
	})
}

func TestRefusedPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, send(t, newClient(t), "http://"+address+"/", long), hook.FailureRefused, "connection refused: "+address)
}

func TestCallerCancels(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := listen(t, func(r *receiver, conn net.Conn) {
		in := bufio.NewReader(conn)
		if _, ok := r.next(in); ok {
			cancel()
			_, _ = in.ReadByte() // ends when the client has closed
		}
	})
	a := newClient(t).Send(ctx, post(t, r.url(), long))
	wantFailure(t, a, hook.FailureBroken, Cancelled)
	if ctx.Err() == nil {
		t.Error("the context is how a caller knows")
	}
}

func TestNoProxy(t *testing.T) {
	// The environment is read once per process by net/http, so what counts is that it is never asked.
	if c := newClient(t); c.transport.Proxy != nil {
		t.Error("a proxy dials addresses that nobody checked")
	}
}

func TestErrorsHoldNoSecrets(t *testing.T) {
	c := newClient(t)
	for _, script := range []func(*receiver, net.Conn){
		answerOnce(""), answerAndHang(""), answerAndHang("garbage\r\n\r\n"), answerOnce("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
	} {
		a := send(t, c, listen(t, script).url(), short)
		if a.Failure == hook.FailureNone || strings.Contains(a.Error, "hunter2") {
			t.Errorf("got %+v", a)
		}
	}
}

// A post may allow another size of its response, and no more than that is read.
func TestResponseMax(t *testing.T) {
	const limit = 3 * hook.ResponseBytesMax
	for name, script := range map[string]string{
		"of that size":       fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", limit) + strings.Repeat("y", limit),
		"larger":             fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", limit+1) + strings.Repeat("y", limit+1),
		"of an unknown size": "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + strings.Repeat("y", limit+1),
	} {
		t.Run(name, func(t *testing.T) {
			r := listen(t, answerOnce(script))
			p := post(t, r.url(), long)
			p.ResponseMax = limit
			if a := newClient(t).Send(t.Context(), p); a.Status != 200 || a.Failure != hook.FailureNone || len(a.Response) != limit {
				t.Errorf("%d bytes: %d %s %s", len(a.Response), a.Status, a.Failure, a.Error)
			}
		})
	}
}
