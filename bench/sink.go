package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookswitch/hookswitch/signature"
)

const (
	// sinkBodyBytesMax bounds a body that the sink takes.
	sinkBodyBytesMax = 1 << 20
	// verifyEvery is how many POSTs there are to each one whose signatures are verified: all of them would cost the cores
	// that the sender needs.
	verifyEvery = 64
)

func sinkPath(webhook int) string { return "/h/" + strconv.Itoa(webhook) }

// hangPath is where a receiver listens that never answers.
const hangPath = "/hang/0"

// A sink is the third party: it takes webhooks, notes when each event arrived first, and answers 200.
type sink struct {
	ledger *ledger
	count  atomic.Pointer[count]
	gate   gate
	bodies sync.Pool
}

// A count is what arrived in one trial.
type count struct {
	trial    uint16
	webhooks []arrivals

	posts, unique, duplicates, strangers atomic.Int64
	outOfOrder, verified, badSignatures  atomic.Int64
	firstNano, lastNano                  atomic.Int64
	latency                              histogram
}

// arrivals has a bit for every event that has arrived at one webhook.
type arrivals [eventCount][]uint64

func newCount(trial uint16, webhooks, sequences int) *count {
	c := &count{trial: trial, webhooks: make([]arrivals, webhooks)}
	for w := range c.webhooks {
		for event := range c.webhooks[w] {
			c.webhooks[w][event] = make([]uint64, (sequences+63)/64)
		}
	}
	return c
}

// arrive notes one arrival, and whether it is the first of its event at this webhook.
func (c *count) arrive(webhook, event int, sequence uint32, sentNano, nowNano int64) {
	if webhook >= len(c.webhooks) || int(sequence/64) >= len(c.webhooks[webhook][event]) {
		c.strangers.Add(1)
		return
	}
	bit := uint64(1) << (sequence % 64)
	if atomic.OrUint64(&c.webhooks[webhook][event][sequence/64], bit)&bit != 0 {
		c.duplicates.Add(1)
		return
	}
	if event == finished && !c.has(webhook, started, sequence) {
		c.outOfOrder.Add(1)
	}
	c.unique.Add(1)
	c.firstNano.CompareAndSwap(0, nowNano)
	c.lastNano.Store(nowNano)
	c.latency.add(time.Duration(nowNano - sentNano))
}

func (c *count) has(webhook, event int, sequence uint32) bool {
	return atomic.LoadUint64(&c.webhooks[webhook][event][sequence/64])&(1<<(sequence%64)) != 0
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number, ok := strings.CutPrefix(r.URL.Path, "/h/")
	webhook, err := strconv.Atoi(number)
	switch {
	case r.URL.Path == hangPath:
		hang(r)
		return
	case !ok || err != nil || r.ContentLength < 0 || r.ContentLength > sinkBodyBytesMax:
		http.Error(w, "not a webhook of this sink", http.StatusNotFound)
		return
	}
	buf, _ := s.bodies.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer s.bodies.Put(buf)
	if n := int(r.ContentLength); cap(*buf) < n {
		*buf = make([]byte, n)
	}
	body := (*buf)[:r.ContentLength]
	if _, err := io.ReadFull(r.Body, body); err != nil {
		http.Error(w, "incomplete body", http.StatusBadRequest)
		return
	}
	if !s.gate.pass(r.Context()) { // net/http notices that a sender has gone only once the body is read
		return
	}
	c := s.count.Load()
	if c.posts.Add(1)%verifyEvery == 0 {
		c.verify(r.Header, body)
	}
	answer := make([]byte, 0, 128)
	answer = append(answer, `{"status":{"code":0,"message":"OK"},"data":{"ids":[`...)
	if answer, ok = s.take(c, webhook, body, answer); !ok {
		http.Error(w, "no events in this body", http.StatusBadRequest)
		return
	}
	w.Header()["Content-Type"] = []string{"application/json"}
	// An answer that cannot be written is the sender's to notice: it will send again.
	_, _ = w.Write(append(answer, `]}}`...))
}

