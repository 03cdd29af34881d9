package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// Key is an API key, as it is shown.
type Key struct {
	ID              hook.KeyID   `json:"id" format:"uuid"`
	ContactCenterID string       `json:"contactCenterId,omitempty" doc:"Absent for an admin key."`
	Admin           bool         `json:"admin" doc:"Whether it is an admin key: it belongs to no contact centre and may do everything in all of them."`
	Name            string       `json:"name" doc:"For people, and for the audit log; configured is the admin key that the configuration or the first start has set."`
	Permissions     []Permission `json:"permissions" nullable:"false"`
	Enabled         bool         `json:"enabled"`
	ExpiresAt       instant      `json:"expiresAt,omitzero" doc:"Absent: never."`
	Key             string       `json:"key,omitempty" doc:"The key itself, only in the answer to the creation."`
	KeyTimes
}

// KeyTimes say when a key was made, used and changed.
type KeyTimes struct {
	UsedAt    instant `json:"usedAt,omitzero" doc:"When it was last used, to about a minute; absent if it never was."`
	CreatedAt instant `json:"createdAt"`
	UpdatedAt instant `json:"updatedAt,omitzero" doc:"Absent before the first change."`
}

// KeyList is a part of a list of keys.
type KeyList struct {
	Items      []Key  `json:"items" nullable:"false"`
	NextCursor string `json:"nextCursor,omitempty" doc:"Absent at the end."`
}

// Permission is what a key may do, in the API's JSON.
type Permission string

// Schema returns the permissions.
func (Permission) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "Permission", "What a key may do within its contact centre; admin is all of it, and its administration.", hook.Permissions())
}

// KeyScope says in a query whose keys are wanted.
type KeyScope string

// Schema returns the scopes.
func (KeyScope) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "KeyScope", "contactCenter: the keys of the contact centre; server: admin keys.", []KeyScope{"contactCenter", KeyScope(scopeServer)})
}

func (s *Server) showKey(k *hook.Key) Key {
	shown := Key{
		ID: k.ID, Admin: k.Admin(), Name: k.Name, Permissions: texts[Permission](k.Permissions), Enabled: k.Enabled, ExpiresAt: instant{k.ExpiresAt},
		KeyTimes: KeyTimes{UsedAt: instant{k.UsedAt}, CreatedAt: instant{k.CreatedAt}, UpdatedAt: instant{k.UpdatedAt}},
	}
	if center, ok := s.centerByNumber(k.Center); ok {
		shown.ContactCenterID = string(center.ID)
	}
	return shown
}

// scope is which keys the caller may see and change: those of the contact centre, and for who administers the installation admin keys
// too.
func (c *call) scope() store.KeyScope {
	return store.KeyScope{Center: c.center.Number, Admin: c.by.Administers()}
}

// KeyDraft is the body of a creation.
type KeyDraft struct {
	Name        optional[string]       `json:"name,omitzero" doc:"For people, and for the audit log."`
	Permissions optional[[]Permission] `json:"permissions,omitzero" doc:"What it may do; of an admin key admin, which may be left out."`
	Admin       optional[bool]         `json:"admin,omitzero" doc:"true makes an admin key, which takes an admin key; false when absent."`
	KeyExpiry
}

// KeyExpiry is in a body when a key expires.
type KeyExpiry struct {
	ExpiresAt optional[givenTime] `json:"expiresAt,omitzero" doc:"When it ends. With neither this nor expiresIn: never."`
	ExpiresIn optional[duration]  `json:"expiresIn,omitzero" doc:"In how long it ends, such as 2160h for 90 days."`
}

// TransformSchema gives the document the domain's bounds.
func (KeyDraft) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	textSize(s, "name", 1, hook.KeyNameBytesMax)
	s.Required = []string{"name"}
	s.Examples = []any{map[string]any{"name": "CRM", "permissions": []string{"webhooks", "deliveries"}, "expiresIn": "2160h"}}
	return s
}

// KeyPatch is the body of a PATCH.
type KeyPatch struct {
	Name        optional[string]       `json:"name,omitzero" doc:"For people, and for the audit log."`
	Permissions optional[[]Permission] `json:"permissions,omitzero" doc:"What it may do, all of it."`
	Enabled     optional[bool]         `json:"enabled,omitzero" doc:"null means true."`
	ExpiresAt   optional[givenTime]    `json:"expiresAt,omitzero" doc:"When it ends; null means never."`
}

