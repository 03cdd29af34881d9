package console

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// scopeServer is the value of the query's scope that means the admin keys.
const scopeServer = "server"

// keysPage answers: who may do what, and until when?
type keysPage struct {
	frame
	Keys []keyRow
	// Server is whether the keys are admin keys.
	Server bool
	// Next is the cursor of the next page, or empty.
	Next string
}

// keyRow is a key as a list shows it.
type keyRow struct {
	hook.Key
	// Ended says why it opens nothing; empty means that it does.
	Ended string
}

// keyPage is the form of one key, new or not.
type keyPage struct {
	frame
	// Key is as it was entered.
	Key keyRow
	// New is whether there is no such key yet.
	New bool
	// Expires is the entered time, and ExpiresIn the chosen one of a new key.
	Expires, ExpiresIn string
	Faults             faults
	// Text is the key itself, on the one page that shows it.
	Text string
}

// expiryChoice is a time for which a new key may live.
type expiryChoice struct{ Value, Text string }

// keyScope is which keys the caller may see and change: those of the contact centre, and for who administers the installation admin keys too.
func (c *call) keyScope() store.KeyScope {
	return store.KeyScope{Center: c.center.Number, Admin: c.by.Administers()}
}

func (c *call) keyRow(k hook.Key) keyRow {
	row := keyRow{Key: k}
	if err := k.Ended(c.now); err != nil {
		row.Ended = strings.TrimPrefix(err.Error(), "the key ")
	}
	return row
}

// showKeys lists the keys of the contact centre, or the admin keys.
func (s *Server) showKeys(c *call) (answer, error) {
	page := &keysPage{frame: c.frame("Keys"), Server: c.r.FormValue("scope") == scopeServer && c.by.Administers()}
	center := c.center.Number
	if page.Server {
		center = 0
	}
	found, next, err := s.options.Store.Keys(center, store.Page{Limit: listMax, Cursor: c.r.FormValue("cursor")})
	if err != nil {
		return answer{}, err
	}
	page.Next = next
	for _, k := range found {
		page.Keys = append(page.Keys, c.keyRow(k))
	}
	return show("keys", page), nil
}

// showNewKey shows the form of a new key.
func (s *Server) showNewKey(c *call) (answer, error) {
	k := hook.Key{Center: c.center.Number, Enabled: true, Permissions: []hook.Permission{hook.PermitWebhooks, hook.PermitDeliveries}}
	return show("key", &keyPage{frame: c.frame("New key"), Key: keyRow{Key: k}, New: true, ExpiresIn: "0s"}), nil
}

// createKey makes a key, and shows it once.
func (s *Server) createKey(c *call) (answer, error) {
	form := c.r.PostForm
	page := &keyPage{New: true, ExpiresIn: form.Get("expiresIn")}
	k := hook.Key{Center: c.center.Number, Name: strings.TrimSpace(form.Get("name")), Enabled: true}
	if form.Get("admin") != "" {
		if !c.by.Administers() {
			return answer{}, &permissionError{"an admin of the installation"}
		}
		k.Center, k.Permissions = 0, []hook.Permission{hook.PermitAdmin}
	} else {
		k.Permissions = permissionsOf(form["permissions"])
	}
	var in hook.Duration
	if err := in.UnmarshalText([]byte(page.ExpiresIn)); err != nil || in < 0 {
		return answer{}, &hook.InvalidError{Fields: []hook.FieldError{{Field: "expiresIn", Message: "is none of the choices"}}}
	} else if in > 0 {
		k.ExpiresAt = c.now.Add(time.Duration(in))
	}
	made, text, err := s.makeKey(c, k)
	if f, ok := faultsOf(err); ok {
		page.Key, page.Faults, page.frame = keyRow{Key: k}, f, c.frame("New key")
		return wrong("key", page), nil
	} else if err != nil {
		return refused(err, c.url("keys"))
	}
	page.Key, page.Text, page.frame = c.keyRow(made), text, c.frame("Key "+made.Name)
	return show("keymade", page), nil
}

