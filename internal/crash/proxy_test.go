package crash_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/hookswitch/hookswitch/interaction"
)

const (
	// transactMax is how long a transaction may take (postgresTransactMax in internal/store), and silence is longer.
	transactMax = 10 * time.Second
	silence     = transactMax + 2*time.Second
	// networkBackMax is how long after a network carries bytes again every node is ready and the next delivery has arrived:
	// it takes a driver 15 seconds to give up a connection that does not even end.
	networkBackMax = 30 * time.Second
	// takeOverSlack is what a take-over may take beside the lease and the sweep after it, on a machine that does much else.
	takeOverSlack = 5 * time.Second
	// cutOffCalls is how many requests ask a node that is cut off at the same time: more than it has connections.
	cutOffCalls = 40
)

// proxies are a cluster's ways to its database, one for each node.
type proxies struct {
	t    *testing.T
	list []*toxiproxy.Proxy
}

// newProxies puts a proxy between each node, which is not started yet, and the database.
func newProxies(t *testing.T, c *cluster) *proxies {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	database, err := url.Parse(c.database)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxies{t: t}
	for i := range c.nodes {
		proxy := toxiproxy.NewProxy(server, c.nodes[i].database, "127.0.0.1:0", database.Host)
		if err := proxy.Start(); err != nil {
			t.Fatalf("start proxy: %v", err)
		}
		t.Cleanup(proxy.Stop)
		through := *database
		through.Host = proxy.Listen
		c.point(i, through.String())
		p.list = append(p.list, proxy)
	}
	return p
}

// toxic is what a proxy does to the bytes of one direction: its type and attributes are toxiproxy's.
type toxic struct {
	kind       string
	attributes map[string]any
}

// poison adds toxics to both directions of the proxies of some nodes.
func (p *proxies) poison(toxics []toxic, nodes ...int) {
	p.t.Helper()
	var all sync.WaitGroup
	for _, i := range nodes {
		all.Go(func() { p.add(i, toxics) })
	}
	all.Wait()
}

func (p *proxies) add(i int, toxics []toxic) {
	for _, one := range toxics {
		for _, stream := range []string{"upstream", "downstream"} {
			text, err := json.Marshal(map[string]any{
				"name": one.kind + " " + stream, "type": one.kind, "stream": stream, "toxicity": 1, "attributes": one.attributes,
			})
			if err == nil {
				_, err = p.list[i].Toxics.AddToxicJson(strings.NewReader(string(text)))
			}
			if err != nil {
				p.t.Errorf("make the proxy of node %d %s: %v", i, one.kind, err)
			}
		}
	}
}

// heal removes all toxics of the proxies of some nodes.
func (p *proxies) heal(ctx context.Context, nodes ...int) {
	var all sync.WaitGroup
	for _, i := range nodes {
		all.Go(func() { p.list[i].Toxics.ResetToxics(ctx) })
	}
	all.Wait()
}

// newProxiedCluster starts a cluster whose nodes reach the database through a proxy each.
func newProxiedCluster(ctx context.Context, t *testing.T, options ...clusterOption) (*cluster, *proxies) {
	t.Helper()
	c := newCluster(t, nodesMany, append(options, unstarted())...)
	p := newProxies(t, c)
	c.startAll()
	c.subscribe(ctx, 0)
	return c, p
}

// TestCrashNetworkSlow slows the way to the database: everything is slower, nothing is refused, lost or sent twice.
func TestCrashNetworkSlow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]toxic{
		"latency":   {"latency", map[string]any{"latency": 50, "jitter": 25}},
		"bandwidth": {"bandwidth", map[string]any{"rate": 150}}, // KB/s
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := testContext(t)
			c, p := newProxiedCluster(ctx, t, withLease(calmLease))
			ready := c.watchNodes(ctx, "/readyz", refusedMax, c.everyNode()...)
			n := *interactionsFlag / 8
			ended, wait := c.load(ctx, n)
			c.made(ctx, n/8, ended)
			p.poison([]toxic{test}, c.everyNode()...)
			wait()
			c.delivered(ctx)
			ready.end()
			t.Log(ready)
			if n := c.traffic.refused.Load(); n != 0 || !ready.all(http.StatusOK, time.Time{}) {
				t.Errorf("%d changes were refused on a slow network, want none", n)
			}
			c.checkNoPooler()
			c.check(ctx, 0)
		})
	}
}

