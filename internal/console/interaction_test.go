package console_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/console"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// hostileTail is a text that would break a page which does not escape it.
const hostileTail = `"><img src=x onerror=alert(1)></script><script>alert(2)</script>'` + "\u202egnp"

// chat is the draft of an interaction.
func chat(change ...func(*hook.Draft)) *hook.Draft {
	return newDraft("support", append([]func(*hook.Draft){func(d *hook.Draft) { d.Subtype = interaction.SubtypeWhatsApp }}, change...)...)
}

// made makes interactions at a time and returns the last one.
func (h *house) made(now time.Time, drafts ...*hook.Draft) (last *hook.Interaction) {
	h.tb.Helper()
	for _, d := range drafts {
		last = h.changed(now, creation(d))
	}
	return last
}

// changed makes one change of an interaction of the first contact centre.
func (h *house) changed(now time.Time, change hook.Change) *hook.Interaction {
	h.tb.Helper()
	return storeChanges(h.tb, h.store, now, change)
}

// webhook makes a webhook that gets everything.
func (h *house) webhook(edits ...func(*hook.Webhook)) *hook.Webhook {
	h.tb.Helper()
	return h.webhookOf(theCenter, edits...)
}

// webhookOf makes a webhook of a contact centre.
func (h *house) webhookOf(center hook.ContactCenterNumber, edits ...func(*hook.Webhook)) *hook.Webhook {
	h.tb.Helper()
	return storeWebhook(h.tb, h.store, center, edits...)
}

// attempted claims what is due of a webhook and records one attempt of each; next is when it is due again, and zero where it is resolved.
func (h *house) attempted(now time.Time, w *hook.Webhook, a hook.Attempt, next time.Time) []hook.DeliveryID {
	h.tb.Helper()
	ids := storeAttempts(h.tb, h.store, now, w, a, next)
	if len(ids) == 0 {
		h.tb.Fatal("nothing is due")
	}
	return ids
}

// lacks fails where the page has one of the texts.
func (b *browser) lacks(a reply, texts ...string) {
	b.tb.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			b.tb.Errorf("the page says %q:\n%s", text, a.body)
		}
	}
}

const interactionsPath = "/console/cc/default/interactions"

// TestInteractionsAreFiltered shows that the list has what was asked for, newest first, and links to each.
func TestInteractionsAreFiltered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		h := open(t, e.Open(t).Store)
		now := moment()
		b := h.signedIn(1)
		b.shows(b.get(interactionsPath), http.StatusOK, "There are no interactions yet", "hookswitch interactions create --media chat", "/console/cc/default/queues")
		old := h.made(now.Add(-2*time.Hour), chat(func(d *hook.Draft) {
			d.Media, d.Queue, d.Content.Subject = interaction.MediaEmail, "billing", "An old invoice"
		}))
		fresh := h.made(now, chat(func(d *hook.Draft) { d.Content.Subject = "A new order" }))
		h.changed(now, hook.Change{Op: hook.OpAccept, ID: fresh.ID, Agent: "alice"})
		minute := func(ago time.Duration) string { return now.Add(-ago).Format("2006-01-02T15:04") }
		for name, test := range map[string]struct {
			query    url.Values
			old, new bool
		}{
			"all":           {url.Values{}, true, true},
			"state":         {url.Values{"state": {"IN_PROCESS"}}, false, true},
			"open":          {url.Values{"state": {"open"}}, true, true},
			"stopped":       {url.Values{"state": {"STOPPED"}}, false, false},
			"media type":    {url.Values{"media": {"email"}}, true, false},
			"subtype":       {url.Values{"subtype": {"SMS"}}, false, false},
			"queue":         {url.Values{"queue": {"support"}}, false, true},
			"session":       {url.Values{"session": {old.SessionID.String()}}, true, false},
			"from":          {url.Values{"from": {minute(time.Hour)}}, false, true},
			"to":            {url.Values{"to": {minute(time.Hour)}}, true, false},
			"last hour":     {url.Values{"within": {"1h"}}, false, true},
			"last 24 hours": {url.Values{"within": {"24h"}}, true, true},
			"typed times count before a quick choice": {url.Values{"within": {"1h"}, "to": {minute(time.Hour)}}, true, false},
		} {
			a := b.get(interactionsPath + "?" + test.query.Encode())
			b.shows(a, http.StatusOK, "<h1>Interactions</h1>")
			if strings.Contains(a.body, old.ID.String()) != test.old || strings.Contains(a.body, fresh.ID.String()) != test.new {
				t.Errorf("%s: %s", name, a.body)
			}
		}
		a := b.get(interactionsPath)
		b.shows(a, http.StatusOK, `href="`+interactionsPath+"/"+fresh.ID.String()+`"`, "A new order", "alice", "IN_PROCESS", "support")
		if strings.Index(a.body, fresh.ID.String()) > strings.Index(a.body, old.ID.String()) {
			t.Error("the newest is not first")
		}
		b.shows(b.get(interactionsPath+"?state=STOPPED"), http.StatusOK, "Nothing matches")
	})
}

