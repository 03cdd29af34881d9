package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/api"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// retention shows a policy in one line; what is inherited is in brackets.
func retention(v any) string {
	inherited := text(v, "inherited")
	parts := make([]string, 0, 4)
	for _, name := range []string{"interactions", "deliveries", "attempts", "payloads"} {
		part := text(v, name)
		if strings.Contains(inherited, name) {
			part = "(" + part + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " ")
}

// A PATCH merges: what is absent stays, null is inherited again, and what is wrong with the sum is named.
func TestContactCenterRetention(t *testing.T) {
	h := start(t)
	h.must(201, "POST", "/v1/contact-centers", `{"id":"acme","name":"Acme"}`)
	const path = "/v1/contact-centers/acme"
	for _, tt := range []struct{ body, want string }{
		{`{}`, "(0) (0) (0) (0)"},
		{`{"retention":{"interactions":"720h"}}`, "720h (720h) (720h) (720h)"},
		{`{"retention":{"deliveries":"48h"}}`, "720h 48h (48h) (720h)"},
		{`{"retention":{"attempts":"24h","payloads":"1h"}}`, "720h 48h 24h 1h"},
		{`{"name":"Acme Ltd"}`, "720h 48h 24h 1h"},
		{`{"retention":{"interactions":"0"}}`, "0 48h 24h 1h"},
		{`{"retention":{"deliveries":null}}`, "0 (0) 24h 1h"},
		{`{"retention":null}`, "(0) (0) (0) (0)"},
	} {
		patched := h.must(200, "PATCH", path, tt.body)
		read := h.must(200, "GET", path, "")
		if diff := cmp.Diff(patched, read); diff != "" {
			t.Errorf("%s: the answer is not what is read (-patched +read):\n%s", tt.body, diff)
		}
		if got := retention(read["retention"]); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.body, got, tt.want)
		}
	}
	if got := text(h.must(200, "GET", path, ""), "name"); got != "Acme Ltd" {
		t.Errorf("the name is %s", got)
	}
	h.must(200, "PATCH", path, `{"retention":{"interactions":"720h"}}`)
	for body, want := range map[string]map[string]string{
		`{"retention":{"interactions":"59m","payloads":"876001h"}}`: {
			"body.retention.interactions": "must be from 1h to 876000h or 0, for ever", "body.retention.payloads": "must be from 1h to 876000h",
		},
		`{"retention":{"deliveries":"0"},"name":"a\u0007"}`: {
			"body.name": "holds a control character", "body.retention.deliveries": "must be from 1h to 876000h",
		},
		`{"retention":{"deliveries":"24h","attempts":"25h","payloads":"721h"}}`: {
			"body.retention.attempts": "must not be longer than deliveries, which are kept for 24h",
			"body.retention.payloads": "must not be longer than interactions, which are kept for 720h",
		},
		`{"retention":{"deliveries":"721h"}}`: {"body.retention.deliveries": "must not be longer than interactions, which are kept for 720h"},
		`{"retention":{"interactions":720,"events":"1h"}}`: {
			"body.retention.interactions": "must be a text", "body.retention.events": "is not a field of this request",
		},
	} {
		r := h.call("PATCH", path, body)
		if diff := cmp.Diff(want, r.wrong(t)); diff != "" || r.status != 422 {
			t.Errorf("%s: status %d (-want +got):\n%s", body, r.status, diff)
		}
	}
	r := h.call("GET", path+"/retention/report?deliveries=721h", "")
	if diff := cmp.Diff(map[string]string{"query.deliveries": "must not be longer than interactions, which are kept for 720h"}, r.wrong(t)); diff != "" {
		t.Errorf("a report (-want +got):\n%s", diff)
	}
	if got := retention(h.must(200, "GET", path, "")["retention"]); got != "720h (720h) (720h) (720h)" {
		t.Errorf("after refusals: %s", got)
	}
}

// A report tells what a retention would remove; when it is removed, its selfUri answers 404 in the original's envelope, and so does
// everything else that is asked about it in ours.
func TestSelfURIAfterRetention(t *testing.T) {
	s := storetest.Open(t, storetest.With(func(o *store.Options) { o.PublicURL = publicURL }))
	at := time.Now().UTC().Add(-4 * time.Hour)
	h := startOn(t, s.Store, func(o *api.Options) { o.Now = func() time.Time { return at } })
	w := h.must(201, "POST", "/v1/webhooks", `{"url":"https://receiver.example/","enabled":false}`)
	i := h.must(201, "POST", "/v1/interactions", `{"mediaType":"chat","subtype":"InboundNew","queue":"support"}`)
	id := text(i, "id")
	h.must(200, "POST", "/v1/interactions/"+id+"/stop", `{"by":"agentDesktop"}`)
	deliveries := items(h.must(200, "GET", "/v1/deliveries?interactionId="+id, ""), "items")
	h.must(204, "DELETE", "/v1/webhooks/"+text(w, "id"), "")
	selfURI := strings.TrimPrefix(text(i, "selfUri"), publicURL)
	h.must(200, "GET", selfURI, "")
	at = time.Now().UTC()

	const report = "/v1/contact-centers/default/retention/report"
	none := h.must(200, "GET", report, "")
	if got := fmt.Sprint(none["interactions"], none["events"], none["deliveries"], none["payloads"]); got != "0 0 0 0" {
		t.Errorf("as it is, %s would be removed", got)
	}
	some := h.must(200, "GET", report+"?interactions=1h&payloads=1h", "")
	if got := fmt.Sprint(some["interactions"], some["events"], some["deliveries"], some["attempts"], some["payloads"]); got != "1 2 2 0 0" {
		t.Errorf("after an hour, %s would be removed", got)
	}
	if got := retention(some["policy"]); got != "1h (1h) (1h) 1h" {
		t.Errorf("the policy is %s", got)
	}
	h.must(200, "PATCH", "/v1/contact-centers/default", `{"retention":{"interactions":"1h"}}`)
	s.Reopen(t) // which looks at once
	h = startOn(t, s.Store)
	tick, limit := time.NewTicker(5*time.Millisecond), time.NewTimer(20*time.Second)
	defer tick.Stop()
	defer limit.Stop()
	for h.call("GET", selfURI, "").status == 200 {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatal("it is not removed")
		}
	}
	gone := h.must(404, "GET", selfURI, "")
	if text(gone, "status", "code") != "INVALID_SESSION" || text(gone, "referenceId") == "<nil>" || text(gone, "operationId") == "<nil>" ||
		text(gone, "status", "message") == "<nil>" || gone["data"] != nil {
		t.Errorf("selfUri answers %v", gone)
	}
	for _, path := range []string{"/v1/interactions/" + id, "/v1/deliveries/" + text(deliveries, 0, "id"), "/v1/deliveries/" + text(deliveries, 1, "id")} {
		if r := h.call("GET", path, ""); r.status != 404 || len(r.wrong(t)) != 0 {
			t.Errorf("%s: %d", path, r.status)
		}
	}
}
