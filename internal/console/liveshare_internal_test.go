package console

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// TestUpdateIsMadeOnceForAll shows that those who watch the same page at the same time have it made once, an error too; that it is made
// again when it is old; that the end of the one who makes it is not the others'; and that nothing is kept of a page that nobody watches.
func TestUpdateIsMadeOnceForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &updates{byName: map[string]*update{}}
		made, problem := 0, error(nil)
		get := func(ctx context.Context, one *update) (string, error) {
			return one.get(ctx, nil, time.Now().Add(-time.Second), time.Now(), func() (string, error) {
				made++
				<-time.After(time.Second / 2)
				if ctx.Err() != nil {
					return "", ctx.Err()
				}
				return "text", problem
			})
		}
		all := func(want error) {
			for range 20 {
				go func() {
					one := u.join("page")
					defer u.leave(one)
					if text, err := get(t.Context(), one); !errors.Is(err, want) || want == nil && text != "text" {
						t.Errorf("%q, %v; want %v", text, err, want)
					}
				}()
			}
			synctest.Wait()
		}
		rest := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		first := u.join("page")
		all(nil)
		rest(time.Second / 2)
		if all(nil); made != 1 {
			t.Errorf("made %d times for all who watch at a time, want once", made)
		}
		rest(time.Second)
		problem = hook.ErrNotFound
		all(hook.ErrNotFound)
		if rest(time.Second); made != 2 {
			t.Errorf("made %d times, want once more when it is old", made)
		}
		problem = nil
		leaves, cancel := context.WithCancel(t.Context())
		go cancel()
		if _, err := get(leaves, first); !errors.Is(err, context.Canceled) {
			t.Errorf("who leaves gets %v", err)
		}
		all(nil)
		rest(time.Second)
		if made != 4 {
			t.Errorf("made %d times, want again after who made it has left", made)
		}
		over := make(chan struct{})
		close(over)
		first.turn <- struct{}{}
		if _, err := first.get(t.Context(), over, time.Now(), time.Now(), nil); !errors.Is(err, errDrained) {
			t.Errorf("at the end of live pages who waits gets %v", err)
		}
		if u.leave(first); len(u.byName) != 0 {
			t.Errorf("%d updates are kept that nobody watches", len(u.byName))
		}
	})
}

// TestLiveEventsLeaveTheProcessorsToDeliveries shows that however many watch events, all their looks together keep one processor busy at most,
// and that who is alone looks as often as ever.
func TestLiveEventsLeaveTheProcessorsToDeliveries(t *testing.T) {
	t.Parallel()
	for _, took := range []time.Duration{0, 100 * time.Microsecond, 5 * time.Millisecond, time.Second} {
		for _, watched := range []int{1, 5, liveMax} {
			rest := eventRest(eventsCatchUp, took, watched)
			if busy := float64(took) * float64(watched) / float64(rest); busy > 1 || rest < eventsCatchUp {
				t.Errorf("%d looks of %v, each with a rest of %v, keep %.2f processors busy", watched, took, rest, busy)
			}
		}
	}
	if rest := eventRest(eventsEvery, 5*time.Millisecond, 20); rest != eventsEvery {
		t.Errorf("20 who watch wait %v for the next look", rest)
	}
}
