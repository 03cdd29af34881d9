package browsertest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Click clicks the element with this role and accessible name (`"button", "Sign in"`), as a mouse does: it is scrolled into
// view, and nothing may cover it. What follows from the click is waited for with Await, AwaitText or AwaitPath; where that is
// another page, Follow is the right one.
func (p *Page) Click(role, name string) {
	p.t.Helper()
	defer p.report()
	if err := p.clickWhen(byRole(role, name)); err != nil {
		p.t.Fatalf("click the %s %q: %v\n%s", role, name, err, p.state())
	}
}

// ClickOn is Click with a CSS selector, which must match one element, for what has no name of its own.
func (p *Page) ClickOn(selector string) {
	p.t.Helper()
	defer p.report()
	if err := p.clickWhen(bySelector(selector)); err != nil {
		p.t.Fatalf("click on %s: %v\n%s", selector, err, p.state())
	}
}

// Follow clicks like Click and waits until the page that it leads to has loaded; it returns the status of that page.
func (p *Page) Follow(role, name string) int {
	p.t.Helper()
	return p.follow(fmt.Sprintf("the %s %q", role, name), byRole(role, name))
}

// FollowOn is Follow with a CSS selector, which must match one element.
func (p *Page) FollowOn(selector string) int {
	p.t.Helper()
	return p.follow(selector, bySelector(selector))
}

func (p *Page) follow(what string, find finder) int {
	p.t.Helper()
	defer p.report()
	ctx, cancel := context.WithTimeout(p.ctx, p.limit)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, chromedp.Func(func(context.Context, *chromedp.Target) error {
		return p.clickWhen(find)
	}))
	if err != nil {
		p.t.Fatalf("follow %s: %v\n%s", what, err, p.state())
	}
	return int(response.Status)
}

// Fill writes the text into the field with this accessible name, in place of what is there.
func (p *Page) Fill(name, text string) {
	p.t.Helper()
	defer p.report()
	if err := p.onNode(byField(name), func(ctx context.Context, node *runtime.RemoteObject) error {
		return p.fill(ctx, node, text)
	}); err != nil {
		p.t.Fatalf("fill the field %q: %v\n%s", name, err, p.state())
	}
}

// FillIn is Fill with a CSS selector, which must match one element.
func (p *Page) FillIn(selector, text string) {
	p.t.Helper()
	defer p.report()
	if err := p.onNode(bySelector(selector), func(ctx context.Context, node *runtime.RemoteObject) error {
		return p.fill(ctx, node, text)
	}); err != nil {
		p.t.Fatalf("fill %s: %v\n%s", selector, err, p.state())
	}
}

// Choose chooses the option with this text in the list with this accessible name.
func (p *Page) Choose(name, option string) {
	p.t.Helper()
	defer p.report()
	err := p.onNode(byField(name), func(ctx context.Context, node *runtime.RemoteObject) error {
		return p.apply(ctx, node, `function(text) {
			const option = Array.from(this.options).find(o => o.label.trim() === text);
			if (!option) throw new Error("the options are " + Array.from(this.options, o => o.label.trim()).join(", "));
			this.focus();
			if (this.multiple) option.selected = true; else this.value = option.value;
			this.dispatchEvent(new Event("input", {bubbles: true}));
			this.dispatchEvent(new Event("change", {bubbles: true}));
		}`, option)
	})
	if err != nil {
		p.t.Fatalf("choose %q in %q: %v\n%s", option, name, err, p.state())
	}
}

// Press presses keys one after the other: characters, and the named keys of [kb] (kb.Tab, kb.Enter, kb.Escape).
func (p *Page) Press(keys string) {
	p.t.Helper()
	defer p.report()
	if err := p.do(chromedp.KeyEvent(keys)); err != nil {
		p.t.Fatalf("press %q: %v", keys, err)
	}
}

// PressEnter presses Enter and waits until the page that it leads to has loaded; it returns the status of that page.
func (p *Page) PressEnter() int {
	p.t.Helper()
	defer p.report()
	ctx, cancel := context.WithTimeout(p.ctx, p.limit)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, chromedp.KeyEvent(kb.Enter))
	if err != nil {
		p.t.Fatalf("press Enter: %v\n%s", err, p.state())
	}
	return int(response.Status)
}

// Count returns how many elements have this role and accessible name; a name of "" is any.
func (p *Page) Count(role, name string) int {
	p.t.Helper()
	defer p.report()
	ctx, cancel := context.WithTimeout(p.ctx, p.limit)
	defer cancel()
	nodes, err := p.query(ctx, role, name)
	if err != nil {
		p.t.Fatalf("count the %s %q: %v", role, name, err)
	}
	return len(nodes)
}

// A finder finds one element, or says why not.
type finder func(ctx context.Context, p *Page) (*runtime.RemoteObject, error)

func byRole(role, name string) finder {
	return func(ctx context.Context, p *Page) (*runtime.RemoteObject, error) {
		nodes, err := p.query(ctx, role, name)
		if err != nil {
			return nil, err
		}
		return p.only(ctx, nodes)
	}
}

// byField finds what a person writes or chooses in, whatever kind it is of.
func byField(name string) finder {
	return func(ctx context.Context, p *Page) (*runtime.RemoteObject, error) {
		found, err := p.query(ctx, "", name)
		if err != nil {
			return nil, err
		}
		var fields []*accessibility.Node
		for _, node := range found {
			switch role(node) {
			case "textbox", "searchbox", "combobox", "listbox", "spinbutton", "slider", "Date", "DateTime", "InputTime", "ColorWell":
				fields = append(fields, node)
			}
		}
		return p.only(ctx, fields)
	}
}

