package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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
	// hostileBytesMax is what a server under attack may have in memory: the 224 MiB of its heap's soft limit, and what is beside the heap.
	hostileBytesMax = 320 << 20
	// hostileConns lets as many connections in as the idle ones are, and more.
	hostileConns = "12000"
	// arrivalMax is how long an acknowledged event may take to arrive.
	arrivalMax = 10 * time.Second
)

var errHostile = errors.New("the server did not hold against hostile callers")

// A siege is what the good callers and the server saw during one attack.
type siege struct {
	Attack    attackKind       `json:"attack"`
	Requests  [2]time.Duration `json:"requestsP50P99Nano"`
	Arrivals  [2]time.Duration `json:"deliveriesP50P99Nano"`
	Good      int64            `json:"good"`
	Errors    int64            `json:"errors"`
	FirstErr  string           `json:"firstError,omitempty"`
	PeakBytes int64            `json:"peakBytes"`
	CPU       float64          `json:"cores"`
	Damage    damage           `json:"damage"`
}

// hostile measures good callers beside each kind of hostile ones, on one server after the other attack, and then a receiver.
func (b *lab) hostile(ctx context.Context, rep *reporter) error {
	shared, err := newLedgerFile()
	if err != nil {
		return err
	}
	defer done(shared)
	files, err := raiseFiles()
	if err != nil {
		return err
	}
	enemy, err := startAttacker(shared)
	if err != nil {
		return err
	}
	defer enemy.end()
	rep.say("Beside %d good interactions a second. This process may open %d files. A server may have %d MB in memory.\n", goodRate, files, hostileBytesMax>>20)
	rep.say("| attack | requests p50, p99 | / calm | deliveries p50, p99 | / calm | errors of %s | peak MB | cores | what the attacker did |", "the good")
	rep.say("|---|---|---|---|---|---|---|---|---|")
	return errors.Join(
		b.besiege(ctx, rep, enemy, b.openCastle, []attackKind{slowHeaders, slowBodies, idleAttack, wrongKeys, bombs, hugeHeaders, slowReaders}),
		b.besiege(ctx, rep, enemy, b.openListener, []attackKind{wrongSmall, wrongLarge}))
}

// A castle is what is attacked.
type castle struct {
	address, key string
	pid          int
	good         *goodLoad
	close        func()
}

