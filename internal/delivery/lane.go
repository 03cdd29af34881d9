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
	laneDeliveriesMax = 16_384
	// laneRateMax bounds what a lane with a rate limit holds, by the time that it takes to send: less than the default lease
	// leaves beside a request timeout. Where leases are shorter, the lane's depth is what bounds it.
	laneRateMax = 15 * time.Second
	// laneDeliveriesMin is what a lane may hold however much the others do.
	laneDeliveriesMin = 16
	// laneRefillShare is the part of its depth below which a lane asks the store for more.
	laneRefillShare = 2
	// claimMax bounds one claim.
	claimMax = 1_024
)

// lane is everything that one webhook needs to be delivered to, and nothing that another one needs.
type lane struct {
	engine *Engine
	number hook.WebhookNumber
	pacer  pacer

	mu sync.Mutex // guards everything below; the queue's own lock is taken while it is held, and no other
	// wake is for workers that wait for deliveries.
	wake    *sync.Cond
	waiting fifo
	leases  leasing
	// held is how many deliveries of the lane are in memory: waiting, being sent or about to be claimed.
	held    int
	crew    crew
	stopped bool
	breaker breaker
	outage  outage
	behind  behind
	// gathering is set while a worker waits for a POST to fill; a value in it says that it is full.
	gathering chan struct{}
	target    *target
}

// crew counts a lane's workers. There is a worker coming for each delivery that waits, as long as there may be one more.
type crew struct {
	workers int
	idle    int
	// coming is how many workers were woken or made and have not looked at what waits yet.
	coming int
	// idleLeast is the least number of idle workers since the last tidying: those were never needed.
	idleLeast int
	// retiring is how many woken workers find nothing to do and shall end.
	retiring int
	// pacing is how many deliveries are in the hands of workers that wait for the rate limit.
	pacing int
}

// pacer keeps the rate limit.
type pacer struct {
	// turn is held by the worker that waits for the rate limit, so that no more than one POST is promised a time ahead.
	turn chan struct{}
	// limiter belongs to whoever holds the turn.
	limiter *rate.Limiter
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
	l := &lane{engine: e, number: n, pacer: pacer{turn: make(chan struct{}, 1)}, leases: leasing{depth: laneDeliveriesMax}}
	l.wake = sync.NewCond(&l.mu)
	return l
}

// room reports whether the lane would take a fresh delivery. When it would not, that one is born due in the store, and the
// lane remembers that there is something to claim.
func (l *lane) room() bool {
	w, ok := l.webhook()
	l.mu.Lock()
	defer l.mu.Unlock()
	if ok {
		l.see(w.Circuit)
	}
	if ok && l.open(w) && !l.behind.backlog {
		return true
	}
	l.refuse()
	return false
}

// webhook returns the lane's webhook as it is now; false means that nothing may be sent to it, or not from here. The caller
// does not hold the lock.
func (l *lane) webhook() (*hook.Webhook, bool) {
	w, ok := l.engine.options.Queue.WebhookByNumber(l.number)
	return w, ok && w.Sends() && l.fits(w)
}

// open reports whether the lane takes deliveries. The caller holds the lock.
func (l *lane) open(w *hook.Webhook) bool {
	return !l.stopped && !l.breaker.Open() && !l.outage.on() && l.free(&w.Settings) > 0 && share(int(l.engine.held.Load()), l.held) > 0
}

// free is how many more deliveries the lane may hold, as far as it depends on the lane alone. The caller holds the lock.
func (l *lane) free(s *hook.Settings) int {
	free := l.deep(s) - l.unsent()
	if s.RateLimit > 0 {
		free = min(free, s.RateLimit*s.Batch.MaxEvents*int(laneRateMax/time.Second)-l.held)
	}
	return free
}

// unsent is how many deliveries wait, in the lane or in the hands of its workers. The caller holds the lock.
func (l *lane) unsent() int { return l.waiting.len() + l.crew.pacing }

// drop notes that the lane holds fewer deliveries. The caller holds the lock.
func (l *lane) drop(n int) {
	l.held -= n
	l.engine.held.Add(-int64(n))
}

// refuse notes that a delivery stays in the store. The caller holds the lock.
func (l *lane) refuse() { l.behind.backlog, l.behind.refused = true, true }

// push adds a leased delivery and sees that a worker takes it.
func (l *lane) push(d *hook.Delivery) bool {
	w, ok := l.webhook()
	l.mu.Lock()
	defer l.mu.Unlock()
	if ok {
		l.see(w.Circuit)
	}
	if !ok || !l.open(w) || l.engine.reserve(1, l.held) == 0 {
		l.refuse()
		return false
	}
	l.held++
	l.leases.given(d)
	l.waiting.push(d)
	l.rouse(w)
	return true
}

