package delivery

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// Test sends one signed STARTED of a made-up interaction to the webhook, or a made-up notice where it is for those, once, marked
// with Hookswitch-Test, and returns the attempt. Nothing is stored, and neither the lane nor its circuit takes part.
func (e *Engine) Test(ctx context.Context, w *hook.Webhook) hook.Attempt {
	now := time.Now()
	t, err := newTarget(w, e.options.Version)
	if err != nil {
		return hook.Attempt{Number: 1, StartedAt: now, Failure: hook.FailureRequest, Error: err.Error()}
	}
	event, err := testEvent(w, now, e.options.PublicURL)
	if err != nil {
		return hook.Attempt{Number: 1, StartedAt: now, Failure: hook.FailureRequest, Error: err.Error()}
	}
	m := &message{
		operation: event.OperationID, center: w.CenterID, body: event.Payload, attempt: 1, test: true, notice: noticeOf(event),
		trace: traceOf(event),
	}
	answer := e.options.Sender.Send(ctx, hook.Post{
		URL: t.url, Header: t.header(m, now, spanOf(m.trace, hook.DeliveryID{}, m.attempt, now)), Body: m.body, Credentials: t.credentials, Timeout: time.Duration(w.Settings.RequestTimeout),
	})
	return decide(&hook.Delivery{Event: event, Webhook: w.Number}, &w.Settings, now, &answer, 1, 0).Attempt
}

// testEvent makes up what a test sends: a STARTED or, where the webhook is for notices, a notice.
func testEvent(w *hook.Webhook, now time.Time, publicURL string) (*hook.Event, error) {
	operation := hook.OperationID{UUID: randomID()}
	if w.Settings.Serves() == hook.PurposeNotices {
		return hook.NewNoticeEvent(&hook.Notice{Kind: hook.NoticeTest, Webhook: w, At: now, Count: 1}, hook.SerialAt(now), operation, publicURL)
	}
	made := hook.Create(w.ContactCenter, hook.SerialAt(now), now, &hook.Draft{
		ID: hook.InteractionID{UUID: randomID()}, SessionID: hook.SessionID{UUID: randomID()},
		Media: interaction.MediaChat, Subtype: interaction.SubtypeInboundNew,
	})
	return hook.NewEvent(interaction.EventStarted, made, w.CenterID, hook.SerialAt(now), operation, now, publicURL), nil
}

func randomID() hook.UUID {
	var b [16]byte
	rand.Read(b[:]) // never fails: see crypto/rand
	return hook.V4(b)
}
