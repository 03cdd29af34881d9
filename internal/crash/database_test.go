package crash_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookswitch/hookswitch/internal/pgtest"
)

const (
	// databaseBackMax is how long after the database takes connections again every node is ready and the next delivery has
	// arrived, without anybody's help: nodes wait two seconds at most before they try again (recordRetryLongest in
	// internal/delivery), and the rest is for a machine that does much else.
	databaseBackMax = 10 * time.Second
	// refusedMax bounds an answer while the database refuses connections or writes.
	refusedMax = 5 * time.Second
	// silentMax bounds an answer while the database does not answer at all: a transaction before it takes ten seconds
	// (postgresTransactMax in internal/store) and so does its own; the rest is for a machine that does much else.
	silentMax = 25 * time.Second
	// longOutage is the time without a database that a cluster must bear (issue 3, item 4).
	longOutage = 30 * time.Second
	// calmLease is longer than the outages of the tests that use it: no delivery is taken over, and none arrives twice. What a
	// node does not know to be committed waits as long.
	calmLease = 20 * time.Second
	// askEvery is how often a watch asks.
	askEvery = 50 * time.Millisecond
	// residentBytesMax bounds a node's memory, whatever waits: 224 MiB of heap (heapBytesSoftMax in internal/cli), and what is
	// beside the heap. residentBytesRacedMax is for a program that carries the race detector's shadow of its memory.
	residentBytesMax      = 320 << 20
	residentBytesRacedMax = 5 * residentBytesMax
)

// watch asks nodes for something again and again, and judges the answers.
type watch struct {
	t    *testing.T
	path string
	stop context.CancelFunc
	done sync.WaitGroup

	mu sync.Mutex // guards what follows
	// seen counts the answers by node and status; last is each node's last status, and when the request for it was sent.
	seen    map[int]map[int]int
	last    map[int]sighting
	slowest time.Duration
}

// sighting is one answer.
type sighting struct {
	status int
	asked  time.Time
}

// watchNodes asks each of the nodes for a path until the test ends or end is called. An answer is 200, or a 503 that a client
// can use, and comes within a time.
func (c *cluster) watchNodes(ctx context.Context, path string, within time.Duration, nodes ...int) *watch {
	w := &watch{t: c.t, path: path, seen: map[int]map[int]int{}, last: map[int]sighting{}}
	ctx, w.stop = context.WithCancel(ctx)
	for _, i := range nodes {
		w.seen[i] = map[int]int{} // all of them before the first is asked
	}
	for _, i := range nodes {
		p := c.process(i)
		w.done.Go(func() { w.ask(ctx, i, p, within) })
	}
	c.t.Cleanup(w.end)
	return w
}

// end stops asking.
func (w *watch) end() {
	w.stop()
	w.done.Wait()
}

func (w *watch) ask(ctx context.Context, i int, p *process, within time.Duration) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		began := time.Now()
		a, err := p.call(ctx, http.MethodGet, w.path, nil, "")
		took := time.Since(began)
		switch {
		case ctx.Err() != nil || p.killed.Load():
			return
		case err != nil:
			w.t.Errorf("GET %s on node %d: %v", w.path, i, err)
			return
		case took > within:
			w.t.Errorf("GET %s on node %d: answered %d after %v, want %v at most", w.path, i, a.status, took, within)
		case a.status != http.StatusOK:
			checkRefused(w.t, fmt.Sprintf("GET %s on node %d", w.path, i), a)
		}
		w.mu.Lock()
		w.seen[i][a.status]++
		w.last[i] = sighting{a.status, began}
		w.slowest = max(w.slowest, took)
		w.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// all reports whether each node's last answer to a request that was sent after a time had a status.
func (w *watch) all(status int, after time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.seen {
		if l := w.last[i]; l.status != status || l.asked.Before(after) {
			return false
		}
	}
	return true
}

// counts returns how many answers had each status.
func (w *watch) counts() map[int]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := map[int]int{}
	for _, seen := range w.seen {
		for status, n := range seen {
			counts[status] += n
		}
	}
	return counts
}

// String says what was seen.
func (w *watch) String() string {
	counts := w.counts()
	w.mu.Lock()
	defer w.mu.Unlock()
	text := "GET " + w.path + ":"
	for _, status := range slices.Sorted(maps.Keys(counts)) {
		text += fmt.Sprintf(" %d × %d,", counts[status], status)
	}
	return fmt.Sprintf("%s the slowest %v", text, w.slowest.Round(time.Millisecond))
}

