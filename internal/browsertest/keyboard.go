package browsertest

import (
	"slices"

	"github.com/chromedp/chromedp/kb"
)

// stopsMax bounds how often Tab is pressed on a page.
const stopsMax = 500

// A stop is something that a person can act on, or where Tab leads to.
type stop struct {
	Place   string // in the document: a live region may make the same elements anew
	HTML    string // how it begins
	Href    string
	Visible bool // whether one sees that the focus is there
}

// Keyboard walks through the page with Tab: the first stop is a link that skips to the main part, whatever can be acted on is
// reached, and at each stop one sees where one is. It needs no script of the page's.
func (p *Page) Keyboard() {
	p.t.Helper()
	defer p.report()
	stops := Eval[[]stop](p, listStops)
	var reached []string
	for number := range stopsMax {
		p.Press(kb.Tab)
		at := Eval[stop](p, describeFocus)
		if len(reached) > 0 && at.Place == reached[len(reached)-1] {
			continue // a field with parts of its own, as a date has
		}
		if at.Place == "" || slices.Contains(reached, at.Place) {
			break // the focus has left the page, or begins anew
		}
		reached = append(reached, at.Place)
		if number == 0 {
			p.skipLink(at)
		}
		if !at.Visible {
			p.t.Errorf("keyboard: %s: one does not see that the focus is on %s", p.Path(), at.HTML)
		}
	}
	for _, s := range stops {
		if !slices.Contains(reached, s.Place) {
			p.t.Errorf("keyboard: %s: Tab does not reach %s", p.Path(), s.HTML)
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

// listStops lists what a person can act on, remembers how it looks without the focus, and has Tab begin at the top of the page.
// Of radio buttons with one name, Tab reaches one, and the arrow keys the others.
const listStops = `(() => {
	document.activeElement?.blur();
	globalThis.hookswitchPlace = e => e === document.body ? "" :
		hookswitchPlace(e.parentElement) + "/" + e.tagName + Array.from(e.parentElement.children).indexOf(e);
	globalThis.hookswitchLook = e => {
		const s = getComputedStyle(e);
		return [s.outlineStyle, s.outlineWidth, s.outlineColor, s.boxShadow, s.backgroundColor, s.borderColor, s.textDecorationLine].join("|");
	};
	const shown = e => e.checkVisibility({visibilityProperty: true}) && !e.closest("[inert]");
	const groups = new Set();
	const stops = Array.from(document.querySelectorAll(
		"a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex], [contenteditable=true]")).filter(e => {
		if (e.disabled || e.matches("fieldset:disabled *, [tabindex^='-']") || !shown(e)) return false;
		if (e.type !== "radio") return true;
		const others = Array.from(document.querySelectorAll("input[type=radio]")).filter(o => o.name === e.name && o.form === e.form);
		if (groups.has(others[0]) || others.some(o => o.checked) && !e.checked) return false;
		groups.add(others[0]);
		return true;
	});
	globalThis.hookswitchLooks = new Map(stops.map(e => [hookswitchPlace(e), hookswitchLook(e)]));
	// Tab begins after what had the focus last.
	document.body.tabIndex = -1;
	document.body.focus();
	document.body.removeAttribute("tabindex");
	return stops.map(e => ({Place: hookswitchPlace(e), HTML: e.outerHTML.slice(0, 200), Href: "", Visible: false}));
})()`

// describeFocus says where the focus is. One sees it where it is outlined, or looks other than before.
const describeFocus = `(() => {
	const e = document.activeElement;
	if (!e || e === document.body || e === document.documentElement) return {Place: "", HTML: "", Href: "", Visible: true};
	const place = hookswitchPlace(e), s = getComputedStyle(e), box = e.getBoundingClientRect();
	const outlined = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0;
	const other = hookswitchLooks.has(place) && hookswitchLooks.get(place) !== hookswitchLook(e);
	return {
		Place: place, HTML: e.outerHTML.slice(0, 200), Href: e.getAttribute("href") ?? "",
		Visible: box.width > 1 && box.height > 1 && box.right > 0 && box.bottom > 0 && (outlined || other),
	};
})()`
