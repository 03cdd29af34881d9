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

func TestStreamRefusesAWrongCursor(t *testing.T) {
	h := start(t)
	if _, named := h.call("GET", "/v1/events?after=nope!", "", "Accept", "text/event-stream").wrong(t)["query.after"]; !named {
		t.Error("query.after is not named")
	}
	if _, named := h.call("GET", "/v1/events", "", "Accept", "text/event-stream", "Last-Event-ID", "nope!").wrong(t)["header.Last-Event-ID"]; !named {
		t.Error("header.Last-Event-ID is not named")
	}
}