// checkRefused checks the answer of a node that cannot use its database.
func checkRefused(t *testing.T, what string, a *answer) {
	t.Helper()
	var problem struct {
		Title, Detail string
		Status        int
	}
	err := a.decode(&problem)
	after, _ := strconv.Atoi(a.header.Get("Retry-After")) // anything else is 0, which is refused
	if err != nil || a.status != http.StatusServiceUnavailable || problem.Status != a.status || problem.Title == "" || problem.Detail == "" ||
		a.header.Get("Content-Type") != "application/problem+json" || after < 1 {
		t.Errorf("%s: answered %d %v %s, want a problem document with status 503 and Retry-After", what, a.status, a.header, a.body)
	}
}

// everyNode are the indexes of all nodes.
func (c *cluster) everyNode() []int {
	list := make([]int, len(c.nodes))
	for i := range list {
		list[i] = i
	}
	return list
}

// outage takes the database away with the function down, waits until every node refuses changes and says that it is not
// ready, gives it back with the function up, and waits until every node is ready and delivers, which it does within a time.
// between is done in the midst of it.
func (c *cluster) outage(ctx context.Context, ready *watch, within time.Duration, down, between, up func()) {
	c.t.Helper()
	refused := func() int64 { return c.traffic.refused.Load() + c.traffic.lost.Load() } // the load does not wait as long as a node may
	before := refused()
	down()
	gone := time.Now()
	c.until(ctx, "every node to say that it is not ready", func() bool { return ready.all(http.StatusServiceUnavailable, gone) })
	c.until(ctx, "changes to be refused", func() bool { return refused() >= before+trafficWorkers })
	between()
	up()
	back := time.Now()
	c.until(ctx, "every node to be ready", func() bool { return ready.all(http.StatusOK, back) })
	took := time.Since(back)
	c.until(ctx, "delivery to go on", func() bool { return c.arrivedSince(back) })
	c.t.Logf("the database was away for %v; all nodes were ready %v after it was back, and the first delivery had arrived after %v",
		back.Sub(gone).Round(time.Millisecond), took.Round(time.Millisecond), time.Since(back).Round(time.Millisecond))
	if took = time.Since(back); took > within {
		c.t.Errorf("it took %v until everything went on, want %v at most", took, within)
	}
}

// arrivedSince reports whether an event arrived for the first time after a moment.
func (c *cluster) arrivedSince(moment time.Time) bool {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	for _, a := range c.ledger.accounts {
		if a.arrived.After(moment) {
			return true
		}
	}
	return false
}

// loadOn runs a load that goes on until finish is called, which waits for its end. It returns once a share of what is usual was made.
func (c *cluster) loadOn(ctx context.Context) (finish func()) {
	c.t.Helper()
	ended, wait := c.load(ctx, math.MaxInt32)
	c.made(ctx, *interactionsFlag/8, ended)
	return func() {
		c.t.Helper()
		c.traffic.enough.Store(true)
		wait()
	}
}

// more waits until so many more changes with events were made.
func (c *cluster) more(ctx context.Context, n int) {
	c.t.Helper()
	c.ledger.mu.Lock()
	n += c.ledger.made
	c.ledger.mu.Unlock()
	c.made(ctx, n, nil)
}

// checkAlive checks that no node has ended by itself.
func (c *cluster) checkAlive() {
	c.t.Helper()
	for i := range c.nodes {
		select {
		case <-c.process(i).exited:
			c.t.Errorf("node %d ended by itself: %v\n%s", i, c.process(i).err, c.process(i).log())
		default:
		}
	}
}

// manage runs one statement in the database that is for statements about databases.
func (c *cluster) manage(ctx context.Context, sql string) {
	c.t.Helper()
	conn, err := pgx.Connect(ctx, c.postgres.URL("postgres"))
	if err == nil {
		_, err = conn.Exec(ctx, sql)
		err = errors.Join(err, conn.Close(ctx))
	}
	if err != nil {
		c.t.Fatalf("%s: %v", sql, err)
	}
}

// disconnect ends all connections to the database.
func (c *cluster) disconnect(ctx context.Context) {
	c.t.Helper()
	c.manage(ctx, `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = 'hookswitch'`)
}

// TestCrashDatabaseRestarts restarts PostgreSQL under load, several times: changes are refused with 503 and nothing else, what was
// acknowledged arrives once, and everything goes on by itself.
func TestCrashDatabaseRestarts(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]pgtest.Mode{"fast": pgtest.Fast, "immediate": pgtest.Immediate} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, c := testContext(t), newCluster(t, nodesMany, withLease(calmLease))
			ready := c.watchNodes(ctx, "/readyz", refusedMax, c.everyNode()...)
			list := c.watchNodes(ctx, "/v1/interactions?limit=1", refusedMax, c.everyNode()...)
			finish := c.loadOn(ctx)
			for range 3 {
				c.more(ctx, *interactionsFlag/20)
				c.outage(ctx, ready, databaseBackMax, func() { c.postgres.Stop(t, mode) }, func() {}, func() { c.postgres.Start(t) })
			}
			finish()
			c.delivered(ctx)
			ready.end()
			list.end()
			t.Logf("%v; %v", ready, list)
			c.checkAlive()
			c.check(ctx, 0)
		})
	}
}

