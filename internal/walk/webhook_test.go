package walk_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/browsertest"
)

// A webhook from its making to its end: wrong settings are told beside what was entered, its secret is shown once, a test shows what the
// receiver answers and why it may refuse, its secret is rotated, it is disabled and enabled, changed and deleted.
func TestWebhookWalk(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		to := s.receiver(http.StatusOK, "thank you")
		p := browsertest.Open(t, s.url)
		signIn(p)
		p.Follow("link", "Webhooks")
		p.FollowOn("main .head a.button")
		p.Fill("URL", "ftp://nowhere")
		p.Fill("Description", "Screen pops")
		p.Expect(http.StatusUnprocessableEntity)
		if got := p.Follow("button", "Create webhook"); got != http.StatusUnprocessableEntity {
			t.Errorf("a wrong URL is answered %d", got)
		}
		if got := browsertest.Eval[string](p, `document.querySelector("[aria-invalid=true]").value`); got != "ftp://nowhere" {
			t.Errorf("the wrong field holds %q", got)
		}
		s.look(p)
		p.Fill("URL", to.url)
		p.Follow("button", "Create webhook")
		s.look(p)
		if len(p.Text("main pre")) < 16 {
			t.Errorf("the secret is not shown: %s", p.Text("main"))
		}
		p.Follow("button", "Send a test")
		p.AwaitText("thank you")
		s.look(p)
		to.answer(http.StatusUnauthorized)
		p.Follow("button", "Send a test")
		p.AwaitText("401")
		p.AwaitText("secret")
		s.look(p)
		to.answer(http.StatusOK)
		p.Follow("link", "To the webhook")
		page := p.Path()

		p.Follow("button", "Add the next secret")
		s.look(p)
		p.Follow("button", "Test with the next secret")
		p.AwaitText("thank you")
		p.Follow("link", "To the webhook")
		p.Follow("button", "Promote the next secret")
		p.Go(page)
		s.look(p)
		p.FollowOn("form:has(input[value=expire-previous]) button")

		p.Follow("button", "Disable this webhook")
		p.Follow("button", "Enable this webhook")
		p.Follow("link", "Edit")
		p.Fill("Description", "Screen pops of the CRM")
		p.Follow("button", "Save")
		p.AwaitText("Screen pops of the CRM")
		p.Follow("link", "Delete this webhook…")
		p.Follow("button", "Delete this webhook")
		if got := p.Text("main"); strings.Contains(got, to.url) {
			t.Errorf("it is still listed: %s", got)
		}
	})
}
