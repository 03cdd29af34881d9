package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
)

const (
	// readyMax bounds how long a server may take from its start until it is ready.
	readyMax = 30 * time.Second
	// drainMax bounds how long a server may take to end after SIGTERM.
	drainMax = 20 * time.Second
	// apiTimeout bounds one call of the API by this program, outside the load.
	apiTimeout = 30 * time.Second
)

var errAPI = errors.New("the API refused")

// A server is one hookswitch: the real binary, with a temporary folder for what it prints.
type server struct {
	binary, dir, address, key string
	database                  string   // the path of an SQLite file, or the URL of a PostgreSQL database
	extra                     []string // more arguments for serve
	cmd                       *exec.Cmd
	client                    *http.Client
}

// buildServer builds the binary that is measured, as a release is built, from the source beside this program.
func buildServer(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "hookswitch")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "github.com/hookswitch/hookswitch/cmd/hookswitch") //nolint:gosec // The path is our own temporary folder.
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build hookswitch: %w\n%s", err, said)
	}
	return binary, nil
}

// newServer prepares a server: it is not started. The nodes of one store have the same admin key.
func newServer(ctx context.Context, binary, dir, database, key string, extra []string) (*server, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	return &server{
		binary: binary, dir: dir, address: address, key: key, database: database, extra: extra, client: &http.Client{Timeout: apiTimeout},
	}, nil
}

// freeAddress finds a port that nobody listens on; the server needs to be told one, so that it has the same after a kill.
func freeAddress(ctx context.Context) (string, error) {
	l, err := listen(ctx)
	if err != nil {
		return "", fmt.Errorf("find a port: %w", err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", fmt.Errorf("free the port: %w", err)
	}
	return address, nil
}

// listen listens on a port of this machine that is free.
func listen(ctx context.Context) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
}

// start starts the process and waits until it is ready. The caller must run on a locked thread, see dieWithParent.
func (s *server) start(ctx context.Context) error {
	if err := s.launch(); err != nil {
		return err
	}
	return s.ready(ctx)
}

func (s *server) launch() error {
	output, err := os.OpenFile(filepath.Join(s.dir, "hookswitch.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer done(output) // the child has its own descriptor
	arguments := append([]string{
		"serve", "--listen", s.address, "--public-url", publicURL, "--allow-private-targets", "127.0.0.0/8",
	}, s.extra...)
	s.cmd = exec.Command(s.binary, arguments...) //nolint:gosec,noctx // The operator of the benchmark names the binary; stop and kill end it.
	// The database is no argument: its URL may hold a password.
	s.cmd.Env = append(os.Environ(), "HOOKSWITCH_ADMIN_KEY="+s.key, "HOOKSWITCH_DATABASE="+s.database, "HOOKSWITCH_MASTER_KEYSET="+sealtest.Text)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, output, output
	s.cmd.SysProcAttr = dieWithParent()
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start hookswitch: %w", err)
	}
	return nil
}

func (s *server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyMax)
	defer cancel()
	for {
		err := s.call(ctx, http.MethodGet, "/readyz", nil, nil)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("hookswitch is not ready: %w\n%s", err, s.said())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// said returns the end of what the server printed, for an error.
func (s *server) said() []byte {
	text, err := os.ReadFile(filepath.Join(s.dir, "hookswitch.log"))
	if err != nil {
		return nil
	}
	return text[max(0, len(text)-2000):]
}

func (s *server) pid() int { return s.cmd.Process.Pid }

func (s *server) started() bool { return s.cmd != nil && s.cmd.Process != nil }

// terminate tells the server to end, as an operator does; crash leaves it no time to. Neither waits.
func (s *server) terminate() { s.signal(syscall.SIGTERM) }
func (s *server) crash()     { s.signal(syscall.SIGKILL) }

func (s *server) signal(sig syscall.Signal) {
	s.client.CloseIdleConnections()
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		fmt.Fprintf(os.Stderr, "signal hookswitch: %v\n", err)
	}
}

// call makes one call of the API and decodes its answer into result unless that is nil.
func (s *server) call(ctx context.Context, method, path string, body, result any) error {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode %s: %w", path, err)
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+s.address+path, sent)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("x-api-key", s.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	defer done(response.Body)
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", path, err)
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%w: %s: %s", errAPI, path, clipProblem(response.StatusCode, answer))
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(answer, result); err != nil {
		return fmt.Errorf("decode answer of %s: %w", path, err)
	}
	return nil
}

// webhook makes a webhook for a path of the sink and returns its id.
func (s *server) webhook(ctx context.Context, url string, concurrency int) (string, error) {
	var made struct {
		ID string `json:"id"`
	}
	err := s.call(ctx, http.MethodPost, "/v1/webhooks", map[string]any{"url": url, "secret": benchSecret, "concurrency": concurrency}, &made)
	return made.ID, err
}

// recorded waits until no delivery of a webhook, or of any where it is empty, is pending: the last outcome is on disk.
func (s *server) recorded(ctx context.Context, webhook string) error {
	path := "/v1/deliveries?state=pending&limit=1"
	if webhook != "" {
		path += "&webhookId=" + webhook
	}
	for {
		var page struct {
			Items      []json.RawMessage `json:"items"`
			NextCursor string            `json:"nextCursor"` // without items: there is so much that it did not look at all of it
		}
		if err := s.call(ctx, http.MethodGet, path, nil, &page); err != nil {
			return err
		}
		if len(page.Items) == 0 && page.NextCursor == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for outcomes to be recorded: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
