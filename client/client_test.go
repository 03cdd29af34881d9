package client_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hookswitch/hookswitch/client"
)

// server answers every request with one answer and notes the last request.
type server struct {
	status      int
	contentType string
	body        string
	last        *http.Request
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.last = r
	w.Header().Set("Content-Type", s.contentType)
	w.WriteHeader(s.status)
	_, _ = w.Write([]byte(s.body)) // the test fails on its own if this did
}

func dial(t *testing.T, s *server) *client.ClientWithResponses {
	t.Helper()
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	c, err := client.Dial(h.URL, "the-key", "acme")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDialSendsKeyAndContactCentre(t *testing.T) {
	s := &server{status: 200, contentType: "application/json", body: `{"items":[]}`}
	c := dial(t, s)
	got, err := c.ListWebhooksWithResponse(t.Context(), &client.ListWebhooksParams{})
	if err != nil || got.JSON200 == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	if s.last.Header.Get("x-api-key") != "the-key" || s.last.Header.Get("x-ccid") != "acme" {
		t.Errorf("headers %v", s.last.Header)
	}
	other := "other"
	if _, err := c.ListWebhooksWithResponse(t.Context(), &client.ListWebhooksParams{XCcid: &other}); err != nil || s.last.Header.Get("x-ccid") != other {
		t.Errorf("x-ccid %q, %v", s.last.Header.Get("x-ccid"), err)
	}
}

func TestRefusalsAreErrors(t *testing.T) {
	for name, c := range map[string]struct {
		server server
		want   string
	}{
		"problem": {
			server{status: 422, contentType: "application/problem+json", body: `{"type":"about:blank","title":"Unprocessable Entity","status":422,"detail":"wrong",
				"errors":[{"location":"body.queue","message":"must not be empty"},{"location":"body.id","message":"must be a UUID"}]}`},
			"422 Unprocessable Entity: wrong; body.queue must not be empty; body.id must be a UUID",
		},
		"envelope": {
			server{status: 404, contentType: "application/json", body: `{"status":{"code":"INVALID_SESSION","message":"Not Found","detail":"none"}}`},
			"404 Not Found: INVALID_SESSION: none",
		},
		"a proxy's page": {server{status: 502, contentType: "text/html", body: "<html>"}, "502 Bad Gateway: the answer is not one of Hookswitch: <html>"},
		"cut problem":    {server{status: 500, contentType: "application/problem+json", body: "{"}, "500 Internal Server Error: the answer is not one of Hookswitch: {"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dial(t, &c.server).ListWebhooksWithResponse(t.Context(), &client.ListWebhooksParams{})
			var p *client.Problem
			if !errors.As(err, &p) || p.Error() != c.want || int(p.Status) != c.server.status {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestABrokenURLIsAnError(t *testing.T) {
	c, err := client.Dial("http://[broken", "k", "")
	if err == nil {
		_, err = c.HealthWithResponse(t.Context())
	}
	if err == nil {
		t.Error("no error")
	}
}

// TestGeneratedIsFresh generates the client again and compares.
func TestGeneratedIsFresh(t *testing.T) {
	fresh := filepath.Join(t.TempDir(), "generated.go")
	out, err := exec.CommandContext(t.Context(), "go", "tool", "-modfile=../tools/go.mod", "oapi-codegen",
		"-config", "oapi-codegen.yaml", "-o", fresh, "openapi.json").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("generated.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("generated.go is stale: run go generate ./internal/api ./client")
	}
}
