package api_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/api"
)

const someID = "3e0b1b7e-0f7b-4c9f-8f0a-0d6f4c2f1a01"

// TestInvalid sends everything that is wrong in many ways at once and expects every way to be named, once, and nothing
// to be stored.
func TestInvalid(t *testing.T) {
	h := start(t)
	long := strings.Repeat("x", 300)
	webhook := text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://a.example"}`), "id")
	before := h.must(200, "GET", "/v1/webhooks/"+webhook, "")
	for name, c := range map[string]struct {
		method, path, body string
		header             []string
		want               []string
	}{
		"create: enum, length, UUID, unknown, type": {
			body: `{"mediaType":"fax","subtype":1,"queue":"` + long + `","id":"nope","sessionId":"` + someID + `x","colour":"red","userData":{"a":1},"contact":[]}`,
			want: []string{"body.mediaType", "body.subtype", "body.queue", "body.id", "body.sessionId", "body.colour", "body.userData.a", "body.contact"},
		},
		"create: empty queue":   {body: `{"mediaType":"chat","subtype":"SMS","queue":""}`, want: []string{"body.queue"}},
		"create: blank queue":   {body: `{"mediaType":"chat","subtype":"SMS","queue":" \u00a0"}`, want: []string{"body.queue"}},
		"return: empty queue":   {path: "/v1/interactions/" + someID + "/return", body: `{"queue":""}`, want: []string{"body.queue"}},
		"create: nothing given": {body: `{}`, want: []string{"body.mediaType", "body.subtype"}},
		"create: nulls":         {body: `{"mediaType":null,"subtype":null}`, want: []string{"body.mediaType", "body.subtype"}},
		"create: another case": {
			body: `{"MediaType":"chat","subtype":"SMS"}`, want: []string{"body.MediaType", "body.mediaType"},
		},
		"create: a field that is only right in another case, beside a right one": {
			body: `{"mediaType":"chat","subtype":"SMS","QUEUE":"x"}`, want: []string{"body.QUEUE"},
		},
		"create: not an object":     {body: `[1]`, want: []string{"body"}},
		"create: null":              {body: `null`, want: []string{"body"}},
		"create: nil UUID":          {body: `{"mediaType":"chat","subtype":"SMS","id":"00000000-0000-0000-0000-000000000000"}`, want: []string{"body.id"}},
		"create: control character": {body: `{"mediaType":"chat","subtype":"SMS","subject":"a\nb"}`, want: []string{"body.subject"}},
		"create: bytes, not characters": {
			body: `{"mediaType":"chat","subtype":"SMS","queue":"` + strings.Repeat("é", 200) + `"}`, want: []string{"body.queue"},
		},
		"create: header and body": {
			body: `{"mediaType":"chat"}`, header: []string{"Idempotency-Key", strings.Repeat("k", 256)},
			want: []string{"header.Idempotency-Key", "body.subtype"},
		},
		"create: key not printable": {body: `{"mediaType":"chat","subtype":"SMS"}`, header: []string{"Idempotency-Key", "é"}, want: []string{"header.Idempotency-Key"}},
		"create: key empty":         {body: `{"mediaType":"chat","subtype":"SMS"}`, header: []string{"Idempotency-Key", ""}, want: []string{"header.Idempotency-Key"}},
		"create: query":             {path: "/v1/interactions?dryRun=1", body: `{"mediaType":"chat"}`, want: []string{"query.dryRun", "body.subtype"}},
		"stop: path and body":       {path: "/v1/interactions/nope/stop", body: `{"by":"me","reason":"` + long + `","x":1}`, want: []string{"path.id", "body.by", "body.reason", "body.x"}},
		"submit: empty queue":       {path: "/v1/interactions/" + someID + "/submit", body: `{"queue":""}`, want: []string{"body.queue"}},
		"accept: no agent":          {path: "/v1/interactions/" + someID + "/accept", body: `{}`, want: []string{"body.agent"}},
		"return: type":              {path: "/v1/interactions/" + someID + "/return", body: `{"queue":{}}`, want: []string{"body.queue"}},
		"list: everything": {
			method: "GET", path: "/v1/interactions?limit=0&state=GONE&mediaType=fax&subtype=x&sessionId=x&createdAfter=yesterday&olderThan=-1h&colour=red&limit=2",
			want: []string{"query.limit", "query.state", "query.mediaType", "query.subtype", "query.sessionId", "query.createdAfter", "query.olderThan", "query.colour"},
		},
		"list: cursor":       {method: "GET", path: "/v1/interactions?cursor=nope", want: []string{"query.cursor"}},
		"deliveries: filter": {method: "GET", path: "/v1/deliveries?event=BEGUN&from=x&webhookId=1", want: []string{"query.event", "query.from", "query.webhookId"}},
		"deliveries: what attempts came to": {
			method: "GET", path: "/v1/deliveries?status=99&failure=broken_heart&sessionId=1&mediaType=fax", want: []string{"query.status", "query.failure", "query.sessionId", "query.mediaType"},
		},
		"deliveries: status": {method: "GET", path: "/v1/deliveries?status=ok&limit=5", want: []string{"query.status"}},
		"events: wait":       {method: "GET", path: "/v1/events?wait=61s&limit=201", want: []string{"query.wait", "query.limit"}},
		"batch: no changes":  {path: "/v1/interactions/batch", body: `{"changes":[],"x":1}`, want: []string{"body.changes", "body.x"}},
		"batch: not a list":  {path: "/v1/interactions/batch", body: `{"changes":{}}`, want: []string{"body.changes"}},
		"batch: too many": {
			path: "/v1/interactions/batch", body: `{"changes":[` + strings.Repeat(`{},`, 1000) + `{}]}`, want: []string{"body.changes"},
		},
		"webhook: everything": {
			path: "/v1/webhooks", body: `{"url":"ftp://x","secret":"short","events":["BEGUN"],"mediaTypes":"chat","subtypes":[1],"requestTimeout":"10","retry":{"timeout":"0s",
				"attempts":101,"backoff":"2","maxTimeout":"25h","jitter":0.6,"x":1},"preset":"acme","success":"201","concurrency":0,"rateLimit":1.5,"batch":{"maxEvents":501,"linger":"2s"},
				"circuitBreaker":{"failures":0,"share":1.01,"minimum":"few"},"disable":{"after":"59s","onGone":1},
				"signatures":["sha256"],"metadata":["x"],"headers":{"Host":"h","Bad Name":"x","X-Ok":"a\nb"},"description":7,"enabled":"yes","colour":1}`,
			want: []string{
				"body.url", "body.secret", "body.events[0]", "body.mediaTypes", "body.subtypes[0]", "body.requestTimeout", "body.retry.timeout", "body.retry.attempts",
				"body.retry.backoff", "body.retry.maxTimeout", "body.retry.jitter", "body.retry.x", "body.preset", "body.success", "body.concurrency", "body.rateLimit",
				"body.circuitBreaker.failures", "body.circuitBreaker.share", "body.circuitBreaker.minimum", "body.disable.after", "body.disable.onGone",
				"body.batch.maxEvents", "body.batch.linger", "body.signatures", "body.metadata[0]", "body.headers.Host", "body.headers.Bad Name", "body.headers.X-Ok",
				"body.description", "body.enabled", "body.colour",
			},
		},
		"webhook: retry of the wrong type": {path: "/v1/webhooks", body: `{"retry":"often","batch":[]}`, want: []string{"body.retry", "body.batch", "body.url"}},
		"webhook: duration overflow":       {path: "/v1/webhooks", body: `{"url":"https://a.example","requestTimeout":"99999999999999h"}`, want: []string{"body.requestTimeout"}},
		"webhook: number overflow":         {path: "/v1/webhooks", body: `{"url":"https://a.example","concurrency":1e999,"rateLimit":1e300}`, want: []string{"body.concurrency", "body.rateLimit"}},
		"webhook: null header":             {path: "/v1/webhooks", body: `{"url":"https://a.example","headers":{"X-A":null}}`, want: []string{"body.headers.X-A"}},
		"patch: shape and sum": {
			method: "PATCH", path: "/v1/webhooks/" + webhook, body: `{"retry":{"maxTimeout":"1s"},"url":null,"secret":"0123456789abcdef","preset":"x","concurrency":"a"}`,
			want: []string{"body.retry.maxTimeout", "body.url", "body.secret", "body.preset", "body.concurrency"},
		},
		"replay: everything": {
			path: "/v1/replays", body: `{"webhookId":"nope","from":"yesterday","to":"","states":["pending","lost"],"events":["BEGUN"],"mediaTypes":"fax","rate":0,"dryRun":"yes","colour":1}`,
			want: []string{
				"body.webhookId", "body.from", "body.to", "body.states[0]", "body.states[1]", "body.events[0]", "body.mediaTypes", "body.rate", "body.dryRun", "body.colour",
			},
		},
		"replay: nothing given": {path: "/v1/replays", body: `{}`, want: []string{"body.webhookId", "body.from"}},
		"replay: an empty range, held, too fast": {
			path: "/v1/replays", body: `{"webhookId":"` + webhook + `","from":"2026-11-22T16:00:00Z","to":"2026-11-22T16:00:00Z","states":["held"],"rate":100001}`,
			want: []string{"body.to", "body.states[0]", "body.rate"},
		},
		"contact centre": {path: "/v1/contact-centers", body: `{"id":"A B","name":"` + long + `","x":1}`, want: []string{"body.id", "body.name", "body.x"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := *h
			h.tb = t
			if c.method == "" {
				c.method = "POST"
			}
			if c.path == "" {
				c.path = "/v1/interactions"
			}
			r := h.call(c.method, c.path, c.body, c.header...)
			if r.status != 422 {
				t.Fatalf("status %d: %s", r.status, r.body)
			}
			got := slices.Sorted(maps.Keys(r.wrong(t)))
			slices.Sort(c.want)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("locations (-want +got):\n%s\n%s", diff, r.body)
			}
		})
	}
	if n := h.interactions(); n != 0 {
		t.Errorf("%d interactions were stored", n)
	}
	if n := h.webhooks(); n != 1 {
		t.Errorf("%d webhooks, want the first alone", n)
	}
	if diff := cmp.Diff(before, h.must(200, "GET", "/v1/webhooks/"+webhook, "")); diff != "" {
		t.Errorf("the webhook changed (-before +after):\n%s", diff)
	}
}

