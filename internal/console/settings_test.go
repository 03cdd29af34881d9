package console_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// TestSettingsAreChanged shows that name and retention are saved, and that wrong ones are named and kept in the form.
func TestSettingsAreChanged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		h := open(t, e.Open(t).Store)
		b := h.signedIn(1)
		const page = "/console/cc/default/settings"
		b.shows(b.get(page), http.StatusOK, "Name and retention", "inherited")
		bad := b.post(page, url.Values{"name": {"A\x01"}, "interactions": {"soon"}, "attempts": {"720h"}})
		b.shows(bad, http.StatusUnprocessableEntity, "2 fields need", `value="soon"`, "must be a duration such as 720h", `value="720h"`)
		bad = b.post(page, url.Values{"name": {"Acme"}, "interactions": {"48h"}, "payloads": {"72h"}})
		b.shows(bad, http.StatusUnprocessableEntity, "must not be longer than interactions")

		b.shows(b.follow(b.post(page, url.Values{"name": {"Acme " + hostile}, "interactions": {"720h"}, "payloads": {"48h"}})), http.StatusOK, "Acme &#34;&gt;", `value="720h"`, `value="48h"`)
		center, err := h.store.ReadContactCenter("default")
		if err != nil || center.Settings.Retention.Attempts != nil || time.Duration(*center.Settings.Retention.Payloads) != 48*time.Hour {
			t.Errorf("saved %+v, %v", center, err)
		}
		b.shows(b.get(page+"?report=yes"), http.StatusOK, "What retention would remove now")
		b.shows(b.follow(b.post(page, url.Values{"name": {"Acme"}})), http.StatusOK, "The settings were changed")
		b.shows(b.get("/console/cc/default/audit?action=contactCenter"), http.StatusOK, "contactCenter.update", "&#34;interactions&#34;")
	})
}

// TestContactCenterIsCreated shows that an admin of the installation makes one in the console, and nobody else.
func TestContactCenterIsCreated(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	admin, own := h.signedIn(0), h.signedIn(1)
	const page = "/console/cc/default/settings/contact-centers"
	admin.shows(admin.get("/console/cc/default/settings"), http.StatusOK, "Master key", "New contact centre")
	admin.shows(admin.post(page, url.Values{"id": {"Big!"}, "newName": {"B"}}), http.StatusUnprocessableEntity, `value="Big!"`, "must be 1 to 64")
	admin.shows(admin.follow(admin.post(page, url.Values{"id": {"big"}, "newName": {"Big"}})), http.StatusOK, "The contact centre big was created", "Overview")
	admin.shows(admin.follow(admin.post(page, url.Values{"id": {"big"}})), http.StatusOK, "Not done")
	admin.shows(admin.follow(admin.get("/console/switch?center=big")), http.StatusOK, "Big")
	own.shows(own.post(page, url.Values{"id": {"mine"}}), http.StatusForbidden)
}

// TestAuditIsFiltered shows that the log is found by what, who and when, and that a wrong time is named.
func TestAuditIsFiltered(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	b := h.signedIn(0)
	const page = "/console/cc/default/audit"
	b.shows(b.get(page), http.StatusOK, "Nothing was changed yet", "hookswitch audit list")
	h.key(1)
	b.shows(b.get(page), http.StatusOK, "key.create", "After")
	b.shows(b.get(page+"?action=webhook"), http.StatusOK, "No change fits")
	b.shows(b.get(page+"?from=2099-01-01T00:00"), http.StatusOK, "No change fits")
	b.shows(b.get(page+"?from=nonsense"), http.StatusUnprocessableEntity, "must be a time in UTC, such as", `value="nonsense"`)
	b.shows(b.get(page+"?scope=server"), http.StatusOK, "Audit log of the installation", "key.create")
	for range 60 {
		h.key(1)
	}
	first := b.get(page)
	b.shows(first, http.StatusOK, ">Older<")
	b.shows(b.get(page+"?cursor=nonsense"), http.StatusNotFound)
}
