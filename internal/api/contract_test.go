package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"

	"github.com/hookswitch/hookswitch/internal/api"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// contract validates real requests and answers against the document that the server serves.
type contract struct {
	*harness
	validator validator.Validator
	// met are the operations that were answered with success.
	met map[string]bool
}

func newContract(t *testing.T, h *harness) *contract {
	t.Helper()
	served := h.call("GET", "/openapi.json", "")
	document, err := libopenapi.NewDocument(served.body)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(document, config.WithFormatAssertions())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, errs := v.ValidateDocument(); !ok {
		t.Fatalf("the document is not OpenAPI 3.1: %v", errs)
	}
	return &contract{harness: h, validator: v, met: map[string]bool{}}
}

// good sends a request that the document permits.
func (c *contract) good(status int, method, path, body string, header ...string) map[string]any {
	c.tb.Helper()
	r := newRequest(method, path, body)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if ok, errs := c.validator.ValidateHttpRequestSync(r); !ok {
		c.tb.Errorf("%s %s: the document forbids the request: %v", method, path, errs)
	}
	r.Body = io.NopCloser(strings.NewReader(body))
	return c.answered(status, r)
}

// bad sends a request that the document may forbid.
func (c *contract) bad(status int, method, path, body string, header ...string) map[string]any {
	c.tb.Helper()
	r := newRequest(method, path, body)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return c.answered(status, r)
}

func (c *contract) answered(status int, r *http.Request) map[string]any {
	c.tb.Helper()
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	if w.Code != status {
		c.tb.Fatalf("%s %s: status %d, want %d: %s", r.Method, r.URL, w.Code, status, w.Body)
	}
	body := w.Body.Bytes()
	if ok, errs := c.validator.ValidateHttpResponse(r, w.Result()); !ok {
		for _, e := range errs {
			c.tb.Errorf("%s %s: the document forbids the answer: %s %s %v\n%s", r.Method, r.URL, e.Message, e.Reason, e.SchemaValidationErrors, body)
		}
	}
	if status < 300 {
		c.met[r.Pattern] = true
	}
	return reply{status, w.Result().Header, body}.object(c.tb)
}

func text(v any, path ...any) string {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any) // what is not there shows as <nil>
			v = m[p]
		case int:
			list, _ := v.([]any)
			if p >= len(list) {
				return "<nil>"
			}
			v = list[p]
		}
	}
	return fmt.Sprint(v)
}

// items are those of a list in an answer.
func items(v map[string]any, name string) []any {
	list, ok := v[name].([]any)
	if !ok {
		panic(fmt.Sprintf("no list %q in %v", name, v))
	}
	return list
}

// TestContract answers a good request on every route, and every kind of refusal, and validates all of them.
func TestContract(t *testing.T) {
	h := start(t)
	c := newContract(t, h)
	c.interactions(t)
	hookID := c.webhooks(t)
	c.deliveries(t, hookID)
	c.notices(t, hookID)
	c.replays(t, hookID)
	c.keys(t)
	c.rest(t)
	for _, o := range operations(t, h) {
		pattern := o.method + " " + o.path
		if !c.met[pattern] && pattern != "GET /metrics" {
			t.Errorf("%s was never answered with success: this test must know every route", pattern)
		}
	}
}

