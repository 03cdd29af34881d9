package crash_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/signature"
)

const (
	secret = "crash-test-app-secret"
	// faultsMax is how many faults are told one by one.
	faultsMax = 20
	// waitMax bounds each wait for something that must come by itself.
	waitMax = 2 * time.Minute
)

// key names an event for ever.
type key struct {
	id    string
	event interaction.Event
}

// account is what the receiver and the load know of one event.
type account struct {
	// sent is the number of the last process that was asked for the change; 0: unknown.
	sent int
	// due says that the change was made: it was acknowledged, or its answer was lost and a read has shown it.
	due bool
	// received is how often the event was acknowledged by the receiver.
	received int
	// process is the number of the process that was up when it arrived last.
	process int
	attempt int
	op      string
	body    [sha256.Size]byte
	// node is the number of the node that acknowledged the change, and acknowledged is when; a server alone has none.
	node         int
	acknowledged time.Time
	// arrived is when the receiver acknowledged the event first.
	arrived time.Time
}

// life is what the receiver saw while one process was up.
type life struct {
	began time.Time
	posts int
	// again is how many of them arrived once more in a later life: the process had not recorded them when it was killed.
	again   int
	refused int
	// resumed is how long after the start the first event of a change before it arrived; 0: there was none.
	resumed time.Duration
}

// mode is what the receiver does with a POST.
type mode int

const (
	up   mode = iota
	down      // answers 503 or hangs up
	hold      // keeps the sender waiting until the mode changes
)

// ledger is a receiver that counts.
type ledger struct {
	t        *testing.T
	url      string
	verifier *signature.Verifier

	mu       sync.Mutex // guards what follows
	changed  *sync.Cond
	accounts map[key]*account
	lives    []life // by the number of the process; the first is of none
	mode     mode
	held     int // POSTs that wait in hold
	open     int // connections
	owed     int // accounts that are due and not received
	made     int // accounts that are due
	faults   int
	// nodes says that several processes deliver at the same time, so that a repetition is judged in the end; late is how
	// many STARTED arrived once more after their FINISHED.
	nodes bool
	late  int
	// refuse, if not nil, says which POSTs are answered 503. It is called with the lock held.
	refuse func(k key, attempt int) bool
	// takes is how long every POST takes.
	takes    time.Duration
	refusals int
}

func newLedger(t *testing.T) *ledger {
	l := &ledger{
		t: t, verifier: signature.NewVerifier([]byte(secret)), accounts: map[key]*account{}, lives: make([]life, 1),
	}
	l.changed = sync.NewCond(&l.mu)
	s := httptest.NewUnstartedServer(http.HandlerFunc(l.receive))
	s.Config.ConnState = l.count
	s.Start()
	l.url = s.URL
	t.Cleanup(func() {
		l.set(up)
		s.Close()
	})
	return l
}

func (l *ledger) count(_ net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch state {
	case http.StateNew:
		l.open++
	case http.StateClosed, http.StateHijacked:
		l.open--
	case http.StateActive, http.StateIdle:
	}
	l.changed.Broadcast()
}

// fault reports what must not be. The caller holds the lock.
func (l *ledger) fault(format string, args ...any) {
	l.faults++
	switch {
	case l.faults <= faultsMax:
		l.t.Errorf(format, args...)
	case l.faults == faultsMax+1:
		l.t.Errorf("and more of them, which are not told")
	}
}

func (l *ledger) set(m mode) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mode = m
	l.changed.Broadcast()
}

// begin notes that a process begins. Everything that the one before has sent was handled already: see quiet.
func (l *ledger) begin(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lives = append(l.lives, life{began: at})
}

// quiet waits until nothing of a process that is gone is left to handle: a connection of our own goes through the
// listener's queue behind all of its, and then all of them are closed.
func (l *ledger) quiet(ctx context.Context) {
	l.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url, nil)
	if err != nil {
		l.t.Fatalf("make request: %v", err)
	}
	r.Close = true
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		l.t.Fatalf("call the receiver: %v", err)
	}
	resp.Body.Close()
	l.await(ctx, "the receiver's connections to end", func() bool { return l.open == 0 })
}

// await waits until a condition holds, which is called with the lock held.
func (l *ledger) await(ctx context.Context, what string, holds func() bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, waitMax)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.changed.Broadcast()
	})()
	l.mu.Lock()
	defer l.mu.Unlock()
	for !holds() {
		if ctx.Err() != nil {
			l.t.Fatalf("waited in vain for %s: %d events are owed of %d, mode %d, %d held, %d connections", what, l.owed, l.made, l.mode, l.held, l.open)
		}
		l.changed.Wait()
	}
}

