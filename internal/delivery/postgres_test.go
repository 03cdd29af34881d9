package delivery

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/pgtest"
)

// ward is a receiver that is broken until it is told to work, and then holds what it gets against the order of each interaction.
type ward struct {
	t  testing.TB
	mu sync.Mutex // guards everything below
	// works is whether it acknowledges; flying is how many POSTs it has now, and most how many it had at once.
	works        bool
	posts        int
	flying, most int
	acknowledged map[fact]int
}

func (r *ward) Send(_ context.Context, p hook.Post) hook.Answer {
	payload := parsed(r.t, p)
	r.mu.Lock()
	r.posts++
	r.flying++
	r.most = max(r.most, r.flying)
	works := r.works
	for _, e := range payload.Entities {
		if e.Event == interaction.EventFinished && r.acknowledged[fact{id: e.Entity.ID, event: interaction.EventStarted}] == 0 {
			r.t.Errorf("FINISHED of %s comes before its STARTED was acknowledged", e.Entity.ID)
		}
	}
	r.mu.Unlock()
	<-time.After(5 * time.Millisecond) // as a network does
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flying--
	if !works {
		return hook.Answer{Status: 503}
	}
	for _, e := range payload.Entities {
		r.acknowledged[fact{id: e.Entity.ID, event: e.Event}]++
	}
	return acknowledge()
}

// restart begins the counts anew.
func (r *ward) restart(works bool) (posts, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	posts, most = r.posts, r.most
	r.works, r.posts, r.most = works, 0, r.flying
	return posts, most
}

// TestTwoNodesOnOnePostgres breaks the receiver of two nodes that share a PostgreSQL, and gives each of them half of the deliveries.
// The circuit opens for both. After that there is one attempt for each probe, on both together; and when the receiver works, all is
// delivered by both of them, once, each FINISHED after its STARTED.
func TestTwoNodesOnOnePostgres(t *testing.T) {
	const interactions, most, batch = 5_000, 16, 500
	url := pgtest.Database(t)
	r := &ward{t: t, acknowledged: map[fact]int{}}
	nodes := []*node{startNode(t, url, r), startNode(t, url, r)}
	w := nodes[0].webhook(t, 1, concurrency(most), func(s *hook.Settings) {
		s.Retry.Timeout, s.RequestTimeout = hook.Duration(200*time.Millisecond), hook.Duration(time.Second)
		s.Retry.Backoff, s.Retry.MaxTimeout, s.Retry.Attempts = 1, hook.Duration(time.Second), 100
	})
	open := func(n *node) bool {
		seen, ok := n.WebhookByNumber(w.Number)
		return ok && seen.Circuit.Open()
	}
	for of := range interactions / batch {
		changes := make([]hook.Change, 0, 2*batch)
		for i := range batch {
			changes = append(changes, begin(of*batch+i), finish(of*batch+i))
		}
		nodes[of%2].accept(t, changes...)
	}
	eventually(t, 20*time.Second, "both nodes see an open circuit", func() bool { return open(nodes[0]) && open(nodes[1]) })
	eventually(t, 5*time.Second, "what was in flight has ended", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.flying == 0
	})
	// The nodes see it in the group that records what made it open: a wave of POSTs may have begun before.
	if before, _ := r.restart(false); before > 2*(hook.BreakerFailuresDefault+2*most) {
		t.Errorf("%d POSTs were made until the circuit was open for both", before)
	}
	first := waitOf(t, nodes, w.Number)
	eventually(t, 30*time.Second, "three more probes have failed", func() bool { return waitOf(t, nodes, w.Number) >= 8*first })
	if probes, at := r.restart(true); probes < 3 || probes > 5 || at > 1 {
		t.Errorf("%d POSTs behind an open circuit, %d at once, for three probes", probes, at)
	}
	eventually(t, time.Minute, "all is delivered", func() bool { return nodes[0].resolved(t) })
	if after, _ := r.restart(true); after != 2*interactions || len(r.acknowledged) != 2*interactions {
		t.Errorf("%d POSTs for %d deliveries, %d of them acknowledged", after, 2*interactions, len(r.acknowledged))
	}
	for i, n := range nodes {
		eventually(t, 5*time.Second, "the circuit is closed", func() bool { return !open(n) && atRest(circuitOf(n.engine, w.Number)) == hook.Breaker{} })
		if len(n.list(t, hook.DeliveryExhausted)) != 0 {
			t.Errorf("node %d has exhausted deliveries", i)
		}
	}
}

// waitOf returns the wait between probes, as the node that sent the last one knows it.
func waitOf(t *testing.T, nodes []*node, number hook.WebhookNumber) (longest time.Duration) {
	t.Helper()
	for _, n := range nodes {
		w, ok := n.WebhookByNumber(number)
		if !ok || !w.Circuit.Open() {
			t.Fatalf("the circuit is not open any more: %+v", w)
		}
		longest = max(longest, w.Circuit.Wait)
	}
	return longest
}
