package api_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// What is wrong with a parameter is said in words that mend it, without those of Go or of a library.
func TestWordsOfWrongParameters(t *testing.T) {
	h := start(t)
	for path, want := range map[string]struct{ location, message string }{
		"/v1/deliveries?from=24h":             {"query.from", "must be a time of the form 2026-11-22T16:00:00Z"},
		"/v1/audit?to=yesterday":              {"query.to", "must be a time of the form 2026-11-22T16:00:00Z"},
		"/v1/interactions?createdAfter=today": {"query.createdAfter", "must be a time of the form 2026-11-22T16:00:00Z"},
		"/v1/deliveries?webhookId=crm":        {"query.webhookId", `"crm" is not of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`},
		"/v1/replays/foo":                     {"path.id", `"foo" is not of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`},
	} {
		if got := h.call("GET", path, "").wrong(t)[want.location]; got != want.message {
			t.Errorf("%s: %q, want %q", path, got, want.message)
		}
	}
}

// A range of time that holds nothing is refused: an empty list would read as if nothing had happened.
func TestEmptyRange(t *testing.T) {
	h := start(t)
	const early, late = "2026-11-22T16:00:00Z", "2026-11-22T16:00:00.001Z"
	for path, bounds := range map[string][2]string{
		"/v1/deliveries": {"from", "to"}, "/v1/audit": {"from", "to"}, "/v1/interactions": {"createdAfter", "createdBefore"},
	} {
		for _, c := range []struct {
			begin, end string
			status     int
		}{{early, late, 200}, {late, early, 422}, {early, early, 422}, {"", early, 200}, {late, "", 200}} {
			q := url.Values{}
			for i, at := range []string{c.begin, c.end} {
				if at != "" {
					q.Set(bounds[i], at)
				}
			}
			r := h.call("GET", path+"?"+q.Encode(), "")
			if r.status != c.status || c.status == 422 && r.wrong(t)["query."+bounds[1]] == "" {
				t.Errorf("%s from %q to %q: %d %s", path, c.begin, c.end, r.status, r.body)
			}
		}
	}
}

// A contact centre that there is not is named.
func TestMissingContactCenter(t *testing.T) {
	h := start(t)
	for _, c := range [][3]string{{"GET", "nope"}, {"GET", "nope/retention/report"}, {"PATCH", "nope", `{"name":"Nope"}`}} {
		method, path := c[0], c[1]
		r := h.call(method, "/v1/contact-centers/"+path, c[2])
		if want := `"there is no contact centre with the id \"nope\""`; r.status != 404 || !strings.Contains(string(r.body), want) {
			t.Errorf("%s %s: %d %s", method, path, r.status, r.body)
		}
	}
}

// The bodies that the documentation shows are accepted as they are.
func TestExamplesWork(t *testing.T) {
	h := start(t)
	var document struct {
		Components struct {
			Schemas map[string]struct{ Examples []json.RawMessage }
		}
	}
	if err := json.Unmarshal(h.call("GET", "/openapi.json", "").body, &document); err != nil {
		t.Fatal(err)
	}
	example := func(schema string) string {
		t.Helper()
		all := document.Components.Schemas[schema].Examples
		if len(all) != 1 {
			t.Fatalf("%s has %d examples", schema, len(all))
		}
		return string(all[0])
	}
	id := text(h.must(201, "POST", "/v1/webhooks", example("WebhookDraft")), "id")
	h.must(200, "PATCH", "/v1/webhooks/"+id, example("WebhookPatch"))
	key := "/v1/keys/" + text(h.must(201, "POST", "/v1/keys", example("KeyDraft")), "id")
	h.must(200, "PATCH", key, example("KeyPatch"))
	h.must(200, "POST", key+"/expire", example("KeyExpiry"))
	h.must(200, "PATCH", "/v1/contact-centers/default", example("ContactCenterPatch"))
	replay := strings.Replace(example("ReplayDraft"), "0190a1b2-0000-7000-8000-000000000000", id, 1)
	if r := h.call("POST", "/v1/replays", replay); r.status != 200 && r.status != 202 {
		t.Errorf("the replay: %d %s", r.status, r.body)
	}
}
