package console_test

import (
	"context"
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/console"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

const webhooksPath = "/console/cc/default/webhooks"

// entered returns what a browser would send for the form of a page as it is: values of fields, boxes that are checked, and texts.
func entered(a reply) url.Values {
	v := url.Values{}
	attribute := func(tag, name string) string {
		m := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(tag)
		if m == nil {
			return ""
		}
		return html.UnescapeString(m[1])
	}
	_, form, _ := strings.Cut(a.body, `class="stack webhook-form"`)
	for _, tag := range regexp.MustCompile(`<input [^>]*>`).FindAllString(form, -1) {
		box := strings.Contains(tag, `type="checkbox"`) || strings.Contains(tag, `type="radio"`)
		if name := attribute(tag, "name"); !box || strings.Contains(tag, " checked") && !strings.Contains(tag, " disabled") {
			v.Add(name, attribute(tag, "value"))
		}
	}
	for _, m := range regexp.MustCompile(`(?s)<textarea [^>]*name="([^"]*)"[^>]*>\n(.*?)</textarea>`).FindAllStringSubmatch(form, -1) {
		v.Set(m[1], html.UnescapeString(m[2]))
	}
	return v
}

// with changes some of the values of a form.
func with(v url.Values, pairs ...string) url.Values {
	changed := maps.Clone(v)
	for i := 0; i < len(pairs); i += 2 {
		changed[pairs[i]] = []string{pairs[i+1]}
	}
	return changed
}

// actions are those of the audit log about a webhook, the oldest first.
func (h *house) actions(id string) (list []string) {
	h.tb.Helper()
	log, _, err := h.store.AuditLog(h.tb.Context(), 1, store.AuditFilter{Subject: id}, store.Page{})
	if err != nil {
		h.tb.Fatal(err)
	}
	for _, e := range log {
		if !strings.HasPrefix(string(e.Actor), "key ") {
			h.tb.Errorf("%s by %q", e.Action, e.Actor)
		}
		list = append(list, e.Action)
	}
	slices.Reverse(list)
	return list
}

// TestWebhookFromFormToDeletion shows that a webhook is made, changed, switched, rotated and deleted in the console, that a form which is sent twice
// counts once, that a secret is in the one answer that makes it, and that the audit log has all of it.
func TestWebhookFromFormToDeletion(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		h := open(t, e.Open(t).Store)
		b := h.signedIn(1, hook.PermitWebhooks)
		b.shows(b.get(webhooksPath), http.StatusOK, "No webhook yet", "hookswitch listen", "hookswitch webhooks create --url http://127.0.0.1:8481/")
		form := with(entered(b.get(webhooksPath+"/new")), "url", "http://127.0.0.1:9000/in", "description", "CRM "+hostile)
		made := b.post(webhooksPath+"/new", form)
		b.shows(made, http.StatusOK, "The webhook was created", "hookswitch listen --listen 127.0.0.1:9000", "Send a test")
		secret := regexp.MustCompile(`whsec_[A-Za-z0-9+/=]{44}`).FindString(html.UnescapeString(made.body))
		again := b.post(webhooksPath+"/new", form)
		page := b.follow(again)
		b.shows(page, http.StatusOK, "CRM &#34;&gt;&lt;script&gt;", "20 attempts in 2 days 22 h", "No attempts.")
		if all := html.UnescapeString(again.body + again.location + page.body); secret == "" || strings.Contains(all, secret) || strings.Contains(page.body, "<script>alert") {
			t.Errorf("secret %q; the page:\n%s", secret, page.body)
		}
		list, _, err := h.store.Webhooks(t.Context(), 1, store.Page{})
		if err != nil || len(list) != 1 || list[0].Secrets.Current.Reveal() != secret {
			t.Fatalf("%d webhooks, %v", len(list), err)
		}
		id := list[0].ID.String()
		one := webhooksPath + "/" + id

		edited := with(entered(b.get(one+"/edit")), "description", "CRM", "retry.attempts", "3", "success", "2xx")
		b.shows(b.follow(b.post(one+"/edit", edited)), http.StatusOK, "The settings were saved", "4 attempts in 1 min 5 s", "any 2xx")
		b.follow(b.post(one+"/edit", edited)) // a second time it changes nothing, and is no conflict

		for _, step := range []struct{ path, says string }{{"disable", "disabled by hand"}, {"enable", "Disable this webhook"}} {
			b.shows(b.follow(b.post(one+"/"+step.path, url.Values{"once": {step.path}})), http.StatusOK, step.says)
			b.follow(b.post(one+"/"+step.path, url.Values{"once": {step.path}}))
		}
		rotateInTheConsole(t, b, one)
		b.shows(b.get(one+"/delete"), http.StatusOK, "Delete this webhook")
		b.shows(b.follow(b.post(one+"/delete", url.Values{"once": {"d"}})), http.StatusOK, "The webhook was deleted", "No webhook yet")
		b.shows(b.follow(b.post(one+"/delete", url.Values{"once": {"d"}})), http.StatusOK, "does not exist any more")
		want := []string{
			"webhook.create", "webhook.update", "webhook.disable", "webhook.enable", "secret.add", "secret.promote", "secret.expire", "secret.add", "secret.expire", "webhook.delete",
		}
		if got := h.actions(id); !slices.Equal(got, want) {
			t.Errorf("audited %v, want %v", got, want)
		}
	})
}

