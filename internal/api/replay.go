package api

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// dryRunWaitMax is how long the creation of a dry run waits for its end.
	dryRunWaitMax = 3 * time.Second
	// dryRunLookEvery is how often it looks.
	dryRunLookEvery = 20 * time.Millisecond
	// progressDigits is how fine a replay's progress is shown.
	progressDigits = 10_000
)

// Replay is a replay of many deliveries of one webhook, as it is shown.
type Replay struct {
	ID         hook.ReplayID   `json:"id" format:"uuid"`
	WebhookID  hook.WebhookID  `json:"webhookId" format:"uuid"`
	From       instant         `json:"from"`
	To         instant         `json:"to"`
	States     []DeliveryState `json:"states" nullable:"false"`
	Events     []EventKind     `json:"events,omitempty" nullable:"false" doc:"Absent: all."`
	MediaTypes []MediaType     `json:"mediaTypes,omitempty" nullable:"false" doc:"Absent: all."`
	Rate       int             `json:"rate,omitempty" doc:"Deliveries per second at most; absent: no limit."`
	DryRun     bool            `json:"dryRun,omitempty" doc:"It only counts."`
	State      ReplayState     `json:"state"`
	Progress   float64         `json:"progress" minimum:"0" maximum:"1" doc:"The share of the range of time that it has passed."`
	ReplayCounts
	CreatedBy  string  `json:"createdBy" doc:"Who asked for it."`
	CreatedAt  instant `json:"createdAt"`
	FinishedAt instant `json:"finishedAt,omitzero" doc:"When it was finished or cancelled; absent before."`
}

// ReplayCounts say what a replay has done so far.
type ReplayCounts struct {
	Matched  int64 `json:"matched" doc:"Deliveries that the filter has let through so far."`
	Replayed int64 `json:"replayed" doc:"How many of them are pending again."`
	Skipped  int64 `json:"skipped" doc:"How many were pending already or being sent when their turn came, or had been removed."`
}

// ReplayList is a part of a list of replays.
type ReplayList struct {
	Items      []Replay `json:"items" nullable:"false"`
	NextCursor string   `json:"nextCursor,omitempty" doc:"Absent at the end."`
}

func showReplay(r *hook.Replay) Replay {
	shown := Replay{
		ID: r.ID, WebhookID: r.Webhook.ID, From: instant{r.Filter.From}, To: instant{r.Filter.To}, States: []DeliveryState{},
		Events: texts[EventKind](r.Filter.Events), MediaTypes: texts[MediaType](r.Filter.MediaTypes), Rate: r.Rate, DryRun: r.DryRun,
		State: ReplayState(r.State.String()), Progress: math.Floor(r.Progress()*progressDigits) / progressDigits,
		ReplayCounts: ReplayCounts{Matched: r.Counts.Matched, Replayed: r.Counts.Replayed, Skipped: r.Counts.Skipped},
		CreatedBy:    string(r.Actor), CreatedAt: instant{r.Times.Created}, FinishedAt: instant{r.Times.Finished},
	}
	for _, s := range r.Filter.States {
		shown.States = append(shown.States, DeliveryState(s.String()))
	}
	return shown
}

// ReplayDraft is the body of a creation.
type ReplayDraft struct {
	WebhookID  optional[string]          `json:"webhookId,omitzero" doc:"The webhook whose deliveries are replayed."`
	From       optional[givenTime]       `json:"from,omitzero" doc:"Of events that occurred at this time or later."`
	To         optional[givenTime]       `json:"to,omitzero" doc:"Of events that occurred before this time; now when absent."`
	States     optional[[]DeliveryState] `json:"states,omitzero" doc:"exhausted, delivered or both; exhausted when absent."`
	Events     optional[[]EventKind]     `json:"events,omitzero" doc:"Which events; all when absent or empty."`
	MediaTypes optional[[]MediaType]     `json:"mediaTypes,omitzero" doc:"Which media types; all when absent or empty."`
	Rate       optional[whole]           `json:"rate,omitzero" doc:"Deliveries per second at most, evenly spread; no limit when absent."`
	DryRun     optional[bool]            `json:"dryRun,omitzero" doc:"Only count; false when absent."`
}

// exampleReplay is a body that the documentation shows; one made from the schema alone would ask for pending deliveries, which is refused.
const exampleReplay = `{"webhookId":"0190a1b2-0000-7000-8000-000000000000","from":"2026-11-22T16:00:00Z","to":"2026-11-22T18:00:00Z","states":["exhausted"],"rate":100,"dryRun":true}`

