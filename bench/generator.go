package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var errNoAddress = errors.New("a load needs an address")

// A load says what the generator sends, over which connections.
type load struct {
	Kind loadKind `json:"kind"`
	// Addresses are those of the nodes; the connections are spread evenly over them.
	Addresses []string `json:"addresses"`
	Key       string   `json:"key"`
	Trial     uint16   `json:"trial"`
	Order     order    `json:"order"`
	Conns     int      `json:"conns"`
	// Share is the part of the events that stop an interaction created before; the others create one.
	Share float64 `json:"share"`
	// Lag is how many interactions lie at least between a create and its stop.
	Lag int `json:"lag"`
	// Batch is the number of changes in one batch call.
	Batch int `json:"batch"`
}

type loadKind string

const (
	singleLoad  loadKind = "single"   // one event per request, to hookswitch or to the relay
	batchLoad   loadKind = "batch"    // hookswitch's batch call
	rawLoad     loadKind = "raw"      // signed POSTs straight to the sink, with net/http as every webhook sender in Go would
	leanRawLoad loadKind = "raw-lean" // the same by this generator's own connections
)

// A pace says how long to send, and how fast.
type pace struct {
	Seconds float64 `json:"seconds"` // 0 = until Events
	Events  int64   `json:"events"`  // 0 = until Seconds
	// Rate is the number of events that fall due each second, whether earlier ones were answered or not; 0 sends the next
	// when the one before it on the same connection was answered.
	Rate float64 `json:"rate"`
}

// A sending is what one pace came to.
type sending struct {
	FirstNano    int64  `json:"firstNano"`
	LastNano     int64  `json:"lastNano"` // the last answer
	Acknowledged int64  `json:"acknowledged"`
	Refused      int64  `json:"refused"`
	Broken       int64  `json:"broken"`
	FirstProblem string `json:"firstProblem,omitempty"`
	Sequences    uint32 `json:"sequences"` // how many interactions there are so far
}

// A generator sends a load. Its workers keep what they created between paces, so that later stops find something.
type generator struct {
	load    load
	ledger  *ledger
	texts   requests
	payload template // for the raw loads
	sender  *sender
	workers []*worker

	sequence atomic.Uint32
	left     atomic.Int64 // events that may still begin
	stopped  atomic.Bool

	mu  sync.Mutex // guards sum
	sum sending
}

func newGenerator(ctx context.Context, l load, shared *ledger) (*generator, error) {
	if len(l.Addresses) == 0 {
		return nil, errNoAddress
	}
	g := &generator{load: l, ledger: shared, texts: newRequests(l.Addresses[0], l.Key)} // one Host for all, as behind a balancer
	if l.Kind == rawLoad || l.Kind == leanRawLoad {
		g.payload, g.sender = newTemplate(payloadText()), newSender(l.Conns)
	}
	for i := range l.Conns {
		w := &worker{g: g, turn: float64(i) / float64(l.Conns)}
		if l.Kind != rawLoad {
			var err error
			if w.wire, err = dialWire(ctx, l.Addresses[i%len(l.Addresses)]); err != nil {
				g.close()
				return nil, err
			}
		}
		g.workers = append(g.workers, w)
	}
	g.settle()
	return g, nil
}

// settle says who stops what each worker creates: itself, or with several nodes the next worker, whose connection leads to the
// next node. So the events of an interaction come from different nodes, which is the harder case for their order.
func (g *generator) settle() {
	for i, w := range g.workers {
		w.heir = w
		if len(g.load.Addresses) > 1 {
			w.heir = g.workers[(i+1)%len(g.workers)]
		}
	}
}

func (g *generator) close() {
	for _, w := range g.workers {
		if w.wire != nil {
			w.wire.close()
		}
	}
	if g.sender != nil {
		g.sender.client.CloseIdleConnections()
	}
}

// send carries out one pace and reports what came of it.
func (g *generator) send(ctx context.Context, p pace) sending {
	g.stopped.Store(false)
	if p.Seconds > 0 { // what is under way then is finished: a request broken off would be neither answered nor not
		end := time.AfterFunc(time.Duration(p.Seconds*float64(time.Second)), func() { g.stopped.Store(true) })
		defer end.Stop()
	}
	g.left.Store(1 << 62)
	if p.Events > 0 {
		g.left.Store(p.Events)
	}
	g.mu.Lock()
	g.sum = sending{FirstNano: time.Now().UnixNano()}
	g.mu.Unlock()

	var due chan time.Time
	var wg sync.WaitGroup
	if p.Rate > 0 {
		due = make(chan time.Time, int(p.Rate)+1) // a second's worth: a target that stands still is not spared
		wg.Go(func() { g.schedule(p.Rate, due) })
	}
	for _, w := range g.workers {
		wg.Go(func() { w.run(ctx, due) })
	}
	wg.Wait()

	g.mu.Lock()
	defer g.mu.Unlock()
	g.sum.Sequences = g.sequence.Load()
	return g.sum
}

// schedule says when each event is due. It sleeps in the kernel, on a thread of its own: the runtime's timers are late by
// up to a millisecond when nothing else happens, which would count as the target's latency.
func (g *generator) schedule(rate float64, due chan<- time.Time) {
	defer close(due)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := time.Now()
	for i := 0; !g.stopped.Load() && g.left.Add(-1) >= 0; i++ {
		at := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		for wait := time.Until(at); wait > 0; wait = time.Until(at) {
			pause := syscall.NsecToTimespec(int64(wait))
			if err := syscall.Nanosleep(&pause, nil); err != nil && !errors.Is(err, syscall.EINTR) {
				g.note(tally{broken: 1, problem: fmt.Sprintf("sleep: %v", err)})
				return
			}
		}
		due <- at
	}
}

// A tally is what one worker adds to the sum.
type tally struct {
	acknowledged, refused, broken int64
	problem                       string
}

func (g *generator) note(t tally) {
	now := time.Now().UnixNano()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sum.Acknowledged += t.acknowledged
	g.sum.Refused += t.refused
	g.sum.Broken += t.broken
	g.sum.LastNano = max(g.sum.LastNano, now)
	if g.sum.FirstProblem == "" {
		g.sum.FirstProblem = t.problem
	}
}

// clipProblem keeps the beginning of an answer that was no success.
func clipProblem(status int, answer []byte) string {
	const problemBytesMax = 400
	return fmt.Sprintf("status %d: %s", status, bytes.ToValidUTF8(answer[:min(len(answer), problemBytesMax)], []byte("?")))
}
