package console_test

import (
	"bufio"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

const livePath = "/console/cc/default/live"

var (
	interactionLink = regexp.MustCompile(`/interactions/([0-9a-f-]{36})"`)
	streamOf        = regexp.MustCompile(`data-events="([^"]+)"`)
	newerOf         = regexp.MustCompile(`href="([^"]+)">Newer<`)
)

// shown returns the ids of the interactions that a text has rows of, in its order.
func shown(text string) (ids []string) {
	for _, m := range interactionLink.FindAllStringSubmatch(text, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

// newestFirst are the ids, the last one first.
func newestFirst(ids []hook.InteractionID) (list []string) {
	for _, id := range slices.Backward(ids) {
		list = append(list, id.String())
	}
	return list
}

// linkIn returns a URL that the page has.
func linkIn(t *testing.T, a reply, which *regexp.Regexp) string {
	t.Helper()
	m := which.FindStringSubmatch(a.body)
	if m == nil {
		t.Fatalf("the page has no %v:\n%s", which, a.body)
	}
	return strings.ReplaceAll(m[1], "&amp;", "&")
}

// TestLiveWithoutScript shows the newest events as a list, newest first, and with each link to newer ones what came since: all of it, and nothing twice.
func TestLiveWithoutScript(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := newStage(t, e.Open(t))
		b := s.signedIn(0)
		b.shows(b.get(livePath), http.StatusOK, "Nothing has happened yet", "hookswitch interactions create")
		before := s.begins(interaction.MediaChat, "support", 3)
		s.readable(3)
		a := b.get(livePath)
		if diff := cmp.Diff(newestFirst(before), shown(a.body)); diff != "" {
			t.Errorf("the newest events: %s", diff)
		}
		since := s.begins(interaction.MediaChat, "support", 120)
		s.readable(123)
		a = b.get(livePath + linkIn(t, a, newerOf))
		if diff := cmp.Diff(newestFirst(since[:100]), shown(a.body)); diff != "" {
			t.Errorf("newer events: %s", diff)
		}
		a = b.get(livePath + linkIn(t, a, newerOf))
		if diff := cmp.Diff(newestFirst(since[100:]), shown(a.body)); diff != "" {
			t.Errorf("newer events again: %s", diff)
		}
		b.shows(b.get(livePath+linkIn(t, a, newerOf)), http.StatusOK, "Nothing newer")
		if got := shown(b.get(livePath).body); len(got) != 100 || got[0] != since[119].String() {
			t.Errorf("the page begins with %d events, the newest of %s", len(got), got[0])
		}
	})
}

// TestLiveFilters shows that a filter lets through what it names, that media types which may not be read are not shown, and that a filter
// that is none is told.
func TestLiveFilters(t *testing.T) {
	t.Parallel()
	s := newStage(t, storetest.Open(t))
	chats, mails := s.begins(interaction.MediaChat, "support", 2), s.begins(interaction.MediaEmail, "billing", 1)
	b := s.signedIn(0)
	for query, want := range map[string][]string{
		"media=chat": newestFirst(chats), "queue=billing": newestFirst(mails), "event=STARTED&media=email": newestFirst(mails),
		"event=FINISHED": nil, "subtype=WhatsApp": nil, "queue=%3Cscript%3E": nil,
	} {
		a := b.get(livePath + "?" + query)
		b.shows(a, http.StatusOK, ">Clear<")
		if diff := cmp.Diff(want, shown(a.body)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
		s.hides(a, "<script>", " style=")
	}
	for query, want := range map[string]string{
		"media=fax": "no such media type", "event=x": "no such event", "subtype=x": "no such subtype", "after=x": "begin with the newest",
	} {
		b.shows(b.get(livePath+"?"+query), http.StatusUnprocessableEntity, want, `role="alert"`)
		if got := b.asks(livePath+"/stream?"+query, ""); got.StatusCode != http.StatusUnprocessableEntity { //nolint:bodyclose // asks closes it
			t.Errorf("the stream of %s answers %d", query, got.StatusCode)
		}
	}
	some := s.signedIn(s.center, hook.PermitEventsRead, hook.PermitInteractionsReadEmail)
	if diff := cmp.Diff(newestFirst(mails), shown(some.get(livePath).body)); diff != "" {
		t.Errorf("who may read e-mails alone: %s", diff)
	}
	a := s.signedIn(s.center, hook.PermitEventsRead).get(livePath)
	b.shows(a, http.StatusOK, "it may read none")
	if got := shown(a.body); len(got) > 0 {
		t.Errorf("who may read no interactions is shown %v", got)
	}
	for _, path := range []string{livePath, livePath + "/stream"} {
		if a := s.signedIn(s.center, hook.PermitDeliveries).get(path); a.status != http.StatusForbidden {
			t.Errorf("who may not read events gets %d", a.status)
		}
	}
}

// message is one server-sent event.
type message struct{ id, event, data string }

// asks opens the stream.
func (b *browser) asks(path, last string) *http.Response {
	b.tb.Helper()
	r, err := http.NewRequestWithContext(b.tb.Context(), http.MethodGet, b.url+path, http.NoBody)
	if err != nil {
		b.tb.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.tb.Fatal(err)
	}
	b.tb.Cleanup(func() { _ = resp.Body.Close() }) // the test has read what it wanted
	return resp
}

// listens opens the stream, as a browser does that has seen the events up to a cursor, and returns a function that waits for the next message.
func (b *browser) listens(t *testing.T, path, last string) (next func() message) {
	t.Helper()
	resp := b.asks(path, last) //nolint:bodyclose // asks closes it
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("the stream answers %d %s", resp.StatusCode, got)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	return func() (m message) {
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				m.id = value
			case "event":
				m.event = value
			case "data":
				m.data += value + "\n"
			case "":
				if m.event != "" || m.id != "" {
					return m
				}
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return m
	}
}

// rowsFrom reads messages until so many rows have come, and returns the interactions in the order in which they came, and the last cursor.
func rowsFrom(next func() message, count int) (ids []string, last string) {
	for len(ids) < count {
		m := next()
		some := shown(m.data)
		slices.Reverse(some) // a message has the newest first
		ids, last = append(ids, some...), m.id
	}
	return ids, last
}

// TestLiveStream shows that events come as they happen, in their order, and that a connection that breaks goes on behind the last message:
// nothing is lost and nothing comes twice, also where a filter has let nothing through for a while.
func TestLiveStream(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := newStage(t, e.Open(t))
		b := s.signedIn(0)
		s.begins(interaction.MediaChat, "support", 2) // which the page shows already
		s.readable(2)
		path := linkIn(t, b.get(livePath+"?media=chat"), streamOf)
		next := b.listens(t, path, "")
		var want []string
		begin := func(count int) {
			s.begins(interaction.MediaEmail, "support", 1)
			for _, id := range s.begins(interaction.MediaChat, "support", count) {
				want = append(want, id.String())
			}
		}
		begin(3)
		got, last := rowsFrom(next, 3)
		begin(2)
		again, last := rowsFrom(b.listens(t, path, last), 2)
		got = append(got, again...)
		begin(250) // more than one message
		again, _ = rowsFrom(b.listens(t, path, last), 250)
		if diff := cmp.Diff(want, append(got, again...)); diff != "" {
			t.Errorf("the rows: %s", diff)
		}
	})
}

