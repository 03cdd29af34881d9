package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startWait    = time.Minute           // how long a start may take, recovery included
	stopWait     = time.Minute           // how long a stop may take that a test asked for
	removeWait   = 10 * time.Second      // how long a stop may take at the end, before SIGKILL
	readyPoll    = 5 * time.Millisecond  // how often a starting server is looked at
	portTries    = 5                     // how many ports a server tries that another process takes first
	logEndBytes  = 4 << 10               // how much of a log is shown
	maintenance  = "postgres"            // the database that statements about databases are run in
	portMin      = 15_000                // ports are chosen from portMin to portMax: below those that Linux gives to whoever
	portMax      = 32_000                // dials, so that no dialler takes the port of a server that is stopped for a while
	pidFileReady = 7                     // the line of postmaster.pid, from 0, that says "ready"
	lostPortText = "could not bind IPv4" // what the server logs when its port was taken; its messages are those of locale C
)

// Mode is a way to stop a server, with the name that pg_ctl gives it.
type Mode int

const (
	// Smart waits until all clients have disconnected.
	Smart Mode = iota
	// Fast rolls back what is open, disconnects the clients and writes a checkpoint.
	Fast
	// Immediate ends all processes at once, as a crash does: the next start recovers from the log.
	Immediate
)

func (m Mode) signal() os.Signal {
	switch m {
	case Fast:
		return syscall.SIGINT
	case Immediate:
		return syscall.SIGQUIT
	default:
		return syscall.SIGTERM
	}
}

// Option changes a server before it is started.
type Option func(*Server)

// Setting sets a parameter of the server's configuration, such as fsync, over this package's own.
func Setting(name, value string) Option {
	return func(s *Server) { s.settings = append(s.settings, name+"="+value) }
}

// Server is a PostgreSQL server with a folder of its own. Unless a Setting says otherwise, it has PostgreSQL's own settings, but
// does not wait for the disk (fsync=off).
type Server struct {
	ground   *ground
	folder   string
	settings []string
	port     int  // fixed once begin has returned
	alone    bool // on its ground, which ends with it

	mu  sync.Mutex // guards run
	run *run       // the last one
}

// A run is the time from a start of the server to its end.
type run struct {
	process *os.Process
	ended   chan struct{} // closed when the process has ended
}

// newServer prepares a server: it is not started.
func (g *ground) newServer(options []Option) (*Server, error) {
	folder, err := g.newCluster()
	if err != nil {
		return nil, err
	}
	s := &Server{ground: g, folder: folder, settings: []string{"fsync=off"}}
	for _, o := range options {
		o(s)
	}
	return s, nil
}

// URL returns the address of a database of the server, for its superuser.
func (s *Server) URL(database string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.User(superuser), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path: "/" + database, RawQuery: "sslmode=disable",
	}).String()
}

// PID returns the process id of the server's first process, the postmaster, or of the last one while none runs.
func (s *Server) PID() int {
	return s.last().process.Pid
}

// CreateDatabase makes an empty database and returns its URL. It stays for as long as the server does.
func (s *Server) CreateDatabase(t testing.TB, name string) string {
	t.Helper()
	if err := s.create(name, "template0"); err != nil {
		t.Fatal(err)
	}
	return s.URL(name)
}

// Stop stops the server and waits until it has ended. It does nothing to a server that has ended already.
func (s *Server) Stop(t testing.TB, mode Mode) {
	t.Helper()
	if err := s.stop(mode, stopWait); err != nil {
		t.Fatalf("stop PostgreSQL: %v", err)
	}
}

// Start starts a server again that was stopped, on the same port and with the same data, and waits until it takes connections.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	select {
	case <-s.last().ended:
	default:
		t.Fatal("start PostgreSQL: it is running")
	}
	if err := s.launch(); err != nil {
		t.Fatalf("start PostgreSQL again: %v", err)
	}
}

// Restart stops the server and starts it again.
func (s *Server) Restart(t testing.TB, mode Mode) {
	t.Helper()
	s.Stop(t, mode)
	s.Start(t)
}

