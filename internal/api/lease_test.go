package api_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/api"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// TestLeaseTooShort refuses each way to a webhook whose POSTs this server's leases cannot hold, the default request timeout
// included, and names the field; nothing is stored.
func TestLeaseTooShort(t *testing.T) {
	const why = "needs a longer lease"
	h := start(t, func(o *api.Options) {
		o.CheckLease = func(s *hook.Settings) error {
			if time.Duration(s.RequestTimeout+s.Batch.Linger) > 4*time.Second {
				return errors.New(why)
			}
			return nil
		}
	})
	path := "/v1/webhooks/" + text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://a.example","requestTimeout":"4s"}`), "id")
	for name, c := range map[string]struct{ method, path, body string }{
		"create":                  {"POST", "/v1/webhooks", `{"url":"https://a.example","requestTimeout":"4001ms"}`},
		"create with the default": {"POST", "/v1/webhooks", `{"url":"https://a.example"}`},
		"create with null":        {"POST", "/v1/webhooks", `{"url":"https://a.example","requestTimeout":null}`},
		"create with a preset":    {"POST", "/v1/webhooks", `{"url":"https://a.example","preset":"genesys"}`},
		"patch":                   {"PATCH", path, `{"requestTimeout":"5s"}`},
		"patch to the default":    {"PATCH", path, `{"requestTimeout":null}`},
		"patch a preset in":       {"PATCH", path, `{"preset":"genesys"}`},
		"patch another field":     {"PATCH", path, `{"batch":{"linger":"1s"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			h := *h
			h.tb = t
			got := h.call(c.method, c.path, c.body)
			if wrong := got.wrong(t); got.status != 422 || len(wrong) != 1 || wrong["body.requestTimeout"] != why {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	// A field that is wrong by itself is said to be that, beside all else.
	wrong := h.call("POST", "/v1/webhooks", `{"url":"ftp://a.example","requestTimeout":"61s"}`).wrong(t)
	if len(wrong) != 2 || wrong["body.requestTimeout"] == why || wrong["body.url"] == "" {
		t.Errorf("got %v", wrong)
	}
	if got := text(h.must(200, "GET", path, ""), "requestTimeout"); got != "4s" || h.webhooks() != 1 {
		t.Errorf("the webhook has %s, and there are %d", got, h.webhooks())
	}
	h.must(200, "PATCH", path, `{"requestTimeout":"3s","batch":{"linger":"1s"}}`)
	h.must(200, "POST", path+"/disable", "")
}