// TransformSchema gives the document the domain's bounds.
func (ReplayDraft) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Required = []string{"webhookId", "from"}
	s.Properties["webhookId"].Format = "uuid"
	rate := s.Properties["rate"]
	rate.Minimum, rate.Maximum = set(1.0), set(float64(hook.ReplayRateMax))
	s.Examples = []any{json.RawMessage(exampleReplay)}
	return s
}

// givenTime is a time in a body.
type givenTime string

// Schema returns the schema of a time.
func (givenTime) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", MinLength: set(1), Description: "RFC 3339.", Examples: []any{"2026-11-22T16:00:00Z"}}
}

// readTime returns the time, and names the field where it is none. What was not given is the zero time.
func readTime(wrong []hook.FieldError, field string, given optional[givenTime]) (time.Time, []hook.FieldError) {
	if given.value == "" {
		return time.Time{}, wrong
	}
	at, err := time.Parse(time.RFC3339, string(given.value))
	if err != nil {
		return at, append(wrong, hook.FieldError{Field: field, Message: notTime, Value: string(given.value)})
	}
	return at, wrong
}

// replay is the draft of the domain, and what is wrong with the body.
func (d *ReplayDraft) replay(now time.Time) (webhook hook.WebhookID, r hook.Replay, wrong []hook.FieldError) {
	wrong = parseGiven(wrong, "body.webhookId", d.WebhookID.value, &webhook.UUID)
	r.Filter.From, wrong = readTime(wrong, "body.from", d.From)
	r.Filter.To, wrong = readTime(wrong, "body.to", d.To)
	for _, name := range d.States.value {
		r.Filter.States = append(r.Filter.States, deliveryState(name))
	}
	r.Filter.Events, r.Filter.MediaTypes = texts[interaction.Event](d.Events.value), texts[interaction.MediaType](d.MediaTypes.value)
	r.Rate, r.DryRun = d.Rate.value.int(), d.DryRun.value
	for _, f := range wrongFields(r.Validate("body.", now)) {
		if !slices.ContainsFunc(wrong, func(g hook.FieldError) bool { return g.Field == f.Field }) {
			wrong = append(wrong, f)
		}
	}
	return webhook, r, wrong
}

// deliveryState returns a state by its name; zero for a name that is none.
func deliveryState(name DeliveryState) hook.DeliveryState {
	for _, s := range deliveryStates() {
		if s.String() == string(name) {
			return s
		}
	}
	return 0
}

type createReplayInput struct {
	request
	webhook hook.WebhookID
	replay  hook.Replay
}

// Resolve reads the body.
func (in *createReplayInput) Resolve(ctx huma.Context) []error {
	wrong := in.request.Resolve(ctx)
	var d ReplayDraft
	return append(wrong, in.read(ctx, &d, func() (fields []hook.FieldError) {
		in.webhook, in.replay, fields = d.replay(in.now)
		return fields
	})...)
}

func rowCreateReplay() row {
	return row{
		id: "createReplay", tag: "replays", needs: hook.PermitDeliveries, summary: "Replay many deliveries of a webhook",
		about: "Makes the deliveries that match pending again, in the order of their events, in small batches beside all other work. The body and the operation id stay " +
			"the same, and a FINISHED waits for its STARTED. It survives restarts. A dry run only counts, and is answered with 200 when it is done within three seconds. " +
			"A contact centre has at most 10 that run or are paused; another one is a conflict.",
		status: http.StatusAccepted, also: alternative{status: http.StatusOK}, answer: Replay{}, body: ReplayDraft{}, thorough: true, errors: []int{http.StatusConflict},
	}
}

func (s *Server) createReplay(ctx context.Context, in *createReplayInput) (*answer, error) {
	id, err := s.newID(in.now)
	if err != nil {
		return nil, err
	}
	in.replay.ID, in.replay.ContactCenter = hook.ReplayID{UUID: id}, in.center.Number
	created := func(r *hook.Replay) (*answer, error) { return done(http.StatusAccepted, showReplay(r)) }
	made, err := s.store.CreateReplay(ctx, in.now, in.webhook, &in.replay, once(in.call, created))
	if err != nil {
		return nil, inBody(err)
	}
	if made.DryRun {
		made = s.awaitDryRun(ctx, made)
	}
	if made.State == hook.ReplayFinished {
		return done(http.StatusOK, showReplay(made))
	}
	return created(made)
}

