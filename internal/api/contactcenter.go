package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// ContactCenter is a tenant, as it is shown.
type ContactCenter struct {
	ID        string          `json:"id" doc:"What x-ccid carries."`
	Name      string          `json:"name,omitempty"`
	Retention RetentionPolicy `json:"retention"`
	CreatedAt instant         `json:"createdAt"`
	UpdatedAt *instant        `json:"updatedAt,omitempty" doc:"Absent before the first change."`
}

// ContactCenterList is every contact centre.
type ContactCenterList struct {
	Items []ContactCenter `json:"items" nullable:"false"`
}

// ContactCenterDraft is the body of a creation.
type ContactCenterDraft struct {
	ID   string `json:"id" doc:"a-z, 0-9, dot, dash and underscore, beginning with a letter or digit; it never changes."`
	Name string `json:"name,omitempty" doc:"For people."`
}

// TransformSchema gives the document the domain's bounds.
func (ContactCenterDraft) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	textSize(s, "id", 1, hook.ContactCenterIDBytesMax)
	textSize(s, "name", 0, hook.ContactCenterNameBytesMax)
	return s
}

// ContactCenterPatch is the body of a PATCH.
type ContactCenterPatch struct {
	Name      optional[string]         `json:"name,omitzero" doc:"For people; null removes it."`
	Retention optional[RetentionDraft] `json:"retention,omitzero" doc:"null inherits all of it again."`
}

// TransformSchema gives the document the domain's bounds, and null for each field's default.
func (ContactCenterPatch) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	textSize(s, "name", 0, hook.ContactCenterNameBytesMax)
	for name, p := range s.Properties {
		s.Properties[name] = orNull(r, p)
	}
	s.Examples = []any{json.RawMessage(`{"retention":{"interactions":"720h","payloads":"168h"}}`)}
	return s
}

// validate lists what is wrong.
func (d *ContactCenterDraft) validate() (wrong []hook.FieldError) {
	if _, err := hook.ParseContactCenterID(d.ID); err != nil {
		wrong = append(wrong, hook.FieldError{
			Field: "body.id", Value: d.ID,
			Message: hook.ContactCenterIDRule,
		})
	}
	return append(wrong, wrongName(d.Name)...)
}

// wrongName says what is wrong with a contact centre's name.
func wrongName(name string) []hook.FieldError {
	if problem := hook.ContactCenterNameProblem(name); problem != "" {
		return []hook.FieldError{{Field: "body.name", Message: problem}}
	}
	return nil
}

func (s *Server) showContactCenter(c hook.ContactCenter) ContactCenter {
	shown := ContactCenter{ID: string(c.ID), Name: c.Name, Retention: showRetention(s.store.Retention(c)), CreatedAt: instant{c.CreatedAt}}
	if !c.UpdatedAt.IsZero() {
		shown.UpdatedAt = &instant{c.UpdatedAt}
	}
	return shown
}

type createContactCenterInput struct {
	request
	draft ContactCenterDraft
}

// Resolve reads the body.
func (in *createContactCenterInput) Resolve(ctx huma.Context) []error {
	wrong := in.request.Resolve(ctx)
	return append(wrong, in.read(ctx, &in.draft, in.draft.validate)...)
}

func rowCreateContactCenter() row {
	return row{
		id: "createContactCenter", tag: "contact centres", summary: "Create a contact centre", access: forInstallation,
		about: "For an admin key. A used id is a conflict.", status: http.StatusCreated, answer: ContactCenter{},
		body: ContactCenterDraft{}, errors: []int{http.StatusConflict},
	}
}

func (s *Server) createContactCenter(ctx context.Context, in *createContactCenterInput) (*answer, error) {
	created := func(c hook.ContactCenter) (*answer, error) { return done(http.StatusCreated, s.showContactCenter(c)) }
	c, err := s.store.CreateContactCenter(ctx, in.now, hook.ContactCenterID(in.draft.ID), in.draft.Name, once(in.call, created))
	if err != nil {
		return nil, err
	}
	return created(c)
}

func rowListContactCenters() row {
	return row{
		id: "listContactCenters", tag: "contact centres", summary: "List the contact centres", access: forInstallation,
		about: "For an admin key. All of them: they are few.", status: http.StatusOK, answer: ContactCenterList{},
	}
}

