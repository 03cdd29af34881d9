package crash_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
)

const (
	adminKey = "crash-test-admin-key"
	// publicURL stays the same while the port changes with every start, so that payloads can be compared.
	publicURL = "https://hookswitch.example"
	// startMax bounds a start of the server, on a machine that does much else.
	startMax = 60 * time.Second
	// callMax bounds one request: far more than the server's own bound on waiting for its disk.
	callMax = 60 * time.Second
	// linesMax is how many of a process's last log lines are kept for a failed test.
	linesMax = 40
)

// server is one store and the processes that serve it, one after the other.
type server struct {
	t        *testing.T
	database string
	client   *http.Client
	// program is the binary; flags are added to its arguments.
	program string
	flags   []string
	// keyset is the file with the master keyset; empty means that of the tests, in the environment.
	keyset string
	// wrap is put before the command, and attributes are those of its process.
	wrap       []string
	attributes *syscall.SysProcAttr

	mu      sync.Mutex // guards what follows
	current *process   // nil while none is up
	changed chan struct{}
	started int // how many processes were started
}

// process is one run of the program.
type process struct {
	number int
	url    string
	client *http.Client
	cmd    *exec.Cmd
	// began is when the process was started.
	began time.Time
	// killed is set before its SIGKILL is sent: requests that fail before that are faults.
	killed atomic.Bool
	// ready gets the URL that the process says it listens on; exited is closed when it is gone, and err says how.
	ready  chan string
	exited chan struct{}
	err    error

	mu    sync.Mutex // guards lines
	lines []string
}

func newServer(t *testing.T, database string) *server {
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	s := &server{t: t, database: database, program: binary, client: &http.Client{Transport: transport, Timeout: callMax}, changed: make(chan struct{})}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if p := s.take(); p != nil {
			p.kill()
		}
	})
	return s
}

// launch starts a process and does not wait for it.
func (s *server) launch() *process {
	s.t.Helper()
	s.mu.Lock()
	s.started++
	p := &process{number: s.started, client: s.client, ready: make(chan string, 1), exited: make(chan struct{})}
	s.mu.Unlock()
	// Port 0: a port that was free a moment ago may be another program's by the time of the restart.
	args := append(slices.Clip(s.wrap), s.program, "serve", "--listen", "127.0.0.1:0", "--database", s.database, "--public-url", publicURL,
		"--allow-private-targets", "127.0.0.0/8", "--log-format", "json")
	args = append(args, s.flags...)
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.SysProcAttr = s.attributes
	keyset := "HOOKSWITCH_MASTER_KEYSET=" + sealtest.Text
	if s.keyset != "" {
		keyset = "HOOKSWITCH_MASTER_KEYSET_FILE=" + s.keyset
	}
	p.cmd.Env = append(p.cmd.Environ(), "HOOKSWITCH_ADMIN_KEY="+adminKey, keyset, "GORACE=exitcode=66 atexit_sleep_ms=0")
	logged, err := p.cmd.StderrPipe()
	if err != nil {
		s.t.Fatalf("open the server's log: %v", err)
	}
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		s.t.Fatalf("start the server: %v", err)
	}
	go func() {
		p.read(s.t, logged)
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p
}

// start starts a process and waits until it serves.
func (s *server) start() *process {
	s.t.Helper()
	p := s.launch()
	s.admit(p)
	return p
}

// admit waits until a process serves and makes it the current one.
func (s *server) admit(p *process) {
	s.t.Helper()
	if err := p.waitReady(); err != nil {
		p.kill()
		s.t.Fatalf("process %d: %v\n%s", p.number, err, p.log())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = p
	close(s.changed)
	s.changed = make(chan struct{})
}

func (p *process) waitReady() error {
	limit := time.NewTimer(startMax)
	defer limit.Stop()
	select {
	case p.url = <-p.ready:
		return nil
	case <-p.exited:
		return fmt.Errorf("ended before it listened: %w", p.err)
	case <-limit.C:
		return fmt.Errorf("does not listen after %v", startMax)
	}
}

// take takes the process away from those who call it.
func (s *server) take() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.current
	s.current = nil
	return p
}

// kill ends the current process as a power switch would, and waits until it is gone.
func (s *server) kill() *process {
	p := s.take()
	p.kill()
	return p
}

