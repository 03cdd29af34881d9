package walk_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/browsertest"
)

// When a delivery is given up, the overview says so and leads to the notice, which says to whom it was told and leads to the delivery. After
// that was replayed, the overview says by itself that everything is delivered.
func TestNoticesWalk(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		to, operators := s.receiver(http.StatusServiceUnavailable, "down"), s.receiver(http.StatusOK, "")
		s.subscribe(operators.url, map[string]any{"purpose": "notices", "description": "Operators"})
		s.subscribe(to.url, map[string]any{"description": "Billing"})
		overview, p := browsertest.Open(t, s.url), browsertest.Open(t, s.url)
		signIn(overview)
		browsertest.Eval[bool](overview, `globalThis.same = true`)
		interaction := s.chat("support")
		s.await("the operators are told", func() bool { return s.noticed() == "delivered" })
		overview.AwaitText("No: 1 delivery was given up")
		overview.AwaitText("1 notice since yesterday")

		signIn(p)
		p.Follow("link", "1 notice")
		s.look(p)
		row := func(of string) string { return strings.Join(p.Texts("main tbody [data-label='"+of+"']"), "; ") }
		if got := row("About"); got != "deliveries given up" {
			t.Errorf("the notices are about %q", got)
		}
		if got := row("Webhook"); got != "Billing" {
			t.Errorf("the notices are about the webhooks %q", got)
		}
		if got := strings.Join(strings.Fields(row("To")), " "); got != "delivered Operators" || operators.taken() != 1 {
			t.Errorf("the notice went to %q, who got %d", got, operators.taken())
		}
		p.Follow("link", "STARTED of "+interaction)
		p.AwaitText("exhausted")
		to.answer(http.StatusOK)
		p.Follow("button", "Replay this delivery")
		overview.AwaitText("Everything is delivered.")
		s.look(overview)
		if !browsertest.Eval[bool](overview, `globalThis.same === true`) {
			t.Error("the overview was loaded again")
		}
	})
}

// noticed returns what became of the newest notice at the first webhook for notices, or nothing yet.
func (s *server) noticed() string {
	s.t.Helper()
	var list struct {
		Items []struct{ Deliveries []struct{ State string } }
	}
	s.call(http.MethodGet, "/v1/notices", nil, &list)
	if len(list.Items) == 0 || len(list.Items[0].Deliveries) == 0 {
		return ""
	}
	return list.Items[0].Deliveries[0].State
}
