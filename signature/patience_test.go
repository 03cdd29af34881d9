package signature_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/signature"
)

// TestPatience shows that explanations may take a second at once, and a twentieth of the time for long, whatever comes in.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p signature.Patience
		const each, hour = 100 * time.Millisecond, time.Hour
		explained, atOnce := 0, 0
		for begun := time.Now(); time.Since(begun) < hour; <-time.After(10 * time.Millisecond) {
			if p.Explain(func() { <-time.After(each) }) {
				explained++
			}
			if time.Since(begun) < 3*time.Second {
				atOnce = explained
			}
		}
		if got, most := time.Duration(explained)*each, time.Second+each+hour/20; got > most || got < most-2*time.Second {
			t.Errorf("explanations took %v of an hour, at most %v is meant", got, most)
		}
		if atOnce < 10 || atOnce > 13 {
			t.Errorf("%d explanations of %v were given at once", atOnce, each)
		}
		<-time.After(hour)
		for i := range 10 {
			if !p.Explain(func() { <-time.After(each) }) {
				t.Errorf("explanation %d an hour later was refused", i)
			}
		}
	})
}

// TestPatienceForOne shows that nobody waits while somebody else is explained to, and that an explanation which breaks off is over.
func TestPatienceForOne(t *testing.T) {
	var p signature.Patience
	if !p.Explain(func() {
		if p.Explain(func() { t.Error("explained within an explanation") }) {
			t.Error("an explanation within another was reported")
		}
	}) {
		t.Error("the first explanation was refused")
	}
	func() {
		defer func() { _ = recover() }()
		p.Explain(func() { panic("broken off") })
	}()
	if !p.Explain(func() {}) {
		t.Error("an explanation that broke off is still held")
	}
}
