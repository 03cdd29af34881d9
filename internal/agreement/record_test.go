package agreement

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// long is a text of so many bytes.
func long(n int) string { return strings.Repeat("a", n) }

// keys are the keys of a contact centre, without what differs by chance.
func (d *doors) keys(center string) []hook.Key {
	d.tb.Helper()
	list, _, err := d.store.Keys(d.numbers[center], store.Page{})
	if err != nil {
		d.tb.Fatal(err)
	}
	return list
}

// sameKeys fails unless both contact centres have the same keys.
func (d *doors) sameKeys() {
	d.tb.Helper()
	chance := cmpopts.IgnoreFields(hook.Key{}, "ID", "Center", "CreatedAt", "UpdatedAt")
	near := cmpopts.EquateApproxTime(time.Minute) // an end in so many hours begins with the request
	if diff := cmp.Diff(d.keys(byAPI), d.keys(byForm), chance, near, cmpopts.EquateEmpty()); diff != "" {
		d.tb.Errorf("the keys differ (-API +console):\n%s", diff)
	}
}

// A key that is made, changed, steered or deleted in the console is what the API makes of it.
func TestKeysAgree(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		text        string
		permissions []string
		expires     string
	}{
		{"good", "CRM", []string{"webhooks", "deliveries"}, ""},
		{"in another order, and twice", "CRM", []string{"deliveries", "webhooks", "deliveries"}, ""},
		{"one that contains another", "CRM", []string{"interactions:read", "interactions:read:chat"}, ""},
		{"an admin of the contact centre", "CRM", []string{"admin"}, "24h"},
		{"no name", "", []string{"webhooks"}, ""},
		{"a long name", long(300), []string{"webhooks"}, ""},
		{"a name that turns the line", "a\u202eb", []string{"webhooks"}, ""},
		{"a name of two lines", "a\nb", []string{"webhooks"}, ""},
		{"a reserved name", "configured", []string{"webhooks"}, ""},
		{"no permission", "CRM", []string{}, ""},
		{"no such permission", "CRM", []string{"webhooks", "everything"}, ""},
		{"all wrong", "", []string{"x"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := openDoors(t)
			body, form := map[string]any{"name": test.text, "permissions": test.permissions}, d.fill("keys/new", "keys")
			form.Set("name", test.text)
			form["permissions"] = test.permissions
			if test.expires != "" {
				body["expiresIn"] = test.expires
				form.Set("expiresIn", test.expires)
			}
			d.agree(t, test.name, d.call(http.MethodPost, "/v1/keys", body), d.send(http.MethodPost, page("keys"), form))
			d.sameKeys()

			// The same as a change of a key that is there.
			good := map[string]any{"name": "before", "permissions": []string{"events:read"}}
			d.call(http.MethodPost, "/v1/keys", good)
			d.callIn(byForm, http.MethodPost, "/v1/keys", good)
			a, b := d.keys(byAPI)[0].ID.String(), d.keys(byForm)[0].ID.String()
			form = d.fill("keys/"+b, "keys/"+b)
			form.Set("name", test.text)
			form["permissions"] = test.permissions
			d.agree(t, test.name, d.call(http.MethodPatch, "/v1/keys/"+a, map[string]any{"name": test.text, "permissions": test.permissions}), d.send(http.MethodPost, page("keys/"+b), form))
			d.sameKeys()
			for _, at := range []string{"2000-01-01T00:00", "2150-01-01T00:00", "x"} {
				form = d.fill("keys/"+b, "keys/"+b)
				form.Set("expiresAt", at)
				d.agree(t, at, d.call(http.MethodPatch, "/v1/keys/"+a, map[string]any{"expiresAt": strings.Replace(at+":00Z", "x:00Z", "x", 1)}), d.send(http.MethodPost, page("keys/"+b), form))
				d.sameKeys()
			}
			for _, op := range []string{"disable", "disable", "enable", "expire", "expire"} {
				d.agree(t, op, d.call(http.MethodPost, "/v1/keys/"+a+"/"+op, nil), d.send(http.MethodPost, page("keys/"+b+"/"+op), url.Values{}))
				d.sameKeys()
			}
			d.agree(t, "delete", d.call(http.MethodDelete, "/v1/keys/"+a, nil), d.send(http.MethodPost, page("keys/"+b+"/delete"), url.Values{}))
			d.sameKeys()
		})
	}
}

