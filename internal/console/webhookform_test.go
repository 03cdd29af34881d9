package console_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/console"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// TestWebhookFormNamesEveryWrongField shows that what is wrong is said at its field with what was entered kept, that nothing is made, and that
// secrets are not repeated.
func TestWebhookFormNamesEveryWrongField(t *testing.T) {
	h := open(t, storetest.Open(t).Store, func(o *console.Options) {
		o.CheckURL = func(u *url.URL) error {
			if u.Hostname() == "10.0.0.1" {
				return errors.New("the address 10.0.0.1 is private")
			}
			return nil
		}
		o.CheckLease = func(s *hook.Settings) error {
			if s.RequestTimeout > hook.Duration(30*time.Second) {
				return errors.New("is too long for this server's lease")
			}
			return nil
		}
	})
	b := h.signedIn(1)
	blank := with(entered(b.get(webhooksPath+"/new")), "url", "https://receiver.example/")
	for _, test := range []struct {
		name   string
		change []string
		says   []string
	}{
		{"no URL", []string{"url", ""}, []string{`href="#field-url"`, "must not be empty"}},
		{"a private URL", []string{"url", "http://10.0.0.1/"}, []string{"the address 10.0.0.1 is private", `value="http://10.0.0.1/"`}},
		{"a hostile URL", []string{"url", hostile}, []string{"is not an absolute URL"}},
		{"durations", []string{"retry.timeout", "soon", "batch.linger", "9s"}, []string{`value="soon"`, "must be a duration such as", "must be from 0s to 1s"}},
		{"numbers", []string{"retry.attempts", "many", "retry.jitter", "0.9", "concurrency", "0"}, []string{"must be a whole number", "must be from 0 to 0.5", "must be from 1 to 1024"}},
		{"the lease", []string{"requestTimeout", "40s"}, []string{"is too long for this server"}},
		{"lists", []string{"mediaTypes", "fax"}, []string{"must be one of [chat email]"}},
		{"a filter of another purpose", []string{"purpose", "notices", "events", "STARTED"}, []string{"is for webhooks whose purpose is"}},
		{"headers", []string{"headers", "X-One: 1\r\nno colon\r\nX-Ccid: x"}, []string{"line 2 is not of the form", "X-One: 1"}},
		{"a header of ours", []string{"headers", "X-Ccid: x"}, []string{"X-Ccid is a header that Hookswitch or HTTP sets itself"}},
		{"three stars", []string{"headers", "X-One: ***"}, []string{"keeps the value that is stored, and none is"}},
		{"a short secret", []string{"secret", "hunter2"}, []string{"is 7 bytes long", "a page does not repeat it"}},
		{"Basic without password", []string{"authorization.type", "basic"}, []string{`id="group-authorization" open`, "must not be empty where the user name is empty"}},
		{"OAuth2", []string{"authorization.type", "oauth2", "authorization.clientSecret", "hunter2", "authorization.tokenUrl", "http://10.0.0.1/"}, []string{"the address 10.0.0.1 is private"}},
		{"another kind", []string{"authorization.type", "x"}, []string{"must be none, basic or oauth2"}},
		{"a key alone", []string{"tls.key", "hunter2"}, []string{"a key says nothing without its certificate"}},
		{"no certificate", []string{"tls.certificate", "text\r\nof mine"}, []string{"holds a text where certificate 1 would be", "of mine"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			page := b.post(webhooksPath+"/new", with(blank, test.change...))
			b.shows(page, http.StatusUnprocessableEntity, append(test.says, "Nothing was saved", `aria-invalid="true"`)...)
			if strings.Contains(page.body, "hunter2") || strings.Contains(page.body, "<script>alert") {
				t.Errorf("the page:\n%s", page.body)
			}
		})
	}
	if list, _, err := h.store.Webhooks(t.Context(), 1, store.Page{}); err != nil || len(list) != 0 {
		t.Errorf("%d webhooks, %v", len(list), err)
	}
}

