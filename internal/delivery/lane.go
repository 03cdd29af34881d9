package delivery

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// laneDeliveriesMax bounds the deliveries that wait in one lane.
	laneDeliveriesMax = 2_048
	// laneRefillBelow is how few deliveries must wait in a lane for it to ask the store for more.
	laneRefillBelow = laneDeliveriesMax / 2
	// claimMax bounds one claim.
	claimMax = 512
)

// lane is everything that one webhook needs to be delivered to, and nothing that another one needs.
type lane struct {
	engine *Engine
	number hook.WebhookNumber

	mu sync.Mutex // guards everything below; no other lock is taken while it is held
	// wake is for workers that wait for deliveries.
	wake    *sync.Cond
	waiting fifo
	crew    crew
	stopped bool
	circuit circuit
	behind  behind
	limiter *rate.Limiter
	target  *target
}

// crew counts a lane's workers. Whoever wakes an idle worker takes it off the idle ones, so that each wake is meant for
// one delivery and each delivery finds a worker, as long as there may be one more.
type crew struct {
	workers int
	idle    int
	// idleLeast is the least number of idle workers since the last tidying: those were never needed.
	idleLeast int
	// retiring is how many woken workers find nothing to do and shall end.
	retiring int
}

// behind is what a lane knows of its deliveries in the store.
type behind struct {
	// backlog is true while the store may hold due deliveries of this lane: fresh ones then queue up behind them.
	backlog bool
	// refused is true when a fresh delivery was sent there since the last claim began.
	refused bool
	// claiming is true while a claim is made.
	claiming bool
}

func newLane(e *Engine, n hook.WebhookNumber) *lane {
	l := &lane{engine: e, number: n}
	l.wake = sync.NewCond(&l.mu)
	return l
}

// room reports whether the lane would take a fresh delivery. When it would not, that one is born due in the store, and the
// lane remembers that there is something to claim.
func (l *lane) room() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open() && !l.behind.backlog {
		return true
	}
	l.refuse()
	return false
}

// open reports whether the lane takes deliveries. The caller holds the lock.
func (l *lane) open() bool {
	return !l.stopped && !l.circuit.open() && l.waiting.len() < laneDeliveriesMax
}

// refuse notes that a delivery stays in the store. The caller holds the lock.
func (l *lane) refuse() { l.behind.backlog, l.behind.refused = true, true }

// push adds a leased delivery and sees that a worker takes it.
func (l *lane) push(d *hook.Delivery) bool {
	w, ok := l.engine.options.Queue.WebhookByNumber(l.number)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !ok || !l.open() {
		l.refuse()
		return false
	}
	l.add(d, w.Settings.Concurrency)
	return true
}

// add queues a delivery. The caller holds the lock.
func (l *lane) add(d *hook.Delivery, concurrency int) {
	l.engine.held.Add(1)
	l.waiting.push(d)
	switch {
	case l.crew.idle > 0:
		l.wakeOne()
	case l.crew.workers < concurrency:
		l.crew.workers++
		l.engine.workers.Go(l.work)
	}
}

// wakeOne wakes an idle worker. The caller holds the lock.
func (l *lane) wakeOne() {
	l.crew.idle--
	l.crew.idleLeast = min(l.crew.idleLeast, l.crew.idle)
	l.wake.Signal()
}

// work is one worker: it sends one POST after the other.
func (l *lane) work() {
	for {
		w, batch := l.next()
		if batch == nil {
			return
		}
		batch = l.more(w, batch)
		l.send(w, batch)
		l.engine.held.Add(-int64(len(batch)))
	}
}

// next waits for deliveries to send; none means that the worker is not needed any more.
func (l *lane) next() (*hook.Webhook, []*hook.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		w, ok := l.engine.options.Queue.WebhookByNumber(l.number)
		switch {
		case l.stopped || !ok || l.crew.workers > w.Settings.Concurrency:
			l.crew.workers--
			return nil, nil
		case l.waiting.len() > 0:
			batch := l.take(w)
			l.refillSoon()
			return w, batch
		case l.crew.retiring > 0:
			l.crew.retiring--
			l.crew.workers--
			return nil, nil
		}
		l.crew.idle++
		l.wake.Wait()
	}
}

// take removes what one POST may carry: never two events of one interaction.
func (l *lane) take(w *hook.Webhook) []*hook.Delivery {
	most := w.Settings.Batch.MaxEvents
	batch := []*hook.Delivery{l.waiting.pop()}
	for len(batch) < most && l.waiting.len() > 0 && !holds(batch, l.waiting.peek().Event.Interaction) {
		batch = append(batch, l.waiting.pop())
	}
	return batch
}

func holds(batch []*hook.Delivery, interaction hook.Serial) bool {
	for _, d := range batch {
		if d.Event.Interaction == interaction {
			return true
		}
	}
	return false
}

