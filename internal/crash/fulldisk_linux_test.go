package crash_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/google/uuid"

	"github.com/hookswitch/hookswitch/interaction"
)

const (
	// pollEvery is how often a condition is looked at that nobody announces, and pollMax how long.
	pollEvery = 20 * time.Millisecond
	pollMax   = time.Minute
	// recoverAim is how soon the server shall be ready when there is space again.
	recoverAim = 5 * time.Second
	// refusalsMin is how often each worker is refused before it ends, and triesMax bounds its requests.
	refusalsMin = 5
	triesMax    = 100_000
)

// disk is a place for the database that can be made full while a server uses it.
type disk struct {
	name string
	// attach prepares the server to use it.
	attach func(*server)
	// fill leaves no space; free makes space again.
	fill, free func(*process) error
}

// disks returns what this machine can do. A limit on the size of files works everywhere: a write beyond it fails, with
// EFBIG. A file system of its own, with ENOSPC, takes the right to mount.
func disks(t *testing.T) []disk {
	list := []disk{limitedFiles()}
	dir := t.TempDir()
	probe := exec.Command("mount", "-t", "tmpfs", "tmpfs", dir)
	probe.SysProcAttr = ownMounts()
	if out, err := probe.CombinedOutput(); err != nil {
		t.Logf("this machine cannot mount a file system for the test, so only the limit on files is tested: %v %s", err, out)
		return list
	}
	return append(list, smallFileSystem(dir))
}

// limitedFiles is any disk under a limit on the size of files that is the write-ahead log's size at the moment.
func limitedFiles() disk {
	limit := func(p *process, bytes uint64) error {
		l := syscall.Rlimit{Cur: bytes, Max: ^uint64(0)}
		// prlimit(2): no package of the standard library sets another process's limits.
		if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(p.cmd.Process.Pid), syscall.RLIMIT_FSIZE, uintptr(unsafe.Pointer(&l)), 0, 0, 0); errno != 0 {
			return fmt.Errorf("limit the size of files: %w", errno)
		}
		return nil
	}
	var wal string
	return disk{
		name:   "limit on files",
		attach: func(s *server) { wal = s.database + "-wal" },
		fill: func(p *process) error {
			info, err := os.Stat(wal)
			if err != nil {
				return fmt.Errorf("find the write-ahead log: %w", err)
			}
			return limit(p, uint64(info.Size()))
		},
		free: func(p *process) error { return limit(p, ^uint64(0)) },
	}
}

// smallFileSystem is a tmpfs that only the server's process sees, so that it is gone when that is.
func smallFileSystem(dir string) disk {
	ballast := func(p *process) string {
		return filepath.Join(fmt.Sprintf("/proc/%d/root", p.cmd.Process.Pid), dir, "ballast")
	}
	return disk{
		name: "small file system",
		attach: func(s *server) {
			s.database = filepath.Join(dir, "crash.db")
			s.wrap = []string{"sh", "-c", `mount -t tmpfs -o size=32m tmpfs "$0" && exec "$@"`, dir}
			s.attributes = ownMounts()
		},
		fill: func(p *process) error { return fillDisk(ballast(p)) },
		free: func(p *process) error { return os.Remove(ballast(p)) },
	}
}

// fillDisk writes to a file until its file system has no space left.
func fillDisk(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("make ballast: %w", err)
	}
	defer f.Close()
	for chunk := make([]byte, 1<<20); len(chunk) > 0; {
		if _, err := f.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			return fmt.Errorf("write ballast: %w", err)
		}
	}
	return nil
}

// ownMounts gives a process its own view of what is mounted, and, where that takes it, of who is root.
func ownMounts() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
		return a
	}
	a.Cloneflags, a.Unshareflags = 0, syscall.CLONE_NEWNS // package syscall then makes the view private
	return a
}

// poll looks again and again whether a condition holds.
func poll(ctx context.Context, t *testing.T, what string, holds func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, pollMax)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
	return time.Since(began)
}