func (c *contract) interactions(t *testing.T) {
	const id, session = "3e0b1b7e-0f7b-4c9f-8f0a-0d6f4c2f1a01", "49a0ed5c-77b8-4091-a0c2-1d904ff709b0"
	c.good(201, "POST", "/v1/interactions", `{"mediaType":"chat","subtype":"InboundNew","id":"`+id+`","sessionId":"`+session+`",
		"subject":"a <b>","contact":{"name":"A"},"userData":{"k":"v"}}`)
	c.good(200, "POST", "/v1/interactions/"+id+"/submit", `{"queue":"support"}`)
	if got := c.good(200, "POST", "/v1/interactions/"+id+"/accept", `{"agent":"a.smith"}`); text(got, "acceptedAt") == "" {
		t.Errorf("accepted: %v", got)
	}
	if got := c.good(200, "POST", "/v1/interactions/"+id+"/return", `{"queue":"other"}`); got["acceptedAt"] != nil {
		t.Errorf("returned: %v", got)
	}
	c.good(200, "POST", "/v1/interactions/"+id+"/accept", `{"agent":"b.jones"}`)
	c.good(200, "POST", "/v1/interactions/"+id+"/return", ``)
	c.bad(409, "POST", "/v1/interactions/"+id+"/submit", `{"queue":"support"}`)
	stopped := c.good(200, "POST", "/v1/interactions/"+id+"/stop", `{"by":"agentDesktop","reason":"resolved"}`)
	if again := c.good(200, "POST", "/v1/interactions/"+id+"/stop", `{"by":"workflow"}`); text(again, "stoppedBy") != text(stopped, "stoppedBy") {
		t.Errorf("a repeated stop answers %v, the first %v", again, stopped)
	}
	c.bad(409, "POST", "/v1/interactions", `{"mediaType":"chat","subtype":"SMS","id":"`+id+`"}`)
	got := c.good(200, "GET", "/v1/interactions/"+id, ``)
	if text(got, "selfUri") != publicURL+"/nexus/v3/chat/sessions/"+session+"/"+id {
		t.Errorf("selfUri %v", got["selfUri"])
	}
	c.good(200, "GET", "/v1/interactions?limit=1&state=STOPPED&mediaType=chat&subtype=InboundNew&queue=other&sessionId="+session+
		"&createdAfter=2020-01-01T00:00:00Z&createdBefore=2100-01-01T00:00:00.000Z&olderThan=0s", ``)
	batch := c.good(200, "POST", "/v1/interactions/batch", `{"changes":[
		{"op":"create","mediaType":"email","subtype":"Outbound","queue":"q"},
		{"op":"submit","id":"`+id+`","queue":"q"},{"op":"accept","id":"`+id+`","agent":"a"},{"op":"return","id":"`+id+`"},
		{"op":"stop","id":"`+id+`","by":"workflow"},{"op":"stop","id":"00000000-0000-4000-8000-000000000000","by":"workflow"}]}`)
	statuses := ""
	for i := range items(batch, "results") {
		statuses += text(batch, "results", i, "status") + " "
	}
	if statuses != "201 409 409 409 200 404 " {
		t.Errorf("statuses of the batch %s: %v", statuses, batch)
	}
	c.good(200, "GET", "/nexus/v3/securemail/"+text(batch, "results", 0, "interaction", "sessionId")+"/"+text(batch, "results", 0, "interaction", "id"), ``)
	read := c.good(200, "GET", "/nexus/v3/chat/sessions/"+session+"/"+id, ``)
	if text(read, "status", "code") != "SUCCESS" || text(read, "data", "id") != id {
		t.Errorf("nexus: %v", read)
	}
	for path, want := range map[string]string{
		"/nexus/v3/chat/sessions/" + session + "/nope": "INVALID_PARAMETER", "/nexus/v3/chat/sessions/nope/" + id: "INVALID_PARAMETER",
		"/nexus/v3/chat/sessions/" + id + "/" + id: "INVALID_SESSION", "/nexus/v3/securemail/" + session + "/" + id: "INVALID_SESSION",
	} {
		status := 404
		if want == "INVALID_PARAMETER" {
			status = 400
		}
		if got := c.bad(status, "GET", path, ``); text(got, "status", "code") != want {
			t.Errorf("%s: %v, want %s", path, got, want)
		}
	}
	c.bad(404, "GET", "/v1/interactions/"+session, ``)
	c.bad(422, "GET", "/v1/interactions/nope", ``)
	c.bad(400, "POST", "/v1/interactions", `{`)
	c.bad(415, "POST", "/v1/interactions", `{}`, "Content-Type", "text/plain")
	c.bad(413, "POST", "/v1/interactions", strings.Repeat(" ", 1<<20)+"{}")
}

