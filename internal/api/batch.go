package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// Changes is the body of a batch.
type Changes struct {
	Changes []Change `json:"changes" nullable:"false" doc:"Each is judged alone; those of one interaction are made in their order."`
}

// TransformSchema gives the document the domain's bounds.
func (Changes) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	list := s.Properties["changes"]
	list.MinItems, list.MaxItems = set(1), set(hook.ChangesMax)
	return s
}

// Change is one change of a batch: the fields of its op's own request, and the interaction's id.
type Change struct {
	Op Op `json:"op"`
	ChangeDraft
	Agent  string  `json:"agent,omitempty" doc:"accept: who accepts it."`
	By     Stopper `json:"by,omitempty" doc:"stop: who stopped it."`
	Reason string  `json:"reason,omitempty" doc:"stop: a reason code."`
}

// ChangeDraft is the part of a change that a creation needs.
type ChangeDraft struct {
	ID        string            `json:"id,omitempty" format:"uuid" doc:"The interaction's id; only a create can do without."`
	Queue     *string           `json:"queue,omitempty" doc:"create, submit, return: the queue."`
	MediaType MediaType         `json:"mediaType,omitempty" doc:"create."`
	Subtype   Subtype           `json:"subtype,omitempty" doc:"create."`
	SessionID string            `json:"sessionId,omitempty" format:"uuid" doc:"create."`
	Subject   string            `json:"subject,omitempty" doc:"create."`
	Contact   freeObject        `json:"contact,omitempty" doc:"create."`
	UserData  map[string]string `json:"userData,omitempty" doc:"create."`
}

// TransformSchema gives the document the domain's bounds.
func (Change) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	textSize(s, "reason", 0, hook.ReasonBytesMax)
	textSize(s, "agent", 0, hook.AgentBytesMax)
	return InteractionDraft{}.TransformSchema(r, s)
}

// ChangeResults is the answer to a batch.
type ChangeResults struct {
	Results []ChangeResult `json:"results" nullable:"false" doc:"One per change, in their order."`
}

// ChangeResult is what became of one change: the interaction or the problem.
type ChangeResult struct {
	Status      int          `json:"status" doc:"What a request for this change alone would have been answered."`
	Interaction *Interaction `json:"interaction,omitempty"`
	Problem     *Problem     `json:"problem,omitempty"`
}

// draft is the part that a creation of its own would have as its body.
func (d *ChangeDraft) draft() *InteractionDraft {
	return &InteractionDraft{
		MediaType: d.MediaType, Subtype: d.Subtype, Queue: d.Queue, ID: d.ID, SessionID: d.SessionID,
		Subject: d.Subject, Contact: d.Contact, UserData: d.UserData,
	}
}

// change makes the domain's change of a batch's and lists what is wrong with it.
func (b *Change) change(s *Server, now time.Time, prefix string) (change hook.Change, wrong []hook.FieldError, err error) {
	if b.Op == Op(hook.OpCreate) {
		change, wrong, err = b.draft().change(s, now, prefix)
	} else {
		var queue string
		queue, wrong = givenQueue(wrong, prefix+"queue", b.Queue)
		change = hook.Change{
			Op: hook.Op(b.Op), Queue: queue, Agent: b.Agent, By: hook.Stopper(b.By), Reason: b.Reason,
		}
		if b.ID == "" {
			wrong = append(wrong, hook.FieldError{Field: prefix + "id", Message: "is required"})
		}
		wrong = parseGiven(wrong, prefix+"id", b.ID, &change.ID.UUID)
		wrong = append(wrong, wrongFields(change.Validate(prefix))...)
	}
	for _, name := range b.foreign() {
		wrong = append(wrong, hook.FieldError{Field: prefix + name, Message: fmt.Sprintf("is not a field of %q", b.Op)})
	}
	return change, wrong, err
}

// foreign names the fields that are given and belong to another op: ignoring them would do less than was asked.
func (b *Change) foreign() (names []string) {
	op := hook.Op(b.Op)
	if !slices.Contains(hook.Ops(), op) {
		return nil
	}
	for _, f := range [...]struct {
		name  string
		given bool
		of    bool
	}{
		{"queue", b.Queue != nil, op == hook.OpCreate || op == hook.OpSubmit || op == hook.OpReturn},
		{"mediaType", b.MediaType != "", op == hook.OpCreate},
		{"subtype", b.Subtype != "", op == hook.OpCreate},
		{"sessionId", b.SessionID != "", op == hook.OpCreate},
		{"subject", b.Subject != "", op == hook.OpCreate},
		{"contact", b.Contact != nil, op == hook.OpCreate},
		{"userData", b.UserData != nil, op == hook.OpCreate},
		{"agent", b.Agent != "", op == hook.OpAccept},
		{"by", b.By != "", op == hook.OpStop},
		{"reason", b.Reason != "", op == hook.OpStop},
	} {
		if f.given && !f.of {
			names = append(names, f.name)
		}
	}
	return names
}

