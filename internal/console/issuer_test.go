package console_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/console"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// scriptedIssuer is an issuer that knows one person; the real one is shown in internal/signin and, through a server, in internal/cli.
type scriptedIssuer struct {
	mu sync.Mutex // guards all below
	// begun are the states that were given out and have not come back.
	begun    map[string]bool
	callback string
	caller   hook.Caller
	until    time.Time
	err      error
}

func (*scriptedIssuer) Host() string { return "login.example" }

func (i *scriptedIssuer) Begin(_ context.Context, callback string) (location string, state []byte, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.callback = callback
	text := "state-" + time.Now().Format(time.RFC3339Nano)
	i.begun[text] = true
	return "https://login.example/auth?" + url.Values{"state": {text}}.Encode(), []byte(text), i.err
}

func (i *scriptedIssuer) Finish(_ context.Context, state []byte, query url.Values) (hook.Caller, time.Time, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(state) == 0 || !i.begun[string(state)] || query.Get("state") != string(state) {
		return hook.Caller{}, time.Time{}, &hook.SignInError{Problem: hook.SignInAgain, Text: "Not of this browser."}
	}
	delete(i.begun, string(state))
	return i.caller, i.until, i.err
}

// withIssuer opens a console with an issuer whose person may read deliveries, for an hour.
func withIssuer(t *testing.T, change ...func(*console.Options)) (*house, *scriptedIssuer) {
	t.Helper()
	i := &scriptedIssuer{
		begun: map[string]bool{}, until: time.Now().Add(time.Hour),
		caller: hook.Caller{Center: 1, Permissions: []hook.Permission{hook.PermitDeliveries}, Actor: "oidc user-1"},
	}
	change = append([]func(*console.Options){func(o *console.Options) { o.Issuer = i }}, change...)
	return open(t, storetest.Open(t).Store, change...), i
}

// elsewhere begins a sign-in and returns where the browser comes back to.
func (b *browser) elsewhere(next string) (callback string) {
	b.tb.Helper()
	a := b.get("/console/sign-in/oidc?next=" + url.QueryEscape(next))
	u, err := url.Parse(a.location)
	if err != nil || a.status != http.StatusSeeOther || u.Host != "login.example" {
		b.tb.Fatalf("signing in leads to %d %q: %v\n%s", a.status, a.location, err, a.body)
	}
	return "/console/sign-in/callback?" + url.Values{"code": {"c"}, "state": {u.Query().Get("state")}}.Encode()
}

// TestSignInWithIssuer shows that whom the issuer vouches for is signed in as that, and until then.
func TestSignInWithIssuer(t *testing.T) {
	var now sync.Map
	now.Store("", time.Now())
	h, i := withIssuer(t, func(o *console.Options) {
		o.Now = func() time.Time {
			v, _ := now.Load("")
			at, _ := v.(time.Time)
			return at
		}
	})
	b := h.visitor()
	b.shows(b.get("/console/sign-in?next=/console/cc/default/%3Fx=1"), http.StatusOK,
		"Sign in with login.example", `href="/console/sign-in/oidc?next=%2fconsole%2fcc%2fdefault%2f%3fx%3d1"`, "Sign in with the key")
	a := b.get(b.elsewhere("/console/cc/default/?x=1"))
	if a.location != "/console/cc/default/?x=1" {
		t.Fatalf("after the sign-in the browser goes to %d %q\n%s", a.status, a.location, a.body)
	}
	if i.callback != "http://hookswitch.example/console/sign-in/callback" {
		t.Errorf("the issuer sends browsers back to %s", i.callback)
	}
	b.shows(b.follow(a), http.StatusOK, "oidc user-1", "Sign out")
	now.Store("", i.until.Add(-time.Second))
	b.shows(b.get("/console/cc/default/"), http.StatusOK)
	now.Store("", i.until.Add(time.Millisecond))
	if a := b.get("/console/cc/default/"); a.status != http.StatusSeeOther {
		t.Errorf("after the end of the session a page answers %d", a.status)
	}
}

// TestWithoutIssuer has neither a button nor routes.
func TestWithoutIssuer(t *testing.T) {
	b := open(t, storetest.Open(t).Store).visitor()
	if a := b.get("/console/sign-in"); strings.Contains(a.body, "oidc") || strings.Contains(a.body, "Sign in with") {
		t.Error("the form offers an issuer that is not configured")
	}
	b.shows(b.get("/console/sign-in/oidc"), http.StatusNotFound)
	b.shows(b.get("/console/sign-in/callback?code=c&state=s"), http.StatusNotFound)
}