// TestCrashDatabaseAwayForLong stops PostgreSQL for half a minute under load, many times longer than a lease.
func TestCrashDatabaseAwayForLong(t *testing.T) {
	t.Parallel()
	ctx, c := testContext(t), newCluster(t, nodesMany)
	ready := c.watchNodes(ctx, "/readyz", refusedMax, c.everyNode()...)
	list := c.watchNodes(ctx, "/v1/deliveries?limit=1", refusedMax, c.everyNode()...)
	finish := c.loadOn(ctx)
	var gone time.Time
	c.outage(ctx, ready, databaseBackMax, func() {
		gone = time.Now()
		c.postgres.Stop(t, pgtest.Fast)
	}, func() {
		if err := pause(ctx, longOutage-time.Since(gone)); err != nil {
			t.Fatal(err)
		}
	}, func() { c.postgres.Start(t) })
	back := time.Now()
	finish()
	c.delivered(ctx)
	ready.end()
	list.end()
	t.Logf("%v; %v", ready, list)
	c.checkAlive()
	c.checkMemory()
	c.noteOutage(ctx, nodeLease, gone, back)
	c.check(ctx, 0)
}

// noteOutage notes what was open while the database was away, from what the log of attempts says: it was made before the end
// of the outage, and its last attempt ended at most a lease before the outage began.
func (c *cluster) noteOutage(ctx context.Context, lease time.Duration, gone, back time.Time) {
	c.t.Helper()
	err := c.query(ctx, func(r pgx.Rows) error {
		var op string
		err := r.Scan(&op)
		c.suspects[op] = true
		return err
	}, `SELECT e.operation_id::TEXT FROM events e JOIN attempts a ON a.center = e.center AND a.event = e.serial
		WHERE a.failure = 0 AND e.occurred_at <= $1 AND a.started_at + a.duration_us / 1000 >= $2`,
		back.UnixMilli(), gone.Add(-lease).UnixMilli())
	if err != nil {
		c.t.Fatalf("read what was open: %v", err)
	}
	c.faults++
}

// checkMemory checks how much memory the nodes had at most.
func (c *cluster) checkMemory() {
	c.t.Helper()
	most := residentBytesMax
	if raced {
		most = residentBytesRacedMax
	}
	for i := range c.nodes {
		peak, err := peakMemory(c.process(i).cmd.Process.Pid)
		if err != nil {
			c.t.Fatalf("node %d: %v", i, err)
		}
		c.t.Logf("node %d had %d MiB of memory at most", i, peak>>20)
		if peak > most {
			c.t.Errorf("node %d had %d MiB of memory, want %d at most", i, peak>>20, most>>20)
		}
	}
}

// peakMemory returns the most memory that a process had, in bytes (VmHWM in proc_pid_status(5)).
func peakMemory(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read status: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		value, ok := strings.CutPrefix(line, "VmHWM:")
		if !ok {
			continue
		}
		kibibytes, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
		if err != nil {
			return 0, fmt.Errorf("read memory: %w", err)
		}
		return kibibytes << 10, nil
	}
	return 0, errors.New("read memory: the status does not name it")
}

// TestCrashDatabaseReadOnly makes the database refuse writes, as one does that lost its role in a fail-over: changes are refused,
// reads go on, and the nodes leave the connections that refuse by themselves.
func TestCrashDatabaseReadOnly(t *testing.T) {
	t.Parallel()
	ctx, c := testContext(t), newCluster(t, nodesMany, withLease(calmLease))
	ready := c.watchNodes(ctx, "/readyz", refusedMax, c.everyNode()...)
	list := c.watchNodes(ctx, "/v1/interactions?limit=1", refusedMax, c.everyNode()...)
	finish := c.loadOn(ctx)
	for _, after := range []func(){
		func() { c.disconnect(ctx) },
		func() {}, // the connections stay, and stay read-only
	} {
		c.more(ctx, *interactionsFlag/20)
		c.outage(ctx, ready, databaseBackMax, func() {
			c.manage(ctx, `ALTER DATABASE hookswitch SET default_transaction_read_only = on`)
			c.disconnect(ctx)
		}, func() {
			asked := time.Now()
			c.until(ctx, "reads to be answered", func() bool { return list.all(http.StatusOK, asked) })
		}, func() {
			c.manage(ctx, `ALTER DATABASE hookswitch RESET default_transaction_read_only`)
			after()
		})
	}
	finish()
	c.delivered(ctx)
	ready.end()
	list.end()
	t.Logf("%v; %v", ready, list)
	c.checkAlive()
	c.check(ctx, 0)
}
