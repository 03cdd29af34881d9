package crash_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"

	"github.com/hookswitch/hookswitch/interaction"
)

// puller reads the events of the default contact centre from whichever node serves, as a receiver does that catches up.
type puller struct {
	cluster *cluster
	random  *rand.Rand
	cursor  string
	read    []key
	broken  int // requests that a node did not answer
}

// pull reads one page; a node that dies over it is no error: the same cursor is asked for again.
func (p *puller) pull(ctx context.Context, wait string) (events int, err error) {
	_, from, err := p.cluster.pick(ctx, p.random, -1)
	if err != nil {
		return 0, err
	}
	a, err := from.call(ctx, http.MethodGet, fmt.Sprintf("/v1/events?limit=%d&wait=%s&after=%s", 1+p.random.IntN(100), wait, p.cursor), nil, "")
	if err != nil || a.status == http.StatusServiceUnavailable {
		p.broken++
		return 0, pause(ctx, lookEvery)
	}
	var page struct {
		Items []struct {
			Event       interaction.Event
			Interaction struct{ ID string }
		}
		NextCursor string
	}
	if err := json.Unmarshal(a.body, &page); err != nil || a.status != http.StatusOK {
		return 0, fmt.Errorf("events: answered %d %s: %w", a.status, a.body, err)
	}
	for _, e := range page.Items {
		p.read = append(p.read, key{e.Interaction.ID, e.Event})
	}
	p.cursor = page.NextCursor
	return len(page.Items), nil
}

// TestCrashReadersOfEvents kills nodes under load while readers page through the events on whichever node serves: each of them
// reads everything that was acknowledged, once, all in one order, and no FINISHED before its STARTED.
func TestCrashReadersOfEvents(t *testing.T) {
	t.Parallel()
	ctx, c := testContext(t), newCluster(t, nodesMany)
	const readers, kills = 3, 3
	n := min(*interactionsFlag/5, strikeMax)
	reading, enough := context.WithCancel(ctx)
	defer enough()
	pullers, ended := make([]*puller, readers), make(chan error, readers)
	for i := range pullers {
		p := &puller{cluster: c, random: rand.New(rand.NewPCG(c.seed, uint64(i)+100))}
		pullers[i] = p
		go func() {
			var err error
			for err == nil && reading.Err() == nil {
				_, err = p.pull(ctx, "1s")
			}
			for events := 1; err == nil && events > 0; { // the rest
				events, err = p.pull(ctx, "1s")
			}
			ended <- err
		}()
	}
	for range kills {
		before, victim := c.ledger.known(), c.random.IntN(nodesMany)
		loaded, wait := c.load(ctx, n)
		c.made(ctx, before+n/4, loaded)
		c.kill(ctx, victim)
		c.made(ctx, before+n/2, loaded)
		c.start(victim)
		wait()
	}
	c.delivered(ctx)
	enough()
	for range pullers {
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	c.check(ctx, 0)
	for i, p := range pullers {
		p.check(t, i, pullers[0].read)
	}
}

// check compares what was read with what another reader read, and with what was acknowledged.
func (p *puller) check(t *testing.T, i int, other []key) {
	t.Helper()
	if !slices.Equal(other, p.read) {
		t.Errorf("reader %d read %d events, and the first one %d, or in another order", i, len(p.read), len(other))
	}
	seen := map[key]bool{}
	for _, k := range p.read {
		if seen[k] {
			t.Errorf("reader %d read %s of %s twice", i, k.event, k.id)
		}
		seen[k] = true
		if k.event == interaction.EventFinished && !seen[key{k.id, interaction.EventStarted}] {
			t.Errorf("reader %d read the FINISHED of %s before its STARTED", i, k.id)
		}
	}
	l := p.cluster.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	missed := 0
	for k, a := range l.accounts {
		if a.due && !seen[k] {
			missed++
		}
	}
	if missed > 0 || len(seen) < l.made {
		t.Errorf("reader %d missed %d of %d acknowledged events", i, missed, l.made)
	}
	t.Logf("reader %d read %d events; %d requests were not answered", i, len(p.read), p.broken)
}
