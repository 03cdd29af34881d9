package delivery

import (
	"bufio"
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/egress"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

const (
	// hostileTimeout is the request timeout of the hostile receivers' webhooks: the shortest that is legal.
	hostileTimeout = time.Second
	// floodBytes is what the receiver that floods sends, unless it is stopped.
	floodBytes = 100_000_000
	// asked is the Retry-After of the receiver that sends one.
	asked = 2 * time.Second
)

// hostile is a receiver that does not do as it should.
type hostile struct {
	name string
	url  string
	// serve gets each connection, and a channel that is closed at the end of the test.
	serve func(h *hostile, conn net.Conn, end <-chan struct{})
	// failure is what each attempt shall be recorded as, status the status with it.
	failure hook.Failure
	status  int

	hits    atomic.Int64
	written atomic.Int64
	// number is that of its webhook's id.
	number int
}

// request reads one request and counts it.
func (h *hostile) request(in *bufio.Reader) bool {
	r, err := http.ReadRequest(in)
	if err != nil {
		return false
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return false
	}
	h.hits.Add(1)
	return true
}

// says returns a script that answers each request with the same text.
func says(text string) func(*hostile, net.Conn, <-chan struct{}) {
	return func(h *hostile, conn net.Conn, _ <-chan struct{}) {
		for in := bufio.NewReader(conn); h.request(in); {
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
		}
	}
}

func hangs(h *hostile, conn net.Conn, end <-chan struct{}) {
	if h.request(bufio.NewReader(conn)) {
		<-end
	}
}

// drips promises a body and sends a byte of it a second.
func drips(h *hostile, conn net.Conn, end <-chan struct{}) {
	if !h.request(bufio.NewReader(conn)) {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for text := "HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n"; ; text = "x" {
		if _, err := io.WriteString(conn, text); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			return
		}
	}
}

func floods(h *hostile, conn net.Conn, _ <-chan struct{}) {
	if !h.request(bufio.NewReader(conn)) {
		return
	}
	if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"); err != nil {
		return
	}
	for piece := make([]byte, 64<<10); h.written.Load() < floodBytes; {
		n, err := conn.Write(piece)
		h.written.Add(int64(n))
		if err != nil {
			return
		}
	}
}

func closes(h *hostile, conn net.Conn, _ <-chan struct{}) { h.request(bufio.NewReader(conn)) }

// babbles answers a TLS handshake with whatever comes.
func babbles(h *hostile, conn net.Conn, _ <-chan struct{}) {
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		return
	}
	h.hits.Add(1)
	_, _ = io.WriteString(conn, rand.Text()) // the client may have gone
}

// listen serves connections until the test ends, and returns the address.
func listen(t testing.TB, serve func(conn net.Conn, end <-chan struct{})) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed by the clean-up
			}
			all.Go(func() {
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				defer conn.Close()
				serve(conn, ctx.Done())
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		cancel()
		all.Wait()
	})
	return listener.Addr().String()
}

// startHostiles starts every hostile receiver. elsewhere counts what reaches the host that one of them redirects to.
func startHostiles(t testing.TB) (all []*hostile, elsewhere *atomic.Int64) {
	t.Helper()
	elsewhere = new(atomic.Int64)
	other := listen(t, func(net.Conn, <-chan struct{}) { elsewhere.Add(1) })
	all = []*hostile{
		{name: "hangs", serve: hangs, failure: hook.FailureTimeout},
		{name: "drips", serve: drips, failure: hook.FailureTimeout, status: 200},
		{name: "floods", serve: floods, failure: hook.FailureNone, status: 200},
		{name: "closes early", serve: closes, failure: hook.FailureBroken},
		{
			name: "redirects", failure: hook.FailureRedirect, status: 301,
			serve: says("HTTP/1.1 301 Moved Permanently\r\nLocation: http://" + other + "/\r\nContent-Length: 0\r\n\r\n"),
		},
		{name: "204", serve: says("HTTP/1.1 204 No Content\r\n\r\n"), failure: hook.FailureStatus, status: 204},
		{name: "500", serve: says("HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno"), failure: hook.FailureStatus, status: 500},
		{
			name: "429", failure: hook.FailureStatus, status: 429,
			serve: says("HTTP/1.1 429 Slowly\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n"),
		},
		{name: "garbage TLS", serve: babbles, failure: hook.FailureTLS},
	}
	for i, h := range all {
		h.number = 100 + i
		scheme := "http://"
		if h.failure == hook.FailureTLS {
			scheme = "https://"
		}
		h.url = scheme + listen(t, func(conn net.Conn, end <-chan struct{}) { h.serve(h, conn, end) }) + "/hook"
	}
	return all, elsewhere
}

// webhookOf makes the webhook of a hostile receiver: one redelivery, soon.
func (n *node) webhookOf(t testing.TB, h *hostile) *hook.Webhook {
	t.Helper()
	return n.webhook(t, h.number, func(s *hook.Settings) {
		s.URL, s.RequestTimeout = h.url, hook.Duration(hostileTimeout)
		s.Retry = hook.Retry{Timeout: hook.RetryTimeoutMin, Attempts: 1, Backoff: 1, MaxTimeout: hook.Duration(5 * time.Second)}
	})
}

