package cli

import (
	"bytes"
	"log"
	"log/slog"
	"sync"
	"time"
)

const (
	// standardLogEvery is the time in which one line of the standard log is kept.
	standardLogEvery = time.Second
	// standardLogBytesMax bounds what is kept of a line.
	standardLogBytesMax = 200
)

// standardLog takes what libraries write to the standard library's own log, which has no other way to be told: net/http writes a line there
// for each frame of HTTP/2 that it does not know, as fast as a receiver sends them, and quotes what a receiver says out of turn, which may be our
// own credentials. So it is for level debug, a line a second at most, and nothing that is quoted.
type standardLog struct {
	log *slog.Logger

	mu   sync.Mutex // guards everything below
	last time.Time
	// leftOut is how many lines were dropped since the last one.
	leftOut int
}

// keepStandardLog has the standard log's lines go to the server's own. The standard log belongs to the process, so the last server counts.
func keepStandardLog(to *slog.Logger) {
	log.SetFlags(0)
	log.SetOutput(&standardLog{log: to})
}

// Write takes one line.
func (s *standardLog) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.last) < standardLogEvery {
		s.leftOut++
		return len(line), nil
	}
	text, _, _ := bytes.Cut(line, []byte(`"`))
	text = bytes.ToValidUTF8(text[:min(len(text), standardLogBytesMax)], nil)
	s.log.Debug("a library says", slog.String("text", string(bytes.TrimSpace(text))), slog.Int("leftOut", s.leftOut))
	s.last, s.leftOut = now, 0
	return len(line), nil
}
