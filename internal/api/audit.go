package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// scopeServer asks for the changes that belong to no contact centre.
const scopeServer AuditScope = "server"

// serverCenter is the number under which they are kept.
const serverCenter hook.ContactCenterNumber = 0

// AuditScope says in a query whose changes are wanted.
type AuditScope string

// Schema returns the scopes.
func (AuditScope) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "AuditScope", "contactCenter: the changes of the contact centre; server: those that belong to none, as of admin keys.",
		[]AuditScope{"contactCenter", scopeServer})
}

// AuditEntry is one change, as it is shown.
type AuditEntry struct {
	ID              string     `json:"id" doc:"Grows with time."`
	At              instant    `json:"at"`
	Actor           string     `json:"actor" doc:"A key, or admin key, and the address that the request came from; hookswitch is the server itself."`
	Action          string     `json:"action" doc:"A noun and a verb." example:"webhook.update"`
	Subject         string     `json:"subject" doc:"The id of what was changed."`
	ContactCenterID string     `json:"contactCenterId,omitempty" doc:"Absent where the change belongs to none."`
	Before          freeObject `json:"before,omitempty" doc:"How it was; absent where there was nothing."`
	After           freeObject `json:"after,omitempty" doc:"How it is since; absent where there is nothing."`
}

// AuditList is a part of the audit log.
type AuditList struct {
	Items      []AuditEntry `json:"items" nullable:"false"`
	NextCursor string       `json:"nextCursor,omitempty" doc:"Absent at the end."`
}

type listAuditInput struct {
	request
	Page
	Subject string     `query:"subject" maxLength:"256" doc:"The id of what was changed."`
	Action  string     `query:"action" maxLength:"64" doc:"An action such as webhook.update, or its noun: webhook means all that was done with webhooks."`
	Actor   string     `query:"actor" maxLength:"512" doc:"How the actor begins: admin key, key, hookswitch, or more of it."`
	From    time.Time  `query:"from" doc:"Changed at this time or later."`
	To      time.Time  `query:"to" doc:"Changed before this time."`
	Scope   AuditScope `query:"scope" doc:"contactCenter when absent; server is for an admin key."`
}

// Resolve names a range of time that holds nothing.
func (in *listAuditInput) Resolve(ctx huma.Context) []error {
	return append(in.request.Resolve(ctx), emptyRange("from", in.From, "to", in.To)...)
}

func rowListAudit() row {
	return row{
		id: "listAudit", tag: "audit", needs: hook.PermitAdmin, summary: "Read who changed what",
		about: "Newest first. Every change to webhooks, secrets, keys and contact centres and every replay, logged in the transaction that " +
			"makes it; what was refused or changed nothing is not logged. before and after have the names of this API. Secrets and keys " +
			"are never in them; of headers of a webhook's own and of the query of its URL only the names are, and *** (changed) stands " +
			"for a value that is not what it was.",
		status: http.StatusOK, answer: AuditList{},
	}
}

func (s *Server) listAudit(ctx context.Context, in *listAuditInput) (*answer, error) {
	center := in.center
	if in.Scope == scopeServer {
		if !in.by.Administers() {
			return nil, newProblem(http.StatusForbidden, "the scope server is for an admin key, or a token with the contact centre * and the permission admin")
		}
		center = hook.ContactCenter{Number: serverCenter}
	}
	f := store.AuditFilter{Subject: in.Subject, Action: in.Action, Actor: in.Actor, From: in.From, To: in.To}
	found, next, err := s.store.AuditLog(ctx, center.Number, f, in.page())
	if errors.Is(err, hook.ErrBadID) {
		return nil, badCursor("query.cursor")
	} else if err != nil {
		return nil, err
	}
	list := AuditList{Items: make([]AuditEntry, len(found)), NextCursor: next}
	for i := range found {
		list.Items[i] = showAuditEntry(&found[i], center.ID)
	}
	return done(http.StatusOK, list)
}

func showAuditEntry(e *store.AuditEntry, center hook.ContactCenterID) AuditEntry {
	return AuditEntry{
		ID: strconv.FormatInt(int64(e.Serial), 10), At: instant{e.At}, Actor: string(e.Actor), Action: e.Action, Subject: e.Subject,
		ContactCenterID: string(center), Before: freeObject(e.Before), After: freeObject(e.After),
	}
}

// acting tells the store who acts. Reads change nothing, and are the most.
func (c *call) acting(ctx huma.Context) huma.Context {
	if c.r.Method == http.MethodGet {
		return ctx
	}
	return huma.WithContext(ctx, hook.WithActor(ctx.Context(), c.by.Actor.From(c.r.RemoteAddr)))
}