// more fills a POST that is not full with what arrives during the webhook's linger.
func (l *lane) more(w *hook.Webhook, batch []*hook.Delivery) []*hook.Delivery {
	b := w.Settings.Batch
	if b.Linger <= 0 || len(batch) >= b.MaxEvents {
		return batch
	}
	select {
	case <-time.After(time.Duration(b.Linger)):
	case <-l.engine.sending.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(batch) < b.MaxEvents && l.waiting.len() > 0 && !holds(batch, l.waiting.peek().Event.Interaction) {
		batch = append(batch, l.waiting.pop())
	}
	return batch
}

// pace waits for the webhook's rate limit; false means that the engine stops.
func (l *lane) pace(w *hook.Webhook) bool {
	limit := w.Settings.RateLimit
	if limit == 0 {
		return true
	}
	l.mu.Lock()
	if l.limiter == nil || l.limiter.Limit() != rate.Limit(limit) {
		l.limiter = rate.NewLimiter(rate.Limit(limit), 1)
	}
	limiter := l.limiter
	l.mu.Unlock()
	return limiter.Wait(l.engine.sending) == nil
}

// settle moves the circuit after an attempt and returns what must go back to the store, because the circuit opened.
func (l *lane) settle(acknowledged bool, now time.Time, r *hook.Retry) []*hook.Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.circuit.open()
	l.circuit = l.circuit.after(acknowledged, now, r)
	switch {
	case !was && l.circuit.open():
		l.refuse()
		return l.empty()
	case was && !l.circuit.open():
		l.refillSoon()
	}
	return nil
}

// empty removes everything that waits. The caller holds the lock.
func (l *lane) empty() []*hook.Delivery {
	var left []*hook.Delivery
	for l.waiting.len() > 0 {
		left = append(left, l.waiting.pop())
	}
	l.engine.held.Add(-int64(len(left)))
	return left
}

// stop ends the lane: its workers end after their POST. It returns what was not begun.
func (l *lane) stop() []*hook.Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	l.crew.idle = 0
	l.wake.Broadcast()
	return l.empty()
}

// tidy retires the workers that were idle all the time since the last call.
func (l *lane) tidy() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.crew.retiring = min(l.crew.idleLeast, l.crew.idle)
	for range l.crew.retiring {
		l.wakeOne()
	}
	l.crew.idleLeast = l.crew.idle
}

// refillSoon asks for a claim when few deliveries wait and the store may have more. The caller holds the lock.
func (l *lane) refillSoon() {
	if l.behind.backlog && !l.behind.claiming && !l.stopped && l.waiting.len() < laneRefillBelow {
		l.behind.claiming = true
		l.engine.workers.Go(l.refill)
	}
}

// due tells the lane that the store holds deliveries of it that are due.
func (l *lane) due() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.behind.backlog = true
	l.refillSoon()
}

// wanted is how many deliveries a claim may bring: one when the circuit is open and a probe is due, none before that.
func (l *lane) wanted(now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.behind.refused = false
	free := min(int64(laneDeliveriesMax-l.waiting.len()), deliveriesMax-l.engine.held.Load(), claimMax)
	switch {
	case l.stopped || !l.engine.running.Load():
		return 0
	case !l.circuit.open():
		return int(max(free, 0))
	case l.circuit.probes(now) && l.crew.workers == l.crew.idle && l.waiting.len() == 0:
		return 1
	default:
		return 0
	}
}

// refill claims due deliveries until the lane is full or nothing more is due.
func (l *lane) refill() {
	for l.claim(context.Background()) {
	}
}

// claim makes one claim and reports whether another one is worth making at once.
func (l *lane) claim(ctx context.Context) bool {
	now := time.Now()
	want := l.wanted(now)
	var claimed []*hook.Delivery
	var err error
	if want > 0 {
		claimed, err = l.engine.options.Queue.Claim(ctx, now, l.number, want)
	}
	if err != nil {
		l.engine.options.Log.Warn("claiming deliveries failed; it will be tried again", "error", err)
	}
	left, again := l.accept(claimed, want, err != nil)
	l.engine.release(ctx, left)
	return again
}

// accept queues what was claimed and returns what the lane cannot take after all.
func (l *lane) accept(claimed []*hook.Delivery, want int, failed bool) (left []*hook.Delivery, again bool) {
	w, ok := l.engine.options.Queue.WebhookByNumber(l.number)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped || !ok {
		l.behind.claiming = false
		return claimed, false
	}
	for _, d := range claimed {
		l.add(d, w.Settings.Concurrency)
	}
	l.behind.backlog = failed || len(claimed) == want || l.behind.refused
	again = l.behind.backlog && want > 1 && !failed && l.waiting.len() < laneRefillBelow
	l.behind.claiming = again
	return nil, again
}
