//go:build !race

package delivery

import (
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// TestHeaderAllocations shows that a rotation costs a POST no allocation, and none where there is no rotation. It is not built with the race
// detector, under which sync.Pool drops items at random.
func TestHeaderAllocations(t *testing.T) {
	one := hook.Secrets{Current: hook.NewSecret("current 01234567")}
	three := hook.Secrets{
		Current: one.Current, Next: hook.NewSecret("next 01234567890"), Previous: hook.NewSecret("previous 0123456"), PreviousUntil: time.Now().Add(time.Hour),
	}
	m, now := single(&hook.Delivery{Event: newEvent(7), Webhook: 1}), time.Now()
	measure := func(secrets hook.Secrets) float64 {
		target, err := newTarget(&hook.Webhook{Settings: hook.DefaultSettings(), Secrets: secrets}, "1")
		if err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(500, func() { target.header(m, now, [8]byte{}) })
	}
	if alone, rotating := measure(one), measure(three); alone != rotating || alone > headerAllocations {
		t.Errorf("%v allocations with one secret, %v with three; want %d", alone, rotating, headerAllocations)
	}
}

// headerAllocations is how many allocations the headers of a POST cost, measured before a webhook could have several secrets.
const headerAllocations = 11
