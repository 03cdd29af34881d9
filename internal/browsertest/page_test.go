package browsertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chromedp/chromedp/kb"
)

const form = `<form method="post" action="/form"><p><label for="n">Name</label> <input id="n" name="name" value="before"></p>
<p><label for="c">Colour</label> <select id="c" name="colour"><option value="r">Red</option><option value="g">Green</option></select></p>
<p><label for="d">Day</label> <input id="d" name="day" type="date"></p>
<p><label for="t">Time</label> <input id="t" name="time" type="datetime-local" step="1"></p>
<p><button>Send</button> <button type="button" id="later">Later</button></p></form><p id="out"></p><p><a href="/other">Other page</a></p>`

// A form is filled, chosen in and sent, with and without a script, and the next page is there when Follow returns.
func TestPageActsAsAPersonDoes(t *testing.T) {
	t.Parallel()
	base := site(t, map[string]string{
		"/": fmt.Sprintf(frame, "First", form), "/form": "", "/a.css": sheet, "/other": fmt.Sprintf(frame, "Other", ""),
		"/a.js": `document.getElementById("later")?.addEventListener("click", () => setTimeout(() => { document.getElementById("out").textContent = "it is later" }, 50))`,
	})
	for _, script := range []bool{true, false} {
		t.Run(fmt.Sprintf("script %v", script), func(t *testing.T) {
			t.Parallel()
			p := Open(t, base)
			if !script {
				p.WithoutScript()
			}
			p.Go("/?a=b")
			if got := p.Path() + " " + p.Title() + " " + p.Text("h1"); got != "/?a=b First Heading" {
				t.Errorf("got %q", got)
			}
			p.Click("button", "Later")
			if script {
				p.AwaitText("it is later")
			} else if got := p.Text("#out"); got != "" {
				t.Errorf("a script ran: %q", got)
			}
			p.Fill("Name", "Zoë & co")
			p.Choose("Colour", "Green")
			p.Fill("Day", "2026-10-31")
			p.Fill("Time", "2026-10-31T10:00:00") // which the browser shortens
			if got := p.Follow("button", "Send"); got != 200 {
				t.Errorf("got status %d", got)
			}
			if got := p.Text("#answer"); got != "Zoë & co|g|2026-10-31" {
				t.Errorf("got %q", got)
			}
			p.Go("/")
			p.FillIn("#n", "")
			p.Press(kb.Tab)
			p.FillIn("#n", "by key")
			if got := p.PressEnter(); got != 200 {
				t.Errorf("got status %d", got)
			}
			p.AwaitPath("/form")
			if got := p.Texts("#answer"); !cmp.Equal(got, []string{"by key|r|"}) {
				t.Errorf("got %q", got)
			}
			p.Go("/")
			p.FollowOn("a[href='/other']")
			p.AwaitPath("/other")
		})
	}
}