// receive handles one POST.
func (l *ledger) receive(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		return // see quiet
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender was killed
	}
	if takes := l.delay(); takes > 0 && pause(r.Context(), takes) != nil {
		return // the sender is gone
	}
	if !l.pass(w, r) {
		return
	}
	if err := l.verify(r.Header, body); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.fault("a POST is not ours: %v", err)
		http.Error(w, "", http.StatusUnauthorized)
		return
	}
	p, err := interaction.Parse(body)
	attempt, _ := strconv.Atoi(r.Header.Get(interaction.AttemptHeader)) // nothing is 0, which is refused below
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || len(p.Entities) != 1 || attempt < 1 {
		l.fault("a POST of attempt %d holds %s: %v", attempt, body, err)
		return
	}
	k := key{p.Entities[0].Entity.ID, p.Entities[0].Event}
	if l.refuse != nil && l.refuse(k, attempt) {
		l.refusals++
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	l.enter(k, p.OperationID, attempt, sha256.Sum256(body))
	l.changed.Broadcast()
}

func (l *ledger) verify(header http.Header, body []byte) error {
	if err := l.verifier.Verify(header, body); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return l.verifier.VerifyStandard(header, body, time.Now(), 0)
}

// pass refuses or holds the POST as the mode wants it; true means that it is to be taken.
func (l *ledger) pass(w http.ResponseWriter, r *http.Request) bool {
	defer context.AfterFunc(r.Context(), func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.changed.Broadcast()
	})()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held++
	l.changed.Broadcast()
	for l.mode == hold && r.Context().Err() == nil {
		l.changed.Wait()
	}
	l.held--
	if r.Context().Err() != nil {
		return false
	}
	if l.mode != down {
		return true
	}
	now := &l.lives[len(l.lives)-1]
	now.refused++
	l.changed.Broadcast()
	if now.refused%2 == 0 {
		http.Error(w, "closed for maintenance", http.StatusServiceUnavailable)
		return false
	}
	panic(http.ErrAbortHandler) // hangs up without an answer
}

// enter books an event that arrived. The caller holds the lock.
func (l *ledger) enter(k key, op string, attempt int, body [sha256.Size]byte) {
	a := l.account(k)
	number := len(l.lives) - 1
	now := &l.lives[number]
	now.posts++
	if a.sent > 0 && a.sent < number && now.resumed == 0 {
		now.resumed = time.Since(now.began)
	}
	if a.received > 0 {
		l.lives[a.process].again++
		if a.process == number && !l.nodes {
			l.fault("%s of %s arrived twice within the life of process %d, which had its acknowledgement", k.event, k.id, number)
		}
		if a.op != op || a.body != body {
			l.fault("%s of %s changed between two attempts: operation %s, then %s", k.event, k.id, a.op, op)
		}
		if attempt < a.attempt && !l.nodes {
			l.fault("%s of %s arrived as attempt %d after attempt %d", k.event, k.id, attempt, a.attempt)
		}
	}
	l.checkOrder(k)
	if a.due && a.received == 0 {
		l.owed--
	}
	if a.received == 0 {
		a.arrived = time.Now()
	}
	a.received++
	a.process, a.attempt, a.op, a.body = number, attempt, op, body
}

func (l *ledger) checkOrder(k key) {
	switch k.event {
	case interaction.EventStarted:
		if f, ok := l.accounts[key{k.id, interaction.EventFinished}]; ok && f.received > 0 {
			if l.late++; l.nodes && l.accounts[k].received > 0 {
				return // a node that slept through its lease in the middle of a POST: judged in the end
			}
			l.fault("STARTED of %s arrived after its FINISHED", k.id)
		}
	case interaction.EventFinished:
		if s, ok := l.accounts[key{k.id, interaction.EventStarted}]; !ok || s.received == 0 {
			l.fault("FINISHED of %s arrived before its STARTED", k.id)
		}
	}
}

// account returns the account of an event, made when it is needed first. The caller holds the lock.
func (l *ledger) account(k key) *account {
	a, ok := l.accounts[k]
	if !ok {
		a = new(account)
		l.accounts[k] = a
	}
	return a
}

// ask notes that a process is asked for the changes that cause events.
func (l *ledger) ask(process int, events []key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range events {
		l.account(k).sent = process
	}
}

// owe notes that the changes which cause events were made.
func (l *ledger) owe(events []key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range events {
		a := l.account(k)
		if a.due {
			continue
		}
		a.due = true
		l.made++
		if a.received == 0 {
			l.owed++
		}
	}
	l.changed.Broadcast()
}

// settled waits until everything that is owed has arrived.
func (l *ledger) settled(ctx context.Context) {
	l.t.Helper()
	l.await(ctx, "what was acknowledged to be delivered", func() bool { return l.owed == 0 })
}

// totals returns the sums over all lives, and how many events arrived that nobody is known to have caused.
func (l *ledger) totals() (posts, duplicates, unknown int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range l.lives {
		posts += v.posts
		duplicates += v.again
	}
	for _, a := range l.accounts {
		if a.received > 0 && !a.due {
			unknown++
		}
	}
	return posts, duplicates, unknown
}
