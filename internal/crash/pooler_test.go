//go:build linux

package crash_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const (
	// poolerProgram is where Debian installs the pooler, which it does not put on every user's PATH.
	poolerProgram = "/usr/sbin/pgbouncer"
	// databaseUser runs it for root, whom it refuses, as it runs PostgreSQL (internal/pgtest).
	databaseUser = "postgres"
	// The pooler's port is chosen below those that Linux gives to whoever dials. poolerTries is how many it tries.
	poolerPortMin, poolerPorts, poolerTries = 15_000, 17_000, 10
)

// startPooler starts a pooler in transaction mode, with so many connections to the database, and points the nodes to it.
func startPooler(t *testing.T, c *cluster, connections int) {
	t.Helper()
	database, err := url.Parse(c.database)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "hookswitch-pooler-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(folder, 0o755); err != nil { // PostgreSQL's user must get through
		t.Fatal(err)
	}
	config := filepath.Join(folder, "pgbouncer.ini")
	for range poolerTries {
		port := strconv.Itoa(poolerPortMin + rand.IntN(poolerPorts))
		text := fmt.Sprintf(`[databases]
* = host=%s port=%s user=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = %d
max_client_conn = 200
`, database.Hostname(), database.Port(), database.User.Username(), port, connections)
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err = runPooler(t, config); err != nil {
			continue // the port is another program's
		}
		database.Host = "127.0.0.1:" + port
		for i := range c.nodes {
			c.point(i, database.String())
		}
		return
	}
	t.Fatalf("start the pooler: %v", err)
}

// runPooler runs the pooler until the test ends, or returns why it does not take connections.
func runPooler(t *testing.T, config string) error {
	attributes, err := databaseAttributes()
	if err != nil {
		return err
	}
	cmd := exec.Command(poolerProgram, config)
	cmd.Dir, cmd.SysProcAttr = "/", attributes
	log, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("open its log: %w", err)
	}
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		// The pooler ends with the thread that started it: the process of the test, or this goroutine's.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		if err := cmd.Start(); err != nil {
			started <- fmt.Errorf("run %s (scripts/setup installs it): %w", poolerProgram, err)
			return
		}
		started <- readPooler(log)
		_, _ = io.Copy(io.Discard, log) // until it ends
		_ = cmd.Wait()                  // it is killed in the end
	}()
	stop := func() {
		if cmd.Process != nil {
			_ = cmd.Process.Kill() // it may be gone already
		}
		<-ended
	}
	if err := <-started; err != nil {
		stop()
		return err
	}
	t.Cleanup(stop)
	return nil
}

// readPooler reads the pooler's log until it says that it runs.
func readPooler(log io.Reader) error {
	var text strings.Builder
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if strings.Contains(lines.Text(), "process up") {
			return nil
		}
		text.WriteString(lines.Text() + "\n")
	}
	return errors.New("it ended: " + text.String())
}

// databaseAttributes make a program run as the user that PostgreSQL runs as, and end with the test however that ends.
func databaseAttributes() (*syscall.SysProcAttr, error) {
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		return attributes, nil
	}
	found, err := user.Lookup(databaseUser)
	if err != nil {
		return nil, fmt.Errorf("look up the user of PostgreSQL: %w", err)
	}
	uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
	attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attributes, errors.Join(uidErr, gidErr)
}

// TestCrashPooler runs three nodes behind a pooler in transaction mode, which loses prepared statements: they start at the same
// moment on an empty database, one of them is killed under load, and everything is delivered.
func TestCrashPooler(t *testing.T) {
	t.Parallel()
	for name, connections := range map[string]int{
		"20 connections": 20,
		"2 connections":  2, // fewer than nodes: whoever waits for the migrations must not hold one
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, c := testContext(t), newCluster(t, nodesMany, unstarted())
			startPooler(t, c, connections)
			c.startAll()
			c.subscribe(ctx, 0)
			n := *interactionsFlag / 4
			ended, wait := c.load(ctx, n)
			c.made(ctx, n/2, ended)
			c.kill(ctx, 1)
			wait()
			c.delivered(ctx)
			c.check(ctx, 0)
			if refused := c.traffic.refused.Load(); refused > 0 {
				t.Errorf("%d changes were refused behind a pooler, want none", refused)
			}
			// Each node has more of its own than the pooler has.
			used := c.number(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = 'hookswitch' AND application_name = 'hookswitch'`)
			if t.Logf("%d connections to the database", used); used == 0 || used > connections {
				t.Errorf("the database has %d connections, want those of the pooler", used)
			}
		})
	}
}
