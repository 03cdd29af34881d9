package egress

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// repeatsMax is how often a post is repeated within one attempt, after its reused connection turned out to be dead.
const repeatsMax = 1

// The stages of a post, for the words of a timeout.
const (
	stageDial      uint32 = iota // looking up, connecting
	stageProxy                   // connecting to the proxy
	stageTunnel                  // the proxy is connecting
	stageHandshake               // TLS
	stageRequest                 // there is a connection, new or reused
	stageBody                    // the headers are here
)

// sending is one post under way: the context, the body and the account of how far it got, in one allocation. What the
// transport's goroutines tell is atomic.
type sending struct {
	context.Context // with the attempt's deadline
	body            bytes.Reader
	trace           httptrace.ClientTrace
	stage           atomic.Uint32
	// reused is whether the connection has served before, answered whether a byte of response came.
	reused   atomic.Bool
	answered atomic.Bool
	repeats  int
	// began is when the attempt did, and firstByte how many nanoseconds later the first byte of response came; zero means none has.
	began     time.Time
	firstByte atomic.Int64
	// dialling is the post's last dial, and conn says whether the post goes on with what that made.
	dialling atomic.Pointer[dialling]
	conn     atomic.Uint32
}

func newSending(ctx context.Context, began time.Time) *sending {
	s := &sending{Context: ctx, began: began}
	s.trace.GotConn = func(c httptrace.GotConnInfo) {
		s.reused.Store(c.Reused)
		s.got(c.Conn)
		s.stage.Store(stageRequest)
	}
	s.trace.GotFirstResponseByte = func() {
		s.firstByte.CompareAndSwap(0, s.elapsed())
		s.answered.Store(true)
	}
	return s
}

// reach notes how far the dial of a post has got, unless the post has gone on with another connection.
func (s *sending) reach(stage uint32) {
	for {
		if was := s.stage.Load(); was >= stageRequest || s.stage.CompareAndSwap(was, stage) {
			return
		}
	}
}

// sendingKey is the key under which a sending, as a context, finds itself.
type sendingKey struct{}

// Value returns the sending itself for its key: the transport dials with a context that has the values of the post's,
// but neither its deadline nor its cancellation, and the dial needs the deadline.
func (s *sending) Value(key any) any {
	if _, ok := key.(sendingKey); ok {
		return s
	}
	return s.Context.Value(key)
}

// roundTrip posts, and posts once more when the connection was dead.
func (s *sending) roundTrip(transport *http.Transport, p *hook.Post) (*http.Response, error) {
	ctx := httptrace.WithClientTrace(s, &s.trace)
	header := p.Header
	if _, ok := header["User-Agent"]; !ok {
		header = maps.Clone(header)
		if header == nil {
			header = make(http.Header, 1)
		}
		header["User-Agent"] = nil // or net/http would send its own
	}
	for {
		r := http.Request{Method: http.MethodPost, URL: p.URL, Header: header, Body: http.NoBody}
		if len(p.Body) > 0 {
			// A bytes.Reader in a io.NopCloser and nothing else: net/http flushes the headers before a body that it does
			// not know to be in memory, which would be one more write, and one more packet, for each post.
			reader := &s.body
			if s.repeats > 0 {
				reader = new(bytes.Reader) // the dead connection may still have the first one
			}
			reader.Reset(p.Body)
			r.Body, r.ContentLength = io.NopCloser(reader), int64(len(p.Body))
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.Body)), nil }
		}
		resp, err := transport.RoundTrip(r.WithContext(ctx))
		if err == nil || !s.repeat(err) {
			return resp, err
		}
	}
}

// repeat reports whether to post once more, and makes ready for it.
//
// The transport itself repeats a POST only when nothing of it was written, which covers half of the race with a receiver
// that closes an idle connection. The other half is a connection that took the bytes and then proved to be closed.
func (s *sending) repeat(err error) bool {
	if s.repeats == repeatsMax || !s.reused.Load() || s.answered.Load() || s.Err() != nil {
		return false
	}
	if failure, _ := classify(err); failure != hook.FailureBroken {
		return false
	}
	s.repeats++
	s.reused.Store(false)
	s.dialling.Store(nil)
	s.conn.Store(connNone)
	s.stage.Store(stageDial)
	return true
}
