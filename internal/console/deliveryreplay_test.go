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

// audited returns the actions of the contact centre's audit log, newest first.
func (h *house) audited() (actions []string) {
	h.tb.Helper()
	entries, _, err := h.store.AuditLog(h.tb.Context(), 1, store.AuditFilter{}, store.Page{Limit: 100})
	if err != nil {
		h.tb.Fatal(err)
	}
	for _, e := range entries {
		actions = append(actions, e.Action)
	}
	return actions
}

func countOf(list []string, text string) (n int) {
	for _, one := range list {
		if one == text {
			n++
		}
	}
	return n
}

// TestReplaySelected shows that the dry run says what would happen and changes nothing, that the replay does it, each once however often the form
// is sent, and that what cannot be replayed keeps no other back.
func TestReplaySelected(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		h := open(t, e.Open(t).Store)
		b, s := h.signedIn(0), newScene(t, h.store)
		w := s.webhook("https://receiver.example/")
		const path = "/console/cc/default/deliveries/replay"
		s.create("support", "")
		dead := s.attempt(w, hook.FailureTimeout, 0, 0)[0]
		s.create("support", "")
		done := s.attempt(w, hook.FailureNone, 200, 0)[0]
		s.create("support", "")
		open := s.attempt(w, hook.FailureStatus, 500, time.Hour)[0]
		gone := hook.DeliveryID{UUID: newUUID()}
		query := url.Values{"id": {dead.String(), done.String(), open.String(), gone.String(), dead.String()}}

		a := b.get(path + "?" + query.Encode())
		b.shows(a, http.StatusOK, "Nothing has changed yet", "sent again, with a new budget of attempts", "the receiver has acknowledged it before", "it is still to be made", "it does not exist", "Replay 2 now")
		if s.state(dead) != hook.DeliveryExhausted {
			t.Error("the dry run has replayed")
		}
		form := url.Values{"id": {dead.String(), done.String(), open.String()}, "once": {field(t, a, "once")}}
		a = b.post(path, form)
		b.shows(b.follow(a), http.StatusOK, "2 of 3 deliveries are made pending again", open.String()+": ", "still to be delivered")
		if s.state(dead) != hook.DeliveryPending || s.state(done) != hook.DeliveryPending {
			t.Error("they were not replayed")
		}
		s.now = s.now.Add(time.Minute) // when they are due for sure
		s.attempt(w, hook.FailureNone, 200, 0)
		b.shows(b.follow(b.post(path, form)), http.StatusOK, "2 of 3 deliveries are made pending again") // the same form again
		if got := countOf(h.audited(), "delivery.replay"); got != 2 || s.state(dead) != hook.DeliveryDelivered {
			t.Errorf("%d replays in the audit log, want 2; the delivery is %s", got, s.state(dead))
		}
	})
}

// TestReplaySelectedBounds shows that a selection of nothing, of too many, or of what is none, replays nothing and says so.
func TestReplaySelectedBounds(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	b := h.signedIn(0)
	many := url.Values{}
	for range store.PageLimitDefault + 1 {
		many.Add("id", newUUID().String())
	}
	for want, form := range map[string]url.Values{
		"no delivery was selected": {}, "an id of a delivery is not one": {"id": {"<script>"}}, "51 deliveries are selected, and 50 at most": many,
	} {
		b.shows(b.follow(b.get("/console/cc/default/deliveries/replay?"+form.Encode())), http.StatusOK, want)
		b.shows(b.follow(b.post("/console/cc/default/deliveries/replay", form)), http.StatusOK, want)
	}
}

// TestReplaySelectedOfOthers shows that the deliveries of another contact centre look like none.
func TestReplaySelectedOfOthers(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	s := newScene(t, h.store)
	w := s.webhook("https://receiver.example/")
	s.create("support", "")
	dead := s.attempt(w, hook.FailureTimeout, 0, 0)[0]
	other, err := h.store.CreateContactCenter(t.Context(), time.Now(), "other", "Other", nil)
	if err != nil {
		t.Fatal(err)
	}
	b := h.signedIn(other.Number)
	a := b.get("/console/cc/other/deliveries/replay?id=" + dead.String())
	b.shows(a, http.StatusOK, "it does not exist")
	if strings.Contains(a.body, "receiver.example") || strings.Contains(a.body, "Replay 1 now") {
		t.Errorf("the page tells of another contact centre:\n%s", a.body)
	}
	b.shows(b.follow(b.post("/console/cc/other/deliveries/replay", url.Values{"id": {dead.String()}})), http.StatusOK, "it does not exist any more")
	if s.state(dead) != hook.DeliveryExhausted {
		t.Error("another's delivery was replayed")
	}
}
