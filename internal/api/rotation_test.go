package api_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/api"
)

// rotation takes a webhook through a rotation of its secret, and refuses what is out of its turn.
func (c *contract) rotation(t *testing.T, webhook string) {
	path := "/v1/webhooks/" + webhook + "/secrets"
	c.bad(409, "POST", path, `{"action":"promote"}`)
	c.bad(409, "POST", path, `{"action":"expire"}`)
	c.bad(409, "POST", path, `{"action":"expire","which":"next"}`)
	c.bad(409, "POST", path, `{"action":"next","secret":"0123456789abcdef"}`)
	next := c.good(200, "POST", path, `{"action":"next","secret":"0123456789abcdefg"}`)
	if text(next, "secret") != "0123456789abcdefg" || text(next, "secrets", "next") != "true" || text(next, "secrets", "previousUntil") != "<nil>" {
		t.Errorf("next: %v", next)
	}
	c.good(200, "POST", path, `{"action":"expire","which":"next"}`)
	made := c.good(200, "POST", path, `{"action":"next"}`)
	if !strings.HasPrefix(text(made, "secret"), "whsec_") {
		t.Errorf("a next secret that was made: %v", made["secret"])
	}
	c.good(200, "POST", "/v1/webhooks/"+webhook+"/test", `{"secret":"next"}`)
	promoted := c.good(200, "POST", path, `{"action":"promote"}`)
	until, err := time.Parse(time.RFC3339, text(promoted, "secrets", "previousUntil"))
	if left := time.Until(until); err != nil || left < 23*time.Hour || left > 24*time.Hour || text(promoted, "secrets", "next") != "false" {
		t.Errorf("promote: %v", promoted)
	}
	c.bad(409, "POST", "/v1/webhooks/"+webhook+"/test", `{"secret":"next"}`)
	for name, shown := range map[string]map[string]any{"promote": promoted, "GET": c.good(200, "GET", "/v1/webhooks/"+webhook, ``)} {
		if _, ok := shown["secret"]; ok || text(shown, "secrets", "previousUntil") != text(promoted, "secrets", "previousUntil") {
			t.Errorf("%s shows a secret, or another time: %v", name, shown)
		}
	}
	c.good(200, "POST", path, `{"action":"expire","which":"previous"}`)
	c.good(200, "POST", path, `{"action":"next"}`)
	if got := c.good(200, "POST", path, `{"action":"promote","keepPrevious":"0s"}`); text(got, "secrets", "previousUntil") != "<nil>" {
		t.Errorf("promoted with 0s: %v", got)
	}
	c.bad(404, "POST", "/v1/webhooks/00000000-0000-4000-8000-000000000000/secrets", `{"action":"next"}`)
}

// Every wrong field of a step is named, with what would be right, and no secret is repeated.
func TestRotationNamesWrongFields(t *testing.T) {
	h := start(t)
	path := "/v1/webhooks/" + h.secretive() + "/secrets"
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"no action", `{}`, []string{"body.action"}},
		{"no such action", `{"action":"swap"}`, []string{"body.action"}},
		{"a short secret", `{"action":"next","secret":"s3cret-of"}`, []string{"body.secret"}},
		{"a secret with a promotion", `{"action":"promote","secret":"s3cret-of-a-promotion"}`, []string{"body.secret"}},
		{"a time with a next one", `{"action":"next","keepPrevious":"1h","which":"next"}`, []string{"body.keepPrevious", "body.which"}},
		{"no time", `{"action":"promote","keepPrevious":"soon"}`, []string{"body.keepPrevious"}},
		{"too long a time", `{"action":"promote","keepPrevious":"720h1s"}`, []string{"body.keepPrevious"}},
		{"no such secret", `{"action":"expire","which":"current"}`, []string{"body.which"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := h.call("POST", path, tt.body)
			wrong := got.wrong(t)
			for _, field := range tt.want {
				if wrong[field] == "" {
					t.Errorf("%s is not named: %s", field, got.body)
				}
			}
			if got.status != 422 || len(wrong) != len(tt.want) || strings.Contains(string(got.body), "s3cret") {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
}

// The same request with the same Idempotency-Key adds one next secret, and gets the same one again.
func TestRotationOnce(t *testing.T) {
	h := start(t)
	path := "/v1/webhooks/" + h.secretive() + "/secrets"
	first := h.call("POST", path, `{"action":"next"}`, "Idempotency-Key", "next")
	again := h.call("POST", path, `{"action":"next"}`, "Idempotency-Key", "next")
	if first.status != 200 || again.header.Get("Idempotency-Replayed") != "true" || !bytes.Equal(first.body, again.body) {
		t.Errorf("first %d %s, then %d %s", first.status, first.body, again.status, again.body)
	}
}

// A previous secret that has ended is not shown, even before somebody removes it.
func TestRotationShowsNoEndedSecret(t *testing.T) {
	late := false
	h := start(t, func(o *api.Options) {
		o.Now = func() time.Time {
			if late {
				return time.Now().Add(time.Hour)
			}
			return time.Now()
		}
	})
	id := h.secretive()
	h.must(200, "POST", "/v1/webhooks/"+id+"/secrets", `{"action":"next"}`)
	h.must(200, "POST", "/v1/webhooks/"+id+"/secrets", `{"action":"promote","keepPrevious":"1h"}`)
	late = true
	if got := h.must(200, "GET", "/v1/webhooks/"+id, ``); text(got, "secrets", "previousUntil") != "<nil>" || text(got, "secrets", "next") != "false" {
		t.Errorf("secrets: %v", got["secrets"])
	}
}
