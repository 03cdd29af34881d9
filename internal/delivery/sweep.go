package delivery

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// sweepEvery is how often the store is asked for due deliveries that nobody in this process knows of: those that a dead
	// node had leased, and those of a webhook that was enabled.
	sweepEvery = time.Second
	// sweepAgain is how soon the store may be asked again when a lane has caught up and wants to know what is due next, and
	// sweepShare bounds the part of the time that asking takes, where there are very many webhooks.
	sweepAgain = 20 * time.Millisecond
	sweepShare = 20
	// tidyEvery is how often idle workers are retired.
	tidyEvery = 15 * time.Second
)

// sweeper finds what is due in the store and tells its lane.
type sweeper struct {
	engine *Engine

	mu sync.Mutex // guards next
	// next is when each webhook's first known delivery in the store is due.
	next map[hook.WebhookNumber]time.Time
	// earlier is signalled when a hint comes before everything that was known.
	earlier chan struct{}
	// asked is true when a lane wants to know what is due next.
	asked atomic.Bool
}

func newSweeper(e *Engine) *sweeper {
	return &sweeper{engine: e, next: make(map[hook.WebhookNumber]time.Time), earlier: make(chan struct{}, 1)}
}

// hint notes that a webhook has a delivery in the store that is due at a time.
func (s *sweeper) hint(n hook.WebhookNumber, at time.Time) {
	s.mu.Lock()
	known, ok := s.next[n]
	first := !ok || at.Before(known)
	if first {
		s.next[n] = at
	}
	s.mu.Unlock()
	if first {
		select {
		case s.earlier <- struct{}{}:
		default:
		}
	}
}

// soon asks for a sweep before its time.
func (s *sweeper) soon() {
	if s.asked.CompareAndSwap(false, true) {
		select {
		case s.earlier <- struct{}{}:
		default:
		}
	}
}

// run tells lanes of what is due until the context ends.
func (s *sweeper) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var swept, tidied time.Time
	var took time.Duration
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.earlier:
		}
		now := time.Now()
		if !now.Before(s.nextSweep(swept, took)) {
			swept = now
			s.asked.Store(false)
			s.sweep(ctx, now)
			took = time.Since(now)
		}
		if now.Sub(tidied) >= tidyEvery {
			tidied = now
			for _, l := range s.engine.allLanes() {
				l.tidy()
			}
		}
		timer.Reset(s.tell(now, s.nextSweep(swept, took)))
	}
}

// nextSweep is when the store is asked next: soon when a lane wants it, as far as the time that the last sweep took allows.
func (s *sweeper) nextSweep(swept time.Time, took time.Duration) time.Time {
	if s.asked.Load() {
		return swept.Add(min(max(sweepAgain, sweepShare*took), sweepEvery))
	}
	return swept.Add(sweepEvery)
}

// sweep asks the store what is due.
func (s *sweeper) sweep(ctx context.Context, now time.Time) {
	list, err := s.engine.options.Queue.Due(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.engine.options.Log.Warn("asking the store for due deliveries failed; it will be tried again", "error", err)
		}
		return
	}
	for _, d := range list {
		s.hint(d.Webhook, d.At)
	}
	s.engine.metrics.swept(now, list)
}

// tell wakes the lanes whose time has come and returns how long to wait for the next.
func (s *sweeper) tell(now, next time.Time) time.Duration {
	var due []hook.WebhookNumber
	s.mu.Lock()
	for n, at := range s.next {
		switch {
		case !at.After(now):
			due = append(due, n)
			delete(s.next, n)
		case at.Before(next):
			next = at
		}
	}
	s.mu.Unlock()
	for _, n := range due {
		s.engine.lane(n).due()
	}
	return max(time.Until(next), 0)
}
