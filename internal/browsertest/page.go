package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	// actionMax bounds each action and each wait; it is reached only when the test fails.
	actionMax = 20 * time.Second
	// lookEvery is how often a condition is looked at that nobody announces.
	lookEvery = 5 * time.Millisecond
)

// Page is a tab. Its methods fail the test when they cannot do what they say.
type Page struct {
	t     testing.TB
	ctx   context.Context
	base  string
	watch *watch
	look  Look
	limit time.Duration // of each action and each wait
	// still is whether scripts are forbidden.
	still bool
}

// Open opens an empty tab for the pages of the server at base ("http://127.0.0.1:8080"), in the look [Light]. It is closed when
// the test ends.
func Open(t testing.TB, base string) *Page {
	t.Helper()
	browser, err := process.browser()
	if err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	w := &watch{base: strings.TrimSuffix(base, "/")}
	ctx, closeTab := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(w.see))
	p := &Page{t: t, ctx: ctx, base: w.base, watch: w, limit: actionMax}
	t.Cleanup(func() {
		p.settle()
		closeTab()
	})
	if err := chromedp.Do(ctx); err != nil { // without a limit: the tab lives as long as this context
		t.Fatalf("open a tab: %v", err)
	}
	p.Look(Light())
	return p
}

// Go opens the page at the path and waits until it has loaded.
func (p *Page) Go(path string) {
	p.t.Helper()
	defer p.report()
	if err := p.do(chromedp.Navigate(p.base + path)); err != nil {
		p.t.Fatalf("go to %s: %v", path, err)
	}
}

// Reload loads the page again.
func (p *Page) Reload() {
	p.t.Helper()
	defer p.report()
	if err := p.do(chromedp.Reload()); err != nil {
		p.t.Fatalf("reload: %v", err)
	}
}

// WithoutScript makes the pages that are opened from now on run no script of theirs. [Page.Axe] is such a script.
func (p *Page) WithoutScript() {
	p.t.Helper()
	if _, err := call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		p.t.Fatalf("forbid scripts: %v", err)
	}
	p.still = true
}

// Trust lets the page talk to another server ("http://localhost:8080"), too.
func (p *Page) Trust(base string) { p.watch.trust(base) }

// Expect says that an answer with this status is no failure, from now on.
func (p *Page) Expect(status int) {
	p.watch.expect(status)
}

// Path returns the path and the query of the page.
func (p *Page) Path() string {
	p.t.Helper()
	return Eval[string](p, `location.pathname + location.search`)
}

// Title returns the title of the page.
func (p *Page) Title() string {
	p.t.Helper()
	return Eval[string](p, `document.title`)
}

// Text returns the text of the first element that the CSS selector matches, as it is shown.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	p.Await(fmt.Sprintf(`document.querySelector(%s) !== null`, quote(selector)))
	return Eval[string](p, fmt.Sprintf(`document.querySelector(%s).innerText`, quote(selector)))
}

// Texts returns the text of every element that the CSS selector matches.
func (p *Page) Texts(selector string) []string {
	p.t.Helper()
	return Eval[[]string](p, fmt.Sprintf(`Array.from(document.querySelectorAll(%s), e => e.innerText)`, quote(selector)))
}

// AwaitText waits until the page shows the text.
func (p *Page) AwaitText(text string) {
	p.t.Helper()
	p.Await(fmt.Sprintf(`(document.body?.innerText ?? "").includes(%s)`, quote(text)))
}

// AwaitPath waits until the page is the one at the path, which may begin with a query of any kind, and has loaded.
func (p *Page) AwaitPath(path string) {
	p.t.Helper()
	p.Await(fmt.Sprintf(`(location.pathname === %[1]s || location.pathname + location.search === %[1]s) && document.readyState === "complete"`, quote(path)))
}

// Await waits until the JavaScript expression is true of the page, whatever page that is by then.
func (p *Page) Await(expression string) {
	p.t.Helper()
	defer p.report()
	err := p.until(func(ctx context.Context) error {
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`Boolean(`+expression+`)`))
		if err == nil && !holds {
			return errors.New("it is not")
		}
		return err
	})
	if err != nil {
		p.t.Fatalf("wait until %s: %v\n%s", expression, err, p.state())
	}
}

// Eval returns what the JavaScript expression is in the page; of a promise, what it becomes.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	defer p.report()
	value, err := eval[T](p, expression)
	if err != nil {
		p.t.Fatalf("evaluate %s: %v", shorten(expression), err)
	}
	return value
}

func eval[T any](p *Page, expression string, options ...chromedp.EvaluateOption) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, p.limit)
	defer cancel()
	options = append(options, chromedp.EvalAwaitPromise, func(params *runtime.EvaluateParams) { params.UserGesture = new(true) })
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, options...))
}

// do runs actions within the limit.
func (p *Page) do(actions ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(p.ctx, p.limit)
	defer cancel()
	return chromedp.Do(ctx, actions...)
}

// until tries until there is no error, within the limit.
func (p *Page) until(try func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(p.ctx, p.limit)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last error
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err // the one before the limit says more
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %v: %w", p.limit, last)
		case <-tick.C:
		}
	}
}

// settle reports all that was there until now: a command is answered after the events that were before it.
func (p *Page) settle() {
	p.t.Helper()
	if err := p.do(chromedp.Evaluate[chromedp.Void](`0`)); err != nil {
		p.t.Errorf("look at the tab for the last time: %v", err)
	}
	p.report()
}

// report fails the test for what went wrong in the page since the last look.
func (p *Page) report() {
	p.t.Helper()
	for _, problem := range p.watch.take() {
		p.t.Errorf("the page: %s", problem)
	}
}

// state tells where the page is, for the message of a failure.
func (p *Page) state() string {
	text, err := eval[string](p, `location.href + "\n" + (document.body?.innerText ?? "")`)
	if err != nil {
		return fmt.Sprintf("(the page cannot be read: %v)", err)
	}
	return "the page is " + shorten(text)
}

// shorten keeps the output of a failed test readable.
func shorten(text string) string {
	const most = 2000 // bytes
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + " …"
	}
	return text
}

// quote makes a JavaScript literal of a value that has one.
func quote(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // texts, numbers and lists of them only
	}
	return string(text)
}
