package api_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// A page that ended at the bound of what one request looks at says so: it has fewer items than its limit, says how far it has looked, and
// goes on from there; whoever follows finds what is there.
func TestShortPages(t *testing.T) {
	h := start(t)
	c := newContract(t, h)
	const newer = 21_000
	rare := c.good(201, "POST", "/v1/interactions", `{"mediaType":"email","subtype":"InboundNew","queue":"rare"}`)
	begin := time.Now()
	for made := 0; made < newer; {
		var changes []hook.Change
		for range 1000 {
			made++
			id := hook.V4([16]byte{byte(made), byte(made >> 8), byte(made >> 16)})
			changes = append(changes, hook.Change{Op: hook.OpCreate, ID: hook.InteractionID{UUID: id}, Draft: &hook.Draft{
				ID: hook.InteractionID{UUID: id}, SessionID: hook.SessionID{UUID: id}, Media: "chat", Subtype: "SMS", Queue: "q",
			}})
		}
		if _, err := h.store.AcceptChanges(t.Context(), 1, time.Now(), changes, nil); err != nil {
			t.Fatal(err)
		}
	}
	pages, found, at := 0, "", "/v1/interactions?queue=rare"
	for {
		page := c.good(200, "GET", at, ``)
		pages++
		if list := items(page, "items"); len(list) > 0 {
			found += text(list[0], "id")
		}
		next, goesOn := page["nextCursor"]
		searched, short := page["searchedTo"]
		if goesOn != short {
			t.Fatalf("a page with the cursor %v was searched to %v", next, searched)
		}
		if !goesOn {
			break
		}
		if to, err := time.Parse(time.RFC3339, fmt.Sprint(searched)); err != nil || to.Before(begin.Truncate(time.Millisecond)) || to.After(time.Now()) {
			t.Errorf("searched to %v: %v", searched, err)
		}
		at = "/v1/interactions?queue=rare&cursor=" + fmt.Sprint(next)
	}
	if pages < 2 || found != text(rare, "id") {
		t.Errorf("found %q on %d pages, want %v on two or more", found, pages, rare["id"])
	}
	if page := c.good(200, "GET", "/v1/interactions?limit=2", ``); page["nextCursor"] == nil || page["searchedTo"] != nil {
		t.Errorf("a full page goes on with %v and was searched to %v", page["nextCursor"], page["searchedTo"])
	}
	if _, err := store.CursorTime("nope"); err == nil {
		t.Error("the time of no cursor is known")
	}
}
