package delivery

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// lines is a log that a test reads.
type lines struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// with returns the lines that hold a text.
func (l *lines) with(text string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

func (l *lines) option(o *Options) { o.Log = slog.New(slog.NewTextHandler(l, nil)) }

// emit commits STARTEDs of interactions from one number to before another.
func (n *node) emit(t testing.TB, from, to int) {
	t.Helper()
	for of := from; of < to; of++ {
		n.accept(t, begin(of))
	}
}

// used is how many attempts the deliveries of a state have made.
func (n *node) used(t testing.TB, state hook.DeliveryState) (attempts int) {
	t.Helper()
	for _, d := range n.list(t, state) {
		attempts += d.AttemptsMade
	}
	return attempts
}

// now is the webhook as it is stored.
func (n *node) now(t testing.TB, w *hook.Webhook) *hook.Webhook {
	t.Helper()
	found, err := n.Webhook(context.Background(), w.ContactCenter, w.ID)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// enable enables the webhook.
func (n *node) enable(t testing.TB, w *hook.Webhook) {
	t.Helper()
	if _, err := n.EnableWebhook(context.Background(), w.ContactCenter, w.ID, time.Now(), true, nil); err != nil {
		t.Fatal(err)
	}
}

// TestFailingShareOpensTheCircuit has a receiver that fails 80 % of its attempts and never more than four in a row. At the fiftieth in
// a minute the circuit opens: what is held uses up no attempts but those of the probes, and goes out when the receiver works.
func TestFailingShareOpensTheCircuit(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits hook.BreakerLimits
		opens  int
	}{
		{"by default", hook.BreakerLimits{}, 50},
		{"with limits of its own", hook.BreakerLimits{Share: 0.5, Minimum: 30}, 30},
		{"with fewer failures in a row", hook.BreakerLimits{Failures: 4}, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const events = 120
				var posts atomic.Int64
				var well atomic.Bool
				said := new(lines)
				n := startNode(t, database(t), sender(func(context.Context, hook.Post) hook.Answer {
					at := int(posts.Add(1))
					<-time.After(100 * time.Millisecond)
					if well.Load() || at <= tt.opens && at%5 == 1 {
						return acknowledge()
					}
					return hook.Answer{Status: 503}
				}), said.option)
				w := n.webhook(t, 1, concurrency(1), func(s *hook.Settings) {
					s.Breaker, s.Retry.Timeout, s.Retry.Attempts = tt.limits, hook.Duration(5*time.Second), 100
				})
				n.emit(t, 0, events)
				eventually(t, 30*time.Second, "the circuit opens", func() bool { return n.now(t, w).Circuit.Open() })
				if got := int(posts.Load()); got != tt.opens {
					t.Errorf("it opened after %d attempts, want %d", got, tt.opens)
				}
				<-time.After(10 * time.Minute)
				made := int(posts.Load())
				if probes := made - tt.opens; probes < 8 || probes > 15 {
					t.Errorf("%d probes in ten minutes", probes)
				}
				delivered, held := n.used(t, hook.DeliveryDelivered), n.used(t, hook.DeliveryHeld)
				if delivered+held != made || len(n.list(t, hook.DeliveryPending)) != 0 {
					t.Errorf("%d attempts are used up by %d POSTs, and %d deliveries are pending", delivered+held, made, len(n.list(t, hook.DeliveryPending)))
				}
				well.Store(true)
				eventually(t, 10*time.Minute, "all is delivered", func() bool { return len(n.list(t, hook.DeliveryDelivered)) == events })
				opened, closed := said.with("circuit opened"), said.with("circuit closed")
				if len(opened) != 1 || len(closed) != 1 || !strings.Contains(opened[0], w.ID.String()) || !strings.Contains(closed[0], w.ID.String()) {
					t.Errorf("the log says %q and %q", opened, closed)
				}
				if b := circuitOf(n.engine, w.Number); atRest(b) != (hook.Breaker{}) || n.now(t, w).Circuit.Open() {
					t.Errorf("in the end it is %+v", b)
				}
			})
		})
	}
}

// TestShareOfTheLastMinuteAlone lets a receiver fail as often, but fewer than fifty times in a minute: the circuit stays closed.
func TestShareOfTheLastMinuteAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, posts := newMemory(newWebhook(1, func(s *hook.Settings) { s.Retry.Attempts = 0 })), 0
		e, _ := start(t, q, sender(func(context.Context, hook.Post) hook.Answer {
			if posts++; posts%20 == 0 {
				return acknowledge()
			}
			return hook.Answer{Status: 503}
		}))
		for n := range 600 {
			q.emit(e, 1, newEvent(n))
			<-time.After(time.Minute / 45)
		}
		if q.swapped() != 0 || posts != 600 {
			t.Errorf("%d changes of the circuit by %d POSTs", q.swapped(), posts)
		}
	})
}