// TestInteractionsGoOn shows that a long list is read page by page, with the filters kept.
func TestInteractionsGoOn(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	now := moment()
	var first *hook.Interaction
	for range store.PageLimitDefault + 1 {
		if i := h.made(now, chat()); first == nil {
			first = i
		}
	}
	b := h.signedIn(1)
	a := b.get(interactionsPath + "?queue=support")
	b.lacks(a, first.ID.String())
	_, rest, found := strings.Cut(a.body, `href="?`)
	if !found {
		t.Fatalf("no older page:\n%s", a.body)
	}
	query, _, _ := strings.Cut(rest, `"`)
	a = b.get(interactionsPath + "?" + strings.ReplaceAll(query, "&amp;", "&"))
	b.shows(a, http.StatusOK, first.ID.String(), `value="support"`, "Newest")
}

// TestWrongFiltersAreSaid shows that what cannot be looked for is told with the field, and what was typed is kept.
func TestWrongFiltersAreSaid(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	b := h.signedIn(1)
	for query, text := range map[string]string{
		"state=LOST":          "There is no such state",
		"media=fax":           "There is no such media type",
		"subtype=Telex":       "There is no such subtype",
		"session=x":           "A session id has the form",
		"from=yesterday":      "must be a time in UTC",
		"to=2026-13-01T00:00": "must be a time in UTC",
		"from=2026-11-23T09:00&to=2026-11-23T08:00": "The end is not after the beginning",
		"within=1y":                                   "no such quick choice",
		"cursor=%22%3E%3Cx":                           "not where a list of interactions goes on",
		"queue=" + strings.Repeat("q", 300):           "No queue has so long a name",
		"q=" + url.QueryEscape(hostileTail):           "This is not an id",
		"q=00000000-0000-4000-8000-000000000000":      "No interaction or session of this contact centre, no delivery and no webhook has this id",
		"from=2026-11-23T09:00%00":                    "must be a time in UTC",
		"q=+%09" + "0190a1b2-0000-7000-8000-00000000": "This is not an id",
	} {
		a := b.get(interactionsPath + "?" + query)
		b.shows(a, http.StatusUnprocessableEntity, text, `role="alert"`)
		b.lacks(a, "<img")
	}
	b.shows(b.get(interactionsPath+"?from=yesterday&queue=billing"), http.StatusUnprocessableEntity, `value="billing"`, `aria-describedby="from-fault"`)
}