// rotateInTheConsole goes through the steps of two rotations, of which one is given up.
func rotateInTheConsole(t *testing.T, b *browser, one string) {
	t.Helper()
	next := url.Values{"once": {"next"}, "step": {"next"}}
	added := b.post(one+"/secrets", next)
	b.shows(added, http.StatusOK, "The next secret was added", "whsec_", "Test with the next secret")
	if again := b.follow(b.post(one+"/secrets", next)); strings.Contains(again.body, "whsec_") {
		t.Error("the next secret is shown a second time")
	}
	b.shows(b.get(one), http.StatusOK, "waits for its promotion", "Promote the next secret")
	b.shows(b.follow(b.post(one+"/secrets", url.Values{"step": {"promote"}, "keepPrevious": {"900h"}})), http.StatusOK, "Not done", "720h")
	b.shows(b.follow(b.post(one+"/secrets", url.Values{"step": {"promote"}, "keepPrevious": {"24h"}})), http.StatusOK, "is the current one now", "End the previous secret now")
	b.shows(b.follow(b.post(one+"/secrets", url.Values{"step": {"promote"}, "keepPrevious": {"24h"}})), http.StatusOK, "Not done", "there is none")
	b.shows(b.follow(b.post(one+"/secrets", url.Values{"step": {"expire-previous"}})), http.StatusOK, "signs nothing any more", "One secret signs.")
	b.shows(b.post(one+"/secrets", url.Values{"step": {"next"}, "secret": {"short"}}), http.StatusUnprocessableEntity, "16 to 256 are allowed")
	b.shows(b.post(one+"/secrets", url.Values{"step": {"next"}, "secret": {"given-secret-of-mine"}}), http.StatusOK, "given-secret-of-mine")
	b.shows(b.follow(b.post(one+"/secrets", url.Values{"step": {"expire-next"}})), http.StatusOK, "given up")
	b.shows(b.post(one+"/secrets", url.Values{"step": {"other"}}), http.StatusUnprocessableEntity, "none of a rotation")
}