// TestFullDisk takes the space away in the midst of a load, while the outcomes of POSTs wait to be recorded.
func TestFullDisk(t *testing.T) {
	for _, d := range disks(t) {
		t.Run(d.name, func(t *testing.T) {
			ctx, r := testContext(t), newRig(t)
			d.attach(r.server)
			p := r.up(ctx)
			old := uuid.Must(uuid.NewV7()).String()
			if err := r.load.make(ctx, (&worker{load: r.load, random: r.random}).creation(old)); err != nil {
				t.Fatal(err)
			}
			r.ledger.settled(ctx)

			// The receiver keeps its senders waiting, so that what it acknowledges later must be recorded on a full disk.
			r.ledger.set(hold)
			crowd := r.crowd(ctx, p)
			r.ledger.await(ctx, "the webhook's POSTs to wait, and more behind them", func() bool {
				return r.ledger.held == concurrency && r.ledger.made >= 3*concurrency
			})
			if err := d.fill(p); err != nil {
				t.Fatal(err)
			}
			refused := crowd()
			r.checkFull(ctx, p, old)
			r.ledger.set(up)
			// What was held, and what waited behind it in memory: more than is acknowledged in one round.
			r.ledger.await(ctx, "the receiver to acknowledge", func() bool { return r.ledger.lives[p.number].posts >= 2*concurrency })
			r.checkFull(ctx, p, old)
			var pending struct{ Items []delivery }
			p.get(ctx, t, "/v1/deliveries?limit=200&state=pending", &pending)
			if len(pending.Items) < 2*concurrency {
				t.Errorf("only %d deliveries are pending: their outcomes cannot have been recorded on a full disk", len(pending.Items))
			}

			if err := d.free(p); err != nil {
				t.Fatal(err)
			}
			r.checkRecovery(ctx, p, refused)
		})
	}
}

// crowd creates interactions from many workers until each was refused a few times. What it returns waits for that, and
// returns the ids that were refused.
func (r *rig) crowd(ctx context.Context, p *process) (wait func() []string) {
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex // guards refused
		refused []string
		made    atomic.Int64
	)
	for n := range loadWorkers {
		wg.Go(func() {
			w := worker{load: r.load, random: rand.New(rand.NewPCG(r.load.seed, uint64(n)))}
			refusals := 0
			for tries := 0; refusals < refusalsMin && tries < triesMax; tries++ {
				id := uuid.Must(uuid.NewV7()).String()
				c := w.creation(id)
				a, err := p.call(ctx, http.MethodPost, c.path, c.body, "")
				switch {
				case err != nil:
					r.t.Errorf("create: %v", err)
					return
				case a.status == http.StatusCreated:
					made.Add(1)
					r.ledger.owe(c.events)
				default:
					checkUnavailable(r.t, "create", a)
					refusals++
					mu.Lock()
					refused = append(refused, id)
					mu.Unlock()
				}
			}
		})
	}
	return func() []string {
		wg.Wait()
		r.t.Logf("%d interactions made until the disk was full, %d refused", made.Load(), len(refused))
		return refused
	}
}

// checkUnavailable checks the answer of a server whose store cannot commit.
func checkUnavailable(t *testing.T, what string, a *answer) {
	t.Helper()
	var problem struct {
		Type, Title, Detail string
		Status              int
	}
	err := json.Unmarshal(a.body, &problem)
	after, _ := strconv.Atoi(a.header.Get("Retry-After")) // anything else is 0, which is refused
	if err != nil || a.status != http.StatusServiceUnavailable || problem.Status != a.status || problem.Title == "" || problem.Detail == "" ||
		a.header.Get("Content-Type") != "application/problem+json" || after < 1 {
		t.Errorf("%s on a full disk: answered %d %v %s, want a problem document with status 503 and Retry-After", what, a.status, a.header, a.body)
	}
}

