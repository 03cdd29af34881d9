package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// markOf is in every text that the first contact centre has.
const markOf = "onlyofthefirst"

// foreignRequests is a request for each route, with {names} of records in it. A route that is not here fails the test.
func foreignRequests() map[string][2]string {
	return map[string][2]string{
		"POST /v1/interactions":                                   {"/v1/interactions", `{"mediaType":"chat","subtype":"SMS","id":"{interaction2}","sessionId":"{session}","queue":"q"}`},
		"GET /v1/interactions":                                    {"/v1/interactions?sessionId={session}", ""},
		"GET /v1/interactions/{id}":                               {"/v1/interactions/{interaction}", ""},
		"POST /v1/interactions/{id}/submit":                       {"/v1/interactions/{interaction}/submit", `{"queue":"q"}`},
		"POST /v1/interactions/{id}/accept":                       {"/v1/interactions/{interaction}/accept", `{"agent":"a"}`},
		"POST /v1/interactions/{id}/return":                       {"/v1/interactions/{interaction}/return", ""},
		"POST /v1/interactions/{id}/stop":                         {"/v1/interactions/{interaction}/stop", `{"by":"workflow"}`},
		"POST /v1/interactions/batch":                             {"/v1/interactions/batch", `{"changes":[{"op":"stop","id":"{interaction}","by":"workflow"},{"op":"submit","id":"{interaction}","queue":"q"}]}`},
		"POST /v1/webhooks":                                       {"/v1/webhooks", `{"url":"https://receiver.example/","secret":"0123456789abcdef"}`},
		"GET /v1/webhooks":                                        {"/v1/webhooks", ""},
		"GET /v1/webhooks/{id}":                                   {"/v1/webhooks/{webhook}", ""},
		"PATCH /v1/webhooks/{id}":                                 {"/v1/webhooks/{webhook}", `{"retry":{"maxTimeout":"1s"}}`}, // wrong for the one that exists
		"DELETE /v1/webhooks/{id}":                                {"/v1/webhooks/{webhook}", ""},
		"POST /v1/webhooks/{id}/enable":                           {"/v1/webhooks/{webhook}/enable", ""},
		"POST /v1/webhooks/{id}/disable":                          {"/v1/webhooks/{webhook}/disable", ""},
		"POST /v1/webhooks/{id}/test":                             {"/v1/webhooks/{webhook}/test", ""},
		"POST /v1/webhooks/{id}/secrets":                          {"/v1/webhooks/{webhook}/secrets", `{"action":"next"}`},
		"GET /v1/deliveries":                                      {"/v1/deliveries?webhookId={webhook}&interactionId={interaction}", ""},
		"GET /v1/deliveries/{id}":                                 {"/v1/deliveries/{delivery}", ""},
		"POST /v1/deliveries/{id}/replay":                         {"/v1/deliveries/{delivery}/replay", ""},
		"POST /v1/replays":                                        {"/v1/replays", `{"webhookId":"{webhook}",` + longRange + `}`},
		"GET /v1/replays":                                         {"/v1/replays", ""},
		"GET /v1/replays/{id}":                                    {"/v1/replays/{replay}", ""},
		"POST /v1/replays/{id}/pause":                             {"/v1/replays/{replay}/pause", ""},
		"POST /v1/replays/{id}/resume":                            {"/v1/replays/{replay}/resume", ""},
		"POST /v1/replays/{id}/cancel":                            {"/v1/replays/{replay}/cancel", ""},
		"GET /v1/events":                                          {"/v1/events", ""},
		"GET /v1/notices":                                         {"/v1/notices?webhookId={webhook}", ""},
		"POST /v1/contact-centers":                                {"/v1/contact-centers", `{"id":"{center}"}`},
		"GET /v1/contact-centers":                                 {"/v1/contact-centers", ""},
		"GET /v1/contact-centers/{id}":                            {"/v1/contact-centers/{center}", ""},
		"PATCH /v1/contact-centers/{id}":                          {"/v1/contact-centers/{center}", `{"retention":{"attempts":"800h"}}`}, // wrong for the one that exists
		"GET /v1/contact-centers/{id}/retention/report":           {"/v1/contact-centers/{center}/retention/report", ""},
		"GET /v1/audit":                                           {"/v1/audit?subject={webhook}", ""},
		"GET /v1/master-key":                                      {"/v1/master-key", ""},
		"POST /v1/keys":                                           {"/v1/keys", `{"name":"foreign","permissions":["webhooks"]}`},
		"GET /v1/keys":                                            {"/v1/keys", ""},
		"GET /v1/keys/{id}":                                       {"/v1/keys/{key}", ""},
		"PATCH /v1/keys/{id}":                                     {"/v1/keys/{key}", `{"name":"configured"}`},
		"DELETE /v1/keys/{id}":                                    {"/v1/keys/{key}", ""},
		"POST /v1/keys/{id}/enable":                               {"/v1/keys/{key}/enable", ""},
		"POST /v1/keys/{id}/disable":                              {"/v1/keys/{key}/disable", ""},
		"POST /v1/keys/{id}/expire":                               {"/v1/keys/{key}/expire", ""},
		"GET /nexus/v3/chat/sessions/{sessionId}/{interactionId}": {"/nexus/v3/chat/sessions/{session}/{interaction}", ""},
		"GET /nexus/v3/securemail/{sessionId}/{interactionId}":    {"/nexus/v3/securemail/{session}/{email}", ""},
		"GET /healthz":                                            {"/healthz", ""},
		"GET /readyz":                                             {"/readyz", ""},
		"GET /metrics":                                            {"/metrics", ""},
	}
}

