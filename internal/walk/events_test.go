package walk_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/browsertest"
)

// What happens is shown as it happens; while the page is paused it is counted, and shown once each afterwards; a filter lets through what it
// names and nothing else; and each event leads to its interaction.
func TestEventsWalk(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		p := browsertest.Open(t, s.url)
		signIn(p)
		p.Follow("link", "Live")
		p.AwaitText("Nothing has happened yet")
		p.Await(eventsLive)
		browsertest.Eval[bool](p, `globalThis.same = true`)
		first := s.chat("support")
		s.awaitEvents(p, "STARTED "+first)

		p.Click("button", "Pause")
		second := s.chat("support")
		p.Await(`document.querySelector("#pause").textContent === "Continue (1 new)"`)
		s.stop(first)
		p.Await(`document.querySelector("#pause").textContent === "Continue (2 new)"`)
		s.awaitEvents(p, "STARTED "+first)
		s.look(p)
		p.Click("button", "Continue (2 new)")
		s.awaitEvents(p, "FINISHED "+first, "STARTED "+second, "STARTED "+first)
		third := s.chat("sales")
		s.awaitEvents(p, "STARTED "+third, "FINISHED "+first, "STARTED "+second, "STARTED "+first)
		if !browsertest.Eval[bool](p, `globalThis.same === true`) {
			t.Error("the page was loaded again")
		}

		p.Choose("Event", "FINISHED")
		p.Follow("button", "Filter")
		s.awaitEvents(p, "FINISHED "+first)
		p.Await(eventsLive)
		s.chat("support") // before what is awaited: were it let through, it would be there by then
		s.stop(second)
		s.awaitEvents(p, "FINISHED "+second, "FINISHED "+first)
		s.look(p)
		p.Follow("link", second)
		if got := p.Path(); !strings.HasSuffix(got, "/interactions/"+second) {
			t.Errorf("the event leads to %s, want the interaction %s", got, second)
		}
	})
}

// eventsLive is whether events come by themselves.
const eventsLive = `document.querySelector("#events-state").textContent === "Live"`

// awaitEvents waits until the page shows these events and no others, newest first.
func (s *server) awaitEvents(p *browsertest.Page, events ...string) {
	s.t.Helper()
	p.Await(fmt.Sprintf(`Array.from(document.querySelectorAll("[data-events] tbody tr"), row =>
		["Event", "Interaction"].map(of => row.querySelector("[data-label=" + of + "]").textContent.trim()).join(" ")).join() === %q`, strings.Join(events, ",")))
}

// stop ends an interaction.
func (s *server) stop(id string) {
	s.t.Helper()
	s.call(http.MethodPost, "/v1/interactions/"+id+"/stop", map[string]any{"by": "workflow"}, nil)
}
