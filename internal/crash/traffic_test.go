package crash_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/hookswitch/hookswitch/interaction"
)

const (
	// trafficWorkers is how many requests of a cluster's load are in flight.
	trafficWorkers = 24
	// answerMax is how long a request of the load waits before it asks another node: the one that it asked may be frozen.
	answerMax = 5 * time.Second
	// retryWait is how long the load waits before it repeats a request that was refused; retryAfterMax bounds what a node may ask for.
	retryWait     = 50 * time.Millisecond
	retryAfterMax = 60 * time.Second
	// nobody is no node's index.
	nobody = -1
)

// traffic is the load of a cluster: it creates on one node and stops on another, and repeats every request until it knows
// that the change was made.
type traffic struct {
	cluster *cluster
	// apart says that a stop may be asked for before the creation was answered.
	apart bool
	// enough ends the load before its number.
	enough atomic.Bool

	acknowledged atomic.Int64 // requests that were answered 2xx
	repeated     atomic.Int64 // requests that were asked for again
	lost         atomic.Int64 // answers that did not come
	refused      atomic.Int64 // answers 503
	proven       atomic.Int64 // answers 409 to a repetition, which prove that the first was made
}

// wish is one change, and how often it has to be asked for.
type wish struct {
	path, once string
	body       any
	events     []key
	// early says that the interaction may not be there yet.
	early bool
}

// load runs the load of n interactions over all nodes that serve; wait waits for its end and fails the test with its error.
func (c *cluster) load(ctx context.Context, n int) (ended <-chan struct{}, wait func()) {
	done := make(chan struct{})
	var failed error
	began := time.Now()
	go func() {
		defer close(done)
		failed = c.traffic.run(ctx, n)
	}()
	return done, func() {
		c.t.Helper()
		<-done
		if failed != nil {
			c.t.Fatalf("load: %v", failed)
		}
		v := &c.traffic
		c.t.Logf("%d interactions in %v: %d requests acknowledged, %d asked for again, %d answers lost, %d refused with 503, %d proven by 409",
			n, time.Since(began).Round(time.Millisecond), v.acknowledged.Load(), v.repeated.Load(), v.lost.Load(), v.refused.Load(), v.proven.Load())
	}
}

func (v *traffic) run(ctx context.Context, n int) error {
	var (
		wg     sync.WaitGroup
		once   sync.Once
		failed error
		next   atomic.Int64
	)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range trafficWorkers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n) && !v.enough.Load(); i = next.Add(1) {
				if err := v.one(ctx, rand.New(rand.NewPCG(v.cluster.seed, uint64(i)))); err != nil {
					once.Do(func() { failed = err })
					cancel()
					return
				}
			}
		})
	}
	wg.Wait()
	return failed
}

// one makes an interaction and, one time in two, stops it on another node.
func (v *traffic) one(ctx context.Context, random *rand.Rand) error {
	body := map[string]any{"mediaType": "chat", "subtype": "InboundNew", "queue": "support", "subject": "cluster"}
	w := wish{path: "/v1/interactions", body: body}
	id, stopped := "", random.IntN(2) == 0
	keyed := random.IntN(4) == 0 // the server chooses the id, so that only the key makes it safe to repeat
	if keyed {
		w.once = uuid.NewString()
	} else {
		id = uuid.Must(uuid.NewV7()).String()
		body["id"] = id
		w.events = []key{{id, interaction.EventStarted}}
	}
	if v.apart && stopped && !keyed {
		return v.both(ctx, random, w, id)
	}
	at, a, err := v.ask(ctx, random, w, nobody)
	if err != nil {
		return err
	}
	if keyed {
		var s shown
		if err := a.decode(&s); err != nil {
			return err
		}
		id = s.ID
		v.cluster.ledger.acknowledged(at, []key{{id, interaction.EventStarted}})
	}
	if stopped {
		_, _, err = v.ask(ctx, random, finish(id, random.IntN(4) == 0), at)
	}
	return err
}