// records are ids by the names that requests have for them.
type records map[string]string

// in puts the ids into a text.
func (r records) in(text string) string {
	for name, id := range r {
		text = strings.ReplaceAll(text, "{"+name+"}", id)
	}
	return text
}

// out puts the names back, and makes the same of all other ids and times.
func (r records) out(text string) string {
	for name, id := range r {
		text = strings.ReplaceAll(text, id, "{"+name+"}")
	}
	text = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`).ReplaceAllString(text, "ID")
	text = regexp.MustCompile(`hsk_[0-9a-z_]+`).ReplaceAllString(text, "KEY")
	return regexp.MustCompile(`20\d\d-\d\d-\d\dT[0-9:.]+Z`).ReplaceAllString(text, "TIME")
}

// fill gives the first contact centre a record of each kind.
func (h *harness) fill() records {
	h.tb.Helper()
	h.must(200, "PATCH", "/v1/contact-centers/first", `{"name":"`+markOf+`","retention":{"interactions":"720h"}}`)
	post := func(path, body string) map[string]any {
		h.tb.Helper()
		got := h.call("POST", path, body, "x-ccid", "first")
		if got.status >= 300 {
			h.tb.Fatalf("%s: %d %s", path, got.status, got.body)
		}
		return got.object(h.tb)
	}
	webhook := text(post("/v1/webhooks", `{"url":"https://`+markOf+`.example/?a=b","description":"`+markOf+`","headers":{"X-`+markOf+`":"1"},"retry":{"timeout":"5s","attempts":0}}`), "id")
	chat := post("/v1/interactions", `{"mediaType":"chat","subtype":"SMS","queue":"`+markOf+`","subject":"`+markOf+`"}`)
	second := post("/v1/interactions", `{"mediaType":"chat","subtype":"SMS"}`)
	email := post("/v1/interactions", `{"mediaType":"email","subtype":"InboundNew","sessionId":"`+text(chat, "sessionId")+`"}`)
	delivery := text(h.must(200, "GET", "/v1/deliveries?webhookId="+webhook, "", "x-ccid", "first"), "items", 0, "id")
	replay := text(post("/v1/replays", `{"webhookId":"`+webhook+`",`+longRange+`}`), "id")
	h.call("POST", "/v1/replays/"+replay+"/cancel", "", "x-ccid", "first")
	key := text(post("/v1/keys", `{"name":"`+markOf+`","permissions":["webhooks"]}`), "id")
	return records{
		"webhook": webhook, "interaction": text(chat, "id"), "session": text(chat, "sessionId"), "interaction2": text(second, "id"),
		"email": text(email, "id"), "delivery": delivery, "replay": replay, "key": key, "center": "first",
	}
}

// absent are ids of nothing.
func absent() records {
	none := records{"center": "nobody", "delivery": hook.NewDeliveryID(hook.Serial(1<<40), 77).String()}
	for i, name := range []string{"webhook", "interaction", "session", "interaction2", "email", "replay", "key"} {
		none[name] = fmt.Sprintf("01900000-0000-7000-8000-%012d", i)
	}
	return none
}

// state is all that the first contact centre has, and what the installation has.
func (h *harness) state() string {
	h.tb.Helper()
	var all strings.Builder
	for _, list := range []string{"interactions", "webhooks", "deliveries", "replays", "events", "notices", "audit", "keys", "contact-centers/first"} {
		got := h.call("GET", "/v1/"+list+"?limit=200", "", "x-ccid", "first")
		if list == "contact-centers/first" {
			got = h.call("GET", "/v1/"+list, "")
		}
		if got.status != http.StatusOK {
			h.tb.Fatalf("%s: %d %s", list, got.status, got.body)
		}
		all.Write(got.body)
	}
	all.Write(h.call("GET", "/v1/contact-centers", "").body)
	all.Write(h.call("GET", "/v1/audit?scope=server&limit=200", "").body)
	return regexp.MustCompile(`"usedAt":"[^"]*",?`).ReplaceAllString(all.String(), "")
}