// The name and the retention of a contact centre are in the console what the API makes of them.
func TestSettingsAgree(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	for _, test := range []map[string]string{
		{"name": "Support"},
		{"name": ""},
		{"name": long(300)},
		{"name": "a\u202eb"},
		{"interactions": "720h", "attempts": "24h"},
		{"deliveries": "48h", "payloads": "2h"},
		{"attempts": "800h"},
		{"interactions": "0"},
		{"interactions": "0s"},
		{"payloads": "0"},
		{"interactions": "-1h"},
		{"interactions": "x", "deliveries": "y"},
		{"interactions": "1ms"},
		{"interactions": "9999999h"},
		{"interactions": "", "deliveries": "", "attempts": "", "payloads": ""},
		{"name": long(300), "interactions": "x"},
		{"name": long(300), "attempts": "999999h"},
	} {
		body, form := map[string]any{}, d.fill("settings", "settings")
		for name, text := range test {
			form.Set(name, text)
			var value any = text
			if name != "name" {
				name = "retention." + name
				if text == "" {
					value = nil
				}
			}
			set(body, name, value)
		}
		asked, sent := d.call(http.MethodPatch, "/v1/contact-centers/"+byAPI, body), d.send(http.MethodPost, page("settings"), form)
		d.agree(t, test, asked, sent)
		a, err := d.store.ReadContactCenter(byAPI)
		if err != nil {
			t.Fatal(err)
		}
		b, err := d.store.ReadContactCenter(byForm)
		if diff := cmp.Diff(a.Settings, b.Settings); diff != "" || a.Name != b.Name || err != nil {
			t.Errorf("%v: the settings differ (-API +console): %q, %q\n%s%v", test, a.Name, b.Name, diff, err)
		}
	}
}

// A contact centre is made in the console as the API makes it.
func TestContactCentersAgree(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	for n, test := range []struct{ id, name string }{
		{"good", "Good"}, {"", ""}, {"Not", "x"}, {"-x", long(300)}, {long(70), ""}, {"a b", "a\u202eb"},
	} {
		id := test.id
		if id == "good" {
			id += fmt.Sprint(n)
		}
		form := d.fill("settings", "settings/contact-centers")
		form.Set("newName", test.name)
		if form.Set("id", test.id); id != test.id {
			form.Set("id", "f-"+id)
		}
		asked, sent := d.call(http.MethodPost, "/v1/contact-centers", map[string]any{"id": id, "name": test.name}), d.send(http.MethodPost, page("settings/contact-centers"), form)
		for i, field := range sent.wrong {
			sent.wrong[i] = strings.Replace(field, "newName", "name", 1)
		}
		d.agree(t, test, asked, sent)
	}
	all := d.store.ContactCenters()
	a, b := all[len(all)-2], all[len(all)-1]
	if a.Name != "Good" || a.Name != b.Name || a.Settings != b.Settings {
		t.Errorf("made were %+v and %+v", a, b)
	}
	form := d.fill("settings", "settings/contact-centers")
	form.Set("id", byAPI)
	if sent := d.send(http.MethodPost, page("settings/contact-centers"), form); sent.status != http.StatusSeeOther || !strings.Contains(strings.Join(sent.header.Values("Set-Cookie"), ""), "flash") || len(d.store.ContactCenters()) != len(all) {
		t.Errorf("a used id: %d %s", sent.status, sent.body)
	}
}

// interactions are those of a contact centre, newest first.
func (d *doors) interactions(center string) []*hook.Interaction {
	d.tb.Helper()
	list, _, err := d.store.Interactions(d.tb.Context(), d.numbers[center], store.InteractionFilter{}, store.Page{})
	if err != nil {
		d.tb.Fatal(err)
	}
	return list
}

// sameInteractions fails unless both contact centres have the same.
func (d *doors) sameInteractions(what any) {
	d.tb.Helper()
	var texts [2][]string
	for i, center := range []string{byAPI, byForm} {
		for _, one := range d.interactions(center) {
			texts[i] = append(texts[i], fmt.Sprintf("%s %s %s %q %q %q %s %v %s %q %t", one.Media, one.Subtype, one.State, one.Queue, one.Agent, one.Content.Subject, one.Content.Contact,
				one.Content.UserData, one.Stopped.By, one.Stopped.Reason, one.StartedEvent != 0))
		}
	}
	if diff := cmp.Diff(texts[0], texts[1]); diff != "" {
		d.tb.Errorf("%v: the interactions differ (-API +console):\n%s", what, diff)
	}
}