type changesInput struct {
	request
	changes []hook.Change
	// results has a problem where a change is wrong; the others are filled in when they were made.
	results []ChangeResult
	err     error
}

// batchFrame is a batch whose changes are still text, so that each can be wrong alone.
type batchFrame struct {
	Changes []json.RawMessage `json:"changes"`
}

// Resolve reads the body. What is wrong with one change is its own result and not the request's.
func (in *changesInput) Resolve(ctx huma.Context) []error {
	wrong := in.request.Resolve(ctx)
	var frame batchFrame
	if more := in.read(ctx, &frame, func() []hook.FieldError {
		if n := len(frame.Changes); n < 1 || n > hook.ChangesMax {
			return []hook.FieldError{{
				Field: "body.changes", Message: fmt.Sprintf("has %d items; 1 to %d are allowed", n, hook.ChangesMax),
			}}
		}
		return nil
	}); len(more) > 0 {
		return append(wrong, more...)
	}
	in.results = make([]ChangeResult, len(frame.Changes))
	in.changes = make([]hook.Change, 0, len(frame.Changes))
	for i, text := range frame.Changes {
		change, p := in.readOne(text, fmt.Sprintf("body.changes[%d]", i))
		if p != nil {
			in.results[i] = ChangeResult{Status: p.Status, Problem: p}
			continue
		}
		in.changes = append(in.changes, change)
	}
	return wrong
}

func (in *changesInput) readOne(text json.RawMessage, at string) (change hook.Change, p *Problem) {
	var b Change
	if _, p := measure(text, valuesMax); p != nil {
		return change, p
	}
	wrong, p := in.server.changes.decode(text, at, &b, func() (fields []hook.FieldError) {
		var err error
		change, fields, err = b.change(in.server, in.now, at+".")
		if err != nil {
			in.err = err
		}
		return fields
	})
	if p == nil && len(wrong) > 0 {
		p = invalid(wrong)
	}
	return change, p
}

func (s *Server) rowChangeInteractions() row {
	return row{
		id: "changeInteractions", tag: "interactions", needs: hook.PermitInteractionsWrite, summary: "Make up to 1,000 changes in one request",
		about: "Each change is judged alone: one that is refused leaves the others as they are, and its result has the problem that a " +
			"request of its own would have got. Changes of one interaction are made in their order. All that are made are committed together.",
		status: http.StatusOK, answer: ChangeResults{}, body: Changes{}, bodyBytesMax: batchBodyBytesMax, reads: s.divideBatch,
	}
}

// divideBatch divides the shape of a batch in two: one change, for later, and the frame, whose changes may be anything.
func (s *Server) divideBatch(whole *shape) *shape {
	s.changes = newShape(s.registry(), reflect.TypeFor[Change](), whole.bytesMax)
	top := *whole.resolve(whole.schema)
	list := *top.Properties["changes"]
	list.Items = &huma.Schema{}
	top.Properties = map[string]*huma.Schema{"changes": &list}
	return &shape{registry: s.registry(), schema: &top, bytesMax: whole.bytesMax, names: whole.names}
}

func (s *Server) changeInteractions(ctx context.Context, in *changesInput) (*answer, error) {
	if in.err != nil {
		return nil, in.err
	}
	answered := func(made []store.ChangeResult) (*answer, error) { return s.batchAnswer(in, made) }
	if len(in.changes) == 0 { // nothing for the store, and so nothing to keep
		return answered(nil)
	}
	made, err := s.store.AcceptChanges(hook.WithTrace(ctx, s.checks.trace(in.r.Header)), in.center.Number, in.now, in.changes, once(in.call, answered))
	if err != nil {
		return nil, err
	}
	return answered(made)
}

// batchAnswer puts what was made between what was refused before.
func (s *Server) batchAnswer(in *changesInput, made []store.ChangeResult) (*answer, error) {
	results := make([]ChangeResult, len(in.results))
	next := 0
	for i := range results {
		if in.results[i].Problem != nil {
			results[i] = in.results[i]
			continue
		}
		r, op := made[next], in.changes[next].Op
		next++
		if r.Err != nil {
			p := s.problem(r.Err)
			results[i] = ChangeResult{Status: p.Status, Problem: p}
			continue
		}
		shown := s.showInteraction(r.Interaction, in.center.ID)
		results[i] = ChangeResult{Status: statusOf(op), Interaction: &shown}
	}
	return done(http.StatusOK, ChangeResults{Results: results})
}
