package console_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/console"
	"github.com/hookswitch/hookswitch/internal/gate"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/seal"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// attacked is a console behind the gate, as callers reach it, and the cookie of an admin of the installation.
type attacked struct {
	*house
	admin string
}

func attack(t *testing.T, publicURL string) *attacked {
	t.Helper()
	h := open(t, storetest.Open(t).Store, func(o *console.Options) {
		o.PublicURL, o.Issuer = publicURL, &scriptedIssuer{begun: map[string]bool{}, until: time.Now().Add(time.Hour)}
	})
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "another origin", http.StatusForbidden) })
	web := httptest.NewServer(gate.Protect(h.server.Handler(), publicURL, refuse))
	t.Cleanup(web.Close)
	h.url = web.URL
	a := &attacked{house: h}
	resp := a.send(http.MethodPost, "/console/sign-in", "key="+h.key(0))
	for _, c := range resp.cookies() {
		a.admin = c.Name + "=" + c.Value
	}
	if resp.status != http.StatusSeeOther || a.admin == "" {
		t.Fatalf("signing in: %d", resp.status)
	}
	return a
}

// send sends a request with headers, names and values, and follows no redirect.
func (a *attacked) send(method, path, form string, header ...string) reply {
	a.tb.Helper()
	r, err := http.NewRequestWithContext(a.tb.Context(), method, a.url, strings.NewReader(form))
	if err != nil {
		a.tb.Fatal(err)
	}
	r.URL.Opaque = "//" + r.URL.Host + path // to the letter
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		a.tb.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		a.tb.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header.Get("Location"), resp.Header, string(text)}
}

// cookies are those that an answer sets.
func (r *reply) cookies() []*http.Cookie { return (&http.Response{Header: r.header}).Cookies() }

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// routes returns the method and a path of every route of the console.
func (a *attacked) routes() (all [][2]string) {
	for _, pattern := range a.server.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		all = append(all, [2]string{method, parameter.ReplaceAllStringFunc(path, func(name string) string {
			switch name {
			case "{$}":
				return ""
			case "{center}":
				return "default"
			case "{name}":
				return "console.css"
			default:
				return "0193f5b0-0000-7000-8000-000000000000"
			}
		})})
	}
	return all
}

// TestHeadersOfEveryPage compares what every answer of every route says to browsers with literals, for visitors and for an admin, over http and https.
func TestHeadersOfEveryPage(t *testing.T) {
	for _, publicURL := range []string{"http://hookswitch.example", "https://hookswitch.example"} {
		a := attack(t, publicURL)
		want := map[string]string{
			// CSP Level 3, section 6: what falls back to default-src is 'none'; base-uri, form-action and frame-ancestors do not fall back to it.
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Frame-Options":         "DENY",    // RFC 7034, section 2.1
			"X-Content-Type-Options":  "nosniff", // Fetch, section 3.6
			"Referrer-Policy":         "same-origin",
			// HTML, "Cross-origin opener policies"; Fetch, section 3.7
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
			"Cache-Control":             "no-store", // RFC 9111, section 5.2.2.5
			"Permissions-Policy":        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
			"Strict-Transport-Security": "", // RFC 6797, section 7.2: never over http
		}
		if strings.HasPrefix(publicURL, "https:") {
			want["Strict-Transport-Security"] = "max-age=31536000" // RFC 6797, section 6.1
		}
		routes := a.routes()
		if len(routes) < 10 {
			t.Fatalf("the routes are %v", routes)
		}
		for _, route := range routes {
			for _, cookie := range []string{"", a.admin} {
				resp := a.send(route[0], route[1], "", "Cookie", cookie)
				for name, value := range want {
					if name == "Cache-Control" && strings.HasPrefix(route[1], "/console/static/") {
						value = "no-cache" // RFC 9111, section 5.2.2.4: these are for everybody, and are asked for anew
					}
					if got := strings.Join(resp.header.Values(name), " | "); got != value {
						t.Errorf("%s %s as %.20q answers %d with %s: %q, want %q", route[0], route[1], cookie, resp.status, name, got, value)
					}
				}
				if resp.status < 300 && !strings.HasPrefix(route[1], "/console/static/") && resp.header.Get("Content-Type") != "text/html; charset=utf-8" {
					t.Errorf("%s %s is %q", route[0], route[1], resp.header.Get("Content-Type"))
				}
			}
		}
	}
}

