package signin_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/bearer"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/signin"
)

// TestSignIn signs somebody in who is whom the claims name, for as long as the ID token is valid, and a working day at most.
func TestSignIn(t *testing.T) {
	s := setUp(t)
	caller, until := s.good(s.begin())
	want := hook.Caller{Center: 2, Permissions: []hook.Permission{hook.PermitWebhooks}, Actor: "oidc user-1"}
	if diff := cmp.Diff(want, caller); diff != "" {
		t.Error(diff)
	}
	if !until.Equal(noon().Add(time.Hour)) {
		t.Errorf("signed in until %v, want the expiry of the ID token", until)
	}
	s.set(func() {
		s.claims = map[string]any{"exp": noon().Add(48 * time.Hour).Unix(), "hookswitch_ccid": "*", "hookswitch_permissions": "admin"}
	})
	caller, until = s.good(s.begin())
	if !until.Equal(noon().Add(8 * time.Hour)) {
		t.Errorf("signed in until %v, want 8 hours", until)
	}
	if caller.Center != 0 || !caller.May(hook.PermitAdmin) {
		t.Errorf("got %+v", caller)
	}
	if host, ok := strings.CutPrefix(s.url, "http://"); !ok || s.flow.Host() != host {
		t.Errorf("the issuer is known as %s", s.flow.Host())
	}
}

// TestClientAuthentication shows the secret in the one way that the issuer wants, and none for a public client; the issuer is asked once per code.
func TestClientAuthentication(t *testing.T) {
	for _, way := range []string{"", "client_secret_basic", "client_secret_post", "none"} {
		t.Run(way, func(t *testing.T) {
			s := setUp(t, func(_ *bearer.Options, o *signin.Options) {
				if way == "none" {
					o.ClientSecret = hook.Secret{}
				}
			})
			if way != "" {
				s.set(func() { s.said["token_endpoint_auth_methods_supported"] = []string{way, "private_key_jwt"} })
			}
			s.good(s.begin())
			if got := s.exchanges.Load(); got != 1 {
				t.Errorf("%d requests to exchange one code", got)
			}
		})
	}
}

// TestWrongSecret tells the person that it is the operator's matter, asks once, and repeats nothing of what the issuer says.
func TestWrongSecret(t *testing.T) {
	s := setUp(t, func(_ *bearer.Options, o *signin.Options) { o.ClientSecret = hook.NewSecret(clientSecret + "!") })
	state, query := s.begin()
	s.bad(state, query, hook.SignInMisset, "does not accept this server's oidc-client-id with its oidc-client-secret (invalid_client)")
	if got := s.exchanges.Load(); got != 1 {
		t.Errorf("%d requests to exchange one code", got)
	}
}

// TestForeignAnswer refuses an answer that this browser has not begun, before the issuer is asked anything: with no sign-in kept, with another's, with
// no state at all, and one that comes too late.
func TestForeignAnswer(t *testing.T) {
	s := setUp(t)
	const foreign = "belongs to no sign-in that this browser has begun"
	state, query := s.begin()
	otherState, otherQuery := s.begin()
	s.bad(nil, query, hook.SignInAgain, foreign)
	s.bad([]byte("{}"), url.Values{"code": {"c"}, "state": {""}}, hook.SignInAgain, foreign)
	s.bad([]byte("no JSON"), query, hook.SignInAgain, foreign)
	s.bad(otherState, query, hook.SignInAgain, foreign)
	s.bad(state, otherQuery, hook.SignInAgain, foreign)
	s.bad(state, url.Values{"code": query["code"]}, hook.SignInAgain, foreign)
	s.bad(state, url.Values{"error": {"access_denied"}, "error_description": {"call 555-1234"}}, hook.SignInAgain, foreign)
	s.pass(10 * time.Minute)
	s.bad(state, query, hook.SignInAgain, "longer than 10 minutes")
	if got := s.exchanges.Load(); got != 0 {
		t.Errorf("%d codes were exchanged", got)
	}
}

// TestReplayedCallback takes an answer once: who has kept everything and comes with it again is refused by the issuer.
func TestReplayedCallback(t *testing.T) {
	s := setUp(t)
	state, query := s.begin()
	s.good(state, query)
	s.bad(state, query, hook.SignInAgain, "was used already")
}

