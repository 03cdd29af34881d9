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

// await asks for a page until it has a text.
func (b *browser) await(path, text string) reply {
	b.tb.Helper()
	look, limit := time.NewTicker(5*time.Millisecond), time.NewTimer(20*time.Second)
	defer look.Stop()
	defer limit.Stop()
	for {
		a := b.get(path)
		if strings.Contains(a.body, text) {
			return a
		}
		select {
		case <-look.C:
		case <-limit.C:
			b.tb.Fatalf("%s does not say %q:\n%s", path, text, a.body)
		}
	}
}

// in is the same browser in a part of a test.
func (b *browser) in(tb testing.TB) *browser {
	h := *b.house
	h.tb = tb
	return &browser{&h, b.client}
}

// TestReplayByRange shows a replay from the form over the dry run to its end: the dry run changes nothing, "replay for real" asks for
// the same, and sending a form twice makes one replay.
func TestReplayByRange(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		h := open(t, e.Open(t).Store)
		b, s := h.signedIn(0), newScene(t, h.store)
		const path = "/console/cc/default/replays"
		b.shows(b.get(path), http.StatusOK, "Nothing was replayed yet", "hookswitch replay --webhook ID --from 24h --dry-run")
		w := s.webhook("https://receiver.example/")
		s.create("support", "")
		dead := s.attempt(w, hook.FailureTimeout, 0, 0)[0]

		a := b.get(path + "/new?events=STARTED&webhook=" + w.ID.String())
		b.shows(a, http.StatusOK, `value="`+w.ID.String()+`" selected`, `value="exhausted" checked`, `value="STARTED" checked`)
		form := url.Values{
			"webhook": {w.ID.String()}, "from": {s.now.Add(-time.Hour).Format("2006-01-02T15:04:05")}, "to": {s.now.Add(time.Minute).Format("2006-01-02T15:04:05")},
			"states": {"exhausted", "delivered"}, "events": {"STARTED"}, "mediaTypes": {"chat"}, "rate": {"1000"}, "dry": {"yes"}, "once": {field(t, a, "once")},
		}
		a = b.post(path+"/new", form)
		if again := b.post(path+"/new", form); again.location != a.location || a.location == "" {
			t.Fatalf("sent twice the form leads to %q and %q", a.location, again.location)
		}
		b.shows(b.follow(a), http.StatusOK, "The dry run has begun")
		a = b.await(a.location, "Replay for real")
		b.shows(a, http.StatusOK, "exhausted and delivered", "1,000 a second at most", "100 %", "<dt>Matched</dt><dd>1</dd>", "admin key", "finished")
		if s.state(dead) != hook.DeliveryExhausted {
			t.Fatal("the dry run has replayed")
		}
		_, live, _ := strings.Cut(a.body, "data-live")
		forReal := url.Values{"once": {field(t, reply{body: live}, "once")}}
		for _, name := range []string{"webhook", "from", "to", "rate", "events", "mediaTypes"} {
			forReal.Set(name, field(t, reply{body: live}, name))
		}
		forReal["states"] = []string{"exhausted", "delivered"}
		a = b.post(path+"/new", forReal)
		b.shows(b.follow(a), http.StatusOK, "The replay has begun")
		b.shows(b.await(a.location, "finished"), http.StatusOK, "<dt>Replayed</dt><dd>1</dd>")
		if s.state(dead) != hook.DeliveryPending {
			t.Errorf("the delivery is %s", s.state(dead))
		}
		if got := countOf(h.audited(), "replay.create"); got != 2 {
			t.Errorf("%d replays were made, want 2", got)
		}
		b.shows(b.get(path), http.StatusOK, "dry run", "finished", "https://receiver.example/")
	})
}

