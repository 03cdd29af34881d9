package api_test

import (
	"bytes"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/api"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// keys answers a good request on each route of keys, and refusals.
func (c *contract) keys(t *testing.T) {
	made := c.good(201, "POST", "/v1/keys", `{"name":"CRM","permissions":["deliveries","webhooks"],"expiresIn":"2160h"}`)
	if text(made, "permissions") != "[webhooks deliveries]" || text(made, "contactCenterId") != "default" || made["admin"] != false {
		t.Errorf("the key is %v", made)
	}
	c.good(201, "POST", "/v1/keys", `{"name":"Another admin","admin":true}`)
	c.bad(422, "POST", "/v1/keys", `{"name":"configured","permissions":["all"],"expiresIn":"-1s","expiresAt":"2020-01-01T00:00:00Z"}`)
	path := "/v1/keys/" + text(made, "id")
	if got := c.good(200, "GET", path, ``); got["key"] != nil {
		t.Errorf("the key is shown again: %v", got)
	}
	page := c.good(200, "GET", "/v1/keys?limit=1&scope=server", ``)
	c.good(200, "GET", "/v1/keys?scope=server&cursor="+text(page, "nextCursor"), ``)
	c.good(200, "GET", "/v1/keys?scope=contactCenter", ``)
	c.bad(422, "GET", "/v1/keys?cursor=!", ``)
	c.good(200, "PATCH", path, `{"name":"CRM 2","permissions":["webhooks"],"enabled":null,"expiresAt":null}`)
	c.bad(422, "PATCH", path, `{"permissions":[],"name":"","expiresAt":"2020-01-01T00:00:00Z"}`)
	c.good(200, "POST", path+"/disable", ``)
	c.good(200, "POST", path+"/enable", ``)
	c.good(200, "POST", path+"/expire", `{"expiresIn":"24h"}`)
	c.bad(422, "POST", path+"/expire", `{"expiresAt":"2020-01-01T00:00:00Z"}`)
	if got := c.good(200, "POST", path+"/expire", ``); text(got, "expiresAt") == "" {
		t.Errorf("the expired key is %v", got)
	}
	c.good(204, "DELETE", path, ``)
	c.bad(404, "DELETE", path, ``)
	c.bad(409, "DELETE", "/v1/keys/"+h0(c.harness), ``)
}

// h0 is the id of the configured key.
func h0(h *harness) string {
	for _, k := range items(h.must(200, "GET", "/v1/keys?scope=server", ""), "items") {
		if text(k, "name") == "configured" {
			return text(k, "id")
		}
	}
	return ""
}

// newKey makes a key of a contact centre.
func (h *harness) newKey(center string, permissions ...string) (id, key string) {
	h.tb.Helper()
	made := h.must(201, "POST", "/v1/keys", `{"name":"made","permissions":["`+strings.Join(permissions, `","`)+`"]}`, "x-ccid", center)
	return text(made, "id"), text(made, "key")
}

// A key has the documented form, is shown once, and is given again to the repetition of its creation alone.
func TestKeyIsShownOnce(t *testing.T) {
	h := start(t)
	body := `{"name":"CRM","permissions":["webhooks"]}`
	first := h.call("POST", "/v1/keys", body, "Idempotency-Key", "k")
	again := h.call("POST", "/v1/keys", body, "Idempotency-Key", "k")
	if first.status != 201 || !bytes.Equal(first.body, again.body) || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the creation %s, again %s", first.body, again.body)
	}
	key := text(first.object(t), "key")
	if !regexp.MustCompile(`^hsk_[0-9a-f]{32}_[a-z2-7]{52}$`).MatchString(key) || !strings.Contains(key, strings.ReplaceAll(text(first.object(t), "id"), "-", "")) {
		t.Errorf("the key is %s", key)
	}
	secret := key[len(key)-52:]
	for _, path := range []string{"/v1/keys", "/v1/keys/" + text(first.object(t), "id"), "/v1/audit"} {
		if got := h.call("GET", path, ""); got.status != 200 || strings.Contains(string(got.body), secret) {
			t.Errorf("%s shows the key: %s", path, got.body)
		}
	}
	h.must(200, "GET", "/v1/webhooks", "", "x-api-key", key)
	if got := h.must(200, "GET", "/v1/keys/"+text(first.object(t), "id"), ""); got["usedAt"] == nil {
		t.Errorf("the use is not shown: %v", got)
	}
}

