package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/console"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// Who hears a page is told what it is and which one, and what was done or is wrong: that has the focus.
func TestPagesSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.Open(t).Store)
	w := h.webhookOf(1, func(w *hook.Webhook) { w.Settings.Description = "Billing" })
	b := h.signedIn(0)
	path := webhooksPath + "/" + w.ID.String()
	for at, title := range map[string]string{
		path: "Webhook Billing · ", path + "/edit": "Edit webhook Billing · ", path + "/test": "Test a webhook Billing · ", path + "/delete": "Delete a webhook Billing · ",
	} {
		b.shows(b.get(at), http.StatusOK, "<title>"+title)
	}
	b.shows(b.follow(b.post(path+"/disable", url.Values{})), http.StatusOK, `role="status" tabindex="-1" autofocus>The webhook is disabled`)
	b.shows(b.post(webhooksPath+"/new", url.Values{"url": {"javascript:alert(1)"}}), http.StatusUnprocessableEntity, `role="alert" tabindex="-1" autofocus`)
}

// A name that is written to look like another one is seen to be another one, wherever it is shown, and a form gives back what it was.
func TestNamesDoNotMislead(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.Open(t).Store, func(o *console.Options) {
		o.Tester = scriptedTester{hook.Attempt{Number: 1, Status: http.StatusInternalServerError, Failure: hook.FailureStatus, Events: 1, Response: []byte("a\x1b[2Jb\u202ec\xff"), Error: "x\x1by"}}
	})
	const name = "\u202egnilliB\u200b"
	w := h.webhookOf(1, func(w *hook.Webhook) { w.Settings.Description = name })
	b := h.signedIn(0)
	const marked = `<span class="unseen" data-code="U+202E">` + "\u202e" + `</span>gnilliB<span class="unseen" data-code="U+200B">` + "\u200b" + `</span>`
	b.shows(b.get(webhooksPath), http.StatusOK, marked)
	b.shows(b.get("/console/cc/default/notices"), http.StatusOK, "[U+202E]gnilliB[U+200B], https://")
	path := webhooksPath + "/" + w.ID.String()
	b.shows(b.get(path), http.StatusOK, "<title>Webhook [U+202E]gnilliB[U+200B] · ", "<h1><bdi>"+marked)
	b.shows(b.get(path+"/edit"), http.StatusOK, `value="`+name+`"`)
	a := b.post(path+"/test", url.Values{})
	b.shows(a, http.StatusOK, "a␛[2Jb\uFFFDc\uFFFD", "x␛y")
	if strings.ContainsAny(a.body, "\x1b") {
		t.Error("what the receiver says could command a terminal")
	}
}