// TestStolenCode exchanges no code of another sign-in, even for somebody who can put it beside the right state: PKCE's verifier is another.
func TestStolenCode(t *testing.T) {
	s := setUp(t)
	_, stolen := s.begin()
	state, query := s.begin()
	query["code"] = stolen["code"]
	s.bad(state, query, hook.SignInAgain, "was used already, or took too long")
}

// TestMixUp takes answers of the configured issuer alone (RFC 9207): one that names another is refused and its code sent nowhere; one that names
// none is refused where the issuer announces that it does.
func TestMixUp(t *testing.T) {
	const mixed = "the answer is of another issuer, or does not say of which"
	for name, c := range map[string]struct {
		announced bool
		iss       []string
		good      bool
	}{
		"not announced, not there": {good: true},
		"not announced, right":     {iss: []string{"own"}, good: true},
		"not announced, other":     {iss: []string{"https://other.example"}},
		"announced, right":         {announced: true, iss: []string{"own"}, good: true},
		"announced, other":         {announced: true, iss: []string{"https://other.example"}},
		"announced, empty":         {announced: true, iss: []string{""}},
		"announced, not there":     {announced: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := setUp(t)
			s.set(func() { s.said["authorization_response_iss_parameter_supported"] = c.announced })
			state, query := s.begin()
			if c.iss != nil {
				query["iss"] = []string{strings.Replace(c.iss[0], "own", s.url, 1)}
			}
			if c.good {
				s.good(state, query)
				return
			}
			s.bad(state, query, hook.SignInMisset, mixed)
			query.Del("code")
			query.Set("error", "access_denied")
			s.bad(state, query, hook.SignInMisset, mixed)
			if got := s.exchanges.Load(); got != 0 {
				t.Errorf("%d codes were exchanged", got)
			}
		})
	}
}

// TestRefusedByTheIssuer says who refused and why, in one visible, bounded line.
func TestRefusedByTheIssuer(t *testing.T) {
	for name, c := range map[string]struct {
		query   url.Values
		problem hook.SignInProblem
		words   string
	}{
		"denied":           {url.Values{"error": {"access_denied"}}, hook.SignInRefused, "did not let you in (access_denied)."},
		"with words":       {url.Values{"error": {"access_denied"}, "error_description": {"not\nassigned\u202e to it."}}, hook.SignInRefused, "(access_denied), and says: “not assigned to it”."},
		"with many words":  {url.Values{"error": {"login_required"}, "error_description": {strings.Repeat("x", 9_999)}}, hook.SignInRefused, strings.Repeat("x", 200) + "…”."},
		"away":             {url.Values{"error": {"temporarily_unavailable"}}, hook.SignInAway, "does not answer now"},
		"our own mistake":  {url.Values{"error": {"invalid_scope"}}, hook.SignInMisset, "it answered the error invalid_scope"},
		"unknown":          {url.Values{"error": {"<script>"}}, hook.SignInMisset, "it answered the error of its own"},
		"nothing":          {url.Values{}, hook.SignInMisset, "neither a code nor an error"},
		"two codes":        {url.Values{"code": {"a", "b"}}, hook.SignInMisset, "the parameter code more than once"},
		"a code beside it": {url.Values{"code": {"a"}, "error": {"access_denied"}}, hook.SignInRefused, "did not let you in"},
	} {
		t.Run(name, func(t *testing.T) {
			s := setUp(t)
			state, query := s.begin()
			c.query["state"] = query["state"]
			s.bad(state, c.query, c.problem, c.words)
		})
	}
}

func fails(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if _, err := w.Write([]byte(body)); err != nil {
			panic(http.ErrAbortHandler)
		}
	})
}

// TestIssuerAwayAndBack begins nothing while the issuer is away, and signs in once it is back; a sign-in that was begun before can be finished.
func TestIssuerAwayAndBack(t *testing.T) {
	s := setUp(t)
	s.set(func() { s.away = fails(http.StatusBadGateway, "") })
	_, _, err := s.flow.Begin(t.Context(), callback)
	s.met(err, hook.SignInAway, "does not answer now. Try again in a moment, or sign in with an API key")
	s.set(func() { s.away = nil })
	s.pass(2 * time.Second)
	state, query := s.begin()
	s.set(func() { s.away = fails(http.StatusBadGateway, "") })
	s.bad(state, query, hook.SignInAway, "does not answer now")
	s.set(func() { s.away = nil })
	s.good(state, query)
}

