package store_test

import (
	"context"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/pgtest"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/internal/store"
)

// taken is a lane that records each delivery as acknowledged, in batches, as the engine does.
type taken struct{ deliveries chan *hook.Delivery }

func (t *taken) Room(hook.WebhookNumber) bool { return true }

func (t *taken) Take(d *hook.Delivery) bool {
	t.deliveries <- d
	return true
}

func (t *taken) Due(hook.WebhookNumber) {}

// record records whatever waits, up to 256 at a time, until n are recorded.
func (t *taken) record(b *testing.B, s *store.Store, n int) {
	batch := make([]hook.Outcome, 0, 256)
	for done := 0; done < n; done += len(batch) {
		batch = append(batch[:0], acknowledged(<-t.deliveries))
		for more := true; more && len(batch) < cap(batch); {
			select {
			case d := <-t.deliveries:
				batch = append(batch, acknowledged(d))
			default:
				more = false
			}
		}
		if _, err := s.Record(context.Background(), time.Now(), batch); err != nil {
			b.Error(err)
			return
		}
	}
}

func acknowledged(d *hook.Delivery) hook.Outcome {
	return hook.Outcome{Delivery: d, Attempt: hook.Attempt{Number: 1, StartedAt: time.Now(), Status: 200, Response: []byte(`{"status":{"code":0}}`)}}
}

// BenchmarkAcceptAndRecord is the store's part of the hot path: interaction, event and delivery committed by 256
// concurrent callers, and each delivery recorded as acknowledged. The PostgreSQL is that of the tests, which does not wait for
// the disk.
func BenchmarkAcceptAndRecord(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { acceptAndRecord(b, b.TempDir()+"/bench.db") })
	b.Run("postgres", func(b *testing.B) { acceptAndRecord(b, pgtest.Database(b)) })
}

func acceptAndRecord(b *testing.B, database string) {
	ctx, cancel := context.WithCancel(b.Context())
	s, err := store.Open(ctx, store.Options{Sealer: sealtest.Keyset(), Database: database, PublicURL: "https://hookswitch.example"})
	if err != nil {
		b.Fatal(err)
	}
	lane := &taken{deliveries: make(chan *hook.Delivery, 4_096)}
	s.HandTo(lane)
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) }) // it returns no error
	settings := hook.DefaultSettings()
	settings.URL = "https://receiver.example/"
	if _, err := s.CreateWebhook(ctx, time.Now(), &hook.Webhook{
		ContactCenter: 1, Settings: settings, Enabled: true, Secrets: hook.Secrets{Current: hook.NewSecret("the secret of the benchmark")},
	}, nil); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetParallelism(64)
	b.ResetTimer()
	var recording sync.WaitGroup
	recording.Go(func() { lane.record(b, s, b.N) })
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			var random [10]byte
			id := newID(random)
			d := &hook.Draft{ID: hook.InteractionID{UUID: id}, SessionID: hook.SessionID{UUID: id}, Media: interaction.MediaChat, Subtype: interaction.SubtypeInboundNew, Queue: "support"}
			if _, err := s.AcceptChanges(ctx, 1, time.Now(), []hook.Change{{Op: hook.OpCreate, ID: d.ID, Draft: d}}, nil); err != nil {
				b.Error(err)
				return
			}
		}
	})
	recording.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	cancel()
	wg.Wait()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func newID(random [10]byte) hook.UUID {
	_, _ = rand.Read(random[:]) // never fails
	return hook.V7(time.Now(), random)
}