// A wrong secret and an unknown id are refused alike; who shows the right key is told why it opens nothing.
func TestRefusedKeys(t *testing.T) {
	now := time.Now()
	h := start(t, func(o *api.Options) { o.Now = func() time.Time { return now } })
	id, key := h.newKey("default", "webhooks")
	wrong := key[:len(key)-1] + map[bool]string{true: "a", false: "b"}[!strings.HasSuffix(key, "a")]
	unknown := strings.Replace(key, key[4:12], "00000000", 1)
	tried := func(key string) string {
		now = now.Add(time.Minute)
		got := h.call("GET", "/v1/webhooks", "", "x-api-key", key)
		if got.status != http.StatusUnauthorized {
			t.Errorf("status %d", got.status)
		}
		return string(got.body) + got.header.Get("WWW-Authenticate")
	}
	same := []string{tried(wrong), tried(unknown), tried("something else")}
	h.must(200, "POST", "/v1/keys/"+id+"/disable", "")
	same = append(same, tried(wrong))
	if got := tried(key); !strings.Contains(got, "the key is disabled") {
		t.Errorf("disabled: %s", got)
	}
	h.must(200, "POST", "/v1/keys/"+id+"/enable", "")
	h.must(200, "POST", "/v1/keys/"+id+"/expire", "")
	same = append(same, tried(wrong))
	if got := tried(key); !strings.Contains(got, "the key expired at 20") {
		t.Errorf("expired: %s", got)
	}
	for _, s := range same {
		if diff := cmp.Diff(same[0], s); diff != "" {
			t.Errorf("refused otherwise:\n%s", diff)
		}
	}
}

// A contact centre's own admin makes keys for it alone, and changes no other; never an admin key.
func TestKeysOfContactCenterAdmin(t *testing.T) {
	h := start(t)
	h.must(201, "POST", "/v1/contact-centers", `{"id":"acme"}`)
	_, admin := h.newKey("acme", "admin")
	foreign, _ := h.newKey("default", "webhooks")
	as := func(method, path, body string) reply { return h.call(method, path, body, "x-api-key", admin) }
	if got := as("POST", "/v1/keys", `{"name":"own","permissions":["admin"]}`); got.status != 201 || text(got.object(t), "contactCenterId") != "acme" {
		t.Errorf("an own key: %d %s", got.status, got.body)
	}
	for at, want := range map[string]int{
		`POST /v1/keys {"name":"x","admin":true}`: 403, "GET /v1/keys?scope=server ": 403, "GET /v1/audit?scope=server ": 403, "GET /metrics ": 403, "GET /v1/contact-centers ": 403,
		"GET /v1/keys/" + foreign + " ": 404, "DELETE /v1/keys/" + foreign + " ": 404, "DELETE /v1/keys/" + h0(h) + " ": 404, "GET /v1/keys/" + h0(h) + " ": 404,
		"POST /v1/keys/" + h0(h) + "/disable ": 404, "PATCH /v1/keys/" + foreign + ` {"name":"mine"}`: 404,
		"GET /v1/contact-centers/acme ": 200, `PATCH /v1/contact-centers/acme {"name":"Acme"}`: 200, "GET /v1/contact-centers/acme/retention/report ": 200,
		"GET /v1/contact-centers/default ": 404, `PATCH /v1/contact-centers/default {"name":"Mine"}`: 404,
	} {
		part := strings.SplitN(at, " ", 3)
		if got := as(part[0], part[1], part[2]); got.status != want {
			t.Errorf("%s: %d, want %d: %s", at, got.status, want, got.body)
		}
	}
}