// checkFull checks what the server answers while the disk is full.
func (r *rig) checkFull(ctx context.Context, p *process, id string) {
	r.t.Helper()
	call := func(method, path string, body any) *answer {
		a, err := p.call(ctx, method, path, body, "")
		if err != nil {
			r.t.Fatalf("%s %s: %v\n%s", method, path, err, p.log())
		}
		return a
	}
	// Large ones: a small change may still fit into what a commit that failed has left of the write-ahead log.
	data := map[string]string{}
	for i := range 8 {
		data["part"+strconv.Itoa(i)] = strings.Repeat("x", 4_000)
	}
	large := map[string]any{"op": "create", "mediaType": "chat", "subtype": "InboundNew", "queue": "support", "userData": data}
	checkUnavailable(r.t, "a batch", call(http.MethodPost, "/v1/interactions/batch", map[string]any{"changes": []any{large, large}}))
	delete(large, "op")
	checkUnavailable(r.t, "a creation", call(http.MethodPost, "/v1/interactions", large))
	small := stop(id)
	if a := call(http.MethodPost, small.path, small.body); a.status == http.StatusOK {
		r.ledger.owe(small.events)
	} else {
		checkUnavailable(r.t, "a stop", a)
	}
	checkUnavailable(r.t, "GET /readyz", call(http.MethodGet, "/readyz", nil))
	for _, path := range []string{
		"/healthz", "/metrics", "/v1/interactions/" + id, "/v1/interactions?state=open", "/v1/deliveries?limit=1", "/v1/events?limit=1", "/v1/webhooks",
	} {
		if a := call(http.MethodGet, path, nil); a.status != http.StatusOK {
			r.t.Errorf("GET %s on a full disk: answered %d %s, want 200", path, a.status, a.body)
		}
	}
}

// checkRecovery checks that the server, with space again and by itself, takes changes and has lost none.
func (r *rig) checkRecovery(ctx context.Context, p *process, refused []string) {
	r.t.Helper()
	took := poll(ctx, r.t, "the server to be ready again", func() bool {
		a, err := p.call(ctx, http.MethodGet, "/readyz", nil, "")
		return err == nil && a.status == http.StatusOK
	})
	r.t.Logf("ready %v after there was space again", took.Round(time.Millisecond))
	if took > recoverAim {
		r.t.Errorf("ready only %v after there was space again, want %v at most", took, recoverAim)
	}
	kept := 0
	for _, id := range refused { // a disk that fails in the very moment of the commit leaves it open what became of it
		s, err := r.load.read(ctx, id)
		if err != nil {
			r.t.Fatal(err)
		}
		if s.State != "" {
			kept++
			r.ledger.owe([]key{{id, interaction.EventStarted}})
		}
	}
	if err := r.load.run(ctx, 10*unitInteractions); err != nil {
		r.t.Fatalf("load after there was space again: %v", err)
	}
	r.ledger.settled(ctx)
	took = poll(ctx, r.t, "every outcome to be recorded", func() bool {
		var page struct {
			Items      []delivery
			NextCursor string
		}
		p.get(ctx, r.t, "/v1/deliveries?limit=1&state=pending", &page)
		return len(page.Items) == 0 && page.NextCursor == ""
	})
	r.t.Logf("every outcome recorded %v after that; %d of %d refused changes were made nevertheless", took.Round(time.Millisecond), kept, len(refused))
	r.checkEvents(ctx, p, r.ledger.made)
	r.checkDeliveries(ctx, p, r.ledger.made)
	if _, duplicates, _ := r.ledger.totals(); duplicates != 0 {
		r.t.Errorf("%d events were delivered twice by a process that was never killed", duplicates)
	}
}

// TestStartOnFullDisk starts the server when there is no space at all: it must say so and end, and damage nothing.
func TestStartOnFullDisk(t *testing.T) {
	ctx, r := testContext(t), newRig(t)
	r.ledger.set(hold)
	r.up(ctx)
	if err := r.load.run(ctx, 10*unitInteractions); err != nil {
		t.Fatalf("load: %v", err)
	}
	r.strike(ctx)
	r.ledger.set(up)
	r.wrap = []string{"sh", "-c", `ulimit -f 0 && exec "$@"`, "sh"}
	r.ledger.quiet(ctx)
	r.ledger.begin(time.Now())
	p := r.launch()
	limit := time.NewTimer(startMax)
	defer limit.Stop()
	select {
	case <-p.exited:
	case <-limit.C:
		p.kill()
		t.Errorf("the server neither serves nor ends:\n%s", p.log())
	}
	if code := p.cmd.ProcessState.ExitCode(); code < 1 || !strings.Contains(p.log(), r.database) {
		t.Errorf("the server ended with %d and does not name its database:\n%s", code, p.log())
	}
	r.wrap = nil
	r.restart(ctx)
	r.conclude(ctx, 20*unitInteractions)
}