// TestDisabledAfterFailing breaks a receiver for longer than its webhook's settings allow: the webhook is disabled, no more probes go
// out, and what was held goes out when it is enabled.
func TestDisabledAfterFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = 60
		var posts atomic.Int64
		var well atomic.Bool
		n := startNode(t, database(t), sender(func(context.Context, hook.Post) hook.Answer {
			posts.Add(1)
			if well.Load() {
				return acknowledge()
			}
			return hook.Answer{Status: 503}
		}))
		w := n.webhook(t, 1, concurrency(1), func(s *hook.Settings) { s.Disable.After = hook.Duration(5 * time.Minute) })
		n.emit(t, 0, events)
		eventually(t, time.Minute, "the circuit opens", func() bool { return n.now(t, w).Circuit.Open() })
		at := n.now(t, w).DisableAt()
		<-time.After(time.Until(at) - time.Millisecond)
		if !n.now(t, w).Enabled {
			t.Error("it is disabled before its time")
		}
		eventually(t, 10*time.Second, "it is disabled", func() bool { return !n.now(t, w).Enabled })
		if d := n.now(t, w).Disabled; d.For != hook.DisabledFailing || d.At.Before(at) {
			t.Errorf("it is disabled as %+v, and its time was %v", d, at)
		}
		before := posts.Load()
		<-time.After(20 * time.Minute)
		if posts.Load() != before || len(n.list(t, hook.DeliveryHeld)) != events || n.used(t, hook.DeliveryHeld) != int(before) {
			t.Errorf("%d POSTs, then %d; %d deliveries are held with %d attempts", before, posts.Load(), len(n.list(t, hook.DeliveryHeld)), n.used(t, hook.DeliveryHeld))
		}
		well.Store(true)
		n.enable(t, w)
		eventually(t, time.Minute, "all is delivered", func() bool { return len(n.list(t, hook.DeliveryDelivered)) == events })
	})
}

// flaky is a store that cannot disable webhooks at first.
type flaky struct {
	Disabler
	fails *atomic.Int64
}

func (f flaky) DisableGone(ctx context.Context, now time.Time, sent *hook.Webhook) error {
	if f.fails.Add(-1) >= 0 {
		return hook.ErrUnavailable
	}
	return f.Disabler.DisableGone(ctx, now, sent)
}

// TestGoneDisables answers 410. The webhook is disabled at once, or at the next 410 where the store could not, also after a restart.
// The attempt failed like any other: nothing is lost, and all goes out when the webhook is enabled and the receiver is back.
func TestGoneDisables(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fails   int64
		restart bool
	}{
		{"at once", 0, false},
		{"the store could not, twice", 2, false},
		{"the process died before it was disabled", 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const events = 5
				var posts, fails atomic.Int64
				var well atomic.Bool
				fails.Store(tt.fails)
				receiver := sender(func(context.Context, hook.Post) hook.Answer {
					posts.Add(1)
					if well.Load() {
						return acknowledge()
					}
					return hook.Answer{Status: 410}
				})
				path, weak := database(t), func(o *Options) { o.Disabler = flaky{o.Disabler, &fails} }
				n := startNode(t, path, receiver, weak)
				w := n.webhook(t, 1, concurrency(1), func(s *hook.Settings) { s.Disable.OnGone, s.Retry.Jitter = true, 0 })
				n.emit(t, 0, 1)
				if tt.restart {
					eventually(t, time.Second, "the 410 is recorded", func() bool { return n.used(t, hook.DeliveryPending) == 1 })
					n.kill()
					n = startNode(t, path, receiver)
				}
				eventually(t, time.Minute, "it is disabled", func() bool { return !n.now(t, w).Enabled })
				if d := n.now(t, w).Disabled; d.For != hook.DisabledGone || d.At.IsZero() {
					t.Errorf("it is disabled as %+v", d)
				}
				n.emit(t, 1, events)
				<-time.After(10 * time.Minute)
				if got := posts.Load(); got != tt.fails+1 {
					t.Errorf("%d POSTs, want %d", got, tt.fails+1)
				}
				if held := n.list(t, hook.DeliveryHeld); len(held) != events || n.used(t, hook.DeliveryHeld) != int(tt.fails)+1 {
					t.Errorf("%d deliveries are held, with %d attempts", len(held), n.used(t, hook.DeliveryHeld))
				}
				well.Store(true)
				n.enable(t, w)
				eventually(t, time.Minute, "all is delivered", func() bool { return len(n.list(t, hook.DeliveryDelivered)) == events })
				if n.now(t, w).Disabled != (hook.Disabled{}) {
					t.Errorf("enabled, it is %+v", n.now(t, w))
				}
			})
		})
	}
}

// TestGoneIsAFailureToOthers answers 410 to a webhook that does not ask for more, to an engine that cannot disable, and, in an answer
// that broke off, to one that does: each is a failure like any other.
func TestGoneIsAFailureToOthers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		onGone bool
		answer hook.Answer
		nobody bool
	}{
		{"not asked for", false, hook.Answer{Status: 410}, false},
		{"nobody disables", true, hook.Answer{Status: 410}, true},
		{"broken off", true, hook.Answer{Status: 410, Failure: hook.FailureBroken}, false},
		{"not found", true, hook.Answer{Status: 404}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				n := startNode(t, database(t), sender(func(context.Context, hook.Post) hook.Answer { return tt.answer }), func(o *Options) {
					if o.Disabler = (flaky{o.Disabler, &asked}); tt.nobody {
						o.Disabler = nil
					}
				})
				w := n.webhook(t, 1, func(s *hook.Settings) { s.Disable.OnGone = tt.onGone })
				n.emit(t, 0, 1)
				<-time.After(time.Minute)
				if got := n.now(t, w); !got.Enabled || n.used(t, hook.DeliveryPending) < 3 || asked.Load() != 0 {
					t.Errorf("after %d attempts, and %d times that the store was asked, it is %+v", n.used(t, hook.DeliveryPending), -asked.Load(), got)
				}
			})
		})
	}
}

var _ Disabler = (*store.Store)(nil)