// checkNoPooler checks that no node took what happened for the doing of a pooler, after which it prepares nothing any more.
func (c *cluster) checkNoPooler() {
	c.t.Helper()
	for i := range c.nodes {
		if log := c.process(i).log(); strings.Contains(log, "pooler") {
			c.t.Errorf("node %d has no pooler before its database, and says:\n%s", i, log)
		}
	}
}

// TestCrashNetworkCut ends the connections of all nodes to the database, again and again.
func TestCrashNetworkCut(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]toxic{
		"resets": {"reset_peer", map[string]any{"timeout": 0}}, // as soon as a connection carries a byte
		// In the midst of what a connection carries: of a statement, of a result, of a commit.
		"halves": {"limit_data", map[string]any{"bytes": 2_000}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _, _ := cutNetwork(t, test, 3*time.Second, refusedMax)
			c.check(t.Context(), 0)
		})
	}
}

// TestCrashNetworkSilent lets no byte of any node reach the database, for longer than a transaction may take, and no connection end.
func TestCrashNetworkSilent(t *testing.T) {
	t.Parallel()
	c, gone, back := cutNetwork(t, toxic{"timeout", map[string]any{"timeout": 0}}, silence, silentMax)
	// With the time until the nodes have new connections it may take longer than a lease.
	c.noteOutage(t.Context(), calmLease, gone, back)
	c.check(t.Context(), 0)
}

// cutNetwork makes all ways to the database toxic for a time, under load, in which every answer comes within another time. It
// returns when everything is delivered, and when the network was gone and back.
func cutNetwork(t *testing.T, test toxic, lasts, within time.Duration) (c *cluster, gone, back time.Time) {
	t.Helper()
	ctx := testContext(t)
	c, p := newProxiedCluster(ctx, t, withLease(calmLease))
	ready := c.watchNodes(ctx, "/readyz", within, c.everyNode()...)
	list := c.watchNodes(ctx, "/v1/interactions?limit=1", within, c.everyNode()...)
	finish := c.loadOn(ctx)
	c.outage(ctx, ready, networkBackMax, func() {
		gone = time.Now()
		p.poison([]toxic{test}, c.everyNode()...)
	}, func() {
		if err := pause(ctx, lasts-time.Since(gone)); err != nil {
			t.Fatal(err)
		}
	}, func() { p.heal(ctx, c.everyNode()...) })
	back = time.Now()
	finish()
	c.delivered(ctx)
	ready.end()
	list.end()
	t.Logf("%v; %v", ready, list)
	c.checkAlive()
	return c, gone, back
}

