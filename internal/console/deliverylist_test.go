package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// hides fails if the page has one of the texts.
func (b *browser) hides(a reply, texts ...string) {
	b.tb.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			b.tb.Errorf("the page says %q:\n%s", text, a.body)
		}
	}
}

// TestDeliveriesExhaustedFirst shows that the list begins with what needs somebody, that each tab has its state, and what filters leave.
func TestDeliveriesExhaustedFirst(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		h := open(t, e.Open(t).Store)
		b, s := h.signedIn(0), newScene(t, h.store)
		const page = "/console/cc/default/deliveries"
		b.shows(b.get(page), http.StatusOK, "Nothing was to be delivered yet", "hookswitch webhooks create --url", "hookswitch interactions create")

		s.webhook("https://idle.example/")
		bad, slow, good := s.webhook("https://bad.example/"), s.webhook("https://slow.example/"), s.webhook("https://good.example/")
		i := s.create("support", "")
		s.attempt(good, hook.FailureNone, 200, 0)
		b.shows(b.get(page), http.StatusOK, `aria-current="page">All`)
		b.shows(b.get(page+"?state=exhausted"), http.StatusOK, "Nothing is exhausted")
		dead := s.attempt(bad, hook.FailureTimeout, 0, 0)[0]
		s.attempt(slow, hook.FailureStatus, 503, time.Hour)

		a := b.get(page)
		b.shows(a, http.StatusOK, `aria-current="page">Exhausted`, "no answer in time", "1 attempt", dead.String(), i.ID.String(), "https://bad.example/")
		b.hides(a, "503 Service Unavailable", "200 in 42 ms")
		b.shows(b.get(page+"?state=failing"), http.StatusOK, "503 Service Unavailable", "next ")
		b.hides(b.get(page+"?state=failing"), "no answer in time", "200 in 42 ms", "not tried yet")
		b.shows(b.get(page+"?state=pending"), http.StatusOK, "503 Service Unavailable", "not tried yet")
		b.shows(b.get(page+"?state=delivered"), http.StatusOK, "200 in 42 ms")
		for query, want := range map[string]int{
			"state=all": 4, "state=all&webhook=" + slow.ID.String(): 1, "state=all&status=503": 1, "state=all&failure=timeout": 1, "state=all&event=FINISHED": 0,
			"state=all&media=email": 0, "state=all&interaction=" + i.ID.String(): 4, "state=held": 0, "state=pending": 2,
			"state=all&from=" + url.QueryEscape(s.now.Add(time.Hour).Format("2006-01-02T15:04")): 0,
		} {
			a := b.get(page + "?" + query)
			b.shows(a, http.StatusOK)
			if got := strings.Count(a.body, `type="checkbox" name="id"`); got != want {
				t.Errorf("%s: %d deliveries, want %d", query, got, want)
			}
		}
		a = b.get(page + "?state=all&webhook=" + slow.ID.String() + "&status=503")
		b.shows(a, http.StatusOK, "replays/new?states=exhausted&amp;webhook="+slow.ID.String()+"&amp;wider=yes")
	})
}

// TestDeliveriesBadFilters shows that a filter that makes no sense is named on the page, with what was typed.
func TestDeliveriesBadFilters(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	b := h.signedIn(0)
	for query, want := range map[string]string{
		"webhook=x": `href="#f-webhook"`, "interaction=%22%3E%3Cimg+onerror%3Dx%3E": `value="&#34;&gt;&lt;img onerror=x&gt;"`, "status=99": "must be a whole number from 100 to 599",
		"failure=x": `href="#f-failure"`, "event=x": "must be one of STARTED, FINISHED", "state=x": "must be one of exhausted", "media=fax": `href="#f-media"`,
		"from=yesterday": "must be a time in UTC", "from=2026-01-02&to=2026-01-01": "must be later", "cursor=x": "begin at the first page",
	} {
		a := b.get("/console/cc/default/deliveries?" + query)
		b.shows(a, http.StatusUnprocessableEntity, want, `role="alert"`)
		b.hides(a, "<img")
	}
}

// TestDeliveriesPermissions shows that the lists need their permission, that another contact centre does not exist, and that a
// webhook's URL, which may hold a secret, is shown to those alone to whom the API tells it.
func TestDeliveriesPermissions(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	s := newScene(t, h.store)
	w := s.webhook("https://receiver.example/?token=swordfish")
	s.create("support", "")
	dead := s.attempt(w, hook.FailureTimeout, 0, 0)[0]
	other, err := h.store.CreateContactCenter(t.Context(), time.Now(), "other", "Other", nil)
	if err != nil {
		t.Fatal(err)
	}
	pages := []string{"deliveries", "deliveries/replay?id=" + dead.String(), "deliveries/replayed?id=" + dead.String(), "replays", "replays/new"}
	reader, keeper, stranger := h.signedIn(1, hook.PermitInteractionsRead), h.signedIn(1, hook.PermitDeliveries), h.signedIn(other.Number)
	for _, page := range pages {
		reader.shows(reader.get("/console/cc/default/"+page), http.StatusForbidden)
		stranger.shows(stranger.get("/console/cc/default/"+page), http.StatusNotFound)
		a := keeper.get("/console/cc/default/" + page)
		keeper.shows(a, http.StatusOK)
		keeper.hides(a, "swordfish", "/console/cc/default/interactions/")
	}
	keeper.shows(keeper.get("/console/cc/default/deliveries"), http.StatusOK, w.ID.String())
	form := url.Values{"id": {dead.String()}}
	reader.shows(reader.post("/console/cc/default/deliveries/replay", form), http.StatusForbidden)
	stranger.shows(stranger.post("/console/cc/default/deliveries/replay", form), http.StatusNotFound)
	stranger.follow(stranger.post("/console/cc/other/deliveries/replay", form))
	if state := s.state(dead); state != hook.DeliveryExhausted {
		t.Errorf("the delivery is %s", state)
	}
}

// TestDeliveriesGoOn shows that a list longer than a page goes on, with its filters.
func TestDeliveriesGoOn(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	b, s := h.signedIn(0), newScene(t, h.store)
	s.webhook("https://receiver.example/")
	var changes []hook.Change
	for range store.PageLimitDefault + 1 {
		d := hook.Draft{ID: hook.InteractionID{UUID: newUUID()}, SessionID: hook.SessionID{UUID: newUUID()}, Media: "chat", Subtype: "SMS", Queue: "q"}
		changes = append(changes, hook.Change{Op: hook.OpCreate, ID: d.ID, Draft: &d})
	}
	if _, err := h.store.AcceptChanges(t.Context(), 1, s.now, changes, nil); err != nil {
		t.Fatal(err)
	}
	a := b.get("/console/cc/default/deliveries?state=pending&event=STARTED")
	b.shows(a, http.StatusOK, ">Older<")
	_, link, _ := strings.Cut(a.body, `<a class="button" href="/console/cc/default/deliveries?cursor=`)
	link, _, _ = strings.Cut(link, `"`)
	a = b.get("/console/cc/default/deliveries?cursor=" + strings.ReplaceAll(link, "&amp;", "&"))
	b.shows(a, http.StatusOK, ">Newest<", `aria-current="page">Pending`)
	if got := strings.Count(a.body, `type="checkbox" name="id"`); got != 1 {
		t.Errorf("%d deliveries on the second page, want 1:\n%s", got, a.body)
	}
}
