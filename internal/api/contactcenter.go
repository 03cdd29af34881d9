package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// ContactCenter is a tenant, as it is shown.
type ContactCenter struct {
	ID        string  `json:"id" doc:"What x-ccid carries."`
	Name      string  `json:"name,omitempty"`
	CreatedAt instant `json:"createdAt"`
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

// validate lists what is wrong.
func (d *ContactCenterDraft) validate() (wrong []hook.FieldError) {
	if _, err := hook.ParseContactCenterID(d.ID); err != nil {
		wrong = append(wrong, hook.FieldError{
			Field: "body.id", Value: d.ID,
			Message: fmt.Sprintf("must be 1 to %d of a-z, 0-9, dot, dash and underscore, beginning with a letter or digit",
				hook.ContactCenterIDBytesMax),
		})
	}
	switch {
	case len(d.Name) > hook.ContactCenterNameBytesMax:
		wrong = append(wrong, hook.FieldError{
			Field: "body.name", Message: fmt.Sprintf("is %d bytes long; at most %d are allowed", len(d.Name), hook.ContactCenterNameBytesMax),
		})
	case strings.ContainsFunc(d.Name, unicode.IsControl):
		wrong = append(wrong, hook.FieldError{Field: "body.name", Message: "holds a control character"})
	}
	return wrong
}

func showContactCenter(c hook.ContactCenter) ContactCenter {
	return ContactCenter{ID: string(c.ID), Name: c.Name, CreatedAt: instant{c.CreatedAt}}
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
		id: "createContactCenter", tag: "contact centres", summary: "Create a contact centre", access: forAdmin,
		about: "For an admin key. A used id is a conflict.", status: http.StatusCreated, answer: ContactCenter{},
		body: ContactCenterDraft{}, errors: []int{http.StatusConflict},
	}
}

func (s *Server) createContactCenter(ctx context.Context, in *createContactCenterInput) (*answer, error) {
	created := func(c hook.ContactCenter) (*answer, error) { return done(http.StatusCreated, showContactCenter(c)) }
	c, err := s.store.CreateContactCenter(ctx, in.now, hook.ContactCenterID(in.draft.ID), in.draft.Name, once(in.call, created))
	if err != nil {
		return nil, err
	}
	return created(c)
}

func rowListContactCenters() row {
	return row{
		id: "listContactCenters", tag: "contact centres", summary: "List the contact centres", access: forAdmin,
		about: "For an admin key. All of them: they are few.", status: http.StatusOK, answer: ContactCenterList{},
	}
}

func (s *Server) listContactCenters(_ context.Context, _ *request) (*answer, error) {
	all := s.store.ContactCenters()
	list := ContactCenterList{Items: make([]ContactCenter, len(all))}
	for i, c := range all {
		list.Items[i] = showContactCenter(c)
	}
	return done(http.StatusOK, list)
}

type contactCenterInput struct {
	request
	ID string `path:"id" maxLength:"64" doc:"The contact centre's id."`
}

func rowGetContactCenter() row {
	return row{
		id: "getContactCenter", tag: "contact centres", summary: "Read a contact centre", access: forAdmin,
		about: "For an admin key.", status: http.StatusOK, answer: ContactCenter{}, errors: []int{http.StatusNotFound},
	}
}

func (s *Server) getContactCenter(_ context.Context, in *contactCenterInput) (*answer, error) {
	c, err := s.store.ContactCenter(hook.ContactCenterID(in.ID))
	if err != nil {
		return nil, err
	}
	return done(http.StatusOK, showContactCenter(c))
}