// both asks for the creation and the stop at the same time.
func (v *traffic) both(ctx context.Context, random *rand.Rand, create wish, id string) error {
	other := rand.New(rand.NewPCG(random.Uint64(), 1)) // two goroutines
	end := finish(id, false)                           // a key would keep the 404 of one that comes too early
	end.early = true
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() {
		_, _, err := v.ask(ctx, other, end, nobody)
		ended <- err
	}()
	_, _, err := v.ask(ctx, random, create, nobody)
	if err != nil {
		cancel(err) // the stop would wait for ever
	}
	return errors.Join(err, <-ended)
}

func finish(id string, keyed bool) wish {
	w := wish{
		path: "/v1/interactions/" + id + "/stop", body: map[string]any{"by": "agentDesktop", "reason": "resolved"},
		events: []key{{id, interaction.EventFinished}},
	}
	if keyed {
		w.once = uuid.NewString()
	}
	return w
}

// ask asks one node after the other for a change until one says that it is made, and returns which one and what it said.
func (v *traffic) ask(ctx context.Context, random *rand.Rand, w wish, avoid int) (at int, _ *answer, err error) {
	for tries := 1; ; tries++ {
		n, p, err := v.cluster.pick(ctx, random, avoid)
		if err != nil {
			return nobody, nil, err
		}
		a, err := v.askOnce(ctx, p, w)
		switch {
		case err == nil && a.status/100 == 2:
			v.acknowledged.Add(1)
			v.cluster.ledger.acknowledged(n.i, w.events)
			return n.i, a, nil
		case err == nil && a.status == http.StatusConflict && tries > 1 && len(w.events) > 0:
			v.proven.Add(1) // nobody else knows the id
			v.cluster.ledger.acknowledged(nobody, w.events)
			return nobody, a, nil
		case err == nil && a.status == http.StatusServiceUnavailable:
			after, parsed := strconv.Atoi(a.header.Get("Retry-After"))
			if parsed != nil || after < 1 || time.Duration(after)*time.Second > retryAfterMax {
				return nobody, nil, fmt.Errorf("POST %s: answered 503 with Retry-After %q", w.path, a.header.Get("Retry-After"))
			}
			v.refused.Add(1)
		case err == nil && a.status == http.StatusNotFound && w.early:
		case err == nil:
			return nobody, nil, fmt.Errorf("POST %s: answered %d %s", w.path, a.status, a.body)
		case ctx.Err() != nil:
			return nobody, nil, fmt.Errorf("POST %s: %w", w.path, context.Cause(ctx))
		case !p.killed.Load() && !errors.Is(err, context.DeadlineExceeded):
			return nobody, nil, fmt.Errorf("POST %s, on node %d, which was not ended: %w", w.path, n.i, err)
		default:
			v.lost.Add(1)
		}
		v.repeated.Add(1)
		if err := pause(ctx, retryWait); err != nil {
			return nobody, nil, err
		}
	}
}

func (v *traffic) askOnce(ctx context.Context, p *process, w wish) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	return p.call(ctx, http.MethodPost, w.path, w.body, w.once)
}

// pause waits, or until the context ends.
func pause(ctx context.Context, d time.Duration) error {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait: %w", context.Cause(ctx))
	}
}

// acknowledged notes that a node said that the changes were made which cause events.
func (l *ledger) acknowledged(node int, events []key) {
	l.mu.Lock()
	for _, k := range events {
		if a := l.account(k); !a.due {
			a.node, a.acknowledged = node, time.Now()
		}
	}
	l.mu.Unlock()
	l.owe(events)
}

// known returns how many changes with events were made.
func (l *ledger) known() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.made
}

// posts returns how many POSTs were acknowledged.
func (l *ledger) posts() int {
	posts, _, _ := l.totals()
	return posts
}

// behave sets how long every POST takes and, unless refuse is nil, which ones are answered 503.
func (l *ledger) behave(takes time.Duration, refuse func(k key, attempt int) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.takes, l.refuse = takes, refuse
}

// delay returns how long every POST takes.
func (l *ledger) delay() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.takes
}
