package delivery

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The wait of a lane whose POST the operator's own proxy did not make grows from the first to the second of these, each up to outageJitter
// of it shorter.
const (
	outagePauseShortest = time.Second
	outagePauseLongest  = 30 * time.Second
	outageJitter        = 0.5
)

// outage is what a lane knows of a proxy that fails. Its lane alone waits: what looks like the proxy's failure may be of one receiver, and
// must not hold up another one.
type outage struct {
	// failures in a row; none is no outage.
	failures int
	// resume is when the next POST may be tried.
	resume time.Time
}

// on reports whether the last POST failed because of the proxy.
func (o *outage) on() bool { return o.failures > 0 }

// fail notes a POST that began at a time. Those that began before the wait belong to the failure that it is for.
func (o *outage) fail(began, now time.Time, random float64) {
	if o.on() && began.Before(o.resume) {
		return
	}
	pause := outagePauseLongest
	if most := outagePauseShortest << min(o.failures, 16); most < pause {
		pause = most
	}
	o.failures++
	o.resume = now.Add(pause - time.Duration(outageJitter*random*float64(pause)))
}

// proxyFailed gives back deliveries whose POST the proxy did not make, with all that wait behind them: it is no attempt of theirs. The
// lane goes on with one of them after a pause, and with all once a POST was made.
func (l *lane) proxyFailed(batch []*hook.Delivery, began time.Time, a *hook.Answer) {
	l.engine.proxy.failed(l.engine, a)
	l.mu.Lock()
	if l.breaker.probe == batch[0] {
		l.unused()
	}
	l.outage.fail(began, time.Now(), random())
	resume := l.outage.resume
	l.refuse()
	left := l.empty()
	l.mu.Unlock()
	// What was begun first goes back first: it is due a little sooner.
	l.engine.release(context.WithoutCancel(l.engine.sending), append(batch[:len(batch):len(batch)], left...))
	l.engine.sweeper.hint(l.number, resume)
}

// proxyWorks notes that a POST did not fail because of the proxy.
func (l *lane) proxyWorks() {
	l.mu.Lock()
	was := l.outage.on()
	if was {
		l.outage = outage{}
		l.refillSoon()
	}
	l.mu.Unlock()
	if was {
		l.engine.proxy.works(l.engine)
	}
}

// proxyState is what the engine says about the proxy: one line when it begins to fail, and one when it works again.
type proxyState struct{ failing atomic.Bool }

func (p *proxyState) failed(e *Engine, a *hook.Answer) {
	e.metrics.proxyFailures.Inc()
	if !p.failing.Swap(true) {
		e.options.Log.Warn("the egress proxy fails: deliveries wait and use up no attempts", slog.String("error", a.Error))
	}
}

func (p *proxyState) works(e *Engine) {
	if p.failing.Swap(false) {
		e.options.Log.Info("the egress proxy works again")
	}
}
