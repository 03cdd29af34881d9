package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>`

// field returns the value of a hidden field of a page.
func field(t testing.TB, a reply, name string) string {
	t.Helper()
	m := regexp.MustCompile(`name="` + name + `" value="([^"]+)"`).FindStringSubmatch(a.body)
	if m == nil {
		t.Fatalf("the page has no field %s:\n%s", name, a.body)
	}
	return m[1]
}

// TestKeyIsMadeOnce shows that a key is shown once, that sending its form again makes no second one and shows no secret, and that the key opens.
func TestKeyIsMadeOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		h := open(t, e.Open(t).Store)
		b := h.signedIn(1)
		blank := b.get("/console/cc/default/keys/new")
		b.shows(blank, http.StatusOK, "interactions:read:chat")
		form := url.Values{"once": {field(t, blank, "once")}, "name": {"CRM " + hostile}, "permissions": {"deliveries", "webhooks"}, "expiresIn": {"24h"}}
		made := b.post("/console/cc/default/keys", form)
		b.shows(made, http.StatusOK, "Copy the key now", "CRM &#34;&gt;&lt;script&gt;")
		text := regexp.MustCompile(`hsk_[0-9a-f]{32}_[a-z2-7]+`).FindString(made.body)
		if strings.Contains(made.body, "<script>alert") || text == "" {
			t.Fatalf("the page:\n%s", made.body)
		}
		if _, err := h.store.FindCaller(hook.ProofOf(text), time.Now()); err != nil {
			t.Fatalf("the key does not open: %v", err)
		}

		again := b.post("/console/cc/default/keys", form)
		shown := b.follow(again)
		b.shows(shown, http.StatusOK, "CRM", "webhooks")
		if strings.Contains(again.body+again.location+shown.body, text) {
			t.Error("the key is shown a second time")
		}
		keys, _, err := h.store.Keys(1, store.Page{})
		if err != nil || len(keys) != 2 { // and the one that is signed in with
			t.Errorf("%d keys, %v", len(keys), err)
		}
		log, _, err := h.store.AuditLog(t.Context(), 1, store.AuditFilter{Action: "key.create"}, store.Page{})
		if err != nil || len(log) == 0 || !strings.HasPrefix(string(log[0].Actor), "key key ") || !strings.Contains(string(log[0].Actor), " from 127.0.0.1") {
			t.Errorf("audit log %+v, %v", log, err)
		}
	})
}

// TestKeyIsChanged shows each button of a key's page, and that wrong values are kept in the form.
func TestKeyIsChanged(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	b := h.signedIn(0)
	text := h.key(1, hook.PermitWebhooks)
	id := hook.ProofOf(text).ID
	page, scope := "/console/cc/default/keys/"+id.String(), store.KeyScope{Center: 1}
	key := func() hook.Key {
		t.Helper()
		k, err := h.store.Key(scope, id)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	b.shows(b.get(page), http.StatusOK, `value="webhooks" checked`)
	bad := b.post(page, url.Values{"name": {""}, "permissions": {"nonsense"}, "expiresAt": {"yesterday"}})
	b.shows(bad, http.StatusUnprocessableEntity, "3 fields need", `value="yesterday"`, "must be a time in UTC, such as")
	b.shows(b.follow(b.post(page, url.Values{"name": {"renamed"}, "permissions": {"deliveries"}, "expiresAt": {"2099-01-02T03:04"}})), http.StatusOK, "The key was changed")
	if k := key(); k.Name != "renamed" || len(k.Permissions) != 1 || k.Permissions[0] != hook.PermitDeliveries || !k.ExpiresAt.Equal(time.Date(2099, 1, 2, 3, 4, 0, 0, time.UTC)) {
		t.Errorf("changed to %+v", k)
	}
	b.shows(b.follow(b.post(page+"/disable", url.Values{})), http.StatusOK, "disabled", ">Enable<")
	if key().Enabled {
		t.Error("the key is not disabled")
	}
	b.shows(b.follow(b.post(page+"/enable", url.Values{})), http.StatusOK, ">Disable<")
	b.shows(b.follow(b.post(page+"/expire", url.Values{})), http.StatusOK, "expired at")
	if k := key(); k.Ended(time.Now()) == nil {
		t.Error("the key has not expired")
	}
	b.shows(b.follow(b.post(page+"/delete", url.Values{})), http.StatusOK, "was deleted")
	b.shows(b.get(page), http.StatusNotFound)
}

// TestAdminKeysAreForAdmins shows that who administers one contact centre sees and makes no admin key, and that the last one stays.
func TestAdminKeysAreForAdmins(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	admin, own := h.signedIn(0), h.signedIn(1)
	keys, _, err := h.store.Keys(0, store.Page{})
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys %v, %v", keys, err)
	}
	page := "/console/cc/default/keys/" + keys[0].ID.String()
	admin.shows(admin.get("/console/cc/default/keys?scope=server"), http.StatusOK, "Admin keys", keys[0].ID.String())
	own.shows(own.get(page), http.StatusNotFound)
	if a := own.get("/console/cc/default/keys?scope=server"); strings.Contains(a.body, keys[0].ID.String()) {
		t.Error("an admin key is shown to who administers a contact centre")
	}
	own.shows(own.post("/console/cc/default/keys", url.Values{"name": {"x"}, "admin": {"yes"}, "expiresIn": {"0s"}}), http.StatusForbidden, "an admin of the installation")
	admin.shows(admin.follow(admin.post(page+"/disable", url.Values{})), http.StatusOK, "no other admin key is enabled")
	low := h.signedIn(1, hook.PermitWebhooks)
	for _, path := range []string{"/keys", "/audit", "/settings"} {
		low.shows(low.get("/console/cc/default"+path), http.StatusForbidden, "the permission admin")
	}
}

// TestNewKeyIsTriedWithWhatItMay shows that the command on the page of a new key is one that this key may run.
func TestNewKeyIsTriedWithWhatItMay(t *testing.T) {
	t.Parallel()
	b := open(t, storetest.Open(t).Store).signedIn(1)
	for permission, command := range map[hook.Permission]string{
		hook.PermitAdmin: "webhooks list<", hook.PermitWebhooks: "webhooks list<", hook.PermitDeliveries: "deliveries list<", hook.PermitInteractionsReadChat: "interactions list<",
		hook.PermitEventsRead: "hookswitch events<", hook.PermitInteractionsWrite: "interactions create --media chat<",
	} {
		made := b.post("/console/cc/default/keys", url.Values{"name": {"CRM"}, "permissions": {string(permission)}, "expiresIn": {"0s"}})
		b.shows(made, http.StatusOK, " hookswitch ", command)
	}
}
