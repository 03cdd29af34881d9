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

const deliveriesPath = "/console/cc/default/deliveries/"

// brief is a schedule of three attempts.
func brief(w *hook.Webhook) {
	w.Settings.Retry = hook.Retry{Timeout: hook.Duration(time.Minute), Attempts: 2, Backoff: 2, MaxTimeout: hook.Duration(time.Hour)}
}

// refusal is an attempt that failed.
func refusal() hook.Attempt {
	return hook.Attempt{Status: 401, Failure: hook.FailureStatus, Response: []byte("no"), Duration: time.Millisecond, Events: 1}
}

// TestDeliverySaysItsStateAndWhatComesNext shows each state with what it means and what happens next.
func TestDeliverySaysItsStateAndWhatComesNext(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	now := moment()
	b := h.signedIn(1)
	shows := func(name string, id hook.DeliveryID, texts ...string) {
		t.Helper()
		t.Log(name)
		b.shows(b.get(deliveriesPath+id.String()), http.StatusOK, texts...)
	}
	w := h.webhook(brief)
	i := h.made(now, chat())
	id := hook.NewDeliveryID(i.StartedEvent, w.Number)
	shows("due", id, "pending", "It is due now", "3 attempts left", "None yet")
	i = h.changed(now, hook.Change{Op: hook.OpStop, ID: i.ID, By: hook.ByWorkflow})
	shows("waits", hook.NewDeliveryID(i.Stopped.Event, w.Number), "pending", "must not overtake", deliveriesPath+id.String())

	h.attempted(now, w, refusal(), now.Add(10*time.Minute))
	a := b.get(deliveriesPath + id.String())
	b.shows(a, http.StatusOK, "failed once", "The next attempt goes out", "in 9 min", "2 attempts left", "<td>3</td><td>2 min</td>", "another app secret", "Compare the app secrets")
	b.lacks(a, "Replay this delivery")
	h.attempted(now.Add(10*time.Minute), w, refusal(), time.Time{})
	shows("exhausted", id, "exhausted", "given up after 2 attempts", "Replay this delivery", "Attempt 2", "Attempt 1")

	off := h.webhook(func(w *hook.Webhook) { w.Enabled = false })
	held := h.made(now, chat())
	shows("held by hand", hook.NewDeliveryID(held.StartedEvent, off.Number), "held", "Its webhook is disabled", "when somebody enables")
	circuit := hook.Circuit{Since: now, ProbeAt: now.Add(time.Hour), Wait: time.Minute}
	if ok, err := h.store.SwapCircuit(t.Context(), w.Number, hook.Circuit{}, circuit); err != nil || !ok {
		t.Fatal(ok, err)
	}
	shows("held by the circuit", hook.NewDeliveryID(held.StartedEvent, w.Number), "held", "The circuit of its webhook is open since "+now.Format("2006-01-02 15:04:05"), "The next probe goes out at", "in 59 min")
	if err := h.store.DeleteWebhook(t.Context(), 1, off.ID, now); err != nil {
		t.Fatal(err)
	}
	shows("of a deleted webhook", hook.NewDeliveryID(held.StartedEvent, off.Number), "held", "Its webhook was deleted")
}

// TestDeliveryIsReplayedOnce shows that the button makes a delivery pending again, once however often it is sent, that the audit log has it, and
// that it is refused while it is pending.
func TestDeliveryIsReplayedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		h := open(t, e.Open(t).Store)
		now := moment()
		w := h.webhook(brief)
		i := h.made(now, chat())
		id := h.attempted(now, w, refusal(), time.Time{})[0]
		path := deliveriesPath + id.String()
		b := h.signedIn(1, hook.PermitDeliveries)
		a := b.get(path)
		b.shows(a, http.StatusOK, "exhausted", `action="`+path+`/replay"`)
		key := field(t, a, "once")
		if field(t, b.get(path), "once") != key {
			t.Fatal("the key of the button is another one each time, so that the live page would always change")
		}
		form := url.Values{"once": {key}}
		b.shows(b.follow(b.post(path+"/replay", form)), http.StatusOK, "The delivery is replayed", "pending", "3 attempts left", "replayed after 1 earlier attempt.")
		if a = b.post(path+"/replay", form); a.location != path {
			t.Errorf("the form sent twice: %d, to %q", a.status, a.location)
		}
		b.lacks(b.follow(a), "Not done")
		b.shows(b.follow(b.post(path+"/replay", url.Values{})), http.StatusOK, "Not done", "still being tried")
		entries, _, err := h.store.AuditLog(t.Context(), 1, store.AuditFilter{}, store.Page{Limit: 50})
		if err != nil {
			t.Fatal(err)
		}
		replays := 0
		for _, entry := range entries {
			if entry.Action == "delivery.replay" && entry.Subject == id.String() {
				replays++
			}
		}
		if replays != 1 {
			t.Errorf("the audit log has %d replays: %+v", replays, entries)
		}
		h.attempted(now.Add(time.Second), w, hook.Attempt{Status: 200, Events: 1}, time.Time{})
		a = b.get(path)
		b.shows(a, http.StatusOK, "delivered", "acknowledged it after 2 attempts", "Replay this delivery")
		b.lacks(a, key, i.ID.String()+`"`) // who may not read interactions gets no link to one
	})
}

