package console_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/console"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// TestWebhookHasOneName shows that a webhook is called by its description wherever it is named, and that forms, where two may have the same,
// add its URL without the query, which may hold a secret.
func TestWebhookHasOneName(t *testing.T) {
	t.Parallel()
	s := newStage(t, storetest.Open(t))
	b := s.signedIn(0)
	w := s.hears("https://crm.example/hook?token=abc", func(w *hook.Webhook) { w.Settings.Description = "Screen pops" })
	s.begins(interaction.MediaChat, "support", 1)
	s.attempts(w, hook.FailureStatus, time.Time{})
	made := b.post("/console/cc/default/replays/new", map[string][]string{
		"webhook": {w.ID.String()}, "from": {"2026-01-01T00:00"}, "states": {"exhausted"}, "dry": {"yes"},
	})
	b.shows(b.follow(made), http.StatusOK, "Screen pops</bdi></a>")
	for path, says := range map[string]string{
		"": "Screen pops</bdi></a>", "webhooks": "<bdi>Screen pops</bdi>", "webhooks/" + w.ID.String(): "<title>Webhook Screen pops ·",
		"deliveries?state=all": "<bdi>Screen pops</bdi></a>", "replays": ">Screen pops<", "replays/new": ">Screen pops, https://crm.example/hook<",
	} {
		a := b.get(overviewPath + path)
		b.shows(a, http.StatusOK, says)
		if !strings.HasPrefix(path, "webhooks") {
			s.hides(a, "token=abc")
		}
	}
}

// TestFrameIsOnePage shows that no page has something of its own by the name of what is around every page, which would be shown there instead:
// the footer of the form of a webhook told the version of that.
func TestFrameIsOnePage(t *testing.T) {
	t.Parallel()
	around := reflect.TypeOf(console.Frame())
	for name, view := range console.Views() {
		page := reflect.TypeOf(view).Elem()
		for i := range around.NumField() {
			field := around.Field(i).Name
			if found, ok := page.FieldByName(field); !ok || len(found.Index) != 2 {
				t.Errorf("the page %s has a %s of its own", name, field)
			}
		}
	}
}

// TestHeldDeliveryHasNoTime shows that what is held is not said to go out at a time of its own: it waits for its webhook.
func TestHeldDeliveryHasNoTime(t *testing.T) {
	t.Parallel()
	s := newStage(t, storetest.Open(t))
	b := s.signedIn(0)
	w := s.hears("https://crm.example/hook")
	s.begins(interaction.MediaChat, "support", 1)
	s.attempts(w, hook.FailureStatus, time.Now().Add(time.Hour))
	next := `<span class="muted">next </span>`
	b.shows(b.get(overviewPath+"deliveries?state=all"), http.StatusOK, next)
	if _, err := s.opened.EnableWebhook(t.Context(), s.center, w.ID, time.Now(), false, nil); err != nil {
		t.Fatal(err)
	}
	a := b.get(overviewPath + "deliveries?state=all")
	b.shows(a, http.StatusOK, ">held<")
	s.hides(a, next)
}

// TestOverviewNamesFirst shows that the overview says who fails before it counts, and leads from each number to the deliveries that it is of.
func TestOverviewNamesFirst(t *testing.T) {
	t.Parallel()
	s := newStage(t, storetest.Open(t))
	b := s.signedIn(0)
	w := s.hears("https://crm.example/hook")
	s.begins(interaction.MediaChat, "support", 1)
	s.attempts(w, hook.FailureStatus, time.Time{})
	a := b.get(overviewPath)
	tick, limit := time.NewTicker(5*time.Millisecond), time.After(10*time.Second)
	defer tick.Stop()
	for strings.Contains(a.body, "being counted") { // what is open is counted because somebody looks
		select {
		case <-tick.C:
			a = b.get(overviewPath)
		case <-limit:
			t.Fatalf("nobody counts:\n%s", a.body)
		}
	}
	b.shows(a, http.StatusOK, `<a href="/console/cc/default/deliveries?webhook=`+w.ID.String()+`&amp;state=exhausted">1<span class="hidden"> exhausted deliveries of`)
	if who, counts := strings.Index(a.body, "Webhooks that need you"), strings.Index(a.body, "Accepted per second"); who < 0 || who > counts {
		t.Errorf("who fails is at %d, and the numbers are at %d", who, counts)
	}
}
