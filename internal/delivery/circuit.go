package delivery

import (
	"context"
	"log/slog"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// breaker is what a lane has to do with its webhook's circuit, which is stored and that of all nodes.
type breaker struct {
	hook.Breaker
	// probe is the delivery that tries an open circuit, and right what taking the right to send it made of that.
	probe *hook.Delivery
	right hook.Circuit
	// spent is what the right shall become, because the probe failed or was not sent; closed means nothing.
	spent hook.Circuit
	// moving is true while the stored circuit is changed, and disabling while the webhook is disabled because its receiver is gone.
	moving, disabling bool
}

// turn is a change of the stored circuit by which a lane takes the right to send a probe.
type turn struct{ from, to hook.Circuit }

// see notes the circuit as it is stored. Once it is closed, by whomever, the lane goes on. The caller holds the lock.
func (l *lane) see(stored hook.Circuit) {
	was := l.breaker.Open()
	l.breaker.Breaker = l.breaker.See(stored)
	if was && !l.breaker.Open() {
		l.refillSoon()
	}
}

// look notes the circuit as it is stored now. The caller holds the lock.
func (l *lane) look() {
	if w, ok := l.engine.options.Queue.WebhookByNumber(l.number); ok {
		l.see(w.Circuit)
	}
}

// passes reports whether a batch may be sent: while the circuit is open, only its probe, as long as the right to send it lasts.
// The caller holds the lock.
func (l *lane) passes(w *hook.Webhook, batch []*hook.Delivery) bool {
	l.see(w.Circuit)
	return !l.breaker.Open() || batch[0] == l.breaker.probe && l.breaker.right.Sends(time.Now(), &w.Settings)
}

// holdsBack reports whether the circuit is open.
func (l *lane) holdsBack() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.look()
	return l.breaker.Open()
}

// settle moves the circuit after an attempt and returns what must go back to the store, because the circuit opened.
func (l *lane) settle(batch []*hook.Delivery, acknowledged bool, s *hook.Settings) []*hook.Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.look()
	b, was, now := &l.breaker, l.breaker.Open(), time.Now()
	probe := b.probe == batch[0]
	if probe {
		b.probe = nil
	}
	switch {
	case acknowledged:
		b.Breaker = b.Acknowledged(now)
	case probe && b.Stored.Since.Equal(b.right.Since):
		b.spent = b.right.Failed(now)
	default:
		b.Breaker = b.Failed(now, s)
	}
	l.moveSoon()
	switch is := b.Open(); {
	case is && !was:
		l.refuse()
		return l.empty()
	case was && !is:
		l.refillSoon()
	}
	return nil
}

// forgo gives back the right to send a probe that was not sent.
func (l *lane) forgo(batch []*hook.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.breaker.probe == batch[0] {
		l.unused()
	}
}

// unused notes that the lane has the right to send a probe and makes no use of it. The caller holds the lock.
func (l *lane) unused() {
	l.breaker.probe, l.breaker.spent = nil, l.breaker.right.Unsent(time.Now())
	l.moveSoon()
}

// probing returns the turn by which the lane takes the right to send a probe when one is due; nil when none is. It begins when the
// lane is at rest: what had begun before the circuit opened may still tell that the receiver works. The caller holds the lock.
func (l *lane) probing(now time.Time, w *hook.Webhook) *turn {
	b := &l.breaker
	if b.moving || b.Own.Open() || !b.Stored.Probes(now) || l.crew.workers != l.crew.idle || l.waiting.len() > 0 {
		return nil
	}
	return &turn{from: b.Stored, to: b.Stored.Probing(now, &w.Settings)}
}

// takeTurn takes the right to send a probe and reports whether the lane has it. Of all nodes, one gets it.
func (l *lane) takeTurn(ctx context.Context, t *turn) bool {
	took, err := l.engine.options.Queue.SwapCircuit(ctx, l.number, t.from, t.to)
	if err != nil {
		l.engine.options.Log.Warn("taking the turn to probe failed; it will be tried again", "error", err)
		return false
	}
	if took {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.breaker.right = t.to
	}
	return took
}

// moveSoon changes the stored circuit if the lane wants it to be another one. Workers do not wait for that. The caller holds the
// lock.
func (l *lane) moveSoon() {
	b := &l.breaker
	if _, _, wants := b.Move(); !b.moving && (wants || b.spent.Open()) {
		b.moving = true
		l.engine.workers.Go(l.move)
	}
}

// move changes the stored circuit until it is as the lane wants it, or the store fails: then it is tried again when the store says
// again that deliveries are due.
func (l *lane) move() {
	for last := (turn{}); ; {
		next, ok := l.nextMove(last)
		if !ok {
			return
		}
		moved, err := l.engine.options.Queue.SwapCircuit(context.Background(), l.number, next.from, next.to)
		if err != nil {
			l.engine.options.Log.Warn("storing a webhook's circuit failed; it will be tried again", "error", err)
		}
		if moved {
			l.logMove(next, l.moved(next.to))
		}
		last = next
	}
}

// moved notes what the lane has made of the circuit, and returns what it knew before. Another node may have closed it again already:
// without this, the lane would take an opening that was stored for one that was not.
func (l *lane) moved(to hook.Circuit) hook.Breaker {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.breaker.Breaker
	l.see(to)
	return before
}

// logMove says that this node has opened or closed the circuit, and what it had counted.
func (l *lane) logMove(t turn, before hook.Breaker) {
	w, ok := l.engine.options.Queue.WebhookByNumber(l.number)
	if !ok || t.from.Open() == t.to.Open() {
		return
	}
	log, now := l.engine.options.Log, time.Now()
	if !t.to.Open() {
		log.Info("circuit closed: the receiver works again", slog.String("webhook", w.ID.String()), slog.Duration("open", now.Sub(t.from.Since)))
		return
	}
	failed, attempts := before.Window.Count(now)
	log.Warn("circuit opened: deliveries are held back", slog.String("webhook", w.ID.String()), slog.Int("failures_in_a_row", before.Failures),
		slog.Int("failed_in_a_minute", failed), slog.Int("attempts_in_a_minute", attempts), slog.Time("next_probe_at", t.to.ProbeAt))
}

// nextMove returns what is to be stored next. The outcome of a probe is stored once or never: the next one is due all the same.
// Otherwise a second try of the same follows later.
func (l *lane) nextMove(last turn) (next turn, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.look()
	b := &l.breaker
	if b.spent.Open() {
		next, b.spent = turn{b.right, b.spent}, hook.Circuit{}
		return next, true
	}
	next.from, next.to, ok = b.Move()
	again := next.from.Is(last.from) && next.to.Is(last.to)
	b.moving = ok && !again
	return next, b.moving
}
