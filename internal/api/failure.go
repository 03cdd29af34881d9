package api

import (
	"container/list"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The limit on failed authentication, for each address.
const (
	// failuresBurst is how many wrong keys an address may show at once, and failuresPerSecond how many after that.
	failuresBurst     = 10
	failuresPerSecond = 1
	// examinedPerSecond is how many tokens that nobody knows are examined for an address beyond that, each of which costs the verification
	// of a signature: a good one is not kept out for long by the bad ones of its address.
	examinedPerSecond = 20
	// examinedOfAllPerSecond is how many are for all such addresses together.
	examinedOfAllPerSecond = 500
	// looksPerSecond is how many texts that nobody knows are looked for in the database, whatever addresses they come from: who has a network
	// of them has many times the limit of one.
	looksPerSecond = 200
	// failureAddressesMax is of how many addresses the limit knows; the one that was longest without a failure is forgotten first.
	failureAddressesMax = 4_096
	// failureLogEvery is how long after a line about an address there is no other.
	failureLogEvery = time.Minute
)

// The reasons why nobody was let in.
const (
	failureMissing  = "missing"
	failureWrong    = "wrong"
	failureDisabled = "disabled"
	failureExpired  = "expired"
	failureToken    = "token"
	failureLimited  = "limited"
)

// failures limits how often an address may be wrong about who it is, and counts.
type failures struct {
	log     *slog.Logger
	counter *prometheus.CounterVec
	// looks and tokens are for all addresses together: see looksPerSecond and examinedOfAllPerSecond.
	looks, tokens *rate.Limiter

	mu     sync.Mutex // guards recent and known
	recent *list.List // of *failing, the latest first
	known  map[netip.Prefix]*list.Element
}

// failing is an address that was wrong.
type failing struct {
	from    netip.Prefix
	limit   *rate.Limiter
	tokens  *rate.Limiter // those that are examined beyond the limit
	logged  time.Time
	counted int // failures since that line
}

func newFailures(r prometheus.Registerer, log *slog.Logger) *failures {
	f := &failures{log: log, recent: list.New(), known: map[netip.Prefix]*list.Element{}, looks: rate.NewLimiter(looksPerSecond, looksPerSecond), tokens: rate.NewLimiter(examinedOfAllPerSecond, examinedOfAllPerSecond), counter: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hookswitch_api_authentication_failures_total", Help: "Requests that were not let in, by reason.",
	}, []string{"reason"})}
	r.MustRegister(f.counter)
	for _, reason := range []string{failureMissing, failureWrong, failureDisabled, failureExpired, failureToken, failureLimited} {
		f.counter.WithLabelValues(reason)
	}
	return f
}

func (f *failures) count(reason string) { f.counter.WithLabelValues(reason).Inc() }

// take counts a failure of an address, and returns how long it must wait where these are too many; zero means that they are not.
func (f *failures) take(address string, now time.Time) (wait time.Duration) {
	from := hook.NetworkOf(address)
	f.mu.Lock()
	a := f.find(from)
	a.counted++
	told, failed := now.Sub(a.logged) >= failureLogEvery, a.counted
	if told {
		a.logged, a.counted = now, 0
	}
	wait = waitFor(a.limit, now)
	f.mu.Unlock()
	if told {
		f.log.Warn("somebody shows keys that are not valid", "address", from.String(), "failures", failed)
	}
	if wait > 0 {
		f.count(failureLimited)
	}
	return wait
}

// look returns how long nothing more is looked for in the database; zero means that it may be now.
func (f *failures) look(now time.Time) (wait time.Duration) {
	if wait = waitFor(f.looks, now); wait > 0 {
		f.count(failureLimited)
	}
	return wait
}

// examine returns how long an address must wait before a token of it is examined; zero, as for all that keep the limit, means not at all.
func (f *failures) examine(address string, now time.Time) (wait time.Duration) {
	f.mu.Lock()
	if e, ok := f.known[hook.NetworkOf(address)]; ok && valueOf(e).limit.TokensAt(now) < 1 {
		if wait = waitFor(valueOf(e).tokens, now); wait == 0 {
			wait = waitFor(f.tokens, now)
		}
	}
	f.mu.Unlock()
	if wait > 0 {
		f.count(failureLimited)
	}
	return wait
}

// waitFor takes one from a limiter, or returns how long to wait for it.
func waitFor(l *rate.Limiter, now time.Time) (wait time.Duration) {
	r := l.ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now) // who is refused has not been served, and waits no longer for it
	}
	return wait
}

// find returns what is known of an address, which is the latest from now on. The caller holds the lock.
func (f *failures) find(from netip.Prefix) *failing {
	if e, ok := f.known[from]; ok {
		f.recent.MoveToFront(e)
		return valueOf(e)
	}
	if f.recent.Len() >= failureAddressesMax {
		oldest := f.recent.Back()
		delete(f.known, valueOf(oldest).from)
		f.recent.Remove(oldest)
	}
	a := &failing{from: from, limit: rate.NewLimiter(failuresPerSecond, failuresBurst), tokens: rate.NewLimiter(examinedPerSecond, examinedPerSecond)}
	f.known[from] = f.recent.PushFront(a)
	return a
}

func valueOf(e *list.Element) *failing {
	a, ok := e.Value.(*failing)
	if !ok { // the list holds nothing else
		panic("an address of another kind")
	}
	return a
}
