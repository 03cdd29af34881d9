package browsertest

import (
	"slices"

	"github.com/chromedp/chromedp/kb"
)

// stopsMax bounds how often Tab is pressed on a page.
const stopsMax = 400

// A stop is where Tab leads to.
type stop struct {
	Number  int    // of the element among those that a person can act on, or -1
	HTML    string // how it begins
	Visible bool   // whether one sees that the focus is there
	Href    string
}

// Keyboard walks through the page with Tab: the first stop is a link that skips to the main part, whatever can be acted on is
// reached, and at each stop one sees where one is. It needs no script of the page's.
func (p *Page) Keyboard() {
	p.t.Helper()
	defer p.report()
	elements := Eval[[]string](p, listElements)
	var reached []int
	last := -1
	for number := range stopsMax {
		p.Press(kb.Tab)
		at := Eval[stop](p, describeFocus)
		if at.Number >= 0 && at.Number == last {
			continue // a field with parts of its own, as a date has
		}
		last = at.Number
		if at.Number < 0 && at.HTML == "" || slices.Contains(reached, at.Number) {
			break // the focus has left the page, or begins anew
		}
		if number == 0 {
			p.skipLink(at)
		}
		if !at.Visible {
			p.t.Errorf("keyboard: %s: one does not see that the focus is on %s", p.Path(), at.HTML)
		}
		if at.Number >= 0 {
			reached = append(reached, at.Number)
		}
	}
	for number, html := range elements {
		if !slices.Contains(reached, number) {
			p.t.Errorf("keyboard: %s: Tab does not reach %s", p.Path(), html)
		}
	}
}

func (p *Page) skipLink(first stop) {
	p.t.Helper()
	leads := len(first.Href) > 1 && first.Href[0] == '#' &&
		Eval[bool](p, `Boolean(document.getElementById(`+quote(first.Href[1:])+`)?.closest("main, [role=main]"))`)
	if !leads {
		p.t.Errorf("keyboard: %s: the first stop is no link into the main part, but %s", p.Path(), first.HTML)
	}
}

// listElements numbers what a person can act on, and remembers how it looks without the focus. Of radio buttons with one name,
// Tab reaches one, and the arrow keys the others.
const listElements = `(() => {
	document.activeElement?.blur();
	getSelection()?.removeAllRanges();
	const groups = new Set();
	const shown = e => e.checkVisibility({visibilityProperty: true}) && !e.closest("[inert]");
	globalThis.hookswitchLook = e => {
		const s = getComputedStyle(e);
		return [s.outlineStyle, s.outlineWidth, s.outlineColor, s.boxShadow, s.backgroundColor, s.borderColor, s.textDecorationLine, s.clipPath, s.position, s.top, s.left, s.transform].join("|");
	};
	globalThis.hookswitchElements = Array.from(document.querySelectorAll(
		"a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]:not([tabindex^='-']), [contenteditable=true]")).filter(e => {
		if (e.disabled || e.matches("fieldset:disabled *, [tabindex^='-']") || !shown(e)) return false;
		if (e.type !== "radio") return true;
		const group = (e.form?.id ?? "") + "/" + e.name;
		const of = Array.from(document.querySelectorAll("input[type=radio]")).filter(o => o.name === e.name && o.form === e.form);
		if (groups.has(group) || of.some(o => o.checked) && !e.checked) return false;
		groups.add(group);
		return true;
	});
	globalThis.hookswitchLooks = hookswitchElements.map(hookswitchLook);
	return hookswitchElements.map(e => e.outerHTML.slice(0, 200));
})()`

// describeFocus says where the focus is. One sees it where the element looks other than before: an outline, a shadow or colours.
const describeFocus = `(() => {
	const e = document.activeElement;
	if (!e || e === document.body || e === document.documentElement) return {Number: -1, HTML: "", Visible: true, Href: ""};
	const number = hookswitchElements.indexOf(e);
	const s = getComputedStyle(e), box = e.getBoundingClientRect();
	const outlined = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0;
	const other = number >= 0 && hookswitchLooks[number] !== hookswitchLook(e);
	return {
		Number: number, HTML: e.outerHTML.slice(0, 200), Href: e.getAttribute("href") ?? "",
		Visible: box.width > 1 && box.height > 1 && box.right > 0 && box.bottom > 0 && (outlined || other),
	};
})()`