// TransformSchema gives the document the domain's bounds, and null where there is a default.
func (KeyPatch) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	textSize(s, "name", 1, hook.KeyNameBytesMax)
	for _, name := range []string{"enabled", "expiresAt"} {
		s.Properties[name] = orNull(r, s.Properties[name])
	}
	s.Examples = []any{json.RawMessage(`{"permissions":["webhooks"],"expiresAt":null}`)}
	return s
}

// TransformSchema gives the document an example.
func (KeyExpiry) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Examples = []any{json.RawMessage(`{"expiresIn":"24h"}`)}
	return s
}

// settle puts an expiry into a key, and names what cannot be read.
func (e *KeyExpiry) settle(k *hook.Key, now time.Time) (wrong []hook.FieldError) {
	k.ExpiresAt, wrong = readTime(wrong, "body.expiresAt", e.ExpiresAt)
	k.ExpiresAt = k.ExpiresAt.UTC().Truncate(time.Millisecond)
	if !e.ExpiresIn.given || e.ExpiresIn.null {
		return wrong
	}
	var in hook.Duration
	switch err := in.UnmarshalText([]byte(e.ExpiresIn.value)); {
	case e.ExpiresAt.given && !e.ExpiresAt.null:
		wrong = append(wrong, hook.FieldError{Field: "body.expiresIn", Message: "must not be given together with expiresAt"})
	case err != nil || in <= 0:
		wrong = append(wrong, hook.FieldError{Field: "body.expiresIn", Message: "must be a duration longer than 0, such as 90s, 24h or 2160h", Value: string(e.ExpiresIn.value)})
	default:
		k.ExpiresAt = now.Add(time.Duration(in))
	}
	return wrong
}

// firstOfEach appends faults whose fields are not named yet.
func firstOfEach(wrong, more []hook.FieldError) []hook.FieldError {
	named := map[string]bool{}
	for _, f := range wrong {
		named[f.Field] = true
	}
	for _, f := range more {
		if !named[f.Field] {
			wrong = append(wrong, f)
		}
	}
	return wrong
}

// withoutEach leaves out what is wrong with a single permission: the document has said so already, of the one that it is.
func withoutEach(wrong []hook.FieldError) []hook.FieldError {
	return slices.DeleteFunc(wrong, func(f hook.FieldError) bool { return f.Field == "body.permissions" && f.Value != "" })
}

type createKeyInput struct {
	request
	key hook.Key
}

// Resolve reads the body.
func (in *createKeyInput) Resolve(ctx huma.Context) []error {
	wrong := in.request.Resolve(ctx)
	var d KeyDraft
	return append(wrong, in.read(ctx, &d, func() []hook.FieldError {
		in.key = hook.Key{
			Center: in.center.Number, Name: d.Name.value, Permissions: hook.SortPermissions(texts[hook.Permission](d.Permissions.value)), Enabled: true,
		}
		if d.Admin.value {
			in.key.Center = 0
			if !d.Permissions.given {
				in.key.Permissions = []hook.Permission{hook.PermitAdmin}
			}
		}
		return firstOfEach(d.settle(&in.key, in.now), withoutEach(wrongFields(in.key.Validate("body.", in.now, &hook.Key{}))))
	})...)
}

func rowCreateKey() row {
	return row{
		id: "createKey", tag: "keys", needs: hook.PermitAdmin, summary: "Create a key",
		about: "The key is in this answer and never shown again: only its hash is stored. It belongs to the contact centre of the request. " +
			"With admin it belongs to none and may do everything: only an admin key can make such a one.",
		status: http.StatusCreated, answer: Key{}, body: KeyDraft{}, thorough: true, errors: []int{http.StatusConflict},
	}
}