// TestDeliveryTakesItsPermission shows that the page and the button are for those with the permission, in their own contact centre.
func TestDeliveryTakesItsPermission(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	w := h.webhook(func(w *hook.Webhook) { w.Settings.URL = "https://receiver.example/secret-path?token=sesame" })
	h.made(moment(), chat())
	id := h.attempted(moment(), w, refusal(), time.Time{})[0]
	if _, err := h.store.CreateContactCenter(t.Context(), time.Now(), "other", "Other", nil); err != nil {
		t.Fatal(err)
	}
	reader, admin, other := h.signedIn(1, hook.PermitInteractionsRead), h.signedIn(0), h.signedIn(2)
	path := deliveriesPath + id.String()
	reader.shows(reader.get(path), http.StatusForbidden, "permission deliveries")
	reader.shows(reader.post(path+"/replay", url.Values{}), http.StatusForbidden)
	other.shows(other.get(path), http.StatusNotFound)
	foreign := strings.Replace(path, "/default/", "/other/", 1)
	for _, b := range []*browser{admin, other} {
		b.shows(b.get(foreign), http.StatusNotFound)
		b.shows(b.post(foreign+"/replay", url.Values{}), http.StatusNotFound)
	}
	admin.shows(admin.get(deliveriesPath+"x"), http.StatusNotFound)
	admin.shows(admin.post(deliveriesPath+"x/replay", url.Values{}), http.StatusNotFound)
	d, err := h.store.Delivery(t.Context(), 1, id)
	if err != nil || d.State != hook.DeliveryExhausted {
		t.Errorf("the delivery is %+v, %v", d, err)
	}
	a := h.signedIn(1, hook.PermitDeliveries).get(path)
	admin.shows(a, http.StatusOK, "takes the permission to read what it tells of", "take the permission to read what they tell of")
	admin.lacks(a, "selfUri", "RECEIVER_URL")
	a = h.signedIn(1, hook.PermitDeliveries, hook.PermitInteractionsRead).get(path)
	admin.shows(a, http.StatusOK, "The webhook&#39;s own headers and its URL take the permission webhooks", "RECEIVER_URL", w.ID.String())
	admin.lacks(a, "secret-path", "sesame", "X-Tenant", "/webhooks/")
	a = admin.get(path)
	admin.shows(a, http.StatusOK, "secret-path", "X-Tenant: ***", "/webhooks/"+w.ID.String())
	admin.lacks(a, "sesame")
}

// TestDeliveryShowsItsNewestAttempts shows that a delivery with very many attempts has a page all the same.
func TestDeliveryShowsItsNewestAttempts(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	w := h.webhook()
	h.made(moment(), chat())
	var id hook.DeliveryID
	now := moment()
	for n := range 103 {
		id = h.attempted(now.Add(time.Duration(n)*time.Second), w, refusal(), now.Add(time.Duration(n+1)*time.Second))[0]
	}
	b := h.signedIn(1)
	a := b.get(deliveriesPath + id.String())
	b.shows(a, http.StatusOK, "Attempt 103<", "Attempt 4<", "3 older attempts")
	b.lacks(a, "Attempt 3<")
	if n := strings.Count(a.body, "Likely cause"); n != 1 {
		t.Errorf("the cause is told %d times", n)
	}
}
