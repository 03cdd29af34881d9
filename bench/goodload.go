package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/signature"
)

const (
	// goodRate is how many interactions a second the good callers create, over goodConns connections.
	goodRate, goodConns = 200, 16
	// arrivalMax is how long an acknowledged event may take to arrive.
	arrivalMax = 10 * time.Second
)

func request(ctx context.Context, url, body, name, value string) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		panic(err) // the URL is ours
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(name, value)
	return r
}

// A goodLoad sends requests at a fixed rate; each counts from when it was due.
type goodLoad struct {
	request  func(ctx context.Context, id string) *http.Request
	delivers bool
	client   *http.Client
	arrived  sync.Map // when each id was due, until it arrives
	open     atomic.Int64

	mu                 sync.Mutex // guards those below
	requests, arrivals histogram
	first              error
	errors             int64
}

func newGoodLoad(request func(ctx context.Context, id string) *http.Request, delivers bool) *goodLoad {
	return &goodLoad{request: request, delivers: delivers, client: &http.Client{
		Timeout: apiTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: goodConns, MaxConnsPerHost: goodConns},
	}}
}

func (g *goodLoad) run(ctx context.Context, lasts time.Duration, s *siege) {
	g.requests.clear()
	g.arrivals.clear()
	g.errors, g.first = 0, nil
	var wg sync.WaitGroup
	begun := time.Now()
	for due := begun; due.Sub(begun) < lasts && ctx.Err() == nil; due = due.Add(time.Second / goodRate) {
		rest(ctx, time.Until(due))
		if s.Good%goodRate == 0 {
			g.client.CloseIdleConnections() // new ones have to be let in, too
		}
		s.Good++
		wg.Go(func() { g.one(ctx, due) })
	}
	wg.Wait()
	for end := time.Now().Add(arrivalMax); g.open.Load() > 0 && time.Now().Before(end); {
		rest(ctx, 10*time.Millisecond)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := g.open.Swap(0); n > 0 {
		g.errors += n
		g.first = errors.Join(g.first, fmt.Errorf("%w: %d", errIncomplete, n))
	}
	s.Requests, s.Arrivals = [2]time.Duration(g.requests.percentiles(0.5, 0.99)), [2]time.Duration(g.arrivals.percentiles(0.5, 0.99))
	if s.Errors = g.errors; g.first != nil {
		s.FirstErr = g.first.Error()
	}
}

func (g *goodLoad) one(ctx context.Context, due time.Time) {
	id := uuid.NewString()
	if g.delivers {
		g.arrived.Store(id, due)
		g.open.Add(1)
	}
	response, err := g.client.Do(g.request(ctx, id)) //nolint:bodyclose // done does.
	if err == nil {
		var said []byte
		if said, err = io.ReadAll(response.Body); response.StatusCode/100 != 2 {
			err = fmt.Errorf("%w: %s", errAPI, clipProblem(response.StatusCode, said))
		}
		done(response.Body)
	}
	took := time.Since(due)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.requests.add(took); err == nil {
		return
	}
	if g.errors++; g.first == nil {
		g.first = err
	}
	if _, there := g.arrived.LoadAndDelete(id); there {
		g.open.Add(-1)
	}
}

var idText = regexp.MustCompile(`"id":"([0-9a-f-]{36})"`)

// receive is the good callers' third party.
func (g *goodLoad) receive(_ http.ResponseWriter, r *http.Request) {
	at := time.Now()
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		return // it comes again
	}
	for _, m := range idText.FindAllSubmatch(body.Bytes(), -1) {
		due, there := g.arrived.LoadAndDelete(string(m[1]))
		if due, ok := due.(time.Time); there && ok {
			g.open.Add(-1)
			g.mu.Lock()
			g.arrivals.add(at.Sub(due))
			g.mu.Unlock()
		}
	}
}

// goodWebhooks are good callers of a receiver: they sign what they send.
func goodWebhooks(address string) *goodLoad {
	signer := signature.NewSigner([]byte(benchSecret))
	return newGoodLoad(func(ctx context.Context, id string) *http.Request {
		p := interaction.Payload{OperationID: id, Entities: []interaction.EntityEvent{{
			Event: interaction.EventStarted, Entity: interaction.Entity{ID: id, MediaType: interaction.MediaChat, Subtype: interaction.SubtypeSMS, SelfURI: "https://h.example/"},
		}}}
		body := p.Append(nil)
		return request(ctx, "http://"+address+"/", string(body), "X-Hub-Signature-256", signer.Hub256(body))
	}, false)
}
