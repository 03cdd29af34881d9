package receiver

import (
	"testing"
	"time"
)

// TestPatience shows that explanations may take a second at once, and a twentieth of the time for long, whatever comes in.
func TestPatience(t *testing.T) {
	var p patience
	now := time.Unix(1_800_000_000, 0)
	const each, hour = 100 * time.Millisecond, time.Hour
	explained := 0
	for begin := now; now.Sub(begin) < hour; now = now.Add(10 * time.Millisecond) {
		if p.left(now) {
			explained++
			p.spend(each)
		}
	}
	if got, most := time.Duration(explained)*each, explainMax+each+hour/20; got > most || got < most-time.Second {
		t.Errorf("explanations took %v of an hour, at most %v is meant", got, most)
	}
	if !p.left(now.Add(time.Hour)) || p.spent != 0 {
		t.Errorf("%v are still held against anybody an hour later", p.spent)
	}
}