// TestCrashNodeCutOff cuts one node off from the database while it holds work: the others go on and take that work over within
// the lease, the node answers 503 instead of keeping callers waiting, and goes on by itself when it reaches the database again.
func TestCrashNodeCutOff(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c, p := newProxiedCluster(ctx, t)
	const alone = 0
	// The receiver refuses until the node is cut off, so that the node holds work that is not done.
	c.ledger.set(down)
	n := *interactionsFlag / 4
	_, wait := c.load(ctx, n/4)
	wait()
	work := c.openEvents(ctx)

	c.nodes[alone].frozen.Store(true) // the load asks the others
	p.poison([]toxic{{"timeout", map[string]any{"timeout": 0}}}, alone)
	cut := time.Now()
	c.noteFault(ctx)
	c.ledger.set(up)
	refused, ready := c.callCutOff(ctx, alone), c.watchNodes(ctx, "/readyz", silentMax, alone)
	others := c.watchNodes(ctx, "/readyz", refusedMax, 1, 2)
	_, wait = c.load(ctx, n)
	limit := nodeLease + sweepMax + takeOverSlack
	c.until(ctx, "the work of the node to be taken over", func() bool {
		open := c.openEvents(ctx)
		maps.DeleteFunc(open, func(event int64, _ bool) bool { return !work[event] })
		return len(open) == 0
	})
	if took := time.Since(cut); took > limit {
		t.Errorf("the work of a node that is cut off was done after %v, want %v at most", took, limit)
	} else {
		t.Logf("%d deliveries were open when the node was cut off; they were done %v later", len(work), took.Round(time.Millisecond))
	}
	wait()
	others.end()
	if !others.all(http.StatusOK, time.Time{}) || others.counts()[http.StatusServiceUnavailable] > 0 {
		t.Errorf("the other nodes did not stay ready: %v", others)
	}
	lost := refused()

	p.heal(ctx, alone)
	back := time.Now()
	c.until(ctx, "the node to be ready", func() bool { return ready.all(http.StatusOK, back) })
	if took := time.Since(back); took > networkBackMax {
		t.Errorf("the node was ready %v after it reached the database, want %v at most", took, networkBackMax)
	}
	c.nodes[alone].frozen.Store(false)
	c.settle(ctx, lost)
	_, wait = c.load(ctx, n/4)
	wait()
	c.noteFault(ctx) // what the node still tries to record
	c.delivered(ctx)
	c.checkAlive()
	c.check(ctx, 0)
}

// openEvents returns the events that have an open delivery.
func (c *cluster) openEvents(ctx context.Context) map[int64]bool {
	c.t.Helper()
	open := map[int64]bool{}
	err := c.query(ctx, func(r pgx.Rows) error {
		var event int64
		err := r.Scan(&event)
		open[event] = true
		return err
	}, `SELECT event FROM deliveries`)
	if err != nil {
		c.t.Fatalf("read what is open: %v", err)
	}
	return open
}

// callCutOff asks a node that is cut off for changes and reads, many at the same time. What it returns waits for the answers,
// which must be 503 and come within a time, and returns the ids that were asked for.
func (c *cluster) callCutOff(ctx context.Context, i int) (wait func() []string) {
	p := c.process(i)
	var all sync.WaitGroup
	var mu sync.Mutex // guards slowest
	var slowest time.Duration
	call := func(method, path string, body any) {
		began := time.Now()
		a, err := p.call(ctx, method, path, body, "")
		if err != nil {
			c.t.Errorf("%s %s on a node that is cut off: %v", method, path, err)
			return
		}
		checkRefused(c.t, method+" on a node that is cut off", a)
		mu.Lock()
		defer mu.Unlock()
		slowest = max(slowest, time.Since(began))
	}
	ids := make([]string, cutOffCalls)
	for n := range ids {
		ids[n] = uuid.Must(uuid.NewV7()).String()
		body := map[string]any{"mediaType": "chat", "subtype": "InboundNew", "queue": "support", "id": ids[n]}
		all.Go(func() { call(http.MethodPost, "/v1/interactions", body) })
		all.Go(func() { call(http.MethodGet, "/v1/interactions/"+ids[n], nil) })
	}
	return func() []string {
		all.Wait()
		if c.t.Logf("a node that is cut off answered after %v at most", slowest.Round(time.Millisecond)); slowest > silentMax {
			c.t.Errorf("a node that is cut off answered after %v, want %v at most", slowest, silentMax)
		}
		return ids
	}
}

// settle finds out which of the interactions were made whose creation was refused without anybody knowing what became of it.
func (c *cluster) settle(ctx context.Context, ids []string) {
	c.t.Helper()
	made := []string{}
	err := c.query(ctx, func(r pgx.Rows) error {
		var id string
		err := r.Scan(&id)
		made = append(made, id)
		return err
	}, `SELECT id::TEXT FROM interactions WHERE id = ANY($1::UUID[])`, ids)
	if err != nil {
		c.t.Fatalf("read interactions: %v", err)
	}
	for _, id := range slices.Sorted(slices.Values(made)) {
		c.ledger.owe([]key{{id, interaction.EventStarted}})
	}
	c.t.Logf("%d of %d refused creations were made nevertheless", len(made), len(ids))
}
