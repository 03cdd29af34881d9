package console

import "html/template"

// Views returns a page's view for each page, without anything in it: a template that does not fit it is a fault.
func Views() map[string]any {
	return map[string]any{
		"audit":          &auditPage{},
		"deliveries":     &deliveriesPage{},
		"delivery":       &deliveryPage{},
		"events":         &eventsPage{},
		"interaction":    &interactionPage{},
		"interactions":   &interactionsPage{},
		"key":            &keyPage{},
		"keymade":        &keyPage{},
		"keys":           &keysPage{},
		"notices":        &noticesPage{},
		"overview":       &overviewPage{},
		"problem":        &problemPage{},
		"queue-action":   &actionPage{},
		"queue-new":      &newInteractionPage{},
		"queues":         &queuesPage{},
		"replay":         &replayPage{},
		"replay-new":     &replayForm{},
		"replays":        &replaysPage{},
		"selected":       &selectedPage{},
		"settings":       &settingsPage{},
		"signin":         &signInPage{},
		"webhook":        &webhookPage{},
		"webhook-delete": &webhookDeletePage{},
		"webhook-form":   &webhookFormPage{},
		"webhook-secret": &webhookSecretPage{},
		"webhook-test":   &webhookTestPage{},
		"webhooks":       &webhooksPage{},
	}
}

// Frame returns what is around every page, empty.
func Frame() any { return frame{} }

// Templates returns the page templates of a server.
func (s *Server) Templates() map[string]*template.Template { return s.templates }

// NextOf is where the sign-in goes on.
func NextOf(text string) string { return nextOf(text) }

// PagesMax is how many pages are made at a time.
const PagesMax = pagesMax

// FormsBeingRead is how many forms are being read.
func (s *Server) FormsBeingRead() int { return len(s.forms) }
