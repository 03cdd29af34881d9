package api_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// secretOf begins whatever the tests of the audit log use as a secret.
const secretOf = "s3cret-of-"

// unaudited are the routes that change something and are not logged, each for a reason. A route that is not here must log.
func unaudited() map[string]string {
	interaction := "interactions have events, and are changed far too often"
	return map[string]string{
		"POST /v1/interactions":             interaction,
		"POST /v1/interactions/batch":       interaction,
		"POST /v1/interactions/{id}/submit": interaction,
		"POST /v1/interactions/{id}/accept": interaction,
		"POST /v1/interactions/{id}/return": interaction,
		"POST /v1/interactions/{id}/stop":   interaction,
		"POST /v1/webhooks/{id}/test":       "nothing is changed",
	}
}

// changes are a good request for each route that changes something: what it needs is made first.
func (h *harness) changes() map[string]func() (path, body string) {
	created := func(rest string) string {
		return "/v1/interactions/" + text(h.must(201, "POST", "/v1/interactions", `{"mediaType":"chat","subtype":"InboundNew"}`), "id") + rest
	}
	queued := func(rest string) string {
		path := created("")
		h.must(200, "POST", path+"/submit", `{"queue":"q"}`)
		return path + rest
	}
	hooked := func(rest string) string { return "/v1/webhooks/" + h.secretive() + rest }
	replayed := func(rest string) string { // slowly enough to be changed
		webhook := h.secretive()
		h.exhaust(5)
		return "/v1/replays/" + text(h.must(202, "POST", "/v1/replays", `{"webhookId":"`+webhook+`",`+longRange+`,"rate":1}`), "id") + rest
	}
	keyed := func(rest string) string {
		return "/v1/keys/" + text(h.must(201, "POST", "/v1/keys", `{"name":"audited","permissions":["webhooks"]}`), "id") + rest
	}
	return map[string]func() (path, body string){
		"POST /v1/keys":              func() (string, string) { return "/v1/keys", `{"name":"audited","permissions":["webhooks"]}` },
		"PATCH /v1/keys/{id}":        func() (string, string) { return keyed(""), `{"name":"changed"}` },
		"DELETE /v1/keys/{id}":       func() (string, string) { return keyed(""), "" },
		"POST /v1/keys/{id}/disable": func() (string, string) { return keyed("/disable"), "" },
		"POST /v1/keys/{id}/expire":  func() (string, string) { return keyed("/expire"), "" },
		"POST /v1/keys/{id}/enable": func() (string, string) {
			path := keyed("")
			h.must(200, "POST", path+"/disable", "")
			return path + "/enable", ""
		},
		"POST /v1/interactions": func() (string, string) { return "/v1/interactions", `{"mediaType":"chat","subtype":"SMS"}` },
		"POST /v1/interactions/batch": func() (string, string) {
			return "/v1/interactions/batch", `{"changes":[{"op":"create","mediaType":"chat","subtype":"SMS"}]}`
		},
		"POST /v1/interactions/{id}/submit": func() (string, string) { return created("/submit"), `{"queue":"q"}` },
		"POST /v1/interactions/{id}/accept": func() (string, string) { return queued("/accept"), `{"agent":"a"}` },
		"POST /v1/interactions/{id}/return": func() (string, string) {
			path := queued("")
			h.must(200, "POST", path+"/accept", `{"agent":"a"}`)
			return path + "/return", ""
		},
		"POST /v1/interactions/{id}/stop": func() (string, string) { return queued("/stop"), `{"by":"workflow"}` },
		"POST /v1/webhooks": func() (string, string) {
			return "/v1/webhooks", `{"url":"https://receiver.example/","secret":"` + secretOf + `another-app"}`
		},
		"PATCH /v1/webhooks/{id}": func() (string, string) {
			return hooked(""), `{"description":"changed","headers":{"X-Auth":"` + secretOf + `new"}}`
		},
		"DELETE /v1/webhooks/{id}":       func() (string, string) { return hooked(""), "" },
		"POST /v1/webhooks/{id}/disable": func() (string, string) { return hooked("/disable"), "" },
		"POST /v1/webhooks/{id}/enable": func() (string, string) {
			path := hooked("")
			h.must(200, "POST", path+"/disable", "")
			return path + "/enable", ""
		},
		"POST /v1/webhooks/{id}/secrets": func() (string, string) {
			return hooked("/secrets"), `{"action":"next","secret":"` + secretOf + `next-12345"}`
		},
		"POST /v1/webhooks/{id}/test":    func() (string, string) { return hooked("/test"), "" },
		"POST /v1/contact-centers":       func() (string, string) { return "/v1/contact-centers", `{"id":"audited"}` },
		"PATCH /v1/contact-centers/{id}": func() (string, string) { return "/v1/contact-centers/default", `{"name":"Audited"}` },
		"POST /v1/replays": func() (string, string) {
			return "/v1/replays", `{"webhookId":"` + h.secretive() + `",` + longRange + `}`
		},
		"POST /v1/replays/{id}/pause":  func() (string, string) { return replayed("/pause"), "" },
		"POST /v1/replays/{id}/cancel": func() (string, string) { return replayed("/cancel"), "" },
		"POST /v1/replays/{id}/resume": func() (string, string) {
			path := replayed("")
			h.must(200, "POST", path+"/pause", "")
			return path + "/resume", ""
		},
		"POST /v1/deliveries/{id}/replay": func() (string, string) { return "/v1/deliveries/" + h.exhausted() + "/replay", "" },
	}
}

