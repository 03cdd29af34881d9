package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

const noticesPath = "/console/cc/default/notices"

// TestNotices shows what operators were told, about which webhook, and to whom it went; and that a newcomer learns how to be told.
func TestNotices(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := newStage(t, e.Open(t))
		b := s.signedIn(0)
		b.shows(b.get(noticesPath), http.StatusOK, "No notices yet", "hookswitch webhooks create --purpose notices --url mailto:ops@example.com")

		w := s.hears("https://crm.example/?token=abc", func(w *hook.Webhook) { w.Settings.Description = `CRM <script>alert(1)</script>` })
		s.begins(interaction.MediaChat, "support", 1)
		s.attempts(w, hook.FailureStatus, time.Time{})
		a := b.get(noticesPath)
		b.shows(a, http.StatusOK, "deliveries given up", "1 delivery to https://crm.example/", "was given up", ">nobody<", "Nobody is told", "hookswitch webhooks test "+w.ID.String())
		s.hides(a, "<script>alert", " style=")

		to := s.hears("https://operators.example/notices", func(w *hook.Webhook) { w.Settings.Purpose = hook.PurposeNotices })
		if _, err := s.opened.SwapCircuit(t.Context(), w.Number, hook.Circuit{}, hook.OpenCircuit(time.Now(), &w.Settings.Retry)); err != nil {
			t.Fatal(err)
		}
		s.attempts(to, hook.FailureNone, time.Time{})
		b.shows(b.get(noticesPath), http.StatusOK, "circuit opened", ">delivered<", "https://operators.example/notices</bdi></a>", "1 webhook gets notices")

		a = b.get(noticesPath + "?type=webhook.circuitOpened&webhook=" + w.ID.String())
		b.shows(a, http.StatusOK, "deliveries to https://crm.example/", ">Clear<")
		s.hides(a, "was given up")
		b.shows(b.get(noticesPath+"?webhook="+to.ID.String()), http.StatusOK, "No such notices here")
	})
}

// TestNoticesOfManyWebhooks shows that the page does not grow with the webhooks, and that one which the form does not offer can be named.
func TestNoticesOfManyWebhooks(t *testing.T) {
	t.Parallel()
	s := newStage(t, storetest.Open(t))
	oldest := s.hears("https://oldest.example/")
	for range store.PageLimitMax {
		s.hears("https://crm.example/")
	}
	b := s.signedIn(0)
	a := b.get(noticesPath + "?webhook=" + oldest.ID.String())
	b.shows(a, http.StatusOK, `<option value="`+oldest.ID.String()+`" selected>`)
	if n := strings.Count(a.body, "https://crm.example/"); n != store.PageLimitMax {
		t.Errorf("%d webhooks to choose from, want %d", n, store.PageLimitMax)
	}
	s.hides(a, "https://oldest.example/")
}

// TestNoticesBadInput shows that a filter or a cursor that is none is told in the page.
func TestNoticesBadInput(t *testing.T) {
	t.Parallel()
	s := newStage(t, storetest.Open(t))
	b := s.signedIn(0)
	b.shows(b.get(noticesPath+"?type=%3Cscript%3E"), http.StatusUnprocessableEntity, "There is no such kind of notice.", `aria-invalid="true"`)
	b.shows(b.get(noticesPath+"?webhook=1"), http.StatusUnprocessableEntity, "This is no id of a webhook.")
	b.shows(b.get(noticesPath+"?cursor=x"), http.StatusUnprocessableEntity, "begin with the first page")
	b = s.signedIn(s.center, hook.PermitDeliveries)
	if a := b.get(noticesPath); a.status != http.StatusForbidden {
		t.Errorf("who may not see webhooks gets %d", a.status)
	}
}
