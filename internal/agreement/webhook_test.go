package agreement

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// webhookChoices are values for each setting of a webhook, good ones and bad ones.
func webhookChoices() map[string][]choice {
	same := func(values ...any) (list []choice) {
		for _, v := range values {
			list = append(list, choice{api: v})
		}
		return list
	}
	durations := func(values ...any) []choice { return same(append(values, "x", "-1s", "9999h", "10")...) }
	flag := []choice{{true, []string{"true"}}, {false, []string{}}}
	return map[string][]choice{
		"url":              same("https://a.example/x", "http://b.example:8080/?q=1", "ftp://a.example/", "https://u:p@a.example/", "a", "https://10.0.0.1/", "https://a.example/#f", "https://a.example/"+strings.Repeat("a", 2100)),
		"description":      same("", "CRM", "a\u202eb", "<script>", strings.Repeat("a", 5000), "a\x00b"),
		"events":           same([]string{}, []string{"STARTED"}, []string{"STARTED", "FINISHED"}, []string{"STARTED", "STARTED"}, []string{"ENDED"}),
		"mediaTypes":       same([]string{}, []string{"chat"}, []string{"chat", "fax"}),
		"subtypes":         same([]string{}, []string{"SMS", "WhatsApp"}, []string{"x"}),
		"notices":          same([]string{}, []string{"circuitOpened"}, []string{"x"}),
		"requestTimeout":   durations("1s", "10s", "500ms", "5m", "0s"),
		"retry.timeout":    durations("1s", "7s"),
		"retry.attempts":   same(0, 7, -1, 1000),
		"retry.backoff":    same(1, 2.5, 0.5, 100),
		"retry.maxTimeout": durations("1h", "1s"),
		"retry.jitter":     same(0, 0.25, 0.5, 2),
		"success":          same("200", "2xx", "3xx"),
		"concurrency":      same(1, 8, 0, -1, 100_000),
		"rateLimit":        same(1, 500, 0, -1, 10_000_000),
		"batch.maxEvents":  same(1, 10, 0, 100_000),
		"batch.linger":     durations("0s", "100ms", "2s"),
		// The defaults are left out: where the form has them, the webhook goes on to follow them, and in a body they are fixed.
		"circuitBreaker.failures": same(5, 30, 0, 1_000_000),
		"circuitBreaker.share":    same(0.5, 0.9, 0, 2),
		"circuitBreaker.minimum":  same(10, 60, 0, 1_000_000),
		"disable.after":           durations("72h", "1s", "0s"),
		"disable.onGone":          flag,
		"signatures":              same([]string{"sha1"}, []string{"sha1", "sha256"}, []string{"sha1", "sha256", "standard"}, []string{"md5"}),
		"metadata":                same([]string{}, []string{"attempt"}, []string{"x"}),
		"headers":                 {{map[string]string{"X-A": "1"}, []string{"X-A: 1"}}, {map[string]string{"Host": "a"}, []string{"Host: a"}}, {map[string]string{"X A": "b"}, []string{"X A: b"}}, {map[string]string{"X-B": "b\u00e4"}, []string{"X-B: b\u00e4"}}},
		"authorization":           nil, // see drawAuthorization
		"tls.certificate":         same("x"),
		"tls.roots":               same("x"),
		"enabled":                 flag,
		"secret":                  same("0123456789abcdef", "short", strings.Repeat("s", 300)),
	}
}

// authorizations are whole values of the setting of that name.
func authorizations() []map[string]any {
	return []map[string]any{
		{"type": "basic", "username": "u", "password": "p"},
		{"type": "basic", "username": "u:u", "password": "p"},
		{"type": "basic", "username": "u"},
		{"type": "oauth2", "tokenUrl": "https://t.example/token", "clientId": "c", "clientSecret": "s", "scopes": []string{"a", "b"}, "audience": "x", "inBody": true},
		{"type": "oauth2", "tokenUrl": "http://t.example/token", "clientId": "", "clientSecret": "s"},
		{"type": "oauth2", "tokenUrl": "https://10.0.0.1/token", "clientId": "c", "clientSecret": "s"},
	}
}

// change is a draw of settings for a body and a form.
func change(t *rapid.T, body map[string]any, form url.Values, leaveOut ...string) {
	choices := webhookChoices()
	for _, name := range leaveOut {
		delete(choices, name)
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(namesOf(choices)), 1, 4, rapid.ID).Draw(t, "fields") {
		if name == "authorization" {
			auth := rapid.SampledFrom(authorizations()).Draw(t, name)
			body[name] = maps.Clone(auth)
			for field, value := range auth {
				switch v := value.(type) {
				case bool:
					form.Set(name+"."+field, "true")
				case []string:
					form.Set(name+"."+field, strings.Join(v, " "))
				case string:
					form.Set(name+"."+field, v)
				}
			}
			continue
		}
		c := rapid.SampledFrom(choices[name]).Draw(t, name)
		set(body, name, c.api)
		c.in(form, name)
	}
}