// A key that may read one media type is shown interactions of that one, in lists and alone; the others do not exist for it.
func TestReadingOneMediaType(t *testing.T) {
	h := start(t)
	made := map[string]map[string]any{}
	for _, media := range []string{"chat", "email"} {
		made[media] = h.must(201, "POST", "/v1/interactions", `{"mediaType":"`+media+`","subtype":"InboundNew"}`)
	}
	path := map[string]string{"chat": "/nexus/v3/chat/sessions/", "email": "/nexus/v3/securemail/"}
	for _, media := range []string{"chat", "email"} {
		other := map[string]string{"chat": "email", "email": "chat"}[media]
		_, key := h.newKey("default", "interactions:read:"+media)
		for query, want := range map[string]int{"": 1, "?mediaType=" + media: 1, "?mediaType=" + other: 0, "?state=open&limit=1": 1} {
			list := h.must(200, "GET", "/v1/interactions"+query, "", "x-api-key", key)
			if got := items(list, "items"); len(got) != want || want == 1 && text(got[0], "mediaType") != media {
				t.Errorf("%s: %s lists %v", media, query, list)
			}
		}
		h.must(200, "GET", "/v1/interactions/"+text(made[media], "id"), "", "x-api-key", key)
		hidden := h.call("GET", "/v1/interactions/"+text(made[other], "id"), "", "x-api-key", key)
		absent := h.call("GET", "/v1/interactions/"+someID, "", "x-api-key", key)
		if hidden.status != 404 || !bytes.Equal(hidden.body, absent.body) {
			t.Errorf("%s: the other one is answered %d %s, one that does not exist %s", media, hidden.status, hidden.body, absent.body)
		}
		nexus := func(m string) int {
			return h.call("GET", path[m]+text(made[m], "sessionId")+"/"+text(made[m], "id"), "", "x-api-key", key).status
		}
		if nexus(media) != 200 || nexus(other) != 403 {
			t.Errorf("%s: %d and %d", media, nexus(media), nexus(other))
		}
	}
	_, both := h.newKey("default", "interactions:read")
	if list := h.must(200, "GET", "/v1/interactions", "", "x-api-key", both); len(items(list, "items")) != 2 {
		t.Errorf("both: %v", list)
	}
}

// The page about keys says of each route what the document says that it needs.
func TestPermissionsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/keys.md")
	if err != nil {
		t.Fatal(err)
	}
	said, needed := map[string]string{}, map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z]+ /[^`]*)` \\| `([^`]+)` \\|$").FindAllStringSubmatch(string(page), -1) {
		said[m[1]] = m[2]
	}
	for _, o := range operations(t, start(t)) {
		needed[o.method+" "+o.path] = o.Permission
	}
	if diff := cmp.Diff(needed, said); diff != "" {
		t.Errorf("docs/keys.md differs from the document (-document +page):\n%s", diff)
	}
	for _, p := range hook.Permissions() {
		if !strings.Contains(string(page), "\n| `"+string(p)+"` | ") {
			t.Errorf("docs/keys.md does not explain %s", p)
		}
	}
}

// A refusal says of whom it speaks, of which contact centre, and everything once.
func TestRefusalsOfKeysSayWhatAndOnce(t *testing.T) {
	h := start(t)
	r := h.call("POST", "/v1/keys", `{"name":"CRM","permissions":["webhooks","interactions:red"]}`)
	if want := `"message":"must be one of interactions:write, `; r.status != 422 || strings.Count(string(r.body), `"location"`) != 1 || !strings.Contains(string(r.body), want) {
		t.Errorf("an unknown permission: %d %s", r.status, r.body)
	}
	r = h.call("GET", "/v1/keys", "", "x-ccid", "nix")
	if want := `id \"nix\", which x-ccid names`; r.status != 404 || !strings.Contains(string(r.body), want) {
		t.Errorf("an unknown contact centre: %d %s", r.status, r.body)
	}
}
