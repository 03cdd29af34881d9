package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// attackerRole makes what hostile callers make, in a process of its own, so that it takes descriptors and time from nobody but the machine.
const attackerRole = "attacker"

const (
	// slowConns is how many connections dribble, and dripEvery how often each sends a byte.
	slowConns = 1_000
	dripEvery = time.Second
	// idleConns is how many connections are open and silent, crowdConns how many where there are more than fit, and perAddress how many of them
	// one address has.
	idleConns, crowdConns, perAddress = 10_000, 11_000, 1_000
	// reopenAfter is how long somebody whose connection was ended waits before the next.
	reopenAfter = 2 * time.Second
	// floodBytesPerS is the rate of the floods, which is kept over pieces of floodPiece bytes.
	floodBytesPerS, floodPiece = 1 << 20, 16 << 10
	// floodConns is over how many connections small requests come, and largeConns over how many large ones.
	floodConns, largeConns = 32, 4
	// streamReaders is how many streams are opened and not read.
	streamReaders = 500
)

// An assault is the order to attack.
type assault struct {
	Kind    attackKind `json:"kind"`
	Address string     `json:"address"`
	Key     string     `json:"key"`
	Seconds float64    `json:"seconds"`
}

type attackKind string

const (
	slowHeaders   attackKind = "headers that dribble"
	slowBodies    attackKind = "bodies that dribble"
	idleAttack    attackKind = "idle connections"
	crowdAttack   attackKind = "more idle connections than fit"
	wrongKeys     attackKind = "invalid keys"
	bombs         attackKind = "bodies that explode"
	hugeHeaders   attackKind = "huge headers"
	slowReaders   attackKind = "streams not read"
	wrongSmall    attackKind = "invalid signatures, 1 KiB"
	wrongLarge    attackKind = "invalid signatures, 1 MiB"
	attackBodyFor            = "POST %s HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n"
)

// A damage is what an attacker did.
type damage struct {
	Connections int64 `json:"connections"` // opened
	Open        int64 `json:"open"`        // the most at a time
	Failed      int64 `json:"failed"`      // connections that were not opened, or closed by the other side
	Requests    int64 `json:"requests"`
	Bytes       int64 `json:"bytes"`
}

type attacker struct {
	assault
	connections, open, most, failed, requests, bytes atomic.Int64
	next                                             atomic.Int64 // of the addresses
}

func runAttacker(ctx context.Context, in io.Reader, out io.Writer) error {
	return obey(ctx, in, out, map[string]verb{
		"limit": with(func(context.Context, struct{}) (any, error) { return raiseFiles() }),
		"attack": with(func(ctx context.Context, a assault) (any, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Duration(a.Seconds*float64(time.Second)))
			defer cancel()
			at := &attacker{assault: a}
			if err := at.run(ctx); err != nil {
				return nil, err
			}
			return damage{at.connections.Load(), at.most.Load(), at.failed.Load(), at.requests.Load(), at.bytes.Load()}, nil
		}),
	})
}

// raiseFiles raises the number of files that this process, and what it starts, may have open as far as the machine lets it.
func raiseFiles() (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read limit of files: %w", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("raise limit of files: %w", err)
	}
	return limit.Cur, nil
}

var errAttack = errors.New("unknown attack")

func (a *attacker) run(ctx context.Context) error {
	auth := "Authorization: Bearer " + a.Key + "\r\n"
	webhook := "X-Hub-Signature-256: sha256=" + strings.Repeat("0", 64) + "\r\n"
	switch a.Kind {
	case slowHeaders:
		a.many(ctx, slowConns, func(ctx context.Context, c net.Conn) {
			a.drip(ctx, c, "GET /v1/webhooks HTTP/1.1\r\nHost: h\r\nX-Slow: ")
		})
	case slowBodies:
		a.many(ctx, slowConns, func(ctx context.Context, c net.Conn) {
			a.drip(ctx, c, fmt.Sprintf(attackBodyFor, "/v1/interactions", auth, 1<<20))
		})
	case idleAttack:
		a.many(ctx, idleConns, a.idle)
	case crowdAttack:
		a.many(ctx, crowdConns, a.idle)
	case wrongKeys:
		a.flood(ctx, floodConns, func(i int64) []byte {
			return post("/v1/interactions", fmt.Sprintf("X-Api-Key: wrong-%d\r\n", i), smallBody(350))
		})
	case bombs:
		shapes := explosives()
		a.flood(ctx, largeConns, func(i int64) []byte { return post("/v1/interactions", auth, shapes[int(i)%len(shapes)]) })
	case hugeHeaders:
		a.flood(ctx, largeConns, func(int64) []byte {
			return post("/v1/interactions", "X-Huge: "+strings.Repeat("h", 256<<10)+"\r\n", nil)
		})
	case slowReaders:
		a.many(ctx, streamReaders, func(ctx context.Context, c net.Conn) { a.ignore(ctx, c, auth) })
	case wrongSmall:
		a.flood(ctx, floodConns, func(int64) []byte { return post("/", webhook, smallBody(1<<10)) })
	case wrongLarge:
		large := smallBody(1<<20 - 1<<10)
		a.flood(ctx, largeConns, func(int64) []byte { return post("/", webhook, large) })
	default:
		return fmt.Errorf("%w %q", errAttack, a.Kind)
	}
	return nil
}

