package gate

import (
	"context"
	"crypto/tls"
	"log"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"
)

// The limits of an HTTP server, all of them for one connection or request.
const (
	// HeaderTimeout bounds a TLS handshake, and a request's header from its first byte to its last.
	HeaderTimeout = 10 * time.Second
	// ReadTimeout bounds a whole request, with its body.
	ReadTimeout = 30 * time.Second
	// WaitMax is the longest that a handler that is no stream may take by design: a long poll, or the test of a webhook.
	WaitMax = time.Minute
	// AnswerTimeout is how long a reader may take for its answer, when the request and the handler took all their time.
	AnswerTimeout = 30 * time.Second
	// WriteTimeout bounds a request from its header to the last byte of its answer. A stream sets deadlines of its own for each write.
	WriteTimeout = ReadTimeout + WaitMax + AnswerTimeout
	// IdleTimeout bounds how long a connection may be kept between requests.
	IdleTimeout = 2 * time.Minute
	// HeaderBytesMax bounds a request's header; net/http adds 4 KiB of slack.
	HeaderBytesMax = 32 << 10
	// StreamsMax bounds the requests of one HTTP/2 connection at a time.
	StreamsMax = 64
	// connectionReceiveBytesMax and streamReceiveBytesMax bound what an HTTP/2 peer may send ahead of what was read of it.
	connectionReceiveBytesMax = 512 << 10
	streamReceiveBytesMax     = 128 << 10
	// silentMax is how long an HTTP/2 connection may say nothing before it is asked whether it is alive, and aliveMax how long it may take
	// to say yes.
	silentMax = 30 * time.Second
	aliveMax  = 15 * time.Second
	// frameWriteMax bounds one write to an HTTP/2 connection whose peer takes no bytes at all.
	frameWriteMax = 30 * time.Second
)

// NewServer makes a server with all limits. c is nil for plain HTTP.
func NewServer(h http.Handler, c *Certificate, to *slog.Logger) *http.Server {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: HeaderTimeout, ReadTimeout: ReadTimeout, WriteTimeout: WriteTimeout, IdleTimeout: IdleTimeout,
		MaxHeaderBytes: HeaderBytesMax,
		// Callers fill it with what they do wrong: it is for those who look for that.
		ErrorLog: errorLog(to),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: StreamsMax, MaxReceiveBufferPerConnection: connectionReceiveBytesMax, MaxReceiveBufferPerStream: streamReceiveBytesMax,
			SendPingTimeout: silentMax, PingTimeout: aliveMax, WriteByteTimeout: frameWriteMax,
		},
	}
	if c != nil {
		s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
	}
	return s
}

// errorLog is where net/http says what is wrong with a connection. What it repeats of the caller's words, it puts into quotes: that is left
// out, because it may be a key or a body that came the wrong way.
func errorLog(to *slog.Logger) *log.Logger {
	return log.New(quoteless{slog.NewLogLogger(to.Handler(), slog.LevelDebug)}, "", 0)
}

type quoteless struct{ to *log.Logger }

// Write logs a line up to its first quote, and says that there was more.
func (q quoteless) Write(line []byte) (int, error) {
	text, _, more := strings.Cut(string(line), `"`)
	if more {
		text += "…"
	}
	return len(line), q.to.Output(0, text)
}

// waitFor waits, and reports whether ctx is still on.
func waitFor(ctx context.Context, tick <-chan time.Time, now <-chan os.Signal) bool {
	select {
	case <-tick:
		return true
	case <-now:
		return true
	case <-ctx.Done():
		return false
	}
}
