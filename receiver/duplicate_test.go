package receiver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/receiver"
)

func TestDuplicateWhileBusy(t *testing.T) {
	for name, outcome := range map[string]error{"success": nil, "failure": errors.New("failed")} {
		t.Run(name, func(t *testing.T) {
			entered, leave := make(chan struct{}), make(chan error)
			var calls atomic.Int32
			server, rejected := serve(t, receiver.Config{
				Handle: func(context.Context, interaction.EntityEvent, receiver.Delivery) error {
					if calls.Add(1) > 1 {
						return nil
					}
					close(entered)
					return <-leave
				},
			})
			body := started("i-1")
			first := make(chan answer)
			go func() { first <- post(t, server.URL, body) }()
			<-entered
			for range 3 {
				got := post(t, server.URL, body)
				if got.status != 503 || got.header.Get("Retry-After") != "1" || !strings.Contains(got.body, `"busy"`) {
					t.Errorf("the duplicate got %d %v %s", got.status, got.header, got.body)
				}
				if err := rejected.last(); !errors.Is(err, receiver.ErrBusy) {
					t.Errorf("OnReject got %v", err)
				}
			}
			// The other event of the same interaction is another event.
			finished := interaction.Payload{OperationID: "op-2", Entities: []interaction.EntityEvent{entity("i-1", interaction.EventFinished)}}
			if got := post(t, server.URL, finished.Append(nil)); got.status != 200 || calls.Load() != 2 {
				t.Errorf("FINISHED got %d after %d calls", got.status, calls.Load())
			}
			leave <- outcome
			wantFirst, wantCalls := 200, int32(2)
			if outcome != nil {
				wantFirst, wantCalls = 500, 3
			}
			if got := <-first; got.status != wantFirst {
				t.Errorf("the first got %d", got.status)
			}
			if got := post(t, server.URL, body); got.status != 200 || calls.Load() != wantCalls {
				t.Errorf("the one after got %d, %d calls", got.status, calls.Load())
			}
		})
	}
}

// TestConcurrentDuplicates delivers the same events from many senders, each until it is acknowledged; half of the events
// fail at first.
func TestConcurrentDuplicates(t *testing.T) {
	const senders, events = 16, 40
	var mu sync.Mutex // Guards what follows.
	tries, successes, inside := map[string]int{}, map[string]int{}, map[string]int{}
	server, _ := serve(t, receiver.Config{
		Handle: func(_ context.Context, e interaction.EntityEvent, _ receiver.Delivery) error {
			mu.Lock()
			id := e.Entity.ID
			inside[id]++
			if inside[id] != 1 {
				t.Errorf("%s is handled twice at the same time", id)
			}
			tries[id]++
			fail := strings.HasSuffix(id, "odd") && tries[id] < 3
			mu.Unlock()

			mu.Lock()
			defer mu.Unlock()
			inside[id]--
			if fail {
				return errors.New("not yet")
			}
			successes[id]++
			return nil
		},
	})
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for i := range events {
				id := fmt.Sprintf("%d-%s", i, []string{"even", "odd"}[i%2])
				for {
					got := post(t, server.URL, started(id))
					if got.status == 200 {
						mu.Lock()
						if successes[id] != 1 {
							t.Errorf("%s is acknowledged after %d successes", id, successes[id])
						}
						mu.Unlock()
						break
					}
					if got.status != 500 && got.status != 503 {
						t.Errorf("%s got %d", id, got.status)
						break
					}
				}
			}
		})
	}
	wg.Wait()
	if len(successes) != events {
		t.Errorf("%d events succeeded, want %d", len(successes), events)
	}
}

// TestSenderGivesUp: the function succeeds after the sender has hung up; its success must be remembered.
func TestSenderGivesUp(t *testing.T) {
	entered := make(chan struct{})
	var calls atomic.Int32
	server, _ := serve(t, receiver.Config{
		Seen: strictSeen{receiver.NewMemory(10)},
		Handle: func(ctx context.Context, _ interaction.EntityEvent, _ receiver.Delivery) error {
			if calls.Add(1) == 1 {
				close(entered)
				<-ctx.Done()
			}
			return nil
		},
	})
	body := started("i-1")
	ctx, hangUp := context.WithCancel(t.Context())
	failed := make(chan error)
	request := newPost(t, server.URL, body).WithContext(ctx)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		failed <- err
	}()
	<-entered
	hangUp()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatalf("the first POST ended with %v", err)
	}
	for {
		got := post(t, server.URL, body)
		if got.status == 503 {
			continue // The server has not noticed the hang-up yet.
		}
		if got.status != 200 || calls.Load() != 1 {
			t.Errorf("answered %d after %d calls", got.status, calls.Load())
		}
		return
	}
}

