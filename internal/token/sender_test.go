package token_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/egress"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/token"
)

// secret is the client's secret of all tests; no answer may hold it.
const secret = "hunter2/+:secret"

// long is the timeout of posts that are not meant to run into it, and short that of the others.
const (
	long  = 20 * time.Second
	short = 150 * time.Millisecond
)

func parse(tb testing.TB, raw string) *url.URL {
	tb.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

// post is a post to a receiver, authorized by a token endpoint.
func post(tb testing.TB, receiver, endpoint string, timeout time.Duration) hook.Post {
	tb.Helper()
	return hook.Post{
		URL: parse(tb, receiver), Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte("{}"), Timeout: timeout,
		Credentials: &hook.Credentials{Authorization: hook.Authorization{OAuth2: &hook.ClientCredentials{
			TokenURL: endpoint, ClientID: "client", ClientSecret: hook.NewSecret(secret), Scopes: []string{"a", "b"}, Audience: "them",
		}}},
	}
}

// newSender sends through the real egress, which may reach loopback addresses.
func newSender(tb testing.TB) *token.Sender {
	tb.Helper()
	client := egress.New(egress.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	tb.Cleanup(client.Close)
	return token.New(client, "v0.0.0-test")
}

// serve starts a server for one test.
func serve(tb testing.TB, handler http.HandlerFunc) string {
	tb.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	tb.Cleanup(s.Close)
	return s.URL
}

// accept is a receiver that wants a token.
func accept(want string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+want {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
}

// A token is asked for once for all posts, as RFC 6749 says.
func TestOneTokenForAThousandPosts(t *testing.T) {
	var asked, posted atomic.Int64
	want := strings.Repeat("eyJ", 3_000) // longer than what is kept of a receiver's answer
	endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		// The client's id and secret are form-encoded before they are joined (RFC 6749, section 2.3.1).
		authorization := "Basic " + base64.StdEncoding.EncodeToString([]byte("client:hunter2%2F%2B%3Asecret"))
		if string(body) != "audience=them&grant_type=client_credentials&scope=a+b" || r.Header.Get("Authorization") != authorization ||
			r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.Method != http.MethodPost {
			t.Errorf("the request for a token: %s %v %s", r.Method, r.Header, body)
		}
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, want)
	})
	receiver := serve(t, func(w http.ResponseWriter, r *http.Request) {
		posted.Add(1)
		accept(want)(w, r)
	})
	s, p := newSender(t), post(t, receiver, endpoint, long)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range 20 {
				if a := s.Send(t.Context(), p); a.Status != http.StatusOK || a.Failure != hook.FailureNone {
					t.Errorf("%+v", a)
				}
			}
		})
	}
	all.Wait()
	if asked.Load() != 1 || posted.Load() != 1_000 {
		t.Errorf("asked %d times for %d posts", asked.Load(), posted.Load())
	}
	if got := p.Header.Get("Authorization"); got != "" {
		t.Error("the post's own header was changed")
	}
	p.Credentials = &hook.Credentials{Authorization: p.Credentials.Authorization.Clone()}
	p.Credentials.Authorization.OAuth2.ClientSecret = hook.NewSecret("hunter2/+:secret ")
	p.Credentials.Authorization.OAuth2.InBody = true
	endpoint2 := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("client_id") != "client" || r.FormValue("client_secret") != "hunter2/+:secret " || r.Header.Get("Authorization") != "" {
			t.Errorf("the request for a token in the body: %v %v", r.Header, r.Form)
		}
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":"3600"}`, want)
	})
	p.Credentials.Authorization.OAuth2.TokenURL = endpoint2
	if a := s.Send(t.Context(), p); a.Status != http.StatusOK {
		t.Errorf("in the body: %+v", a)
	}
}