// rouse calls a worker when more deliveries wait than workers are coming, as far as the webhook's concurrency allows. The
// caller holds the lock.
func (l *lane) rouse(w *hook.Webhook) {
	switch {
	case l.gathering != nil:
		if l.waiting.len() >= w.Settings.Batch.MaxEvents {
			l.filled()
		}
	case l.waiting.len() <= l.crew.coming:
	case l.crew.idle > 0:
		l.wakeOne()
	case l.crew.workers < w.Settings.Concurrency:
		l.crew.workers++
		l.crew.coming++
		l.engine.workers.Go(l.work)
	}
}

// wakeOne wakes an idle worker. The caller holds the lock.
func (l *lane) wakeOne() {
	l.crew.idle--
	l.crew.coming++
	l.crew.idleLeast = min(l.crew.idleLeast, l.crew.idle)
	l.wake.Signal()
}

// work is one worker: it sends one POST after the other.
func (l *lane) work() {
	l.mu.Lock()
	l.crew.coming--
	l.mu.Unlock()
	for done := 0; ; {
		batch := l.next(done)
		if batch == nil {
			return
		}
		l.send(batch)
		done = len(batch)
	}
}

// next waits for deliveries to send; none means that the worker is not needed any more. done is how many it has sent.
func (l *lane) next(done int) []*hook.Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(done)
	gathered := false
	for {
		w, ok := l.engine.options.Queue.WebhookByNumber(l.number)
		switch {
		case l.stopped || !ok:
			l.crew.workers--
			return nil
		case l.crew.workers > w.Settings.Concurrency:
			l.crew.workers--
			l.rouse(w) // what it was woken for is for another one
			return nil
		case l.waiting.len() > 0 && l.gathering == nil:
			if !gathered && l.gather(w.Settings.Batch) {
				gathered = true
				continue
			}
			batch := l.take(w)
			l.refillSoon()
			l.rouse(w)
			return batch
		case l.crew.retiring > 0:
			l.crew.retiring--
			l.crew.workers--
			return nil
		}
		l.crew.idle++
		l.wake.Wait()
		l.crew.coming--
		gathered = false
	}
}

// gather waits for the webhook's linger, or until what waits fills a POST. One worker does so for the whole lane: the others
// leave what arrives to it. It reports whether it waited, which it does without the lock that the caller holds.
func (l *lane) gather(b hook.Batch) bool {
	if b.Linger <= 0 || l.waiting.len() >= b.MaxEvents {
		return false
	}
	full := make(chan struct{}, 1)
	l.gathering = full
	l.mu.Unlock()
	linger := time.NewTimer(time.Duration(b.Linger))
	defer linger.Stop()
	select {
	case <-linger.C:
	case <-full:
	}
	l.mu.Lock()
	l.gathering = nil
	return true
}

// filled tells the worker that gathers, if there is one, to go on. The caller holds the lock.
func (l *lane) filled() {
	select {
	case l.gathering <- struct{}{}:
	default: // nobody gathers, or it was told already
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

// pace waits for the webhook's rate limit and returns when the POST may begin. False means that it must not: at that time its
// leases are too short, which is told beforehand because the rate is for POSTs that are made; or, with no time at all, the
// engine stops or nothing may be sent any more.
func (l *lane) pace(batch []*hook.Delivery) (at time.Time, ok bool) {
	l.paces(len(batch))
	defer l.paces(-len(batch))
	beginning := l.engine.beginning
	select {
	case l.pacer.turn <- struct{}{}:
		defer func() { <-l.pacer.turn }()
	case <-beginning.Done():
		return at, false
	}
	w, ok := l.webhook() // the wait for the turn may have been long
	switch limit := rate.Limit(w.Settings.RateLimit); {
	case !ok:
		return at, false
	case limit == 0:
		return time.Now(), true
	case l.pacer.limiter == nil:
		l.pacer.limiter = rate.NewLimiter(limit, 1)
	default:
		l.pacer.limiter.SetLimit(limit)
	}
	now := time.Now()
	next := l.pacer.limiter.ReserveN(now, 1)
	delay := next.DelayFrom(now)
	if at = now.Add(delay); !leased(batch, w, at) {
		next.CancelAt(now)
		return at, false
	}
	wait := time.NewTimer(delay)
	defer wait.Stop()
	select {
	case <-wait.C:
		return time.Now(), true
	case <-beginning.Done():
		return time.Time{}, false
	}
}

// paces notes that deliveries wait for the rate limit in a worker's hands, or do so no more.
func (l *lane) paces(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.crew.pacing += n
	l.refillSoon()
}

// dismiss returns everything that waits, to go back to the store.
func (l *lane) dismiss() []*hook.Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse()
	return l.empty()
}

// empty removes everything that waits. The caller holds the lock.
func (l *lane) empty() []*hook.Delivery {
	var left []*hook.Delivery
	for l.waiting.len() > 0 {
		left = append(left, l.waiting.pop())
	}
	l.drop(len(left))
	return left
}

// stop ends the lane: its workers end after their POST. It returns what was not begun.
func (l *lane) stop() []*hook.Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	l.crew.idle = 0
	l.wake.Broadcast()
	l.filled()
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
	if !l.behind.backlog || l.behind.claiming || l.stopped {
		return
	}
	if w, ok := l.engine.options.Queue.WebhookByNumber(l.number); ok && l.low(&w.Settings) {
		l.behind.claiming = true
		l.engine.workers.Go(l.refill)
	}
}

