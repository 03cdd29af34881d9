package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// TestPagesOfManyAttemptsAreBounded shows that a page has the attempts of a delivery in a bounded size, however much each has to show, and says
// what it leaves out: pages are made anew every few seconds for those who look.
func TestPagesOfManyAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	h, sc := open(t, s.Store), newScene(t, s.Store)
	w := sc.webhook("https://crm.example/" + strings.Repeat("'", hook.URLBytesMax-20))
	i := sc.create("support", "")
	var id hook.DeliveryID
	for n := range 100 {
		due, err := s.Claim(t.Context(), sc.now, w.Number, 1)
		if err != nil || len(due) != 1 {
			t.Fatalf("claimed %d: %v", len(due), err)
		}
		id = due[0].ID()
		a := hook.Attempt{
			Number: n + 1, StartedAt: sc.now, Duration: time.Millisecond, Status: 500, Failure: hook.FailureStatus, Events: 1,
			Response: []byte(strings.Repeat(`"`, hook.ResponseBytesMax)),
		}
		if _, err := s.Record(t.Context(), sc.now, []hook.Outcome{{Delivery: due[0], Attempt: a, Next: sc.now}}); err != nil {
			t.Fatal(err)
		}
	}
	b := h.signedIn(0)
	page := b.get("/console/cc/default/deliveries/" + id.String())
	b.shows(page, http.StatusOK, "Attempt 100", "Attempt 1<", "This page has no room left")
	if strings.Count(page.body, "Response<") < 10 {
		t.Error("the newest attempts do not show their responses")
	}
	for name, size := range map[string]int{"the delivery": len(page.body), "the interaction": len(b.get("/console/cc/default/interactions/" + i.ID.String()).body)} {
		if size > 2<<20 {
			t.Errorf("the page of %s has %d bytes", name, size)
		}
	}
}