// as sends a request with a key, or with none.
func (h *harness) as(key, method string, request [2]string, ids records, header ...string) reply {
	h.tb.Helper()
	r := newRequest(method, ids.in(request[0]), ids.in(request[1]))
	r.Header.Del("x-api-key")
	if key != "" {
		r.Header.Set("x-api-key", key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return h.do(r)
}

// whole is an answer as a text, without what differs by chance.
func (r reply) whole(ids records) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.status)
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		if name != "Date" {
			fmt.Fprintln(&b, name, r.header[name])
		}
	}
	return b.String() + ids.out(string(r.body))
}

// Nothing of a contact centre can be read, changed, counted or guessed without its key: on every route of the document, its records are
// answered byte for byte as those that do not exist.
func TestForeignKeys(t *testing.T) {
	h := start(t)
	h.must(201, "POST", "/v1/contact-centers", `{"id":"first"}`)
	h.must(201, "POST", "/v1/contact-centers", `{"id":"second"}`)
	there, none := h.fill(), absent()
	_, foreign := h.newKey("second", "admin")
	requests := foreignRequests()
	for _, o := range operations(t, h) {
		pattern := o.method + " " + o.path
		request, known := requests[pattern]
		if !known {
			t.Errorf("%s: this test must know every route", pattern)
			continue
		}
		before := h.state()
		for who, key := range map[string]string{"no key": "", "a foreign key": foreign} {
			exists, unreal := h.as(key, o.method, request, there), h.as(key, o.method, request, none)
			if diff := cmp.Diff(unreal.whole(none), exists.whole(there)); diff != "" {
				t.Errorf("%s, %s: what exists is answered otherwise (-none +there):\n%s", pattern, who, diff)
			}
			if who == "no key" && !openRoutes()[pattern] && exists.status != http.StatusUnauthorized {
				t.Errorf("%s, %s: %d", pattern, who, exists.status)
			}
			shown := string(unreal.body) + strings.NewReplacer(there.in(request[1]), "", there.in(request[0]), "").Replace(string(exists.body))
			if strings.Contains(strings.ToLower(shown), markOf) {
				t.Errorf("%s, %s: the answer shows the first contact centre: %s", pattern, who, shown)
			}
			for name, id := range there {
				if name != "center" && strings.Contains(string(unreal.body), id) {
					t.Errorf("%s, %s: the answer shows the %s of the first contact centre: %s", pattern, who, name, unreal.body)
				}
			}
		}
		named, unnamed := h.as(foreign, o.method, request, there, "x-ccid", "first"), h.as(foreign, o.method, request, none, "x-ccid", "nobody")
		if diff := cmp.Diff(unnamed.whole(none), named.whole(there)); diff != "" || !openRoutes()[pattern] && named.status != http.StatusForbidden {
			t.Errorf("%s: x-ccid of another contact centre, status %d (-none +there):\n%s", pattern, named.status, diff)
		}
		if diff := cmp.Diff(before, h.state()); diff != "" {
			t.Errorf("%s: something was changed:\n%s", pattern, diff)
		}
	}
	for pattern := range requests {
		if !slices.ContainsFunc(operations(t, h), func(o operation) bool { return o.method+" "+o.path == pattern }) {
			t.Errorf("%s is no route any more", pattern)
		}
	}
}

