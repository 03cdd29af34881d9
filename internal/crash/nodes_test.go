package crash_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookswitch/hookswitch/interaction"
)

const (
	// nodesMany is how many nodes the tests of several nodes have.
	nodesMany = 3
	// slowAnswer is how long a receiver takes, and slowPosts how many POSTs a node may have in flight, so that deliveries wait
	// in the nodes: more of them arrive than are delivered.
	slowAnswer = 30 * time.Millisecond
	slowPosts  = 8
	// strikeMax bounds the interactions of one strike: they are all delivered before the next one.
	strikeMax = 1_000
	// takeOverMargin is what a machine that does much else, with the race detector, may take to claim, send and record what
	// is due at last.
	takeOverMargin = 5 * time.Second
	// longLease is a lease whose end no test waits for.
	longLease = time.Minute
)

// TestCrashNodesStartTogether starts three nodes at the same moment on an empty database: one of them migrates it, and all serve.
func TestCrashNodesStartTogether(t *testing.T) {
	t.Parallel()
	ctx, c := testContext(t), newCluster(t, nodesMany, unstarted())
	c.startAll()
	if n := c.number(ctx, `SELECT count(*) FROM contact_centers`); n != 1 {
		t.Errorf("there are %d contact centres, want the default one", n)
	}
	slots := map[int]bool{}
	err := c.query(ctx, func(r pgx.Rows) error {
		var slot int
		err := r.Scan(&slot)
		slots[slot] = true
		return err
	}, `SELECT slot FROM nodes WHERE until > extract(epoch FROM clock_timestamp()) * 1000`)
	if err != nil || len(slots) != nodesMany {
		t.Errorf("the nodes have the slots %v, %v; want %d different ones", slots, err, nodesMany)
	}
	c.subscribe(ctx, 0)
	_, wait := c.load(ctx, *interactionsFlag/4)
	wait()
	c.delivered(ctx)
	c.check(ctx, 0)
}

// TestCrashNodeKilled kills one node after the other under load: the others take its work over when its leases end (I2).
func TestCrashNodeKilled(t *testing.T) {
	t.Parallel()
	ctx, c := testContext(t), newCluster(t, nodesMany, withSetting("concurrency", slowPosts))
	c.ledger.behave(slowAnswer, nil)
	c.strikes(ctx, max(*killsFlag*3/5, 1))
	c.check(ctx, 0)
}

// TestCrashStopOnAnotherNode creates on one node and stops on another, before or after the creation was answered, while the
// receiver refuses the first STARTED of some interactions and nodes are killed: FINISHED never overtakes STARTED (I3).
func TestCrashStopOnAnotherNode(t *testing.T) {
	t.Parallel()
	ctx, c := testContext(t), newCluster(t, nodesMany, withSetting("concurrency", slowPosts))
	c.traffic.apart = true
	c.ledger.behave(slowAnswer, func(k key, attempt int) bool {
		h := fnv.New64a()
		h.Write([]byte(k.id))
		return k.event == interaction.EventStarted && attempt == 1 && (h.Sum64()^c.seed)%3 == 0
	})
	c.strikes(ctx, max(*killsFlag*2/5, 1))
	c.check(ctx, 0)
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	if c.ledger.refusals == 0 || c.ledger.late != 0 {
		t.Errorf("%d STARTED were refused, want some; %d came after their FINISHED, want none", c.ledger.refusals, c.ledger.late)
	}
}

// strikes runs so many loads, kills a random node in the middle of each one, and measures how long after the kill what was
// acknowledged before has arrived.
func (c *cluster) strikes(ctx context.Context, kills int) {
	c.t.Helper()
	n := min(*interactionsFlag/5, strikeMax)
	// Two nodes are left, and may have all events to deliver, some of them twice.
	backlog := time.Duration(2*n) * slowAnswer / (2 * slowPosts)
	limit := c.plan.lease + sweepMax + takeOverMargin + backlog
	var longest time.Duration
	taken := 0
	for range kills {
		victim := c.random.IntN(len(c.nodes))
		before := c.ledger.known()
		ended, wait := c.load(ctx, n)
		c.made(ctx, before+n/10+c.random.IntN(n), ended)
		c.busy(ctx, victim, ended)
		c.kill(ctx, victim)
		killed := time.Now()
		atOnce := c.random.IntN(2) == 0
		if atOnce {
			c.start(victim) // which does not take over what it had leased before
		}
		wait()
		c.delivered(ctx)
		count, most := c.owedAt(killed, victim)
		taken += count
		longest = max(longest, most)
		if most > limit {
			c.t.Errorf("node %d was killed, and %v later something arrived that it had acknowledged; want %v at most", victim, most, limit)
		}
		if !atOnce {
			c.start(victim)
		}
	}
	if taken == 0 {
		c.t.Error("the nodes had nothing to take over: the test shows nothing")
	}
	c.t.Logf("%d kills, %d events taken over: the last one of a kill arrived %v after it at most, limit %v = lease %v + sweep %v + backlog %v + margin %v",
		kills, taken, longest.Round(time.Millisecond), limit, c.plan.lease, sweepMax, backlog, takeOverMargin)
}

