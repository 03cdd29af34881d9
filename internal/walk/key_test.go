package walk_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/browsertest"
)

// A key is made, shown once, lets its holder see what it permits and nothing else, ends when it is disabled, and is deleted; the
// audit log tells of each step, and so the form that was sent wrongly changed nothing.
func TestKeyWalk(t *testing.T) {
	onEach(t, func(t *testing.T, s *server) {
		admin := browsertest.Open(t, s.url)
		signIn(admin)
		admin.Follow("link", "Keys")
		admin.Follow("link", "New key")
		admin.Fill("Name", "wall board")
		for range admin.Texts("input[name=permissions]:checked") { // what is proposed
			admin.ClickOn("label:has(input[name=permissions]:checked):not(label:has(:checked) ~ label)")
		}
		admin.Expect(http.StatusUnprocessableEntity)
		if got := admin.Follow("button", "Create key"); got != http.StatusUnprocessableEntity { // it may nothing
			t.Fatalf("a key without permissions: %d %s", got, admin.Text("main"))
		}
		admin.Await(`document.activeElement.matches("[role=alert]")`) // what is wrong is read
		s.look(admin)
		admin.ClickOn("input[name=permissions][value='interactions:read']")
		admin.Follow("button", "Create key")
		admin.AwaitText("Copy the key now")
		s.look(admin)
		text := strings.TrimSpace(admin.Text("main pre"))
		admin.Follow("link", "I have it")
		page := admin.Path()

		holder := browsertest.Open(t, s.url)
		signInWith(holder, text)
		if got := strings.Join(holder.Texts("nav li"), " "); strings.Contains(got, "Keys") || strings.Contains(got, "Audit") {
			t.Errorf("who may read interactions is led to %s", got)
		}
		holder.Expect(http.StatusForbidden)
		holder.Go(page)
		if got := holder.Text("main"); strings.Contains(got, "wall board") {
			t.Errorf("who may read interactions sees the key: %s", got)
		}
		s.look(holder)

		admin.Follow("button", "Disable")
		admin.AwaitText("Enable")
		admin.Await(`document.activeElement.matches("[role=status]")`) // what was done is read
		holder.Go(home)
		if got := holder.Path(); !strings.HasPrefix(got, signInPath) {
			t.Errorf("the holder of a disabled key still sees %s", got)
		}
		admin.Follow("button", "Enable")
		admin.Follow("button", "Expire now")
		admin.ClickOn("#delete summary")
		admin.Follow("button", "Delete the key wall board")
		if got := admin.Text("main"); strings.Contains(got, "wall board\n") {
			t.Errorf("the key is still listed: %s", got)
		}
		admin.Follow("link", "Audit")
		got := strings.Join(admin.Texts("main tbody td[data-label=What]"), " ")
		if got != "key.delete key.expire key.enable key.disable key.create" {
			t.Errorf("the audit log tells of %q", got)
		}
		s.look(admin)
	})
}
