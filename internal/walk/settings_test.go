package walk_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/browsertest"
)

// A contact centre gets another name and retention: what is wrong is named where it was entered and changes nothing. What that removes is
// told, another contact centre is made and switched to, the audit log shows the change alone, and nobody sees any of it after a sign-out.
func TestSettingsWalk(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		s.subscribe(s.receive(http.StatusOK, ""), nil) // the audit log has something else, too
		p := browsertest.Open(t, s.url)
		signIn(p)
		p.Follow("link", "Settings")
		page := p.Path()
		settingsChange(s, p)

		p.Follow("link", "What would be removed now?")
		s.look(p)
		report := strings.Fields(strings.Join(p.Texts("#report .tile"), " "))
		if got := strings.Join(report, " "); got != "Interactions 0 Events 0 Deliveries 0 Attempts 0 Payloads of events that stay 0" {
			t.Errorf("the report says %q", got)
		}
		settingsCenter(s, p)
		settingsAudit(s, p)

		p.Follow("button", "Sign out")
		p.Go(page)
		if got := p.Path(); !strings.HasPrefix(got, signInPath) {
			t.Errorf("whoever signed out still sees %s", got)
		}
	})
}

// settingsChange changes name and retention, wrongly at first.
func settingsChange(s *server, p *browsertest.Page) {
	s.t.Helper()
	p.FillIn("#field-name", "Acme")
	p.Fill("Interactions", "a month")
	p.Fill("Payloads", "48h")
	p.Expect(http.StatusUnprocessableEntity)
	if got := p.Follow("button", "Save"); got != http.StatusUnprocessableEntity {
		s.t.Errorf("a wrong retention is answered %d", got)
	}
	p.Await(`document.activeElement.matches("[role=alert]")`)
	s.look(p)
	type field struct{ Name, Value, Described string }
	const fields = `Array.from(document.querySelectorAll("form.card:first-of-type input[value]:not([value=''])"), e => ({
		Name: e.name, Value: e.value,
		Described: e.ariaInvalid === "true" ? (e.getAttribute("aria-describedby") ?? "").split(" ").map(id => document.getElementById(id)?.innerText ?? "").at(-1) : "",
	}))`
	want := []field{{"name", "Acme", ""}, {"interactions", "a month", "must be a duration such as 720h, or 0, or nothing"}, {"payloads", "48h", ""}}
	if diff := cmp.Diff(want, browsertest.Eval[[]field](p, fields)); diff != "" {
		s.t.Errorf("the form after a wrong retention (-want +got):\n%s", diff)
	}
	if got := p.Text("header .center"); strings.Contains(got, "Acme") {
		s.t.Errorf("the name was changed with what is wrong: %q", got)
	}
	p.Fill("Interactions", "720h")
	p.Follow("button", "Save")
	p.Await(`document.activeElement.matches("[role=status]")`)
	p.AwaitText("The settings were changed.")
	if diff := cmp.Diff([]field{{"name", "Acme", ""}, {"interactions", "720h", ""}, {"payloads", "48h", ""}}, browsertest.Eval[[]field](p, fields)); diff != "" {
		s.t.Errorf("the settings (-want +got):\n%s", diff)
	}
	if got := p.Text("header .center"); got != "Acme" {
		s.t.Errorf("the contact centre is now called %q", got)
	}
}

// settingsCenter makes a contact centre, and goes from one to the other.
func settingsCenter(s *server, p *browsertest.Page) {
	s.t.Helper()
	p.Fill("Id", "The North")
	p.FillIn("#field-newName", "North")
	p.Follow("button", "Create contact centre")
	p.Await(`document.activeElement.matches("[role=alert]")`)
	if got := browsertest.Eval[[]string](p, `[document.querySelector("[aria-invalid=true]").value, document.querySelector("#field-newName").value]`); !slices.Equal(got, []string{"The North", "North"}) {
		s.t.Errorf("the form after a wrong id holds %q", got)
	}
	s.look(p)
	p.Fill("Id", "north")
	p.Follow("button", "Create contact centre")
	p.AwaitText("The contact centre north was created.")
	const chosen = `document.querySelector("#switch-center").selectedOptions[0].label`
	for _, to := range []struct{ name, id string }{{"Acme", "default"}, {"North", "north"}, {"Acme", "default"}} {
		p.Choose("Contact centre", to.name)
		p.Follow("button", "Go to the contact centre")
		p.Follow("link", "Settings")
		if got := []string{p.Text("main .facts dd"), browsertest.Eval[string](p, chosen)}; !slices.Equal(got, []string{to.id, to.name}) {
			s.t.Errorf("switched to %s, one is in %q", to.name, got)
		}
	}
}

// settingsAudit finds the change of the settings in the audit log, as it was and is.
func settingsAudit(s *server, p *browsertest.Page) {
	s.t.Helper()
	p.Follow("link", "Audit")
	done := func() string { return strings.Join(p.Texts("main tbody td[data-label=What]"), " ") }
	if got := done(); got != "contactCenter.update webhook.create" {
		s.t.Errorf("the audit log tells of %q", got)
	}
	p.Choose("What", "contactCenter")
	p.Fill("Id of what was changed", "default")
	p.Follow("button", "Filter")
	if got := done(); got != "contactCenter.update" {
		s.t.Errorf("the filtered audit log tells of %q", got)
	}
	p.ClickOn("main tbody details summary")
	s.look(p)
	states := p.Texts("main tbody details pre")
	if len(states) != 2 || strings.Contains(states[0], "Acme") || strings.Contains(states[0], "720h") || !strings.Contains(states[1], `"name": "Acme"`) || !strings.Contains(states[1], `"interactions": "720h`) {
		s.t.Errorf("the change reads %q", states)
	}
}
