package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// Purpose is what a webhook is for, in the API's JSON.
type Purpose string

// Schema returns the purposes.
func (Purpose) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "Purpose", "interactions: it gets the events of interactions; notices: it gets notices about the other webhooks of its contact centre.",
		hook.Purposes())
}

// purposeOf reads a purpose; the default is stored as none.
func purposeOf(p Purpose) hook.Purpose {
	if hook.Purpose(p) == hook.PurposeInteractions {
		return ""
	}
	return hook.Purpose(p)
}

// keepPurpose names the purpose when it was changed, and puts it back, so that the rest is judged by the one that it has.
func keepPurpose(before, after *hook.Settings) []hook.FieldError {
	if before.Serves() == after.Serves() {
		return nil
	}
	after.Purpose = before.Purpose
	return []hook.FieldError{{Field: "body.purpose", Message: "cannot be changed; make another webhook"}}
}

// NoticeKind is what a notice is about, in the API's JSON.
type NoticeKind string

// Schema returns the kinds of notices.
func (NoticeKind) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "NoticeKind", "What the notice is about.", hook.NoticeKinds())
}

// DeliveryEvent is what a delivery carries, in the API's JSON.
type DeliveryEvent string

// Schema returns the events of the contract, and the notice.
func (DeliveryEvent) Schema(r huma.Registry) *huma.Schema {
	return enum(r, "DeliveryEvent", "What the delivery carries: the event of an interaction, or a notice.", append(interaction.Events(), hook.KindNotice))
}

// Notice is a notice as it is sent: a CloudEvent.
type Notice struct {
	SpecVersion     string     `json:"specversion" doc:"1.0"`
	ID              string     `json:"id" format:"uuid" doc:"The same for all deliveries and attempts."`
	Source          string     `json:"source" doc:"The contact centre, as a URL under the server's public one."`
	Type            string     `json:"type" doc:"io.hookswitch. and what it is about." example:"io.hookswitch.delivery.exhausted"`
	Subject         string     `json:"subject" format:"uuid" doc:"The webhook that it is about."`
	Time            string     `json:"time" format:"date-time"`
	DataContentType string     `json:"datacontenttype" doc:"application/json"`
	Data            NoticeData `json:"data"`
}

// NoticeData is what a notice says.
type NoticeData struct {
	Message     string         `json:"message" doc:"What happened and what is so now, for people."`
	WebhookID   string         `json:"webhookId" format:"uuid"`
	WebhookURL  string         `json:"webhookUrl" doc:"Without its query, which may hold a secret."`
	Description string         `json:"description,omitempty" doc:"That of the webhook."`
	Count       int            `json:"count" doc:"How much of this happened since the last notice of the same kind about the same webhook."`
	Summary     bool           `json:"summary,omitempty" doc:"true where it tells what was held back in a quiet period."`
	Enabled     bool           `json:"enabled" doc:"Whether the webhook is enabled."`
	Circuit     NoticeCircuit  `json:"circuit" doc:"As it was when the notice was made."`
	Delivery    *NoticeAttempt `json:"delivery,omitempty" doc:"The first delivery that it is about."`
	DisableAt   string         `json:"disableAt,omitempty" format:"date-time" doc:"When the server disables the webhook if it goes on failing."`
	GivesUpAt   string         `json:"givesUpAt,omitempty" format:"date-time" doc:"When that delivery is given up at the earliest."`
	OldestDueAt string         `json:"oldestDueAt,omitempty" format:"date-time" doc:"Since when the longest waiting delivery is due."`
	Fix         string         `json:"fix,omitempty" doc:"The command to run next."`
}

// NoticeCircuit is the circuit of the webhook that a notice is about.
type NoticeCircuit struct {
	State CircuitState `json:"state"`
	Since string       `json:"since,omitempty" format:"date-time"`
}

// NoticeAttempt is the first delivery that a notice is about, and its last attempt.
type NoticeAttempt struct {
	ID            string        `json:"id" format:"uuid"`
	InteractionID string        `json:"interactionId" format:"uuid"`
	Event         DeliveryEvent `json:"event"`
	Attempts      int           `json:"attempts"`
	Failure       Failure       `json:"failure"`
	Status        int           `json:"status,omitempty" doc:"The HTTP status, where there was a response."`
	Error         string        `json:"error,omitempty" doc:"The failure in words."`
}

// sentNotice is the exact text of a notice.
type sentNotice json.RawMessage

// MarshalJSON returns the text.
func (n sentNotice) MarshalJSON() ([]byte, error) { return json.RawMessage(n), nil }

// Schema returns the schema of a notice.
func (sentNotice) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[Notice](), true, "")
}

// NoticeRecord is a notice and what became of it.
type NoticeRecord struct {
	Notice     sentNotice       `json:"notice"`
	Deliveries []NoticeDelivery `json:"deliveries" nullable:"false" doc:"Empty where no webhook wanted it."`
}

// NoticeDelivery is a notice on its way to one webhook.
type NoticeDelivery struct {
	ID           hook.DeliveryID `json:"id" format:"uuid" doc:"It can be replayed by this id."`
	WebhookID    hook.WebhookID  `json:"webhookId" format:"uuid"`
	State        DeliveryState   `json:"state"`
	AttemptsMade int             `json:"attemptsMade"`
}

// NoticeList is a part of a list of notices.
type NoticeList struct {
	Items      []NoticeRecord `json:"items" nullable:"false"`
	NextCursor string         `json:"nextCursor,omitempty" doc:"Absent at the end. With a filter a part may be short and yet not the last."`
}

type listNoticesInput struct {
	request
	Page
	Type      NoticeKind     `query:"type"`
	WebhookID hook.WebhookID `query:"webhookId" format:"uuid" doc:"The webhook that they are about."`
}

func rowListNotices() row {
	return row{
		id: "listNotices", tag: "notices", needs: hook.PermitWebhooks, summary: "List notices",
		about: "What operators were told, newest first, also when no webhook with the purpose notices was there to be told. " +
			"They are kept as long as interactions are.",
		status: http.StatusOK, answer: NoticeList{},
	}
}

func (s *Server) listNotices(ctx context.Context, in *listNoticesInput) (*answer, error) {
	filter := store.NoticeFilter{Kind: hook.NoticeKind(in.Type), Webhook: in.WebhookID}
	found, next, err := s.store.Notices(ctx, in.center.Number, filter, in.page())
	if errors.Is(err, hook.ErrBadID) {
		return nil, badCursor("query.cursor")
	} else if err != nil {
		return nil, err
	}
	list := NoticeList{Items: make([]NoticeRecord, len(found)), NextCursor: next}
	for i, n := range found {
		list.Items[i] = NoticeRecord{Notice: n.Payload, Deliveries: make([]NoticeDelivery, len(n.Deliveries))}
		for k, d := range n.Deliveries {
			list.Items[i].Deliveries[k] = NoticeDelivery{ID: d.ID, WebhookID: d.Webhook, State: DeliveryState(d.State.String()), AttemptsMade: d.Attempts}
		}
	}
	return done(http.StatusOK, list)
}
