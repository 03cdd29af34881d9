package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

const (
	typeEventStream = "text/event-stream"
	// eventsWaitMax bounds a long poll.
	eventsWaitMax = 60 * time.Second
	// waitersMax bounds how many requests may wait for events at a time.
	waitersMax = 1_024
	// lookEvery bounds how often a waiting request looks into the store: commits are many, and most are other callers'.
	lookEvery = 50 * time.Millisecond
	// crowdLeast is from how many waiting requests on they look together, so that they can share what is read.
	crowdLeast = 16
	// heartbeatEvery is how often an idle stream says that it is alive, so that no proxy cuts it.
	heartbeatEvery = 15 * time.Second
	// streamRetry is how long the reader of a stream that ended is asked to wait before it connects again.
	streamRetry = 2 * time.Second
	// streamWriteMax bounds how long a stream's reader may keep one write waiting.
	streamWriteMax = 30 * time.Second
)

// Event is one event, as it is read.
type Event struct {
	Cursor      string           `json:"cursor" doc:"Give it as after to go on behind this event."`
	OperationID hook.OperationID `json:"operationId" format:"uuid"`
	Event       EventKind        `json:"event"`
	OccurredAt  instant          `json:"occurredAt"`
	Interaction Interaction      `json:"interaction" doc:"As it is now, not as it was when the event happened."`
}

// EventList is a part of the events.
type EventList struct {
	Items      []Event `json:"items" nullable:"false"`
	NextCursor string  `json:"nextCursor" doc:"Give it as after to go on; always there, because there will be more."`
}

func (s *Server) showEvent(e *store.EventRecord, center hook.ContactCenterID) Event {
	return Event{
		Cursor: e.Cursor, OperationID: e.Event.OperationID, Event: EventKind(e.Event.Kind), OccurredAt: instant{e.Event.OccurredAt},
		Interaction: s.showInteraction(e.Interaction, center),
	}
}

type listEventsInput struct {
	request
	After string `query:"after" maxLength:"512" doc:"A cursor: what came after it. Absent: from the beginning of what is kept. latest: what comes after now; the answer has a cursor to go on from."`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many items at most."`
	Wait  string `query:"wait" example:"30s" doc:"How long to wait for an event when there is none yet: a duration up to 60s."`
	// LastEventID is what a browser's EventSource sends when it connects again.
	LastEventID string `header:"Last-Event-ID" maxLength:"512" doc:"For streams: as after, and stronger."`
	wait        time.Duration
}

// Resolve reads the wait.
func (in *listEventsInput) Resolve(ctx huma.Context) []error {
	wrong := in.request.Resolve(ctx)
	if in.Wait == "" {
		return wrong
	}
	var d hook.Duration
	if err := d.UnmarshalText([]byte(in.Wait)); err != nil || d < 0 || d > hook.Duration(eventsWaitMax) {
		return append(wrong, &fault{Field: "query.wait", Message: "must be a duration up to 60s, such as 30s", Value: in.Wait})
	}
	in.wait = time.Duration(d)
	return wrong
}

func rowListEvents() row {
	return row{
		id: "listEvents", tag: "events", needs: hook.PermitEventsRead, summary: "Read events in the order in which they were committed",
		about: "In one order for all readers, in which nothing ever appears behind a cursor that was given: keep the last nextCursor, and nothing is " +
			"missed that is still kept. An event that was removed since is passed over. With wait, the answer comes as soon as there is an event. With Accept: text/event-stream the answer is an endless stream of " +
			"server-sent events: id is the cursor, event the kind, data the item; limit and wait are for the list only, the stream has no end, and Last-Event-ID goes on with it. " +
			"Either way the interaction is shown as it is now, not as it was when the event happened.",
		status: http.StatusOK, answer: EventList{}, also: alternative{types: map[string]*huma.Schema{typeEventStream: {Type: huma.TypeString}}},
		errors: []int{http.StatusTooManyRequests},
	}
}

func (s *Server) listEvents(ctx context.Context, in *listEventsInput) (*answer, error) {
	if strings.Contains(in.r.Header.Get("Accept"), typeEventStream) {
		return s.streamEvents(ctx, in)
	}
	found, next, err := s.waitForEvents(ctx, in)
	if err != nil {
		return nil, err
	}
	list := EventList{Items: make([]Event, len(found)), NextCursor: next}
	for i := range found {
		list.Items[i] = s.showEvent(&found[i], in.center.ID)
	}
	return done(http.StatusOK, list)
}

// events reads what came after a cursor, which the caller gave as the named parameter.
func (s *Server) events(ctx context.Context, c *call, after string, limit int, parameter string) ([]store.EventRecord, string, error) {
	found, next, err := s.store.Events(ctx, c.center.Number, after, limit)
	if errors.Is(err, hook.ErrBadID) {
		return nil, "", badCursor(parameter)
	}
	return found, next, err
}

// waitForEvents reads events, and waits for the first when there is none.
func (s *Server) waitForEvents(ctx context.Context, in *listEventsInput) ([]store.EventRecord, string, error) {
	if in.wait == 0 {
		return s.events(ctx, in.call, in.After, in.Limit, "query.after")
	}
	watch := s.store.WatchEvents(in.center.Number)
	defer watch.Close()
	arrived := watch.Arrived() // asked for before the look, so that nothing arrives unseen in between
	found, next, err := s.events(ctx, in.call, in.After, in.Limit, "query.after")
	if err != nil || len(found) > 0 {
		return found, next, err
	}
	leave, err := s.waits.enter()
	if err != nil {
		return nil, "", err
	}
	defer leave()
	in.giveUpPlace()
	over := time.NewTimer(in.wait)
	defer over.Stop()
	for len(found) == 0 && s.waits.until(ctx, arrived, over.C) {
		arrived = watch.Arrived()
		if found, next, err = s.events(ctx, in.call, next, in.Limit, "query.after"); err != nil {
			return nil, "", err
		}
	}
	if err := in.renew(); err != nil { // who waited may have been ended meanwhile
		return nil, "", err
	}
	return found, next, nil
}