// TestCookiesOfEveryPage compares every cookie that is set with literals: none is for scripts, for other sites' requests or, with https, for anything else.
func TestCookiesOfEveryPage(t *testing.T) {
	for publicURL, attributes := range map[string]string{
		"http://hookswitch.example": "Path=/; Max-Age=N; HttpOnly; SameSite=Lax",
		// RFC 6265bis, section 4.1.3.2: the prefix demands Secure, the path / and no Domain
		"https://hookswitch.example": "Path=/; Max-Age=N; HttpOnly; Secure; SameSite=Lax",
	} {
		a := attack(t, publicURL)
		cookie := regexp.MustCompile(`^(__Host-)?hookswitch-(session|flash|sign-in)=([A-Za-z0-9_-]*); (.*)$`)
		age, seen := regexp.MustCompile(`Max-Age=[0-9]+`), map[string]bool{}
		check := func(resp reply) {
			for _, set := range resp.header.Values("Set-Cookie") {
				m := cookie.FindStringSubmatch(set)
				switch {
				case m == nil:
					t.Errorf("the cookie %q", set)
				case (m[1] != "") != strings.HasPrefix(publicURL, "https:"), age.ReplaceAllString(m[4], "Max-Age=N") != attributes:
					t.Errorf("the cookie %q, want %q", set, attributes)
				default:
					seen[m[2]] = true
				}
			}
		}
		for _, route := range a.routes() {
			check(a.send(route[0], route[1], "", "Cookie", a.admin))
		}
		check(a.send(http.MethodPost, "/console/sign-in", "key="+a.key(0)))
		if len(seen) != 3 {
			t.Errorf("only these were set: %v", seen)
		}
	}
}

// TestFormsOfOtherOrigins refuses every form of the console that a page of another origin sends with an admin's cookie (Fetch Metadata Request Headers,
// section 2.4; Fetch, section 3.1), and takes the console's own.
func TestFormsOfOtherOrigins(t *testing.T) {
	a, forms := attack(t, "http://hookswitch.example"), 0
	for _, route := range a.routes() {
		if route[0] != http.MethodPost {
			continue
		}
		forms++
		for _, from := range [][]string{
			{"Sec-Fetch-Site", "cross-site"},
			{"Sec-Fetch-Site", "same-site"},
			{"Sec-Fetch-Site", "cross-site", "Origin", "null"},
			{"Origin", "https://evil.example"},
			{"Origin", "null"},
			{"Origin", "http://evil.hookswitch.example"},
		} {
			resp := a.send(route[0], route[1], "name=x", append([]string{"Cookie", a.admin}, from...)...)
			if resp.status != http.StatusForbidden || len(resp.cookies()) != 0 {
				t.Errorf("%s from %v: %d with %d cookies", route[1], from, resp.status, len(resp.cookies()))
			}
		}
		if resp := a.send(route[0], route[1], "name=x", "Cookie", a.admin, "Sec-Fetch-Site", "same-origin"); resp.status == http.StatusForbidden {
			t.Errorf("%s of our own is refused", route[1])
		}
	}
	if forms < 2 {
		t.Fatalf("there are %d forms", forms)
	}
}

// signedInBy reports whether a cookie signs somebody in.
func (a *attacked) signedInBy(cookie string) bool {
	a.tb.Helper()
	resp := a.send(http.MethodGet, "/console/cc/default/", "", "Cookie", cookie)
	return resp.status == http.StatusOK
}

