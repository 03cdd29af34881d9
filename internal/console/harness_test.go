package console_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/console"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// house is a console on a real store, and its URL.
type house struct {
	tb     testing.TB
	store  *store.Store
	server *console.Server
	url    string
}

// open starts a console on a store; storetest.Each gives one for each engine.
func open(tb testing.TB, s *store.Store, change ...func(*console.Options)) *house {
	tb.Helper()
	h := &house{tb: tb, store: s}
	o := console.Options{
		Store: s, Tester: scriptedTester{hook.Attempt{Number: 1, Status: 200, Duration: 12 * time.Millisecond, Events: 1}}, Requests: scriptedRequests{}, PublicURL: storetest.PublicURL, Version: "test",
		Key: func(_ *http.Request, text string) (hook.Caller, error) {
			return s.FindCaller(hook.ProofOf(text), time.Now())
		},
	}
	o.PublicURL = "http://hookswitch.example" // cookies over http, as the test's server is
	for _, f := range change {
		f(&o)
	}
	var err error
	if h.server, err = console.New(o); err != nil {
		tb.Fatal(err)
	}
	web := httptest.NewServer(h.server.Handler())
	tb.Cleanup(web.Close)
	tb.Cleanup(h.server.Drain) // before the web server waits for its connections
	h.url = web.URL
	return h
}

// scriptedTester answers every test in the same way.
type scriptedTester struct{ attempt hook.Attempt }

func (s scriptedTester) Test(context.Context, *hook.Webhook) hook.Attempt { return s.attempt }

// key makes a key of a contact centre, of the installation where that is zero, and returns its text.
func (h *house) key(center hook.ContactCenterNumber, permissions ...hook.Permission) string {
	h.tb.Helper()
	var random [10]byte
	var secret [hook.KeySecretBytes]byte
	rand.Read(random[:])
	rand.Read(secret[:])
	id := hook.KeyID{UUID: hook.V7(time.Now(), random)}
	text := hook.NewKeyText(id, secret)
	if len(permissions) == 0 {
		permissions = []hook.Permission{hook.PermitAdmin}
	}
	key := hook.Key{ID: id, Center: center, Name: "key " + id.String(), Permissions: permissions, Enabled: true, CreatedAt: time.Now()}
	if _, err := h.store.CreateKey(h.tb.Context(), time.Now(), key, hook.ProofOf(text).Hash, nil); err != nil {
		h.tb.Fatal(err)
	}
	return text
}

// browser keeps cookies and follows no redirect.
type browser struct {
	*house
	client *http.Client
}

// visitor is a browser in which nobody is signed in.
func (h *house) visitor() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.tb.Fatal(err)
	}
	return &browser{h, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// signedIn is a browser in which somebody is signed in with a key; without permissions, as an admin of the installation.
func (h *house) signedIn(center hook.ContactCenterNumber, permissions ...hook.Permission) *browser {
	h.tb.Helper()
	b := h.visitor()
	if a := b.post("/console/sign-in", url.Values{"key": {h.key(center, permissions...)}}); a.status != http.StatusSeeOther {
		h.tb.Fatalf("signing in: %d %s", a.status, a.body)
	}
	return b
}

// reply is what came back.
type reply struct {
	status   int
	location string
	header   http.Header
	body     string
}

// get asks for a page.
func (b *browser) get(path string) reply {
	b.tb.Helper()
	return b.do(http.MethodGet, path, nil)
}

// post sends a form.
func (b *browser) post(path string, form url.Values) reply {
	b.tb.Helper()
	return b.do(http.MethodPost, path, form)
}

// follow asks for the page that a form has led to.
func (b *browser) follow(a reply) reply {
	b.tb.Helper()
	if a.status != http.StatusSeeOther {
		b.tb.Fatalf("status %d, want a redirect:\n%s", a.status, a.body)
	}
	return b.get(a.location)
}

func (b *browser) do(method, path string, form url.Values) reply {
	b.tb.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.tb.Context(), method, b.url+path, body)
	if err != nil {
		b.tb.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.tb.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		b.tb.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header.Get("Location"), resp.Header, string(text)}
}

// shows fails unless the page has the texts.
func (b *browser) shows(a reply, status int, texts ...string) {
	b.tb.Helper()
	if a.status != status {
		b.tb.Fatalf("status %d, want %d:\n%s", a.status, status, a.body)
	}
	if i := slices.IndexFunc(texts, func(text string) bool { return !strings.Contains(a.body, text) }); i >= 0 {
		b.tb.Errorf("the page does not say %q:\n%s", texts[i], a.body)
	}
}
