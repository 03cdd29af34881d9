package crash_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
)

const (
	// staleMax is how long a node may know a webhook as it was before another node changed it (catalogueCheckEvery in
	// internal/store), where no request tells it.
	staleMax = time.Second
	// staleMargin is what a machine that does much else adds to that.
	staleMargin = time.Second
)

// inbox is a receiver that remembers which interactions it was told of, and when last of any.
type inbox struct {
	url   string
	takes time.Duration

	mu   sync.Mutex // guards what follows
	told map[string]int
	last time.Time
}

func newInbox(t *testing.T, takes time.Duration) *inbox {
	b := &inbox{told: map[string]int{}, takes: takes}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		began := time.Now()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender is gone
		}
		p, err := interaction.Parse(body)
		if err != nil {
			t.Errorf("read payload: %v", err)
			return
		}
		if pause(r.Context(), b.takes) != nil {
			return // the sender is gone
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.told[p.Entities[0].Entity.ID]++
		if began.After(b.last) {
			b.last = began
		}
	}))
	b.url = s.URL
	t.Cleanup(s.Close)
	return b
}

func (b *inbox) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.told)
}

func (b *inbox) has(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.told[id] > 0
}

func (b *inbox) lastBegan() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// TestCrashWebhookChangedOnAnotherNode makes, changes, disables, enables and deletes a webhook on one node: it counts at once
// for what another node accepts after the answer, and within a second for what that has in memory.
func TestCrashWebhookChangedOnAnotherNode(t *testing.T) {
	t.Parallel()
	ctx, c := testContext(t), newCluster(t, nodesMany, withoutWebhook())
	var slowest time.Duration
	for round := range max(*killsFlag/5, 1) {
		a, b := round%nodesMany, (round+1)%nodesMany
		slowest = max(slowest, c.changes(ctx, a, b))
	}
	t.Logf("a disabled webhook got its last POST up to %v after the answer, documented %v, margin %v", slowest.Round(time.Millisecond), staleMax, staleMargin)
}

// changes changes a webhook on node a and looks at what node b does. It returns how long after the webhook was disabled the
// last POST was made.
func (c *cluster) changes(ctx context.Context, a, b int) time.Duration {
	c.t.Helper()
	first, second := newInbox(c.t, 0), newInbox(c.t, 10*time.Millisecond)
	id := c.process(a).subscribe(ctx, c.t, map[string]any{"url": first.url, "requestTimeout": "1s", "concurrency": 1})
	at := "/v1/webhooks/" + id
	one := c.interact(ctx, b)
	c.until(ctx, "a delivery to a webhook that another node has just made", func() bool { return first.has(one) })

	c.change(ctx, a, http.MethodPatch, at, map[string]any{"url": second.url})
	two := c.interact(ctx, b)
	c.until(ctx, "a delivery to the URL that another node has just set", func() bool { return second.has(two) })
	if first.has(two) {
		c.t.Error("a delivery went to the URL that another node had replaced")
	}

	c.change(ctx, a, http.MethodPatch, at, map[string]any{"events": []string{"FINISHED"}})
	three := c.interact(ctx, b)
	if n := c.deliveriesOf(ctx, three); n != 0 {
		c.t.Errorf("%d deliveries of an event that the webhook's filter, set on another node, leaves out", n)
	}
	c.change(ctx, a, http.MethodPatch, at, map[string]any{"events": []string{"STARTED", "FINISHED"}})

	// Disabled while many wait in the memory of b, which nobody calls any more.
	const many = 200
	c.fill(ctx, b, many)
	c.until(ctx, "some of them to be delivered", func() bool { return second.count() > 10 })
	c.change(ctx, a, http.MethodPost, at+"/disable", nil)
	disabled := time.Now()
	if err := pause(ctx, staleMax+staleMargin); err != nil {
		c.t.Fatal(err)
	}
	arrived, quiet := second.count(), second.lastBegan()
	if arrived == many+1 {
		c.t.Error("all were delivered before the webhook was disabled: the test shows nothing")
	}
	four := c.interact(ctx, b)
	took := max(quiet.Sub(disabled), 0)
	if took > staleMax+staleMargin/2 {
		c.t.Errorf("the last POST was made %v after the webhook was disabled, want %v and a little at most", took, staleMax)
	}
	c.change(ctx, a, http.MethodPost, at+"/enable", nil)
	c.until(ctx, "the rest to be delivered", func() bool { return second.count() == many+2 && second.has(four) })

	c.change(ctx, a, http.MethodDelete, at, nil)
	five := c.interact(ctx, b)
	if n := c.deliveriesOf(ctx, five); n != 0 || second.has(five) {
		c.t.Errorf("%d deliveries to a webhook that another node had deleted", n)
	}
	return took
}

// fill creates n interactions on node i with one request.
func (c *cluster) fill(ctx context.Context, i, n int) {
	c.t.Helper()
	list := make([]map[string]any, n)
	for j := range list {
		list[j] = map[string]any{"op": "create", "mediaType": "chat", "subtype": "InboundNew", "queue": "support"}
	}
	a := c.change(ctx, i, http.MethodPost, "/v1/interactions/batch", map[string]any{"changes": list})
	if _, err := allMade(a); err != nil {
		c.t.Fatal(err)
	}
}

// change makes a request on node i that must succeed.
func (c *cluster) change(ctx context.Context, i int, method, path string, body any) *answer {
	c.t.Helper()
	a, err := c.process(i).call(ctx, method, path, body, "")
	if err == nil && a.status/100 != 2 {
		err = fmt.Errorf("answered %d %s", a.status, a.body)
	}
	if err != nil {
		c.t.Fatalf("%s %s on node %d: %v", method, path, i, err)
	}
	return a
}

// deliveriesOf counts an interaction's deliveries, made or open.
func (c *cluster) deliveriesOf(ctx context.Context, id string) int {
	c.t.Helper()
	return c.number(ctx, `SELECT (SELECT count(*) FROM deliveries d WHERE d.event = e.serial AND d.center = e.center)
		+ (SELECT count(*) FROM attempts a WHERE a.event = e.serial AND a.center = e.center)
		FROM events e JOIN interactions i ON i.center = e.center AND i.serial = e.interaction WHERE i.id = $1`, id)
}
