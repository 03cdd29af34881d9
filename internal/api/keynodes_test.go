package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hookswitch/hookswitch/internal/api"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// A key that another node has just made is let in at once; beyond the limit of its address, nothing is looked for in the database.
func TestKeysOfOtherNodes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		if !e.Shared {
			return
		}
		first := e.Open(t)
		h := startOn(t, first.Store)
		other, err := store.Open(t.Context(), store.Options{Sealer: sealtest.Keyset(), Database: first.Database(), PublicURL: publicURL}) // it does not run, so that it looks when it is asked to
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := other.Close(); err != nil {
				t.Error(err)
			}
		})
		server := api.New(api.Options{Store: other, PublicURL: publicURL})
		there := &harness{tb: t, store: other, server: server, handler: server.Handler()}
		send := func(key, address string) int {
			r := httptest.NewRequest(http.MethodGet, "/v1/webhooks", nil)
			r.RemoteAddr = address
			r.Header.Set("x-api-key", key)
			return there.do(r).status
		}
		for i := range 20 {
			send(fmt.Sprint("wrong ", i), "192.0.2.9:1")
		}
		_, key := h.newKey("default", "webhooks")
		if got := send(key, "192.0.2.9:1"); got != http.StatusTooManyRequests {
			t.Errorf("beyond the limit: %d", got)
		}
		if got := send(key, "192.0.2.10:1"); got != http.StatusOK {
			t.Errorf("within it: %d", got)
		}
		if got := send(key, "192.0.2.9:1"); got != http.StatusOK {
			t.Errorf("beyond it, known by now: %d", got)
		}
	})
}
