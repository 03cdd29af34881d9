package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// fact is an event as a receiver knows it.
type fact struct {
	host  string
	id    string
	event interaction.Event
}

// judge is all receivers of a run: each POST gets a random fate, and is held against what went before it.
type judge struct {
	t       testing.TB
	retries map[string]int // of each host

	mu     sync.Mutex // guards everything below
	random *rand.Rand
	// tries, acknowledged and flying count the POSTs of each fact.
	tries, acknowledged, flying map[fact]int
}

func (j *judge) Send(ctx context.Context, p hook.Post) hook.Answer {
	payload, err := interaction.Parse(p.Body)
	if err != nil {
		j.t.Errorf("body %s: %v", p.Body, err)
	}
	var facts []fact
	for _, e := range payload.Entities {
		facts = append(facts, fact{host: p.URL.Host, id: e.Entity.ID, event: e.Event})
	}
	wait, a := j.begin(facts)
	a = after(wait, a)(ctx, p)
	j.end(facts, &a)
	return a
}

// begin checks the order and chooses what will happen.
func (j *judge) begin(facts []fact) (time.Duration, hook.Answer) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, f := range facts {
		started, finished := f, f
		started.event, finished.event = interaction.EventStarted, interaction.EventFinished
		switch {
		case j.flying[f] > 0:
			j.t.Errorf("%v is posted twice at a time", f)
		case f == started && j.tries[finished] > 0:
			j.t.Errorf("%v is posted after its FINISHED", f)
		case f == finished && j.flying[started] > 0:
			j.t.Errorf("%v is posted while its STARTED is", f)
		case f == finished && j.acknowledged[started] == 0 && j.tries[started] <= j.retries[f.host]:
			j.t.Errorf("%v is posted after %d tries of its STARTED", f, j.tries[started])
		}
		j.tries[f]++
		j.flying[f]++
	}
	wait := time.Duration(1+j.random.IntN(300)) * time.Millisecond
	switch n := j.random.IntN(10); {
	case n < 5:
		return wait, acknowledge()
	case n == 5:
		return time.Hour, acknowledge()
	case n == 6:
		return wait, hook.Answer{Failure: hook.FailureBroken, Error: "broken"}
	case n == 7:
		return wait, hook.Answer{Status: 429, RetryAfter: time.Duration(j.random.IntN(2)) * time.Second}
	default:
		return wait, hook.Answer{Status: 500}
	}
}

func (j *judge) end(facts []fact, a *hook.Answer) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, f := range facts {
		j.flying[f]--
		if a.Status == 200 {
			j.acknowledged[f]++
		}
	}
}

// TestOrderHolds plays contact centres whose receivers fail at random on nodes that die at random. At no time does a
// receiver see a FINISHED whose STARTED is unresolved, and in the end everything is delivered or exhausted.
func TestOrderHolds(t *testing.T) {
	for seed := range uint64(4) {
		path := database(t)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { playOrder(t, path, seed) })
		})
	}
}

func playOrder(t *testing.T, path string, seed uint64) {
	const interactions = 50
	random := rand.New(rand.NewPCG(seed, 1))
	j := &judge{
		t: t, retries: map[string]int{}, random: rand.New(rand.NewPCG(seed, 2)),
		tries: map[fact]int{}, acknowledged: map[fact]int{}, flying: map[fact]int{},
	}
	n := startNode(t, path, j)
	inFlight := 0 // how many deliveries may be at most
	for number := range 3 {
		w := n.webhook(t, number+1, func(s *hook.Settings) {
			s.URL = fmt.Sprintf("https://receiver%d.example/", number)
			s.RequestTimeout = hook.RequestTimeoutMin
			s.Concurrency = 1 + random.IntN(8)
			s.Batch = hook.Batch{MaxEvents: 1 + random.IntN(3), Linger: hook.Duration(random.IntN(2)) * hook.Duration(50*time.Millisecond)}
			timeout := hook.Duration(100+random.IntN(900)) * hook.Duration(time.Millisecond)
			s.Retry = hook.Retry{Timeout: timeout, Attempts: random.IntN(4), Backoff: 1.5, MaxTimeout: 3 * timeout, Jitter: 0.5}
		})
		j.retries[fmt.Sprintf("receiver%d.example", number)] = w.Settings.Retry.Attempts
		inFlight += w.Settings.Concurrency * w.Settings.Batch.MaxEvents
	}
	kills := 0
	events := map[int]int{} // of each interaction: how many were emitted
	for emitted := 0; emitted < 2*interactions; {
		of := random.IntN(interactions)
		if events[of] < 2 {
			n.accept(t, []func(int) hook.Change{begin, finish}[events[of]](of))
			events[of]++
			emitted++
		}
		<-time.After(time.Duration(random.IntN(60)) * time.Millisecond)
		if random.IntN(25) == 0 {
			n.kill()
			kills++
			n = startNode(t, path, j)
		}
	}
	eventually(t, 10*time.Minute, "all resolved", func() bool { return n.resolved(t) })
	delivered, exhausted := n.list(t, hook.DeliveryDelivered), n.list(t, hook.DeliveryExhausted)
	if got := len(delivered) + len(exhausted); got != 3*2*interactions || len(exhausted) == 0 || kills == 0 {
		t.Errorf("%d deliveries of %d, %d of them exhausted, after %d kills", got, 3*2*interactions, len(exhausted), kills)
	}
	if repeated := sum(j.acknowledged) - len(j.acknowledged); repeated > kills*inFlight {
		t.Errorf("%d duplicates after %d kills with %d in flight at most", repeated, kills, inFlight)
	}
	for _, d := range delivered {
		host := hostOf(t, n, d.Webhook)
		if j.acknowledged[fact{host, d.Interaction.String(), d.Event}] == 0 {
			t.Errorf("%s of %s is delivered, but %s acknowledged nothing", d.Event, d.Interaction, host)
		}
	}
	for _, d := range exhausted {
		host := hostOf(t, n, d.Webhook)
		if d.AttemptsMade != j.retries[host]+1 {
			t.Errorf("%s of %s is exhausted after %d attempts of %d", d.Event, d.Interaction, d.AttemptsMade, j.retries[host]+1)
		}
	}
}