// TestLiveStreamEndsWithItsKey shows that a page is live for as long as its key may read events.
func TestLiveStreamEndsWithItsKey(t *testing.T) {
	t.Parallel()
	s := newStage(t, storetest.Open(t))
	b := s.signedIn(s.center, hook.PermitEventsRead, hook.PermitInteractionsRead)
	path := linkIn(t, b.get(livePath), streamOf)
	next := b.listens(t, path, "")
	want := newestFirst(s.begins(interaction.MediaChat, "support", 1))
	if got, _ := rowsFrom(next, 1); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("the rows are %v, want %v", got, want)
	}
	s.disableKeys()
	s.begins(interaction.MediaChat, "support", 1)
	if m := next(); m.event != "gone" {
		t.Errorf("the stream goes on with %+v", m)
	}
}

// TestLiveStreamLeavesOut shows that a page which is far behind goes on at the end, and is told that something was left out.
func TestLiveStreamLeavesOut(t *testing.T) {
	t.Parallel()
	s := newStage(t, storetest.Open(t))
	b := s.signedIn(0)
	path := linkIn(t, b.get(livePath+"?media=chat"), streamOf) // from the beginning
	const before = 5_600
	for range before / 700 {
		s.floods(700)
	}
	next := b.listens(t, path, "")
	rows := 0
	var m message
	for m = next(); m.event == "rows"; m = next() {
		rows += len(shown(m.data))
	}
	if m.event != "skipped" || rows != 5_000 {
		t.Fatalf("after %d rows comes %+v", rows, m)
	}
	want := newestFirst(s.begins(interaction.MediaChat, "support", 1))
	if m = next(); fmt.Sprint(shown(m.data)) != fmt.Sprint(want) {
		t.Errorf("it goes on with %v, want %v", shown(m.data), want)
	}
}
