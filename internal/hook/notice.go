package hook

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
)

// KindNotice is the kind of an event that is a notice: it belongs to no interaction, and only webhooks of [PurposeNotices] get it.
const KindNotice interaction.Event = "NOTICE"

// NoticeKind is what a notice is about.
type NoticeKind string

// The kinds of notices.
const (
	NoticeExhausted     NoticeKind = "delivery.exhausted"    // NoticeExhausted is a delivery that was given up.
	NoticeFailing       NoticeKind = "webhook.failing"       // NoticeFailing is a webhook whose deliveries will be given up, or that will be disabled.
	NoticeCircuitOpened NoticeKind = "webhook.circuitOpened" // NoticeCircuitOpened is a webhook whose deliveries are held back from now on.
	NoticeCircuitClosed NoticeKind = "webhook.circuitClosed" // NoticeCircuitClosed is a webhook whose receiver works again.
	NoticeDisabled      NoticeKind = "webhook.disabled"      // NoticeDisabled is a webhook that the server has disabled.
	NoticeBacklog       NoticeKind = "backlog.growing"       // NoticeBacklog is a webhook that gets more than its receiver takes.
)

// NoticeKinds returns every kind, in the order of their stored numbers, which begin with 1 and never change.
func NoticeKinds() []NoticeKind {
	return []NoticeKind{NoticeExhausted, NoticeFailing, NoticeCircuitOpened, NoticeCircuitClosed, NoticeDisabled, NoticeBacklog}
}

// The attributes of a notice as a CloudEvent (CloudEvents 1.0.2, section "Required Attributes").
const (
	noticeSpecVersion = "1.0"
	noticeTypePrefix  = "io.hookswitch."
	noticeDataType    = "application/json"
	// NoticeContentType is the media type of a notice in structured mode (CloudEvents, HTTP Protocol Binding 1.0.2, section 3.2).
	NoticeContentType = "application/cloudevents+json; charset=utf-8"
	// NoticeHeader carries what a notice is about, for those who sort them before they read them.
	NoticeHeader = "Hookswitch-Notice"
	// NoticeTest is what a notice is about that was made up to test a webhook; it is not stored.
	NoticeTest NoticeKind = "test"
)

// Notice is what is told about one webhook.
type Notice struct {
	Kind NoticeKind
	// Webhook is the webhook that it is about, as it is after what happened.
	Webhook *Webhook
	At      time.Time
	// Count is how much of this happened since the last notice of this kind about this webhook.
	Count int64
	// Summary is whether it tells what was held back for a quiet period.
	Summary bool
	NoticeDetail
}

// NoticeDetail is what is known of the first delivery that a notice is about, as far as it is about deliveries.
type NoticeDetail struct {
	Delivery    DeliveryID
	Interaction InteractionID
	Event       interaction.Event
	Attempt     Attempt
	// GivesUpAt is when the delivery is given up at the earliest if it goes on failing.
	GivesUpAt time.Time
	// OldestDueAt is since when the longest waiting delivery is due.
	OldestDueAt time.Time
}

// CloudEvent is a notice as it is sent and stored (CloudEvents 1.0.2, JSON Event Format).
type CloudEvent struct {
	SpecVersion     string     `json:"specversion"`
	ID              string     `json:"id"`
	Source          string     `json:"source"`
	Type            string     `json:"type"`
	Subject         string     `json:"subject"`
	Time            string     `json:"time"`
	DataContentType string     `json:"datacontenttype"`
	Data            NoticeData `json:"data"`
}

