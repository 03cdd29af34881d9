package api_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"

	"github.com/hookswitch/hookswitch/internal/api"
)

// TestAnswersEndTheirLine looks at every way in which an answer is made.
func TestAnswersEndTheirLine(t *testing.T) {
	h := start(t)
	server := httptest.NewServer(h.handler)
	defer server.Close()
	webhook := text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://a.example"}`), "id")
	for name, c := range map[string]struct {
		status                  int
		method, path, body, key string
	}{
		"done":                 {200, "GET", "/v1/webhooks", ``, ""},
		"interaction":          {201, "POST", "/v1/interactions", `{"mediaType":"chat","subtype":"SMS"}`, ""},
		"kept answer":          {201, "POST", "/v1/interactions", `{"mediaType":"chat","subtype":"SMS"}`, "a"},
		"kept problem":         {404, "POST", "/v1/interactions/" + someID + "/stop", `{"by":"workflow"}`, "b"},
		"problem":              {404, "GET", "/v1/interactions/" + someID, ``, ""},
		"problem of the frame": {422, "GET", "/v1/interactions?x=1", ``, ""},
		"batch":                {200, "POST", "/v1/interactions/batch", `{"changes":[{"op":"stop"}]}`, ""},
		"test":                 {200, "POST", "/v1/webhooks/" + webhook + "/test", ``, ""},
		"health":               {200, "GET", "/healthz", ``, ""},
		"unknown path":         {404, "GET", "/nothing", ``, ""},
		"envelope":             {404, "GET", "/nexus/v3/securemail/" + someID + "/" + someID, ``, ""},
		"document":             {200, "GET", "/openapi.json", ``, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second is the kept one, where there is a key
				r := newRequest(c.method, c.path, c.body)
				if c.key != "" {
					r.Header.Set("Idempotency-Key", c.key)
				}
				var err error
				if r.URL, err = url.Parse(server.URL + c.path); err != nil {
					t.Fatal(err)
				}
				r.RequestURI = ""
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				var b bytes.Buffer
				if _, err := b.ReadFrom(resp.Body); err != nil {
					t.Fatal(err)
				}
				if err := resp.Body.Close(); err != nil {
					t.Fatal(err)
				}
				body := b.Bytes()
				if resp.StatusCode != c.status || !bytes.HasSuffix(body, []byte("}\n")) || bytes.HasSuffix(body, []byte("\n\n")) {
					t.Errorf("status %d, want %d: %q", resp.StatusCode, c.status, body)
				}
				if length := resp.Header.Get("Content-Length"); length != "" && length != strconv.Itoa(len(body)) {
					t.Errorf("Content-Length %s of %d bytes", length, len(body))
				}
			}
		})
	}
}

func TestEmptyBody(t *testing.T) {
	h := start(t)
	for _, body := range []string{"", " \n"} {
		if got := h.must(400, "POST", "/v1/interactions", body); text(got, "detail") != "a body is needed" {
			t.Errorf("%q: %v", body, got)
		}
	}
}

// TestEmptyQueue wants one message, whoever finds the fault.
func TestEmptyQueue(t *testing.T) {
	h := start(t)
	for _, queue := range []string{"", " ", "\t"} {
		for path, body := range map[string]string{
			"/v1/interactions":                       `{"mediaType":"chat","subtype":"SMS","queue":` + strconv.Quote(queue) + `}`,
			"/v1/interactions/" + someID + "/submit": `{"queue":` + strconv.Quote(queue) + `}`,
			"/v1/interactions/" + someID + "/return": `{"queue":` + strconv.Quote(queue) + `}`,
		} {
			if got := h.call("POST", path, body).wrong(t)["body.queue"]; got != "must not be empty" {
				t.Errorf("%s %s: %q", path, body, got)
			}
		}
	}
	for _, queue := range []string{``, `,"queue":null`} {
		if got := h.must(201, "POST", "/v1/interactions", `{"mediaType":"chat","subtype":"SMS"`+queue+`}`); text(got, "state") != "NEW" {
			t.Errorf("%q: %v", queue, got)
		}
	}
}

func TestMergePatchType(t *testing.T) {
	h := start(t)
	path := "/v1/webhooks/" + text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://a.example"}`), "id")
	const merge = "application/merge-patch+json; charset=utf-8"
	if got := h.must(200, "PATCH", path, `{"description":"d"}`, "Content-Type", merge); text(got, "description") != "d" {
		t.Errorf("%v", got)
	}
	h.must(415, "POST", "/v1/webhooks", `{"url":"https://a.example"}`, "Content-Type", merge)
	h.must(415, "PATCH", path, `{}`, "Content-Type", "application/json-patch+json")
}

// TestURLThatCannotBeReached refuses one that is given, and lets a webhook that has one change in other ways.
func TestURLThatCannotBeReached(t *testing.T) {
	unreachable := false
	h := start(t, func(o *api.Options) {
		o.CheckURL = func(u *url.URL) error {
			if unreachable && u.Host == "10.0.0.1" {
				return errors.New("is private")
			}
			return nil
		}
	})
	path := "/v1/webhooks/" + text(h.must(201, "POST", "/v1/webhooks", `{"url":"https://10.0.0.1/?key=k"}`), "id")
	unreachable = true
	for name, got := range map[string]reply{
		"create": h.call("POST", "/v1/webhooks", `{"url":"https://10.0.0.1/?key=k"}`),
		"patch":  h.call("PATCH", path, `{"url":"https://10.0.0.1/?key=k"}`),
	} {
		if wrong := got.wrong(t); got.status != 422 || len(wrong) != 1 || wrong["body.url"] != "is private" || bytes.Contains(got.body, []byte("key")) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := h.call("POST", "/v1/webhooks", `{"url":"ftp://10.0.0.1"}`).wrong(t)["body.url"]; got == "" || got == "is private" {
		t.Errorf("ftp: %q", got)
	}
	h.must(200, "PATCH", path, `{"description":"d"}`)
	h.must(200, "PATCH", path, `{"url":"https://a.example"}`)
}

func TestNexusRefusals(t *testing.T) {
	h := start(t)
	made := h.must(201, "POST", "/v1/interactions", `{"mediaType":"chat","subtype":"SMS"}`)
	path := "/nexus/v3/chat/sessions/" + text(made, "sessionId") + "/" + text(made, "id")
	for name, c := range map[string]struct {
		status             int
		method, path, code string
		header             []string
	}{
		"right":                  {200, "GET", path, "SUCCESS", nil},
		"unknown parameter":      {400, "GET", path + "?expand=all", "INVALID_PARAMETER", nil},
		"wrong key":              {401, "GET", path, "UNAUTHORIZED", []string{"x-api-key", "wrong"}},
		"wrong method":           {405, "POST", path, "METHOD_NOT_ALLOWED", nil},
		"unknown path":           {404, "GET", "/nexus/v3/chat", "NOT_FOUND", nil},
		"unknown contact centre": {404, "GET", path, "INVALID_CONTACT_CENTER", []string{"x-ccid", "none"}},
		"unknown session":        {404, "GET", "/nexus/v3/chat/sessions/" + someID + "/" + someID, "INVALID_SESSION", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := h.call(c.method, c.path, "", c.header...)
			if got := text(r.object(t), "status", "code"); r.status != c.status || got != c.code || r.header.Get("Content-Type") != "application/json" {
				t.Errorf("%d %v %s", r.status, r.header, r.body)
			}
			if allow := r.header.Get("Allow"); (c.status == 405) != (allow == "GET, HEAD") {
				t.Errorf("Allow: %q", allow)
			}
		})
	}
}
