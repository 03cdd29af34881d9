package delivery

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// deliveriesMax bounds the deliveries that all lanes hold in memory, in flight or not, beside laneDeliveriesMin in each.
	deliveriesMax = 32_768
	// DrainTimeoutDefault is how long POSTs in flight may take to finish when the engine stops.
	DrainTimeoutDefault = 15 * time.Second
)

// Queue is where deliveries come from and outcomes go: the store.
type Queue interface {
	// WebhookByNumber returns a webhook as it is configured now.
	WebhookByNumber(n hook.WebhookNumber) (*hook.Webhook, bool)
	// Due returns when the first pending delivery of each enabled webhook may be claimed.
	Due(ctx context.Context) ([]hook.Due, error)
	// Claim leases deliveries of a webhook that are due.
	Claim(ctx context.Context, now time.Time, webhook hook.WebhookNumber, limit int) ([]*hook.Delivery, error)
	// Record logs attempts and changes their deliveries, under their leases.
	Record(ctx context.Context, now time.Time, outcomes []hook.Outcome) (hook.Recorded, error)
	// Release gives leased deliveries back, due at once.
	Release(ctx context.Context, now time.Time, deliveries []*hook.Delivery) error
	// SwapCircuit changes the circuit of a webhook, which is that of all nodes, if it is what from says, and reports whether it
	// was. WebhookByNumber shows what has become of it.
	SwapCircuit(ctx context.Context, webhook hook.WebhookNumber, from, to hook.Circuit) (bool, error)
}

// Sender makes one POST. It returns within the post's timeout, whatever the receiver does.
type Sender interface {
	Send(ctx context.Context, p hook.Post) hook.Answer
}

// Tracer gets the POSTs that were made.
type Tracer interface {
	// Sampled reports whether the spans of an event are kept: X-B3-Sampled says so to the receiver.
	Sampled(e *hook.Event) bool
	// Posted tells of one POST: outcomes are those of its events, and span is what X-B3-SpanId carried. It must not block, nor keep
	// the slice.
	Posted(w *hook.Webhook, operation hook.OperationID, span [8]byte, outcomes []hook.Outcome)
}

// Disabler disables webhooks: the store.
type Disabler interface {
	// DisableGone disables a webhook whose receiver answered 410 Gone, unless it was changed since the attempt was made with what
	// is given here. WebhookByNumber shows what has become of it.
	DisableGone(ctx context.Context, now time.Time, sent *hook.Webhook) error
}

// Options are what an engine needs.
type Options struct {
	Queue  Queue
	Sender Sender
	// Disabler disables webhooks that want it when their receivers are gone; nil means never.
	Disabler Disabler
	// Log gets one line for each attempt: failures at level info, acknowledgements at level debug. Nil means nothing.
	Log *slog.Logger
	// Metrics gets the engine's metrics; nil means they are kept nowhere.
	Metrics prometheus.Registerer
	// Tracer gets the POSTs that were made; nil means nobody does.
	Tracer Tracer
	// MetricsWebhooks is how many webhooks have series of their own in the metrics; all others share one of each kind.
	MetricsWebhooks int
	// PublicURL is the base of the selfUri of a test, without a trailing slash.
	PublicURL string
	// Version is named in the User-Agent header.
	Version string
	// DrainTimeout bounds the drain at the end; zero means [DrainTimeoutDefault].
	DrainTimeout time.Duration
	// Lease is how long the queue's leases are: the lane of a webhook that [hook.LeaseFor] says needs a longer one refuses its
	// deliveries. Zero means that this is not checked.
	Lease time.Duration
}

// Engine delivers. It is safe for concurrent use; it does nothing before [Engine.Run].
type Engine struct {
	options  Options
	metrics  *metrics
	recorder *recorder
	sweeper  *sweeper

	mu    sync.RWMutex // guards lanes and ended; a lane's lock is never taken while it is held
	lanes map[hook.WebhookNumber]*lane
	ended bool // lanes made from now on take nothing

	proxy proxyState
	// held is how many deliveries are in memory.
	held atomic.Int64
	// running is true between the beginning of Run and the beginning of its drain.
	running atomic.Bool
	// sending is the context of every POST; it ends when the drain's time is over.
	sending     context.Context //nolint:containedctx // it is the life of all POSTs, not of one call
	stopSending context.CancelFunc
	// beginning is the context of whatever comes before a POST; it ends when the drain begins.
	beginning     context.Context //nolint:containedctx // as above
	stopBeginning context.CancelFunc
	workers       sync.WaitGroup
}

