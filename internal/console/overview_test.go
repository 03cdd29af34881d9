package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

const overviewPath = "/console/cc/default/"

// hides fails if the page has one of the texts.
func (s *stage) hides(a reply, texts ...string) {
	s.tb.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			s.tb.Errorf("the page says %q:\n%s", text, a.body)
		}
	}
}

// TestOverview shows a contact centre from its first minute on: three steps with ticks, then what is delivered, then what fails and why.
func TestOverview(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := newStage(t, e.Open(t))
		b := s.signedIn(0)
		b.shows(b.get(overviewPath), http.StatusOK, "Nothing was accepted yet.", "Three steps", "hookswitch listen", "hookswitch interactions create --media chat --queue support<")
		s.begins(interaction.MediaChat, "support", 1)
		b.shows(b.get(overviewPath), http.StatusOK, "Nobody is told", "Three steps")

		w := s.hears("https://crm.example/hook?token=abc", func(w *hook.Webhook) { w.Settings.Description = `<b>CRM</b>"><img src=x onerror=alert(1)>` })
		s.begins(interaction.MediaChat, "support", 3)
		s.attempts(w, hook.FailureNone, time.Time{})
		a := b.get(overviewPath)
		s.hides(a, "Three steps", "Last failures", "Webhooks that need you")
		b.shows(a, http.StatusOK, "4 in the last 15 minutes", "3 in the last 15 minutes", "no notices</a> since yesterday", `role="img" aria-label="Accepted and acknowledged, per second, from`)

		s.begins(interaction.MediaChat, "support", 2)
		s.attempts(w, hook.FailureStatus, time.Time{})
		s.begins(interaction.MediaChat, "support", 1)
		s.attempts(w, hook.FailureTimeout, time.Now().Add(time.Hour))
		opened := hook.OpenCircuit(time.Now(), &w.Settings.Retry)
		if ok, err := s.opened.SwapCircuit(t.Context(), w.Number, hook.Circuit{}, opened); err != nil || !ok {
			t.Fatalf("the circuit was not opened: %v", err)
		}
		a = b.get(overviewPath)
		b.shows(a, http.StatusOK, "No: the webhook &lt;b&gt;CRM&lt;/b&gt;", "circuit open", "Last failures", "status 503", "timeout", ">exhausted<", ">held<",
			overviewPath+"webhooks/"+w.ID.String(), "2 notices</a> since yesterday", "3 <small>in the last 15 minutes; 2 exhausted a delivery")
		s.hides(a, "<b>CRM", "<img", "alert(1)</script>", " style=", "token=abc")
	})
}

// TestOverviewSpans shows that the charts go back as far as the URL says, and that what it says wrong is told.
func TestOverviewSpans(t *testing.T) {
	t.Parallel()
	s := newStage(t, storetest.Open(t))
	b := s.signedIn(0)
	s.begins(interaction.MediaChat, "support", 1)
	for span, words := range map[string]string{"": "15 minutes", "15m": "15 minutes", "1h": "hour", "6h": "6 hours", "24h": "24 hours"} {
		a := b.get(overviewPath + "?span=" + span)
		b.shows(a, http.StatusOK, "1 in the last "+words+",", `aria-current="true"`)
		s.hides(a, "There is no span", "no span “”")
	}
	a := b.get(overviewPath + "?span=%3Cscript%3E")
	b.shows(a, http.StatusOK, "There is no span “&lt;script&gt;”")
}

// TestOverviewIsForWhoMayLook shows that each part is left out for those who may not know it, and that no other contact centre is in it.
func TestOverviewIsForWhoMayLook(t *testing.T) {
	t.Parallel()
	s := newStage(t, storetest.Open(t))
	w := s.hears("https://crm.example/")
	s.begins(interaction.MediaChat, "support", 1)
	s.attempts(w, hook.FailureStatus, time.Time{})
	b := s.signedIn(s.center, hook.PermitInteractionsWrite)
	a := b.get(overviewPath)
	b.shows(a, http.StatusOK, "the permission <code>deliveries</code> or <code>webhooks</code>", "1 in the last 15 minutes")
	s.hides(a, "Is everything delivered?", "crm.example", "Last failures", "since yesterday", "Acknowledged")

	b = s.signedIn(s.center, hook.PermitDeliveries)
	a = b.get(overviewPath)
	b.shows(a, http.StatusOK, "Is everything delivered?", "Last failures", "status 503", w.ID.String())
	s.hides(a, "crm.example", "since yesterday", "Webhooks that need you")

	b = s.signedIn(s.center, hook.PermitWebhooks)
	a = b.get(overviewPath)
	b.shows(a, http.StatusOK, "Is everything delivered?", "since yesterday")
	s.hides(a, "Last failures", `?state=`)

	other, err := s.opened.CreateContactCenter(t.Context(), time.Now(), "acme", "Acme", nil)
	if err != nil {
		t.Fatal(err)
	}
	b = s.signedIn(other.Number)
	if a := b.get(overviewPath); a.status != http.StatusNotFound {
		t.Errorf("another contact centre's overview answers %d", a.status)
	}
	a = b.get("/console/cc/acme/")
	b.shows(a, http.StatusOK, "Nothing was accepted yet.", "hookswitch interactions create --media chat --queue support --contact-center acme<")
	s.hides(a, "crm.example")
}
