package api_test

import (
	"bytes"
	"fmt"
	"testing"
)

// fuzzBody sends anything to one route: never a 5xx, always a problem document where it is refused, and then nothing stored.
func fuzzBody(f *testing.F, method string, path func(h *harness) string, seeds ...string) {
	h := start(f)
	target := path(h)
	for _, seed := range append(seeds, `{}`, `[]`, `null`, ``, `{"`, "{\"a\":\"\xff\"}", `{"queue":"\ud800"}`, `{"a":1e999}`) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		h := *h
		h.tb = t
		before := h.stored()
		r := newRequest(method, target, string(body))
		r.Header.Set("Content-Type", "application/json")
		got := h.do(r)
		if got.status >= 500 {
			t.Fatalf("status %d: %s", got.status, got.body)
		}
		if got.status >= 400 {
			got.wrong(t)
			if after := h.stored(); !bytes.Equal(before, after) {
				t.Fatalf("status %d, and yet something changed:\n%s\n%s", got.status, before, after)
			}
			return
		}
		got.object(t)
	})
}

// stored is what the newest records look like.
func (h *harness) stored() []byte {
	h.tb.Helper()
	var all bytes.Buffer
	for _, path := range []string{"/v1/interactions?limit=3", "/v1/webhooks?limit=3", "/v1/contact-centers"} {
		fmt.Fprintf(&all, "%s\n", h.call("GET", path, "").body)
	}
	return all.Bytes()
}

func at(path string) func(*harness) string { return func(*harness) string { return path } }

// ofInteraction makes an interaction and fills its id into the path.
func ofInteraction(path string) func(*harness) string {
	return func(h *harness) string {
		return fmt.Sprintf(path, text(h.must(201, "POST", "/v1/interactions", queued), "id"))
	}
}

func FuzzCreateInteraction(f *testing.F) {
	fuzzBody(f, "POST", at("/v1/interactions"), queued,
		`{"mediaType":"email","subtype":"Outbound","id":"`+someID+`","sessionId":"`+someID+`","subject":"s","contact":{"a":[1]},"userData":{"k":"v"}}`,
		`{"mediaType":"chat","subtype":"SMS","contact":{"\u0000":"\ud800"},"userData":{"":"\u0000"}}`, `{"mediaType":"chat","Subtype":"SMS"}`)
}

func FuzzChanges(f *testing.F) {
	fuzzBody(f, "POST", at("/v1/interactions/batch"),
		`{"changes":[{"op":"create","mediaType":"chat","subtype":"SMS"},{"op":"stop","id":"`+someID+`","by":"workflow"},7,null]}`, `{"changes":[{}],"changes":null}`)
}

func FuzzSubmit(f *testing.F) {
	fuzzBody(f, "POST", ofInteraction("/v1/interactions/%s/submit"), `{"queue":"q"}`)
}

func FuzzAccept(f *testing.F) {
	fuzzBody(f, "POST", ofInteraction("/v1/interactions/%s/accept"), `{"agent":"a"}`)
}

func FuzzReturn(f *testing.F) {
	fuzzBody(f, "POST", ofInteraction("/v1/interactions/%s/return"), `{"queue":"q"}`)
}

func FuzzStop(f *testing.F) {
	fuzzBody(f, "POST", ofInteraction("/v1/interactions/%s/stop"), `{"by":"agentDesktop","reason":"r"}`)
}

func FuzzCreateWebhook(f *testing.F) {
	fuzzBody(f, "POST", at("/v1/webhooks"), `{"url":"https://a.example"}`,
		`{"url":"http://a.example:1/?x","secret":"0123456789abcdef","events":["STARTED"],"mediaTypes":["chat"],"subtypes":["SMS"],"requestTimeout":"2s",
		"retry":{"timeout":"1s","attempts":1e1,"backoff":2,"maxTimeout":"1h","jitter":0.5},"preset":"genesys","success":"2xx","concurrency":3.0,"rateLimit":null,
		"batch":{"maxEvents":2,"linger":"1ms"},"signatures":["sha1","sha1"],"metadata":[],"headers":{"X-A":"b"},"description":"d","enabled":false}`)
}

func FuzzPatchWebhook(f *testing.F) {
	fuzzBody(f, "PATCH", func(h *harness) string {
		return "/v1/webhooks/" + text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://a.example","headers":{"X-A":"b"}}`), "id")
	}, `{"url":null,"retry":null,"headers":{"x-a":null,"X-B":"c"}}`, `{"retry":{"attempts":null,"timeout":"9h"},"preset":null,"enabled":null}`)
}

func FuzzCreateContactCenter(f *testing.F) {
	fuzzBody(f, "POST", at("/v1/contact-centers"), `{"id":"acme","name":"Acme"}`)
}

// FuzzQuery sends any query to the lists.
func FuzzQuery(f *testing.F) {
	h := start(f)
	h.must(201, "POST", "/v1/interactions", queued)
	for _, q := range []string{"limit=1&cursor=AA", "state=open&olderThan=1h", "after=%00", "createdAfter=0000-01-01T00:00:00Z", "wait=0s&from=9999-12-31T23:59:59Z", "a;b", "%zz"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/v1/interactions", "/v1/deliveries", "/v1/webhooks", "/v1/events"} {
			h := *h
			h.tb = t
			r := newRequest("GET", path, "")
			r.URL.RawQuery = query
			if r.URL.Query().Get("wait") != "" {
				return // it may wait for a minute, as it was told to
			}
			if got := h.do(r); got.status >= 500 {
				t.Fatalf("%s?%s: %d %s", path, query, got.status, got.body)
			}
		}
	})
}