func (s *Server) listContactCenters(_ context.Context, _ *request) (*answer, error) {
	all, err := s.store.ReadContactCenters()
	if err != nil {
		return nil, err
	}
	list := ContactCenterList{Items: make([]ContactCenter, len(all))}
	for i, c := range all {
		list.Items[i] = s.showContactCenter(c)
	}
	return done(http.StatusOK, list)
}

// ContactCenterTarget is the contact centre that a request is about. It is embedded in the input of such requests.
type ContactCenterTarget struct {
	request
	ID string `path:"id" maxLength:"64" doc:"The contact centre's id."`
}

// find returns the contact centre, if it is the caller's or the caller belongs to none. Another one does not exist for the caller.
func (t *ContactCenterTarget) find() (hook.ContactCenter, error) {
	c, err := t.server.store.ReadContactCenter(hook.ContactCenterID(t.ID))
	if err == nil && t.by.Center != 0 && t.by.Center != c.Number {
		err = hook.ErrNotFound
	}
	return c, t.missing(err)
}

// missing says of an error that there is no such contact centre, where it says that there is no such record in one.
func (t *ContactCenterTarget) missing(err error) error {
	if errors.Is(err, hook.ErrNotFound) {
		return newProblem(http.StatusNotFound, fmt.Sprintf("there is no contact centre with the id %q", t.ID))
	}
	return err
}

func rowGetContactCenter() row {
	return row{
		id: "getContactCenter", tag: "contact centres", summary: "Read a contact centre", access: forNamed, needs: hook.PermitAdmin,
		about: "For an admin key, and for a key of the contact centre itself that has the permission admin.", status: http.StatusOK, answer: ContactCenter{}, errors: []int{http.StatusNotFound},
	}
}

func (s *Server) getContactCenter(_ context.Context, in *ContactCenterTarget) (*answer, error) {
	c, err := in.find()
	if err != nil {
		return nil, err
	}
	return done(http.StatusOK, s.showContactCenter(c))
}

type updateContactCenterInput struct {
	ContactCenterTarget
	patch ContactCenterPatch
}

// Resolve reads the body and tries it on the contact centre as it is now, so that what is wrong with their sum is told beside all
// else; the transaction decides.
func (in *updateContactCenterInput) Resolve(ctx huma.Context) []error {
	wrong := in.request.Resolve(ctx)
	return append(wrong, in.read(ctx, &in.patch, func() []hook.FieldError {
		now, err := in.find()
		if err != nil { // the handler will meet the same
			return nil
		}
		return wrongFields(in.merge(&now))
	})...)
}

// merge puts the patch into a contact centre; the error is a [hook.InvalidError].
func (in *updateContactCenterInput) merge(c *hook.ContactCenter) error {
	put(&c.Name, in.patch.Name, "", same)
	fields := wrongName(c.Name)
	if in.patch.Retention.given {
		var wrong []hook.FieldError
		c.Settings.Retention, wrong = in.server.mergeRetention(c.Settings.Retention, in.patch.Retention, "body.retention.")
		fields = append(fields, wrong...)
	}
	if len(fields) > 0 {
		return &hook.InvalidError{Fields: fields}
	}
	return nil
}

func rowUpdateContactCenter() row {
	return row{
		id: "updateContactCenter", tag: "contact centres", summary: "Change a contact centre's settings", access: forNamed, needs: hook.PermitAdmin,
		about: "For an admin key, and for a key of the contact centre itself that has the permission admin. A JSON merge patch (RFC 7396), as application/json or application/merge-patch+json: absent fields stay, null puts the default back, " +
			"retention is merged field by field. A shorter retention counts from the next look, within a minute; ask the report first.",
		status: http.StatusOK, answer: ContactCenter{}, body: ContactCenterPatch{}, thorough: true, errors: []int{http.StatusNotFound},
	}
}

func (s *Server) updateContactCenter(ctx context.Context, in *updateContactCenterInput) (*answer, error) {
	if _, err := in.find(); err != nil {
		return nil, err
	}
	c, err := s.store.UpdateContactCenter(ctx, in.now, hook.ContactCenterID(in.ID), in.merge)
	if err != nil {
		return nil, in.missing(err)
	}
	return done(http.StatusOK, s.showContactCenter(c))
}