// inBody puts the fields that the store found wrong where the caller wrote them.
func inBody(err error) error {
	var wrong *hook.InvalidError
	if !errors.As(err, &wrong) {
		return err
	}
	fields := slices.Clone(wrong.Fields)
	for i := range fields {
		fields[i].Field = "body." + fields[i].Field
	}
	return &hook.InvalidError{Fields: fields}
}

// awaitDryRun waits a short time for the end of a dry run, so that a small range is answered with its count at once. It returns
// the replay as it was seen last: it is made, whatever fails now.
func (s *Server) awaitDryRun(ctx context.Context, made *hook.Replay) *hook.Replay {
	look, limit := time.NewTicker(dryRunLookEvery), time.NewTimer(dryRunWaitMax)
	defer look.Stop()
	defer limit.Stop()
	for !made.State.Ended() {
		select {
		case <-look.C:
		case <-limit.C:
			return made
		case <-ctx.Done():
			return made
		case <-s.waits.draining:
			return made
		}
		seen, err := s.store.Replay(ctx, made.ContactCenter, made.ID)
		if err != nil {
			return made
		}
		made = seen
	}
	return made
}

type listReplaysInput struct {
	request
	Page
}

func rowListReplays() row {
	return row{
		id: "listReplays", tag: "replays", needs: hook.PermitDeliveries, summary: "List replays", about: "Newest first. The last 1,000 of a contact centre are kept.",
		status: http.StatusOK, answer: ReplayList{},
	}
}

func (s *Server) listReplays(ctx context.Context, in *listReplaysInput) (*answer, error) {
	found, next, err := s.store.Replays(ctx, in.center.Number, in.page())
	if errors.Is(err, hook.ErrBadID) {
		return nil, badCursor("query.cursor")
	} else if err != nil {
		return nil, err
	}
	list := ReplayList{Items: make([]Replay, len(found)), NextCursor: next}
	for i, r := range found {
		list.Items[i] = showReplay(r)
	}
	return done(http.StatusOK, list)
}

// ReplayTarget is the replay that a request is about. It is the input of such requests.
type ReplayTarget struct {
	request
	ID hook.ReplayID `path:"id" format:"uuid" doc:"The replay's id."`
}

func rowGetReplay() row {
	return row{
		id: "getReplay", tag: "replays", needs: hook.PermitDeliveries, summary: "Read a replay", about: "How far it is, and what it has done so far.",
		status: http.StatusOK, answer: Replay{},
	}
}

func (s *Server) getReplay(ctx context.Context, in *ReplayTarget) (*answer, error) {
	r, err := s.store.Replay(ctx, in.center.Number, in.ID)
	if err != nil {
		return nil, err
	}
	return done(http.StatusOK, showReplay(r))
}

// rowSteerReplay is a row of what is asked of a replay.
func rowSteerReplay(id, summary, about string) row {
	return row{id: id, tag: "replays", needs: hook.PermitDeliveries, summary: summary, about: about, status: http.StatusOK, answer: Replay{}, errors: []int{http.StatusConflict}}
}

func rowPauseReplay() row {
	return rowSteerReplay("pauseReplay", "Pause a replay", "Nothing more is replayed after the answer, until it is resumed. What is pending by then goes out. Only a running one can be paused.")
}

func rowResumeReplay() row {
	return rowSteerReplay("resumeReplay", "Resume a replay", "It goes on where it was. Only a paused one can be resumed.")
}

func rowCancelReplay() row {
	return rowSteerReplay("cancelReplay", "Cancel a replay", "Nothing more is replayed after the answer. What is pending by then goes out. One that has ended is a conflict.")
}

func (s *Server) pauseReplay(ctx context.Context, in *ReplayTarget) (*answer, error) {
	return steered(s.store.PauseReplay(ctx, in.center.Number, in.ID, in.now, once(in.call, steeredReplay)))
}

func (s *Server) resumeReplay(ctx context.Context, in *ReplayTarget) (*answer, error) {
	return steered(s.store.ResumeReplay(ctx, in.center.Number, in.ID, in.now, once(in.call, steeredReplay)))
}

func (s *Server) cancelReplay(ctx context.Context, in *ReplayTarget) (*answer, error) {
	return steered(s.store.CancelReplay(ctx, in.center.Number, in.ID, in.now, once(in.call, steeredReplay)))
}

func steeredReplay(r *hook.Replay) (*answer, error) { return done(http.StatusOK, showReplay(r)) }

func steered(r *hook.Replay, err error) (*answer, error) {
	if err != nil {
		return nil, err
	}
	return steeredReplay(r)
}