func (b *lab) besiege(ctx context.Context, rep *reporter, enemy *child, open func(context.Context) (*castle, error), kinds []attackKind) error {
	c, err := open(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	var calm siege
	var failed []error
	for i, kind := range append([]attackKind{""}, kinds...) {
		if kind != "" && b.options.only != nil && !b.options.only.MatchString(string(kind)) {
			continue
		}
		got, err := b.assault(ctx, enemy, c, kind)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		if i == 0 {
			calm, got.Attack = got, "calm"
		}
		if err := rep.keep("siege", got); err != nil {
			return err
		}
		rep.say("| %s | %s, %s | %.1f, %.1f | %s, %s | %.1f, %.1f | %d of %d | %d | %.2f | %d connections (%d at a time, %d ended by the server), %d requests, %.1f MB |",
			got.Attack, milliseconds(got.Requests[0]), milliseconds(got.Requests[1]), over(got.Requests[0], calm.Requests[0]), over(got.Requests[1], calm.Requests[1]),
			milliseconds(got.Arrivals[0]), milliseconds(got.Arrivals[1]), over(got.Arrivals[0], calm.Arrivals[0]), over(got.Arrivals[1], calm.Arrivals[1]),
			got.Errors, got.Good, got.PeakBytes>>20, got.CPU, got.Damage.Connections, got.Damage.Open, got.Damage.Failed, got.Damage.Requests, float64(got.Damage.Bytes)/(1<<20))
		if got.Errors > 0 || got.PeakBytes > hostileBytesMax {
			failed = append(failed, fmt.Errorf("%w: %s: %d errors of good callers (%s), %d MB", errHostile, got.Attack, got.Errors, got.FirstErr, got.PeakBytes>>20))
		}
	}
	return errors.Join(failed...)
}

func over(a, b time.Duration) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// assault runs the good load for a while, beside an attack unless kind is empty.
func (b *lab) assault(ctx context.Context, enemy *child, c *castle, kind attackKind) (siege, error) {
	seconds := max(4*b.options.seconds, 6)
	s := siege{Attack: kind}
	attacked := make(chan error, 1)
	go func() {
		if kind == "" {
			attacked <- nil
			return
		}
		attacked <- enemy.call(ctx, "attack", assault{Kind: kind, Address: c.address, Key: c.key, Seconds: seconds + 2}, &s.Damage)
	}()
	rest(ctx, time.Second) // until the attack is under way
	watch, stop := context.WithCancel(ctx)
	var watched sync.WaitGroup
	watched.Go(func() {
		for ticker := time.Tick(memoryEvery); watch.Err() == nil; {
			s.PeakBytes = max(s.PeakBytes, memoryOf([]int{c.pid}, "VmRSS"))
			select {
			case <-ticker:
			case <-watch.Done():
			}
		}
	})
	begun, cpu := time.Now(), cpuTime(c.pid)
	c.good.run(ctx, time.Duration(seconds*float64(time.Second)), &s)
	s.CPU = (cpuTime(c.pid) - cpu).Seconds() / time.Since(begun).Seconds()
	err := <-attacked
	stop()
	watched.Wait()
	return s, err
}

// openCastle starts a server with a webhook.
func (b *lab) openCastle(ctx context.Context) (*castle, error) {
	saved := b.options.serveArguments
	b.options.serveArguments = append([]string{"--connections-max", hostileConns}, saved...)
	f, err := b.serve(ctx, 1)
	b.options.serveArguments = saved
	if err != nil {
		return nil, err
	}
	l, err := listen(ctx)
	if err != nil {
		return nil, err
	}
	g := newGoodLoad(func(ctx context.Context, id string) *http.Request {
		body := fmt.Sprintf(`{"id":%q,"mediaType":"chat","subtype":"SMS","queue":"support"}`, id)
		return request(ctx, "http://"+f.nodes[0].address+"/v1/interactions", body, "X-Api-Key", f.nodes[0].key)
	}, true)
	receiver := &http.Server{Handler: http.HandlerFunc(g.receive), ReadHeaderTimeout: apiTimeout, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1)
	go func() { served <- receiver.Serve(l) }()
	c := &castle{address: f.nodes[0].address, key: f.nodes[0].key, pid: f.nodes[0].cmd.Process.Pid, good: g}
	c.close = func() {
		g.client.CloseIdleConnections()
		f.kill() // what hangs would hold up a clean end
		b.remove(ctx, f)
		done(receiver)
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintf(os.Stderr, "receiver of the good: %v\n", err)
		}
	}
	_, err = f.webhook(ctx, "http://"+l.Addr().String()+"/", fanOutConcurrency)
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// openListener starts `hookswitch listen`, whose good callers sign what they send.
func (b *lab) openListener(ctx context.Context) (*castle, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	said, err := os.Create(filepath.Join(b.dir, "listen.log"))
	if err != nil {
		return nil, fmt.Errorf("make log: %w", err)
	}
	defer done(said)                                             // the child has its own descriptor
	cmd := exec.Command(b.binary, "listen", "--listen", address) //nolint:gosec,noctx // As for a server.
	cmd.Env = append(os.Environ(), "HOOKSWITCH_SECRET="+benchSecret)
	cmd.Stderr, cmd.SysProcAttr = said, dieWithParent()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start hookswitch listen: %w", err)
	}
	signer := signature.NewSigner([]byte(benchSecret))
	g := newGoodLoad(func(ctx context.Context, id string) *http.Request {
		p := interaction.Payload{OperationID: id, Entities: []interaction.EntityEvent{{
			Event: interaction.EventStarted, Entity: interaction.Entity{ID: id, MediaType: interaction.MediaChat, Subtype: interaction.SubtypeSMS, SelfURI: "https://h.example/"},
		}}}
		body := p.Append(nil)
		return request(ctx, "http://"+address+"/", string(body), "X-Hub-Signature-256", signer.Hub256(body))
	}, false)
	c := &castle{address: address, pid: cmd.Process.Pid, good: g, close: func() {
		g.client.CloseIdleConnections()
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // how it ended was just decided
	}}
	for try := range 100 {
		if conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address); err == nil {
			done(conn)
			break
		} else if try == 99 {
			c.close()
			return nil, fmt.Errorf("reach hookswitch listen: %w", err)
		}
		rest(ctx, 50*time.Millisecond)
	}
	return c, nil
}

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