// A key that may do everything but what a route needs is refused there, whatever the request is about, and changes nothing.
func TestLackedPermissions(t *testing.T) {
	h := start(t)
	h.must(201, "POST", "/v1/contact-centers", `{"id":"first"}`)
	there, requests, keys := h.fill(), foreignRequests(), map[string]string{}
	for _, o := range operations(t, h) {
		pattern := o.method + " " + o.path
		switch {
		case (o.Permission == "open") != openRoutes()[pattern] || !strings.Contains(o.Description, "Needs "):
			t.Errorf("%s: the document says %q, %q", pattern, o.Permission, o.Description)
			continue
		case o.Permission == "open":
			continue
		}
		if keys[o.Permission] == "" {
			_, keys[o.Permission] = h.newKey("first", allBut(o.Permission)...)
		}
		before := h.state()
		got := h.as(keys[o.Permission], o.method, requests[pattern], there)
		if got.status != http.StatusForbidden || strings.Contains(string(got.body), markOf) {
			t.Errorf("%s: %d %s", pattern, got.status, got.body)
		}
		if diff := cmp.Diff(before, h.state()); diff != "" {
			t.Errorf("%s: something was changed:\n%s", pattern, diff)
		}
	}
	if len(keys) < 9 {
		t.Errorf("only %d permissions are needed: %v", len(keys), slices.Sorted(maps.Keys(keys)))
	}
}

// allBut are the permissions without one, and without those that contain it or are contained.
func allBut(lacked string) (list []string) {
	for _, p := range hook.Permissions() {
		text := string(p)
		if p != hook.PermitAdmin && !strings.HasPrefix(text, lacked) && !strings.HasPrefix(lacked, text) {
			list = append(list, text)
		}
	}
	return list
}

// A right key is let in from an address from which many wrong ones came, and a wrong one is told to wait.
func TestWrongKeysAreLimited(t *testing.T) {
	h := start(t)
	_, key := h.newKey("default", "webhooks")
	send := func(key string) reply {
		r := httptest.NewRequest(http.MethodGet, "/v1/webhooks", nil)
		r.Header.Set("x-api-key", key)
		return h.do(r)
	}
	statuses := map[int]int{}
	var last reply
	for i := range 30 {
		last = send(fmt.Sprint("wrong ", i))
		statuses[last.status]++
	}
	if statuses[401] < 10 || statuses[429] < 10 || last.header.Get("Retry-After") != "1" {
		t.Errorf("%v, the last: %v %s", statuses, last.header, last.body)
	}
	if got := send(key); got.status != http.StatusOK {
		t.Errorf("a right key: %d %s", got.status, got.body)
	}
	page := string(h.call("GET", "/metrics", "").body)
	if want := fmt.Sprintf(`hookswitch_api_authentication_failures_total{reason="limited"} %d`, statuses[429]); !strings.Contains(page, want) {
		t.Errorf("the metrics lack %s", want)
	}
}
