package store_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// TestOutcomesAndStopsLockInOneOrder shows that outcomes of an event's many webhooks and the FINISHED that follows it never wait for each
// other in a circle: PostgreSQL would break one of them off, but only after it has looked on for a second.
func TestOutcomesAndStopsLockInOneOrder(t *testing.T) {
	const webhooks, rounds, interactions = 12, 8, 20
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		var hooks []*hook.Webhook
		for range webhooks {
			hooks = append(hooks, webhook(t, s, theCenter))
		}
		random := rand.New(rand.NewPCG(1, 2))
		for range rounds {
			var creates, stops []hook.Change
			for range interactions {
				id := newInteraction()
				creates, stops = append(creates, create(id, "q")), append(stops, stop(id))
			}
			judge(t, s, now, creates...)
			var outcomes []hook.Outcome
			for _, w := range hooks {
				for _, d := range claim(t, s, now, w, interactions) {
					switch random.IntN(3) {
					case 0:
						outcomes = append(outcomes, exhausts(d, now))
					case 1:
						outcomes = append(outcomes, fails(d, now, now))
					default:
						outcomes = append(outcomes, acknowledges(d, now))
					}
				}
			}
			random.Shuffle(len(outcomes), func(i, j int) { outcomes[i], outcomes[j] = outcomes[j], outcomes[i] })
			var wg sync.WaitGroup
			for some := range slices.Chunk(outcomes, len(outcomes)/2) {
				wg.Go(func() { record(t, s, now, some...) })
			}
			for some := range slices.Chunk(stops, 1) {
				wg.Go(func() {
					if _, err := s.AcceptChanges(t.Context(), theCenter, now, some, nil); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			for _, w := range hooks {
				deliver(t, s, now, w)
			}
		}
		if store.IsPostgres(s.Database()) {
			if n := deadlocks(t, s.Database()); n != 0 {
				t.Errorf("PostgreSQL broke off %d transactions that waited for each other", n)
			}
		}
	})
}

// TestLockOrderOfOutcomes shows that the locks of deliveries are taken in the order of their keys, whatever came of them and in which order
// that became known, where others may want the same ones.
func TestLockOrderOfOutcomes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		if !store.IsPostgres(s.Database()) {
			return // one writer waits for nobody
		}
		delivery := func(event hook.Serial, webhook hook.WebhookNumber) *hook.Delivery {
			return &hook.Delivery{Event: &hook.Event{Serial: event, ContactCenter: theCenter}, Webhook: webhook}
		}
		want := []string{"1 2", "1 3", "2 1", "2 4"}
		for name, outcomes := range map[string][]hook.Outcome{
			"all acknowledged": {acknowledges(delivery(2, 4), now), acknowledges(delivery(2, 1), now), acknowledges(delivery(1, 3), now), acknowledges(delivery(1, 2), now)},
			"none":             {fails(delivery(2, 4), now, now), exhausts(delivery(1, 3), now), fails(delivery(2, 1), now, now), exhausts(delivery(1, 2), now)},
			"some":             {acknowledges(delivery(2, 4), now), fails(delivery(2, 1), now, now), acknowledges(delivery(1, 3), now), exhausts(delivery(1, 2), now)},
		} {
			if got := s.LockOrder(outcomes); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	})
}

// deadlocks is how many PostgreSQL has found in a database.
func deadlocks(t *testing.T, database string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { must(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	must(t, conn.QueryRow(t.Context(), "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").Scan(&n))
	return n
}
