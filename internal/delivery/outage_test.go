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

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// unproxied is the answer when the proxy made no POST.
func unproxied() hook.Answer {
	return hook.Answer{Failure: hook.FailureProxy, Error: "the egress proxy cannot be reached: connection refused"}
}

// notebook is a log's output that may be read while it is written.
type notebook struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (n *notebook) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(b)
}

func (n *notebook) count(text string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Count(n.text.String(), text)
}

// While the operator's proxy is away nothing is recorded, no attempt is used up, no circuit opens and no lease is kept; the lanes try now
// and then, and when it is back everything is delivered at its first attempt.
func TestProxyAwayUsesUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const webhooks, before, during, away = 3, 40, 20, 2 * time.Hour
		registry, lines := prometheus.NewRegistry(), new(notebook)
		q := newMemory()
		for n := range hook.WebhookNumber(webhooks) {
			q.put(newWebhook(n+1, concurrency(4), func(s *hook.Settings) { s.Retry.Attempts = 0 }))
		}
		var down atomic.Bool
		var tries, delivered atomic.Int64
		down.Store(true)
		e, _ := start(t, q, sender(func(context.Context, hook.Post) hook.Answer {
			if down.Load() {
				tries.Add(1)
				<-time.After(10 * time.Millisecond)
				return unproxied()
			}
			delivered.Add(1)
			return acknowledge()
		}), func(o *Options) { o.Metrics, o.Log = registry, slog.New(slog.NewTextHandler(lines, nil)) })
		emit := func(from, count int) {
			for n := range hook.WebhookNumber(webhooks) {
				for i := range count {
					q.emit(e, n+1, newEvent(1000*int(n)+from+i))
				}
			}
		}
		emit(0, before)
		<-time.After(away / 2)
		emit(before, during)
		<-time.After(away / 2)
		// Each lane tries about every 15 to 30 s, with one POST; when it begins, with as many as its concurrency.
		if got := tries.Load(); got < webhooks*int64(away/outagePauseLongest) || got > webhooks*(3*int64(away/outagePauseLongest)+4) {
			t.Errorf("%d tries in %v", got, away)
		}
		if claims, _ := q.traffic(); int64(claims) > 2*tries.Load()+webhooks {
			t.Errorf("%d claims for %d tries", claims, tries.Load())
		}
		if held := e.held.Load(); held > webhooks {
			t.Errorf("%d leases are kept", held)
		}
		if n := len(q.recorded()); n != 0 {
			t.Errorf("%d attempts recorded", n)
		}
		for n := range hook.WebhookNumber(webhooks) {
			if b := circuitOf(e, n+1); b.Open() || b.Failures != 0 {
				t.Errorf("the circuit of %d: %+v", n+1, b)
			}
		}
		if n := readMetrics(t, registry, "hookswitch_egress_proxy_failures_total")[""]; n != float64(tries.Load()) {
			t.Errorf("the metric says %v failures of %d", n, tries.Load())
		}
		if n := lines.count("\n"); n != 1 || lines.count("egress proxy fails") != 1 {
			t.Errorf("%d lines:\n%s", n, lines.text.String())
		}

		down.Store(false)
		settled(t, q, 2*outagePauseLongest)
		outcomes := q.recorded()
		for _, o := range outcomes {
			if o.Attempt.Number != 1 || !o.Attempt.Acknowledged() {
				t.Errorf("outcome %+v", o.Attempt)
			}
		}
		if want := webhooks * (before + during); len(outcomes) != want || delivered.Load() != int64(want) {
			t.Errorf("%d outcomes of %d POSTs, want %d", len(outcomes), delivered.Load(), want)
		}
		if lines.count("egress proxy works again") != 1 || lines.count("egress proxy fails") != 1 {
			t.Error(lines.text.String())
		}
	})
}

// A proxy that fails for one receiver alone holds up nobody else, at whatever the others' rate is.
func TestProxyThatFailsForOneReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemory(newWebhook(1), newWebhook(2, func(s *hook.Settings) { s.URL = "https://other.example/hook" }))
		e, _ := start(t, q, sender(func(_ context.Context, p hook.Post) hook.Answer {
			if p.URL.Host == "other.example" {
				return unproxied()
			}
			return acknowledge()
		}))
		q.emit(e, 2, newEvent(0))
		for i := range 200 {
			began := time.Now()
			q.emit(e, 1, newEvent(1+i))
			synctest.Wait()
			if n := len(q.recorded()); n != i+1 || time.Since(began) != 0 {
				t.Fatalf("%d recorded after %d, %v", n, i+1, time.Since(began))
			}
			<-time.After(100 * time.Millisecond)
		}
		if q.left() != 1 {
			t.Errorf("%d are open", q.left())
		}
	})
}