// TestReplayIsSteered shows that a replay is paused, resumed and cancelled, and what is said when it has ended.
func TestReplayIsSteered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		h := open(t, e.Open(t).Store)
		b, s := h.signedIn(0), newScene(t, h.store)
		w := s.webhook("https://receiver.example/")
		for range 4 {
			s.create("support", "")
		}
		s.attempt(w, hook.FailureTimeout, 0, 0)
		r := &hook.Replay{ID: hook.ReplayID{UUID: newUUID()}, ContactCenter: 1, Rate: 1} // long enough to be steered
		r.Filter.From, r.Filter.To = s.now.Add(-time.Hour), s.now.Add(time.Hour)
		if _, err := h.store.CreateReplay(t.Context(), s.now, w.ID, r, nil); err != nil {
			t.Fatal(err)
		}
		path := "/console/cc/default/replays/" + r.ID.String()
		b.shows(b.get(path), http.StatusOK, "Pause", "Cancel the replay")
		b.shows(b.follow(b.post(path+"/pause", url.Values{})), http.StatusOK, "The replay is paused.", "Resume")
		b.shows(b.follow(b.post(path+"/pause", url.Values{})), http.StatusOK, "Not done: cannot pause")
		b.shows(b.follow(b.post(path+"/resume", url.Values{})), http.StatusOK, "The replay goes on.", "Pause")
		b.shows(b.follow(b.post(path+"/cancel", url.Values{})), http.StatusOK, "The replay is cancelled.", ">cancelled<")
		b.shows(b.follow(b.post(path+"/cancel", url.Values{})), http.StatusOK, "the replay has ended already")
		b.shows(b.post(path+"/explode", url.Values{}), http.StatusNotFound)
		b.shows(b.post("/console/cc/default/replays/"+newUUID().String()+"/pause", url.Values{}), http.StatusNotFound)
		for _, action := range []string{"replay.pause", "replay.resume", "replay.cancel"} {
			if got := countOf(h.audited(), action); got != 1 {
				t.Errorf("%s is %d times in the audit log, want once", action, got)
			}
		}
	})
}

// TestReplayFormFaults shows that the form comes back with what was typed and what is wrong.
func TestReplayFormFaults(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	b, s := h.signedIn(0), newScene(t, h.store)
	w := s.webhook("https://receiver.example/")
	good := func(change func(url.Values)) url.Values {
		form := url.Values{"webhook": {w.ID.String()}, "from": {"2026-01-01T00:00"}, "states": {"exhausted"}, "dry": {"yes"}}
		change(form)
		return form
	}
	for _, c := range []struct {
		name, want string
		change     func(url.Values)
	}{
		{"no webhook", "webhook</a>: must be chosen", func(f url.Values) { f.Del("webhook") }},
		{"a webhook that is not there", "does not exist any more", func(f url.Values) { f.Set("webhook", newUUID().String()) }},
		{"no time", "from</a>: is required", func(f url.Values) { f.Del("from") }},
		{"a time that is none", "must be a time in UTC", func(f url.Values) { f.Set("from", `"><script>`) }},
		{"an end before the beginning", "must be later than from", func(f url.Values) { f.Set("to", "2025-01-01T00:00") }},
		{"no state", "states</a>: must be chosen", func(f url.Values) { f.Del("states") }},
		{"a state that cannot be replayed", "states</a>: must be some of exhausted, delivered", func(f url.Values) { f.Set("states", "pending") }},
		{"an event that is none", "events</a>: must be some of", func(f url.Values) { f.Set("events", "EXPLODED") }},
		{"a rate that is too high", "must be a whole number from 1 to 100,000", func(f url.Values) { f.Set("rate", "100001") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := b.in(t)
			a := b.post("/console/cc/default/replays/new", good(c.change))
			b.shows(a, http.StatusUnprocessableEntity, c.want, `role="alert"`)
			b.hides(a, "<script>")
		})
	}
	a := b.post("/console/cc/default/replays/new", good(func(f url.Values) { f.Set("rate", "many") }))
	b.shows(a, http.StatusUnprocessableEntity, `value="many"`, `value="2026-01-01T00:00:00"`, `value="`+w.ID.String()+`" selected`)
	list, _, err := h.store.Replays(t.Context(), 1, store.Page{})
	if err != nil || len(list) != 0 {
		t.Errorf("%d replays were made, %v", len(list), err)
	}
}