// TestForgedSessions lets nobody in by a session that this installation has not made as one: altered, sealed under other keys, made for another purpose,
// expired, or under a name that browsers protect less.
func TestForgedSessions(t *testing.T) {
	a := attack(t, "https://hookswitch.example")
	name, value, _ := strings.Cut(a.admin, "=")
	if !a.signedInBy(a.admin) || name != "__Host-hookswitch-session" {
		t.Fatalf("%s signs nobody in", name)
	}
	foreign, err := seal.New()
	if err != nil {
		t.Fatal(err)
	}
	claimed := func(by *seal.Keyset, about string, until time.Time) string {
		plain, err := json.Marshal(map[string]any{"caller": hook.Caller{Permissions: []hook.Permission{hook.PermitAdmin}, Actor: "oidc root"}, "until": until})
		if err != nil {
			t.Fatal(err)
		}
		sealed, _, err := by.Seal(plain, about)
		if err != nil {
			t.Fatal(err)
		}
		return name + "=" + base64.RawURLEncoding.EncodeToString(sealed)
	}
	later := time.Now().Add(time.Hour)
	if !a.signedInBy(claimed(sealtest.Keyset(), "console session", later)) {
		t.Fatal("the forger of this test is not good enough") // it has the keyset
	}
	plain, err := json.Marshal(map[string]any{"caller": hook.Caller{Permissions: []hook.Permission{hook.PermitAdmin}, Actor: "oidc root"}, "until": later})
	if err != nil {
		t.Fatal(err)
	}
	other := "A"
	if value[40] == 'A' {
		other = "B"
	}
	elsewhere := attack(t, "https://hookswitch.example")
	for what, cookie := range map[string]string{
		"nothing":                          "",
		"empty":                            name + "=",
		"plain":                            name + "=" + base64.RawURLEncoding.EncodeToString(plain),
		"cut":                              name + "=" + value[:len(value)-4],
		"altered":                          name + "=" + value[:40] + other + value[41:],
		"longer than any":                  name + "=" + strings.Repeat("A", 5_000),
		"under the name of http":           "hookswitch-session=" + value,
		"sealed by another installation":   claimed(foreign, "console session", later),
		"sealed for a flash":               claimed(sealtest.Keyset(), "console flash", later),
		"sealed for a sign-in":             claimed(sealtest.Keyset(), "console sign-in", later),
		"expired":                          claimed(sealtest.Keyset(), "console session", time.Now().Add(-time.Millisecond)),
		"of a key of another installation": elsewhere.admin,
	} {
		if a.signedInBy(cookie) {
			t.Errorf("%s: somebody is signed in", what)
		}
	}
	without := open(t, a.store, func(o *console.Options) { o.PublicURL = "https://hookswitch.example" })
	if (&attacked{house: without}).signedInBy(claimed(sealtest.Keyset(), "console session", later)) {
		t.Error("a session of an issuer outlives the issuer's configuration")
	}
}

// TestSessionFollowsItsKey shows that a session is worth what its key is worth at each request: nothing once it was disabled or deleted or has expired, and
// less once it was narrowed.
func TestSessionFollowsItsKey(t *testing.T) {
	const page = "/console/cc/default/keys"
	for name, c := range map[string]struct {
		change func(*hook.Key) error
		status int
	}{
		"unchanged": {func(*hook.Key) error { return nil }, http.StatusOK},
		"disabled":  {func(k *hook.Key) error { k.Enabled = false; return nil }, http.StatusSeeOther},
		"expired":   {func(k *hook.Key) error { k.ExpiresAt = time.Now().Add(-time.Second); return nil }, http.StatusSeeOther},
		"narrowed":  {func(k *hook.Key) error { k.Permissions = []hook.Permission{hook.PermitDeliveries}; return nil }, http.StatusForbidden},
		"deleted":   {nil, http.StatusSeeOther},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, storetest.Open(t).Store)
			b := h.signedIn(1)
			b.shows(b.get(page), http.StatusOK)
			keys, _, err := h.store.Keys(1, store.Page{Limit: 10})
			if err != nil || len(keys) != 1 {
				t.Fatalf("keys %v, %v", keys, err)
			}
			scope := store.KeyScope{Center: 1}
			if c.change == nil {
				err = h.store.DeleteKey(t.Context(), time.Now(), scope, keys[0].ID)
			} else {
				_, err = h.store.ChangeKey(t.Context(), time.Now(), scope, keys[0].ID, nil, c.change)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := b.get(page); got.status != c.status {
				t.Errorf("a page answers %d, want %d", got.status, c.status)
			}
			if got := b.post(page, nil); c.status != http.StatusOK && got.status != c.status {
				t.Errorf("a form answers %d, want %d", got.status, c.status)
			}
		})
	}
}