// TestWebhooksThatNeedSomebodyComeFirst shows the order of the list, and each state in words.
func TestWebhooksThatNeedSomebodyComeFirst(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	b := h.signedIn(1)
	gone := func(w *hook.Webhook) {
		w.Enabled, w.Disabled = false, hook.Disabled{At: time.Now(), For: hook.DisabledGone}
	}
	h.webhookOf(1, func(w *hook.Webhook) { w.Enabled, w.Settings.Description = false, "first by hand" })
	server := h.webhookOf(1, func(w *hook.Webhook) { w.Settings.Description = "then the server" })
	if _, err := h.store.UpdateWebhook(t.Context(), 1, server.ID, time.Now(), func(w *hook.Webhook) error {
		gone(w)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	h.webhookOf(1, func(w *hook.Webhook) {
		w.Settings.Description = "at last " + strings.Repeat("long ", 200) + "\u202egnp.exe"
	})
	page := b.get(webhooksPath)
	b.shows(page, http.StatusOK, "disabled by the server", "disabled by hand", "3 webhooks", "<bdi>at last long")
	order := []int{strings.Index(page.body, "then the server"), strings.Index(page.body, "first by hand"), strings.Index(page.body, "at last")}
	if !slices.IsSorted(order) {
		t.Errorf("the order is %v", order)
	}
	b.shows(b.get(webhooksPath+"/"+server.ID.String()), http.StatusOK, "answered 410 Gone", "Enable this webhook")
	b.post(webhooksPath+"/"+server.ID.String()+"/enable", url.Values{})
	b.post(webhooksPath+"/"+server.ID.String()+"/disable", url.Values{})
	b.shows(b.get(webhooksPath+"/"+server.ID.String()), http.StatusOK, "It was disabled by key")
	b.shows(b.get(webhooksPath+"?cursor=99999"), http.StatusOK, "3 webhooks")
}

// TestWebhooksAreForThosePermitted shows that the pages need the permission, and that another contact centre's webhook does not exist.
func TestWebhooksAreForThosePermitted(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	other, err := h.store.CreateContactCenter(t.Context(), time.Now(), "other", "Other", nil)
	if err != nil {
		t.Fatal(err)
	}
	mine, foreign := h.webhookOf(1), h.webhookOf(other.Number)
	reader, owner := h.signedIn(1, hook.PermitDeliveries), h.signedIn(1, hook.PermitWebhooks)
	if page := reader.get("/console/cc/default/"); strings.Contains(page.body, webhooksPath) {
		t.Error("the navigation names what is not permitted")
	}
	if page := owner.get(webhooksPath + "/" + mine.ID.String()); strings.Contains(page.body, "/deliveries") {
		t.Error("the page links to what is not permitted")
	}
	for _, part := range []string{"", "/edit", "/test", "/delete"} {
		reader.shows(reader.get(webhooksPath+"/"+mine.ID.String()+part), http.StatusForbidden)
		owner.shows(owner.get(webhooksPath+"/"+foreign.ID.String()+part), http.StatusNotFound)
	}
	for _, part := range []string{"/edit", "/test", "/enable", "/disable", "/secrets"} {
		reader.shows(reader.post(webhooksPath+"/"+mine.ID.String()+part, url.Values{}), http.StatusForbidden)
		owner.shows(owner.post(webhooksPath+"/"+foreign.ID.String()+part, url.Values{}), http.StatusNotFound)
	}
	reader.shows(reader.post(webhooksPath+"/new", url.Values{}), http.StatusForbidden)
	owner.shows(owner.get("/console/cc/other/webhooks"), http.StatusNotFound)
	owner.shows(owner.get(webhooksPath+"/none"), http.StatusNotFound)
	if again, err := h.store.Webhook(t.Context(), other.Number, foreign.ID); err != nil || !again.UpdatedAt.Equal(foreign.UpdatedAt) {
		t.Errorf("the other contact centre's webhook was changed: %v", err)
	}
}

// answering is a tester that answers as it is told.
type answering struct{ attempt *hook.Attempt }

func (a answering) Test(context.Context, *hook.Webhook) hook.Attempt { return *a.attempt }

// TestWebhookTestNamesLikelyCauses shows what is said of a test's answer, and when signatures are doubted.
func TestWebhookTestNamesLikelyCauses(t *testing.T) {
	var attempt hook.Attempt
	h := open(t, storetest.Open(t).Store, func(o *console.Options) { o.Tester = answering{&attempt} })
	b, w := h.signedIn(1), h.webhookOf(1)
	at := webhooksPath + "/" + w.ID.String() + "/test"
	b.shows(b.get(at), http.StatusOK, "Nothing is stored")
	const doubts = "Does the signature not fit?"
	for _, test := range []struct {
		name    string
		attempt hook.Attempt
		says    []string
		doubts  bool
	}{
		{"acknowledged", hook.Attempt{Status: 200, Duration: 12 * time.Millisecond, Response: []byte("thanks " + hostile)}, []string{"acknowledged", "12 ms", "thanks &#34;&gt;&lt;script"}, false},
		{"refused", hook.Attempt{Failure: hook.FailureRefused, Error: "connection refused"}, []string{"Nothing listens", "connection refused"}, false},
		{"401", hook.Attempt{Status: 401, Failure: hook.FailureStatus, Timing: hook.Timing{DNS: 3 * time.Millisecond, Connect: time.Millisecond}}, []string{"3.00 ms", "Run one of these", "openssl dgst"}, true},
		{"in words", hook.Attempt{Status: 400, Failure: hook.FailureStatus, Response: []byte("Bad Signature")}, []string{"Bad Signature"}, true},
		{"500", hook.Attempt{Status: 500, Failure: hook.FailureStatus, Response: []byte("down")}, []string{"not acknowledged", "The receiver failed while it handled the event"}, false},
		{"broken bytes", hook.Attempt{Status: 500, Failure: hook.FailureStatus, Response: []byte{0xff, 'x'}}, []string{"\uFFFDx"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			attempt = test.attempt
			page := b.post(at, url.Values{})
			b.shows(page, http.StatusOK, test.says...)
			if strings.Contains(page.body, doubts) != test.doubts || strings.Contains(page.body, "<script>alert") || strings.Contains(page.body, "0123456789abcdef") {
				t.Errorf("the page:\n%s", page.body)
			}
		})
	}
	attempt = hook.Attempt{Status: 401, Failure: hook.FailureStatus, Response: []byte(`{"reason":"body_changed"}`)}
	page := b.post(at, url.Values{})
	if first, second := strings.Index(page.body, "parsed and written again"), strings.Index(page.body, "has another secret"); first < 0 || first > second || !strings.Contains(page.body, "the receiver says so") {
		t.Errorf("the receiver's own reason is not first:\n%s", page.body)
	}
	b.shows(b.follow(b.post(at, url.Values{"secret": {"next"}})), http.StatusOK, "Not done", "add one first")
	b.post(webhooksPath+"/"+w.ID.String()+"/secrets", url.Values{"step": {"next"}})
	page = b.post(at, url.Values{"secret": {"next"}})
	b.shows(page, http.StatusOK, "signed with the next secret alone", "A rotation of the secret is under way")
}

// TestWebhookTestWithoutEngine shows what a server says that sends nothing.
func TestWebhookTestWithoutEngine(t *testing.T) {
	h := open(t, storetest.Open(t).Store, func(o *console.Options) { o.Tester = nil })
	b, w := h.signedIn(1), h.webhookOf(1)
	b.shows(b.post(webhooksPath+"/"+w.ID.String()+"/test", url.Values{}), http.StatusConflict, "sends no webhooks")
}

// TestNextSecretIsReceivedBesideTheCurrentOne shows that what the page of a next secret gives to copy takes both secrets: with that one alone, a receiver would refuse
// everything until the promotion.
func TestNextSecretIsReceivedBesideTheCurrentOne(t *testing.T) {
	t.Parallel()
	s := newStage(t, storetest.Open(t))
	w := s.hears("http://127.0.0.1:8482/")
	b := s.signedIn(1)
	added := b.post("/console/cc/default/webhooks/"+w.ID.String()+"/secrets", url.Values{"step": {"next"}, "secret": {"the next secret of sixteen"}})
	b.shows(added, http.StatusOK, "export HOOKSWITCH_SECRET_NEXT=&#39;the next secret of sixteen&#39;",
		html.EscapeString(`hookswitch listen --listen 127.0.0.1:8482 --secret-file <(echo "$HOOKSWITCH_SECRET") --secret-file <(echo "$HOOKSWITCH_SECRET_NEXT")`),
		html.EscapeString(`[]byte(os.Getenv("HOOKSWITCH_SECRET")), []byte(os.Getenv("HOOKSWITCH_SECRET_NEXT"))`))
}
