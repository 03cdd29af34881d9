package egress

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// sink reads requests of the size of its first one as fast as it can, so that the benchmark measures the client.
func sink(_ *receiver, conn net.Conn) {
	in := bufio.NewReader(conn)
	for {
		for blank := false; !blank; {
			line, err := in.ReadSlice('\n')
			if err != nil {
				return
			}
			blank = len(line) == 2
		}
		if _, err := in.Discard(benchBytes); err != nil {
			return
		}
		if _, err := io.WriteString(conn, ok); err != nil {
			return
		}
	}
}

const benchBytes = 350

func benchPost(b *testing.B, raw string) hook.Post {
	b.Helper()
	return hook.Post{URL: parse(b, raw), Body: []byte(strings.Repeat("x", benchBytes)), Timeout: long}
}

// benchHeader returns what the engine sends; the map itself is part of the cost of each attempt, wherever it is made.
func benchHeader() http.Header {
	return http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"Hookswitch/1"}, "X-Hub-Signature": {"sha1=0123456789012345678901234567890123456789"},
		"X-B3-TraceId": {"01234567890123456789012345678901"}, "X-B3-SpanId": {"0123456789012345"}, "X-B3-Sampled": {"1"}, "x-ccid": {"cc"},
		"Webhook-Id": {"f6c49d91-926b-4473-b2f3-8d8fd295c968"}, "Webhook-Timestamp": {"1614265330"}, "Hookswitch-Attempt": {"1"},
	}
}

func BenchmarkSend(b *testing.B) {
	r := listen(b, sink)
	c := newClient(b)
	p := benchPost(b, r.url())
	b.SetParallelism(16) // times GOMAXPROCS
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p := p
			p.Header = benchHeader()
			if a := c.Send(b.Context(), p); a.Failure != hook.FailureNone {
				b.Errorf("got %+v", a)
			}
		}
	})
}
