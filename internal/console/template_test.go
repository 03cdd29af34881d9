package console_test

import (
	"testing"

	"github.com/jba/templatecheck"

	"github.com/hookswitch/hookswitch/internal/console"
)

// TestTemplatesFitTheirViews checks every path through every template against the type of its view: a field that does not exist, or a
// function that gets the wrong thing, is found although no test comes by.
func TestTemplatesFitTheirViews(t *testing.T) {
	s, err := console.New(console.Options{})
	if err != nil {
		t.Fatal(err)
	}
	views, pages := console.Views(), s.Templates()
	for name, page := range pages {
		view, ok := views[name]
		if !ok {
			t.Errorf("the page %s has no view in export_test.go", name)
			continue
		}
		parts := []string{"layout"}
		if page.Lookup("live") != nil {
			parts = append(parts, "live")
		}
		for _, part := range parts {
			if err := templatecheck.CheckHTML(page.Lookup(part), view); err != nil {
				t.Errorf("%s, %s: %v", name, part, err)
			}
		}
	}
	for name := range views {
		if pages[name] == nil {
			t.Errorf("there is no template for the view %s", name)
		}
	}
}
