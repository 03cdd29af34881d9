package delivery

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/pgtest"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/internal/store"
)

// mended is a receiver that works again: it refuses each fourth STARTED once, and holds what it gets against the order.
type mended struct {
	t  testing.TB
	mu sync.Mutex // guards everything below
	// tries and acknowledged count the POSTs of each fact; refused is how many were refused.
	tries, acknowledged map[fact]int
	started, refused    int
	operations          map[string]int
}

func (r *mended) Send(_ context.Context, p hook.Post) hook.Answer {
	payload := parsed(r.t, p)
	r.mu.Lock()
	defer r.mu.Unlock()
	f := fact{id: payload.Entities[0].Entity.ID, event: payload.Entities[0].Event}
	if r.tries[f]++; f.event == interaction.EventStarted && r.tries[f] == 1 {
		if r.started++; r.started%4 == 0 {
			r.refused++
			return hook.Answer{Status: 503}
		}
	}
	if f.event == interaction.EventFinished && r.acknowledged[fact{id: f.id, event: interaction.EventStarted}] == 0 {
		r.t.Errorf("FINISHED of %s comes before its STARTED was acknowledged", f.id)
	}
	r.acknowledged[f]++
	r.operations[payload.OperationID]++
	return acknowledge()
}

// exhausted fills a database with deliveries to one webhook, all of which were given up, and returns their operation ids.
func exhausted(t *testing.T, url string, interactions int) (w *hook.Webhook, operations map[string]bool) {
	t.Helper()
	ctx := t.Context()
	s, err := store.Open(ctx, store.Options{Sealer: sealtest.Keyset(), Database: url, PublicURL: publicURL})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Store: s}
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	defer run(t, s.Run)()
	w = n.webhook(t, 1, concurrency(16), func(s *hook.Settings) {
		s.Retry = hook.Retry{Timeout: hook.Duration(100 * time.Millisecond), Attempts: 5, Backoff: 1, MaxTimeout: hook.Duration(time.Second)}
	})
	var changes []hook.Change
	for of := range interactions {
		changes = append(changes, begin(of), finish(of))
	}
	n.accept(t, changes...)
	operations = map[string]bool{}
	for {
		claimed, err := s.Claim(ctx, time.Now(), w.Number, 500)
		if err != nil {
			t.Fatal(err)
		}
		if len(claimed) == 0 {
			return w, operations
		}
		outcomes := make([]hook.Outcome, len(claimed))
		for i, d := range claimed {
			operations[d.Event.OperationID.String()] = true
			outcomes[i] = hook.Outcome{Delivery: d, Attempt: hook.Attempt{Number: 1, StartedAt: time.Now(), Failure: hook.FailureRefused, Response: []byte{}}}
		}
		if _, err := s.Record(ctx, time.Now(), outcomes); err != nil {
			t.Fatal(err)
		}
	}
}

// I2, I3 and I5: a receiver that is back gets all that was given up meanwhile, once, with the operation ids that it had, and each FINISHED
// after its STARTED, also where that must be tried again; new events come in between.
func TestReplayAfterAnOutage(t *testing.T) {
	const interactions, fresh = 400, 50
	for name, open := range map[string]func(testing.TB) string{"sqlite": database, "postgres": pgtest.Database} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := open(t)
			w, operations := exhausted(t, url, interactions)
			if len(operations) != 2*interactions {
				t.Fatalf("%d deliveries were given up", len(operations))
			}
			r := &mended{t: t, tries: map[fact]int{}, acknowledged: map[fact]int{}, operations: map[string]int{}}
			n := startNode(t, url, r)
			draft := &hook.Replay{ID: hook.ReplayID{UUID: numbered(3, 1)}, ContactCenter: 1}
			draft.Filter.From = time.Now().Add(-time.Hour)
			made, err := n.CreateReplay(t.Context(), time.Now(), w.ID, draft, nil)
			if err != nil {
				t.Fatal(err)
			}
			for of := range fresh {
				n.accept(t, begin(interactions+of), finish(interactions+of))
			}
			eventually(t, time.Minute, "the replay is finished", func() bool {
				seen, err := n.Replay(t.Context(), 1, made.ID)
				return err == nil && seen.State == hook.ReplayFinished
			})
			eventually(t, time.Minute, "all is delivered", func() bool { return n.resolved(t) })
			if left := len(n.list(t, hook.DeliveryExhausted)); left != 0 {
				t.Errorf("%d are exhausted", left)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if len(r.acknowledged) != 2*(interactions+fresh) || len(r.operations) != len(r.acknowledged) || r.refused < interactions/4 {
				t.Errorf("%d events and %d operation ids were acknowledged, %d STARTED refused once", len(r.acknowledged), len(r.operations), r.refused)
			}
			for id := range operations {
				if r.operations[id] != 1 {
					t.Errorf("%s was acknowledged %d times", id, r.operations[id])
				}
			}
		})
	}
}
