package store_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookswitch/hookswitch/internal/api"
	engine "github.com/hookswitch/hookswitch/internal/delivery"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// aggregate matches what makes a database look at all rows to answer about them.
var aggregate = regexp.MustCompile(`(?i)\b(count|sum|avg|total)\s*\(`)

// watched collects the statements that a store executes while it is told to.
type watched struct {
	mu         sync.Mutex // guards both below
	on         bool
	statements []string
}

func (w *watched) spy() *store.Spy {
	return &store.Spy{Statement: func(text string, _ []any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.on {
			w.statements = append(w.statements, text)
		}
	}}
}

// during returns what was executed while f ran.
func (w *watched) during(f func()) []string {
	w.mu.Lock()
	w.on, w.statements = true, nil
	w.mu.Unlock()
	f()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on = false
	return w.statements
}

// untested answers no test.
type untested struct{}

func (untested) Test(context.Context, *hook.Webhook) hook.Attempt { return hook.Attempt{} }

// served is the API on a store that is watched, with every metric that a node has.
func served(t *testing.T, s *storetest.Opened, r *prometheus.Registry) func(path string) *httptest.ResponseRecorder {
	t.Helper()
	const key = "the-admin-key-of-this-test"
	must(t, s.SetAdminKey(t.Context(), moment(), sha256.Sum256([]byte(key))))
	engine.New(engine.Options{Queue: s.Store, Metrics: r, MetricsWebhooks: 10})
	handler := api.New(api.Options{Store: s.Store, Tester: untested{}, PublicURL: storetest.PublicURL, Metrics: r}).Handler()
	return func(path string) *httptest.ResponseRecorder {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second) // for streams, which have no end
		defer cancel()
		w := httptest.NewRecorder()
		req := httptest.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody)
		req.Header.Set("X-Api-Key", key)
		handler.ServeHTTP(w, req)
		return w
	}
}

// No GET of the API counts or sums rows, and a scrape of the metrics makes no statement at all: what is shown as a number is
// kept as things happen. The routes are those of the API's own document, so that a new one is asked too.
func TestReadingCountsNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		statements, l := new(watched), &lane{room: true}
		r := prometheus.NewRegistry()
		s := e.Open(t, l.option(), storetest.With(func(o *store.Options) { o.Metrics = r }),
			storetest.Before(func(s *store.Store) { s.Watch(statements.spy()) }))
		get := served(t, s, r)
		now := moment()
		hooked := webhook(t, s, theCenter)
		id := newInteraction()
		i := change(t, s, now, create(id, "q"), stop(id))
		taken := l.all()
		record(t, s, now, exhausts(taken[0], now))
		known := map[string]string{
			"/v1/interactions/{id}":    id.String(),
			"/v1/webhooks/{id}":        hooked.ID.String(),
			"/v1/deliveries/{id}":      taken[0].ID().String(),
			"/v1/contact-centers/{id}": "default",
		}
		const report = "/v1/contact-centers/{id}/retention/report" // is asked to count, and does so by keys, of few interactions at a time
		known[report] = "default"
		keys, _, err := s.Keys(0, store.Page{})
		must(t, err)
		known["/v1/keys/{id}"] = keys[0].ID.String()
		known["/v1/replays/{id}"] = beginReplay(t, s, now, hooked, draft(now, dry)).ID.String()
		var document struct{ Paths map[string]map[string]any }
		must(t, json.Unmarshal(get("/openapi.json").Body.Bytes(), &document))
		asked := 0
		for path, operations := range document.Paths {
			if operations["get"] == nil || path == "/metrics" {
				continue
			}
			asks := strings.NewReplacer("{id}", known[path], "{sessionId}", i.SessionID.String(), "{interactionId}", id.String()).Replace(path)
			status := 0
			executed := statements.during(func() { status = get(asks).Code })
			asked++
			if status != http.StatusOK && !strings.HasPrefix(path, "/nexus/v3/securemail/") { // this one is a chat
				t.Errorf("GET %s: status %d", asks, status)
			}
			for _, text := range executed {
				if aggregate.MatchString(text) && path != report {
					t.Errorf("GET %s executes\n%s", path, text)
				}
			}
		}
		if asked < 12 {
			t.Errorf("only %d routes were asked", asked)
		}
		s.Stop(t) // so that nothing but the scrape could execute anything
		if executed := statements.during(func() {
			if got := get("/metrics"); got.Code != http.StatusOK {
				t.Errorf("GET /metrics: status %d", got.Code)
			}
		}); len(executed) > 0 {
			t.Errorf("GET /metrics executes %q", executed)
		}
	})
}
