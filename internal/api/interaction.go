package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// Interaction is one chat or one secure e-mail, as it is shown.
type Interaction struct {
	ID              hook.InteractionID `json:"id" format:"uuid"`
	SessionID       hook.SessionID     `json:"sessionId" format:"uuid"`
	ContactCenterID string             `json:"contactCenterId"`
	MediaType       MediaType          `json:"mediaType"`
	Subtype         Subtype            `json:"subtype"`
	State           State              `json:"state"`
	Queue           string             `json:"queue,omitempty"`
	Agent           string             `json:"agent,omitempty" doc:"Who accepted it, while it is IN_PROCESS."`
	Content
	CreatedAt   instant `json:"createdAt"`
	SubmittedAt instant `json:"submittedAt,omitzero"`
	AcceptedAt  instant `json:"acceptedAt,omitzero" doc:"When an agent accepted it last; absent if nobody has, or while it waits in a queue."`
	Ending
	SelfURI string `json:"selfUri" format:"uri" doc:"What webhooks carry, and where the original's clients read it."`
}

// Content is what a contact centre keeps with an interaction for its own use; no webhook carries it.
type Content struct {
	Subject  string            `json:"subject,omitempty"`
	Contact  freeObject        `json:"contact,omitempty" doc:"A JSON object of the contact centre's own."`
	UserData map[string]string `json:"userData,omitempty" doc:"Texts of the contact centre's own."`
}

// Ending is how an interaction was stopped.
type Ending struct {
	StoppedAt  instant `json:"stoppedAt,omitzero"`
	StoppedBy  Stopper `json:"stoppedBy,omitempty"`
	StopReason string  `json:"stopReason,omitempty"`
}

// InteractionList is a part of a list of interactions.
type InteractionList struct {
	Items []Interaction `json:"items" nullable:"false"`
	Continuation
}

func (s *Server) showInteraction(i *hook.Interaction, center hook.ContactCenterID) Interaction {
	return Interaction{
		ID: i.ID, SessionID: i.SessionID, ContactCenterID: string(center), MediaType: MediaType(i.Media), Subtype: Subtype(i.Subtype),
		State: State(i.State.String()), Queue: i.Queue, Agent: i.Agent,
		Content:   Content{Subject: i.Content.Subject, Contact: freeObject(i.Content.Contact), UserData: i.Content.UserData},
		CreatedAt: instant{i.CreatedAt}, SubmittedAt: instant{i.SubmittedAt}, AcceptedAt: instant{i.AcceptedAt},
		Ending:  Ending{StoppedAt: instant{i.Stopped.At}, StoppedBy: Stopper(i.Stopped.By), StopReason: i.Stopped.Reason},
		SelfURI: i.SelfURI(s.publicURL),
	}
}

// InteractionDraft is the body of a creation.
type InteractionDraft struct {
	MediaType MediaType         `json:"mediaType"`
	Subtype   Subtype           `json:"subtype"`
	Queue     *string           `json:"queue,omitempty" doc:"When given, the interaction is submitted in the same transaction."`
	ID        string            `json:"id,omitempty" format:"uuid" doc:"Made when absent. Time-ordered ones (version 7) are the cheapest to store."`
	SessionID string            `json:"sessionId,omitempty" format:"uuid" doc:"The conversation that the interaction belongs to; a new one when absent."`
	Subject   string            `json:"subject,omitempty"`
	Contact   freeObject        `json:"contact,omitempty" doc:"A JSON object, at most 8,192 bytes."`
	UserData  map[string]string `json:"userData,omitempty" doc:"At most 64 texts and 32,768 bytes."`
}

// TransformSchema gives the document the domain's bounds.
func (InteractionDraft) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	textSize(s, "queue", 1, hook.QueueBytesMax)
	textSize(s, "subject", 0, hook.SubjectBytesMax)
	data := s.Properties["userData"]
	data.MaxProperties = set(hook.UserDataEntriesMax)
	data.AdditionalProperties = &huma.Schema{Type: huma.TypeString, MaxLength: set(hook.UserDataValueBytesMax)}
	return s
}