// secretive makes a webhook with every kind of secret that one can have.
func (h *harness) secretive() (id string) {
	h.tb.Helper()
	return text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://receiver.example/?token=`+secretOf+`token","secret":"`+secretOf+`app-12345",
		"headers":{"Authorization":"Bearer `+secretOf+`bearer","X-Auth":"`+secretOf+`old"}}`), "id")
}

// exhausted makes a delivery that is given up.
func (h *harness) exhausted() (id string) {
	h.tb.Helper()
	ctx, webhook := h.tb.Context(), h.secretive()
	made := h.must(201, "POST", "/v1/interactions", `{"mediaType":"chat","subtype":"SMS","queue":"q"}`)
	id = text(h.must(200, "GET", "/v1/deliveries?webhookId="+webhook+"&interactionId="+text(made, "id"), ""), "items", 0, "id")
	due, err := h.store.Due(ctx)
	if err != nil {
		h.tb.Fatal(err)
	}
	for _, d := range due {
		claimed, err := h.store.Claim(ctx, time.Now(), d.Webhook, 100)
		if err != nil {
			h.tb.Fatal(err)
		}
		for _, c := range claimed {
			attempt := hook.Attempt{Number: 1, StartedAt: time.Now(), Failure: hook.FailureTimeout}
			if _, err := h.store.Record(ctx, time.Now(), []hook.Outcome{{Delivery: c, Attempt: attempt}}); err != nil {
				h.tb.Fatal(err)
			}
		}
	}
	return id
}

// audit returns the whole log of the server and of all contact centres, newest first in each, and its text.
func (h *harness) audit(query string) (entries []any, raw string) {
	h.tb.Helper()
	logs := map[string]string{"": "server"}
	for _, center := range items(h.must(200, "GET", "/v1/contact-centers", ""), "items") {
		logs[text(center, "id")] = "contactCenter"
	}
	for center, scope := range logs {
		for cursor := ""; ; {
			page := h.call("GET", "/v1/audit?limit=5&scope="+scope+query+cursor, "", "x-ccid", center)
			if page.status != http.StatusOK {
				h.tb.Fatalf("audit: %d %s", page.status, page.body)
			}
			raw += string(page.body)
			list := page.object(h.tb)
			entries = append(entries, items(list, "items")...)
			if list["nextCursor"] == nil {
				break
			}
			cursor = "&cursor=" + text(list, "nextCursor")
		}
	}
	return entries, raw
}

// byAdmin counts the entries of changes that the test's own key asked for.
func byAdmin(entries []any) (count int) {
	for _, e := range entries {
		if strings.HasPrefix(text(e, "actor"), "admin key from ") {
			count++
		}
	}
	return count
}

// Every route of the document that changes something logs who did, or has a reason not to; and no secret that was used is
// anywhere in the log.
func TestEveryChangeIsAudited(t *testing.T) {
	h := start(t)
	changes, reasons := h.changes(), unaudited()
	for _, o := range operations(t, h) {
		if o.method == http.MethodGet {
			continue
		}
		pattern := o.method + " " + o.path
		prepare, known := changes[pattern]
		if !known {
			t.Errorf("%s: this test must know every route that changes something", pattern)
			continue
		}
		path, body := prepare()
		before, _ := h.audit("")
		if got := h.call(o.method, path, body); got.status >= 300 {
			t.Errorf("%s: %d %s", pattern, got.status, got.body)
		}
		after, _ := h.audit("")
		reason, excepted := reasons[pattern]
		logged := byAdmin(after) - byAdmin(before) // what the server does meanwhile is its own
		switch {
		case !excepted && logged == 0:
			t.Errorf("%s is not in the audit log, with the key that was used", pattern)
		case excepted && logged > 0:
			t.Errorf("%s is in the audit log, and should not be: %s", pattern, reason)
		}
	}
	_, raw := h.audit("")
	hash := sha256.Sum256([]byte(adminKey))
	for _, secret := range []string{secretOf, adminKey, hex.EncodeToString(hash[:])} {
		if strings.Contains(raw, secret) {
			t.Errorf("the log shows %s: %s", secret, raw)
		}
	}
	if !strings.Contains(raw, "*** (changed)") {
		t.Error("the log does not tell that a header changed")
	}
}

// An entry says who, what, before and after, under the contact centre; a change of keys is the server's and shown to an admin key alone.
func TestAuditEntry(t *testing.T) {
	h := start(t)
	id := h.secretive()
	h.must(200, "PATCH", "/v1/webhooks/"+id, `{"concurrency":7}`, "Idempotency-Key", "ignored by a PATCH")
	h.must(200, "PATCH", "/v1/webhooks/"+id, `{"concurrency":7}`)
	h.call("PATCH", "/v1/webhooks/"+id, `{"concurrency":0}`)
	h.call("PATCH", "/v1/webhooks/"+id, `{"concurrency":8}`, "x-api-key", "wrong")
	for range 2 {
		h.must(200, "POST", "/v1/webhooks/"+id+"/disable", ``, "Idempotency-Key", "once")
	}
	list := h.must(200, "GET", "/v1/audit?action=webhook&subject="+id+"&actor=admin+key&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z", "")
	var actions []string
	for i := range items(list, "items") {
		actions = append(actions, text(list, "items", i, "action"))
	}
	if diff := cmp.Diff([]string{"webhook.disable", "webhook.update", "webhook.create"}, actions); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	update := items(list, "items")[1]
	for path, want := range map[string]string{
		"actor": "admin key from 192.0.2.1", "subject": id, "contactCenterId": "default", "before concurrency": "32", "after concurrency": "7",
		"after url": "https://receiver.example/?token=***", "after headers X-Auth": "***", "after requestTimeout": "10s",
	} {
		var steps []any
		for step := range strings.FieldsSeq(path) {
			steps = append(steps, step)
		}
		if got := text(update, steps...); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for _, name := range []string{"id", "at"} {
		if got := text(update, name); got == "" || got == "<nil>" {
			t.Errorf("%s is %q", name, got)
		}
	}
	keys := h.must(200, "GET", "/v1/audit?scope=server&action=key", "")
	entry, err := json.Marshal(items(keys, "items")[0])
	if err != nil || text(keys, "items", 0, "action") != "key.create" || text(keys, "items", 0, "actor") != "hookswitch" || strings.Contains(string(entry), "contactCenterId") {
		t.Errorf("the entry of the key is %s, %v", entry, err)
	}
	other := h.call("GET", "/v1/audit", "", "x-ccid", "none")
	if other.status != http.StatusNotFound {
		t.Errorf("of an unknown contact centre: %d", other.status)
	}
	wrong := h.call("GET", "/v1/audit?cursor=!&scope=contactCenter", "").wrong(t)
	if wrong["query.cursor"] == "" {
		t.Errorf("a wrong cursor: %v", wrong)
	}
}
