package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// InteractionSubmit is the body of a submit.
type InteractionSubmit struct {
	Queue string `json:"queue" doc:"The queue that it waits in."`
}

// TransformSchema gives the document the domain's bounds.
func (InteractionSubmit) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	textSize(s, "queue", 1, hook.QueueBytesMax)
	return s
}

// InteractionAccept is the body of an accept.
type InteractionAccept struct {
	Agent string `json:"agent" doc:"Who accepts it."`
}

// TransformSchema gives the document the domain's bounds.
func (InteractionAccept) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	textSize(s, "agent", 1, hook.AgentBytesMax)
	return s
}

// InteractionReturn is the body of a return.
type InteractionReturn struct {
	Queue *string `json:"queue,omitempty" doc:"Another queue, for a transfer; its own when absent."`
}

// TransformSchema gives the document the domain's bounds.
func (InteractionReturn) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	textSize(s, "queue", 1, hook.QueueBytesMax)
	return s
}

// InteractionStop is the body of a stop.
type InteractionStop struct {
	By     Stopper `json:"by"`
	Reason string  `json:"reason,omitempty" doc:"A reason code of the contact centre's own."`
}

// TransformSchema gives the document the domain's bounds.
func (InteractionStop) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	textSize(s, "reason", 0, hook.ReasonBytesMax)
	return s
}

// Target is the interaction that a change is asked of. It is embedded in the input of every such change.
type Target struct {
	request
	ID     hook.InteractionID `path:"id" format:"uuid" doc:"The interaction's id."`
	change hook.Change
}

// readChange reads the body and judges the change that it asks for.
func (in *Target) readChange(ctx huma.Context, body any, asked func() hook.Change) []error {
	wrong := in.Resolve(ctx)
	return append(wrong, in.read(ctx, body, func() []hook.FieldError {
		in.change = asked()
		in.change.ID = in.ID
		return wrongFields(in.change.Validate("body."))
	})...)
}

func (b *InteractionSubmit) change() hook.Change {
	return hook.Change{Op: hook.OpSubmit, Queue: b.Queue}
}

func (b *InteractionAccept) change() hook.Change {
	return hook.Change{Op: hook.OpAccept, Agent: b.Agent}
}

func (b *InteractionReturn) change() hook.Change {
	c := hook.Change{Op: hook.OpReturn}
	if b.Queue != nil {
		c.Queue = *b.Queue
	}
	return c
}

func (b *InteractionStop) change() hook.Change {
	return hook.Change{Op: hook.OpStop, By: hook.Stopper(b.By), Reason: b.Reason}
}

type submitInput struct{ Target }

// Resolve reads the body.
func (in *submitInput) Resolve(ctx huma.Context) []error {
	var b InteractionSubmit
	return in.readChange(ctx, &b, b.change)
}

type acceptInput struct{ Target }

// Resolve reads the body.
func (in *acceptInput) Resolve(ctx huma.Context) []error {
	var b InteractionAccept
	return in.readChange(ctx, &b, b.change)
}

type returnInput struct{ Target }

// Resolve reads the body, which may be left out.
func (in *returnInput) Resolve(ctx huma.Context) []error {
	in.change = hook.Change{Op: hook.OpReturn, ID: in.ID}
	var b InteractionReturn
	wrong := in.readChange(ctx, &b, b.change)
	_, empty := givenQueue(nil, "body.queue", b.Queue)
	return append(wrong, faults(empty)...)
}

type stopInput struct{ Target }

// Resolve reads the body.
func (in *stopInput) Resolve(ctx huma.Context) []error {
	var b InteractionStop
	return in.readChange(ctx, &b, b.change)
}

// rowChange is a row of a change to one interaction.
func rowChange(id, summary, about string, body any) row {
	return row{
		id: id, tag: "interactions", needs: hook.PermitInteractionsWrite, summary: summary, about: about,
		status: http.StatusOK, answer: Interaction{}, body: body, errors: []int{http.StatusConflict},
	}
}

func rowSubmitInteraction() row {
	return rowChange("submitInteraction", "Submit an interaction into a queue",
		"Emits STARTED. Only a NEW interaction can be submitted.", InteractionSubmit{})
}

func rowAcceptInteraction() row {
	return rowChange("acceptInteraction", "Give an interaction to an agent",
		"Emits nothing. Only a QUEUED interaction can be accepted.", InteractionAccept{})
}

func rowReturnInteraction() row {
	r := rowChange("returnInteraction", "Put an interaction back into a queue",
		"Emits nothing. Only an interaction that is IN_PROCESS can be returned, or transferred by naming another queue.", InteractionReturn{})
	r.optional = true
	return r
}

func rowStopInteraction() row {
	return rowChange("stopInteraction", "Stop an interaction",
		"Emits FINISHED. A repeated stop answers with the outcome of the first and emits nothing; stopping a NEW interaction is a conflict.",
		InteractionStop{})
}

func (s *Server) submitInteraction(ctx context.Context, in *submitInput) (*answer, error) {
	return s.accept(ctx, in.call, in.change)
}

func (s *Server) acceptInteraction(ctx context.Context, in *acceptInput) (*answer, error) {
	return s.accept(ctx, in.call, in.change)
}

func (s *Server) returnInteraction(ctx context.Context, in *returnInput) (*answer, error) {
	return s.accept(ctx, in.call, in.change)
}

func (s *Server) stopInteraction(ctx context.Context, in *stopInput) (*answer, error) {
	return s.accept(ctx, in.call, in.change)
}
