package walk_test

import (
	"flag"
	"path/filepath"
	"testing"

	"github.com/hookswitch/hookswitch/internal/browsertest"
)

// picturesFlag is where the pictures of the README go: `make screenshots` makes them anew.
var picturesFlag = flag.String("pictures", "", "the folder for the pictures of the README; without it they go to screenshots/")

// The three pictures of the README show what they are there for: who fails, the life of an interaction, the schedule of retries.
func TestPictures(t *testing.T) {
	database := filepath.Join(t.TempDir(), "pictures.db")
	seen := tell(t, database)
	s := serve(t, "sqlite", database)
	p := browsertest.Open(t, s.url)
	signIn(p)
	p.AwaitText("the webhook Billing fails")
	p.Await(`!document.body.innerText.includes("being counted")`)
	p.Picture(*picturesFlag, "console-overview", 1120)

	p.Go("/console/cc/default/interactions/" + seen.String())
	p.AwaitText("acknowledged, status 200")
	p.AwaitText("held")
	browsertest.Eval[bool](p, `(document.querySelector(".timeline > .at-delivery").scrollIntoView(), true)`)
	p.Picture(*picturesFlag, "console-interaction", 1000)

	p.Go("/console/cc/default/webhooks/new")
	p.AwaitText("20 attempts in 2 days 22 h")
	browsertest.Eval[bool](p, `(document.querySelector("#group-retry").scrollIntoView(), true)`)
	p.Picture(*picturesFlag, "console-webhook", 760)
}