// change makes a domain change of the draft, with new ids where none were given, and lists what is wrong with it.
func (d *InteractionDraft) change(s *Server, now time.Time, prefix string) (hook.Change, []hook.FieldError, error) {
	draft := &hook.Draft{
		Media: interaction.MediaType(d.MediaType), Subtype: interaction.Subtype(d.Subtype),
		Content: hook.Content{Subject: d.Subject, Contact: json.RawMessage(d.Contact), UserData: d.UserData},
	}
	var random [20]byte
	if d.ID == "" || d.SessionID == "" {
		if _, err := io.ReadFull(s.random, random[:]); err != nil {
			return hook.Change{}, nil, err
		}
	}
	draft.ID.UUID = hook.V7(now, [10]byte(random[:10]))
	draft.SessionID.UUID = hook.V7(now, [10]byte(random[10:]))
	var wrong []hook.FieldError
	draft.Queue, wrong = givenQueue(wrong, prefix+"queue", d.Queue)
	wrong = parseGiven(wrong, prefix+"id", d.ID, &draft.ID.UUID)
	wrong = parseGiven(wrong, prefix+"sessionId", d.SessionID, &draft.SessionID.UUID)
	change := hook.Change{Op: hook.OpCreate, ID: draft.ID, Draft: draft}
	return change, append(wrong, wrongFields(change.Validate(prefix))...), nil
}

// givenQueue reads a queue that may be absent. One that is there and empty is a mistake: the caller wanted it in a queue.
func givenQueue(wrong []hook.FieldError, field string, queue *string) (string, []hook.FieldError) {
	if queue == nil {
		return "", wrong
	}
	if *queue == "" {
		wrong = append(wrong, hook.FieldError{Field: field, Message: "must not be empty"})
	}
	return *queue, wrong
}

// parseGiven reads an identifier that may be absent.
func parseGiven(wrong []hook.FieldError, field, text string, id *hook.UUID) []hook.FieldError {
	if text == "" {
		return wrong
	}
	parsed, err := hook.ParseUUID(text)
	if err != nil {
		return append(wrong, hook.FieldError{
			Field: field, Message: "must be a UUID of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", Value: text,
		})
	}
	*id = parsed
	return wrong
}

// wrongFields are the fields that an error of the domain's Validate names.
func wrongFields(err error) []hook.FieldError {
	if err == nil {
		return nil
	}
	var wrong *hook.InvalidError
	if errors.As(err, &wrong) {
		return wrong.Fields
	}
	return []hook.FieldError{{Field: "body", Message: "is not valid"}}
}

type createInteractionInput struct {
	request
	change hook.Change
	err    error
}

// Resolve reads the body.
func (in *createInteractionInput) Resolve(ctx huma.Context) []error {
	wrong := in.request.Resolve(ctx)
	var draft InteractionDraft
	return append(wrong, in.read(ctx, &draft, func() (fields []hook.FieldError) {
		in.change, fields, in.err = draft.change(in.server, in.now, "body.")
		return fields
	})...)
}

func rowCreateInteraction() row {
	return row{
		id: "createInteraction", tag: "interactions", needs: hook.PermitInteractionsWrite, summary: "Create an interaction",
		about: "With a queue it is created and submitted in one transaction, and STARTED is emitted. Without one it is NEW, " +
			"and nothing is emitted before the submit. An id that is used already is a conflict.",
		status: http.StatusCreated, answer: Interaction{}, body: InteractionDraft{}, errors: []int{http.StatusConflict},
	}
}

func (s *Server) createInteraction(ctx context.Context, in *createInteractionInput) (*answer, error) {
	if in.err != nil {
		return nil, in.err
	}
	return s.accept(ctx, in.call, in.change)
}

// accept has the store make one change and answers with what became of it.
func (s *Server) accept(ctx context.Context, c *call, change hook.Change) (*answer, error) {
	changed := func(results []store.ChangeResult) (*answer, error) {
		if err := results[0].Err; err != nil {
			return nil, err
		}
		return s.doneInteraction(statusOf(change.Op), results[0].Interaction, c.center.ID)
	}
	results, err := s.store.AcceptChanges(hook.WithTrace(ctx, s.checks.trace(c.r.Header)), c.center.Number, c.now, []hook.Change{change}, once(c, changed))
	if err != nil {
		return nil, err
	}
	return changed(results)
}

// doneInteraction is [done] for an interaction.
func (s *Server) doneInteraction(status int, i *hook.Interaction, center hook.ContactCenterID) (*answer, error) {
	shown := s.showInteraction(i, center)
	body, err := appendInteraction(make([]byte, 0, answerBytesUsual), &shown)
	if err != nil {
		return nil, fmt.Errorf("encode interaction: %w", err)
	}
	return &answer{status: status, body: append(body, '\n')}, nil
}