// An interaction that is made by hand in the console is the one that the API makes.
func TestInteractionsAreMadeAlike(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	for _, test := range []struct {
		fields  map[string]string
		contact any
		data    map[string]string
	}{
		{fields: map[string]string{}},
		{fields: map[string]string{"queue": "support"}},
		{fields: map[string]string{"mediaType": "email", "subtype": "Outbound", "queue": "support", "subject": "Ada"}},
		{fields: map[string]string{"queue": "support"}, contact: map[string]any{"name": "Ada"}, data: map[string]string{"colour": "red", "size": "1=2"}},
		{fields: map[string]string{"mediaType": "fax"}},
		{fields: map[string]string{"subtype": "x", "queue": long(300)}},
		{fields: map[string]string{"subject": long(2000)}},
		{fields: map[string]string{"subject": "a\u202eb", "queue": "a\u202eb"}},
		{fields: map[string]string{"queue": "a\x00b"}},
		{fields: map[string]string{}, contact: "text"},
		{fields: map[string]string{}, contact: []int{1}},
		{fields: map[string]string{}, contact: map[string]any{"a": long(9000)}},
		{fields: map[string]string{}, data: map[string]string{"a": long(40_000)}},
		{fields: map[string]string{"mediaType": "email", "subtype": "SMS"}},
	} {
		body, form := map[string]any{"mediaType": "chat", "subtype": "InboundNew"}, d.fill("queues/new", "queues/new?agent=admin+key")
		for name, text := range test.fields {
			body[name] = text
			form.Set(name, text)
		}
		if test.contact != nil {
			body["contact"] = test.contact
			choice{api: test.contact}.in(form, "contact")
			if text, is := test.contact.(string); is {
				form.Set("contact", `"`+text+`"`)
			}
		}
		if test.data != nil {
			body["userData"] = test.data
			var lines []string
			for _, name := range namesOf(test.data) {
				lines = append(lines, name+"="+test.data[name])
			}
			form.Set("userData", strings.Join(lines, "\r\n"))
		}
		d.agree(t, test, d.call(http.MethodPost, "/v1/interactions", body), d.send(http.MethodPost, page("queues/new"), form))
		d.sameInteractions(test)
	}
}

// What is done with an interaction at the desk is what the API does, and a state that does not allow it is no other one.
func TestInteractionsAreChangedAlike(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	made := map[string]any{"mediaType": "chat", "subtype": "SMS"}
	d.call(http.MethodPost, "/v1/interactions", made)
	d.callIn(byForm, http.MethodPost, "/v1/interactions", made)
	a, b := d.interactions(byAPI)[0].ID.String(), d.interactions(byForm)[0].ID.String()
	for _, step := range []struct {
		op     string
		fields map[string]string
		// refused is whether the state does not allow it.
		refused bool
	}{
		{op: "accept", fields: map[string]string{"agent": "ada"}, refused: true},
		{op: "submit", fields: map[string]string{"queue": ""}},
		{op: "submit", fields: map[string]string{"queue": long(300)}},
		{op: "submit", fields: map[string]string{"queue": "support"}},
		{op: "submit", fields: map[string]string{"queue": "other"}, refused: true},
		{op: "return", refused: true},
		{op: "accept", fields: map[string]string{"agent": ""}},
		{op: "accept", fields: map[string]string{"agent": long(300)}},
		{op: "accept", fields: map[string]string{"agent": "ada"}},
		{op: "accept", fields: map[string]string{"agent": "bob"}, refused: true},
		{op: "return", fields: map[string]string{"queue": long(300)}},
		{op: "return", fields: map[string]string{"queue": "sales"}},
		{op: "accept", fields: map[string]string{"agent": "bob"}},
		{op: "return"},
		{op: "stop", fields: map[string]string{"by": ""}},
		{op: "stop", fields: map[string]string{"by": "nobody", "reason": long(300)}},
		{op: "stop", fields: map[string]string{"by": "agentDesktop", "reason": "resolved"}},
		{op: "accept", fields: map[string]string{"agent": "bob"}, refused: true},
		{op: "stop", fields: map[string]string{"by": "workflow"}},
	} {
		body, form, op := map[string]any{}, url.Values{}, step.op
		for name, text := range step.fields {
			body[name] = text
			form.Set(name, text)
		}
		if op == "return" && form.Get("queue") != "" {
			op = "transfer"
		}
		asked, sent := d.call(http.MethodPost, "/v1/interactions/"+a+"/"+step.op, body), d.send(http.MethodPost, page("queues/"+b+"/"+op), form)
		if step.refused {
			cookies := strings.Join(sent.header.Values("Set-Cookie"), "")
			if asked.status != http.StatusConflict || sent.status != http.StatusSeeOther || !strings.Contains(cookies, "flash") {
				t.Errorf("%v: %d %s, %d", step, asked.status, asked.body, sent.status)
			}
		} else {
			d.agree(t, step, asked, sent)
		}
		d.sameInteractions(step)
	}
}