// New makes an engine.
func New(o Options) *Engine {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = DrainTimeoutDefault
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	e := &Engine{options: o, lanes: make(map[hook.WebhookNumber]*lane)}
	e.metrics = newMetrics(o.Metrics, e)
	e.recorder = newRecorder(e)
	e.sweeper = newSweeper(e)
	e.sending, e.stopSending = context.WithCancel(context.Background())
	e.beginning, e.stopBeginning = context.WithCancel(e.sending)
	return e
}

// Run delivers until the context ends, then drains: what was not begun is released, POSTs in flight may finish within the
// drain timeout, and every outcome is recorded. The store must still run.
func (e *Engine) Run(ctx context.Context) error {
	recording, stopRecording := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRecording()
	defer e.stopSending()
	var recorder sync.WaitGroup
	recorder.Go(func() { e.recorder.run(recording) })
	e.running.Store(true)
	e.sweeper.run(ctx)
	e.running.Store(false)
	e.drain(ctx)
	stopRecording()
	recorder.Wait()
	return nil
}

// drain ends the lanes. Workers finish the POST that they are in; its context ends when the time is over.
func (e *Engine) drain(ctx context.Context) {
	limit := time.AfterFunc(e.options.DrainTimeout, e.stopSending)
	defer limit.Stop()
	e.stopBeginning()
	e.mu.Lock()
	e.ended = true
	e.mu.Unlock()
	var left []*hook.Delivery
	for _, l := range e.allLanes() {
		left = append(left, l.stop()...)
	}
	e.release(context.WithoutCancel(ctx), left)
	e.workers.Wait()
}

// Room reports whether the webhook's lane would take a delivery now.
func (e *Engine) Room(n hook.WebhookNumber) bool {
	return e.running.Load() && e.lane(n).room()
}

// Take hands a fresh, leased delivery to its webhook's lane; false means that there is no room.
func (e *Engine) Take(d *hook.Delivery) bool {
	return e.running.Load() && e.lane(d.Webhook).push(d)
}

// Due tells that the store has due deliveries to the webhook: its lane asks for them at once, and not after the next sweep, so that a
// replay with a rate is as even at the receiver as it is in the store.
func (e *Engine) Due(n hook.WebhookNumber) {
	if e.running.Load() {
		e.sweeper.hint(n, time.Now())
	}
}

// reserve makes room in memory for at most n deliveries of a lane that holds so many already, and returns for how many.
func (e *Engine) reserve(n, holds int) int {
	for {
		held := e.held.Load()
		n = min(n, share(int(held), holds))
		if n <= 0 {
			return 0
		}
		if e.held.CompareAndSwap(held, held+int64(n)) {
			return n
		}
	}
}

// share is how many more deliveries a lane may hold beside those that it and all lanes hold. With them it holds no more than
// is free: lanes that cannot get rid of theirs always leave room for others, and if there are so many that it gets scarce, a
// lane still has its minimum.
func share(held, holds int) int {
	free := deliveriesMax - held - holds
	return max((free+1)/2, laneDeliveriesMin-holds)
}

// lane returns the webhook's lane, made when it is needed first.
func (e *Engine) lane(n hook.WebhookNumber) *lane {
	e.mu.RLock()
	l, ok := e.lanes[n]
	e.mu.RUnlock()
	if ok {
		return l
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if l, ok = e.lanes[n]; !ok {
		l = newLane(e, n)
		l.stopped = e.ended
		e.lanes[n] = l
	}
	return l
}

func (e *Engine) allLanes() []*lane {
	e.mu.RLock()
	defer e.mu.RUnlock()
	list := make([]*lane, 0, len(e.lanes))
	for _, l := range e.lanes {
		list = append(list, l)
	}
	return list
}

// release gives deliveries back to the store, so many at a time that nothing else waits long for its commit. Should that fail,
// they are due when their lease ends.
func (e *Engine) release(ctx context.Context, deliveries []*hook.Delivery) {
	for part := range slices.Chunk(deliveries, claimMax) {
		if err := e.options.Queue.Release(ctx, time.Now(), part); err != nil {
			e.options.Log.Warn("releasing deliveries failed; they are due when their lease ends", "count", len(part), "error", err)
		}
	}
}

// random is for jitter, which needs no secrecy.
func random() float64 { return rand.Float64() } //nolint:gosec // jitter is no secret