// TestFindById shows that one box takes the id of an interaction, of a session, of a delivery or of a webhook, and finds nothing that who asks may
// not see.
func TestFindById(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	w := h.webhook()
	i := h.made(moment(), chat())
	mail := h.made(moment(), chat(func(d *hook.Draft) { d.Media = interaction.MediaEmail }))
	delivery := hook.NewDeliveryID(i.StartedEvent, w.Number)
	if _, err := h.store.CreateContactCenter(t.Context(), time.Now(), "other", "Other", nil); err != nil {
		t.Fatal(err)
	}
	admin, chats, others := h.signedIn(1), h.signedIn(1, hook.PermitInteractionsReadChat), h.signedIn(0)
	for _, test := range []struct {
		name string
		by   *browser
		path string
		id   string
		want string
	}{
		{"interaction", admin, interactionsPath, i.ID.String(), interactionsPath + "/" + i.ID.String()},
		{"in capitals and with spaces", admin, interactionsPath, " " + strings.ToUpper(i.ID.String()) + " ", interactionsPath + "/" + i.ID.String()},
		{"session", admin, interactionsPath, i.SessionID.String(), interactionsPath + "?session=" + i.SessionID.String()},
		{"delivery", admin, interactionsPath, delivery.String(), "/console/cc/default/deliveries/" + delivery.String()},
		{"webhook", admin, interactionsPath, w.ID.String(), "/console/cc/default/webhooks/" + w.ID.String()},
		{"a chat for who reads chats", chats, interactionsPath, i.ID.String(), interactionsPath + "/" + i.ID.String()},
		{"an e-mail for who reads chats", chats, interactionsPath, mail.ID.String(), ""},
		{"an e-mail's session for who reads chats", chats, interactionsPath, mail.SessionID.String(), ""},
		{"a delivery for who reads chats", chats, interactionsPath, delivery.String(), ""},
		{"a webhook for who reads chats", chats, interactionsPath, w.ID.String(), ""},
		{"in another contact centre", others, "/console/cc/other/interactions", i.ID.String(), ""},
	} {
		a := test.by.get(test.path + "?" + url.Values{"q": {test.id}}.Encode())
		if a.location != test.want || test.want == "" && (a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "has this id")) {
			t.Errorf("%s: %d, to %q, want %q", test.name, a.status, a.location, test.want)
		}
	}
}

// TestInteractionTimeline shows a whole life: who did what, both events with their bodies, each delivery and each attempt.
func TestInteractionTimeline(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		h := open(t, e.Open(t).Store)
		began := moment()
		w := h.webhook(func(w *hook.Webhook) { w.Settings.Description = "The archive" })
		i := h.made(began, chat(func(d *hook.Draft) {
			d.Content = hook.Content{Subject: "An order", Contact: json.RawMessage(`{"name":"Ann"}`), UserData: map[string]string{"customer": "4711"}}
		}))
		h.changed(began, hook.Change{Op: hook.OpAccept, ID: i.ID, Agent: "alice"})
		i = h.changed(began, hook.Change{Op: hook.OpStop, ID: i.ID, By: hook.ByAgentDesktop, Reason: "It is solved"})
		b := h.signedIn(1)
		started, finished := hook.NewDeliveryID(i.StartedEvent, w.Number), hook.NewDeliveryID(i.Stopped.Event, w.Number)
		path := interactionsPath + "/" + i.ID.String()
		b.shows(b.get(path), http.StatusOK, "pending", "waits for STARTED", "/console/cc/default/deliveries/"+started.String())
		h.attempted(began.Add(time.Second), w, hook.Attempt{Status: 503, Failure: hook.FailureStatus, Response: []byte("try later"), Duration: 40 * time.Millisecond, Events: 1, Timing: hook.Timing{
			DNS: time.Millisecond, Connect: 2 * time.Millisecond, TLS: 3 * time.Millisecond, FirstByte: 30 * time.Millisecond,
		}}, began.Add(2*time.Second))
		h.attempted(began.Add(3*time.Second), w, hook.Attempt{Status: 200, Duration: 5 * time.Millisecond, Events: 2, Timing: hook.Timing{FirstByte: 4 * time.Millisecond}}, time.Time{})
		event, err := h.store.EventOf(t.Context(), 1, started)
		if err != nil {
			t.Fatal(err)
		}
		a := b.get(path)
		b.shows(a, http.StatusOK, "Created", "Submitted", "Accepted by <bdi>alice</bdi>", "Stopped by agentDesktop", "It is solved", "STARTED was emitted", "FINISHED was emitted",
			event.OperationID.String(), event.OperationID.TraceID(), strings.ReplaceAll(string(event.Payload), `"`, "&#34;"),
			"The archive", "delivered", "status 503 Service Unavailable", "try later", "DNS 1.00 ms", "first byte after 30 ms", "in 40 ms", "over a connection that was there already",
			"in a POST of 2 events", "Hookswitch-Attempt: 1", "Hookswitch-Attempt: 2", "curl --globoff --path-as-is --include", "RECEIVER_X_TENANT",
			"/console/cc/default/deliveries/"+finished.String(), "?session="+i.SessionID.String(), "4711", "Ann", "http://hookswitch.example/nexus/v3/chat/", "An order")
		order := []string{"Created</h3>", "Submitted</h3>", "Attempt 1 of STARTED", "Attempt 2 of STARTED"}
		for n := 1; n < len(order); n++ {
			if strings.Index(a.body, order[n-1]) > strings.Index(a.body, order[n]) {
				t.Errorf("%s comes after %s", order[n-1], order[n])
			}
		}
	})
}