func TestMalformed(t *testing.T) {
	h := start(t)
	for name, c := range map[string]struct {
		status       int
		method, path string
		body         string
		header       []string
	}{
		"cut":                {status: 400, body: `{"mediaType":`},
		"empty":              {status: 400, body: ``},
		"two values":         {status: 400, body: `{} {}`},
		"not UTF-8":          {status: 400, body: "{\"queue\":\"\xff\"}"},
		"too deep":           {status: 400, body: strings.Repeat("[", 20_000)},
		"malformed and more": {status: 400, body: `{`, header: []string{"Idempotency-Key", ""}},
		"batch cut":          {status: 400, path: "/v1/interactions/batch", body: `{"changes":[{]}`},
		"form":               {status: 415, body: `a=b`, header: []string{"Content-Type", "application/x-www-form-urlencoded"}},
		"broken type":        {status: 415, body: `{}`, header: []string{"Content-Type", ";;"}},
		"too large":          {status: 413, body: `{"queue":"` + strings.Repeat("x", 1<<20) + `"}`},
		"batch too large":    {status: 413, path: "/v1/interactions/batch", body: strings.Repeat(" ", 8<<20+1)},
		"unknown path":       {status: 404, path: "/v2/interactions"},
		"no such method":     {status: 405, method: "PUT", path: "/v1/webhooks/" + someID},
	} {
		t.Run(name, func(t *testing.T) {
			if c.path == "" {
				c.path = "/v1/interactions"
			}
			if c.method == "" {
				c.method = "POST"
			}
			r := h.call(c.method, c.path, c.body, c.header...)
			if r.status != c.status {
				t.Fatalf("status %d, want %d: %s", r.status, c.status, r.body)
			}
			r.wrong(t)
			if allow := r.header.Get("Allow"); c.status == 405 && allow != "GET, HEAD, PATCH, DELETE" {
				t.Errorf("Allow: %q", allow)
			}
		})
	}
	if n := h.interactions(); n != 0 {
		t.Errorf("%d interactions were stored", n)
	}
}

