package crash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/pgtest"
)

const (
	// nodeLease is the lease of a cluster's nodes, and nodeRequestTimeout its webhook's requestTimeout: short, so that a
	// test sees leases end.
	nodeLease          = 3 * time.Second
	nodeRequestTimeout = time.Second
	// sweepMax is how long after the end of a lease the next node looks at the latest (sweepEvery in internal/delivery).
	sweepMax = time.Second
	// lookEvery is how often a test looks again at what no channel tells.
	lookEvery = 10 * time.Millisecond
)

// cluster is several servers on one PostgreSQL of their own, the receiver, and what the load knows.
type cluster struct {
	t        *testing.T
	plan     plan
	postgres *pgtest.Server
	// database is the URL of the database itself, whatever lies between it and the nodes.
	database string
	nodes    []*node
	ledger   *ledger
	seed     uint64
	random   *rand.Rand // for the test's own goroutine
	traffic  traffic
	// suspects are the operation ids that were open in the store at a fault: only these may arrive twice.
	suspects map[string]bool
	faults   int
}

// node is one place for a server of the cluster; i is its index in nodes.
type node struct {
	*server
	i      int
	frozen atomic.Bool
}

// plan is how a cluster is made.
type plan struct {
	lease    time.Duration
	settings map[string]any // of the webhook, over the usual ones
	webhook  bool
	start    bool
}

// clusterOption changes a plan.
type clusterOption func(*plan)

// withLease sets the nodes' lease.
func withLease(d time.Duration) clusterOption { return func(p *plan) { p.lease = d } }

// withSetting sets one setting of the webhook.
func withSetting(name string, value any) clusterOption {
	return func(p *plan) { p.settings[name] = value }
}

// unstarted leaves the nodes unstarted and makes no webhook: the test calls startAll and subscribe itself.
func unstarted() clusterOption { return func(p *plan) { p.start, p.webhook = false, false } }

// withoutWebhook starts the nodes and leaves the webhooks to the test.
func withoutWebhook() clusterOption { return func(p *plan) { p.webhook = false } }

// newCluster starts a PostgreSQL, a receiver and so many nodes, and makes the webhook. Node i is c.nodes[i].
func newCluster(t *testing.T, nodes int, options ...clusterOption) *cluster {
	t.Helper()
	p := plan{
		lease: nodeLease, start: true, webhook: true,
		settings: map[string]any{
			"secret": secret, "concurrency": concurrency, "requestTimeout": nodeRequestTimeout.String(),
			"retry": map[string]any{"timeout": "100ms", "attempts": 100, "backoff": 1, "maxTimeout": "1s", "jitter": 0},
		},
	}
	for _, o := range options {
		o(&p)
	}
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: repeat with -args -seed=%d", seed, seed)
	c := &cluster{
		t: t, plan: p, postgres: pgtest.Start(t), ledger: newLedger(t), seed: seed, random: rand.New(rand.NewPCG(seed, 0)),
		suspects: map[string]bool{},
	}
	c.database = c.postgres.CreateDatabase(t, "hookswitch")
	c.ledger.nodes = true
	c.traffic.cluster = c
	for i := range nodes {
		s := newServer(t, c.database)
		s.flags = []string{"--lease", p.lease.String()}
		c.nodes = append(c.nodes, &node{server: s, i: i})
	}
	if p.start {
		c.startAll()
	}
	if p.webhook {
		c.subscribe(testContext(t), 0)
	}
	return c
}

// startAll starts all nodes at the same moment and waits until they serve.
func (c *cluster) startAll() {
	c.t.Helper()
	launched := make([]*process, len(c.nodes))
	for i, n := range c.nodes {
		launched[i] = n.launch()
	}
	for i, n := range c.nodes {
		n.admit(launched[i])
	}
}