// Whatever an authorization server does, the post fails with plain words, its receiver is not asked, and nothing secret shows.
func TestNoToken(t *testing.T) {
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") })
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body) // who hangs up is not told
		}
	}
	for name, test := range map[string]struct {
		server http.HandlerFunc
		want   string
	}{
		"wrong secret":      {answer(401, `{"error":"invalid_client","error_description":"`+secret+`"}`), "the authorization server answered 401 invalid_client: it does not take this clientId and clientSecret, or wants them otherwise (inBody)"},
		"wrong scope":       {answer(400, `{"error":"invalid_scope"}`), "the authorization server answered 400 invalid_scope: it does not give these scopes to this client"},
		"a code of its own": {answer(400, `{"error":"`+secret+`"}`), "the authorization server answered 400 with an error code that is not one of RFC 6749"},
		"no JSON":           {answer(500, `<html>`+secret), "the authorization server answered 500"},
		"no JSON, 200":      {answer(200, secret), "the authorization server answered 200 with what is not the JSON of RFC 6749, section 5.1"},
		"no token":          {answer(200, `{"error":"server_error"}`), "the authorization server answered 200 without an access_token server_error"},
		"another type":      {answer(200, `{"access_token":"t","token_type":"mac"}`), "the authorization server gave a token that is not of the type bearer"},
		"a line feed":       {answer(200, `{"access_token":"t\nHost: x","token_type":"bearer"}`), "the authorization server gave a token that no header can hold"},
		"too long":          {answer(200, `{"access_token":"`+strings.Repeat("t", 17<<10)+`"}`), "the authorization server gave a token of 17408 bytes; at most 16384 are used"},
		"without end":       {answer(200, `{"access_token":"`+strings.Repeat("t", 1<<20)+`"}`), "the authorization server answered more than 32768 bytes"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
		}, "the authorization server answered 307"},
		"no HTTP": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, secret+"\r\n\r\n") // as above
			_ = conn.Close()
		}, "no token from the authorization server: request: the request could not be made, or the answer was not HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			receiver := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a post went out without a token") })
			var asked atomic.Int64
			endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				test.server(w, r)
			})
			s, p := newSender(t), post(t, receiver, endpoint, long)
			for range 3 {
				a := s.Send(t.Context(), p)
				took := a.Took
				a.Took = 0
				if diff := cmp.Diff(hook.Answer{Failure: hook.FailureToken, Error: test.want}, a); diff != "" || took <= 0 {
					t.Errorf("took %v (-want +got):\n%s", took, diff)
				}
			}
			if asked.Load() != 1 {
				t.Errorf("asked %d times", asked.Load())
			}
		})
	}
}

// A token endpoint is a target as any other: an address that the operator does not allow is not asked.
func TestTokenEndpointIsGuarded(t *testing.T) {
	client := egress.New(egress.Options{})
	t.Cleanup(client.Close)
	endpoint := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked") })
	a := token.New(client, "v1").Send(t.Context(), post(t, "https://receiver.example", strings.Replace(endpoint, "http:", "https:", 1), long))
	if a.Failure != hook.FailureToken || !strings.Contains(a.Error, "blocked: the address 127.0.0.1 is loopback") {
		t.Errorf("%+v", a)
	}
}

// An authorization server that hangs takes no more than the post's timeout, of all posts that wait together, and is not asked by each.
func TestHangingAuthorizationServer(t *testing.T) {
	var asked atomic.Int64
	hang := make(chan struct{})
	endpoint := serve(t, func(http.ResponseWriter, *http.Request) {
		asked.Add(1)
		<-hang
	})
	defer close(hang)
	s, p := newSender(t), post(t, "http://127.0.0.1:9", endpoint, short)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			a := s.Send(t.Context(), p)
			if a.Failure != hook.FailureToken || a.Took > long || !strings.Contains(a.Error, "within") {
				t.Errorf("%+v", a)
			}
		})
	}
	all.Wait()
	if a := s.Send(t.Context(), p); a.Failure != hook.FailureToken || asked.Load() != 1 {
		t.Errorf("asked %d times: %+v", asked.Load(), a)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.Timeout = long // one with more time asks anew
	if a := s.Send(ctx, p); a.Failure != hook.FailureToken {
		t.Errorf("cancelled: %+v", a)
	}
}

// recorder keeps the credentials of the posts that it is given, and answers them with a token.
type recorder []*hook.Credentials

func (r *recorder) Send(_ context.Context, p hook.Post) hook.Answer {
	*r = append(*r, p.Credentials)
	return hook.Answer{Status: http.StatusOK, Response: []byte(`{"access_token":"t"}`)}
}

// A client's certificate and roots are for the receiver, and for a token endpoint of the same origin; another never sees them.
func TestTLSOfItsOwnGoesToTheReceiverAlone(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"https://receiver.example/token": true, "https://RECEIVER.example:443/token": true, "https://receiver.example:444/token": false, "https://other.example": false,
	} {
		var r recorder
		p := post(t, "https://receiver.example/x", endpoint, long)
		p.Credentials.TLS = hook.TLS{Roots: "roots"}
		token.New(&r, "v1").Send(t.Context(), p)
		if len(r) != 2 || (r[0] != nil) != want || want && (r[0].TLS.Roots != "roots" || !r[0].Authorization.IsZero()) || r[1] != p.Credentials {
			t.Errorf("%s: %+v", endpoint, r)
		}
	}
}