// summed are the links to wrong fields at the top of a page.
var summed = regexp.MustCompile(`<li><a href="#f-(\w+)">`)

// A replay that is asked for in the console is the one that the API begins.
func TestReplaysAgree(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	ids := map[string]string{}
	for _, center := range []string{byAPI, byForm} {
		d.callIn(center, http.MethodPost, "/v1/webhooks", map[string]any{"url": "https://receiver.example/"})
		ids[center] = d.newest(center).ID.String()
	}
	for _, test := range []map[string]choice{
		{"from": {api: "2026-01-01T00:00:00Z"}, "to": {api: "2026-01-02T00:00:00Z"}, "states": {api: []string{"exhausted"}}},
		{"from": {api: "2026-01-01T00:00:00Z"}, "to": {api: "2026-01-02T00:00:00Z"}, "states": {api: []string{"exhausted", "delivered"}}, "events": {api: []string{"STARTED"}}, "mediaTypes": {api: []string{"email"}}, "rate": {api: 10}},
		{"from": {api: "2026-01-02T00:00:00Z"}, "to": {api: "2026-01-01T00:00:00Z"}},
		{"from": {api: "x"}},
		{"from": {api: "2026-01-01T00:00:00Z"}, "to": {api: "2150-01-01T00:00:00Z"}},
		{"from": {api: "2150-01-01T00:00:00Z"}},
		{"from": {api: "2026-01-01T00:00:00Z"}, "to": {api: "2026-01-02T00:00:00Z"}, "rate": {api: 0}},
		{"from": {api: "2026-01-01T00:00:00Z"}, "to": {api: "2026-01-02T00:00:00Z"}, "rate": {api: 10_000_000}},
		{"from": {api: "2026-01-01T00:00:00Z"}, "to": {api: "2026-01-02T00:00:00Z"}, "states": {api: []string{"pending"}}},
		{"from": {api: "2026-01-01T00:00:00Z"}, "to": {api: "2026-01-02T00:00:00Z"}, "events": {api: []string{"x"}}, "mediaTypes": {api: []string{"x"}}},
	} {
		body, form := map[string]any{"webhookId": ids[byAPI], "dryRun": true}, d.fill("replays/new", "replays/new")
		form.Set("webhook", ids[byForm])
		form.Set("dry", "yes")
		for name, c := range test {
			body[name] = c.api
			c.in(form, strings.Replace(name, "webhookId", "webhook", 1))
		}
		asked, sent := d.call(http.MethodPost, "/v1/replays", body), d.send(http.MethodPost, page("replays/new"), form)
		for _, m := range summed.FindAllStringSubmatch(sent.body, -1) { // boxes are named there alone
			sent.wrong = append(sent.wrong, m[1])
		}
		sent.wrong = sorted(sent.wrong)
		if asked.done() != sent.done() || !cmp.Equal(asked.wrong, sent.wrong) {
			t.Errorf("%v: %d %v %s, %d %v", test, asked.status, asked.wrong, asked.body, sent.status, sent.wrong)
		}
	}
	var texts [2][]string
	for i, center := range []string{byAPI, byForm} {
		list, _, err := d.store.Replays(t.Context(), d.numbers[center], store.Page{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			texts[i] = append(texts[i], fmt.Sprint(r.Filter, r.Rate, r.DryRun))
		}
	}
	if diff := cmp.Diff(texts[0], texts[1]); diff != "" {
		t.Errorf("the replays differ (-API +console):\n%s", diff)
	}
}
