package console

import (
	"net/url"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// frame is what is around every page. Views embed it.
type frame struct {
	Title string
	// Which says in the browser's title which one of its kind the page is about; empty where there is one alone.
	Which string
	// Now is when the page was made.
	Now     time.Time
	Center  hook.ContactCenter
	Centers []hook.ContactCenter
	// By is who looks; its Actor is empty where nobody is signed in.
	By    hook.Caller
	Flash *flash
	// Path is the page's own, for links that change its query.
	Path    string
	Version string
	once    func() string
}

// frame makes what is around the page of a call.
func (c *call) frame(title string) frame {
	f := frame{
		Title: title, Now: c.now, Center: c.center, By: c.by, Path: c.r.URL.Path, Version: c.server.options.Version, Flash: c.takeFlash(),
		once: func() string {
			id, err := c.newID()
			if err != nil { // a form without it is sent as often as it is sent
				return ""
			}
			return id
		},
	}
	if c.by.Actor != "" {
		f.Centers = c.centers()
	}
	return f
}

// about names what the page is about, so that tabs and the entries of a history can be told from each other.
func (f frame) about(which string) frame {
	f.Which = which
	return f
}

// newID makes a time-ordered identifier.
func (c *call) newID() (string, error) {
	id, err := c.server.newUUID(c.now)
	return id.String(), err
}

// newUUID makes a time-ordered identifier.
func (s *Server) newUUID(now time.Time) (hook.UUID, error) {
	return hook.ReadV7(s.options.Random, now)
}

// SignedIn reports whether somebody is signed in.
func (f frame) SignedIn() bool { return f.By.Actor != "" }

// Once returns a new Idempotency-Key for a form of the page.
func (f frame) Once() string { return f.once() }

// May reports whether who looks has a permission.
func (f frame) May(p hook.Permission) bool { return f.By.Permits(p) }

// Installation reports whether who looks may administer the installation.
func (f frame) Installation() bool { return f.By.Administers() }

// URL returns the path of a page of the contact centre.
func (f frame) URL(parts ...string) string { return centerPath(f.Center.ID, parts...) }

// CenterURL returns the path of the overview of a contact centre.
func (f frame) CenterURL(center hook.ContactCenterID) string { return centerPath(center) }

// centerPath returns the path of a page of a contact centre; without parts, that of its overview.
func centerPath(center hook.ContactCenterID, parts ...string) string {
	path := Path + "cc/" + url.PathEscape(string(center)) + "/"
	for i, p := range parts {
		if i > 0 {
			path += "/"
		}
		path += url.PathEscape(p)
	}
	return path
}

// url returns the path of a page of the call's contact centre.
func (c *call) url(parts ...string) string { return centerPath(c.center.ID, parts...) }

// navItem is one entry of the navigation.
type navItem struct {
	Text, URL string
	// Current is whether the page is this one or below it.
	Current bool
}

// Nav returns the entries that who looks may open.
func (f frame) Nav() (list []navItem) {
	if f.Center.Number == 0 {
		return nil
	}
	for _, i := range [...]struct {
		text, part string
		needs      hook.Permission
	}{
		{"Overview", "", ""},
		{"Interactions", "interactions", hook.PermitInteractionsRead},
		{"Queues", "queues", hook.PermitInteractionsRead},
		{"Deliveries", "deliveries", hook.PermitDeliveries},
		{"Replays", "replays", hook.PermitDeliveries},
		{"Webhooks", "webhooks", hook.PermitWebhooks},
		{"Notices", "notices", hook.PermitWebhooks},
		{"Live", "live", hook.PermitEventsRead},
		{"Keys", "keys", hook.PermitAdmin},
		{"Audit", "audit", hook.PermitAdmin},
		{"Settings", "settings", hook.PermitAdmin},
	} {
		if i.needs != "" && !f.May(i.needs) {
			continue
		}
		item := navItem{Text: i.text, URL: f.URL()}
		if i.part == "" {
			item.Current = f.Path == item.URL
		} else {
			item.URL = f.URL(i.part)
			item.Current = f.Path == item.URL || strings.HasPrefix(f.Path, item.URL+"/")
		}
		list = append(list, item)
	}
	return list
}
