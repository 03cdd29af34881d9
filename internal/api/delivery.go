package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// Delivery is one event on its way to one webhook, as it is shown.
type Delivery struct {
	ID            hook.DeliveryID    `json:"id" format:"uuid"`
	WebhookID     hook.WebhookID     `json:"webhookId" format:"uuid"`
	InteractionID hook.InteractionID `json:"interactionId" format:"uuid" doc:"Zeros for a notice, which belongs to none."`
	Event         DeliveryEvent      `json:"event"`
	OperationID   hook.OperationID   `json:"operationId" format:"uuid" doc:"The event's own id, the same for all its deliveries and attempts."`
	State         DeliveryState      `json:"state"`
	AttemptsMade  int                `json:"attemptsMade"`
	CreatedAt     instant            `json:"createdAt"`
	NextAttemptAt instant            `json:"nextAttemptAt,omitzero" doc:"When a pending one is due; absent while it is being sent or waits."`
	DeliveredAt   instant            `json:"deliveredAt,omitzero" doc:"When it was acknowledged."`
	WaitsFor      *hook.DeliveryID   `json:"waitsFor,omitempty" format:"uuid" doc:"The delivery of the STARTED that this FINISHED must not overtake."`
	LastAttempt   *Attempt           `json:"lastAttempt,omitempty"`
	Attempts      []Attempt          `json:"attempts,omitempty" nullable:"false" doc:"All attempts, in the answer that shows one delivery."`
}

// DeliveryList is a part of a list of deliveries.
type DeliveryList struct {
	Items []Delivery `json:"items" nullable:"false"`
	Continuation
}

// Attempt is one POST of a delivery and what came of it.
type Attempt struct {
	Number    int      `json:"number" doc:"Counts over the whole life of the delivery, replays included."`
	StartedAt instant  `json:"startedAt"`
	Duration  duration `json:"duration"`
	Status    int      `json:"status,omitempty" doc:"The HTTP status, where there was a response."`
	Failure   Failure  `json:"failure,omitempty" doc:"Absent when the attempt was acknowledged."`
	Error     string   `json:"error,omitempty" doc:"The failure in words."`
	Response  string   `json:"response,omitempty" doc:"The beginning of the response body."`
	Timing    *Timing  `json:"timing,omitempty" doc:"What the time was spent on; absent where nothing of it is known."`
	Events    int      `json:"events,omitempty" doc:"How many events the POST carried, this one among them."`
}

// Timing is what an attempt spent its time on. What did not happen is absent: over a connection that was there already nothing was looked up
// and no connection made. What was under way when the time was up took until then.
type Timing struct {
	DNS       duration `json:"dns,omitempty" doc:"How long the name took to resolve."`
	Connect   duration `json:"connect,omitempty" doc:"How long the connection took, to the receiver or through the egress proxy to it."`
	TLS       duration `json:"tls,omitempty" doc:"How long the TLS handshake with the receiver took."`
	FirstByte duration `json:"firstByte,omitempty" doc:"How long after the beginning of the POST the first byte of the response came."`
}

func showTiming(t *hook.Timing) *Timing {
	if *t == (hook.Timing{}) {
		return nil
	}
	return &Timing{DNS: showSpan(t.DNS), Connect: showSpan(t.Connect), TLS: showSpan(t.TLS), FirstByte: showSpan(t.FirstByte)}
}

// showSpan shows a part of an attempt's time; none is nothing.
func showSpan(d time.Duration) duration {
	if d == 0 {
		return ""
	}
	return showTook(d)
}

func showTook(d time.Duration) duration {
	return duration(hook.Duration(d.Truncate(time.Microsecond)).String())
}

func showAttempt(a *hook.Attempt) Attempt {
	return Attempt{
		Number: a.Number, StartedAt: instant{a.StartedAt}, Duration: showTook(a.Duration),
		Status: a.Status, Failure: Failure(a.Failure.String()), Error: a.Error, Response: strings.ToValidUTF8(string(a.Response), "\uFFFD"),
		Timing: showTiming(&a.Timing), Events: a.Events,
	}
}

func showDelivery(d *store.Delivery) Delivery {
	shown := Delivery{
		ID: d.ID, WebhookID: d.Webhook, InteractionID: d.Interaction, Event: DeliveryEvent(d.Event), OperationID: d.Operation,
		State: DeliveryState(d.State.String()), AttemptsMade: d.AttemptsMade, CreatedAt: instant{d.CreatedAt},
		NextAttemptAt: instant{d.NextAttemptAt}, DeliveredAt: instant{d.DeliveredAt}, WaitsFor: d.WaitsFor,
	}
	if d.LastAttempt != nil {
		last := showAttempt(d.LastAttempt)
		shown.LastAttempt = &last
	}
	for i := range d.Attempts {
		shown.Attempts = append(shown.Attempts, showAttempt(&d.Attempts[i]))
	}
	return shown
}

