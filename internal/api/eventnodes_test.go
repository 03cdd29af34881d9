package api_test

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/api"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// serveStore is a server on a store that is open.
func serveStore(t *testing.T, s *store.Store) *harness {
	t.Helper()
	server := api.New(api.Options{Store: s, PublicURL: storetest.PublicURL, Version: "v0.0.0-test"})
	return &harness{tb: t, store: s, server: server, handler: server.Handler()}
}

// TestStreamOfAnotherNode streams on one node what another one commits, in order and once, and goes on there after the first one
// has ended; a long poll on a node hears of it, too.
func TestStreamOfAnotherNode(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		first := e.Open(t)
		if !e.Shared {
			return // there is no other node
		}
		if err := first.SetAdminKey(t.Context(), time.Now(), sha256.Sum256([]byte(adminKey))); err != nil {
			t.Fatal(err)
		}
		a, b := serveStore(t, first.Store), serveStore(t, first.Join(t).Store)
		next, ended := a.stream(t.Context(), "/v1/events?after=latest")
		greeting, _ := next(), next()
		cursor := strings.TrimPrefix(greeting, "retry: 2000\nid: ")
		read := func(next func() string, want ...string) {
			t.Helper()
			for _, kind := range want {
				event := next()
				for event == ":" { // nothing for a while
					event = next()
				}
				id, rest, _ := strings.Cut(event, "\n")
				if !strings.HasPrefix(rest, "event: "+kind+"\n") {
					t.Fatalf("event %q, want %s", event, kind)
				}
				cursor = strings.TrimPrefix(id, "id: ")
			}
		}
		answered := a.later("/v1/events?wait=60s&after=" + cursor)
		made := text(b.must(201, "POST", "/v1/interactions", queued), "id")
		if r := <-answered; !strings.Contains(string(r.body), made) {
			t.Errorf("a long poll: %d %s", r.status, r.body)
		}
		b.must(200, "POST", "/v1/interactions/"+made+"/stop", `{"by":"workflow"}`)
		read(next, "STARTED", "FINISHED")
		a.server.Drain()
		<-ended
		b.must(201, "POST", "/v1/interactions", queued)
		next, ended = b.stream(t.Context(), "/v1/events?after=latest", "Last-Event-ID", cursor)
		next()
		read(next, "STARTED")
		b.server.Drain()
		<-ended
	})
}