// TestWebhookFormSetsEverything shows that each setting gets where it belongs, and that the form of a webhook, sent as it is, changes none.
func TestWebhookFormSetsEverything(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	b := h.signedIn(1)
	form := with(
		entered(b.get(webhooksPath+"/new")), "url", " https://receiver.example/ ", "requestTimeout", "12s", "retry.timeout", "2 s", "retry.attempts", "4", "retry.backoff", "1.5",
		"retry.maxTimeout", "1m", "retry.jitter", "0", "success", "2xx", "concurrency", "7", "rateLimit", "9", "batch.maxEvents", "3", "batch.linger", "100ms",
		"circuitBreaker.failures", "5", "disable.after", "72h", "disable.onGone", "true", "headers", "X-Tenant: 4711\r\nX-Other: a:b", "authorization.type", "basic",
		"authorization.username", "user", "authorization.password", "hunter2", "events", "FINISHED", "enabled", "",
	)
	form["signatures"], form["metadata"] = []string{"sha1", "standard"}, nil
	b.shows(b.post(webhooksPath+"/new", form), http.StatusOK, "The webhook was created")
	list, _, err := h.store.Webhooks(t.Context(), 1, store.Page{})
	if err != nil || len(list) != 1 {
		t.Fatalf("%d webhooks, %v", len(list), err)
	}
	want := hook.DefaultSettings()
	want.URL, want.RequestTimeout, want.Success, want.Concurrency, want.RateLimit = "https://receiver.example/", hook.Duration(12*time.Second), hook.Success2xx, 7, 9
	want.Retry = hook.Retry{Timeout: hook.Duration(2 * time.Second), Attempts: 4, Backoff: 1.5, MaxTimeout: hook.Duration(time.Minute)}
	want.Batch = hook.Batch{MaxEvents: 3, Linger: hook.Duration(100 * time.Millisecond)}
	want.Breaker = hook.BreakerLimits{Failures: 5}
	want.Disable = hook.Disable{After: hook.Duration(72 * time.Hour), OnGone: true}
	want.Events = append(want.Events, "FINISHED")
	want.Signatures, want.Metadata = []hook.Signature{hook.SignatureSHA1, hook.SignatureStandard}, []hook.Metadata{}
	want.Headers = map[string]string{"X-Tenant": "4711", "X-Other": "a:b"}
	got := list[0].Settings
	if basic := got.Authorization.Basic; basic == nil || basic.Username != "user" || basic.Password.Reveal() != "hunter2" || list[0].Enabled {
		t.Errorf("authorization %+v, enabled %v", got.Authorization, list[0].Enabled)
	}
	got.Authorization = hook.Authorization{}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b hook.Secret) bool { return a.Equal(b) })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	one := webhooksPath + "/" + list[0].ID.String()
	edit := b.get(one + "/edit")
	for _, secret := range []string{"hunter2", "4711", "a:b"} {
		if strings.Contains(edit.body, secret) {
			t.Errorf("the form shows %q", secret)
		}
	}
	b.shows(b.follow(b.post(one+"/edit", entered(edit))), http.StatusOK, "The settings were saved", "X-Other: ***")
	if again := h.actions(list[0].ID.String()); len(again) != 1 {
		t.Errorf("audited %v", again)
	}
}

