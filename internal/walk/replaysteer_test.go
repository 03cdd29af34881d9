package walk_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/browsertest"
)

// steered is how many deliveries a replay has before it that is steered: at one a second, more than pass until it is cancelled.
const steered = 30

// A replay at a rate shows how far it is, stands still while it is paused, goes on where it was, and ends when it is cancelled: what it had not
// come to stays exhausted, and can be replayed one by one.
func TestReplayIsSteered(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		to := s.receiver(http.StatusServiceUnavailable, "down for maintenance")
		unbroken := map[string]any{"circuitBreaker": map[string]any{"failures": 1_000, "minimum": 1_000}}
		webhook, other := s.subscribe(to.url, unbroken), s.subscribe(s.receive(http.StatusServiceUnavailable, ""), unbroken)
		for range steered {
			s.chat("support")
		}
		until := time.Now().UTC().Add(time.Millisecond)
		s.await("all is exhausted", func() bool {
			return s.deliveries(webhook, "exhausted") == steered && s.deliveries(other, "exhausted") == steered
		})
		to.answer(http.StatusOK)
		p := browsertest.Open(t, s.url)
		signIn(p)
		p.Follow("link", "Replays")
		p.Follow("link", "Replay deliveries…")
		p.Choose("Webhook", to.url)
		p.FillIn("#f-to", until.Format("2006-01-02T15:04:05.000"))
		p.FillIn("#f-rate", "1")
		p.Follow("button", "Replay")
		browsertest.Eval[bool](p, `globalThis.same = true`)
		p.Await(fmt.Sprintf(`%s > 0 && document.querySelector("progress").value > 0`, replayed))
		s.look(p)
		if !browsertest.Eval[bool](p, `globalThis.same === true`) {
			t.Error("the page was loaded again")
		}

		p.Follow("button", "Pause")
		p.AwaitText("The replay is paused.")
		before := browsertest.Eval[int](p, replayed)
		s.replayAtOneASecond(other, 2) // so longer than it takes this one to do another
		p.Reload()
		if got := browsertest.Eval[int](p, replayed); got != before {
			t.Errorf("paused at %d replayed, it is at %d", before, got)
		}
		s.await("the receiver got what was replayed, and no more", func() bool { return to.taken() == steered+before })
		s.look(p)

		p.Follow("button", "Resume")
		p.Await(fmt.Sprintf(`%s > %d`, replayed, before))
		p.Follow("button", "Cancel the replay")
		p.AwaitText("The replay is cancelled.")
		p.AwaitText("ended")
		s.look(p)
		made := browsertest.Eval[int](p, replayed)
		if made >= steered || p.Count("button", "Resume")+p.Count("button", "Cancel the replay") > 0 {
			t.Errorf("it was cancelled after %d of %d: %s", made, steered, p.Text("main"))
		}
		p.FollowOn("nav a[href$='/replays']")
		p.Await(`document.querySelectorAll("main tbody tr").length === 2`) // the other one is the newer
		if got, want := strings.Join(p.Texts("main tbody tr:last-child :is([data-label=State], [data-label=Replayed])"), " "), fmt.Sprintf("cancelled %d", made); got != want {
			t.Errorf("the list shows %q, want %q", got, want)
		}
		s.await("the rest stays exhausted", func() bool { return s.deliveries(webhook, "exhausted") == steered-made && to.taken() == steered+made })
		replayOne(s, p, to, webhook)
		if got := to.taken(); got != steered+made+1 {
			t.Errorf("the receiver got %d, want one more than %d", got, steered+made)
		}
	})
}

// replayed is the number of deliveries that the page of a replay says were replayed.
const replayed = `Number(Array.from(document.querySelectorAll(".tile")).find(e => e.innerText.startsWith("Replayed"))?.querySelector("dd").innerText)`

// replayAtOneASecond begins a replay of what is exhausted and waits until it has replayed so many. A second passes after each but the last.
func (s *server) replayAtOneASecond(webhook string, most int) {
	s.t.Helper()
	var made struct{ ID string }
	s.call(http.MethodPost, "/v1/replays", map[string]any{"webhookId": webhook, "from": "2026-01-01T00:00:00Z", "rate": 1}, &made)
	s.await("another replay goes on", func() bool {
		var now struct{ Replayed int }
		s.call(http.MethodGet, "/v1/replays/"+made.ID, nil, &now)
		return now.Replayed >= most
	})
}

// replayOne replays one delivery on its page, which shows by itself that it was delivered.
func replayOne(s *server, p *browsertest.Page, to *receiver, webhook string) {
	s.t.Helper()
	p.Go("/console/cc/default/deliveries?state=exhausted&webhook=" + webhook)
	p.FollowOn("main tbody tr:first-child a[href*='/deliveries/']")
	p.AwaitText("503")
	release := to.hold()
	p.Follow("button", "Replay this delivery")
	p.AwaitText("The delivery is replayed")
	s.look(p)
	const state = `document.querySelector(".delivery-now .badge").textContent`
	if got := browsertest.Eval[string](p, `globalThis.same = `+state); got == "delivered" {
		s.t.Error("it is delivered before its receiver has answered")
	}
	release()
	p.Await(state + ` === "delivered"`)
	if !browsertest.Eval[bool](p, `globalThis.same !== undefined`) {
		s.t.Error("the page was loaded again")
	}
}

// hold lets the receiver answer nothing until it is released.
func (to *receiver) hold() (release func()) {
	to.mu.Lock()
	return to.mu.Unlock
}