// TestSessionIsNotFixed shows that signing in makes another session in any case: one that an attacker has put into the browser before does not become the
// victim's, and the attacker's copy stays the attacker's.
func TestSessionIsNotFixed(t *testing.T) {
	a := attack(t, "http://hookswitch.example")
	planted := a.admin
	resp := a.send(http.MethodPost, "/console/sign-in", "key="+a.key(1, hook.PermitDeliveries), "Cookie", planted)
	own := resp.cookies()
	if len(own) != 1 || own[0].Name+"="+own[0].Value == planted {
		t.Fatalf("signing in sets %v", own)
	}
	mine := a.send(http.MethodGet, "/console/cc/default/", "", "Cookie", own[0].Name+"="+own[0].Value).body
	theirs := a.send(http.MethodGet, "/console/cc/default/", "", "Cookie", planted).body
	actor := regexp.MustCompile(`<span class="actor">([^<]*)<`)
	if m, n := actor.FindStringSubmatch(mine), actor.FindStringSubmatch(theirs); m == nil || n == nil || m[1] == n[1] {
		t.Errorf("signed in as %q and %q", m, n)
	}
}

// TestStaticFiles serves each file as what it is, which browsers hold it to, for a year where it is asked for by its version, and nothing else, however it is
// spelt.
func TestStaticFiles(t *testing.T) {
	a := attack(t, "http://hookswitch.example")
	page := a.send(http.MethodGet, "/console/sign-in", "").body
	kinds := map[string]string{
		"console.css": "text/css; charset=utf-8",
		"console.js":  "text/javascript; charset=utf-8", // RFC 9239, section 6
		"icon.svg":    "image/svg+xml",
	}
	for _, m := range regexp.MustCompile(`"(/console/static/([a-z.]+)\?v=[0-9a-f]{16})"`).FindAllStringSubmatch(page, -1) {
		resp := a.send(http.MethodGet, m[1], "")
		if got := resp.header.Get("Content-Type"); got != kinds[m[2]] || resp.status != http.StatusOK || resp.body == "" {
			t.Errorf("%s answers %d as %q, want %q", m[1], resp.status, got, kinds[m[2]])
		}
		// RFC 9111, section 5.2.2; RFC 8246, section 2
		if got := resp.header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s may be kept: %q", m[1], got)
		}
		again := a.send(http.MethodGet, m[1], "", "If-None-Match", resp.header.Get("ETag"))
		if again.status != http.StatusNotModified {
			t.Errorf("%s is sent again: %d", m[1], again.status)
		}
		delete(kinds, m[2])
	}
	if len(kinds) != 0 {
		t.Errorf("the page does not refer to %v", kinds)
	}
	for _, path := range []string{
		"/console/static/", "/console/static/.", "/console/static/..", "/console/static/../server.go", "/console/static/%2e%2e/server.go", "/console/static/..%2fserver.go",
		"/console/static/%2e%2e%2fserver.go", "/console/static/..%5cserver.go", "/console/static/console.css%00", "/console/static//console.css", "/console/static/CONSOLE.CSS",
		"/console/static/console.css/", "/console/static/./console.css/..", "/console/templates/layout.html", "/console/%2e%2e/v1/keys",
	} {
		resp := a.send(http.MethodGet, path, "", "Cookie", a.admin)
		moved := slices.Contains([]int{http.StatusMovedPermanently, http.StatusTemporaryRedirect}, resp.status) && strings.HasPrefix(resp.location, "/") &&
			!strings.HasPrefix(resp.location, "//")
		if resp.status != http.StatusNotFound && !moved || strings.Contains(resp.body, "package console") {
			t.Errorf("%s answers %d to %q", path, resp.status, resp.location)
		}
	}
}

// TestLivePageEndsWithItsSession shows that a page which is kept up to date shows nothing more once its key was disabled.
func TestLivePageEndsWithItsSession(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.Open(t).Store)
	b := h.signedIn(1)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/console/cc/default/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	resp, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	next := func() string {
		for lines.Scan() {
			if event, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				return event
			}
		}
		return ""
	}
	if got := next(); got != "live" {
		t.Fatalf("the first event is %q", got)
	}
	keys, _, err := h.store.Keys(1, store.Page{Limit: 10})
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys %v, %v", keys, err)
	}
	_, err = h.store.ChangeKey(t.Context(), time.Now(), store.KeyScope{Center: 1}, keys[0].ID, nil, func(k *hook.Key) error { k.Enabled = false; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if got := next(); got != "gone" {
		t.Errorf("after the key was disabled the next event is %q", got)
	}
	if got := next(); got != "" || lines.Err() != nil {
		t.Errorf("then comes %q, %v", got, lines.Err())
	}
}