func (s *Server) create(name, from string) error {
	// Copying files is quicker than logging their contents, for databases as small as these.
	sql := "CREATE DATABASE " + quote(name) + " TEMPLATE " + quote(from) + " STRATEGY file_copy"
	if err := execute(s.URL(maintenance), sql); err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	return nil
}

// begin starts the server for the first time, on a port that choose names. Another process may take it before the server does.
func (s *Server) begin(choose func() (int, error)) error {
	var err error
	for range portTries {
		if s.port, err = choose(); err != nil {
			return err
		}
		if err = s.launch(); err == nil || !strings.Contains(err.Error(), lostPortText) {
			return err
		}
	}
	return err
}

// launch starts the server and waits until it takes connections.
func (s *Server) launch() error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer log.Close() //nolint:errcheck // the server writes it; we only lend the handle
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	cmd := s.ground.command(context.Background(), "postgres", args...)
	cmd.Stdout, cmd.Stderr = log, log
	r := &run{ended: make(chan struct{})}
	started := make(chan error)
	go s.hold(cmd, r, started)
	if err := <-started; err != nil {
		return fmt.Errorf("run postgres: %w", err)
	}
	s.mu.Lock()
	s.run = r
	s.mu.Unlock()
	if err := s.await(r); err != nil {
		return fmt.Errorf("%w; its log ends with:\n%s", err, s.logEnd())
	}
	return nil
}

// hold starts the server and stays on that thread until the server has ended: the system stops the server when the thread that
// started it ends (Pdeathsig), and Go ends threads while the process lives.
func (s *Server) hold(cmd *exec.Cmd, r *run, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(r.ended)
	err := cmd.Start()
	r.process = cmd.Process
	started <- err
	if err != nil {
		return
	}
	_ = cmd.Wait() // how it ended is in its log
}

// await waits until the server says in its folder that it takes connections.
func (s *Server) await(r *run) error {
	deadline := time.NewTimer(startWait)
	defer deadline.Stop()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for !s.ready(r.process.Pid) {
		select {
		case <-r.ended:
			return errors.New("PostgreSQL ended before it took connections")
		case <-deadline.C:
			return fmt.Errorf("PostgreSQL took no connections within %s", startWait)
		case <-tick.C:
		}
	}
	return nil
}

// ready reads what pg_ctl reads: the file's first line is the process id, its eighth the state.
func (s *Server) ready(pid int) bool {
	text, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return false // not written yet
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) > pidFileReady && lines[0] == strconv.Itoa(pid) && strings.TrimSpace(lines[pidFileReady]) == "ready"
}

func (s *Server) last() *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run
}

func (s *Server) stop(mode Mode, wait time.Duration) error {
	r := s.last()
	if err := r.process.Signal(mode.signal()); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal postgres: %w", err)
	}
	if !r.endsWithin(wait) {
		return fmt.Errorf("PostgreSQL runs on after %s; its log ends with:\n%s", wait, s.logEnd())
	}
	return nil
}

// remove ends the server, also one that was frozen, and deletes its folder.
func (s *Server) remove() error {
	if r := s.last(); r != nil && s.stop(Immediate, removeWait) != nil {
		if err := r.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("kill postgres: %w", err)
		}
		<-r.ended
	}
	return os.RemoveAll(s.folder)
}

func (r *run) endsWithin(wait time.Duration) bool {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	select {
	case <-r.ended:
		return true
	case <-deadline.C:
		return false
	}
}

func (s *Server) data() string    { return filepath.Join(s.folder, "data") }
func (s *Server) logFile() string { return filepath.Join(s.folder, "log") }

func (s *Server) logEnd() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-logEndBytes):]))
}

// choosePort finds a port that nobody listens on.
func choosePort() (int, error) {
	var err error
	for range 100 {
		port := portMin + rand.IntN(portMax-portMin) //nolint:gosec // a port is no secret
		var listener net.Listener
		listener, err = new(net.ListenConfig).Listen(context.Background(), "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}