// TestSignInIsOfOneBrowser shows that an answer signs in the browser that began, once, and no other: an attacker's answer, sent to a victim as a link,
// does not sign the victim in as the attacker.
func TestSignInIsOfOneBrowser(t *testing.T) {
	h, _ := withIssuer(t)
	attacker, victim := h.visitor(), h.visitor()
	link := attacker.elsewhere("/console/")
	victim.elsewhere("/console/") // the victim has one of its own begun
	for range 2 {
		victim.shows(victim.get(link), http.StatusBadRequest, "Not of this browser.")
		if a := victim.get("/console/cc/default/"); a.status != http.StatusSeeOther {
			t.Errorf("a foreign answer signs in: %d", a.status)
		}
	}
	if a := attacker.get(link); a.status != http.StatusSeeOther {
		t.Errorf("one's own answer: %d %s", a.status, a.body)
	}
	at, err := url.Parse(h.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []*browser{attacker, victim} {
		for _, cookie := range b.client.Jar.Cookies(at) {
			if strings.Contains(cookie.Name, "sign-in") {
				t.Errorf("after an answer there is still %s", cookie.Name)
			}
		}
	}
	attacker.shows(attacker.get(link), http.StatusBadRequest, "Not of this browser.")
}

// TestSignInIsNotBegunElsewhere sends a browser that another site sends to begin to the form first.
func TestSignInIsNotBegunElsewhere(t *testing.T) {
	h, _ := withIssuer(t)
	for site, begins := range map[string]bool{"cross-site": false, "same-site": false, "same-origin": true, "none": true, "": true} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/console/sign-in/oidc?next=/console/cc/default/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		resp, err := h.visitor().client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		location, cookies := resp.Header.Get("Location"), len(resp.Cookies())
		switch {
		case begins && (!strings.HasPrefix(location, "https://login.example/") || cookies != 1):
			t.Errorf("%q: leads to %q with %d cookies", site, location, cookies)
		case !begins && (location != "/console/sign-in?next=%2Fconsole%2Fcc%2Fdefault%2F" || cookies != 0):
			t.Errorf("%q: leads to %q with %d cookies", site, location, cookies)
		}
	}
}

// TestIssuerLeadsToTheConsoleOnly ends a sign-in nowhere else, whatever the link to it said.
func TestIssuerLeadsToTheConsoleOnly(t *testing.T) {
	h, _ := withIssuer(t)
	for _, next := range hostileNexts() {
		b := h.visitor()
		if a := b.get(b.elsewhere(next)); a.location != "/console/" {
			t.Errorf("%q leads to %q", next, a.location)
		}
	}
}

// TestIssuersTrouble shows on the form what went wrong, and tells the operator's log of what only they can mend, once a second.
func TestIssuersTrouble(t *testing.T) {
	for _, c := range []struct {
		problem hook.SignInProblem
		status  int
		logged  int
	}{
		{hook.SignInAway, http.StatusServiceUnavailable, 1},
		{hook.SignInAgain, http.StatusBadRequest, 0},
		{hook.SignInRefused, http.StatusForbidden, 0},
		{hook.SignInMisset, http.StatusBadGateway, 1},
	} {
		var log strings.Builder
		now := time.Now()
		h, i := withIssuer(t, func(o *console.Options) {
			o.Log = slog.New(slog.NewJSONHandler(&log, nil))
			o.Now = func() time.Time { return now }
		})
		b := h.visitor()
		for range 3 {
			callback := b.elsewhere("/console/cc/default/")
			i.mu.Lock()
			i.err = &hook.SignInError{Problem: c.problem, Text: "The issuer says <b>no</b>.", RetryAfter: 7 * time.Second, Cause: errors.New("the cause")}
			i.mu.Unlock()
			a := b.get(callback)
			b.shows(a, c.status, "The issuer says &lt;b&gt;no&lt;/b&gt;.", `name="next" value="/console/cc/default/"`)
			if wait := a.header.Get("Retry-After"); (wait == "7") != (c.problem == hook.SignInAway) {
				t.Errorf("Retry-After %q", wait)
			}
			b.shows(b.get("/console/sign-in/oidc"), c.status, "The issuer says")
			if a := b.get("/console/cc/default/"); a.status != http.StatusSeeOther {
				t.Errorf("who was not let in is: %d", a.status)
			}
			i.mu.Lock()
			i.err = nil
			i.mu.Unlock()
		}
		if got := strings.Count(log.String(), "the cause"); got != c.logged {
			t.Errorf("%d lines in the log, want %d: %s", got, c.logged, log.String())
		}
	}
}

// TestIssuerTakesNoPlace shows that people who wait for an issuer that hangs take no place from those for whom pages are made, and are bounded themselves.
func TestIssuerTakesNoPlace(t *testing.T) {
	hang := make(chan struct{})
	waiting := &hangingIssuer{begun: make(chan struct{}, 1_000), release: hang}
	h := open(t, storetest.Open(t).Store, func(o *console.Options) { o.Issuer = waiting })
	b := h.signedIn(1, hook.PermitDeliveries)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() { h.visitor().get("/console/sign-in/oidc") })
	}
	for range 64 {
		<-waiting.begun
	}
	b.shows(b.get("/console/sign-in/oidc"), http.StatusServiceUnavailable, "too many pages")
	b.shows(b.get("/console/cc/default/"), http.StatusOK, "Overview")
	close(hang)
	all.Wait()
	b.shows(b.get("/console/cc/default/"), http.StatusOK, "Overview")
}

// hangingIssuer is one whose answers wait.
type hangingIssuer struct {
	scriptedIssuer
	begun   chan struct{}
	release chan struct{}
}

func (i *hangingIssuer) Begin(context.Context, string) (string, []byte, error) {
	i.begun <- struct{}{}
	<-i.release
	return "https://login.example/", []byte("x"), nil
}