func (c *contract) webhooks(t *testing.T) (id string) {
	made := c.good(201, "POST", "/v1/webhooks", `{"url":"https://receiver.example/hook","events":["STARTED","FINISHED"],"mediaTypes":["chat"],
		"subtypes":["SMS"],"requestTimeout":"10s","retry":{"timeout":"5s","attempts":3,"backoff":1.5,"maxTimeout":"1h","jitter":0.1},
		"success":"2xx","concurrency":4,"rateLimit":10,"batch":{"maxEvents":2,"linger":"10ms"},"signatures":["sha1"],"metadata":[],
		"circuitBreaker":{"failures":5,"share":0.5,"minimum":10},"disable":{"after":"72h","onGone":true},"headers":{"X-Mine":"1"},"description":"mine","enabled":true,"secret":"0123456789abcdef"}`)
	if text(made, "secret") != "0123456789abcdef" {
		t.Errorf("secret %v", made["secret"])
	}
	id = text(made, "id")
	got := c.good(200, "GET", "/v1/webhooks/"+id, ``)
	if _, shown := got["secret"]; shown {
		t.Error("the secret is shown again")
	}
	patched := c.good(200, "PATCH", "/v1/webhooks/"+id, `{"retry":{"attempts":7,"timeout":null},"batch":null,"circuitBreaker":{"share":null,"minimum":20},"disable":{"after":null},"rateLimit":null,"success":null,"preset":null,
		"subtypes":null,"headers":{"x-mine":null,"X-Other":"2"},"events":["STARTED"]}`)
	want := `{"attempts":7,"backoff":1.5,"jitter":0.1,"maxTimeout":"1h","timeout":"5s"}`
	if got, _ := json.Marshal(patched["retry"]); string(got) != want {
		t.Errorf("retry %s, want %s", got, want)
	}
	if got, _ := json.Marshal(patched["headers"]); string(got) != `{"X-Other":"***"}` {
		t.Errorf("headers %s", got)
	}
	if patched["rateLimit"] != nil || text(patched, "success") != "200" || text(patched, "batch", "maxEvents") != "1" || patched["subtypes"] != nil {
		t.Errorf("nulls did not bring the defaults back: %v", patched)
	}
	if off := c.good(200, "POST", "/v1/webhooks/"+id+"/disable", ``); off["enabled"] != false {
		t.Errorf("disable: %v", off)
	}
	if on := c.good(200, "PATCH", "/v1/webhooks/"+id, `{"enabled":null}`); on["enabled"] != true {
		t.Errorf("enabled null: %v", on)
	}
	c.good(200, "PATCH", "/v1/webhooks/"+id, `{"description":null}`, "Content-Type", "application/merge-patch+json")
	c.good(200, "POST", "/v1/webhooks/"+id+"/enable", ``)
	if tested := c.good(200, "POST", "/v1/webhooks/"+id+"/test", ``); tested["acknowledged"] != true || text(tested, "attempt", "duration") != "12.345ms" ||
		text(tested, "attempt", "timing", "firstByte") != "12ms" {
		t.Errorf("test: %v", tested)
	}
	other := c.good(201, "POST", "/v1/webhooks", `{"url":"https://receiver.example/all","preset":"genesys","retry":{"attempts":9}}`)
	if got, _ := json.Marshal(other["retry"]); string(got) != `{"attempts":9,"backoff":1,"jitter":0,"maxTimeout":"5s","timeout":"5s"}` {
		t.Errorf("preset: %s", got)
	}
	if !strings.HasPrefix(text(other, "secret"), "whsec_") {
		t.Errorf("secret %v", other["secret"])
	}
	page := c.good(200, "GET", "/v1/webhooks?limit=1", ``)
	c.good(200, "GET", "/v1/webhooks?limit=1&cursor="+text(page, "nextCursor"), ``)
	c.rotation(t, id)
	c.good(204, "DELETE", "/v1/webhooks/"+id, ``)
	c.bad(404, "DELETE", "/v1/webhooks/"+id, ``)
	c.bad(404, "GET", "/v1/webhooks/"+id, ``)
	c.bad(404, "PATCH", "/v1/webhooks/"+id, `{"description":"x"}`)
	c.bad(422, "PATCH", "/v1/webhooks/"+text(other, "id"), `{"secret":"0123456789abcdef"}`)
	return text(other, "id")
}