// NoticeData is what an operator needs at a glance.
type NoticeData struct {
	Message     string          `json:"message"`
	WebhookID   string          `json:"webhookId"`
	WebhookURL  string          `json:"webhookUrl"`
	Description string          `json:"description,omitempty"`
	Count       int64           `json:"count"`
	Summary     bool            `json:"summary,omitempty"`
	Enabled     bool            `json:"enabled"`
	Circuit     NoticeCircuit   `json:"circuit"`
	Delivery    *NoticeDelivery `json:"delivery,omitempty"`
	DisableAt   string          `json:"disableAt,omitempty"`
	GivesUpAt   string          `json:"givesUpAt,omitempty"`
	OldestDueAt string          `json:"oldestDueAt,omitempty"`
	Fix         string          `json:"fix,omitempty"`
}

// NoticeCircuit is the state of the webhook's circuit when the notice was made.
type NoticeCircuit struct {
	State string `json:"state"`
	Since string `json:"since,omitempty"`
}

// NoticeDelivery is the first delivery that a notice is about.
type NoticeDelivery struct {
	ID            string `json:"id"`
	InteractionID string `json:"interactionId"`
	Event         string `json:"event"`
	Attempts      int    `json:"attempts"`
	Failure       string `json:"failure"`
	Status        int    `json:"status,omitempty"`
	Error         string `json:"error,omitempty"`
}

// NewNoticeEvent makes the event of a notice with its payload, which never changes. publicURL has no trailing slash.
func NewNoticeEvent(n *Notice, serial Serial, op OperationID, publicURL string) (*Event, error) {
	payload, err := json.Marshal(n.cloudEvent(op, publicURL))
	if err != nil {
		return nil, fmt.Errorf("encode notice: %w", err)
	}
	return &Event{
		Serial: serial, ContactCenter: n.Webhook.ContactCenter, CenterID: n.Webhook.CenterID, Kind: KindNotice, Notice: n.Kind,
		OperationID: op, OccurredAt: n.At, Payload: payload,
	}, nil
}

// ParseNotice reads the payload of a notice.
func ParseNotice(payload []byte) (*CloudEvent, error) {
	c := new(CloudEvent)
	if err := json.Unmarshal(payload, c); err != nil {
		return nil, fmt.Errorf("parse notice: %w", err)
	}
	return c, nil
}

// Kind returns what the notice is about.
func (c *CloudEvent) Kind() NoticeKind {
	return NoticeKind(strings.TrimPrefix(c.Type, noticeTypePrefix))
}

func (n *Notice) cloudEvent(op OperationID, publicURL string) *CloudEvent {
	return &CloudEvent{
		SpecVersion: noticeSpecVersion, ID: op.String(), Source: publicURL + "/v1/contact-centers/" + string(n.Webhook.CenterID),
		Type: noticeTypePrefix + string(n.Kind), Subject: n.Webhook.ID.String(), Time: noticeTime(n.At), DataContentType: noticeDataType,
		Data: n.data(),
	}
}

func (n *Notice) data() NoticeData {
	w := n.Webhook
	d := NoticeData{
		Message: n.message(), WebhookID: w.ID.String(), WebhookURL: shownURL(w.Settings.URL), Description: w.Settings.Description,
		Count: n.Count, Summary: n.Summary, Enabled: w.Enabled, Circuit: NoticeCircuit{State: "closed"},
		DisableAt: noticeTime(w.DisableAt()), GivesUpAt: noticeTime(n.GivesUpAt), OldestDueAt: noticeTime(n.OldestDueAt), Fix: n.fix(),
	}
	if w.Circuit.Open() {
		d.Circuit = NoticeCircuit{State: "open", Since: noticeTime(w.Circuit.Since)}
	}
	if !n.Delivery.IsZero() {
		a := &n.Attempt
		d.Delivery = &NoticeDelivery{
			ID: n.Delivery.String(), InteractionID: n.Interaction.String(), Event: string(n.Event), Attempts: a.Number,
			Failure: a.Failure.String(), Status: a.Status, Error: a.Error,
		}
	}
	return d
}

// shownURL leaves out the query of a URL: it may hold a secret, and notices go to other people than deliveries.
func shownURL(raw string) string {
	before, _, _ := strings.Cut(raw, "?")
	return before
}

