package walk_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/hookswitch/hookswitch/internal/browsertest"
)

// What happens is seen in the overview without a reload, and nothing there breaks while it happens.
func TestLiveOverview(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		s.subscribe(s.receive(http.StatusOK, ""), nil)
		p := browsertest.Open(t, s.url)
		signIn(p)
		browsertest.Eval[bool](p, `globalThis.same = true`)
		p.AwaitText("Live")
		const accepted = `Array.from(document.querySelectorAll("[data-live] dt")).find(e => e.textContent.startsWith("Accepted"))?.nextElementSibling.textContent`
		for range 2 {
			before := browsertest.Eval[string](p, accepted)
			s.chat("support")
			p.Await(fmt.Sprintf(`%s !== %q`, accepted, before))
		}
		if !browsertest.Eval[bool](p, `Boolean(globalThis.same)`) {
			t.Error("the page was loaded again")
		}
	})
}
