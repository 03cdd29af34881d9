package api_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/internal/api"
)

const queued = `{"mediaType":"chat","subtype":"SMS","queue":"q"}`

// later sends a request from another goroutine.
func (h *harness) later(path string) <-chan reply {
	answered := make(chan reply, 1)
	go func() { answered <- h.call("GET", path, "") }()
	return answered
}

func TestLongPollEndsWithTheFirstEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		begun := time.Now()
		answered := h.later("/v1/events?wait=60s")
		synctest.Wait()
		h.must(201, "POST", "/v1/contact-centers", `{"id":"other"}`)
		h.must(201, "POST", "/v1/interactions", queued, "x-ccid", "other") // another contact centre's event wakes and shows nothing
		h.must(201, "POST", "/v1/interactions", `{"mediaType":"chat","subtype":"SMS"}`)
		synctest.Wait()
		select {
		case r := <-answered:
			t.Fatalf("answered without an event: %s", r.body)
		default:
		}
		made := h.must(201, "POST", "/v1/interactions", queued)
		got := (<-answered).object(t)
		if text(got, "items", 0, "interaction", "id") != text(made, "id") || text(got, "items", 0, "event") != "STARTED" {
			t.Errorf("got %v", got)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestLongPollEndsWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		begun := time.Now()
		got := h.must(200, "GET", "/v1/events?wait=60s", "")
		if took := time.Since(begun); took != 60*time.Second || len(items(got, "items")) != 0 || text(got, "nextCursor") == "" {
			t.Errorf("after %v: %v", took, got)
		}
		h.must(201, "POST", "/v1/interactions", queued)
		if next := h.must(200, "GET", "/v1/events?after="+text(got, "nextCursor"), ""); len(items(next, "items")) != 1 {
			t.Errorf("the cursor of an empty answer does not go on: %v", next)
		}
	})
}

func TestLongPollEndsWithDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		answered := h.later("/v1/events?wait=60s")
		synctest.Wait()
		begun := time.Now()
		h.server.Drain()
		if r := <-answered; r.status != 200 || time.Since(begun) > time.Second {
			t.Errorf("after %v: %d %s", time.Since(begun), r.status, r.body)
		}
	})
}

func TestTooManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		var waiting []<-chan reply
		for range 1024 {
			waiting = append(waiting, h.later("/v1/events?wait=60s"))
		}
		synctest.Wait()
		r := h.call("GET", "/v1/events?wait=1s", "")
		if r.status != 429 || r.header.Get("Retry-After") == "" {
			t.Errorf("%d %v", r.status, r.header)
		}
		h.server.Drain()
		for _, w := range waiting {
			if r := <-w; r.status != 200 {
				t.Errorf("%d %s", r.status, r.body)
			}
		}
		h.must(200, "GET", "/v1/events?wait=1s", "")
	})
}

// live is a ResponseWriter whose body is read while it is written.
type live struct {
	*io.PipeWriter
	header http.Header
	status chan int
}

func (l *live) Header() http.Header    { return l.header }
func (l *live) WriteHeader(status int) { l.status <- status }
func (l *live) Flush()                 {}

// stream opens an event stream; the returned function reads one event or comment, blank line excluded.
func (h *harness) stream(ctx context.Context, path string, header ...string) (next func() string, ended <-chan struct{}) {
	r := httptest.NewRequestWithContext(ctx, "GET", path, nil)
	r.Header.Set("x-api-key", adminKey)
	r.Header.Set("Accept", "text/event-stream")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	in, out := io.Pipe()
	w := &live{out, http.Header{}, make(chan int, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.handler.ServeHTTP(w, r)
		_ = out.Close() // never fails
	}()
	if status := <-w.status; status != 200 || w.header.Get("Content-Type") != "text/event-stream" {
		h.tb.Fatalf("status %d, %v", status, w.header)
	}
	lines := bufio.NewScanner(in)
	return func() string {
		var event []string
		for lines.Scan() && lines.Text() != "" {
			event = append(event, lines.Text())
		}
		return strings.Join(event, "\n")
	}, done
}

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		first := text(h.must(201, "POST", "/v1/interactions", queued), "id")
		ctx, leave := context.WithCancel(t.Context())
		next, ended := h.stream(ctx, "/v1/events")
		if greeting := next(); greeting != "retry: 2000" {
			t.Errorf("the stream begins with %q", greeting)
		}
		event := next()
		id, rest, _ := strings.Cut(event, "\n")
		if !strings.HasPrefix(id, "id: ") || !strings.HasPrefix(rest, "event: STARTED\ndata: {") || !strings.Contains(rest, first) {
			t.Errorf("event %q", event)
		}
		h.must(200, "POST", "/v1/interactions/"+first+"/stop", `{"by":"workflow"}`)
		if event := next(); !strings.Contains(event, "event: FINISHED\n") {
			t.Errorf("event %q", event)
		}
		begun := time.Now()
		if beat := next(); beat != ":" || time.Since(begun) != 15*time.Second {
			t.Errorf("heartbeat %q after %v", beat, time.Since(begun))
		}
		leave()
		<-ended

		next, ended = h.stream(t.Context(), "/v1/events?after=ignored!", "Last-Event-ID", strings.TrimPrefix(id, "id: "))
		next()
		if event := next(); !strings.Contains(event, "event: FINISHED\n") {
			t.Errorf("after Last-Event-ID: %q", event)
		}
		h.server.Drain()
		<-ended
	})
}