func (p *process) kill() {
	p.killed.Store(true)
	_ = p.cmd.Process.Kill() // it may be gone already
	<-p.exited
}

// stop ends the current process gracefully and checks that it says so.
func (s *server) stop() {
	s.t.Helper()
	p := s.take()
	p.killed.Store(true)
	// net/http gives a connection that has never been used five seconds before it shuts down (Server.Shutdown); our client
	// dials some that it does not need after all.
	p.client.CloseIdleConnections()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Errorf("send SIGTERM: %v", err)
	}
	limit := time.NewTimer(startMax)
	defer limit.Stop()
	select {
	case <-p.exited:
	case <-limit.C:
		p.kill()
	}
	if p.err != nil {
		s.t.Errorf("the server was told to end, and ended with: %v\n%s", p.err, p.log())
	}
}

// live returns the process that serves now, and waits for it while there is none.
func (s *server) live(ctx context.Context) (*process, error) {
	for {
		s.mu.Lock()
		p, changed := s.current, s.changed
		s.mu.Unlock()
		if p != nil {
			return p, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the server: %w", context.Cause(ctx))
		}
	}
}

// read reads the process's log to its end. An error in it, or a race, is a fault of the program.
func (p *process) read(t *testing.T, log io.Reader) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text := lines.Text()
		p.mu.Lock()
		p.lines = append(p.lines[max(0, len(p.lines)-linesMax):], text)
		p.mu.Unlock()
		var line struct{ Level, Msg, URL string }
		switch err := json.Unmarshal([]byte(text), &line); {
		case err != nil && strings.Contains(text, "DATA RACE"), err != nil && strings.HasPrefix(text, "panic:"):
			t.Errorf("process %d: %s", p.number, text)
		case line.Level == "ERROR":
			t.Errorf("process %d logged an error: %s", p.number, text)
		case line.Msg == "listening":
			p.ready <- line.URL
		}
	}
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// answer is what a request was answered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// decode reads the body into v.
func (a *answer) decode(v any) error {
	if err := json.Unmarshal(a.body, v); err != nil {
		return fmt.Errorf("decode answer %d %q: %w", a.status, a.body, err)
	}
	return nil
}

// call makes one request. once is its Idempotency-Key, or nothing.
func (p *process) call(ctx context.Context, method, path string, body any, once string) (*answer, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode body: %w", err)
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, p.url+path, content)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("x-api-key", adminKey)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if once != "" {
		r.Header.Set("Idempotency-Key", once)
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("call: %w", err)
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return a, nil
}

// get reads path into v from a process that nobody kills.
func (p *process) get(ctx context.Context, t *testing.T, path string, v any) {
	t.Helper()
	a, err := p.call(ctx, http.MethodGet, path, nil, "")
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("answered %d %s", a.status, a.body)
	}
	if err == nil {
		err = a.decode(v)
	}
	if err != nil {
		t.Fatalf("GET %s: %v\n%s", path, err, p.log())
	}
}

// pages reads a list to its end.
func pages[T any](ctx context.Context, t *testing.T, p *process, path, cursor string, each func(T)) {
	t.Helper()
	for next := ""; ; {
		at := path
		if next != "" {
			at += "&" + cursor + "=" + next
		}
		var page struct {
			Items      []T
			NextCursor string
		}
		p.get(ctx, t, at, &page)
		for _, item := range page.Items {
			each(item)
		}
		if next = page.NextCursor; next == "" || len(page.Items) == 0 && cursor == "after" { // events have a cursor at their end, and other lists may have empty pages
			return
		}
	}
}

// subscribe makes the webhook and returns its id.
func (p *process) subscribe(ctx context.Context, t *testing.T, settings map[string]any) string {
	t.Helper()
	a, err := p.call(ctx, http.MethodPost, "/v1/webhooks", settings, "")
	if err == nil && a.status != http.StatusCreated {
		err = fmt.Errorf("answered %d %s", a.status, a.body)
	}
	var made struct{ ID string }
	if err = errors.Join(err, decodeIf(a, &made)); err != nil {
		t.Fatalf("make the webhook: %v\n%s", err, p.log())
	}
	return made.ID
}

func decodeIf(a *answer, v any) error {
	if a == nil {
		return nil
	}
	return a.decode(v)
}