// TestTokenEndpointFails tells a failure that passes from one that somebody has to mend, and follows no answer anywhere.
func TestTokenEndpointFails(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for name, c := range map[string]struct {
		answer  http.Handler
		problem hook.SignInProblem
		words   string
	}{
		"busy":             {fails(http.StatusTooManyRequests, `{"error":"slow_down"}`), hook.SignInAway, ""},
		"broken":           {fails(http.StatusInternalServerError, "oops"), hook.SignInAway, ""},
		"no JSON":          {fails(http.StatusOK, "<html>"), hook.SignInAway, ""},
		"too large":        {fails(http.StatusOK, strings.Repeat(" ", 1<<20)+"{}"), hook.SignInAway, ""},
		"cut off":          {http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), hook.SignInAway, ""},
		"another host":     {http.RedirectHandler(other.URL+"/token", http.StatusTemporaryRedirect), hook.SignInAway, ""},
		"another error":    {fails(http.StatusBadRequest, `{"error":"invalid_request","error_description":"`+url.QueryEscape(clientSecret)+`"}`), hook.SignInMisset, "it answered 400 with the error invalid_request"},
		"no ID token":      {fails(http.StatusOK, `{"access_token":"a","token_type":"Bearer"}`), hook.SignInMisset, "it gave no ID token"},
		"an error in 200":  {fails(http.StatusOK, `{"error":"invalid_grant"}`), hook.SignInAgain, "was used already"},
		"a text as token":  {fails(http.StatusOK, `{"access_token":"a","id_token":"opaque"}`), hook.SignInMisset, "its ID token is no signed JWT"},
		"a number as such": {fails(http.StatusOK, `{"access_token":"a","id_token":7}`), hook.SignInMisset, "it gave no ID token"},
	} {
		t.Run(name, func(t *testing.T) {
			s := setUp(t)
			state, query := s.begin()
			s.set(func() { s.instead = c.answer })
			s.bad(state, query, c.problem, c.words)
		})
	}
	if got := elsewhere.Load(); got != 0 {
		t.Errorf("%d requests went to another host", got)
	}
}

// TestTokenEndpointHangs gives up in time.
func TestTokenEndpointHangs(t *testing.T) {
	s := setUp(t, func(at *bearer.Options, _ *signin.Options) { at.Timeout = 200 * time.Millisecond })
	state, query := s.begin()
	s.set(func() { s.instead = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { hang(r) }) })
	s.bad(state, query, hook.SignInAway, "does not answer now")
}

// hang holds a request until its client gives up, which a server notices once it has read the body.
func hang(r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err == nil {
		<-r.Context().Done()
	}
}

// TestExchangesAreBounded has many people come back at once: the token endpoint never gets more than eight requests at the same time, and all of them
// are signed in.
func TestExchangesAreBounded(t *testing.T) {
	s := setUp(t)
	var now, most atomic.Int64
	s.set(func() {
		s.instead = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := now.Add(1)
			defer now.Add(-1)
			for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
			}
			s.token(w, r)
		})
	})
	var all sync.WaitGroup
	for range 50 {
		state, query := s.begin()
		all.Go(func() { s.good(state, query) })
	}
	all.Wait()
	if got := most.Load(); got > 8 {
		t.Errorf("%d codes were exchanged at the same time", got)
	}
}

// TestEndpointsAreGuarded sends nobody, and no code, to what is not https.
func TestEndpointsAreGuarded(t *testing.T) {
	for _, endpoint := range []string{"authorization_endpoint", "token_endpoint"} {
		for _, bad := range []string{"", "http://login.example/x", "javascript:alert(1)", "//login.example", "https:", ":"} {
			s := setUp(t)
			s.set(func() { s.said[endpoint] = bad })
			_, _, err := s.flow.Begin(t.Context(), callback)
			s.met(err, hook.SignInMisset, "names no "+endpoint+" that begins with https")
		}
	}
}

// TestStoreAway gives the store's own error back.
func TestStoreAway(t *testing.T) {
	s := setUp(t)
	s.set(func() { s.claims = map[string]any{"hookswitch_ccid": "broken"} })
	state, query := s.begin()
	if _, _, err := s.flow.Finish(t.Context(), state, query); !errors.Is(err, errStore) {
		t.Errorf("got %v", err)
	}
}
