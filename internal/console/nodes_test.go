package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/console"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// atNode is the same browser at another node, whose clock may go wrong.
func (b *browser) atNode(s *store.Store, wrong time.Duration) *browser {
	b.tb.Helper()
	there := open(b.tb, s, func(o *console.Options) {
		o.Now = func() time.Time { return time.Now().Add(wrong) }
	})
	both := *b.client
	both.Transport = &anyHost{there.url}
	here := *b.house
	here.server, here.store = there.server, s
	return &browser{&here, &both}
}

// anyHost sends every request to one server, as a load balancer does to whichever it likes.
type anyHost struct{ url string }

func (h *anyHost) RoundTrip(r *http.Request) (*http.Response, error) {
	to, err := url.Parse(h.url)
	if err != nil {
		return nil, err
	}
	sent := r.Clone(r.Context())
	sent.URL.Host, sent.Host = to.Host, to.Host
	return http.DefaultTransport.RoundTrip(sent)
}

// TestTwoNodesAreOneConsole shows that it does not matter which node answers a request: who signed in at one is signed in at the other, a form that both get counts once, what a page
// is to say is said once, and what was changed at one is shown by the other, though its clock is wrong by a minute.
func TestTwoNodesAreOneConsole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		if !e.Shared {
			return
		}
		first := e.Open(t)
		h := open(t, first.Store)
		a := h.signedIn(0)
		b := a.atNode(first.Join(t).Store, -time.Minute)
		b.shows(b.get("/console/cc/default/"), http.StatusOK, "Overview")

		// A form that is sent to both, as by a browser that was cut off from the one.
		form := url.Values{"url": {"https://receiver.example/"}, "success": {"200"}, "signatures": {"sha1"}, "once": {"01900000-0000-7000-8000-000000000001"}, "enabled": {"true"}}
		made := a.post("/console/cc/default/webhooks/new", form)
		a.shows(made, http.StatusOK, "whsec_")
		again := b.post("/console/cc/default/webhooks/new", form)
		hooks, _, err := h.store.Webhooks(t.Context(), 1, store.Page{})
		if err != nil || len(hooks) != 1 || again.status != http.StatusSeeOther || !strings.HasSuffix(again.location, hooks[0].ID.String()) || strings.Contains(again.body, "whsec_") {
			t.Fatalf("%d webhooks, %v; the second node answers %d %s", len(hooks), err, again.status, again.location)
		}
		path := "/console/cc/default/webhooks/" + hooks[0].ID.String()
		b.eventually(path, "https://receiver.example/")

		// What the one has left to be said is said by the other, once.
		disabled := a.post(path+"/disable", url.Values{"once": {"d"}})
		b.shows(b.follow(disabled), http.StatusOK, "The webhook is disabled: its deliveries")
		for _, one := range []*browser{a, b} {
			if strings.Contains(one.get(path).body, "The webhook is disabled: its deliveries") {
				t.Error("it was said twice")
			}
		}
		b.eventually(path, `Enable`)
		version := regexp.MustCompile(`name="version" value="(\d+)"`).FindStringSubmatch(b.get(path + "/edit").body)
		changed := b.post(path+"/edit", url.Values{"url": {"https://other.example/"}, "success": {"200"}, "signatures": {"sha1"}, "version": version[1:]})
		b.shows(b.follow(changed), http.StatusOK, "https://other.example/")
		a.eventually("/console/cc/default/webhooks", "https://other.example/")

		// Signing out at the one signs out at the other, and so does the end of the key.
		c := h.signedIn(1, hook.PermitDeliveries)
		d := c.atNode(b.store, 0)
		d.shows(d.get("/console/cc/default/deliveries"), http.StatusOK)
		keys, _, err := h.store.Keys(1, store.Page{})
		if err != nil {
			t.Fatal(err)
		}
		if got := a.post("/console/cc/default/keys/"+keys[0].ID.String()+"/disable", url.Values{}); got.status != http.StatusSeeOther {
			t.Fatalf("disable: %d", got.status)
		}
		d.until(func() bool { return d.get("/console/cc/default/deliveries").status == http.StatusSeeOther })
		b.post("/console/sign-out", url.Values{})
		if got := a.get(path); got.status != http.StatusSeeOther {
			t.Errorf("signed out at the other node: %d", got.status)
		}
	})
}

// eventually waits until a page of the node says a text: nodes hear of each other's changes within a second or so.
func (b *browser) eventually(path, text string) {
	b.tb.Helper()
	b.until(func() bool { return strings.Contains(b.get(path).body, text) })
}

// until waits until something is so.
func (b *browser) until(so func() bool) {
	b.tb.Helper()
	over := time.NewTimer(10 * time.Second)
	defer over.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-over.C:
			b.tb.Fatal("it does not come about")
		}
	}
}

// TestOverviewOfAFreshFailure shows that the overview does not say that everything is delivered while a delivery waits for another attempt, although what waits was
// counted before it failed.
func TestOverviewOfAFreshFailure(t *testing.T) {
	t.Parallel()
	s := newStage(t, storetest.Open(t))
	b := s.signedIn(0)
	w := s.hears("https://crm.example/")
	s.begins(interaction.MediaChat, "support", 1)
	s.attempts(w, hook.FailureNone, time.Time{})
	b.until(func() bool { return strings.Contains(b.get(overviewPath).body, "Everything is delivered.") })
	s.begins(interaction.MediaChat, "support", 1)
	s.attempts(w, hook.FailureRefused, time.Now().Add(time.Hour))
	b.shows(b.get(overviewPath), http.StatusOK, "Almost: ")
}