func (s *Server) createKey(ctx context.Context, in *createKeyInput) (*answer, error) {
	if in.key.Admin() && !in.by.Administers() {
		return nil, newProblem(http.StatusForbidden, "only an admin key, or a token with the contact centre * and the permission admin, can make an admin key")
	}
	id, text, err := hook.MakeKeyText(s.random, in.now)
	if err != nil {
		return nil, err
	}
	in.key.ID = id
	created := func(k hook.Key) (*answer, error) {
		shown := s.showKey(&k)
		shown.Key = text
		return done(http.StatusCreated, shown)
	}
	made, err := s.store.CreateKey(ctx, in.now, in.key, hook.ProofOf(text).Hash, onceSecret(in.call, created))
	if err != nil {
		return nil, err
	}
	return created(made)
}

type listKeysInput struct {
	request
	Page
	Scope KeyScope `query:"scope" doc:"contactCenter when absent; server is for an admin key."`
}

func rowListKeys() row {
	return row{
		id: "listKeys", tag: "keys", needs: hook.PermitAdmin, summary: "List keys",
		about: "Newest first, without the keys themselves: those of the contact centre, or with scope=server admin keys.", status: http.StatusOK, answer: KeyList{},
	}
}

func (s *Server) listKeys(_ context.Context, in *listKeysInput) (*answer, error) {
	center := in.center.Number
	if in.Scope == KeyScope(scopeServer) {
		if !in.by.Administers() {
			return nil, newProblem(http.StatusForbidden, "the scope server is for an admin key, or a token with the contact centre * and the permission admin")
		}
		center = serverCenter
	}
	found, next, err := s.store.Keys(center, in.page())
	if errors.Is(err, hook.ErrBadID) {
		return nil, badCursor("query.cursor")
	} else if err != nil {
		return nil, err
	}
	list := KeyList{Items: make([]Key, len(found)), NextCursor: next}
	for i := range found {
		list.Items[i] = s.showKey(&found[i])
	}
	return done(http.StatusOK, list)
}

// KeyTarget is the key that a request is about. It is embedded in the input of such requests.
type KeyTarget struct {
	request
	ID hook.KeyID `path:"id" format:"uuid" doc:"The key's id: not the key itself."`
}

// shown answers with the key that the store returned.
func (in *KeyTarget) shown(k hook.Key, err error) (*answer, error) {
	if err != nil {
		return nil, err
	}
	return done(http.StatusOK, in.server.showKey(&k))
}

// change has the store change the key.
func (in *KeyTarget) change(ctx context.Context, change func(*hook.Key) error) (*answer, error) {
	changed := func(k hook.Key) (*answer, error) { return in.shown(k, nil) }
	return in.shown(in.server.store.ChangeKey(ctx, in.now, in.scope(), in.ID, once(in.call, changed), change))
}

func rowGetKey() row {
	return row{
		id: "getKey", tag: "keys", needs: hook.PermitAdmin, summary: "Read a key", about: "Without the key itself. Admin keys are shown to an admin key.",
		status: http.StatusOK, answer: Key{},
	}
}

func (s *Server) getKey(_ context.Context, in *KeyTarget) (*answer, error) {
	return in.shown(s.store.Key(in.scope(), in.ID))
}

type updateKeyInput struct {
	KeyTarget
	patch KeyPatch
}

// Resolve reads the body and tries it on the key as it is now; the transaction decides.
func (in *updateKeyInput) Resolve(ctx huma.Context) []error {
	wrong := in.request.Resolve(ctx)
	return append(wrong, in.read(ctx, &in.patch, func() []hook.FieldError {
		now, err := in.server.store.Key(in.scope(), in.ID)
		if err != nil { // the handler will meet the same
			return nil
		}
		return wrongFields(in.merge(&now))
	})...)
}

// merge puts the patch into a key; the error is a [hook.InvalidError].
func (in *updateKeyInput) merge(k *hook.Key) error {
	before := *k
	put(&k.Name, in.patch.Name, "", same)
	put(&k.Permissions, in.patch.Permissions, nil, func(p []Permission) []hook.Permission { return hook.SortPermissions(texts[hook.Permission](p)) })
	put(&k.Enabled, in.patch.Enabled, true, same)
	var wrong []hook.FieldError
	if in.patch.ExpiresAt.given {
		k.ExpiresAt, wrong = readTime(nil, "body.expiresAt", in.patch.ExpiresAt)
		k.ExpiresAt = k.ExpiresAt.UTC().Truncate(time.Millisecond)
	}
	if wrong = firstOfEach(wrong, withoutEach(wrongFields(k.Validate("body.", in.now, &before)))); len(wrong) > 0 {
		return &hook.InvalidError{Fields: wrong}
	}
	return nil
}