func (c *contract) deliveries(t *testing.T, webhook string) {
	ctx := t.Context()
	interaction := c.good(201, "POST", "/v1/interactions", `{"mediaType":"chat","subtype":"SMS","queue":"q"}`)
	c.good(200, "POST", "/v1/interactions/"+text(interaction, "id")+"/stop", `{"by":"workflow"}`)
	pending := c.good(200, "GET", "/v1/deliveries?state=pending&event=STARTED&webhookId="+webhook+"&interactionId="+text(interaction, "id")+
		"&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z", ``)
	id := text(pending, "items", 0, "id")
	c.bad(409, "POST", "/v1/deliveries/"+id+"/replay", ``)

	due, err := c.store.Due(ctx)
	if err != nil || len(due) != 1 {
		t.Fatalf("Due: %v, %v", due, err)
	}
	claimed, err := c.store.Claim(ctx, time.Now(), due[0].Webhook, 10)
	if err != nil || len(claimed) != 1 {
		t.Fatalf("Claim: %v, %v", claimed, err)
	}
	attempt := hook.Attempt{
		Number: 1, StartedAt: time.Now(), Duration: time.Second, Status: 500, Failure: hook.FailureStatus,
		Error: "status 500", Response: []byte("no \xff"), Events: 2,
		Timing: hook.Timing{DNS: 83 * time.Microsecond, Connect: 1500 * time.Microsecond, FirstByte: 2 * time.Millisecond},
	}
	if _, err := c.store.Record(ctx, time.Now(), []hook.Outcome{{Delivery: claimed[0], Attempt: attempt}}); err != nil {
		t.Fatal(err)
	}
	got := c.good(200, "GET", "/v1/deliveries/"+id, ``)
	if text(got, "state") != "exhausted" || text(got, "attempts", 0, "response") != "no \uFFFD" || text(got, "attempts", 0, "failure") != "status" {
		t.Errorf("delivery: %v", got)
	}
	made, _ := json.Marshal(got["attempts"])
	if want := `"timing":{"connect":"1.5ms","dns":"83µs","firstByte":"2ms"}`; !bytes.Contains(made, []byte(want)) || !bytes.Contains(made, []byte(`"events":2`)) {
		t.Errorf("attempts: %s", made)
	}
	c.good(200, "GET", "/v1/deliveries?state=exhausted", ``)
	session := text(interaction, "sessionId")
	for query, want := range map[string]int{
		"status=500": 1, "status=503": 0, "failure=status": 1, "failure=timeout": 0, "status=500&failure=status": 1, "status=500&failure=dns": 0,
		"sessionId=" + session: 2, "sessionId=" + session + "&status=500&state=exhausted&mediaType=chat&event=STARTED&webhookId=" + webhook: 1,
		"sessionId=" + session + "&mediaType=email": 0, "mediaType=email&status=500": 0, "failure=status&state=delivered": 0,
	} {
		if got := c.good(200, "GET", "/v1/deliveries?"+query, ``); len(items(got, "items")) != want || got["nextCursor"] != nil {
			t.Errorf("deliveries with %s: %v, want %d", query, got, want)
		}
	}
	page := c.good(200, "GET", "/v1/deliveries?limit=1", ``)
	if got := c.bad(422, "GET", "/v1/interactions?cursor="+text(page, "nextCursor"), ``); text(got, "errors", 0, "location") != "query.cursor" {
		t.Errorf("a cursor of another list: %v", got)
	}
	if again := c.good(202, "POST", "/v1/deliveries/"+id+"/replay", ``); text(again, "state") != "pending" {
		t.Errorf("replay: %v", again)
	}
	c.bad(404, "GET", "/v1/deliveries/00000000-0000-4000-8000-000000000000", ``)
	c.bad(422, "GET", "/v1/deliveries?state=lost&cursor=!!", ``)
}

