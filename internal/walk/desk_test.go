package walk_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/browsertest"
	"github.com/hookswitch/hookswitch/signature"
)

// deskSecret signs what the desk emits.
const deskSecret = "a-secret-of-the-desk"

// verified is a receiver that believes only what is signed, and keeps everything that came, twice what came twice.
type verified struct {
	mu sync.Mutex // guards both below
	// events are those of each interaction, in the order in which they came.
	events  map[string][]interaction.Event
	refused []error
}

func (to *verified) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = signature.Verify(r.Header, body, []byte(deskSecret))
	}
	payload, wrong := interaction.Parse(body)
	to.mu.Lock()
	defer to.mu.Unlock()
	for _, e := range payload.Entities {
		to.events[e.Entity.ID] = append(to.events[e.Entity.ID], e.Event)
	}
	for _, err := range []error{err, wrong} {
		if err != nil {
			to.refused = append(to.refused, err)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
	}
}

// Everything that can be done with an interaction is done by hand: it is created, waits, is accepted, transferred, returned and stopped;
// another is submitted later. Each step says what it emitted, a receiver got that and nothing else, and all of it is found again afterwards.
func TestDeskWalk(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		to := &verified{events: map[string][]interaction.Event{}}
		target := httptest.NewServer(to)
		t.Cleanup(target.Close)
		webhook := s.subscribe(target.URL, map[string]any{"secret": deskSecret})
		p := browsertest.Open(t, s.url)
		signIn(p)
		p.Follow("link", "Queues")
		id := deskCreate(s, p, "support", "Where is my parcel?", "QUEUED in support: STARTED was emitted to 1 webhook.")
		if got := p.Text(".queues li"); !strings.Contains(got, "1 waiting, 0 in process") {
			t.Errorf("the queue says %q", got)
		}
		deskLife(s, p, id)

		p.Follow("link", "Queues")
		later := deskCreate(s, p, "", "Call me back", "NEW: nothing is emitted before it is submitted into a queue.")
		p.Follow("link", "Submit… "+later)
		p.Fill("Queue", "sales")
		p.Follow("button", "Submit")
		deskSays(s, p, "QUEUED in sales: STARTED was emitted to 1 webhook.")

		deskFound(s, p, id)
		s.await("everything is delivered", func() bool { return s.deliveries(webhook, "delivered") == 3 })
		to.mu.Lock()
		defer to.mu.Unlock()
		want := map[string][]interaction.Event{
			id: {interaction.EventStarted, interaction.EventFinished}, later: {interaction.EventStarted},
		}
		if diff := cmp.Diff(want, to.events); diff != "" || len(to.refused) > 0 || s.deliveries(webhook, "pending") != 0 {
			t.Errorf("the receiver refused %v and got (-want +got):\n%s", to.refused, diff)
		}
	})
}

// deskSays expects that what was done is said, and read out.
func deskSays(s *server, p *browsertest.Page, text string) {
	s.t.Helper()
	p.Await(fmt.Sprintf(`document.activeElement.matches(".flash[role=status]") && document.activeElement.innerText === %q`, text+" See the interaction"))
}

// deskCreate makes an interaction with the form, and returns its id.
func deskCreate(s *server, p *browsertest.Page, queue, subject, says string) string {
	s.t.Helper()
	p.Follow("link", "New interaction")
	p.Fill("Queue", queue)
	p.Fill("Subject", subject)
	p.ClickOn("form details summary")
	p.Fill("User data, one name=text in each line", "customer = C-1001\norder=77")
	p.Follow("button", "Create interaction")
	deskSays(s, p, says)
	p.AwaitText(subject)
	return browsertest.Eval[string](p, `document.querySelector(".flash a").pathname.split("/").pop()`)
}

// deskLife takes an interaction that waits through its life.
func deskLife(s *server, p *browsertest.Page, id string) {
	s.t.Helper()
	row := func() string { return strings.Join(strings.Fields(p.Text("tbody td[data-label='Queue, state']")), " ") }
	p.Follow("link", "More… "+id)
	p.Fill("Agent", "Zoë")
	p.Follow("button", "Accept")
	deskSays(s, p, "IN_PROCESS with Zoë: this emits nothing.")
	if got := row(); got != "support IN_PROCESS" {
		s.t.Errorf("after it was accepted it is %q", got)
	}
	p.Follow("link", "Transfer… "+id)
	s.look(p)
	p.Fill("Queue", "billing")
	p.Follow("button", "Transfer")
	deskSays(s, p, "QUEUED in billing: this emits nothing.")
	p.Follow("button", "Accept "+id) // as the agent that was named
	deskSays(s, p, "IN_PROCESS with Zoë: this emits nothing.")
	p.Follow("button", "Return "+id)
	deskSays(s, p, "QUEUED in billing: this emits nothing.")
	if got := row(); got != "billing QUEUED" {
		s.t.Errorf("after it was returned it is %q", got)
	}
	p.Follow("button", "Accept "+id)
	deskSays(s, p, "IN_PROCESS with Zoë: this emits nothing.")
	p.Follow("link", "Transfer… "+id)
	p.Choose("By", "workflow")
	p.Fill("Reason", "parcel found")
	p.Follow("button", "Stop")
	deskSays(s, p, "STOPPED: FINISHED was emitted to 1 webhook.")
	p.AwaitText("Nothing is waiting")
}

// deskFound finds an interaction by its id, reads there what became of it, and finds it by its session.
func deskFound(s *server, p *browsertest.Page, id string) {
	s.t.Helper()
	p.Follow("link", "Interactions")
	p.Fill("Interaction, session or delivery id", id)
	p.Follow("button", "Find")
	p.Await(`Array.from(document.querySelectorAll(".timeline .at-delivery .badge"), e => e.innerText).join() === "delivered,delivered"`)
	s.look(p)
	got := p.Texts(".timeline li:is(.at-created, .at-submitted, .at-accepted, .at-stopped, .at-event) h3")
	want := []string{"Created", "Submitted", "STARTED was emitted", "Accepted by Zoë", "Stopped by workflow", "FINISHED was emitted"}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("the timeline (-want +got):\n%s", diff)
	}
	if got := p.Text(".timeline .at-stopped"); !strings.Contains(got, "Reason: parcel found") {
		s.t.Errorf("how it was stopped: %q", got)
	}
	p.ClickOn("#content summary")
	if got := p.Texts("#content dt, #content dd"); !slices.Equal(got, []string{"customer", "C-1001", "order", "77"}) {
		s.t.Errorf("its user data are %q", got)
	}
	session := p.Text("a[href*='?session=']")
	p.FollowOn(".crumbs a")
	p.Fill("Interaction, session or delivery id", session)
	p.Follow("button", "Find")
	if got := p.Texts("tbody td[data-label=Interaction]"); !slices.Equal(got, []string{id}) {
		s.t.Errorf("of the session are %q, want %s alone", got, id)
	}
}