// TestStoredCredentialsStayWithTheirReceiver shows that what is stored is kept where a field is left empty, and needed again for another receiver.
func TestStoredCredentialsStayWithTheirReceiver(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	b := h.signedIn(1)
	w := h.webhookOf(1, func(w *hook.Webhook) {
		w.Settings.Headers = map[string]string{"X-Token": "hunter2"}
		w.Settings.Authorization.OAuth2 = &hook.ClientCredentials{TokenURL: "https://login.example/", ClientID: "me", ClientSecret: hook.NewSecret("hunter3"), Scopes: []string{"a", "b"}}
	})
	one := webhooksPath + "/" + w.ID.String()
	form := entered(b.get(one + "/edit"))
	page := b.post(one+"/edit", with(form, "url", "https://elsewhere.example/"))
	b.shows(page, http.StatusUnprocessableEntity, "X-Token is kept for the receiver that the URL", "give it again with another of them")
	b.shows(b.post(one+"/edit", with(form, "authorization.tokenUrl", "https://elsewhere.example/")), http.StatusUnprocessableEntity, "give it again with another of them")
	b.follow(b.post(one+"/edit", with(form, "url", "https://elsewhere.example/", "headers", "X-Token: other", "authorization.clientSecret", "hunter4")))
	now, err := h.store.Webhook(t.Context(), 1, w.ID)
	if err != nil || now.Settings.URL != "https://elsewhere.example/" || now.Settings.Headers["X-Token"] != "other" || now.Settings.Authorization.OAuth2.ClientSecret.Reveal() != "hunter4" {
		t.Fatalf("%+v, %v", now, err)
	}
	b.follow(b.post(one+"/edit", with(entered(b.get(one+"/edit")), "headers", "", "authorization.type", "none")))
	if now, err = h.store.Webhook(t.Context(), 1, w.ID); err != nil || len(now.Settings.Headers) != 0 || !now.Settings.Authorization.IsZero() {
		t.Errorf("%+v, %v", now.Settings, err)
	}
}

// TestAFormDoesNotUndoWhatOthersChange shows that a form that was opened before somebody else's change is shown again, and saved when it is sent
// once more.
func TestAFormDoesNotUndoWhatOthersChange(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	b, w := h.signedIn(1), h.webhookOf(1)
	one := webhooksPath + "/" + w.ID.String()
	form := with(entered(b.get(one+"/edit")), "description", "mine")
	if _, err := h.store.UpdateWebhook(t.Context(), 1, w.ID, time.Now().Add(time.Second), func(w *hook.Webhook) error {
		w.Settings.Description = "theirs"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	again := b.post(one+"/edit", form)
	b.shows(again, http.StatusUnprocessableEntity, "somebody else has changed the webhook", `value="mine"`)
	if now, err := h.store.Webhook(t.Context(), 1, w.ID); err != nil || now.Settings.Description != "theirs" {
		t.Errorf("%+v, %v", now, err)
	}
	b.shows(b.follow(b.post(one+"/edit", entered(again))), http.StatusOK, "mine")
}

// TestScheduleIsDrawnWithoutSaving shows that the buttons of the form, and its script, get a drawing of what is entered, and that nothing is made.
func TestScheduleIsDrawnWithoutSaving(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	b := h.signedIn(1)
	form := with(entered(b.get(webhooksPath+"/new")), "retry.attempts", "2", "description", "kept", "show", "schedule")
	b.shows(b.post(webhooksPath+"/new", form), http.StatusOK, "3 attempts in 20 s", `value="kept"`, `role="img"`, "<td class=\"number\">13.5 s to 16.5 s</td>")
	form.Set("show", "genesys")
	b.shows(b.post(webhooksPath+"/new", form), http.StatusOK, "6 attempts in 25 s", `value="kept"`)
	form = with(form, "show", "schedule", "retry.backoff", "x")
	b.shows(b.post(webhooksPath+"/new", form), http.StatusOK, "It cannot be drawn: retry.backoff must be a number")
	part := b.get(webhooksPath + "/schedule?retry.attempts=0")
	b.shows(part, http.StatusOK, "1 attempt and no redelivery")
	if strings.Contains(part.body, "<html") || strings.Contains(part.body, "<svg") {
		t.Errorf("the part:\n%s", part.body)
	}
	b.shows(b.get(webhooksPath+"/schedule?retry.timeout=%3Cscript%3E"), http.StatusOK, "It cannot be drawn")
	if list, _, err := h.store.Webhooks(t.Context(), 1, store.Page{}); err != nil || len(list) != 0 {
		t.Errorf("%d webhooks, %v", len(list), err)
	}
}
