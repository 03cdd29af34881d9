package browsertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// axeFile is the judge of accessibility, below the root of the repository.
const axeFile = "internal/console/browser/node_modules/axe-core/axe.min.js"

// A violation is what axe reports of a rule that the page breaks.
type violation struct {
	ID     string `json:"id"`
	Impact string `json:"impact"`
	Help   string `json:"help"`
	Nodes  []struct {
		HTML           string   `json:"html"`
		Target         []string `json:"target"`
		FailureSummary string   `json:"failureSummary"`
	} `json:"nodes"`
}

// Axe runs axe-core on the page as it is, with all its rules and the best practices among them, and fails the test for each violation.
func (p *Page) Axe() {
	p.t.Helper()
	if p.still {
		p.t.Fatalf("run axe-core: scripts are forbidden in this tab")
	}
	violations, err := p.axe()
	if err != nil {
		p.t.Fatalf("run axe-core: %v", err)
	}
	for _, v := range violations {
		for _, node := range v.Nodes {
			p.t.Errorf("axe: %s, look %s: rule %s (%s): %s\n  selector: %s\n  html: %s\n  %s", p.Path(), p.look.Name, v.ID, v.Impact, v.Help,
				strings.Join(node.Target, " "), shorten(node.HTML), strings.ReplaceAll(node.FailureSummary, "\n", "\n  "))
		}
	}
}

// axe runs in a world of its own, which sees the page's document but not its variables, so that neither disturbs the other; and
// what the debugger brings in is not subject to the page's Content-Security-Policy.
func (p *Page) axe() ([]violation, error) {
	tree, err := call(p, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		return nil, err
	}
	world, err := call(p, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: tree.FrameTree.Frame.ID, WorldName: "axe"})
	if err != nil {
		return nil, err
	}
	within := func(params *runtime.EvaluateParams) { params.ContextID = world.ExecutionContextID }
	there, err := eval[bool](p, `typeof axe !== "undefined"`, within) // the world lasts as long as the document
	if err != nil {
		return nil, err
	}
	if !there {
		source, err := axeSource()
		if err != nil {
			return nil, err
		}
		if _, err := eval[chromedp.Void](p, source, within); err != nil {
			return nil, err
		}
	}
	// Nothing is loaded anew (preload), and only what is broken is worked out.
	return eval[[]violation](p, `axe.run(document, {resultTypes: ["violations"], preload: false})
			.then(r => r.violations)`, within)
}

func axeSource() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(axeFile)))
	if err != nil {
		return "", fmt.Errorf("read axe-core (run scripts/setup): %w", err)
	}
	return string(source), nil
}