// hang takes a POST and never answers it. The body is read first: only then does net/http notice that the sender has gone.
func hang(r *http.Request) {
	// A body that breaks off is from a sender that has gone already.
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func (c *count) verify(header http.Header, body []byte) {
	c.verified.Add(1)
	secret := []byte(benchSecret)
	err := signature.Verify(header, body, secret)
	if err == nil {
		err = signature.VerifyStandard(header, body, [][]byte{secret}, time.Now(), 0)
	}
	if err != nil && c.badSignatures.Add(1) == 1 {
		log.Printf("signature: %v", err)
	}
}

// take notes every event of a body and appends the ids to the answer; it reports whether there was one.
func (s *sink) take(c *count, webhook int, body, answer []byte) ([]byte, bool) {
	now := time.Now().UnixNano()
	found := false
	for event, id := range events(body) {
		if found {
			answer = append(answer, ',')
		}
		answer = append(append(append(answer, `{"id":"`...), id...), `"}`...)
		found = true
		name, err := readIdent(id)
		if err != nil || name.trial != c.trial || name.sequence >= ledgerSequencesMax {
			c.strangers.Add(1) // of a trial before
			continue
		}
		sent, _ := s.ledger.read(event, name.sequence)
		c.arrive(webhook, event, name.sequence, sent, now)
	}
	return answer, found
}

// events yields the events of a payload and the ids of their interactions, found by the texts around them: a whole parse
// would cost more than the rest of the sink.
func events(body []byte) func(yield func(event int, id []byte) bool) {
	return func(yield func(int, []byte) bool) {
		for {
			_, rest, ok := bytes.Cut(body, []byte(`"event":"`))
			if !ok || len(rest) == 0 {
				return
			}
			event := started
			if rest[0] == 'F' {
				event = finished
			}
			_, rest, ok = bytes.Cut(rest, []byte(`"id":"`))
			if !ok || len(rest) < identBytes {
				return
			}
			if !yield(event, rest[:identBytes]) {
				return
			}
			body = rest[identBytes:]
		}
	}
}

// A gate stops arrivals while it is shut, as a receiver does whose database is down: POSTs wait, and are not taken.
type gate struct {
	mu   sync.Mutex    // guards shut
	shut chan struct{} // closed when the gate opens; nil while it is open
}

func (g *gate) pass(ctx context.Context) bool {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut == nil {
		return true
	}
	select {
	case <-shut:
		return ctx.Err() == nil // who gave up meanwhile was not answered, and will send again
	case <-ctx.Done():
		return false
	}
}

func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case open && g.shut != nil:
		close(g.shut)
		g.shut = nil
	case !open && g.shut == nil:
		g.shut = make(chan struct{})
	}
}

// runSink is the role.
func runSink(ctx context.Context, shared *os.File, in io.Reader, out io.Writer) error {
	l, err := openLedger(shared)
	if err != nil {
		return err
	}
	listener, err := listen(ctx)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s := &sink{ledger: l}
	s.count.Store(newCount(0, 0, 0))
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	go func() {
		// Serve ends when this process does.
		_ = server.Serve(listener)
	}()
	verbs := map[string]verb{
		"address": with(func(context.Context, struct{}) (any, error) { return listener.Addr().String(), nil }),
		"reset": with(func(_ context.Context, r resetArgs) (any, error) {
			s.count.Store(newCount(r.Trial, r.Webhooks, r.Sequences))
			return nil, nil
		}),
		"mark":   with(func(context.Context, struct{}) (any, error) { s.count.Load().mark(); return nil, nil }),
		"unique": with(func(context.Context, struct{}) (any, error) { return s.count.Load().unique.Load(), nil }),
		"gate":   with(func(_ context.Context, open bool) (any, error) { s.gate.set(open); return nil, nil }),
		"check":  with(func(_ context.Context, n uint32) (any, error) { return s.count.Load().check(l, n), nil }),
	}
	return obey(ctx, in, out, verbs)
}
