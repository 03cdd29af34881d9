package browsertest

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
)

// Look is how a page is looked at.
type Look struct {
	// Name tells it from the others, and is part of the name of a picture.
	Name string
	// Width and Height are those of the window, in CSS pixels.
	Width, Height int64
	// Dark is whether the person prefers dark colours.
	Dark bool
	// Forced is whether all colours are the person's own, and few.
	Forced bool
}

// Light is a wide window and light colours.
func Light() Look { return Look{Name: "light", Width: 1280, Height: 900} }

// Dark is a wide window and dark colours.
func Dark() Look { return Look{Name: "dark", Width: 1280, Height: 900, Dark: true} }

// Narrow is a phone, held upright, and light colours.
func Narrow() Look { return Look{Name: "narrow", Width: 390, Height: 844} }

// Forced is a wide window and the colours of a person who needs a high contrast.
func Forced() Look { return Look{Name: "forced", Width: 1280, Height: 900, Dark: true, Forced: true} }

// Zoomed is a wide window at 400 %, which is as narrow as a page must be able to get (WCAG 2.2, success criterion 1.4.10).
func Zoomed() Look { return Look{Name: "zoomed", Width: 320, Height: 256} }

// Looks returns those in which pictures are taken.
func Looks() []Look { return []Look{Light(), Dark(), Narrow()} }

// Look shows the page, and at those that follow, in this way.
func (p *Page) Look(look Look) {
	p.t.Helper()
	if look == p.look {
		return
	}
	scheme := "light"
	if look.Dark {
		scheme = "dark"
	}
	forced := "none"
	if look.Forced {
		forced = "active"
	}
	_, err := call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme},
		{Name: "forced-colors", Value: forced},            //nolint:misspell // CSS spells it so
		{Name: "prefers-reduced-motion", Value: "reduce"}, // nothing is caught halfway
	}})
	if err == nil {
		_, err = call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: look.Width, Height: look.Height, DeviceScaleFactor: 1,
		})
	}
	if err != nil {
		p.t.Fatalf("look at the page in %s: %v", look.Name, err)
	}
	p.look = look
}

// Fits checks that nothing of the page is beside the window: a person on a phone scrolls up and down only.
func (p *Page) Fits() {
	p.t.Helper()
	beside := Eval[[]string](p, `(() => {
		const width = document.documentElement.clientWidth;
		if (document.documentElement.scrollWidth <= width) return [];
		const wide = Array.from(document.querySelectorAll("body *")).filter(e => e.getBoundingClientRect().right > width + 0.5);
		return [document.documentElement.scrollWidth + " px wide", ...wide.slice(0, 5).map(e => e.outerHTML.slice(0, 200))];
	})()`)
	if len(beside) > 0 {
		p.t.Errorf("%s does not fit into the window of the look %s, %d px wide: %q", p.Path(), p.look.Name, p.look.Width, beside)
	}
}

// Inspect looks at the page in every look: that it fits, that axe finds nothing (see [Page.Axe]), and, unless name is empty,
// takes a picture. Zoomed, it fits too, with the spacing of a text that a person may set.
func (p *Page) Inspect(name string) {
	p.t.Helper()
	p.each(func() {
		p.t.Helper()
		p.Fits()
		p.Axe()
		if name != "" {
			p.picture(name)
		}
	})
	p.FitsZoomed()
}

// FitsZoomed checks that the page fits at 400 %, with texts as far apart as a person may set them. Scripts may be forbidden.
func (p *Page) FitsZoomed() {
	p.t.Helper()
	before := p.look
	p.Look(Zoomed())
	Eval[bool](p, spaceText)
	p.Fits()
	Eval[bool](p, `Boolean(document.adoptedStyleSheets = [])`)
	p.Look(before)
}

// spaceText sets the spacing of texts as far apart as a page must bear (WCAG 2.2, success criterion 1.4.12).
const spaceText = `(() => {
	const sheet = new CSSStyleSheet();
	sheet.replaceSync("* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important } p { margin-bottom: 2em !important }");
	document.adoptedStyleSheets = [sheet];
	return true;
})()`

// Screenshot writes a picture of the whole page in each look to screenshots/NAME-LOOK.png at the root of the repository, a
// folder that git ignores.
func (p *Page) Screenshot(name string) {
	p.t.Helper()
	p.each(func() {
		p.t.Helper()
		p.picture(name)
	})
}

// pictureBytesMax is how large a picture of the README may be.
const pictureBytesMax = 200_000

// Picture writes what a light window of this height shows to folder/NAME.png at the root of the repository; without a folder to
// screenshots/NAME.png. It is for the README: the test fails when the file is larger than 200 kB.
func (p *Page) Picture(folder, name string, height int64) {
	p.t.Helper()
	before := p.look
	p.Look(Look{Name: "picture", Width: Light().Width, Height: height})
	shot, err := call(p, page.CaptureScreenshot, page.CaptureScreenshotParams{})
	if err != nil {
		p.t.Fatalf("take a picture of the window: %v", err)
	}
	if len(shot.Data) > pictureBytesMax {
		p.t.Errorf("the picture %s has %d bytes; at most %d are wanted", name, len(shot.Data), pictureBytesMax)
	}
	p.write(cmp.Or(folder, "screenshots"), name, shot.Data)
	p.Look(before)
}

// each does something in every look and returns to the present one.
func (p *Page) each(do func()) {
	p.t.Helper()
	defer p.report()
	before := p.look
	for _, look := range Looks() {
		p.Look(look)
		do()
	}
	p.Look(before)
}

func (p *Page) picture(name string) {
	p.t.Helper()
	metrics, err := call(p, page.GetLayoutMetrics, cdp.Empty{})
	if err != nil {
		p.t.Fatalf("measure the page: %v", err)
	}
	const heightMax = 8000 // pixels: a list without an end is cut off
	size := metrics.CSSContentSize
	shot, err := call(p, page.CaptureScreenshot, page.CaptureScreenshotParams{
		CaptureBeyondViewport: new(true), OptimizeForSpeed: new(true),
		Clip: &page.Viewport{Width: size.Width, Height: min(size.Height, heightMax), Scale: 1},
	})
	if err != nil {
		p.t.Fatalf("take a picture of the page: %v", err)
	}
	p.write("screenshots", fmt.Sprintf("%s-%s", name, p.look.Name), shot.Data)
}

// write writes a picture to a folder of the repository.
func (p *Page) write(folder, name string, data []byte) {
	p.t.Helper()
	root, err := moduleRoot()
	if err != nil {
		p.t.Fatalf("find the folder of the pictures: %v", err)
	}
	file := filepath.Join(root, filepath.FromSlash(folder), name+".png")
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		p.t.Fatalf("make the folder of the pictures: %v", err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		p.t.Fatalf("write the picture: %v", err)
	}
}

// moduleRoot returns the folder of go.mod: tests run in the folder of their package.
func moduleRoot() (string, error) {
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		parent := filepath.Dir(at)
		if parent == at {
			return "", fmt.Errorf("no go.mod above %s", at)
		}
		at = parent
	}
}
