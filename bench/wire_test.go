package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/hook"
)

func TestWireReadsAnswersOfNetHTTP(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/short":
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, "short") //nolint:errcheck // the client notices
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		default:
			io.WriteString(w, long) //nolint:errcheck // the client notices
		}
	}))
	defer srv.Close()
	w, err := dialWire(t.Context(), srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for range 2 * deadlineEvery {
		for _, c := range []struct {
			path string
			want int
			body string
		}{{"/short", 201, "short"}, {"/none", 204, ""}, {"/chunked", 200, long}} {
			for _, keep := range []bool{true, false} {
				status, err := w.do([]byte("GET "+c.path+" HTTP/1.1\r\nHost: a\r\n\r\n"), keep)
				if err != nil || status != c.want {
					t.Fatalf("%s: %d, %v", c.path, status, err)
				}
				if keep && string(w.reads) != c.body {
					t.Fatalf("%s: body of %d bytes, want %d", c.path, len(w.reads), len(c.body))
				}
			}
		}
	}
}

func TestWireRefusesWhatIsNoAnswer(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n"},
		{"no status", "HTTP/1.1 abc OK\r\n\r\n"},
		{"no length", "HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n"},
		{"no chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
	} {
		here, there := net.Pipe()
		w := &wire{conn: here, in: bufio.NewReader(strings.NewReader(c.text))}
		if _, err := w.answer(true); !errors.Is(err, errBadAnswer) {
			t.Errorf("%s: %v", c.name, err)
		}
		here.Close()
		there.Close()
	}
}

func readRequest(t *testing.T, text []byte) (*http.Request, []byte) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(text))))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, body
}

func TestRequestsAreWellFormed(t *testing.T) {
	texts := newRequests("127.0.0.1:1", "the-key")
	id := ident{trial: 7, sequence: 99}
	r, body := readRequest(t, texts.create.appendTo(nil, id, scattered))
	if r.URL.Path != "/v1/interactions" || r.Header.Get("x-api-key") != "the-key" || len(body) != requestBodyBytes {
		t.Errorf("create: %s, %v, %d bytes", r.URL, r.Header, len(body))
	}
	var created relayRequest
	if err := json.Unmarshal(body, &created); err != nil {
		t.Fatal(err)
	}
	if got, err := readIdent([]byte(created.ID)); err != nil || got != id {
		t.Errorf("create: id %s is %+v, %v", created.ID, got, err)
	}
	if _, err := hook.ParseUUID(created.SessionID); err != nil || created.SessionID == created.ID {
		t.Errorf("create: session %s: %v", created.SessionID, err)
	}
	r, body = readRequest(t, texts.stop.appendTo(nil, id, scattered))
	if r.URL.Path != "/v1/interactions/"+created.ID+"/stop" || string(body) != stopBody {
		t.Errorf("stop: %s %s", r.URL, body)
	}
}

func TestBatchIsWellFormed(t *testing.T) {
	texts := newRequests("127.0.0.1:1", "the-key")
	buf := texts.beginBatch(nil)
	buf = texts.createChange.appendTo(buf, ident{1, 1}, ascending)
	buf = texts.stopPart.appendTo(append(buf, ','), ident{1, 0}, ascending)
	r, body := readRequest(t, texts.endBatch(buf))
	var batch struct {
		Changes []struct{ Op, ID, By, Queue string } `json:"changes"`
	}
	if err := json.Unmarshal(body, &batch); err != nil {
		t.Fatal(err)
	}
	c := batch.Changes
	if r.URL.Path != "/v1/interactions/batch" || len(c) != 2 || c[0].Op != "create" || c[0].Queue == "" || c[1].Op != "stop" || c[1].By == "" {
		t.Errorf("%s %+v", r.URL, c)
	}
	if n := succeeded([]byte(`{"results":[{"status":201,"interaction":{}},{"status":409,"problem":{"status":409}},{"status":200,"interaction":{}}]}`)); n != 2 {
		t.Errorf("%d succeeded, want 2", n)
	}
}