// Each fault of a page fails the test, by itself; a page without one does not.
func TestPageReportsFaults(t *testing.T) {
	t.Parallel()
	good := fmt.Sprintf(frame, "Good", form)
	cases := map[string]struct {
		html, script string
		act          func(p *Page)
		want         []string
	}{
		"nothing":                    {html: good},
		"nothing, looked at":         {html: good, act: func(p *Page) { p.Inspect(""); p.Keyboard() }},
		"a message":                  {html: good, script: `console.log("hello"); console.warn("careful")`},
		"an error in the console":    {html: good, script: `console.error("broken", 7)`, want: []string{"console: broken 7"}},
		"a failed assertion":         {html: good, script: `console.assert(1 === 2, "sums")`, want: []string{"console: sums"}},
		"an exception":               {html: good, script: `nothing.of = this`, want: []string{"ReferenceError: nothing is not defined"}},
		"a rejected promise":         {html: good, script: `Promise.reject(new Error("never"))`, want: []string{"Error: never"}},
		"a late exception":           {html: good, script: `setTimeout(() => { document.title = "late"; throw new Error("late") })`, act: func(p *Page) { p.Await(`document.title === "late"`) }, want: []string{"Error: late"}},
		"a style in an attribute":    {html: strings.Replace(good, "<h1>", `<h1 style="color: red">`, 1), want: []string{"security: Applying inline style violates"}},
		"a script in the page":       {html: strings.Replace(good, "<h1>", `<script>1</script><h1>`, 1), want: []string{"security: Executing inline script violates"}},
		"a script of somebody else":  {html: strings.Replace(good, "/a.js", "http://127.0.0.1:9/b.js", 1), want: []string{"security: Loading the script 'http://127.0.0.1:9/b.js' violates", "somebody else: http://127.0.0.1:9/b.js"}},
		"a file that is missing":     {html: strings.Replace(good, "/a.js", "/b.js", 1), want: []string{"answered 404: "}},
		"a request that fails":       {html: good, script: `fetch("/none")`, act: func(p *Page) { p.Await(`performance.getEntriesByType("resource").length >= 3`) }, want: []string{"answered 404: "}},
		"no such button":             {html: good, act: func(p *Page) { actionsEnd(p); p.Click("button", "Sent") }, want: []string{`click the button "Sent"`}},
		"pale text":                  {html: strings.Replace(good, "<h1>", `<h1 class="pale">`, 1), act: func(p *Page) { p.Axe() }, want: []string{"rule color-contrast"}},
		"pale text in the dark":      {html: strings.Replace(good, "<h1>", `<h1 class="nightpale">`, 1), act: func(p *Page) { p.Inspect("") }, want: []string{"look dark: rule color-contrast"}},
		"a field without a name":     {html: strings.Replace(good, `for="n"`, "", 1), act: func(p *Page) { p.Axe() }, want: []string{"rule label (critical): Form elements must have labels\n  selector: #n\n  html: <input id=\"n\""}},
		"too wide for a phone":       {html: strings.Replace(good, "<h1>", `<h1 class="wide">`, 1), act: func(p *Page) { p.Inspect("") }, want: []string{"does not fit into the window of the look narrow", "does not fit into the window of the look zoomed"}},
		"no skip link":               {html: strings.Replace(good, "#main", "#mein", 1), act: func(p *Page) { p.Keyboard() }, want: []string{"the first stop is no link into the main part"}},
		"an unseen focus":            {html: strings.Replace(good, "<button>", `<button class="blind">`, 1), act: func(p *Page) { p.Keyboard() }, want: []string{"one does not see that the focus is on <button"}},
		"a trap":                     {html: good, script: `document.getElementById("t").addEventListener("keydown", e => { e.preventDefault(); document.getElementById("n").focus() })`, act: func(p *Page) { p.Keyboard() }, want: []string{"Tab does not reach <button>Send", "Tab does not reach <button type", "Tab does not reach <a href=\"/other"}},
		"a field that has the focus": {html: strings.Replace(good, `id="n"`, `id="n" autofocus`, 1), act: func(p *Page) { p.Keyboard() }},
		"hidden controls":            {html: strings.Replace(good, "<button>", `<button class="hidden">x</button><details><summary>More</summary><button>y</button></details><button disabled>z</button><button>`, 1), act: func(p *Page) { p.Keyboard() }},
	}
	files, paths := map[string]string{"/a.css": sheet}, map[string]string{}
	for name, test := range cases {
		paths[name] = fmt.Sprintf("/case%d", len(paths))
		files[paths[name]] = strings.Replace(test.html, "/a.js", paths[name]+".js", 1)
		files[paths[name]+".js"] = test.script
	}
	tab := Open(t, site(t, files)) // one for all, as it is the opening that takes time
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			got := failures(t, func(t testing.TB) {
				p := *tab
				p.t = t
				t.Cleanup(p.settle)
				p.Go(paths[name])
				if test.act != nil {
					test.act(&p)
				}
			})
			if len(got) != len(test.want) {
				t.Fatalf("got %q, want %q", got, test.want)
			}
			for i, want := range test.want {
				if !strings.Contains(strings.Join(got, "\n"), want) {
					t.Errorf("got %q, want %q", got[i], want)
				}
			}
		})
	}
}

// An answer that a test expects is no fault; another one is.
func TestPageExpect(t *testing.T) {
	t.Parallel()
	base := site(t, map[string]string{"/a.css": sheet, "/a.js": ""})
	got := failures(t, func(t testing.TB) {
		p := Open(t, base)
		p.Go("/none")
		p.Expect(404)
		p.Go("/neither")
	})
	if len(got) != 1 || !strings.Contains(got[0], "answered 404: "+base+"/none") {
		t.Errorf("got %q", got)
	}
}

// actionsEnd makes the page's limit one that is over soon, for a test that waits for it.
func actionsEnd(p *Page) { p.limit = 300 * lookEvery }

// A stream of events that goes on for as long as the page is there is no fault, neither while it lasts nor when the page is left.
func TestPageWithAStream(t *testing.T) {
	t.Parallel()
	base := site(t, map[string]string{
		"/": fmt.Sprintf(frame, "First", form), "/a.css": sheet, "/other": fmt.Sprintf(frame, "Other", ""), "/events": "it happened",
		"/a.js": `new EventSource("/events").onmessage = e => { document.querySelector("h1").textContent = e.data }`,
	})
	p := Open(t, base)
	p.Go("/")
	p.AwaitText("it happened")
	p.Inspect("")
	p.Follow("link", "Other page")
	p.AwaitText("it happened")
}

// Tabs have nothing in common: what one is given as a cookie, another does not send.
func TestPagesAreApart(t *testing.T) {
	t.Parallel()
	base := site(t, map[string]string{"/": fmt.Sprintf(frame, "", ""), "/a.css": sheet, "/a.js": ""})
	one, other := Open(t, base), Open(t, base)
	one.Go("/")
	Eval[string](one, `document.cookie = "a=b"`)
	other.Go("/")
	if got := Eval[string](other, `document.cookie`); got != "" {
		t.Errorf("the other tab has %q", got)
	}
}

// A picture is written for each look, of the width of its window.
func TestScreenshot(t *testing.T) {
	t.Parallel()
	base := site(t, map[string]string{"/": fmt.Sprintf(frame, "Picture", form), "/a.css": sheet, "/a.js": ""})
	p := Open(t, base)
	p.Go("/")
	p.Screenshot("browsertest")
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, look := range Looks() {
		text, err := os.ReadFile(filepath.Join(root, "screenshots", "browsertest-"+look.Name+".png"))
		if err != nil {
			t.Fatal(err)
		}
		if got := int64(text[18])<<8 | int64(text[19]); got != look.Width { // https://www.w3.org/TR/png-3/#11IHDR
			t.Errorf("%s is %d pixels wide, want %d", look.Name, got, look.Width)
		}
	}
}