// statusOf is the status of a change that was made.
func statusOf(op hook.Op) int {
	if op == hook.OpCreate {
		return http.StatusCreated
	}
	return http.StatusOK
}

type interactionInput struct {
	request
	ID hook.InteractionID `path:"id" format:"uuid" doc:"The interaction's id."`
}

func rowGetInteraction() row {
	return row{
		id: "getInteraction", tag: "interactions", needs: hook.PermitInteractionsRead, summary: "Read an interaction", about: "It stays readable after it was stopped, until its retention ends.",
		status: http.StatusOK, answer: Interaction{},
	}
}

func (s *Server) getInteraction(ctx context.Context, in *interactionInput) (*answer, error) {
	i, err := s.store.Interaction(ctx, in.center.Number, in.ID)
	if err != nil {
		return nil, err
	}
	if !in.by.MayRead(i.Media) { // whether there is such a one is not this caller's to know
		return nil, hook.ErrNotFound
	}
	return s.doneInteraction(http.StatusOK, i, in.center.ID)
}

type listInteractionsInput struct {
	request
	Page
	State         StateFilter    `query:"state" doc:"A state, or open for every state but STOPPED."`
	MediaType     MediaType      `query:"mediaType"`
	Subtype       Subtype        `query:"subtype"`
	Queue         string         `query:"queue" maxLength:"256"`
	SessionID     hook.SessionID `query:"sessionId" format:"uuid"`
	CreatedAfter  time.Time      `query:"createdAfter" doc:"Created after this time, to the millisecond."`
	CreatedBefore time.Time      `query:"createdBefore" doc:"Created before this time."`
	OlderThan     string         `query:"olderThan" example:"1h" doc:"Created longer ago than this duration, such as 90s, 15m or 24h. With createdBefore, the earlier of both bounds."`
	olderThan     time.Duration
}

// Resolve reads the duration, and names a range of time that holds nothing.
func (in *listInteractionsInput) Resolve(ctx huma.Context) []error {
	wrong := append(in.request.Resolve(ctx), emptyRange("createdAfter", in.CreatedAfter, "createdBefore", in.CreatedBefore)...)
	if in.OlderThan == "" {
		return wrong
	}
	var d hook.Duration
	if err := d.UnmarshalText([]byte(in.OlderThan)); err != nil || d < 0 {
		return append(wrong, &fault{Field: "query.olderThan", Message: "must be a duration such as 90s, 15m or 24h", Value: in.OlderThan})
	}
	in.olderThan = time.Duration(d)
	return wrong
}

func (in *listInteractionsInput) filter() store.InteractionFilter {
	f := store.InteractionFilter{
		Open: State(in.State) == stateOpen, Media: interaction.MediaType(in.MediaType), Readable: in.by.Readable(), Subtype: interaction.Subtype(in.Subtype),
		Queue: in.Queue, SessionID: in.SessionID, CreatedAfter: in.CreatedAfter, CreatedBefore: in.CreatedBefore,
	}
	if state, ok := hook.ParseState(string(in.State)); ok {
		f.State = state
	}
	if in.OlderThan != "" {
		if before := in.now.Add(-in.olderThan); f.CreatedBefore.IsZero() || before.Before(f.CreatedBefore) {
			f.CreatedBefore = before
		}
	}
	return f
}

func rowListInteractions() row {
	return row{
		id: "listInteractions", tag: "interactions", needs: hook.PermitInteractionsRead, summary: "List interactions", status: http.StatusOK, answer: InteractionList{},
		about: "Newest first. With state=open and olderThan it finds what was begun and never stopped. " + aboutShortPages,
	}
}

func (s *Server) listInteractions(ctx context.Context, in *listInteractionsInput) (*answer, error) {
	found, next, err := s.store.Interactions(ctx, in.center.Number, in.filter(), in.page())
	if errors.Is(err, hook.ErrBadID) {
		return nil, badCursor("query.cursor")
	} else if err != nil {
		return nil, err
	}
	list := InteractionList{Items: make([]Interaction, len(found)), Continuation: in.goesOn(len(found), next)}
	for i, each := range found {
		list.Items[i] = s.showInteraction(each, in.center.ID)
	}
	return done(http.StatusOK, list)
}