// noticeTime returns a time as RFC 3339 has it; the zero time is nothing.
func noticeTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// message says in a sentence what happened, and what is so now.
func (n *Notice) message() string {
	to := shownURL(n.Webhook.Settings.URL)
	if n.Webhook.Settings.Description != "" {
		to += " (" + n.Webhook.Settings.Description + ")"
	}
	var text string
	switch n.Kind {
	case NoticeExhausted:
		text = plural(n.Count, "delivery to %s was given up", "deliveries to %s were given up")
	case NoticeFailing:
		text = n.failing()
	case NoticeCircuitOpened:
		text = "deliveries to %s are held back: its receiver fails"
		if n.Summary {
			text = "the receiver at %s failed again, " + plural(n.Count, "time", "times") + ", since the last notice"
		}
	case NoticeCircuitClosed:
		text = "deliveries to %s go out again"
		if n.Summary {
			text = "deliveries to %s went out again, " + plural(n.Count, "time", "times") + ", since the last notice"
		}
	case NoticeDisabled:
		text = "the webhook to %s was disabled by the server"
		switch n.Webhook.Disabled.For {
		case DisabledFailing:
			text += ": its receiver failed for too long"
		case DisabledGone:
			text += ": its receiver answered 410 Gone"
		case DisabledByHand:
		}
	case NoticeBacklog:
		text = "%s takes less than comes in, and what waits grows older"
	case NoticeTest:
		text = "this is a test of notices to %s"
	}
	text = fmt.Sprintf(text, to)
	if n.Kind != NoticeTest {
		text += "; now " + n.state()
	}
	return text
}

// failing says what will be lost, or done, if nobody does anything.
func (n *Notice) failing() string {
	switch at := n.Webhook.DisableAt(); {
	case n.Summary: // it may work again
		return "deliveries to %s failed and had few redeliveries left, " + plural(n.Count, "time", "times") + ", since the last notice"
	case !n.GivesUpAt.IsZero():
		return "deliveries to %s fail and will be given up, the first one not before " + noticeTime(n.GivesUpAt)
	case !at.IsZero():
		return "the receiver at %s fails, and the webhook will be disabled at " + noticeTime(at)
	default:
		return "the receiver at %s fails"
	}
}

// state says how the webhook is now, so that the last notice is never wrong about it.
func (n *Notice) state() string {
	w := n.Webhook
	switch {
	case !w.Enabled:
		return "it is disabled, and its deliveries are held"
	case w.Circuit.Open():
		return "its circuit is open since " + noticeTime(w.Circuit.Since)
	default:
		return "its circuit is closed"
	}
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}

// fix is the command to run next. It names the contact centre, unless that is the one that an admin key speaks for anyway; the ids of
// contact centres hold nothing that a shell would read as its own.
func (n *Notice) fix() string {
	id := n.Webhook.ID.String()
	if center := n.Webhook.CenterID; center != DefaultContactCenter {
		id += " --contact-center " + string(center)
	}
	switch n.Kind {
	case NoticeExhausted:
		return fmt.Sprintf("hookswitch webhooks test %s && hookswitch replay --webhook %s --from 720h --dry-run", id, id)
	case NoticeFailing, NoticeCircuitOpened:
		return "hookswitch webhooks test " + id
	case NoticeDisabled:
		return "hookswitch webhooks test " + id + " && hookswitch webhooks enable " + id
	case NoticeBacklog:
		if limit := n.Webhook.Settings.RateLimit; limit > 0 {
			return fmt.Sprintf("hookswitch webhooks update %s --rate-limit %d", id, min(2*limit, RateLimitMax))
		}
		return fmt.Sprintf("hookswitch webhooks update %s --concurrency %d", id, min(2*n.Webhook.Settings.Concurrency, ConcurrencyMax))
	case NoticeCircuitClosed, NoticeTest:
	}
	return ""
}