type listDeliveriesInput struct {
	request
	Page
	State         DeliveryState      `query:"state"`
	WebhookID     hook.WebhookID     `query:"webhookId" format:"uuid"`
	InteractionID hook.InteractionID `query:"interactionId" format:"uuid"`
	SessionID     hook.SessionID     `query:"sessionId" format:"uuid" doc:"The deliveries of all interactions of this session."`
	Event         EventKind          `query:"event"`
	MediaType     MediaType          `query:"mediaType"`
	Status        int                `query:"status" minimum:"100" maximum:"599" example:"503" doc:"The HTTP status that any attempt was answered with."`
	Failure       Failure            `query:"failure" doc:"What any attempt failed by. With status: one and the same attempt has both."`
	From          time.Time          `query:"from" doc:"Created at this time or later."`
	To            time.Time          `query:"to" doc:"Created before this time."`
}

// Resolve names a range of time that holds nothing.
func (in *listDeliveriesInput) Resolve(ctx huma.Context) []error {
	return append(in.request.Resolve(ctx), emptyRange("from", in.From, "to", in.To)...)
}

func (in *listDeliveriesInput) filter() store.DeliveryFilter {
	f := store.DeliveryFilter{
		Webhook: in.WebhookID, Interaction: in.InteractionID, Session: in.SessionID, Event: interaction.Event(in.Event),
		Media: interaction.MediaType(in.MediaType), Status: in.Status, From: in.From, To: in.To,
	}
	for _, failure := range hook.Failures() {
		if failure.String() == string(in.Failure) {
			f.Failure = failure
		}
	}
	for _, state := range deliveryStates() {
		if state.String() == string(in.State) {
			f.State = state
		}
	}
	return f
}

func rowListDeliveries() row {
	return row{
		id: "listDeliveries", tag: "deliveries", needs: hook.PermitDeliveries, summary: "List deliveries", status: http.StatusOK, answer: DeliveryList{},
		about: "Newest first; all filters can be combined. status and failure look at all attempts of a delivery, not only at the last. " + aboutShortPages,
	}
}

func (s *Server) listDeliveries(ctx context.Context, in *listDeliveriesInput) (*answer, error) {
	found, next, err := s.store.Deliveries(ctx, in.center.Number, in.filter(), in.page())
	if errors.Is(err, hook.ErrBadID) {
		return nil, badCursor("query.cursor")
	} else if err != nil {
		return nil, err
	}
	list := DeliveryList{Items: make([]Delivery, len(found)), Continuation: in.goesOn(len(found), next)}
	for i, d := range found {
		list.Items[i] = showDelivery(d)
	}
	return done(http.StatusOK, list)
}

type deliveryInput struct {
	request
	ID hook.DeliveryID `path:"id" format:"uuid" doc:"The delivery's id."`
}

func rowGetDelivery() row {
	return row{
		id: "getDelivery", tag: "deliveries", needs: hook.PermitDeliveries, summary: "Read a delivery with all its attempts", about: "Also after its webhook was deleted.",
		status: http.StatusOK, answer: Delivery{},
	}
}

func (s *Server) getDelivery(ctx context.Context, in *deliveryInput) (*answer, error) {
	d, err := s.store.Delivery(ctx, in.center.Number, in.ID)
	if err != nil {
		return nil, err
	}
	return done(http.StatusOK, showDelivery(d))
}

func rowReplayDelivery() row {
	return row{
		id: "replayDelivery", tag: "deliveries", needs: hook.PermitDeliveries, summary: "Deliver again",
		about: "Gives a delivered or exhausted delivery a new budget of attempts; the body and the operation id stay the same. " +
			"One that is still pending is a conflict.",
		status: http.StatusAccepted, answer: Delivery{}, errors: []int{http.StatusConflict},
	}
}

func (s *Server) replayDelivery(ctx context.Context, in *deliveryInput) (*answer, error) {
	replayed := func(d *store.Delivery) (*answer, error) { return done(http.StatusAccepted, showDelivery(d)) }
	d, err := s.store.ReplayDelivery(ctx, in.center.Number, in.ID, in.now, once(in.call, replayed))
	if err != nil {
		return nil, err
	}
	return replayed(d)
}