// A probe of an open circuit that the proxy did not make was not sent: the circuit stays as it is, and the next probe follows.
func TestProxyAwayWhileProbing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemory(newWebhook(1, concurrency(1), func(s *hook.Settings) { s.Breaker.Failures = 1 }))
		var answer atomic.Pointer[hook.Answer]
		set := func(a hook.Answer) { answer.Store(&a) }
		set(hook.Answer{Status: 500})
		e, _ := start(t, q, sender(func(context.Context, hook.Post) hook.Answer { return *answer.Load() }))
		q.emit(e, 1, newEvent(0))
		synctest.Wait()
		if !q.circuit(1).Open() {
			t.Fatal("the circuit is closed")
		}
		set(unproxied())
		<-time.After(3 * time.Hour)
		if n := len(q.recorded()); n != 1 || !q.circuit(1).Open() {
			t.Errorf("%d recorded, %+v", n, q.circuit(1))
		}
		set(acknowledge())
		settled(t, q, time.Hour)
		if n := len(q.recorded()); n != 2 || q.circuit(1).Open() {
			t.Errorf("%d recorded, %+v", n, q.circuit(1))
		}
	})
}

// A drain while the proxy is away ends at once and keeps no lease.
func TestDrainWhileProxyIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemory(newWebhook(1, concurrency(2)))
		e, stop := start(t, q, after(time.Second, unproxied()))
		for i := range 10 {
			q.emit(e, 1, newEvent(i))
		}
		<-time.After(1500 * time.Millisecond)
		began := time.Now()
		stop()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the drain took %v", took)
		}
		if list, err := q.Due(t.Context()); err != nil || len(list) != 1 || list[0].At.After(time.Now()) || q.left() != 10 {
			t.Errorf("due %v, %d left, %v", list, q.left(), err)
		}
	})
}

// A test of a webhook says that it was the proxy.
func TestTestSaysProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook(1)
		e, _ := start(t, newMemory(w), after(0, unproxied()))
		if a := e.Test(t.Context(), w); a.Failure != hook.FailureProxy || a.Error != unproxied().Error {
			t.Errorf("got %+v", a)
		}
	})
}

// The wait is bounded on both sides and grows with each round of failures, however many POSTs fail in one.
func TestOutagePause(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.UnixMilli(1_800_000_000_000)
		var o outage
		for rounds := 1; rounds <= rapid.IntRange(1, 100).Draw(t, "rounds"); rounds++ {
			began := now
			for range rapid.IntRange(1, 4).Draw(t, "posts") {
				now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "took")) * time.Microsecond)
				o.fail(began, now, rapid.Float64Range(0, 0.999).Draw(t, "random"))
			}
			pause := o.resume.Sub(now)
			if o.failures != rounds || pause > outagePauseLongest || pause < outagePauseShortest/2-time.Millisecond {
				t.Fatalf("after %d rounds: %d, %v", rounds, o.failures, pause)
			}
			if rounds > 6 && pause < outagePauseLongest/2-time.Millisecond {
				t.Fatalf("after %d rounds: %v", rounds, pause)
			}
			now = o.resume
		}
	})
}

// The credentials go along where there are some, and are nil where not; what a receiver could repeat of them is looked for.
func TestCredentialsAreSent(t *testing.T) {
	for name, tt := range map[string]struct {
		change           func(*hook.Settings)
		want, secretless bool
	}{
		"none":    {func(*hook.Settings) {}, false, true},
		"query":   {func(s *hook.Settings) { s.URL += "?token=x" }, false, false},
		"headers": {func(s *hook.Settings) { s.Headers = map[string]string{"X-Mine": "1"} }, false, false},
		"roots":   {func(s *hook.Settings) { s.TLS.Roots = "PEM" }, true, true},
		"basic":   {func(s *hook.Settings) { s.Authorization.Basic = &hook.BasicAuth{Username: "u"} }, false, false}, // it is a header
		"oauth2":  {func(s *hook.Settings) { s.Authorization.OAuth2 = &hook.ClientCredentials{ClientID: "c"} }, true, false},
	} {
		target, err := newTarget(newWebhook(1, tt.change), "1")
		if err != nil || (target.credentials != nil) != tt.want || target.secretless != tt.secretless {
			t.Errorf("%s: %v, %v, %v", name, target.credentials, target.secretless, err)
		}
	}
}
