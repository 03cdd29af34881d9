package console

import (
	"bytes"
	"errors"
	"maps"
	"net/url"
	"strconv"
	"strings"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// webhookFormPage answers: what can be set, and what does it mean?
type webhookFormPage struct {
	frame
	// Webhook is the one that is edited, or nil for a new one.
	Webhook *hook.Webhook
	// Action is where the form goes.
	Action   string
	Revision string
	Groups   []webhookGroup
	Faults   []faultOf
	// Schedule is the one that was entered, or nil where that is wrong: ScheduleFault says what.
	Schedule      *schedule
	ScheduleFault string
}

// Drawn is what the part with the drawing is made of.
func (p *webhookFormPage) Drawn() drawnSchedule { return drawnSchedule{p.Schedule, p.ScheduleFault} }

// drawnSchedule is a schedule, or what is wrong with it.
type drawnSchedule struct {
	Schedule *schedule
	Fault    string
}

// Drawable is whether there is something to draw.
func (d drawnSchedule) Drawable() bool { return d.Schedule != nil }

// newWebhook shows the form with the defaults.
func (s *Server) newWebhook(c *call) (answer, error) {
	values := fillForm(new(hook.DefaultSettings()))
	values.Set("enabled", "true")
	return show("webhook-form", c.webhookForm(values, nil, nil)), nil
}

// webhookForm makes the page of a form.
func (c *call) webhookForm(values url.Values, wrong faults, before *hook.Webhook) *webhookFormPage {
	page := &webhookFormPage{frame: c.frame("New webhook"), Webhook: before, Action: c.url("webhooks", "new"), Groups: webhookGroups(values, wrong, before)}
	if before != nil {
		page.Title, page.Which, page.Action = "Edit webhook", nameOfWebhook(before), c.url("webhooks", before.ID.String(), "edit")
		page.Revision = versionOf(before)
	}
	page.Faults = faultsIn(page.Groups, wrong)
	page.Schedule, page.ScheduleFault = enteredSchedule(values)
	return page
}

// versionOf tells one state of a webhook from another, so that a form does not undo what somebody else has changed meanwhile.
func versionOf(w *hook.Webhook) string { return strconv.FormatInt(w.UpdatedAt.UnixMilli(), 10) }

// enteredSchedule lays out the schedule that a form has, or says what is wrong with it.
func enteredSchedule(values url.Values) (*schedule, string) {
	f, settings := &settingsForm{values: values}, hook.DefaultSettings()
	settings.URL = "https://receiver.example/" // of which nothing is said here
	f.retry(&settings.Retry)
	wrong, _ := wrongFields(settings.Validate(""))
	if wrong = append(f.wrong, wrong...); len(wrong) == 0 {
		return scheduleOf(settings.Retry), ""
	}
	return nil, "It cannot be drawn: " + wrong[0].Field + " " + wrong[0].Message + "."
}

// drawSchedule answers with the drawing alone, for the script of the form.
func (s *Server) drawSchedule(c *call) (answer, error) {
	var view drawnSchedule
	view.Schedule, view.Fault = enteredSchedule(c.r.Form)
	var part bytes.Buffer
	if err := s.templates.part(&part, "webhook-form", "webhook-schedule", view); err != nil {
		return answer{}, err
	}
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// A write that fails means that the browser is gone: there is nobody to tell, and nothing to undo.
	_, _ = c.w.Write(part.Bytes())
	return answer{written: true}, nil
}

// createWebhook makes a webhook, and shows its secret in the one answer that may. The same form again leads to the webhook's page.
func (s *Server) createWebhook(c *call) (answer, error) {
	values := c.r.PostForm
	if a, ok := s.redraw(c, nil); ok {
		return a, nil
	}
	w := hook.Webhook{ContactCenter: c.center.Number, Settings: hook.DefaultSettings(), Enabled: values.Get("enabled") != ""}
	w.Settings.Purpose = hook.Purpose(values.Get("purpose"))
	if w.Settings.Purpose == hook.PurposeInteractions { // which is written as nothing
		w.Settings.Purpose = ""
	}
	form := &settingsForm{values: values}
	form.settle(&w.Settings)
	secret := values.Get("secret")
	if secret != "" {
		if wrong, bad := wrongFields(hook.ValidateSecret("secret", secret)); bad {
			form.wrong = append(form.wrong, wrong...)
		}
	}
	if err := s.check(form, &w.Settings, nil, c.now); err != nil {
		return c.wrongForm(err, nil)
	}
	id, err := s.newUUID(c.now)
	if err == nil && secret == "" {
		secret, err = s.newSecret()
	}
	if err != nil {
		return answer{}, err
	}
	w.ID, w.Secrets.Current = hook.WebhookID{UUID: id}, hook.NewSecret(secret)
	made, err := s.options.Store.CreateWebhook(c.ctx(), c.now, &w, once(c, func(w *hook.Webhook) string { return c.url("webhooks", w.ID.String()) }))
	if err != nil {
		return answer{}, err
	}
	return show("webhook-secret", c.secretPage(made, secret, false)), nil
}

// redraw answers to the buttons that show the form again: with another schedule, or with what the original's receivers are used to.
func (s *Server) redraw(c *call, before *hook.Webhook) (a answer, ok bool) {
	values := c.r.PostForm
	switch values.Get("show") {
	case "":
		return answer{}, false
	case string(hook.PresetGenesys):
		settings := hook.DefaultSettings()
		hook.PresetGenesys.Apply(&settings)
		filled := fillForm(&settings)
		for _, name := range [...]string{"requestTimeout", "retry.timeout", "retry.attempts", "retry.backoff", "retry.maxTimeout", "retry.jitter"} {
			values.Set(name, filled.Get(name))
		}
	}
	return show("webhook-form", c.webhookForm(values, nil, before)), true
}

// wrongForm shows the form again with what is wrong. Every other error stays what it is.
func (c *call) wrongForm(err error, before *hook.Webhook) (answer, error) {
	fields, ok := wrongFields(err)
	if !ok {
		return answer{}, err
	}
	wrongs := faults{}
	for _, f := range fields {
		name, message := fieldName(f.Field), f.Message
		if part, is := strings.CutPrefix(f.Field, "headers."); is {
			message = part + " " + message
		}
		if _, known := wrongs[name]; !known {
			wrongs[name] = message
		}
	}
	return wrong("webhook-form", c.webhookForm(c.r.PostForm, wrongs, before)), nil
}

// fieldName is the field of the form that a field of the domain is in: a list and the headers are one.
func fieldName(field string) string {
	name, _, _ := strings.Cut(field, "[")
	if strings.HasPrefix(name, "headers.") {
		return "headers"
	}
	if name == "authorization" { // what is wrong with its kind
		return "authorization.type"
	}
	return name
}

// wrongFields returns the wrong fields that an error names; ok is false for every other error.
func wrongFields(err error) (fields []hook.FieldError, ok bool) {
	var invalid *hook.InvalidError
	if !errors.As(err, &invalid) {
		return nil, false
	}
	return invalid.Fields, true
}

// editWebhook shows the form with the settings as they are.
func (s *Server) editWebhook(c *call) (answer, error) {
	w, err := s.webhookOf(c)
	if err != nil {
		return answer{}, err
	}
	return show("webhook-form", c.webhookForm(fillForm(&w.Settings), nil, w)), nil
}

// changedSince says that a form is about a webhook that has become another.
func changedSince() error {
	return &hook.InvalidError{Fields: []hook.FieldError{{
		Field: "Not saved", Message: "somebody else has changed the webhook since this form was opened. Compare it with the webhook's page; saving it again puts in what is here.",
	}}}
}

// updateWebhook changes the settings of a webhook.
func (s *Server) updateWebhook(c *call) (answer, error) {
	w, err := s.webhookOf(c)
	if err != nil {
		return answer{}, err
	}
	if a, ok := s.redraw(c, w); ok {
		return a, nil
	}
	_, err = s.options.Store.UpdateWebhook(c.ctx(), c.center.Number, w.ID, c.now, func(w *hook.Webhook) error {
		form, before := &settingsForm{values: c.r.PostForm}, w.Settings
		form.settle(&w.Settings)
		if err := s.check(form, &w.Settings, &before, c.now); err != nil {
			return err
		}
		if c.r.PostForm.Get("version") != versionOf(w) && !sameForm(&w.Settings, &before) {
			return changedSince()
		}
		return nil
	})
	if err != nil {
		if now, gone := s.webhookOf(c); gone == nil {
			w = now // whose version the form then has
		}
		return c.wrongForm(err, w)
	}
	return goTo(c.url("webhooks", w.ID.String())).saying("The settings were saved. Open deliveries follow them."), nil
}

// sameForm reports whether a form changes nothing, as one that is sent a second time.
func sameForm(now, before *hook.Settings) bool {
	return fillForm(now).Encode() == fillForm(before).Encode() && maps.Equal(now.Headers, before.Headers) && now.TLS.Key.Equal(before.TLS.Key) &&
		passwordOf(now).Equal(passwordOf(before))
}

// passwordOf is what is secret of an authorization.
func passwordOf(s *hook.Settings) hook.Secret {
	switch a := &s.Authorization; {
	case a.Basic != nil:
		return a.Basic.Password
	case a.OAuth2 != nil:
		return a.OAuth2.ClientSecret
	}
	return hook.Secret{}
}
