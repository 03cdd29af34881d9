package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/internal/store"
)

// usualInteraction is about as large as real ones are.
const usualInteraction = `{"mediaType":"chat","subtype":"InboundNew","queue":"support","subject":"Where is my order?",` +
	`"contact":{"name":"Alex Smith","email":"alex.smith@customer.example"},` +
	`"userData":{"orderNumber":"2026-11-22-000471","customerTier":"gold","entryPage":"https://shop.example/orders/000471"}}`

// discard is a ResponseWriter that costs nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkCreateWithoutStore is all that the API does for a creation, with a store that answers at once: routing, key,
// body, judgement, answer. The floor below it is one decoding and one encoding of the same JSON by encoding/json alone.
func BenchmarkCreateWithoutStore(b *testing.B) {
	s := benchServer(b)
	r := rowCreateInteraction()
	r.id = "bench"
	route(s, "POST /bench", r, func(_ context.Context, in *createInteractionInput) (*answer, error) {
		i := hook.Create(in.center.Number, 1, in.now, in.change.Draft)
		if err := i.Submit(in.change.Draft.Queue, in.now); err != nil {
			return nil, err
		}
		return s.doneInteraction(http.StatusCreated, i, in.center.ID)
	})
	benchmarkRequests(b, s, "/bench")
}

func BenchmarkCreateFloor(b *testing.B) {
	s := benchServer(b)
	b.ReportAllocs()
	for b.Loop() {
		var d InteractionDraft
		if err := json.Unmarshal([]byte(usualInteraction), &d); err != nil {
			b.Fatal(err)
		}
		change, _, err := d.change(s, s.now(), "")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := encode(s.showInteraction(hook.Create(1, 1, s.now(), change.Draft), "default")); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCreate is a creation on the real store.
func BenchmarkCreate(b *testing.B) { benchmarkRequests(b, benchServer(b), "/v1/interactions") }

const benchKey = "the-admin-key-of-this-benchmark"

func benchServer(b testing.TB) *Server {
	st, err := store.Open(b.Context(), store.Options{Sealer: sealtest.Keyset(), Database: filepath.Join(b.TempDir(), "bench.db")})
	if err != nil {
		b.Fatal(err)
	}
	run, stop := context.WithCancel(context.WithoutCancel(b.Context()))
	ended := make(chan error, 1)
	go func() { ended <- st.Run(run) }()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		if err := st.Close(); err != nil {
			b.Error(err)
		}
	})
	if err := st.SetAdminKey(b.Context(), time.Now(), sha256.Sum256([]byte(benchKey))); err != nil {
		b.Fatal(err)
	}
	return New(Options{Store: st, PublicURL: "https://hookswitch.example"})
}

func benchmarkRequests(b *testing.B, s *Server, path string) {
	handler := s.Handler()
	b.ReportAllocs()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := &http.Request{
				Method: http.MethodPost, URL: &url.URL{Path: path}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
				Header:        http.Header{headerKey: {benchKey}, "Content-Type": {typeJSON}},
				ContentLength: int64(len(usualInteraction)), Body: io.NopCloser(bytes.NewReader([]byte(usualInteraction))),
			}
			c := &statusOnly{discard: discard{http.Header{}}}
			handler.ServeHTTP(c, r)
			if c.status != http.StatusCreated {
				b.Errorf("status %d", c.status)
			}
		}
	})
}

type statusOnly struct {
	discard
	status int
}

func (s *statusOnly) WriteHeader(status int) { s.status = status }
