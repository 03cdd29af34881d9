package walk_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/hookswitch/hookswitch/internal/browsertest"
)

// What happens is seen in the overview without a reload, and nothing there breaks while it happens.
func TestLiveOverview(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		s.subscribe(s.receive(http.StatusOK, ""), nil)
		p := browsertest.Open(t, s.url)
		signIn(p)
		browsertest.Eval[bool](p, `globalThis.same = true`)
		p.AwaitText("Live")
		const accepted = `Array.from(document.querySelectorAll("[data-live] dt")).find(e => e.textContent.startsWith("Accepted"))?.nextElementSibling.textContent`
		for range 2 {
			before := browsertest.Eval[string](p, accepted)
			s.chat("support")
			p.Await(fmt.Sprintf(`%s !== %q`, accepted, before))
		}
		if !browsertest.Eval[bool](p, `Boolean(globalThis.same)`) {
			t.Error("the page was loaded again")
		}
	})
}

// Who is at work in a part that is live is not disturbed: what is open stays open and is the same, nothing changes below the focus, the page
// says that something waits, and all of it can be stopped.
func TestLiveLeavesPeopleAlone(t *testing.T) {
	t.Parallel()
	s := serve(t, "sqlite", t.TempDir()+"/walk.db")
	s.subscribe(s.receive(http.StatusOK, ""), nil)
	s.chat("support")
	p := browsertest.Open(t, s.url)
	signIn(p)
	p.AwaitText("Live")
	p.Await(`document.querySelector("[data-live] details") !== null`)
	count := func() string {
		return browsertest.Eval[string](p, `document.querySelector("[data-live] .tile dd").textContent`)
	}

	browsertest.Eval[bool](p, `(() => {
		globalThis.opened = document.querySelector("[data-live] details");
		opened.querySelector("summary").focus();
		return opened.open = true;
	})()`)
	before := count()
	s.chat("support")
	p.AwaitText("There is something newer")
	if got := count(); got != before {
		t.Errorf("below the focus %s became %s", before, got)
	}
	if got := p.Text("[role=status]"); got != "Live" {
		t.Errorf("%q is announced: whoever works there would hear it again and again", got)
	}
	browsertest.Eval[bool](p, `Boolean(document.activeElement.blur()) || true`)
	p.Await(fmt.Sprintf(`document.querySelector("[data-live] .tile dd").textContent !== %q`, before))
	if !browsertest.Eval[bool](p, `opened.isConnected && opened.open`) {
		t.Error("what was open is closed, or another one")
	}

	p.Click("button", "Pause updates")
	before = count()
	s.chat("support")
	p.AwaitText("Paused: there is something newer.")
	if got := count(); got != before {
		t.Errorf("while it was paused %s became %s", before, got)
	}
	p.Click("button", "Continue updates")
	p.Await(fmt.Sprintf(`document.querySelector("[data-live] .tile dd").textContent !== %q`, before))

	before = count()
	browsertest.Eval[bool](p, `document.querySelector("[data-live] p").dispatchEvent(new Event("submit", {bubbles: true}))`) // a form is on its way
	s.chat("support")
	p.AwaitText("There is something newer")
	if got := count(); got != before {
		t.Errorf("while a form was on its way %s became %s", before, got)
	}
}

// A button that copies says what, and is called so again however often it is pressed.
func TestCopyTwice(t *testing.T) {
	t.Parallel()
	s := serve(t, "sqlite", t.TempDir()+"/walk.db")
	p := browsertest.Open(t, s.url)
	p.Go(signInPath)
	browsertest.Eval[bool](p, `Boolean(document.querySelector("details").open = true)`)
	const name = "Copy hookswitch keys create --help"
	p.Click("button", name)
	p.Await(`document.querySelector("[data-copy]").textContent !== "Copy"`)
	p.Click("button", name)
	p.Await(`document.querySelector("[data-copy]").textContent === "Copy"`)
	if got := p.Count("button", name); got != 1 {
		t.Errorf("%d buttons are called %q", got, name)
	}
}

// What a script does besides is said once and in few words: that a schedule was drawn anew, and not the drawing; that events come, and not
// each of them. A box for all says whether all are checked.
func TestScriptSaysLittle(t *testing.T) {
	t.Parallel()
	s := serve(t, "sqlite", t.TempDir()+"/walk.db")
	s.subscribe(s.receive(http.StatusOK, ""), nil)
	s.chat("support")
	id := s.chat("support")
	p := browsertest.Open(t, s.url)
	signIn(p)

	p.Follow("link", "Live")
	p.Await(`document.querySelector("#events-state").textContent === "Live"`)
	s.call(http.MethodPost, "/v1/interactions/"+id+"/stop", map[string]any{"by": "workflow"}, nil)
	p.AwaitText("FINISHED")
	if got := p.Text("#events-state"); got != "Live" {
		t.Errorf("at once %q is announced", got)
	}

	p.Follow("link", "Deliveries")
	p.ClickOn("[data-all]")
	p.Await(`Array.from(document.querySelectorAll("input[name=id]")).every(e => e.checked)`)
	p.ClickOn("tbody tr:first-child input")
	p.Await(`document.querySelector("[data-all]").indeterminate`)

	p.Go("/console/cc/default/webhooks/new")
	p.Await(`document.querySelector("[data-draw]").hidden`)
	p.FillIn("[name='retry.attempts']", "3")
	p.Await(`document.querySelector("[data-schedule-said]").textContent !== ""`)
	if got, want := p.Text("[data-schedule-said]"), p.Text("[data-schedule] strong"); got != want {
		t.Errorf("%q is announced, and not %q", got, want)
	}
	if n := browsertest.Eval[int](p, `document.querySelectorAll("[aria-live] svg, [role=status] svg, [aria-live] table").length`); n > 0 {
		t.Errorf("%d drawings would be read out", n)
	}
}