// low reports whether another claim is worth making as far as the lane is concerned. The caller holds the lock.
func (l *lane) low(s *hook.Settings) bool {
	return l.unsent() < l.deep(s)/laneRefillShare && !time.Now().Before(l.resume())
}

// due tells the lane that the store holds deliveries of it that are due.
func (l *lane) due() {
	l.mu.Lock()
	l.behind.backlog = true
	l.refillSoon()
	resume := l.resume()
	l.mu.Unlock()
	if time.Now().Before(resume) {
		l.engine.sweeper.hint(l.number, resume)
	}
}

// resume is when the lane may claim again. The caller holds the lock.
func (l *lane) resume() time.Time {
	if l.outage.resume.After(l.leases.resume) {
		return l.outage.resume
	}
	return l.leases.resume
}

// wanted reserves room for what a claim may bring: while the circuit is open nothing but one delivery when a probe is due, which
// takes a turn.
func (l *lane) wanted(now time.Time) (want int, probe *turn) {
	w, ok := l.webhook()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.behind.refused = false
	if l.stopped || !ok || !l.engine.running.Load() {
		return 0, nil
	}
	l.see(w.Circuit)
	l.moveSoon()
	if !l.breaker.Open() {
		want = min(l.free(&w.Settings), claimMax)
		if l.outage.on() { // one POST tries the proxy
			want = min(want, max(1-l.held, 0))
		}
	} else if probe = l.probing(now, w); probe != nil {
		want = 1
	}
	if want = l.engine.reserve(want, l.held); want == 0 {
		return 0, nil
	}
	l.held += want
	return want, probe
}

// refill claims due deliveries until the lane is full or nothing more is due.
func (l *lane) refill() {
	for l.claim(context.Background()) {
	}
}

// claim makes one claim and reports whether another one is worth making at once.
func (l *lane) claim(ctx context.Context) bool {
	now := time.Now()
	want, probe := l.wanted(now)
	var claimed []*hook.Delivery
	var err error
	took := probe == nil || l.takeTurn(ctx, probe)
	if !took {
		probe = nil
	}
	if want > 0 && took {
		claimed, err = l.engine.options.Queue.Claim(ctx, now, l.number, want)
	}
	if err != nil {
		l.engine.options.Log.Warn("claiming deliveries failed; it will be tried again", "error", err)
	}
	left, again := l.accept(claimed, want, probe, err != nil)
	l.engine.release(ctx, left)
	return again
}

// accept queues what was claimed and returns what the lane cannot take after all: it stopped, its webhook was disabled,
// its circuit opened, or its proxy failed, during the claim.
func (l *lane) accept(claimed []*hook.Delivery, want int, probe *turn, failed bool) (left []*hook.Delivery, again bool) {
	w, ok := l.webhook()
	l.mu.Lock()
	defer l.mu.Unlock()
	if ok {
		l.see(w.Circuit)
	}
	refused := l.stopped || !ok || l.breaker.Open() && probe == nil || time.Now().Before(l.outage.resume)
	if probe != nil && (refused || len(claimed) == 0) {
		l.unused()
	}
	if refused {
		l.drop(want)
		l.behind.claiming = false
		return claimed, false
	}
	l.drop(want - len(claimed))
	l.behind.backlog = failed || len(claimed) == want || l.behind.refused
	if l.behind.backlog && probe == nil {
		l.deepen(w)
	}
	for _, d := range claimed {
		if probe != nil {
			l.breaker.probe = d
		}
		l.leases.given(d)
		l.waiting.push(d)
		l.rouse(w)
	}
	again = l.behind.backlog && want > 1 && !failed && l.low(&w.Settings)
	if !l.behind.backlog {
		l.engine.sweeper.soon() // what is due next is not known any more
	}
	l.behind.claiming = again
	return nil, again
}
