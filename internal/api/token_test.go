package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/api"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// The tokens of these tests. What a real verifier makes of real ones is shown in internal/bearer and, through a server, in internal/cli.
const (
	goodToken    = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJnb29kIn0.c2ln"
	otherToken   = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJvdGhlciJ9.c2ln"
	waitingToken = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ3YWl0In0.c2ln"
)

func takeTokens(o *api.Options) {
	o.Token = func(_ context.Context, token string, _ func() error) (hook.Caller, error) {
		switch token {
		case goodToken:
			return hook.Caller{Center: 1, Permissions: []hook.Permission{hook.PermitAdmin}, Actor: "oidc good"}, nil
		case waitingToken:
			return hook.Caller{}, &hook.UnjudgedError{RetryAfter: 1500 * time.Millisecond}
		default:
			return hook.Caller{}, &hook.TokenError{Reason: "has expired"}
		}
	}
}

func sendToken(h *harness, path, token string, header ...string) reply {
	h.tb.Helper()
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return h.do(r)
}

func TestTokenAnswers(t *testing.T) {
	h := start(t, takeTokens)
	if got := sendToken(h, "/v1/webhooks", goodToken); got.status != http.StatusOK {
		t.Errorf("good: %d %s", got.status, got.body)
	}
	if got := sendToken(h, "/v1/webhooks", goodToken, "x-ccid", "other"); got.status != http.StatusForbidden {
		t.Errorf("for another contact centre: %d %s", got.status, got.body)
	}
	if got := sendToken(h, "/metrics", goodToken); got.status != http.StatusForbidden {
		t.Errorf("the installation's: %d %s", got.status, got.body)
	}
	got := sendToken(h, "/v1/webhooks", otherToken)
	if challenge := got.header.Get("WWW-Authenticate"); got.status != http.StatusUnauthorized ||
		challenge != `Bearer realm="hookswitch", error="invalid_token", error_description="the token has expired"` {
		t.Errorf("bad: %d %q", got.status, challenge)
	}
	if got := sendToken(h, "/nexus/v3/chat/sessions/"+someID+"/"+someID, otherToken); text(got.object(t), "status", "code") != "UNAUTHORIZED" {
		t.Errorf("bad, nexus: %d %s", got.status, got.body)
	}
	if got := sendToken(h, "/v1/webhooks", waitingToken); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "2" ||
		got.header.Get("WWW-Authenticate") != "" {
		t.Errorf("cannot be judged: %d %v", got.status, got.header)
	}
}

// TestKeysBesideTokens shows that keys are judged as before where tokens are taken: in either header, with dots in them too, and before a
// token that comes beside one. Where no tokens are taken, one is a wrong key.
func TestKeysBesideTokens(t *testing.T) {
	h := start(t, takeTokens)
	if got := sendToken(h, "/v1/webhooks", adminKey); got.status != http.StatusOK {
		t.Errorf("a key as a bearer token: %d", got.status)
	}
	if got := sendToken(h, "/v1/webhooks", otherToken, "x-api-key", adminKey); got.status != http.StatusOK {
		t.Errorf("a key beside a bad token: %d", got.status)
	}
	for name, c := range map[string]struct {
		h     *harness
		token string
	}{"dots": {h, "a.wrong.key"}, "no tokens": {start(t), goodToken}} {
		got := sendToken(c.h, "/v1/webhooks", c.token)
		if got.status != http.StatusUnauthorized || !strings.Contains(string(got.body), "key") {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := sendToken(h, "/v1/webhooks", "x", "x-api-key", goodToken); got.status != http.StatusUnauthorized {
		t.Errorf("a token in x-api-key: %d", got.status)
	}
}