// subscribe makes the webhook that the ledger receives, on node i, and returns its id.
func (c *cluster) subscribe(ctx context.Context, i int) string {
	c.t.Helper()
	c.plan.settings["url"] = c.ledger.url
	p, err := c.nodes[i].live(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	return p.subscribe(ctx, c.t, c.plan.settings)
}

// point lets node i use another URL of the database, such as a proxy's, from its next start on.
func (c *cluster) point(i int, database string) { c.nodes[i].database = database }

// start starts node i and waits until it serves.
func (c *cluster) start(i int) *process {
	c.t.Helper()
	c.nodes[i].frozen.Store(false)
	return c.nodes[i].start()
}

// stop ends node i gracefully and waits until it is gone.
func (c *cluster) stop(i int) {
	c.t.Helper()
	c.nodes[i].stop()
}

// kill ends node i with SIGKILL, waits until it is gone and notes what was in flight.
func (c *cluster) kill(ctx context.Context, i int) {
	c.t.Helper()
	c.nodes[i].kill()
	c.noteFault(ctx)
}

// process returns the process of node i, which the test knows to run.
func (c *cluster) process(i int) *process {
	c.t.Helper()
	n := c.nodes[i]
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.current == nil {
		c.t.Fatalf("node %d does not run", i)
	}
	return n.current
}

// pick returns a random node that serves, another one than avoid if there is one, and waits while there is none.
func (c *cluster) pick(ctx context.Context, random *rand.Rand, avoid int) (*node, *process, error) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		var spare *node
		var serving *process
		for _, i := range random.Perm(len(c.nodes)) {
			n := c.nodes[i]
			n.mu.Lock()
			p := n.current
			n.mu.Unlock()
			if p == nil || n.frozen.Load() {
				continue
			}
			if i != avoid {
				return n, p, nil
			}
			spare, serving = n, p
		}
		if spare != nil {
			return spare, serving, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("wait for a node: %w", context.Cause(ctx))
		}
	}
}

// query runs a query on the database itself.
func (c *cluster) query(ctx context.Context, each func(pgx.Rows) error, sql string, args ...any) error {
	conn, err := pgx.Connect(ctx, c.database)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return fmt.Errorf("read row: %w", err)
		}
	}
	return rows.Err()
}

// number runs a query for one number.
func (c *cluster) number(ctx context.Context, sql string, args ...any) int {
	c.t.Helper()
	var n int
	if err := c.query(ctx, func(r pgx.Rows) error { return r.Scan(&n) }, sql, args...); err != nil {
		c.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// until looks again and again until a condition holds.
func (c *cluster) until(ctx context.Context, what string, holds func() bool) {
	c.t.Helper()
	until(ctx, c.t, what, holds, func() string { return ": " + c.missing() })
}

// until looks again and again until a condition holds, and says why it does not where it was waited for in vain.
func until(ctx context.Context, t testing.TB, what string, holds func() bool, why func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, waitMax)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s%s", what, why())
		}
	}
}

// noteFault notes what is open in the store after a fault: only that may have been in flight, and arrive twice for it.
func (c *cluster) noteFault(ctx context.Context) {
	c.t.Helper()
	var open []string
	err := c.query(ctx, func(r pgx.Rows) error {
		var op string
		err := r.Scan(&op)
		open = append(open, op)
		return err
	}, `SELECT e.operation_id::TEXT FROM deliveries d JOIN events e ON e.center = d.center AND e.serial = d.event`)
	if err != nil {
		c.t.Fatalf("read what is open: %v", err)
	}
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	c.faults++
	for _, op := range open {
		c.suspects[op] = true
	}
}

// made waits until so many changes with events were made, or the load ended.
func (c *cluster) made(ctx context.Context, n int, ended <-chan struct{}) {
	c.t.Helper()
	c.until(ctx, "the load to go on", func() bool {
		select {
		case <-ended:
			return true
		default:
		}
		c.ledger.mu.Lock()
		defer c.ledger.mu.Unlock()
		return c.ledger.made >= n
	})
}

// delivered waits until everything that was acknowledged has arrived and is recorded.
func (c *cluster) delivered(ctx context.Context) {
	c.t.Helper()
	began := time.Now()
	c.until(ctx, "what was acknowledged to be delivered", func() bool {
		c.ledger.mu.Lock()
		defer c.ledger.mu.Unlock()
		return c.ledger.owed == 0
	})
	c.until(ctx, "what was delivered to be recorded", func() bool {
		return c.number(ctx, `SELECT count(*) FROM deliveries WHERE state <> 3`) == 0
	})
	c.t.Logf("everything that was acknowledged is delivered and recorded, %v after the load", time.Since(began).Round(time.Millisecond))
}

// missing names what was acknowledged and did not arrive.
func (c *cluster) missing() string {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	var text strings.Builder
	count := 0
	for k, a := range c.ledger.accounts {
		if !a.due || a.received > 0 {
			continue
		}
		if count++; count <= faultsMax {
			fmt.Fprintf(&text, "\n%s of %s, acknowledged by node %d %v ago", k.event, k.id, a.node, time.Since(a.acknowledged).Round(time.Millisecond))
		}
	}
	return fmt.Sprintf("%d of %d acknowledged events did not arrive%s", count, c.ledger.made, text.String())
}