// TestInteractionWithoutPermissionForDeliveries shows what was done with it, and says what is not shown and why.
func TestInteractionWithoutPermissionForDeliveries(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	w := h.webhook(func(w *hook.Webhook) { w.Settings.Description = "The archive" })
	i, mail := h.made(moment(), chat()), h.made(moment(), chat(func(d *hook.Draft) { d.Media = interaction.MediaEmail }))
	h.attempted(moment(), w, hook.Attempt{Status: 503, Failure: hook.FailureStatus, Response: []byte("try later"), Events: 1}, moment().Add(time.Hour))
	b := h.signedIn(1, hook.PermitInteractionsReadChat)
	a := b.get(interactionsPath + "/" + i.ID.String())
	b.shows(a, http.StatusOK, "STARTED was emitted", "takes the permission deliveries")
	b.lacks(a, "try later", "The archive", "/deliveries/", "Attempt 1")
	b.shows(b.get(interactionsPath+"/"+mail.ID.String()), http.StatusNotFound)
	b.lacks(b.get(interactionsPath), mail.ID.String())
	b.shows(h.signedIn(1, hook.PermitDeliveries).get(interactionsPath), http.StatusForbidden)
	b.shows(b.get(interactionsPath+"/"+newUUID().String()), http.StatusNotFound)
	b.shows(b.get(interactionsPath+"/x"), http.StatusNotFound)
	if _, err := h.store.CreateContactCenter(t.Context(), time.Now(), "other", "Other", nil); err != nil {
		t.Fatal(err)
	}
	b.shows(h.signedIn(0).get("/console/cc/other/interactions/"+i.ID.String()), http.StatusNotFound)
}

// TestInteractionEscapesEverything shows that nothing that a contact, a caller or a receiver wrote becomes markup.
func TestInteractionEscapesEverything(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	w := h.webhook(func(w *hook.Webhook) { w.Settings.Description = strings.TrimSuffix(hostileTail, "\u202egnp") })
	contact, err := json.Marshal(map[string]string{hostileTail: hostileTail})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSuffix(hostileTail, "\u202egnp")
	i := h.made(moment(), chat(func(d *hook.Draft) {
		d.Queue, d.Content = text, hook.Content{Subject: text + strings.Repeat("x", 900), Contact: contact, UserData: map[string]string{text: text + strings.Repeat("y", 1_000)}}
	}))
	h.changed(moment(), hook.Change{Op: hook.OpAccept, ID: i.ID, Agent: text})
	i = h.changed(moment(), hook.Change{Op: hook.OpStop, ID: i.ID, By: hook.ByWorkflow, Reason: text})
	h.attempted(moment(), w, hook.Attempt{Status: 500, Failure: hook.FailureStatus, Error: hostileTail, Response: []byte(hostileTail + "\x00"), Events: 1}, moment().Add(time.Hour))
	b := h.signedIn(1)
	for _, path := range []string{interactionsPath, interactionsPath + "/" + i.ID.String(), "/console/cc/default/deliveries/" + hook.NewDeliveryID(i.StartedEvent, w.Number).String()} {
		a := b.get(path)
		b.shows(a, http.StatusOK, "&lt;img")
		b.lacks(a, "<img", "<script>alert", "\x00")
	}
	a := b.get(interactionsPath + "/" + i.ID.String())
	if strings.Contains(a.body, "\u202e") {
		t.Error("a receiver turns the direction of the page")
	}
}

// TestWithoutRequests shows that a page without the requests of attempts says so.
func TestWithoutRequests(t *testing.T) {
	h := open(t, storetest.Open(t).Store, func(o *console.Options) { o.Requests = nil })
	w := h.webhook()
	i := h.made(moment(), chat())
	h.attempted(moment(), w, hook.Attempt{Status: 200, Events: 1}, time.Time{})
	b := h.signedIn(1)
	b.shows(b.get(interactionsPath+"/"+i.ID.String()), http.StatusOK, "The request is not known any more")
}
