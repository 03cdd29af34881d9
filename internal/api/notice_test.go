package api_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/api"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// notices walks a webhook for notices and the list of what it is told about another one through the document.
func (c *contract) notices(t *testing.T, about string) {
	made := c.good(201, "POST", "/v1/webhooks", `{"url":"https://operators.example/notices","purpose":"notices","notices":["webhook.circuitOpened"]}`)
	to := text(made, "id")
	if text(made, "purpose") != "notices" || text(made, "notices", 0) != "webhook.circuitOpened" || text(c.good(200, "GET", "/v1/webhooks/"+about, ``), "purpose") != "interactions" {
		t.Errorf("purposes: %v", made)
	}
	c.good(200, "PATCH", "/v1/webhooks/"+to, `{"notices":null,"purpose":"notices","batch":{"maxEvents":1}}`)
	c.good(200, "POST", "/v1/webhooks/"+to+"/test", ``)
	var id hook.WebhookID
	if err := id.UnmarshalText([]byte(about)); err != nil {
		t.Fatal(err)
	}
	w, err := c.store.Webhook(t.Context(), 1, id)
	if err != nil {
		t.Fatal(err)
	}
	opened := hook.OpenCircuit(time.Now(), &w.Settings.Retry)
	for _, step := range [][2]hook.Circuit{{{}, opened}, {opened, {}}} {
		if ok, err := c.store.SwapCircuit(t.Context(), w.Number, step[0], step[1]); err != nil || !ok {
			t.Fatalf("swap circuit: %v %v", ok, err)
		}
	}
	first := c.good(200, "GET", "/v1/notices?limit=1&webhookId="+about, ``)
	if text(first, "items", 0, "notice", "type") != "io.hookswitch.webhook.circuitClosed" || text(first, "items", 0, "deliveries", 0, "webhookId") != to {
		t.Errorf("the newest notice: %v", first)
	}
	c.good(200, "GET", "/v1/notices?limit=1&cursor="+text(first, "nextCursor"), ``)
	opens := c.good(200, "GET", "/v1/notices?type=webhook.circuitOpened", ``)
	if n := items(opens, "items"); len(n) != 1 || text(opens, "items", 0, "notice", "data", "circuit", "state") != "open" || opens["nextCursor"] != nil {
		t.Errorf("those of one type: %v", opens)
	}
	delivery := text(opens, "items", 0, "deliveries", 0, "id")
	c.bad(404, "GET", "/v1/deliveries/"+delivery, ``)
	c.bad(409, "POST", "/v1/deliveries/"+delivery+"/replay", ``)
	claimed, err := c.store.Claim(t.Context(), time.Now().Add(time.Minute), hookNumber(t, c, to), 10)
	if err != nil || len(claimed) != 2 {
		t.Fatalf("claimed %d: %v", len(claimed), err)
	}
	var outcomes []hook.Outcome
	for _, d := range claimed {
		outcomes = append(outcomes, hook.Outcome{Delivery: d, Attempt: hook.Attempt{Number: 1, Status: 200}})
	}
	if _, err := c.store.Record(t.Context(), time.Now(), outcomes); err != nil {
		t.Fatal(err)
	}
	if replayed := c.good(202, "POST", "/v1/deliveries/"+delivery+"/replay", ``); text(replayed, "event") != "NOTICE" || text(replayed, "webhookId") != to {
		t.Errorf("a notice is replayed as %v", replayed)
	}
	c.bad(422, "GET", "/v1/notices?cursor=nope", ``)
	c.bad(422, "GET", "/v1/notices?type=webhook.bored", ``)
}

func hookNumber(t *testing.T, c *contract, text string) hook.WebhookNumber {
	t.Helper()
	var id hook.WebhookID
	if err := id.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	w, err := c.store.Webhook(t.Context(), 1, id)
	if err != nil {
		t.Fatal(err)
	}
	return w.Number
}

// What does not fit the purpose is refused and named, and the purpose is fixed.
func TestPurposeIsChecked(t *testing.T) {
	h := start(t)
	toNotices := h.must(201, "POST", "/v1/webhooks", `{"url":"https://operators.example/","purpose":"notices"}`)
	toEvents := h.must(201, "POST", "/v1/webhooks", `{"url":"https://receiver.example/","purpose":"interactions"}`)
	to, other := text(toNotices, "id"), text(toEvents, "id")
	for _, test := range []struct{ method, path, body, field, says string }{
		{"POST", "", `{"url":"https://a.example/","purpose":"pager"}`, "body.purpose", "must be one of"},
		{"POST", "", `{"url":"https://a.example/","notices":["delivery.exhausted"]}`, "body.notices", `is for webhooks whose purpose is "notices"`},
		{"POST", "", `{"url":"https://a.example/","purpose":"notices","events":["STARTED"]}`, "body.events", `is for webhooks whose purpose is "interactions"`},
		{"POST", "", `{"url":"https://a.example/","purpose":"notices","batch":{"maxEvents":2}}`, "body.batch.maxEvents", "must be 1"},
		{"POST", "", `{"url":"mailto:ops@example.com"}`, "body.url", `mailto: is for webhooks whose purpose is "notices"`},
		{"POST", "", `{"url":"mailto:ops@example.com?subject=x","purpose":"notices"}`, "body.url", "without headers"},
		{"PATCH", "/" + to, `{"purpose":"interactions"}`, "body.purpose", "cannot be changed"},
		{"PATCH", "/" + to, `{"purpose":null}`, "body.purpose", "cannot be changed"},
		{"PATCH", "/" + other, `{"purpose":"notices"}`, "body.purpose", "cannot be changed"},
		{"PATCH", "/" + other, `{"url":"mailto:ops@example.com"}`, "body.url", "mailto: is for webhooks"},
	} {
		wrong := h.call(test.method, "/v1/webhooks"+test.path, test.body).wrong(t)
		if len(wrong) != 1 || !strings.Contains(wrong[test.field], test.says) {
			t.Errorf("%s: %v, want %s: …%s…", test.body, wrong, test.field, test.says)
		}
	}
	h.must(200, "PATCH", "/v1/webhooks/"+to, `{"purpose":"notices","url":"mailto:ops@example.com"}`)
}

// The server's check of URLs is asked about mailto: URLs too, with their scheme.
func TestMailURLIsChecked(t *testing.T) {
	h := start(t, func(o *api.Options) {
		o.CheckURL = func(u *url.URL) error {
			if u.Scheme == "mailto" && u.Opaque == "ops@example.com" {
				return errors.New("there is no mail server")
			}
			return nil
		}
	})
	wrong := h.call("POST", "/v1/webhooks", `{"url":"mailto:ops@example.com","purpose":"notices"}`).wrong(t)
	if wrong["body.url"] != "there is no mail server" {
		t.Errorf("%v", wrong)
	}
}