// TestLimitsAreMet accepts what is just within them.
func TestLimitsAreMet(t *testing.T) {
	h := start(t)
	exact := `{"mediaType":"chat","subtype":"SMS"}`
	h.must(201, "POST", "/v1/interactions", exact+strings.Repeat(" ", 1<<20-len(exact)))
	h.must(201, "POST", "/v1/interactions", `{"mediaType":"chat","subtype":"SMS","queue":"`+strings.Repeat("é", 128)+`"}`)
	h.must(201, "POST", "/v1/interactions", exact, "Content-Type", "application/json; charset=utf-8")
	r := newRequest("POST", "/v1/interactions", exact)
	r.ContentLength = -1
	if got := h.do(r); got.status != 201 {
		t.Errorf("a body without a length: %d %s", got.status, got.body)
	}
	changes := strings.TrimSuffix(strings.Repeat(`{"op":"create","mediaType":"email","subtype":"Outbound","queue":"q"},`, 1000), ",")
	if got := h.must(200, "POST", "/v1/interactions/batch", `{"changes":[`+changes+`]}`); text(got, "results", 999, "status") != "201" {
		t.Errorf("the last of 1,000: %v", items(got, "results")[999])
	}
}

func TestSecretsAreNotRepeated(t *testing.T) {
	h := start(t)
	for _, body := range []string{
		`{"url":"https://a.example","secret":"hunter2"}`,
		`{"url":"https://a.example","secret":["hunter2"]}`,
		`{"url":"https://a.example","Secret":"hunter2hunter2hunter2"}`,
		`{"url":"https://a.example","headers":{"Authorization":"hunter2\n"}}`,
		`{"url":"https://a.example","headers":{"X-A":["hunter2"]}}`,
		`{"url":"https://a.example","headers":"hunter2"}`,
		`{"url":"https://a.example","authorization":{"type":"basic","username":"u:hunter2","password":"p"}}`,
		`{"url":"https://a.example","authorization":{"type":"basic","username":"u","password":"hunter2\n"}}`,
		`{"url":"https://a.example","authorization":{"type":"basic","username":"u","pasword":"hunter2"}}`,
		`{"url":"https://a.example","authorization":"hunter2"}`,
		`{"url":"https://a.example","authorization":{"type":"hunter2"}}`,
		`{"url":"https://a.example","authorization":{"type":"oauth2","tokenUrl":"https://t.example/hunter2#","clientId":"c","clientSecret":"` + strings.Repeat("hunter2", 1000) + `"}}`,
		`{"url":"https://a.example","authorization":{"type":"oauth2","tokenUrl":"https://t.example","clientId":"c","clientSecret":7,"scopes":["hunter2 "]}}`,
		`{"url":"https://a.example","tls":{"certificate":"hunter2","key":"hunter2","roots":"hunter2"}}`,
		`{"url":"https://user:hunter2@a.example"}`,
		`{"url":"https://a.example","secret":"hunter2hunter2hunter2"} hunter2`,
	} {
		if r := h.call("POST", "/v1/webhooks", body); r.status < 400 || bytes.Contains(r.body, []byte("hunter2")) {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	id := text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://a.example"}`), "id")
	if r := h.call("PATCH", "/v1/webhooks/"+id, `{"secret":"hunter2hunter2hunter2"}`); r.status != 422 || bytes.Contains(r.body, []byte("hunter2")) {
		t.Errorf("PATCH: %d %s", r.status, r.body)
	}
}

// TestBatchJudgesEachAlone proves that one wrong change costs no other, and that each has the problem of its own.
func TestBatchJudgesEachAlone(t *testing.T) {
	h := start(t)
	got := h.must(200, "POST", "/v1/interactions/batch", `{"changes":[
		{"op":"create","mediaType":"chat","subtype":"SMS","id":"`+someID+`"},
		{"op":"create","mediaType":"fax","Subtype":"SMS","id":"nope"},
		{"op":"stop","id":"`+someID+`","by":"workflow"},
		{"op":"submit","id":"`+someID+`","queue":"q"},
		{"op":"fly","id":"`+someID+`"},
		7,
		{"op":"stop","by":"me"},
		{"op":"stop","id":"`+someID+`","by":"workflow","queue":"q"},
		{"op":"create","mediaType":"chat","subtype":"SMS","queue":""},
		{"op":"return","id":"`+someID+`","queue":""},
		{"op":"stop","id":"`+someID+`","by":"workflow"}]}`)
	want := []string{
		"201 ", "422 body.changes[1].Subtype body.changes[1].id body.changes[1].mediaType", "409 ", "200 ", "422 body.changes[4].op",
		"422 body.changes[5]", "422 body.changes[6].by body.changes[6].id", "422 body.changes[7].queue",
		"422 body.changes[8].queue", "422 body.changes[9].queue", "200 ",
	}
	for i, r := range items(got, "results") {
		var at []string
		for n := 0; text(r, "problem", "errors", n) != "<nil>"; n++ {
			at = append(at, text(r, "problem", "errors", n, "location"))
		}
		slices.Sort(at)
		if line := text(r, "status") + " " + strings.Join(at, " "); line != want[i] {
			t.Errorf("change %d: %s\nwant %s", i, line, want[i])
		}
	}
	if state := text(h.must(200, "GET", "/v1/interactions/"+someID, ""), "state"); state != "STOPPED" {
		t.Errorf("state %s", state)
	}
}

// brokenRandom fails, as nothing else in a server can be made to.
type brokenRandom struct{}

func (brokenRandom) Read([]byte) (int, error) { return 0, errors.New("the inside story") }

func TestInternalErrorsAreNotTold(t *testing.T) {
	var log bytes.Buffer
	h := start(t, func(o *api.Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		o.Random = io.MultiReader(brokenRandom{})
	})
	r := h.call("POST", "/v1/interactions", `{"mediaType":"chat","subtype":"SMS"}`)
	if r.status != 500 || bytes.Contains(r.body, []byte("inside")) {
		t.Errorf("%d %s", r.status, r.body)
	}
	r.wrong(t)
	if !strings.Contains(log.String(), "inside story") {
		t.Errorf("the log does not know either: %s", &log)
	}
	if strings.Contains(log.String(), adminKey) {
		t.Errorf("the log has the key: %s", &log)
	}
}

func TestPanicsAreAnswered(t *testing.T) {
	h := start(t, func(o *api.Options) { o.Tester = nil })
	id := text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://a.example"}`), "id")
	h.must(503, "POST", "/v1/webhooks/"+id+"/test", "")
	w := httptest.NewRecorder()
	broken := api.New(api.Options{}) // without a store every authenticated route panics
	broken.Handler().ServeHTTP(w, newRequest("GET", "/v1/webhooks", ""))
	if r := (reply{w.Code, w.Result().Header, w.Body.Bytes()}); r.status != 500 {
		t.Errorf("%d %s", r.status, r.body)
	} else {
		r.wrong(t)
	}
}
