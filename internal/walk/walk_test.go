package walk_test

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/browsertest"
)

const (
	home       = "/console/"
	signInPath = "/console/sign-in"
	// pagesMax bounds a walk: more kinds of pages than this are none.
	pagesMax = 60
)

// signIn opens the console with a key, as a person does.
func signIn(p *browsertest.Page) {
	p.Go(home)
	p.Fill("API key", adminKey)
	p.Follow("button", "Sign in")
	p.AwaitText("Overview")
}

// links is every link of a page that leads to a page of the console.
const links = `Array.from(document.querySelectorAll("a[href]"), a => new URL(a.href))
	.filter(u => u.origin === location.origin && u.pathname.startsWith("/console/")).map(u => u.pathname + u.search)`

// walk opens every page that the navigation leads to, and those that these lead to, one of each kind, and looks at each. It
// returns the kinds. The person is signed in.
func walk(t *testing.T, p *browsertest.Page, look func(kind string)) []string {
	t.Helper()
	ahead, asked := []string{p.Path()}, map[string]bool{}
	var kinds []string
	for len(ahead) > 0 {
		path := ahead[0]
		ahead = ahead[1:]
		if asked[kindOf(path)] {
			continue
		}
		asked[kindOf(path)] = true
		p.Go(path)
		kind := kindOf(p.Path()) // where a redirect leads to
		if slices.Contains(kinds, kind) {
			continue
		}
		if asked[kind], kinds = true, append(kinds, kind); len(kinds) > pagesMax {
			t.Fatalf("more than %d kinds of pages: %q", pagesMax, kinds)
		}
		if kind == kindOf(signInPath) {
			t.Fatalf("%s wants one to sign in", path)
		}
		if p.Title() == "" || p.Text("h1") == "" {
			t.Errorf("%s has the title %q and the heading %q", path, p.Title(), p.Text("h1"))
		}
		ahead = append(ahead, browsertest.Eval[[]string](p, links)...) // before the look: what is live may change
		look(kind)
	}
	return kinds
}

// id is what tells one page of a kind from another.
var id = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9]+\b`)

// kindOf names the pages that differ by an id or by what is filtered: "webhooks/ID".
func kindOf(path string) string {
	path, _, _ = strings.Cut(path, "?")
	path = strings.TrimPrefix(path, home)
	if below, ok := strings.CutPrefix(path, "cc/"); ok {
		_, path, _ = strings.Cut(below, "/")
		path = cmp.Or(path, "overview")
	}
	return id.ReplaceAllString(strings.TrimSuffix(path, "/"), "ID")
}

// pictureOf names the picture of a kind of pages: "webhooks-ID".
func pictureOf(kind string) string {
	return strings.ReplaceAll(kind, "/", "-")
}

// fill makes something of everything: a webhook that works and one that does not, interactions in every state.
func (s *server) fill() {
	s.t.Helper()
	works, fails := receive(s.t, http.StatusOK), receive(s.t, http.StatusInternalServerError)
	good, bad := s.subscribe(works), s.subscribe(fails)
	for range 3 {
		s.chat("support")
	}
	accepted, stopped := s.chat("sales"), s.chat("support")
	s.call(http.MethodPost, "/v1/interactions/"+accepted+"/accept", map[string]any{"agent": "Zoë"}, nil)
	s.call(http.MethodPost, "/v1/interactions/"+stopped+"/stop", map[string]any{"by": "workflow"}, nil)
	s.await("what there is to deliver is resolved", func() bool {
		return s.deliveries(good, "pending") == 0 && s.deliveries(bad, "pending") == 0 && s.deliveries(bad, "exhausted") > 0
	})
}

// Every page of a store with something in it, with scripts.
func TestWalk(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		s.fill()
		p := browsertest.Open(t, s.url)
		signIn(p)
		kinds := walk(t, p, func(kind string) {
			name := ""
			if s.engine == "sqlite" { // one set of pictures
				name = pictureOf(kind)
			}
			p.Inspect(name)
			p.Keyboard()
		})
		t.Logf("%d kinds of pages: %s", len(kinds), strings.Join(kinds, " "))
	})
}

// Every page of an empty store: what a newcomer sees.
func TestWalkEmpty(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		p := browsertest.Open(t, s.url)
		signIn(p)
		walk(t, p, func(kind string) {
			if s.engine == "sqlite" {
				p.Inspect("empty-" + pictureOf(kind))
			} else {
				p.Axe()
			}
		})
	})
}

// Every page with scripts forbidden: one signs in, reads and follows links all the same.
func TestWalkWithoutScript(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		s.fill()
		p := browsertest.Open(t, s.url)
		p.WithoutScript()
		signIn(p)
		walk(t, p, func(string) {
			p.Fits()
			p.Keyboard()
		})
	})
}

// The page to sign in at is looked at like the others, and a key that is none is told so there.
func TestSignIn(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		p := browsertest.Open(t, s.url)
		p.Go(home)
		p.Inspect("sign-in")
		p.Keyboard()
		p.Expect(http.StatusUnauthorized)
		p.Fill("API key", "no key of anybody")
		p.Follow("button", "Sign in")
		p.Inspect("sign-in-refused")
		signIn(p)
		p.Follow("button", "Sign out")
		p.Go(home)
		if got := p.Path(); got != signInPath && !strings.HasPrefix(got, signInPath+"?") {
			t.Errorf("whoever signed out still sees %s", got)
		}
	})
}
