package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// A hearing notes which node was told to create and to stop which interaction.
type hearing struct {
	mu               sync.Mutex // guards both maps
	created, stopped map[string]int
}

func (h *hearing) node(number int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if id, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v1/interactions/"), "/stop"); ok {
			h.stopped[id] = number
			return
		}
		_, rest, _ := strings.Cut(string(body), `"id":"`)
		h.created[rest[:identBytes]] = number
		w.WriteHeader(http.StatusCreated)
	})
}

func TestConnectionsAreSpreadOverTheNodesAndInteractionsStopOnAnotherOne(t *testing.T) {
	for name, nodes := range map[string]int{"one node": 1, "two nodes": 2, "three nodes": 3} {
		t.Run(name, func(t *testing.T) {
			h := &hearing{created: map[string]int{}, stopped: map[string]int{}}
			var addresses []string
			for n := range nodes {
				srv := httptest.NewServer(h.node(n))
				t.Cleanup(srv.Close)
				addresses = append(addresses, srv.Listener.Addr().String())
			}
			l := load{Kind: singleLoad, Addresses: addresses, Trial: 1, Order: scattered, Conns: 6, Share: 0.5, Lag: 12}
			g, err := newGenerator(t.Context(), l, testLedger(t))
			if err != nil {
				t.Fatal(err)
			}
			defer g.close()
			const events = 1200
			if sent := g.send(t.Context(), pace{Events: events}); sent.Acknowledged != events {
				t.Fatalf("got %+v", sent)
			}
			at := make([]int, nodes)
			for _, n := range h.created {
				at[n]++
			}
			for n, count := range at {
				if count == 0 {
					t.Errorf("node %d was told to create nothing", n)
				}
			}
			if len(h.stopped) == 0 {
				t.Fatal("nothing was stopped")
			}
			for id, stoppedAt := range h.stopped {
				if want := (h.created[id] + 1) % nodes; stoppedAt != want {
					t.Fatalf("%s was created on node %d and stopped on %d, want %d", id, h.created[id], stoppedAt, want)
				}
			}
		})
	}
}

func TestLoadWithoutAnAddressIsRefused(t *testing.T) {
	if _, err := newGenerator(t.Context(), load{Kind: singleLoad, Conns: 1}, nil); err == nil {
		t.Error("it was taken")
	}
}
