package api_test

import (
	"bytes"
	"testing"
)

func TestIdempotency(t *testing.T) {
	h := start(t)
	webhook := text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://a.example"}`), "id")
	h.must(201, "POST", "/v1/interactions", `{"mediaType":"chat","subtype":"SMS","id":"`+someID+`"}`)
	for name, c := range map[string]struct {
		status     int
		path, body string
		otherBody  string
	}{
		"create":         {201, "/v1/interactions", `{"mediaType":"chat","subtype":"SMS","queue":"q"}`, `{"mediaType":"chat","subtype":"SMS","queue":"r"}`},
		"batch":          {200, "/v1/interactions/batch", `{"changes":[{"op":"create","mediaType":"chat","subtype":"SMS"},{"op":"stop"}]}`, `{"changes":[{"op":"stop"},{"op":"create","mediaType":"chat","subtype":"SMS"}]}`},
		"conflict":       {409, "/v1/interactions/" + someID + "/stop", `{"by":"workflow"}`, `{"by":"agentDesktop"}`},
		"unknown":        {404, "/v1/interactions/00000000-0000-4000-8000-000000000000/stop", `{"by":"workflow"}`, `{"by":"agentDesktop"}`},
		"webhook":        {201, "/v1/webhooks", `{"url":"https://b.example"}`, `{"url":"https://c.example"}`},
		"disable":        {200, "/v1/webhooks/" + webhook + "/disable", ``, ``},
		"contact centre": {201, "/v1/contact-centers", `{"id":"acme"}`, `{"id":"other"}`},
	} {
		t.Run(name, func(t *testing.T) {
			key := "key of " + name
			first := h.call("POST", c.path, c.body, "Idempotency-Key", key)
			if first.status != c.status || first.header.Get("Idempotency-Replayed") != "" {
				t.Fatalf("first: %d %v %s", first.status, first.header, first.body)
			}
			stored := h.interactions() + h.webhooks()
			again := h.call("POST", c.path, c.body, "Idempotency-Key", key)
			if again.status != first.status || !bytes.Equal(again.body, first.body) || again.header.Get("Content-Type") != first.header.Get("Content-Type") {
				t.Errorf("again: %d %s\nfirst: %d %s", again.status, again.body, first.status, first.body)
			}
			if again.header.Get("Idempotency-Replayed") != "true" {
				t.Errorf("again: %v", again.header)
			}
			if now := h.interactions() + h.webhooks(); now != stored {
				t.Errorf("%d records became %d", stored, now)
			}
			if c.otherBody != "" {
				other := h.call("POST", c.path, c.otherBody, "Idempotency-Key", key)
				if _, named := other.wrong(t)["header.Idempotency-Key"]; other.status != 422 || !named {
					t.Errorf("another body: %d %s", other.status, other.body)
				}
			}
			if other := h.call("POST", "/v1/webhooks/"+webhook+"/enable", "", "Idempotency-Key", key); other.status != 422 && name != "contact centre" {
				t.Errorf("another path: %d %s", other.status, other.body)
			}
		})
	}
}

// TestIdempotencyKeepsNoRefusal lets a request that was refused be repaired under its key.
func TestIdempotencyKeepsNoRefusal(t *testing.T) {
	h := start(t)
	h.must(422, "POST", "/v1/interactions", `{"mediaType":"fax"}`, "Idempotency-Key", "k")
	h.must(400, "POST", "/v1/interactions", `{`, "Idempotency-Key", "k")
	h.must(201, "POST", "/v1/interactions", `{"mediaType":"chat","subtype":"SMS"}`, "Idempotency-Key", "k")
}

// TestTestIgnoresTheKey documents the one exception.
func TestTestIgnoresTheKey(t *testing.T) {
	h := start(t)
	path := "/v1/webhooks/" + text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://a.example"}`), "id") + "/test"
	for range 2 {
		if r := h.call("POST", path, "", "Idempotency-Key", "k"); r.status != 200 || r.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%d %v", r.status, r.header)
		}
	}
	h.must(422, "POST", path, "", "Idempotency-Key", "")
}