// TestStreamOfAQuietCentreBeats keeps the heartbeat going while other contact centres are busy.
func TestStreamOfAQuietCentreBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.must(201, "POST", "/v1/contact-centers", `{"id":"busy"}`)
		next, ended := h.stream(t.Context(), "/v1/events")
		if greeting := next(); !strings.HasPrefix(greeting, "retry: 2000\nid: ") {
			t.Errorf("an empty stream begins with %q: there is no cursor to go on from", greeting)
		}
		if first := next(); first != ":" {
			t.Errorf("an empty stream begins with %q", first)
		}
		begun := time.Now()
		ctx, stop := context.WithCancel(t.Context())
		busy := make(chan struct{})
		go func() {
			defer close(busy)
			for tick := time.NewTicker(time.Second); ; {
				select {
				case <-tick.C:
					h.must(201, "POST", "/v1/interactions", queued, "x-ccid", "busy")
				case <-ctx.Done():
					tick.Stop()
					return
				}
			}
		}()
		if beat := next(); beat != ":" || time.Since(begun) > 16*time.Second {
			t.Errorf("%q after %v", beat, time.Since(begun))
		}
		stop()
		<-busy
		h.server.Drain()
		<-ended
	})
}

// TestEventsRefuseAWrongCursor says where it is, also before a stream begins.
func TestEventsRefuseAWrongCursor(t *testing.T) {
	h := start(t)
	for path, header := range map[string][]string{
		"/v1/events?after=nope!":                nil,
		"/v1/events?after=nope!&wait=60s":       nil,
		"/v1/events?after=Latest":               nil,
		"/v1/events?after=nope!&limit=200":      {"Accept", "text/event-stream"},
		"/v1/events?after=&limit=1":             {"Accept", "text/event-stream", "Last-Event-ID", "nope!"},
		"/v1/events?after=latest":               {"Accept", "text/event-stream", "Last-Event-ID", "nope!"},
		"/v1/events?after=AAAAAAAAAAAAAAAAAAAA": nil,
	} {
		where := "query.after"
		if len(header) > 2 {
			where = "header.Last-Event-ID"
		}
		r := h.call("GET", path, "", header...)
		if _, named := r.wrong(t)[where]; !named || r.status != 422 {
			t.Errorf("%s %v: %d %s", path, header, r.status, r.body)
		}
	}
}

// TestEventsFromTheEnd begins with what comes after the request, by list, by long poll and by stream, and goes on from there.
func TestEventsFromTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.must(201, "POST", "/v1/interactions", queued)
		end := h.must(200, "GET", "/v1/events?after=latest", "")
		if len(items(end, "items")) != 0 {
			t.Errorf("the end is not the end: %v", end)
		}
		answered := h.later("/v1/events?after=latest&wait=60s")
		next, ended := h.stream(t.Context(), "/v1/events?after=latest")
		greeting, _ := next(), next()
		if want := "retry: 2000\nid: " + text(end, "nextCursor"); greeting != want {
			t.Errorf("the stream begins with %q, want %q", greeting, want)
		}
		synctest.Wait()
		id := text(h.must(201, "POST", "/v1/interactions", queued), "id")
		if got := (<-answered).object(t); len(items(got, "items")) != 1 || text(got, "items", 0, "interaction", "id") != id {
			t.Errorf("after a wait: %v", got)
		}
		if event := next(); !strings.Contains(event, id) {
			t.Errorf("the stream goes on with %q", event)
		}
		if got := h.must(200, "GET", "/v1/events?after="+text(end, "nextCursor"), ""); text(got, "items", 0, "interaction", "id") != id {
			t.Errorf("after its cursor: %v", got)
		}
		h.server.Drain()
		<-ended
	})
}

// TestReconcile finds what was begun long ago and never stopped.
func TestReconcile(t *testing.T) {
	now := time.Now()
	h := start(t, func(o *api.Options) { o.Now = func() time.Time { return now } })
	old := text(h.must(201, "POST", "/v1/interactions", queued), "id")
	ended := text(h.must(201, "POST", "/v1/interactions", queued), "id")
	h.must(200, "POST", "/v1/interactions/"+ended+"/stop", `{"by":"workflow"}`)
	now = now.Add(time.Hour)
	h.must(201, "POST", "/v1/interactions", queued)
	for path, want := range map[string]int{
		"/v1/interactions?state=open&olderThan=59m":    1,
		"/v1/interactions?state=open&olderThan=3601s":  0,
		"/v1/interactions?state=open":                  2,
		"/v1/interactions?olderThan=30m":               2,
		"/v1/interactions?state=STOPPED&olderThan=30m": 1,
	} {
		got := h.must(200, "GET", path, "")
		if n := len(items(got, "items")); n != want || want == 1 && strings.Contains(path, "open") && text(got, "items", 0, "id") != old {
			t.Errorf("%s: %d interactions, want %d: %v", path, n, want, got)
		}
	}
}