func hostOf(t testing.TB, n *node, id hook.WebhookID) string {
	t.Helper()
	w, err := n.Webhook(context.Background(), 1, id)
	if err != nil {
		t.Fatal(err)
	}
	return w.Settings.URL[len("https://") : len(w.Settings.URL)-1]
}

func sum(counts map[fact]int) (total int) {
	for _, n := range slices.Collect(maps.Values(counts)) {
		total += n
	}
	return total
}

// TestBacklogOutlivesRestart leaves far more than a lane holds on the real store, kills the node in the middle, and enables
// and disables the webhook on the way.
func TestBacklogOutlivesRestart(t *testing.T) {
	path := database(t)
	synctest.Test(t, func(t *testing.T) {
		const events = 3_000
		seen := new(log)
		s := seen.of(after(200*time.Millisecond, acknowledge()))
		n := startNode(t, path, s)
		w := n.webhook(t, 1, concurrency(64))
		for of := 0; of < events; of += 500 {
			var changes []hook.Change
			for i := range 500 {
				changes = append(changes, begin(of+i))
			}
			n.accept(t, changes...)
		}
		<-time.After(1_050 * time.Millisecond) // while each worker is in the middle of a POST
		n.kill()
		killed := len(seen.posts())
		n = startNode(t, path, s)
		<-time.After(time.Second)
		if resumed := len(seen.posts()) - killed; resumed < 200 {
			t.Errorf("%d POSTs in the first second after the restart", resumed)
		}
		enable := func(enabled bool) {
			t.Helper()
			if _, err := n.EnableWebhook(t.Context(), 1, w.ID, time.Now(), enabled, nil); err != nil {
				t.Fatal(err)
			}
		}
		enable(false)
		synctest.Wait() // a worker that had found the webhook enabled just before may not have come to its POST yet
		sent := len(seen.posts())
		<-time.After(10 * time.Second)
		if more := len(seen.posts()) - sent; more != 0 {
			t.Errorf("%d POSTs to a disabled webhook", more)
		}
		held := len(n.list(t, hook.DeliveryHeld))
		enable(true)
		eventually(t, time.Minute, "delivered", func() bool { return n.resolved(t) })
		delivered := new(tally[string])
		for _, p := range seen.posts() {
			delivered.count(p.Header.Get("webhook-id"))
		}
		if got := len(delivered.seen); got != events || len(seen.posts()) > events+64 || held < events/2 {
			t.Errorf("%d events were posted, %d times; %d were held", got, len(seen.posts()), held)
		}
		if err := n.DeleteWebhook(t.Context(), 1, w.ID, time.Now()); err != nil {
			t.Fatal(err)
		}
		n.accept(t, begin(events))
		synctest.Wait()
		sent = len(seen.posts())
		<-time.After(5 * time.Second)
		if len(seen.posts()) != sent {
			t.Error("a POST to a deleted webhook")
		}
		if _, err := n.Webhook(t.Context(), 1, w.ID); !errors.Is(err, hook.ErrNotFound) {
			t.Errorf("the deleted webhook: %v", err)
		}
	})
}
