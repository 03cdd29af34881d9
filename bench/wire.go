package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

const (
	// answerTimeout bounds how long the generator waits for one answer.
	answerTimeout = 30 * time.Second
	// deadlineEvery is how many requests share one deadline: setting it costs as much as a fifth of a request.
	deadlineEvery = 64
	// answerHeadBytes holds the longest line of an answer's head, and makes one read of a usual answer.
	answerHeadBytes = 8 << 10
)

var errBadAnswer = errors.New("malformed HTTP answer")

// A wire is one kept-alive HTTP/1.1 connection that sends requests made before and reads no more of an answer than it
// needs (RFC 9112). It costs a fraction of net/http's client, so that the generator leaves the cores to what it measures.
type wire struct {
	conn  net.Conn
	in    *bufio.Reader
	used  int
	reads []byte // the body of the last answer, where it was asked for
}

func dialWire(ctx context.Context, address string) (*wire, error) {
	conn, err := (&net.Dialer{Timeout: answerTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &wire{conn: conn, in: bufio.NewReaderSize(conn, answerHeadBytes)}, nil
}

// do sends one request and returns the status of its answer. The body is thrown away unless keep is set.
func (w *wire) do(request []byte, keep bool) (int, error) {
	if w.used%deadlineEvery == 0 {
		if err := w.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
			return 0, fmt.Errorf("set deadline: %w", err)
		}
	}
	w.used++
	if _, err := w.conn.Write(request); err != nil {
		return 0, fmt.Errorf("send: %w", err)
	}
	return w.answer(keep)
}

func (w *wire) answer(keep bool) (int, error) {
	w.reads = w.reads[:0]
	line, err := w.in.ReadSlice('\n')
	if err != nil {
		return 0, fmt.Errorf("read status: %w", err)
	}
	if len(line) < 13 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, fmt.Errorf("%w: %q", errBadAnswer, line)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, fmt.Errorf("%w: %q", errBadAnswer, line)
	}
	length, chunked := 0, false
	for {
		line, err = w.in.ReadSlice('\n')
		if err != nil {
			return 0, fmt.Errorf("read head: %w", err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if value, ok := headerValue(line, "content-length"); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, fmt.Errorf("%w: length %q", errBadAnswer, value)
			}
		} else if value, ok := headerValue(line, "transfer-encoding"); ok {
			chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
	if chunked {
		return status, w.chunks(keep)
	}
	return status, w.body(length, keep)
}

// headerValue returns the value of a header line if it is the named one; name is in lower case.
func headerValue(line []byte, name string) ([]byte, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || line[0]|0x20 != name[0] {
		return nil, false
	}
	if !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name)+1:]), true
}

func (w *wire) body(length int, keep bool) error {
	if !keep {
		if _, err := w.in.Discard(length); err != nil {
			return fmt.Errorf("read body: %w", err)
		}
		return nil
	}
	at := len(w.reads)
	w.reads = append(w.reads, make([]byte, length)...)
	if _, err := io.ReadFull(w.in, w.reads[at:]); err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	return nil
}

// chunks reads a body in chunks (RFC 9112, section 7.1); our server sends no trailers.
func (w *wire) chunks(keep bool) error {
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("read chunk size: %w", err)
		}
		size, err := strconv.ParseUint(string(bytes.TrimRight(line, "\r\n")), 16, 31)
		if err != nil {
			return fmt.Errorf("%w: chunk of size %q", errBadAnswer, line)
		}
		if err := w.body(int(size), keep && size > 0); err != nil {
			return err
		}
		if _, err := w.in.Discard(2); err != nil {
			return fmt.Errorf("read chunk end: %w", err)
		}
		if size == 0 {
			return nil
		}
	}
}

func (w *wire) close() {
	// The connection is done with: what closing it might say changes no result.
	_ = w.conn.Close()
}