// newest returns the newest webhook of a contact centre.
func (d *doors) newest(center string) *hook.Webhook {
	d.tb.Helper()
	list, _, err := d.store.Webhooks(d.tb.Context(), d.numbers[center], store.Page{Limit: 1})
	if err != nil || len(list) != 1 {
		d.tb.Fatalf("%d webhooks, %v", len(list), err)
	}
	return list[0]
}

// sameWebhook fails unless the newest webhooks of both are the same, but for what differs by chance.
func (d *doors) sameWebhook(tb testing.TB, given bool) {
	tb.Helper()
	a, b := d.newest(byAPI), d.newest(byForm)
	if diff := cmp.Diff(a.Settings, b.Settings, cmpopts.EquateEmpty()); diff != "" || a.Enabled != b.Enabled {
		tb.Fatalf("what is stored differs (-API +console):\n%s", diff)
	}
	if given && !a.Secrets.Current.Equal(b.Secrets.Current) {
		tb.Fatal("the secrets differ")
	}
}

// rest is a testing.TB whose failures rapid sees.
type rest struct {
	testing.TB
	t *rapid.T
}

func (r rest) Helper()                        { r.t.Helper() }
func (r rest) Fatalf(format string, a ...any) { r.t.Fatalf(format, a...) }
func (r rest) Fatal(a ...any)                 { r.t.Fatal(a...) }

// A webhook that is made in the console is the one that the API makes of the same settings, and both refuse the same ones.
func TestWebhooksAreMadeAlike(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	untouched := d.fill("webhooks/new", "webhooks/new")
	rapid.Check(t, func(t *rapid.T) {
		body, form := map[string]any{"url": "https://receiver.example/"}, maps.Clone(untouched)
		form.Set("url", "https://receiver.example/")
		form.Del("once")
		change(t, body, form)
		if rapid.IntRange(0, 3).Draw(t, "purpose") == 0 {
			body["purpose"] = "notices"
			form.Set("purpose", "notices")
		}
		asked, sent := d.call(http.MethodPost, "/v1/webhooks", body), d.send(http.MethodPost, page("webhooks/new"), form)
		d.agree(rest{d.tb, t}, body, asked, sent)
		if _, given := body["secret"]; asked.done() {
			d.sameWebhook(rest{d.tb, t}, given)
		}
	})
}

// A webhook that is changed in the console becomes what the API makes of it by the same change.
func TestWebhooksAreChangedAlike(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	d.call(http.MethodPost, "/v1/webhooks", map[string]any{"url": "https://receiver.example/", "secret": "0123456789abcdef"})
	first := d.fill("webhooks/new", "webhooks/new")
	first.Set("url", "https://receiver.example/")
	first.Set("secret", "0123456789abcdef")
	d.send(http.MethodPost, page("webhooks/new"), first)
	a, b := d.newest(byAPI).ID.String(), d.newest(byForm).ID.String()
	rapid.Check(t, func(t *rapid.T) {
		body, form := map[string]any{}, d.fill("webhooks/"+b+"/edit", "webhooks/"+b+"/edit")
		change(t, body, form, "enabled", "secret", "headers", "notices") // of which the form has other fields, or none
		asked, sent := d.call(http.MethodPatch, "/v1/webhooks/"+a, body), d.send(http.MethodPost, page("webhooks/"+b+"/edit"), form)
		d.agree(rest{d.tb, t}, body, asked, sent)
		d.sameWebhook(rest{d.tb, t}, true)
	})
}

// A form that is sent as it was shown changes nothing, whatever settings the API has stored in whichever order.
func TestUntouchedFormChangesNothing(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	rapid.Check(t, func(t *rapid.T) {
		body, form := map[string]any{"url": "https://receiver.example/"}, url.Values{}
		change(t, body, form)
		body["signatures"] = rapid.Permutation([]string{"sha1", "sha256", "standard"}).Draw(t, "signatures")
		body["subtypes"] = rapid.Permutation([]string{"SMS", "WhatsApp", "InboundNew"}).Draw(t, "subtypes")
		made := d.callIn(byForm, http.MethodPost, "/v1/webhooks", body)
		if !made.done() {
			return
		}
		w := d.newest(byForm)
		path := "webhooks/" + w.ID.String() + "/edit"
		if sent := d.send(http.MethodPost, page(path), d.fill(path, path)); !sent.done() {
			t.Fatalf("%d %v", sent.status, sent.wrong)
		}
		if diff := cmp.Diff(w.Settings, d.newest(byForm).Settings); diff != "" || !strings.HasPrefix(d.last(byForm), "webhook.create ") {
			t.Fatalf("the form has changed something:\n%s\n%v", diff, d.last(byForm))
		}
		d.callIn(byForm, http.MethodDelete, "/v1/webhooks/"+w.ID.String(), nil)
	})
}