// newEgress returns the real sender, which may reach the tests' receivers.
func newEgress(t testing.TB) *egress.Client {
	c := egress.New(egress.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	t.Cleanup(c.Close)
	return c
}

// TestHostileReceiversAreRedelivered sends one event to each hostile receiver.
func TestHostileReceiversAreRedelivered(t *testing.T) {
	t.Parallel()
	all, elsewhere := startHostiles(t)
	n := startNode(t, database(t), newEgress(t))
	webhooks := make([]*hook.Webhook, len(all))
	for i, h := range all {
		webhooks[i] = n.webhookOf(t, h)
	}
	n.accept(t, begin(1))
	eventually(t, 20*time.Second, "all resolved", func() bool { return n.resolved(t) })
	for i, h := range all {
		t.Run(h.name, func(t *testing.T) {
			page, _, err := n.Deliveries(t.Context(), 1, store.DeliveryFilter{Webhook: webhooks[i].ID}, store.Page{Limit: 2})
			if err != nil || len(page) != 1 {
				t.Fatalf("deliveries %v: %v", page, err)
			}
			d, err := n.Delivery(t.Context(), 1, page[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			state, attempts := hook.DeliveryExhausted, 2
			if h.failure == hook.FailureNone {
				state, attempts = hook.DeliveryDelivered, 1
			}
			if d.State != state || len(d.Attempts) != attempts {
				t.Errorf("%v after %d attempts, want %v after %d", d.State, len(d.Attempts), state, attempts)
			}
			if hits := int(h.hits.Load()); hits != attempts {
				t.Errorf("the receiver saw %d requests", hits)
			}
			for _, a := range d.Attempts {
				if a.Failure != h.failure || a.Status != h.status || len(a.Response) > hook.ResponseBytesMax {
					t.Errorf("recorded as %q with status %d and %d bytes: %s", a.Failure, a.Status, len(a.Response), a.Error)
				}
				if timeout := h.failure == hook.FailureTimeout; timeout && a.Duration < hostileTimeout || a.Duration > hostileTimeout+5*time.Second {
					t.Errorf("an attempt took %v", a.Duration)
				}
			}
			if attempts == 1 {
				return
			}
			least := time.Duration(hook.RetryTimeoutMin)
			if h.status == http.StatusTooManyRequests {
				least = asked
			}
			first := d.Attempts[0]
			// The store keeps milliseconds.
			if wait := d.Attempts[1].StartedAt.Sub(first.StartedAt.Add(first.Duration)); wait < least-2*time.Millisecond {
				t.Errorf("redelivered after %v, want %v at least", wait, least)
			}
		})
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d connections went where a redirect points", n)
	}
	if i := slices.IndexFunc(all, func(h *hostile) bool { return h.name == "floods" }); all[i].written.Load() >= floodBytes {
		t.Error("the flood was taken to its end")
	}
}

// healthy is a receiver that does as it should and notes when.
type healthy struct {
	*httptest.Server
	mu      sync.Mutex // guards arrived
	arrived map[string]time.Time
}

func newHealthy(t testing.TB) *healthy {
	h := &healthy{arrived: map[string]time.Time{}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		now := time.Now()
		payload, parseErr := interaction.Parse(body)
		if err != nil || parseErr != nil {
			t.Errorf("body %s: %v, %v", body, err, parseErr)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.arrived[payload.Entities[0].Entity.ID] = now
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *healthy) at(id string) (time.Time, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, ok := h.arrived[id]
	return at, ok
}

// p99 accepts events at a steady pace and returns the 99th percentile of the time until the healthy receiver has them.
func (h *healthy) p99(t testing.TB, n *node, from, events int) time.Duration {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	accepted := map[string]time.Time{}
	for of := from; of < from+events; of++ {
		<-tick.C
		n.accept(t, begin(of))
		accepted[interactionID(of).String()] = time.Now()
	}
	var waits []time.Duration
	for id, since := range accepted {
		eventually(t, 30*time.Second, "arrival of "+id, func() bool { _, ok := h.at(id); return ok })
		at, _ := h.at(id)
		waits = append(waits, at.Sub(since))
	}
	slices.Sort(waits)
	return waits[len(waits)*99/100]
}

// TestHealthyReceiverKeepsItsPace measures a healthy receiver alone, and then beside every hostile one (I4).
func TestHealthyReceiverKeepsItsPace(t *testing.T) {
	const events = 300
	all, elsewhere := startHostiles(t)
	h := newHealthy(t)
	n := startNode(t, database(t), newEgress(t), func(o *Options) { o.DrainTimeout = time.Second })
	n.webhook(t, 1, func(s *hook.Settings) { s.URL = h.URL })
	alone := h.p99(t, n, 0, events)
	for _, bad := range all {
		n.webhookOf(t, bad)
	}
	beside := h.p99(t, n, events, events)
	t.Logf("p99 %v alone, %v beside the hostile receivers", alone, beside)
	// Whoever waited for one of them would wait for a second at least.
	if most := 5*alone + 300*time.Millisecond; beside > most {
		t.Errorf("p99 is %v beside the hostile receivers, %v alone", beside, alone)
	}
	var untouched []string
	for _, bad := range all {
		if bad.hits.Load() < 20 {
			untouched = append(untouched, bad.name)
		}
	}
	if len(untouched) > 0 {
		t.Errorf("hardly hit: %s", strings.Join(untouched, ", "))
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d connections went where a redirect points", n)
	}
}
