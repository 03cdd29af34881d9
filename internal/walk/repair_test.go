package walk_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/browsertest"
)

// The whole life of an interaction, and of a failure, by hand and on one's screen: it is made, accepted, and stopped; its receiver is
// down, and once that is up again, what it missed is found, tried, and replayed until nothing is exhausted any more.
func TestFailureIsRepaired(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		to := s.receiver(http.StatusServiceUnavailable, "down for maintenance")
		webhook := s.subscribe(to.url, nil)
		p := browsertest.Open(t, s.url)
		signIn(p)
		live(s, p)
		s.await("both events are exhausted", func() bool { return s.deliveries(webhook, "exhausted") == 2 })

		p.Follow("link", "Deliveries")
		s.look(p)
		if got := p.Texts("tbody td[data-label='Last answer']"); len(got) != 2 || !strings.HasPrefix(got[0], "503") {
			t.Fatalf("the list of what is exhausted shows %q", got)
		}
		to.answer(http.StatusOK)
		p.ClickOn("input[data-all]") // all of the page
		p.Follow("button", "Replay selected…")
		p.AwaitText("Nothing has changed yet")
		if got := to.taken(); got != 2 {
			t.Errorf("the receiver was posted to %d times before anything was replayed", got)
		}
		s.look(p)
		p.Follow("button", "Replay 2 now")
		p.Await(`Array.from(document.querySelectorAll("tbody td[data-label=State]"), e => e.innerText.trim()).join() === "delivered,delivered"`)
		s.look(p)
		if got := to.taken(); got != 4 {
			t.Errorf("the receiver was posted to %d times, want 2 before and 2 after the repair", got)
		}
		p.Follow("link", "Deliveries")
		p.FollowOn(".tabs a[href*='state=exhausted']") // it may say how many there are
		p.AwaitText("Nothing is exhausted")

		replayRange(s, p, to.url)
		s.await("both are delivered again", func() bool { return to.taken() == 6 })
	})
}

// live makes an interaction in the console, accepts it and stops it.
func live(s *server, p *browsertest.Page) {
	p.Follow("link", "Queues")
	p.Fill("You are the agent", "Zoë")
	p.Follow("button", "Show")
	p.Follow("link", "New interaction")
	p.Fill("Queue", "Support")
	p.Fill("Subject", "Where is my parcel?")
	p.Follow("button", "Create interaction")
	p.Follow("link", "Queues")
	p.Fill("You are the agent", "Zoë")
	p.Follow("button", "Show")
	p.AwaitText("Where is my parcel?")
	p.FollowOn("form[action*='/accept'] button")
	p.AwaitText("Zoë")
	s.look(p)
	p.FollowOn("form[action*='/stop'] button")
	p.Follow("link", "Queues")
	p.AwaitText("Nothing is waiting")
}

// replayRange replays what was delivered already, as after a receiver has lost what it had: counted first, and then for real.
func replayRange(s *server, p *browsertest.Page, webhook string) {
	s.t.Helper()
	p.Follow("link", "Replays")
	p.Follow("link", "Replay deliveries…")
	p.ClickOn("input[name=states][value=delivered]")
	p.FillIn("#f-from", "2026-01-01T00:00:00")
	p.Choose("Webhook", webhook)
	p.Follow("button", "Count first (dry run)")
	matched := `Array.from(document.querySelectorAll(".tile")).find(e => e.innerText.startsWith("Matched"))?.querySelector("dd").innerText`
	p.Await(matched + ` === "2"`)
	s.look(p)
	p.Follow("button", "Replay for real")
	p.Await(`document.querySelector("progress").value === 100`)
	p.Await(strings.Replace(matched, "Matched", "Replayed", 1) + ` === "2"`)
	if got := p.Text("#main"); strings.Contains(got, "dry run") {
		s.t.Errorf("it was not for real: %s", got)
	}
}