func bySelector(selector string) finder {
	return func(ctx context.Context, _ *Page) (*runtime.RemoteObject, error) {
		count, err := chromedp.Run(ctx, chromedp.Evaluate[int](fmt.Sprintf(`document.querySelectorAll(%s).length`, quote(selector))))
		if err != nil {
			return nil, err
		}
		if count != 1 {
			return nil, fmt.Errorf("there are %d of it", count)
		}
		return chromedp.Run(ctx, chromedp.Evaluate[*runtime.RemoteObject](fmt.Sprintf(`document.querySelector(%s)`, quote(selector))))
	}
}

func (p *Page) query(ctx context.Context, wanted, name string) ([]*accessibility.Node, error) {
	document, err := chromedp.Run(ctx, chromedp.Evaluate[*runtime.RemoteObject](`document`))
	if err != nil {
		return nil, err
	}
	found, err := chromedp.Call(ctx, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{
		ObjectID: document.ObjectID, Role: wanted, AccessibleName: name,
	})
	if err != nil {
		return nil, err
	}
	var seen []*accessibility.Node
	for _, node := range found.Nodes {
		if !node.Ignored && node.BackendDOMNodeID != 0 && role(node) != "StaticText" && role(node) != "InlineTextBox" {
			seen = append(seen, node)
		}
	}
	return seen, nil
}

func role(node *accessibility.Node) string {
	if node.Role == nil || len(node.Role.Value) < 2 {
		return ""
	}
	return string(node.Role.Value[1 : len(node.Role.Value)-1]) // a JSON text without escapes
}

func (*Page) only(ctx context.Context, nodes []*accessibility.Node) (*runtime.RemoteObject, error) {
	if len(nodes) != 1 {
		return nil, fmt.Errorf("there are %d of it", len(nodes))
	}
	resolved, err := chromedp.Call(ctx, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: nodes[0].BackendDOMNodeID})
	if err != nil {
		return nil, err
	}
	return resolved.Object, nil
}

// onNode does something with an element as soon as that succeeds.
func (p *Page) onNode(find finder, do func(ctx context.Context, node *runtime.RemoteObject) error) error {
	return p.until(func(ctx context.Context) error {
		node, err := find(ctx, p)
		if err != nil {
			return err
		}
		return do(ctx, node)
	})
}

// clickWhen waits until the element is there and can be clicked, and clicks it once.
func (p *Page) clickWhen(find finder) error {
	var at dom.Quad
	err := p.onNode(find, func(ctx context.Context, node *runtime.RemoteObject) error {
		if _, err := chromedp.Call(ctx, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{ObjectID: node.ObjectID}); err != nil {
			return err
		}
		quads, err := chromedp.Call(ctx, dom.GetContentQuads, dom.GetContentQuadsParams{ObjectID: node.ObjectID})
		if err != nil {
			return err
		}
		if len(quads.Quads) == 0 {
			return errors.New("it is not shown")
		}
		at = quads.Quads[0]
		x, y := centre(at)
		return p.apply(ctx, node, `function(x, y) {
			if (this.disabled) throw new Error("it is disabled");
			const top = document.elementFromPoint(x, y);
			if (!(this.contains(top) || top?.closest("label")?.control === this || this.closest("a, button, label")?.contains(top)))
				throw new Error("it is covered by " + (top?.outerHTML ?? "nothing").slice(0, 200));
		}`, x, y)
	})
	if err != nil {
		return err
	}
	x, y := centre(at)
	return p.do(chromedp.MouseClickXY(x, y))
}

func centre(q dom.Quad) (x, y float64) {
	return (q[0] + q[2] + q[4] + q[6]) / 4, (q[1] + q[3] + q[5] + q[7]) / 4
}

// fill writes as a person does where that is possible, and otherwise (dates, times) sets the value and says so to the page.
func (p *Page) fill(ctx context.Context, node *runtime.RemoteObject, text string) error {
	err := p.apply(ctx, node, `function() {
		if (this.disabled || this.readOnly) throw new Error("it cannot be written in");
		this.focus();
		this.select?.();
	}`)
	if err != nil {
		return err
	}
	if text == "" {
		if err := chromedp.Do(ctx, chromedp.KeyEvent(kb.Delete)); err != nil {
			return err
		}
	} else if _, err := chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		return err
	}
	return p.apply(ctx, node, `function(text) {
		if (this.value === text) return;
		this.value = text;
		this.dispatchEvent(new Event("input", {bubbles: true}));
		this.dispatchEvent(new Event("change", {bubbles: true}));
		if (text !== "" && this.value === "") throw new Error("it holds " + JSON.stringify(this.value));
	}`, text)
}

// apply calls a JavaScript function with the element as its this.
func (*Page) apply(ctx context.Context, node *runtime.RemoteObject, function string, args ...any) error {
	literals := make([]string, 0, len(args)+1)
	literals = append(literals, "this")
	for _, arg := range args {
		literals = append(literals, quote(arg))
	}
	wrapped := fmt.Sprintf("function() { (%s).call(%s) }", function, strings.Join(literals, ", "))
	_, err := chromedp.Run(ctx, chromedp.CallFunctionOn[chromedp.Void](wrapped, func(params *runtime.CallFunctionOnParams) {
		params.ObjectID = node.ObjectID
	}))
	return err
}

// call runs a command of the protocol within the limit.
func call[P, R any](p *Page, command cdp.Command[P, R], params P) (R, error) {
	ctx, cancel := context.WithTimeout(p.ctx, p.limit)
	defer cancel()
	return chromedp.Call(ctx, command, params)
}
