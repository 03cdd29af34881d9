package console

import (
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/store"
)

// TestVerdictOnWhatFailedSinceTheCount shows that a count from before the failures does not make the overview say that everything is delivered.
func TestVerdictOnWhatFailedSinceTheCount(t *testing.T) {
	now := time.Now()
	s := &situation{now: now, receivers: 1, accepted: true, backlog: store.Backlog{CountedAt: now}, failed: 9, spanWords: "hour", retried: true}
	if got := judge(s); got.Class != "warn" || got.Text != "Almost: deliveries wait for another attempt." || got.More != "9 attempts failed in the last hour." {
		t.Errorf("%+v", got)
	}
	if s.retried = false; judge(s).Text != "Everything is delivered." {
		t.Errorf("%+v", judge(s))
	}
}