// makeKey stores a key with a new secret, and returns its text.
func (s *Server) makeKey(c *call, k hook.Key) (hook.Key, string, error) {
	if err := k.Validate("", c.now, &hook.Key{}); err != nil {
		return hook.Key{}, "", err
	}
	id, text, err := hook.MakeKeyText(s.options.Random, c.now)
	if err != nil {
		return hook.Key{}, "", err
	}
	k.ID = id
	made, err := s.options.Store.CreateKey(c.ctx(), c.now, k, hook.ProofOf(text).Hash, once(c, func(k hook.Key) string { return c.url("keys", k.ID.String()) }))
	return made, text, err
}

func permissionsOf(texts []string) []hook.Permission {
	list := make([]hook.Permission, len(texts))
	for i, t := range texts {
		list[i] = hook.Permission(t)
	}
	return hook.SortPermissions(list)
}

// keyTarget returns the id in the path of a key's page.
func (c *call) keyTarget() (id hook.KeyID, err error) {
	err = id.UnmarshalText([]byte(c.r.PathValue("id")))
	return id, err
}

// showKey shows a key with what can be changed.
func (s *Server) showKey(c *call) (answer, error) {
	id, err := c.keyTarget()
	if err != nil {
		return answer{}, err
	}
	k, err := s.options.Store.Key(c.keyScope(), id)
	if err != nil {
		return answer{}, err
	}
	return show("key", &keyPage{frame: c.frame("Key " + k.Name), Key: c.keyRow(k), Expires: fieldTime(k.ExpiresAt)}), nil
}

// updateKey changes what a key may do, its name and its end.
func (s *Server) updateKey(c *call) (answer, error) {
	form := c.r.PostForm
	text := strings.TrimSpace(form.Get("expiresAt"))
	expires, ok := parseTime(text)
	var shown hook.Key
	change := func(k *hook.Key) error {
		before := *k
		k.Name = strings.TrimSpace(form.Get("name"))
		if !k.Admin() {
			k.Permissions = permissionsOf(form["permissions"])
		}
		if text != fieldTime(before.ExpiresAt) {
			k.ExpiresAt = expires
		}
		shown = *k
		err := k.Validate("", c.now, &before)
		if text != "" && !ok {
			err = withField(err, "expiresAt", wrongTime)
		}
		return err
	}
	a, err := s.changeKey(c, "The key was changed.", change)
	if f, ok := faultsOf(err); ok {
		page := &keyPage{frame: c.frame("Key " + shown.Name), Key: c.keyRow(shown), Expires: form.Get("expiresAt"), Faults: f}
		return wrong("key", page), nil
	}
	return a, err
}

// withField adds a wrong field to an error that may name others.
func withField(err error, field, message string) error {
	invalid := new(hook.InvalidError)
	if err != nil && !errors.As(err, &invalid) {
		return err
	}
	return &hook.InvalidError{Fields: append(slices.Clone(invalid.Fields), hook.FieldError{Field: field, Message: message})}
}

// steerKey is a change to one key by a button.
func (s *Server) steerKey(done string, change func(k *hook.Key, now time.Time)) handler {
	return func(c *call) (answer, error) {
		return s.changeKey(c, done, func(k *hook.Key) error {
			change(k, c.now)
			return nil
		})
	}
}

func enableKey(k *hook.Key, _ time.Time)   { k.Enabled = true }
func disableKey(k *hook.Key, _ time.Time)  { k.Enabled = false }
func expireKey(k *hook.Key, now time.Time) { k.ExpiresAt = now }

func (s *Server) changeKey(c *call, done string, change func(*hook.Key) error) (answer, error) {
	id, err := c.keyTarget()
	if err != nil {
		return answer{}, err
	}
	here := c.url("keys", id.String())
	_, err = s.options.Store.ChangeKey(c.ctx(), c.now, c.keyScope(), id, once(c, func(hook.Key) string { return here }), change)
	if err != nil {
		return refused(err, here)
	}
	return goTo(here).saying(done), nil
}

