package api_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// section is a part of an answer, as JSON with its keys in order.
func section(t testing.TB, from map[string]any, name string) string {
	t.Helper()
	text, err := json.Marshal(from[name])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What becomes of a webhook whose receiver fails is shown with its defaults, and merged field by field (RFC 7396).
func TestCircuitSettings(t *testing.T) {
	h := start(t)
	path := "/v1/webhooks/" + text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://a.example"}`), "id")
	for _, step := range []struct{ patch, breaker, disable string }{
		{`{}`, `{"failures":20,"minimum":50,"share":0.8}`, `{"onGone":false}`},
		{`{"circuitBreaker":{"failures":5}}`, `{"failures":5,"minimum":50,"share":0.8}`, `{"onGone":false}`},
		{`{"circuitBreaker":{"share":0.25,"minimum":1e1},"disable":{"after":"72h"}}`, `{"failures":5,"minimum":10,"share":0.25}`, `{"after":"72h","onGone":false}`},
		{`{"circuitBreaker":{"failures":null},"disable":{"onGone":true}}`, `{"failures":20,"minimum":10,"share":0.25}`, `{"after":"72h","onGone":true}`},
		{`{"disable":{"after":null}}`, `{"failures":20,"minimum":10,"share":0.25}`, `{"onGone":true}`},
		{`{"disable":{"after":"0s"}}`, `{"failures":20,"minimum":10,"share":0.25}`, `{"onGone":true}`},
		{`{"circuitBreaker":null,"disable":null}`, `{"failures":20,"minimum":50,"share":0.8}`, `{"onGone":false}`},
	} {
		got := h.must(200, "PATCH", path, step.patch)
		if b, d := section(t, got, "circuitBreaker"), section(t, got, "disable"); b != step.breaker || d != step.disable {
			t.Errorf("%s: %s and %s, want %s and %s", step.patch, b, d, step.breaker, step.disable)
		}
	}
}

// A webhook that the server has disabled says when and why; one that it will disable says when. Enabling it by either way, also when
// it was enabled, closes its circuit and forgets that.
func TestDisabledByTheServer(t *testing.T) {
	h := start(t)
	id := text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://a.example","disable":{"after":"1h","onGone":true}}`), "id")
	path := "/v1/webhooks/" + id
	current := func() *hook.Webhook {
		t.Helper()
		w, ok := h.store.WebhookByNumber(1)
		if !ok || w.ID.String() != id {
			t.Fatalf("webhook 1 is %+v", w)
		}
		return w
	}
	opened := hook.OpenCircuit(time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC).AddDate(10, 0, 0), &current().Settings.Retry) // whose hour is not over
	for _, tt := range []struct{ name, method, path, body string }{
		{"enabled", "POST", path + "/enable", ``},
		{"patched", "PATCH", path, `{"enabled":true}`},
		{"patched with the default", "PATCH", path, `{"enabled":null}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := *h
			h.tb = t
			if _, err := h.store.SwapCircuit(t.Context(), 1, hook.Circuit{}, opened); err != nil {
				t.Fatal(err)
			}
			const open = `{"disableAt":"2036-11-22T17:00:00.000Z","nextProbeAt":"2036-11-22T16:00:05.000Z","since":"2036-11-22T16:00:00.000Z","state":"open"}`
			if got := section(t, h.must(200, "GET", path, ``), "circuit"); got != open {
				t.Errorf("circuit %s, want %s", got, open)
			}
			if got := section(t, h.must(200, tt.method, tt.path, tt.body), "circuit"); got != `{"state":"closed"}` {
				t.Errorf("an enabled one has the circuit %s", got)
			}
			at := time.Date(2026, 11, 22, 16, 0, 0, 1e6, time.UTC)
			if err := h.store.DisableGone(t.Context(), at, current()); err != nil {
				t.Fatal(err)
			}
			got := h.must(200, "GET", path, ``)
			if d := section(t, got, "disabled"); got["enabled"] != false || d != `{"at":"2026-11-22T16:00:00.001Z","reason":"gone"}` {
				t.Errorf("disabled %s in %v", d, got)
			}
			if got := h.must(200, "PATCH", path, `{"description":"x"}`); got["enabled"] != false || got["disabled"] == nil {
				t.Errorf("another change makes %v of it", got)
			}
			if got := h.must(200, tt.method, tt.path, tt.body); got["enabled"] != true || got["disabled"] != nil {
				t.Errorf("enabled it is %v", got)
			}
		})
	}
}

// An open circuit of a webhook that is disabled says nothing of a next probe: none goes out.
func TestDisabledWebhookHasNoProbe(t *testing.T) {
	h := start(t)
	path := "/v1/webhooks/" + text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://a.example"}`), "id")
	w, _ := h.store.WebhookByNumber(1)
	opened := hook.OpenCircuit(time.Date(2036, 11, 22, 16, 0, 0, 0, time.UTC), &w.Settings.Retry)
	if _, err := h.store.SwapCircuit(t.Context(), 1, hook.Circuit{}, opened); err != nil {
		t.Fatal(err)
	}
	const held = `{"since":"2036-11-22T16:00:00.000Z","state":"open"}`
	if got := section(t, h.must(200, "POST", path+"/disable", ``), "circuit"); got != held {
		t.Errorf("circuit %s, want %s", got, held)
	}
}
