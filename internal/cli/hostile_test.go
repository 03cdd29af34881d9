package cli_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// hostileBytesMax is what the server may have in memory, as `go run ./bench -hostile` demands of it beside much more.
const hostileBytesMax = 320 << 20

// raw is a hostile caller's connection, of an address that no good caller has.
type raw struct {
	net.Conn
	in *bufio.Reader
}

func dialRaw(t *testing.T, server, from string) *raw {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(server, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // the server may have closed it
	if err := c.SetDeadline(time.Now().Add(awaitMax)); err != nil {
		t.Fatal(err)
	}
	return &raw{c, bufio.NewReader(c)}
}

// ask sends a request, whose headers each begin with a line end, and returns the status of its answer. Of what cannot be written the answer may
// still have come.
func (c *raw) ask(request, headers, body string) (int, error) {
	_, failed := fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d%s\r\n\r\n%s", request, len(body), headers, body)
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, errors.Join(failed, err)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, errors.Join(err, answer.Body.Close())
}

// residentBytes reads the most that was resident (VmHWM) of a process (proc_pid_status(5)).
func residentBytes(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kib int
		if n, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 && err == nil {
			return kib << 10
		}
	}
	t.Fatal("the process has no VmHWM")
	return 0
}

// TestServeHostile is the short form of `go run ./bench -hostile`: on one real process every limit is used up, good callers are answered and their
// events delivered all the same, and memory stays within its bound.
func TestServeHostile(t *testing.T) {
	server, m, rest := startProcess(t, `msg=listening url=(\S+)`, "serve", "--listen", "127.0.0.1:0", "--admin-key", adminKey,
		"--allow-private-targets", "127.0.0.0/8", "--connections-max", "160", "--connections-per-address-max", "50", "--database", filepath.Join(t.TempDir(), "h.db"))
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(io.Discard, rest) // until the process ends
	}()
	receiver := launch(t, nil, "", "listen", "--listen", "127.0.0.1:0", "--json", "--max", "50")
	env := []string{"HOOKSWITCH_ADMIN_KEY=" + adminKey, "HOOKSWITCH_SERVER=" + m[1]}
	if code, _, stderr := run(t, env, "", "webhooks", "create", "--url", receiver.await(&receiver.stderr, `listening on (\S+),`)[1]); code != 0 {
		t.Fatal(stderr)
	}
	auth := "\r\nAuthorization: Bearer " + adminKey
	good := func(beside string) {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: awaitMax}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m[1]+"/v1/interactions", strings.NewReader(`{"mediaType":"chat","subtype":"SMS","queue":"q"}`))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("X-Api-Key", adminKey)
				r.Header.Set("Content-Type", "application/json")
				answer, err := client.Do(r)
				if err != nil {
					t.Errorf("beside %s: %v", beside, err)
					return
				}
				if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusCreated {
					t.Errorf("beside %s: status %d, %v", beside, answer.StatusCode, err)
				}
			})
		}
		wg.Wait()
	}

	for i := range 20 {
		c := dialRaw(t, m[1], "127.0.1.1")
		head := "GET / HTTP/1.1\r\nX-Slow: "
		if i%2 == 1 {
			head = "POST /v1/interactions/batch HTTP/1.1\r\nHost: h" + auth + "\r\nContent-Length: 8000000\r\n\r\n{"
		}
		if _, err := io.WriteString(c, head); err != nil {
			t.Fatal(err)
		}
	}
	good("requests that dribble")
	for range 20 {
		if _, err := io.WriteString(dialRaw(t, m[1], "127.0.1.2"), "GET /v1/events HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream"+auth+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	good("streams that nobody reads")
	for what, c := range map[string]struct {
		header, body string
		want         int
	}{
		"a deep body":        {auth, `{"contact":` + strings.Repeat("[", 1<<19), http.StatusBadRequest},
		"a body of values":   {auth, `{"contact":{"a":[` + strings.Repeat("{},", 300_000) + `{}]}}`, http.StatusBadRequest},
		"a body too large":   {auth, strings.Repeat(" ", 1<<20+1), http.StatusRequestEntityTooLarge},
		"a compressed body":  {auth + "\r\nContent-Encoding: gzip", "{}", http.StatusUnsupportedMediaType},
		"a header too large": {"\r\nX-Huge: " + strings.Repeat("h", 40<<10), "", http.StatusRequestHeaderFieldsTooLarge},
	} {
		if status, err := dialRaw(t, m[1], "127.0.1.3").ask("POST /v1/interactions", c.header, c.body); status != c.want {
			t.Errorf("%s is answered %d, want %d: %v", what, status, c.want, err)
		}
	}
	good("bodies that explode")
	wrong := map[int]int{}
	for range 30 {
		status, err := dialRaw(t, m[1], "127.0.1.4").ask("GET /v1/webhooks", "\r\nX-Api-Key: wrong", "")
		if err != nil {
			t.Error(err)
		}
		wrong[status]++
	}
	if wrong[http.StatusUnauthorized] < 10 || wrong[http.StatusTooManyRequests] == 0 || len(wrong) != 2 {
		t.Errorf("invalid keys are answered %v", wrong)
	}
	good("invalid keys")
	for i := range 240 { // more than fit
		_, _ = dialRaw(t, m[1], fmt.Sprintf("127.0.2.%d", 1+i/40)).ask("GET /healthz", "", "") // it may be refused
	}
	good("more idle connections than fit")
	if code := receiver.wait(); code != 0 || !strings.Contains(receiver.stderr.String(), "50 events acknowledged") {
		t.Errorf("the receiver ended with %d: %s", code, receiver.stderr.String())
	}
	if peak := residentBytes(t, server.Process.Pid); peak > hostileBytesMax {
		t.Errorf("the server had %d bytes in memory", peak)
	}
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-drained
	_ = server.Wait() // how it ended was just decided
}