// deleteKey deletes a key.
func (s *Server) deleteKey(c *call) (answer, error) {
	id, err := c.keyTarget()
	if err != nil {
		return answer{}, err
	}
	if err := s.options.Store.DeleteKey(c.ctx(), c.now, c.keyScope(), id); err != nil {
		return refused(err, c.url("keys"))
	}
	return goTo(c.url("keys")).saying("The key was deleted: it opens nothing any more."), nil
}

// Permissions returns every permission, for the form, with what it is for.
func (p *keyPage) Permissions() []permissionChoice {
	list := []permissionChoice{
		{Permission: hook.PermitInteractionsWrite, Help: "create, submit, accept, return and stop interactions"},
		{Permission: hook.PermitInteractionsRead, Help: "read interactions of every media type"},
		{Permission: hook.PermitInteractionsReadChat, Help: "read chats alone"},
		{Permission: hook.PermitInteractionsReadEmail, Help: "read secure e-mails alone"},
		{Permission: hook.PermitWebhooks, Help: "read and change webhooks and their secrets, read notices"},
		{Permission: hook.PermitDeliveries, Help: "read deliveries and replay them"},
		{Permission: hook.PermitEventsRead, Help: "read events, one by one or as a stream"},
		{Permission: hook.PermitAdmin, Help: "all of these, keys, the audit log and the settings of the contact centre"},
	}
	for i := range list {
		list[i].Given = slices.Contains(p.Key.Permissions, list[i].Permission)
	}
	return list
}

// permissionChoice is a permission in a form.
type permissionChoice struct {
	Permission hook.Permission
	Help       string
	Given      bool
}

// Expiries returns how long a new key may live.
func (p *keyPage) Expiries() []expiryChoice {
	return []expiryChoice{{"0s", "never"}, {"24h", "in a day"}, {"720h", "in 30 days"}, {"2160h", "in 90 days"}, {"8760h", "in a year"}}
}

// Command tries the key that the page shows: it reads what that may, or makes what it may.
func (p *keyPage) Command() string {
	by, command := hook.Caller{Center: p.Key.Center, Permissions: p.Key.Permissions}, "interactions create --media chat"
	switch {
	case by.May(hook.PermitWebhooks):
		command = "webhooks list"
	case by.May(hook.PermitDeliveries):
		command = "deliveries list"
	case by.Permits(hook.PermitInteractionsRead):
		command = "interactions list"
	case by.May(hook.PermitEventsRead):
		command = "events"
	}
	return "HOOKSWITCH_API_KEY=" + p.Text + " hookswitch " + command
}

// listMax is how many records a page of a list shows.
const listMax = 50

// keyRoutes are the rows of the route table for keys.
func (s *Server) keyRoutes() {
	admin := row{needs: hook.PermitAdmin}
	const keys = "/console/cc/{center}/keys"
	s.handle(http.MethodGet+" "+keys, admin, s.showKeys)
	s.handle(http.MethodPost+" "+keys, admin, s.createKey)
	s.handle(http.MethodGet+" "+keys+"/new", admin, s.showNewKey)
	s.handle(http.MethodGet+" "+keys+"/{id}", admin, s.showKey)
	s.handle(http.MethodPost+" "+keys+"/{id}", admin, s.updateKey)
	s.handle(http.MethodPost+" "+keys+"/{id}/enable", admin, s.steerKey("The key is enabled.", enableKey))
	s.handle(http.MethodPost+" "+keys+"/{id}/disable", admin, s.steerKey("The key is disabled: it opens nothing until it is enabled.", disableKey))
	s.handle(http.MethodPost+" "+keys+"/{id}/expire", admin, s.steerKey("The key has expired: it opens nothing any more.", expireKey))
	s.handle(http.MethodPost+" "+keys+"/{id}/delete", admin, s.deleteKey)
}