func (c *contract) rest(t *testing.T) {
	all := c.good(200, "GET", "/v1/events?limit=2&wait=1s", ``)
	next := c.good(200, "GET", "/v1/events?after="+text(all, "nextCursor"), ``)
	if text(next, "items", 0, "cursor") == text(all, "items", 1, "cursor") {
		t.Error("the next page begins with the last item of the one before")
	}
	c.bad(422, "GET", "/v1/events?after=nope!", ``)
	c.good(201, "POST", "/v1/contact-centers", `{"id":"acme","name":"Acme"}`)
	c.bad(409, "POST", "/v1/contact-centers", `{"id":"acme"}`)
	c.bad(422, "POST", "/v1/contact-centers", `{"id":"Acme!","name":"a\u0007"}`)
	c.good(200, "GET", "/v1/contact-centers", ``)
	c.good(200, "GET", "/v1/contact-centers/acme", ``)
	c.bad(404, "GET", "/v1/contact-centers/none", ``)
	c.good(200, "GET", "/v1/audit?limit=1&action=webhook&actor=admin&scope=contactCenter&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z", ``)
	c.bad(422, "GET", "/v1/audit?scope=all", ``)
	c.good(200, "GET", "/v1/master-key", ``)
	c.good(200, "PATCH", "/v1/contact-centers/acme", `{"name":"Acme Ltd","retention":{"interactions":"720h","deliveries":"168h","attempts":"24h","payloads":"72h"}}`)
	c.good(200, "PATCH", "/v1/contact-centers/acme", `{"name":null,"retention":{"interactions":"0","payloads":null}}`)
	c.bad(404, "PATCH", "/v1/contact-centers/none", `{"name":"None"}`)
	c.bad(422, "PATCH", "/v1/contact-centers/acme", `{"retention":{"attempts":"30m","payloads":"tomorrow","all":"1h"}}`)
	c.good(200, "GET", "/v1/contact-centers/acme/retention/report", ``)
	c.good(200, "GET", "/v1/contact-centers/acme/retention/report?interactions=24h&deliveries=2h&attempts=1h&payloads=1h", ``)
	c.bad(404, "GET", "/v1/contact-centers/none/retention/report", ``)
	c.bad(422, "GET", "/v1/contact-centers/acme/retention/report?interactions=soon&cursor=x", ``)
	if got := c.good(200, "GET", "/v1/interactions", ``, "x-ccid", "acme"); len(items(got, "items")) != 0 {
		t.Errorf("another contact centre's interactions: %v", got)
	}
	c.bad(404, "GET", "/v1/interactions", ``, "x-ccid", "none")
	c.bad(401, "GET", "/v1/interactions", ``, "x-api-key", "wrong")
	c.good(200, "GET", "/healthz", ``)
	c.good(200, "GET", "/readyz", ``)
	if shown := c.call("GET", "/metrics", ""); shown.status != 200 || !bytes.Contains(shown.body, []byte(`hookswitch_api_requests_total{class="2xx",route="POST /v1/interactions"}`)) {
		t.Errorf("metrics: %d %.300s", shown.status, shown.body)
	}
	c.server.Drain()
	c.bad(503, "GET", "/readyz", ``)
}

// operation is one of the document.
type operation struct {
	method, path string
	Security     []map[string][]string
	Summary      string
	Description  string
	OperationID  string
	Tags         []string
	Responses    map[string]json.RawMessage
	Permission   string `json:"x-permission"`
}

// operations walks the document that the server serves.
func operations(t *testing.T, h *harness) []operation {
	t.Helper()
	var document struct {
		Paths map[string]map[string]operation
	}
	if err := json.Unmarshal(h.call("GET", "/openapi.json", "").body, &document); err != nil {
		t.Fatal(err)
	}
	var all []operation
	for path, methods := range document.Paths {
		for method, o := range methods {
			o.method, o.path = strings.ToUpper(method), path
			all = append(all, o)
		}
	}
	if len(all) < 28 {
		t.Fatalf("only %d operations: the document was not read", len(all))
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return all
}

func TestDocumentIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range operations(t, start(t)) {
		at := o.method + " " + o.path
		if o.Summary == "" || o.Description == "" || o.OperationID == "" || len(o.Tags) == 0 || seen[o.OperationID] {
			t.Errorf("%s lacks words, or shares its id: %+v", at, o)
		}
		seen[o.OperationID] = true
		if _, ok := o.Responses["500"]; !ok {
			t.Errorf("%s does not say how it fails", at)
		}
		for status, text := range o.Responses {
			if problem := strings.Contains(string(text), "application/problem+json"); !strings.HasPrefix(o.path, "/nexus/") && problem != (status >= "400") {
				t.Errorf("%s: status %s has the wrong media type", at, status)
			}
		}
	}
}

func TestDocumentIsTheSameEverywhere(t *testing.T) {
	if got := start(t).call("GET", "/openapi.json", ""); !bytes.Equal(got.body, api.Document()) {
		t.Error("the served document differs from the one that apigen writes")
	}
}

// TestCommittedDocumentIsFresh compares the document with the copy that the client is generated from.
func TestCommittedDocumentIsFresh(t *testing.T) {
	committed, err := os.ReadFile("../../client/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, api.Document()) {
		t.Error("client/openapi.json is stale: run go generate ./internal/api ./client")
	}
}