// aboutLastKey is said of every change that can end a key.
const aboutLastKey = " One admin key that is enabled and never expires must remain: the change of the last one is a conflict."

func rowUpdateKey() row {
	return row{
		id: "updateKey", tag: "keys", needs: hook.PermitAdmin, summary: "Change a key",
		about: "A JSON merge patch (RFC 7396), as application/json or application/merge-patch+json: absent fields stay. What it may do changes " +
			"at once on this node, and within a second on others." + aboutLastKey,
		status: http.StatusOK, answer: Key{}, body: KeyPatch{}, thorough: true, errors: []int{http.StatusConflict},
	}
}

func (s *Server) updateKey(ctx context.Context, in *updateKeyInput) (*answer, error) {
	return in.change(ctx, in.merge)
}

func rowDeleteKey() row {
	return row{
		id: "deleteKey", tag: "keys", needs: hook.PermitAdmin, summary: "Delete a key",
		about: "It opens nothing any more, and is gone from the lists; the audit log keeps what was done with it. The admin key of the " +
			"configuration cannot be deleted while it is configured." + aboutLastKey,
		status: http.StatusNoContent, errors: []int{http.StatusConflict},
	}
}

func (s *Server) deleteKey(ctx context.Context, in *KeyTarget) (*answer, error) {
	if err := s.store.DeleteKey(ctx, in.now, in.scope(), in.ID); err != nil {
		return nil, err
	}
	return &answer{status: http.StatusNoContent}, nil
}

// rowSteerKey is a row of a change to one key without a body.
func rowSteerKey(id, summary, about string) row {
	return row{
		id: id, tag: "keys", needs: hook.PermitAdmin, summary: summary, about: about, status: http.StatusOK, answer: Key{}, errors: []int{http.StatusConflict},
	}
}

func rowEnableKey() row {
	return rowSteerKey("enableKey", "Enable a key", "One that has expired stays so: give it another expiresAt.")
}

func (s *Server) enableKey(ctx context.Context, in *KeyTarget) (*answer, error) {
	return in.change(ctx, func(k *hook.Key) error { k.Enabled = true; return nil })
}

func rowDisableKey() row {
	return rowSteerKey("disableKey", "Disable a key", "It opens nothing until it is enabled: at once on this node, and within a second on others."+aboutLastKey)
}

func (s *Server) disableKey(ctx context.Context, in *KeyTarget) (*answer, error) {
	return in.change(ctx, func(k *hook.Key) error { k.Enabled = false; return nil })
}

type expireKeyInput struct {
	KeyTarget
	expiresAt time.Time
}

// Resolve reads the body, which may be left out: then the key expires now.
func (in *expireKeyInput) Resolve(ctx huma.Context) []error {
	wrong := in.request.Resolve(ctx)
	in.expiresAt = in.now
	var d KeyExpiry
	return append(wrong, in.read(ctx, &d, func() []hook.FieldError {
		var k hook.Key
		fields := d.settle(&k, in.now)
		switch {
		case k.ExpiresAt.IsZero(): // nothing is given, or nothing that can be read
		case k.ExpiresAt.Before(in.now):
			fields = append(fields, hook.FieldError{Field: "body.expiresAt", Message: "must not be earlier than now; without it the key expires now", Value: k.ExpiresAt.Format(time.RFC3339)})
		default:
			in.expiresAt = k.ExpiresAt
		}
		return fields
	})...)
}

func rowExpireKey() row {
	r := rowSteerKey("expireKey", "Expire a key", "Now, or at another time: give the key before a while in which its successor is brought to all who use it."+aboutLastKey)
	r.body, r.optional, r.thorough = KeyExpiry{}, true, true
	return r
}

func (s *Server) expireKey(ctx context.Context, in *expireKeyInput) (*answer, error) {
	return in.change(ctx, func(k *hook.Key) error { k.ExpiresAt = in.expiresAt; return nil })
}
