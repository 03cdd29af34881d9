package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/console"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// TestSignIn shows that a key signs in, that a wrong one does not, and that signing out ends it.
func TestSignIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		h := open(t, e.Open(t).Store)
		b := h.visitor()
		a := b.get("/console/cc/default/?x=1")
		if want := "/console/sign-in?next=" + url.QueryEscape("/console/cc/default/?x=1"); a.location != want {
			t.Fatalf("a page sends a visitor to %q, want %q", a.location, want)
		}
		b.shows(b.get(a.location), http.StatusOK, `name="next" value="/console/cc/default/?x=1"`, `name="key"`)
		b.shows(b.post("/console/sign-in", url.Values{"key": {"hsk_wrong"}}), http.StatusUnauthorized, "You were not let in")
		b.shows(b.post("/console/sign-in", url.Values{}), http.StatusUnprocessableEntity, "Paste a key")

		a = b.post("/console/sign-in", url.Values{"key": {" " + h.key(0) + "\n"}, "next": {"/console/cc/default/?x=1"}})
		b.shows(b.follow(a), http.StatusOK, "Overview", "Sign out")
		b.shows(b.follow(b.get("/console/")), http.StatusOK, "Overview")
		b.shows(b.follow(b.post("/console/sign-out", url.Values{})), http.StatusOK, "You are signed out.")
		if a = b.get("/console/cc/default/"); a.status != http.StatusSeeOther {
			t.Errorf("after signing out a page answers %d", a.status)
		}
	})
}

// TestSessionEndsWithItsKey shows that what a key may do counts at each request.
func TestSessionEndsWithItsKey(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	b := h.signedIn(1, hook.PermitDeliveries)
	b.shows(b.get("/console/cc/default/"), http.StatusOK)
	keys, _, err := h.store.Keys(1, store.Page{Limit: 10})
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys %v, %v", keys, err)
	}
	_, err = h.store.ChangeKey(t.Context(), time.Now(), store.KeyScope{Center: 1}, keys[0].ID, nil, func(k *hook.Key) error {
		k.Enabled = false
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if a := b.get("/console/cc/default/"); a.status != http.StatusSeeOther {
		t.Errorf("with a disabled key a page answers %d", a.status)
	}
}

// TestOtherContactCentersDoNotExist shows that a key of one contact centre sees nothing of another, not even whether there is one.
func TestOtherContactCentersDoNotExist(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	if _, err := h.store.CreateContactCenter(t.Context(), time.Now(), "other", "Other", nil); err != nil {
		t.Fatal(err)
	}
	b := h.signedIn(1)
	other, nothing := b.get("/console/cc/other/"), b.get("/console/cc/othex/")
	b.shows(other, http.StatusNotFound)
	if other.status != nothing.status || len(other.body) != len(nothing.body) {
		t.Errorf("another's contact centre: %d %q; none: %d %q", other.status, other.body, nothing.status, nothing.body)
	}
}

// hostileNexts are texts that lead out of the console, or that a browser may read so (URL Standard, section 4.4: tabs and line ends are dropped,
// a backslash is a slash, dots that are encoded are dots).
func hostileNexts() []string {
	return []string{
		"", "https://evil.example/console/", "//evil.example/console/", "///evil.example/console/", "/\\evil.example/console/", "\\\\evil.example", "/console/\\evil",
		"/v1/keys", "/console/../v1/keys", "/console/%2e%2e/v1/keys", "/console/%2E./v1/keys", "/console/..%2fv1", "/console", "/consoles/", "console/", "?x", "#x",
		"javascript:alert(1)", "data:text/html,x", "http:/console/", "http:console/", "https:///console/", "/console/\r\nSet-Cookie: a=b", "/con\tsole/", "\t//evil.example",
		" //evil.example/console/", "/console/%0d%0aSet-Cookie:%20a=b/..", "//user@evil.example/console/", "/console/%zz", "\x00//evil.example",
	}
}

// TestNextIsInTheConsole shows that a link to the sign-in leads nowhere else.
func TestNextIsInTheConsole(t *testing.T) {
	for text, want := range map[string]string{
		"/console/cc/default/webhooks?state=x": "/console/cc/default/webhooks?state=x",
		"/console/":                            "/console/",
		"/console/cc/a%2Fb/":                   "/console/cc/a%2Fb/",
	} {
		if got := console.NextOf(text); got != want {
			t.Errorf("%q leads to %q, want %q", text, got, want)
		}
	}
	for _, text := range hostileNexts() {
		if got := console.NextOf(text); got != "/console/" {
			t.Errorf("%q leads to %q", text, got)
		}
	}
}

// TestSessionEndsBeforeAForm shows that who sends a form after the session has ended learns that nothing was done, and comes back to the form's page by signing in;
// a page that is looked at is come back to without a word.
func TestSessionEndsBeforeAForm(t *testing.T) {
	t.Parallel()
	later := new(atomic.Int64)
	h := open(t, storetest.Open(t).Store, func(o *console.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	})
	b, key := h.visitor(), h.key(1)
	page := "/console/cc/default/webhooks/new?x=y"
	b.follow(b.post("/console/sign-in", url.Values{"key": {key}, "next": {page}}))
	send := func(referer string) reply {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/console/cc/default/webhooks/new", strings.NewReader("url=https://receiver.example/"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Referer", referer)
		resp, err := b.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return reply{status: resp.StatusCode, location: resp.Header.Get("Location")}
	}
	later.Store(int64(12*time.Hour - time.Minute)) // over midnight, as sessions may
	if got := b.get(page); got.status != http.StatusOK {
		t.Fatalf("within the session: %d", got.status)
	}
	later.Store(int64(12*time.Hour + time.Second))
	if got := b.get(page); got.location != "/console/sign-in?next=%2Fconsole%2Fcc%2Fdefault%2Fwebhooks%2Fnew%3Fx%3Dy" {
		t.Errorf("a page: %s", got.location)
	} else if text := b.follow(got).body; strings.Contains(text, "Not done") {
		t.Errorf("a page that was looked at: %s", text)
	}
	for referer, want := range map[string]string{
		h.url + page: page, "": "/console/", "https://evil.example/console/x": "/console/x", h.url + "/v1/keys": "/console/", "::": "/console/",
	} {
		form := b.follow(send(referer))
		b.shows(form, http.StatusOK, "Not done: your session has ended", `name="next" value="`+want+`"`)
	}
	if webhooks, _, err := h.store.Webhooks(t.Context(), 1, store.Page{}); err != nil || len(webhooks) != 0 {
		t.Errorf("%d webhooks were made, %v", len(webhooks), err)
	}
	if got := b.post("/console/sign-in", url.Values{"key": {key}, "next": {page}}); got.location != page {
		t.Errorf("signing in leads to %s", got.location)
	}
}
