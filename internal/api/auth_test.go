package api_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/api"
)

// openRoutes are those of the document that ask for no key. A route that is not here must.
func openRoutes() map[string]bool {
	return map[string]bool{"GET /healthz": true, "GET /readyz": true}
}

// TestEveryRouteAsksForAKey walks the document, so that no route can be forgotten.
func TestEveryRouteAsksForAKey(t *testing.T) {
	h, address := start(t), 0
	for _, o := range operations(t, h) {
		path := strings.NewReplacer("{id}", someID, "{sessionId}", someID, "{interactionId}", someID).Replace(o.path)
		open := openRoutes()[o.method+" "+o.path]
		if said := len(o.Security) == 1 && len(o.Security[0]) == 0; said != open {
			t.Errorf("%s %s: the document says open=%v, want %v", o.method, o.path, said, open)
		}
		for name, header := range map[string][2]string{
			"none": {"X-Nothing", ""}, "wrong": {"X-Api-Key", "wrong"}, "wrong bearer": {"Authorization", "Bearer wrong"},
			"basic": {"Authorization", "Basic " + adminKey}, "too long": {"X-Api-Key", strings.Repeat("k", 2_000)},
		} {
			r := httptest.NewRequest(o.method, path, strings.NewReader("{}"))
			r.Header.Set(header[0], header[1])
			address++ // each from another one, so that none is wrong too often
			r.RemoteAddr = fmt.Sprintf("192.0.%d.%d:1", address/256, address%256)
			got := h.do(r)
			if open {
				if got.status != http.StatusOK {
					t.Errorf("%s %s, key %s: status %d", o.method, path, name, got.status)
				}
				continue
			}
			if got.status != http.StatusUnauthorized || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s %s, key %s: status %d, %v", o.method, path, name, got.status, got.header)
			}
			if strings.HasPrefix(path, "/nexus/") {
				if code := text(got.object(t), "status", "code"); code != "UNAUTHORIZED" {
					t.Errorf("%s: code %s", path, code)
				}
			} else {
				got.wrong(t)
			}
		}
	}
}

func TestBearer(t *testing.T) {
	h := start(t)
	for _, value := range []string{"Bearer " + adminKey, "bearer  " + adminKey} {
		r := httptest.NewRequest(http.MethodGet, "/v1/webhooks", nil)
		r.Header.Set("Authorization", value)
		if got := h.do(r); got.status != 200 {
			t.Errorf("%s: %d", value, got.status)
		}
	}
}

func TestOpenDocumentsAndHeaders(t *testing.T) {
	h := start(t)
	for _, path := range []string{"/openapi.json", "/docs/", "/healthz"} {
		got := h.do(httptest.NewRequest(http.MethodGet, path, nil))
		if got.status != 200 || got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, got.status, got.header)
		}
		if csp := got.header.Get("Content-Security-Policy"); path == "/docs/" && (!strings.Contains(csp, "'sha256-") || strings.Contains(csp, "script-src 'self' 'unsafe-inline'")) {
			t.Errorf("CSP %q", csp)
		}
		if path == "/docs/" && strings.Contains(string(got.body), "//unpkg") {
			t.Error("the docs page loads from elsewhere")
		}
	}
	if got := h.do(httptest.NewRequest(http.MethodGet, "/docs/swagger-ui-bundle.js", nil)); got.status != 200 || len(got.body) < 100_000 {
		t.Errorf("the docs page's script: %d, %d bytes", got.status, len(got.body))
	}
	if got := h.call("GET", "/v1/webhooks", ""); got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", got.header)
	}
}

// TestUnready answers 503 when the server drains, and /healthz goes on.
func TestUnready(t *testing.T) {
	h := start(t)
	h.server.Drain()
	h.server.Drain() // twice is once
	if got := h.call("GET", "/readyz", ""); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %v", got.status, got.header)
	}
	h.must(200, "GET", "/healthz", "")
}

func TestAdminKeyIsReplaced(t *testing.T) {
	h := start(t, func(o *api.Options) { o.Version = "" })
	if err := h.store.SetAdminKey(t.Context(), time.Now(), sha256.Sum256([]byte("another"))); err != nil {
		t.Fatal(err)
	}
	if got := h.call("GET", "/v1/webhooks", ""); got.status != 401 {
		t.Errorf("the old key: %d", got.status)
	}
	h.must(200, "GET", "/v1/webhooks", "", "x-api-key", "another")
}
