package console

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// settingsPage answers: how is this contact centre set up, and for how long is what kept?
type settingsPage struct {
	frame
	// Name and Kept are as they were entered.
	Name   string
	Kept   []keptField
	Faults faults
	// Report is what retention would remove now, where that was asked for.
	Report *retentionReport
	// Master is for who administers the installation.
	Master *store.MasterKeys
	// NewID and NewName are those of the form for a new contact centre.
	NewID, NewName string
}

// keptField is one field of a retention, in the form.
type keptField struct {
	Name, Label, Help string
	// Entered is empty where it is inherited, and Inherited says what that comes to.
	Entered, Inherited string
}

// retentionReport is a part of what would be removed.
type retentionReport struct {
	store.RetentionReport
	// More is whether the contact centre has more interactions than one report looks at.
	More bool
}

// showSettings shows the settings.
func (s *Server) showSettings(c *call) (answer, error) {
	page, err := s.settingsPage(c)
	if err != nil {
		return answer{}, err
	}
	if c.r.FormValue("report") != "" {
		r, err := s.options.Store.ReportRetention(c.ctx(), c.center.Number, s.options.Store.Retention(c.center), c.now, "")
		if err != nil {
			return answer{}, err
		}
		page.Report = &retentionReport{r, r.NextCursor != ""}
	}
	return show("settings", page), nil
}

// settingsPage makes the page of the settings as they are.
func (s *Server) settingsPage(c *call) (*settingsPage, error) {
	center, err := s.options.Store.ReadContactCenter(c.center.ID) // another node may have changed it
	if err != nil {
		return nil, err
	}
	c.center = center
	page := &settingsPage{frame: c.frame("Settings"), Name: center.Name, Kept: s.keptFields(center)}
	if c.by.Administers() {
		found := s.options.Store.MasterKeys()
		page.Master = &found
	}
	return page, nil
}

// keptFields makes the fields of the retention.
func (s *Server) keptFields(center hook.ContactCenter) []keptField {
	set, policy := center.Settings.Retention, s.options.Store.Retention(center)
	field := func(name, label, help string, given *hook.Duration, kept hook.Kept) keptField {
		f := keptField{Name: name, Label: label, Help: help, Inherited: "as long as the interaction"}
		if given != nil {
			f.Entered = given.String()
		}
		if name == "interactions" {
			f.Inherited = "as the server is configured"
			if kept.Inherited {
				f.Inherited += ", " + keptText(kept)
			}
		}
		return f
	}
	return []keptField{
		field("interactions", "Interactions", "How long after its stop an interaction is kept, with its events, deliveries and attempts; 0 is for ever.", set.Interactions, policy.Interactions),
		field("deliveries", "Deliveries", "How long after the event a delivered or exhausted delivery is listed.", set.Deliveries, policy.Deliveries),
		field("attempts", "Attempts", "How long after the event each attempt is kept, with what was answered; then the last one, without the answer.", set.Attempts, policy.Attempts),
		field("payloads", "Payloads", "How long after the event its payload is kept; without it a delivery cannot be replayed.", set.Payloads, policy.Payloads),
	}
}

func keptText(k hook.Kept) string {
	if k.For == 0 {
		return "for ever"
	}
	return hook.Duration(k.For).String()
}

// updateSettings changes the name and the retention.
func (s *Server) updateSettings(c *call) (answer, error) {
	form := c.r.PostForm
	_, err := s.options.Store.UpdateContactCenter(c.ctx(), c.now, c.center.ID, func(center *hook.ContactCenter) error {
		var wrong []hook.FieldError
		center.Name = strings.TrimSpace(form.Get("name"))
		if problem := hook.ContactCenterNameProblem(center.Name); problem != "" {
			wrong = append(wrong, hook.FieldError{Field: "name", Message: problem})
		}
		r := &center.Settings.Retention
		for _, f := range [...]struct {
			name string
			to   **hook.Duration
		}{{"interactions", &r.Interactions}, {"deliveries", &r.Deliveries}, {"attempts", &r.Attempts}, {"payloads", &r.Payloads}} {
			text := strings.TrimSpace(form.Get(f.name))
			*f.to = nil
			if text == "" {
				continue
			}
			d := new(hook.Duration)
			if err := d.UnmarshalText([]byte(text)); err != nil {
				wrong = append(wrong, hook.FieldError{Field: f.name, Message: "must be a duration such as 720h, or 0, or nothing"})
				continue
			}
			*f.to = d
		}
		if more, bad := wrongFields(r.Validate("", s.options.Store.DefaultRetention())); bad { // of a field that cannot be read, that was said first
			wrong = append(wrong, more...)
		}
		if wrong == nil {
			return nil
		}
		return &hook.InvalidError{Fields: wrong}
	})
	f, ok := faultsOf(err)
	if !ok {
		if err != nil {
			return answer{}, err
		}
		return goTo(c.url("settings")).saying("The settings were changed. A shorter retention counts from the next look, within a minute."), nil
	}
	page, err := s.settingsPage(c)
	if err != nil {
		return answer{}, err
	}
	page.Faults, page.Name = f, form.Get("name")
	for i := range page.Kept {
		page.Kept[i].Entered = form.Get(page.Kept[i].Name)
	}
	return wrong("settings", page), nil
}

// createCenter makes a contact centre.
func (s *Server) createCenter(c *call) (answer, error) {
	id, name := strings.TrimSpace(c.r.PostFormValue("id")), strings.TrimSpace(c.r.PostFormValue("newName"))
	f := faults{}
	if _, err := hook.ParseContactCenterID(id); err != nil {
		f["id"] = hook.ContactCenterIDRule
	}
	if problem := hook.ContactCenterNameProblem(name); problem != "" {
		f["newName"] = problem
	}
	if len(f) == 0 {
		made, err := s.options.Store.CreateContactCenter(c.ctx(), c.now, hook.ContactCenterID(id), name, once(c, func(made hook.ContactCenter) string { return centerPath(made.ID) }))
		if err != nil {
			return refused(err, c.url("settings"))
		}
		return goTo(centerPath(made.ID)).saying(fmt.Sprintf("The contact centre %s was created.", made.ID)), nil
	}
	page, err := s.settingsPage(c)
	if err != nil {
		return answer{}, err
	}
	page.Faults, page.NewID, page.NewName = f, id, name
	return wrong("settings", page), nil
}

// settingsRoutes are the rows of the route table for the settings and the audit log.
func (s *Server) settingsRoutes() {
	admin := row{needs: hook.PermitAdmin}
	const settings = "/console/cc/{center}/settings"
	s.handle("GET /console/cc/{center}/audit", admin, s.showAudit)
	s.handle(http.MethodGet+" "+settings, admin, s.showSettings)
	s.handle(http.MethodPost+" "+settings, admin, s.updateSettings)
	s.handle(http.MethodPost+" "+settings+"/contact-centers", row{access: forInstallation}, s.createCenter)
}

// ReportCommand adds up the whole report.
func (p *settingsPage) ReportCommand() string {
	return "hookswitch contact-centers retention " + string(p.Center.ID)
}