func TestPanicReleasesTheEvent(t *testing.T) {
	var calls int
	server, rejected := serve(t, receiver.Config{
		Handle: func(context.Context, interaction.EntityEvent, receiver.Delivery) error {
			if calls++; calls == 1 {
				panic("boom")
			}
			return nil
		},
	})
	var logged bytes.Buffer
	server.Config.ErrorLog = log.New(&logged, "", 0)
	body := started("i-1")
	response, err := http.DefaultClient.Do(newPost(t, server.URL, body))
	if err == nil {
		_ = response.Body.Close() // The test fails anyway.
		t.Fatalf("answered %d: the panic was swallowed", response.StatusCode)
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("the POST ended with %v", err)
	}
	if got := post(t, server.URL, body); got.status != 200 || calls != 2 {
		t.Errorf("the retry got %d after %d calls", got.status, calls)
	}
	server.Close()
	if !strings.Contains(logged.String(), "boom") {
		t.Errorf("the server logged %q", logged.String())
	}
	if err := rejected.last(); err != nil {
		t.Errorf("OnReject got %v", err)
	}
}

// strictSeen is like a database: it notes nothing under a context that has ended.
type strictSeen struct {
	*receiver.Memory
}

func (s strictSeen) Done(ctx context.Context, key receiver.Key, ok bool) error {
	return s.Memory.Done(ctx, key, ok && ctx.Err() == nil)
}

// TestBatchWithBusyEvent: one event of a batch is in work elsewhere. A failure of another outranks it.
func TestBatchWithBusyEvent(t *testing.T) {
	memory := receiver.NewMemory(10)
	if _, err := memory.Begin(t.Context(), receiver.Key{InteractionID: "busy", Event: interaction.EventStarted}); err != nil {
		t.Fatal(err)
	}
	server, _ := serve(t, receiver.Config{
		Seen: memory,
		Handle: func(_ context.Context, e interaction.EntityEvent, _ receiver.Delivery) error {
			if e.Entity.ID == "bad" {
				return errors.New("failed")
			}
			return nil
		},
	})
	for name, test := range map[string]struct {
		body []byte
		want int
	}{
		"busy first":   {started("busy", "good"), 503},
		"busy last":    {started("good", "busy"), 503},
		"bad and busy": {started("bad", "busy"), 500},
		"busy and bad": {started("busy", "bad"), 500},
		"good":         {started("good"), 200},
	} {
		if got := post(t, server.URL, test.body); got.status != test.want {
			t.Errorf("%s: answered %d, want %d", name, got.status, test.want)
		}
	}
}

// brokenSeen is a Seen whose database fails where it is told to.
type brokenSeen struct {
	*receiver.Memory
	begin, done error
	state       receiver.State
}

func (s brokenSeen) Begin(ctx context.Context, key receiver.Key) (receiver.State, error) {
	if s.begin != nil || s.state != 0 {
		return s.state, s.begin
	}
	return s.Memory.Begin(ctx, key)
}

func (s brokenSeen) Done(ctx context.Context, key receiver.Key, ok bool) error {
	if _, bounded := ctx.Deadline(); !bounded {
		return errors.New("context of Done has no deadline")
	}
	if s.done != nil {
		return s.done
	}
	return s.Memory.Done(ctx, key, ok)
}

func TestSeenFails(t *testing.T) {
	down := errors.New("database is down")
	for name, test := range map[string]struct {
		seen   brokenSeen
		status int
		calls  int
		is     error
	}{
		"works":         {brokenSeen{}, 200, 1, nil},
		"Begin":         {brokenSeen{begin: down}, 503, 0, down},
		"Done":          {brokenSeen{done: down}, 500, 1, down},
		"unknown state": {brokenSeen{state: 7}, 503, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			test.seen.Memory = receiver.NewMemory(10)
			calls := 0
			server, rejected := serve(t, receiver.Config{
				Seen:   test.seen,
				Handle: func(context.Context, interaction.EntityEvent, receiver.Delivery) error { calls++; return nil },
			})
			got := post(t, server.URL, started("i-1"))
			if got.status != test.status || calls != test.calls {
				t.Errorf("answered %d after %d calls", got.status, calls)
			}
			if err := rejected.last(); (err != nil) != (test.status != 200) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("OnReject got %v", err)
			}
		})
	}
}
