package delivery

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// sender is a scripted receiver.
type sender func(ctx context.Context, p hook.Post) hook.Answer

func (s sender) Send(ctx context.Context, p hook.Post) hook.Answer { return s(ctx, p) }

// acknowledge is the answer of a receiver that took it.
func acknowledge() hook.Answer { return hook.Answer{Status: http.StatusOK} }

// after returns a receiver that answers after a while, within the post's timeout, as the real sender does.
func after(wait time.Duration, answer hook.Answer) sender {
	return func(ctx context.Context, p hook.Post) hook.Answer {
		began := time.Now()
		a := answer
		select {
		case <-time.After(min(wait, p.Timeout)):
			if wait > p.Timeout {
				a = hook.Answer{Failure: hook.FailureTimeout, Error: "no response"}
			}
		case <-ctx.Done():
			a = hook.Answer{Failure: hook.FailureBroken, Error: "cancelled"}
		}
		a.Took = time.Since(began)
		return a
	}
}

// log notes every POST.
type log struct {
	mu       sync.Mutex // guards everything below
	begun    []post
	inFlight int
	// most is how many were in flight at most.
	most int
}

// post is a POST as the receiver saw it.
type post struct {
	hook.Post
	at time.Time
}

// of returns a receiver that notes each POST and answers as another one does.
func (l *log) of(s sender) sender {
	return func(ctx context.Context, p hook.Post) hook.Answer {
		l.mu.Lock()
		l.begun = append(l.begun, post{p, time.Now()})
		l.inFlight++
		l.most = max(l.most, l.inFlight)
		l.mu.Unlock()
		defer func() {
			l.mu.Lock()
			l.inFlight--
			l.mu.Unlock()
		}()
		return s(ctx, p)
	}
}

// posts returns the POSTs begun so far.
func (l *log) posts() []post {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begun[:len(l.begun):len(l.begun)]
}

// flying returns how many are in flight and how many were at most.
func (l *log) flying() (now, most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inFlight, l.most
}

// parsed returns what a POST carries.
func parsed(t testing.TB, p hook.Post) interaction.Payload {
	t.Helper()
	payload, err := interaction.Parse(p.Body)
	if err != nil {
		t.Fatalf("body %s: %v", p.Body, err)
	}
	return payload
}

// start runs an engine in the test's bubble until the returned function is called or the test ends; that one drains it.
func start(t testing.TB, q Queue, s Sender, change ...func(*Options)) (e *Engine, stop func()) {
	t.Helper()
	o := Options{Queue: q, Sender: s, PublicURL: publicURL, Version: "1.2.3"}
	for _, c := range change {
		c(&o)
	}
	e = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("run: %v", err)
		}
		if held := e.held.Load(); held != 0 {
			t.Errorf("%d deliveries are held after the end", held)
		}
		for _, l := range e.allLanes() {
			if l.crew.workers != 0 || l.held != 0 || l.waiting.len() != 0 {
				t.Errorf("lane %d ended with %d workers, %d held, %d waiting", l.number, l.crew.workers, l.held, l.waiting.len())
			}
		}
	})
	t.Cleanup(stop)
	synctest.Wait()
	return e, stop
}

// crewOf returns the lane's workers.
func crewOf(e *Engine, n hook.WebhookNumber) crew {
	l := e.lane(n)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.crew
}

// circuitOf returns what the lane knows of the circuit.
func circuitOf(e *Engine, n hook.WebhookNumber) hook.Breaker {
	l := e.lane(n)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.look()
	return l.breaker.Breaker
}

// atRest is a breaker without the attempts that it counted: there is no failure in a row and no circuit in it.
func atRest(b hook.Breaker) hook.Breaker {
	b.Window = hook.Window{}
	return b
}

// settled waits, in virtual time, until the queue has no open deliveries, and returns how long that took.
func settled(t testing.TB, q *memory, most time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	for q.left() > 0 {
		if time.Since(began) > most {
			t.Fatalf("%d deliveries are open after %v", q.left(), most)
		}
		<-time.After(10 * time.Millisecond)
	}
	return time.Since(began)
}