func post(path, headers string, body []byte) []byte {
	return append(fmt.Appendf(nil, attackBodyFor, path, headers, len(body)), body...)
}

// smallBody is JSON of about so many bytes.
func smallBody(size int) []byte {
	return []byte(`{"operationId":"x","entities":[` + strings.Repeat(`{"a":"b"},`, size/10) + `{}]}`)
}

// explosives are bodies that are small, and large, deep or slow when parsed.
func explosives() [][]byte {
	var unknown strings.Builder
	for i := range 15_000 {
		fmt.Fprintf(&unknown, `"a%d":0,`, i)
	}
	return [][]byte{
		[]byte(`{"contact":` + strings.Repeat("[", 1<<19)),
		[]byte(`{"contact":{"a":[` + strings.Repeat("{},", 300_000) + `{}]}}`),
		[]byte("{" + unknown.String() + `"b":0}`),
		[]byte(`{"subject":"` + strings.Repeat(`\u0000`, 1<<17) + `"}`),
		[]byte(`{"contact":{"a":` + strings.Repeat("9", 1<<19) + "}}"),
		[]byte("{" + strings.Repeat(`"queue":"q",`, 15_000) + `"queue":"q"}`),
	}
}

// dial opens a connection from one of the hostile addresses of the loopback, none of which is that of the good callers.
func (a *attacker) dial(ctx context.Context) (net.Conn, error) {
	n := a.next.Add(1)
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+n/perAddress%200))}, Timeout: 5 * time.Second}
	c, err := d.DialContext(ctx, "tcp", a.Address)
	if err != nil {
		a.failed.Add(1)
		return nil, err
	}
	a.connections.Add(1)
	now := a.open.Add(1)
	for most := a.most.Load(); now > most && !a.most.CompareAndSwap(most, now); most = a.most.Load() {
	}
	return c, nil
}

func (a *attacker) hangUp(c net.Conn) {
	a.open.Add(-1)
	_ = c.Close() // the other side may have closed it
}

// many keeps so many connections busy with something, each opened anew when it ends.
func (a *attacker) many(ctx context.Context, n int, do func(context.Context, net.Conn)) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				c, err := a.dial(ctx)
				if err != nil {
					rest(ctx, dripEvery)
					continue
				}
				stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }) // what waits on it ends
				do(ctx, c)
				stop()
				if ctx.Err() == nil {
					a.failed.Add(1)
					rest(ctx, reopenAfter)
				}
				a.hangUp(c)
			}
		})
	}
	wg.Wait()
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// drip sends the beginning of a request, and then a byte at a time.
func (a *attacker) drip(ctx context.Context, c net.Conn, begin string) {
	a.requests.Add(1)
	for text := begin; ctx.Err() == nil; text = "x" {
		n, err := io.WriteString(c, text)
		a.bytes.Add(int64(n))
		if err != nil {
			return
		}
		rest(ctx, dripEvery)
	}
}

// idle makes one request, so that the connection is one that may be kept, and then nothing.
func (a *attacker) idle(_ context.Context, c net.Conn) {
	a.requests.Add(1)
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, c) // until one side ends it
}

// ignore asks for a stream of all events, with little room for what comes, and reads nothing.
func (a *attacker) ignore(ctx context.Context, c net.Conn, auth string) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4 << 10) // as little as the kernel allows
	}
	a.requests.Add(1)
	if _, err := io.WriteString(c, "GET /v1/events HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n"+auth+"\r\n"); err == nil {
		<-ctx.Done()
	}
}

// flood sends requests at a steady rate of bytes, over connections that are opened anew when they are closed.
func (a *attacker) flood(ctx context.Context, conns int, request func(i int64) []byte) {
	begun := time.Now()
	var wg sync.WaitGroup
	var number, planned atomic.Int64
	// paced waits until so many bytes more may be sent. What takes longer than planned, because the server does, is not made up for.
	paced := func(n int) bool {
		due := time.Duration(float64(planned.Add(int64(n))) / floodBytesPerS * float64(time.Second))
		if late := time.Since(begun) - due; late > time.Second {
			planned.Add(int64(late.Seconds() * floodBytesPerS))
		} else {
			rest(ctx, -late)
		}
		return ctx.Err() == nil
	}
	for range conns {
		wg.Go(func() {
			for ctx.Err() == nil {
				c, err := a.dial(ctx)
				if err != nil {
					rest(ctx, dripEvery/10)
					continue
				}
				stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
				answers := bufio.NewReader(c)
				for ctx.Err() == nil && a.exchange(c, answers, request(number.Add(1)), paced) {
				}
				stop()
				if a.hangUp(c); ctx.Err() == nil {
					a.failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
}

// exchange sends a request and reads its answer; false means that the connection is of no more use.
func (a *attacker) exchange(c net.Conn, answers *bufio.Reader, text []byte, paced func(int) bool) bool {
	for piece := range slices.Chunk(text, floodPiece) {
		if !paced(len(piece)) {
			return false
		}
		n, err := c.Write(piece)
		if a.bytes.Add(int64(n)); err != nil {
			return false
		}
	}
	a.requests.Add(1)
	response, err := http.ReadResponse(answers, nil)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, response.Body)
	return errors.Join(err, response.Body.Close()) == nil && !response.Close
}

// startAttacker starts the role. It needs no ledger, and gets what every role gets.
func startAttacker(shared *os.File) (*child, error) { return startChild(attackerRole, shared) }