// busy waits until a node has POSTs in flight, or the load ended.
func (c *cluster) busy(ctx context.Context, i int, ended <-chan struct{}) {
	c.t.Helper()
	c.until(ctx, "POSTs in flight", func() bool {
		select {
		case <-ended:
			return true
		default:
			return c.metric(ctx, i, "hookswitch_posts_in_flight") > 0
		}
	})
}

// owedAt returns how many events that a node had acknowledged before a moment arrived after it, and how long after it the last.
func (c *cluster) owedAt(moment time.Time, node int) (count int, longest time.Duration) {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	for _, a := range c.ledger.accounts {
		if a.due && a.node == node && a.acknowledged.Before(moment) && a.arrived.After(moment) {
			count++
			longest = max(longest, a.arrived.Sub(moment))
		}
	}
	return count, longest
}

// TestCrashNodeEnds ends nodes gracefully under load: what waits in them is delivered by the others at once, long before its
// leases end, and nothing arrives twice.
func TestCrashNodeEnds(t *testing.T) {
	t.Parallel()
	// Slow enough for a queue to build up on any machine.
	const answer, posts, most = 2 * slowAnswer, 2, 400
	ctx, c := testContext(t), newCluster(t, nodesMany, withLease(longLease), withSetting("concurrency", posts))
	c.ledger.behave(answer, nil)
	n := min(*interactionsFlag/5, most)
	ended, wait := c.load(ctx, n)
	c.made(ctx, n/2, ended)
	began := time.Now()
	c.stop(1)
	took, gone := time.Since(began), time.Now()
	wait()
	c.delivered(ctx)
	count, longest := c.owedAt(gone, 1)
	t.Logf("the node ended in %v; %d events that it had acknowledged arrived later, the last %v after its end; lease %v",
		took.Round(time.Millisecond), count, longest.Round(time.Millisecond), longLease)
	if count == 0 {
		t.Error("nothing waited in the node: the test shows nothing")
	}
	// The others have their own to deliver besides: at most everything.
	if limit := sweepMax + takeOverMargin + time.Duration(2*n)*answer/(2*posts); longest > limit || limit > longLease/2 {
		t.Errorf("the last arrived %v after the end of the node that had it, want %v at most", longest, limit)
	}
	c.check(ctx, 0)
}

// metric reads one of node i's metrics.
func (c *cluster) metric(ctx context.Context, i int, name string) int {
	c.t.Helper()
	a, err := c.process(i).call(ctx, "GET", "/metrics", nil, "")
	if err != nil {
		c.t.Fatalf("read the metrics of node %d: %v", i, err)
	}
	for line := range strings.Lines(string(a.body)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			f, err := strconv.ParseFloat(value, 64)
			if err != nil {
				c.t.Fatalf("read the metric %s: %v", name, err)
			}
			return int(f)
		}
	}
	c.t.Fatalf("node %d has no metric %s: answered %d", i, name, a.status)
	return 0
}

// interact creates an interaction on node i and returns its id.
func (c *cluster) interact(ctx context.Context, i int) string {
	c.t.Helper()
	body := map[string]any{"mediaType": "chat", "subtype": "InboundNew", "queue": "support"}
	a, err := c.process(i).call(ctx, "POST", "/v1/interactions", body, "")
	if err == nil && a.status != 201 {
		err = fmt.Errorf("answered %d %s", a.status, a.body)
	}
	var made shown
	if err == nil {
		err = a.decode(&made)
	}
	if err != nil {
		c.t.Fatalf("create on node %d: %v", i, err)
	}
	return made.ID
}
