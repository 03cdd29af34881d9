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

// signIn opens the console with the admin key, as a person does.
func signIn(p *browsertest.Page) { signInWith(p, adminKey) }

func signInWith(p *browsertest.Page, key string) {
	p.Go(home)
	p.Fill("API key", key)
	p.Follow("button", "Sign in")
	p.AwaitText("Sign out")
}

// links is whatever of a page leads to a page of the console: links, and forms that only ask. (A field may be called action.)
const links = `Array.from(document.querySelectorAll("a[href], form[method=get]"))
	.map(e => e.tagName === "A" ? new URL(e.href) : new URL("?" + new URLSearchParams(new FormData(e)), new URL(e.getAttribute("action") ?? "", location.href)))
	.filter(u => u.origin === location.origin && u.pathname.startsWith("/console/") && !u.pathname.startsWith("/console/static/"))
	.map(u => u.pathname + u.search)`

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
		if heading := strings.Join(p.Texts("h1"), "|"); p.Title() == "" || heading == "" {
			t.Errorf("%s has the title %q and the heading %q", path, p.Title(), heading)
			continue
		}
		if browsertest.Eval[bool](p, `document.querySelector("[data-hostile]") !== null`) {
			t.Errorf("%s shows as markup what somebody wrote", path)
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

// Every page of a store with something in it, with scripts. The texts are plain where pictures are taken, and hostile elsewhere.
func TestWalk(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		pictured := s.engine == "sqlite"
		if pictured {
			s.fill(plainly)
		} else {
			s.fill(hostilely)
		}
		p := browsertest.Open(t, s.url)
		signIn(p)
		kinds := walk(t, p, func(kind string) {
			if pictured {
				p.Inspect(pictureOf(kind))
				p.Keyboard()
				if alike := browsertest.Eval[[]string](p, calledAlike); len(alike) > 0 {
					t.Errorf("%s has controls that do different things and are called the same: %q", kind, alike)
				}
			} else {
				narrowly(p)
			}
		})
		t.Logf("%d kinds of pages: %s", len(kinds), strings.Join(kinds, " "))
	})
}

// calledAlike is what different controls are called that do different things: who goes from one to the next hears their names alone.
const calledAlike = `(() => {
	const does = {};
	for (const e of document.querySelectorAll("main a[href], main button, main summary")) {
		if (!e.checkVisibility({visibilityProperty: true})) continue;
		const name = e.tagName + " " + (e.ariaLabel ?? e.textContent).trim().replace(/\s+/g, " ");
		(does[name] ??= new Set()).add(e.href ?? e.closest("summary")?.parentElement.id ?? e.form?.action ?? "");
	}
	return Object.keys(does).filter(name => does[name].size > 1);
})()`

// look looks at a page on the way: what axe-core finds and whether it fits into a phone. One engine is enough, as the pages are the same.
func (s *server) look(p *browsertest.Page) {
	s.t.Helper()
	if s.engine == "sqlite" {
		narrowly(p)
	}
}

// narrowly looks at a page where what is long has least room.
func narrowly(p *browsertest.Page) {
	p.Look(browsertest.Narrow())
	p.Fits()
	p.Axe()
	p.Look(browsertest.Light())
	p.FitsZoomed()
}

// Every page of an empty store: what a newcomer sees.
func TestWalkEmpty(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		p := browsertest.Open(t, s.url)
		signIn(p)
		walk(t, p, func(string) {
			s.look(p)
		})
	})
}

// whatNeedsScript is what is shown and does nothing without a script.
const whatNeedsScript = `Array.from(document.querySelectorAll("button[type=button], [data-copy], [data-all]")).filter(e => e.checkVisibility()).map(e => e.outerHTML)`

// Every page with scripts forbidden: one signs in, reads and follows links all the same, and nothing is offered that only a script does.
func TestWalkWithoutScript(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		s.fill(hostilely)
		p := browsertest.Open(t, s.url)
		p.WithoutScript()
		signIn(p)
		walk(t, p, func(kind string) {
			p.Fits()
			if dead := browsertest.Eval[[]string](p, whatNeedsScript); len(dead) > 0 {
				t.Errorf("%s offers what only a script does: %q", kind, dead)
			}
			if kind == "live" && !strings.Contains(p.Text("#events-state"), "Not live: “Newer” shows") {
				t.Errorf("the live page says %q", p.Text("#events-state"))
			}
			if s.engine == "postgres" { // TestWalk does it on the other one, in colours of ours
				p.Look(browsertest.Forced())
				p.Keyboard()
				p.Look(browsertest.Light())
			}
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
