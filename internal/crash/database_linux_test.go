package crash_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fullFor is how long a disk stays full: long enough for many probes of the nodes.
const fullFor = 3 * time.Second

// smallDisk is a file system for the database's tables that can be made full. A process that only waits keeps it mounted for
// itself alone, and PostgreSQL reaches it through that process: nothing stays mounted, however the test ends.
type smallDisk struct{ folder string }

// newSmallDisk mounts a file system, or says why this machine does not let it.
func newSmallDisk(t *testing.T) (*smallDisk, error) {
	t.Helper()
	folder, err := os.MkdirTemp("", "hookswitch-disk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(folder); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(folder, 0o755); err != nil { // PostgreSQL's user must get through
		t.Fatal(err)
	}
	args := []string{"sh", "-c", `mount -t tmpfs -o "$1" tmpfs "$0" && shift && exec "$@"`, folder, "size=48m,mode=0700", "cat"}
	attributes := ownMounts()
	if os.Geteuid() == 0 { // then PostgreSQL is another user, who reaches only a process of its own
		found, err := databaseAttributes()
		if err != nil {
			t.Fatal(err)
		}
		uid, gid := found.Credential.Uid, found.Credential.Gid
		args[4] += fmt.Sprintf(",uid=%d,gid=%d", uid, gid)
		args = append(args[:5], "setpriv", fmt.Sprintf("--reuid=%d", uid), fmt.Sprintf("--regid=%d", gid), "--clear-groups", "cat")
	}
	holder := exec.Command(args[0], args[1:]...)
	holder.SysProcAttr = attributes
	holder.Stderr = new(strings.Builder)
	in, inErr := holder.StdinPipe() // which ends with the process of the test, and the holder with it
	out, outErr := holder.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		return nil, fmt.Errorf("start what mounts: %w", err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = holder.Wait() // what it said is known
	})
	if _, err := fmt.Fprintln(in, "mounted"); err == nil {
		if text, _ := bufio.NewReader(out).ReadString('\n'); text == "mounted\n" { // else it could not mount, and ended
			return &smallDisk{fmt.Sprintf("/proc/%d/root%s", holder.Process.Pid, folder)}, nil
		}
	}
	return nil, fmt.Errorf("mount: %s", holder.Stderr)
}

func (d *smallDisk) ballast() string { return filepath.Join(d.folder, "ballast") }

// fill leaves no space; free makes space again.
func (d *smallDisk) fill() error { return fillDisk(d.ballast()) }

func (d *smallDisk) free() error { return os.Remove(d.ballast()) }

// TestCrashDatabaseDiskFull takes the database's space away under load: changes are refused, reads go on, nothing acknowledged is
// lost, and everything goes on by itself when there is space again.
func TestCrashDatabaseDiskFull(t *testing.T) {
	t.Parallel()
	disk, err := newSmallDisk(t)
	if err != nil {
		t.Logf("this machine cannot mount a file system for the test, so a full disk of the database is not tested: %v", err)
		return
	}
	ctx := testContext(t)
	c := newCluster(t, nodesMany, unstarted(), withLease(calmLease))
	c.manage(ctx, fmt.Sprintf(`CREATE TABLESPACE small LOCATION '%s'`, disk.folder))
	c.manage(ctx, `ALTER DATABASE hookswitch SET TABLESPACE small`)
	c.startAll()
	c.subscribe(ctx, 0)
	ready := c.watchNodes(ctx, "/readyz", refusedMax, c.everyNode()...)
	list := c.watchNodes(ctx, "/v1/interactions?limit=1", refusedMax, c.everyNode()...)
	finish := c.loadOn(ctx)
	c.outage(ctx, ready, databaseBackMax, func() {
		if err := disk.fill(); err != nil {
			t.Fatal(err)
		}
	}, func() {
		asked, before := time.Now(), ready.counts()[http.StatusOK]
		c.until(ctx, "reads to be answered", func() bool { return list.all(http.StatusOK, asked) })
		if err := pause(ctx, fullFor); err != nil {
			t.Fatal(err)
		}
		if n := ready.counts()[http.StatusOK] - before; n > 0 {
			t.Errorf("nodes said %d times that they are ready while the disk was full", n)
		}
	}, func() {
		if err := disk.free(); err != nil {
			t.Fatal(err)
		}
	})
	finish()
	c.delivered(ctx)
	ready.end()
	list.end()
	t.Logf("%v; %v", ready, list)
	if refused := list.counts()[http.StatusServiceUnavailable]; refused > 0 {
		t.Errorf("%d reads were refused on a full disk, want none", refused)
	}
	c.checkAlive()
	c.check(ctx, 0)
}
