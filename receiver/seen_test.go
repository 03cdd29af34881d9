package receiver_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/receiver"
)

func key(i int) receiver.Key {
	return receiver.Key{InteractionID: fmt.Sprintf("i-%d", i), Event: interaction.EventStarted}
}

func begin(t rapid.TB, m *receiver.Memory, i int) receiver.State {
	t.Helper()
	state, err := m.Begin(context.Background(), key(i))
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func done(t rapid.TB, m *receiver.Memory, i int, ok bool) {
	t.Helper()
	if err := m.Done(context.Background(), key(i), ok); err != nil {
		t.Fatal(err)
	}
}

func TestMemoryForgetsTheOldest(t *testing.T) {
	m := receiver.NewMemory(3)
	begin(t, m, 0) // Stays in work all the time, so it must never be forgotten.
	for i := 1; i <= 5; i++ {
		if got := begin(t, m, i); got != receiver.Fresh {
			t.Errorf("%d is %v", i, got)
		}
		done(t, m, i, true)
	}
	got := []receiver.State{begin(t, m, 0), begin(t, m, 3), begin(t, m, 4), begin(t, m, 5), begin(t, m, 1), begin(t, m, 2)}
	want := []receiver.State{
		receiver.Busy, receiver.Handled, receiver.Handled, receiver.Handled, receiver.Fresh, receiver.Fresh,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

func TestMemoryErrors(t *testing.T) {
	m := receiver.NewMemory(2)
	if err := m.Done(t.Context(), key(1), true); !errors.Is(err, receiver.ErrNotBegun) {
		t.Errorf("Done before Begin: %v", err)
	}
	begin(t, m, 1)
	begin(t, m, 2)
	if state, err := m.Begin(t.Context(), key(3)); !errors.Is(err, receiver.ErrFull) || state != 0 {
		t.Errorf("Begin of a third: %v, %v", state, err)
	}
	done(t, m, 1, true)
	if err := m.Done(t.Context(), key(1), false); !errors.Is(err, receiver.ErrNotBegun) {
		t.Errorf("Done twice: %v", err)
	}
	if got := begin(t, m, 1); got != receiver.Handled {
		t.Errorf("after Done twice it is %v", got)
	}
}

// TestMemoryIsAModel compares a Memory with the plainest description of it.
func TestMemoryIsAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 5).Draw(t, "capacity")
		m := receiver.NewMemory(capacity)
		busy := map[int]bool{}
		var handled []int
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			i := rapid.IntRange(0, 9).Draw(t, "key")
			if busy[i] && rapid.Bool().Draw(t, "end") {
				ok := rapid.Bool().Draw(t, "ok")
				done(t, m, i, ok)
				delete(busy, i)
				if ok {
					handled = append(handled, i)
					handled = handled[max(0, len(handled)-capacity):]
				}
				continue
			}
			want := receiver.Fresh
			for _, h := range handled {
				if h == i {
					want = receiver.Handled
				}
			}
			if busy[i] {
				want = receiver.Busy
			}
			state, err := m.Begin(context.Background(), key(i))
			if want == receiver.Fresh && len(busy) == capacity {
				if !errors.Is(err, receiver.ErrFull) {
					t.Fatalf("full: %v, %v", state, err)
				}
				continue
			}
			if err != nil || state != want {
				t.Fatalf("key %d: got %v, %v; want %v", i, state, err, want)
			}
			if want == receiver.Fresh {
				busy[i] = true
			}
		}
	})
}