// check compares what the load, the receiver and the store know, once everything is delivered. No more than strays events
// may have arrived twice that were not open at a fault.
func (c *cluster) check(ctx context.Context, strays int) {
	c.t.Helper()
	c.checkEvents(ctx)
	c.checkAttempts(ctx)
	c.checkRepeated(strays)
}

// checkEvents compares the events in the store with those that were caused and those that arrived.
func (c *cluster) checkEvents(ctx context.Context) {
	c.t.Helper()
	kinds := map[int]interaction.Event{1: interaction.EventStarted, 2: interaction.EventFinished}
	seen := map[key]bool{}
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	err := c.query(ctx, func(r pgx.Rows) error {
		var id, op string
		var kind int
		err := r.Scan(&id, &op, &kind)
		k := key{id, kinds[kind]}
		a, ok := c.ledger.accounts[k]
		switch {
		case seen[k]:
			c.ledger.fault("%s of %s is there twice", k.event, k.id)
		case !ok || a.received == 0:
			c.ledger.fault("%s of %s is in the store and was never delivered", k.event, k.id)
		case a.op != op:
			c.ledger.fault("%s of %s is operation %s in the store and arrived as %s", k.event, k.id, op, a.op)
		}
		seen[k] = true
		return err
	}, `SELECT i.id::TEXT, e.operation_id::TEXT, e.kind FROM events e JOIN interactions i ON i.center = e.center AND i.serial = e.interaction`)
	if err != nil {
		c.t.Fatalf("read events: %v", err)
	}
	for k, a := range c.ledger.accounts {
		switch {
		case a.due && !seen[k]:
			c.ledger.fault("%s of %s was acknowledged and is not in the store", k.event, k.id)
		case a.received > 0 && !a.due:
			c.ledger.fault("%s of %s arrived, and nobody caused it", k.event, k.id)
		}
	}
}

// checkAttempts checks that no delivery is open or exhausted, that its attempts are numbered without a gap, and that the
// last one, alone, was acknowledged.
func (c *cluster) checkAttempts(ctx context.Context) {
	c.t.Helper()
	if n := c.number(ctx, `SELECT count(*) FROM deliveries`); n != 0 {
		c.t.Errorf("%d deliveries are open or exhausted after the end", n)
	}
	err := c.query(ctx, func(r pgx.Rows) error {
		var event int64
		var numbers []int32
		var acknowledged, last int
		err := r.Scan(&event, &numbers, &acknowledged, &last)
		c.t.Errorf("delivery of event %d has the attempts %v, %d of them acknowledged, number %d last", event, numbers, acknowledged, last)
		return err
	}, `SELECT event, array_agg(number ORDER BY number), count(*) FILTER (WHERE failure = 0), coalesce(max(number) FILTER (WHERE failure = 0), 0)
		FROM attempts GROUP BY center, event, webhook
		HAVING count(*) <> max(number) OR count(*) FILTER (WHERE failure = 0) <> 1 OR max(number) FILTER (WHERE failure = 0) <> max(number) LIMIT 10`)
	if err != nil {
		c.t.Fatalf("read attempts: %v", err)
	}
	if events, delivered := c.number(ctx, `SELECT count(*) FROM events WHERE interaction <> 0`), c.number(ctx, `SELECT count(*) FROM attempts WHERE failure = 0`); events != delivered {
		c.t.Errorf("%d events, and %d acknowledged attempts", events, delivered)
	}
}

// checkRepeated checks that what arrived twice was in flight at a fault.
func (c *cluster) checkRepeated(strays int) {
	c.t.Helper()
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	var again, posts int
	var stray []string
	for k, a := range c.ledger.accounts {
		posts += a.received
		if a.received < 2 {
			continue
		}
		again += a.received - 1
		if !c.suspects[a.op] || a.received-1 > max(c.faults, 1) { // each fault interrupts one POST of an event
			stray = append(stray, fmt.Sprintf("%s of %s, %d times", k.event, k.id, a.received))
		}
	}
	slices.Sort(stray)
	if len(stray) > strays {
		c.t.Errorf("%d events arrived more than once that no fault can explain, at most %d may: %s", len(stray), strays, strings.Join(stray[:min(len(stray), faultsMax)], "; "))
	}
	c.t.Logf("%d faults: %d events made, %d POSTs acknowledged, %d of them again, %d events were open at a fault; %d events arrived again that no fault explains; %d POSTs refused, %d STARTED again after FINISHED",
		c.faults, c.ledger.made, posts, again, len(c.suspects), len(stray), c.ledger.refusals, c.ledger.late)
}