// enter counts a request that waits; leave ends its count.
func (w *waits) enter() (leave func(), err error) {
	if w.count.Add(1) > waitersMax {
		w.count.Add(-1)
		return nil, newProblem(http.StatusTooManyRequests, "too many requests wait for events").with("Retry-After", retryAfterSeconds)
	}
	return func() { w.count.Add(-1) }, nil
}

// until waits for news, and then a moment for more of it; false means that the wait is over without any: the time is up,
// the caller is gone or the server is draining.
func (w *waits) until(ctx context.Context, arrived <-chan struct{}, over <-chan time.Time) bool {
	asked := time.Now()
	select {
	case <-arrived:
	case <-over:
		return false
	case <-ctx.Done():
		return false
	case <-w.draining:
		return false
	}
	pause := time.NewTimer(w.pauseAfter(asked))
	defer pause.Stop()
	select {
	case <-pause.C: // at once, where the last look was long ago
		return true
	case <-ctx.Done():
		return false
	case <-w.draining:
		return false
	}
}

// pauseAfter is how long somebody waits before the next look, who has looked at a time. In a crowd all look at the same times.
func (w *waits) pauseAfter(looked time.Time) time.Duration {
	if w.count.Load() < crowdLeast {
		return lookEvery - time.Since(looked)
	}
	return lookEvery - time.Since(w.began)%lookEvery
}

// streamEvents answers with server-sent events (WHATWG HTML, section 9.2) until the caller goes, or may read them no more, or the server
// drains.
func (s *Server) streamEvents(ctx context.Context, in *listEventsInput) (*answer, error) {
	after, parameter := in.After, "query.after"
	if in.LastEventID != "" {
		after, parameter = in.LastEventID, "header.Last-Event-ID"
	}
	// A wrong cursor is told before the stream begins.
	first := s.waits.pages.get(ctx, pageKey{in.center.Number, after, streamBatch})
	switch {
	case errors.Is(first.err, hook.ErrBadID):
		return nil, badCursor(parameter)
	case first.err != nil:
		return nil, first.err
	}
	leave, err := s.waits.enter()
	if err != nil {
		return nil, err
	}
	in.giveUpPlace()
	return &answer{stream: func(c *call) {
		defer leave()
		watch := s.store.WatchEvents(in.center.Number)
		defer watch.Close()
		st := &stream{call: c, out: http.NewResponseController(c), watch: watch}
		st.begin()
		if err := st.run(ctx, first); err != nil && ctx.Err() == nil {
			// The status is sent already: the stream ends, and the caller comes back with the last cursor.
			s.log.LogAttrs(ctx, slog.LevelWarn, "event stream broke", slog.Any("error", err))
		}
	}}, nil
}

// stream is one answer of server-sent events.
type stream struct {
	*call
	out   *http.ResponseController
	watch *store.EventWatch
}

func (st *stream) begin() {
	st.Header().Set("Content-Type", typeEventStream)
	st.Header().Set("X-Accel-Buffering", "no") // asks nginx, which would hold events back, to pass them on
	st.WriteHeader(http.StatusOK)
}

func (st *stream) run(ctx context.Context, page eventPage) error {
	s, limit := st.server, streamBatch
	// The cursor comes first, so that a reader whose stream breaks before there was an event goes on from here, too.
	first := page.next
	if page.events > 0 {
		first = ""
	}
	if err := st.greet(first); err != nil {
		return err
	}
	for {
		if !st.mayGoOn() { // it comes back and is told why
			return nil
		}
		if err := st.write(page.text); err != nil {
			return err
		}
		limit = page.limitAfter(limit)
		arrived := st.watch.Arrived()
		page = s.waits.pages.get(ctx, pageKey{st.center.Number, page.next, limit})
		for beat := time.NewTimer(heartbeatEvery); page.err == nil && page.events == 0 && s.waits.until(ctx, arrived, beat.C); {
			arrived = st.watch.Arrived()
			page = s.waits.pages.get(ctx, pageKey{st.center.Number, page.next, limit})
		}
		if page.err != nil {
			return page.err
		}
		if s.waits.over(ctx) {
			return nil
		}
	}
}

// over reports whether the caller is gone or the server is draining.
func (w *waits) over(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	case <-w.draining:
		return true
	default:
		return false
	}
}

// greet says when to connect again and, where there is no event that has one, the cursor to go on from.
func (st *stream) greet(cursor string) error {
	text := fmt.Sprintf("retry: %d\n", streamRetry.Milliseconds())
	if cursor != "" {
		text += "id: " + cursor + "\n"
	}
	return st.send([]byte(text + "\n"))
}

// write writes events, or a comment where there are none.
func (st *stream) write(text []byte) error {
	if len(text) == 0 {
		text = []byte(":\n\n")
	}
	return st.send(text)
}

// send writes and flushes. A reader that is too slow keeps one write waiting for a bounded time, and nothing else in memory.
func (st *stream) send(text []byte) error {
	if err := st.out.SetWriteDeadline(time.Now().Add(streamWriteMax)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("bound write: %w", err)
	}
	if _, err := st.Write(text); err != nil {
		return err
	}
	return st.out.Flush()
}
