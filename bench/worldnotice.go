package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// eventsPerNotice is how many events there are for each notice, and eventsPerChange for each change by people: of webhooks, all by one key.
	eventsPerNotice, eventsPerChange = 1_000, 30
	noticeStream                     = 16
	// smallCounter is in the serials of what is no event, so that they are none of an event's.
	smallCounter hook.Serial = 7
)

// noticeRows are what operators were told; nobody was there to be told. None is about the webhook that is looked for.
func (w *world) noticeRows(yield func([]any) bool) {
	kinds := []hook.NoticeKind{hook.NoticeExhausted, hook.NoticeCircuitOpened, hook.NoticeCircuitClosed, hook.NoticeFailing}
	about := &hook.Webhook{ContactCenter: hook.ContactCenterNumber(w.center), CenterID: "default", Enabled: true, Settings: hook.Settings{URL: "http://127.0.0.1:9/"}}
	for n := range w.events / eventsPerNotice {
		at := w.at(n * eventsPerNotice)
		serial := hook.SerialAt(at) + smallCounter*hook.SlotsMax
		kind := n % int64(len(kinds))
		told := &hook.Notice{Kind: kinds[kind], Webhook: about, At: at, Count: 1 + n%5}
		e, err := hook.NewNoticeEvent(told, serial, hook.OperationID{UUID: uuidOf(n, noticeStream)}, publicURL)
		if err != nil {
			return // it is made of texts and times alone
		}
		number := int64(3) // of the kind of an event that is a notice, see package store
		if !yield([]any{w.center, int64(serial), int64(0), number, e.OperationID.UUID, at.UnixMilli(), e.Payload}) {
			return
		}
	}
}

// auditRows are what people have changed.
func (w *world) auditRows(yield func([]any) bool) {
	settings := `{"id":"0198f1c2-0000-7000-8000-000000000000","url":"https://receiver.example/hooks","enabled":true,"retry":{"attempts":10}}`
	for n := range w.events / eventsPerChange {
		at := w.at(n * eventsPerChange)
		if !yield([]any{
			w.center, int64(hook.SerialAt(at) + smallCounter*hook.SlotsMax), at.UnixMilli(), "key operators (0198f1c2)", "webhook.update",
			uuidOf(n%1_000, noticeStream).String(), settings, settings,
		}) {
			return
		}
	}
}

// makeFew makes by the API what a contact centre has few of: a key, and a replay of a webhook, which ends at once while there is nothing.
func (l *listing) makeFew(ctx context.Context) error {
	for path, body := range map[string]map[string]any{
		"/v1/keys":    {"name": "the pages' key", "permissions": []string{"interactions:read"}},
		"/v1/replays": {"webhookId": l.hooks[0], "from": "2020-01-01T00:00:00Z", "dryRun": true},
	} {
		if err := l.fleet.nodes[0].call(ctx, http.MethodPost, path, body, nil); err != nil {
			return fmt.Errorf("make one of %s: %w", path, err)
		}
	}
	return nil
}
