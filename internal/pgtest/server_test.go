package pgtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// eventually polls until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("not within 20 s: %s", what)
		case <-tick.C:
		}
	}
}

func TestServerKeepsCommittedDataOverEveryKindOfStop(t *testing.T) {
	server := Start(t)
	url := server.CreateDatabase(t, "kept")
	do(t, url, "CREATE TABLE things (id bigint)")
	rows := []string{}
	for i, mode := range []Mode{Smart, Fast, Immediate} {
		do(t, url, fmt.Sprintf("INSERT INTO things VALUES (%d)", i))
		rows = append(rows, fmt.Sprint(i))
		before := server.PID()
		server.Stop(t, mode)
		if err := execute(url, "SELECT 1"); err == nil {
			t.Error("a stopped server answers")
		}
		server.Stop(t, mode) // does nothing
		server.Start(t)
		if server.PID() == before {
			t.Error("a server that was started again has its former process id")
		}
		want(t, url, "SELECT id FROM things ORDER BY id", rows...)
	}
	server.Restart(t, Fast)
	want(t, url, "SELECT id FROM things ORDER BY id", rows...)
}

func TestSettingsGoOverOurOwn(t *testing.T) {
	server := Start(t, Setting("fsync", "on"), Setting("max_connections", "17"), Setting("shared_buffers", "16MB"))
	url := server.URL(maintenance)
	want(t, url, "SHOW fsync", "on")
	want(t, url, "SHOW max_connections", "17")
	want(t, url, "SHOW shared_buffers", "16MB")
}

func TestServerThatDoesNotStartShowsTheEndOfItsLog(t *testing.T) {
	g, err := process.prepare()
	if err != nil {
		t.Fatal(err)
	}
	server, err := g.newServer([]Option{Setting("no_such_setting", "1")})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.begin(choosePort); err == nil || !strings.Contains(err.Error(), `configuration parameter "no_such_setting"`) {
		t.Errorf("got %v, want the reason that is in the log", err)
	}
	if err := server.remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(server.folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestServerTakesAnotherPortWhenItsOwnWasTaken(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("the listener is at %v", listener.Addr())
	}
	g, err := process.prepare()
	if err != nil {
		t.Fatal(err)
	}
	server, err := g.newServer(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.remove(); err != nil {
			t.Error(err)
		}
	})
	tries := 0
	err = server.begin(func() (int, error) {
		if tries++; tries == 1 {
			return taken.Port, nil
		}
		return choosePort()
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, server.URL(maintenance), "SELECT 1", "1")
	if tries != 2 {
		t.Errorf("the server asked for %d ports, want 2", tries)
	}
}

func TestServerEndsWithItsProcessAndTheNextOneDeletesItsFolder(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *exec.Cmd, *os.File){
		"SIGKILL": func(t *testing.T, cmd *exec.Cmd, _ *os.File) {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		},
		"os.Exit": func(t *testing.T, _ *exec.Cmd, in *os.File) {
			if _, err := in.WriteString("leave\n"); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := openFolder(t)
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childVariable+"=1", "TMPDIR="+parent)
			cmd.Stderr = os.Stderr
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer write.Close()
			defer read.Close()
			cmd.Stdin = read
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(errors.Join(err, cmd.Wait()))
			}
			url, folder, _ := strings.Cut(strings.TrimSpace(line), " ")
			want(t, url, "SELECT 1", "1")
			client, err := pgconn.Connect(t.Context(), url) // a session that is open does not keep the server alive
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close(context.WithoutCancel(t.Context()))

			end(t, cmd, write)
			cmd.Wait() //nolint:errcheck // it was killed
			eventually(t, "the server has ended", func() bool {
				pids, err := filepath.Glob(filepath.Join(folder, "*", "data", "postmaster.pid"))
				return err == nil && len(pids) == 0 && execute(url, "SELECT 1") != nil
			})
			if _, err := os.Stat(folder); err != nil {
				t.Errorf("the child deleted its folder, so nothing is proven: %v", err)
			}
			sweep(parent)
			if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the folder of a process that was killed is still there: %v", err)
			}
		})
	}
}

// openFolder is a temporary folder that the user postgres may enter: those of t.TempDir are closed to others.
func openFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}
