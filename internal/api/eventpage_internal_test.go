package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// TestStreamsShareReads shows that those who ask for a page while it waits for its turn share one read, which begins after they have asked, and that
// whoever asks later gets one of its own.
func TestStreamsShareReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, let := 0, make(chan struct{})
		p := newPages(func(_ context.Context, key pageKey) eventPage {
			reads++
			number := reads
			<-let
			return eventPage{next: fmt.Sprint(number), text: []byte(key.after)}
		})
		got := make(chan eventPage, 1_000)
		ask := func(after string, times int) {
			for range times {
				go func() { got <- p.get(t.Context(), pageKey{1, after, 10}) }()
			}
			synctest.Wait()
		}
		ask("a", 1)
		ask("b", 1) // all turns are taken now
		ask("a", 500)
		let <- struct{}{}
		let <- struct{}{}
		synctest.Wait()
		ask("a", 1) // the read of the 500 has begun
		close(let)
		synctest.Wait()
		by := map[string]int{}
		for range 503 {
			page := <-got
			by[string(page.text)+" "+page.next]++
		}
		if reads != 4 || by["a 3"] != 500 || by["a 4"] != 1 || by["a 1"] != 1 || by["b 2"] != 1 {
			t.Errorf("%d reads: %v", reads, by)
		}
		if len(p.awaited) != 0 || len(p.turns) != 0 {
			t.Errorf("%d pages are awaited and %d turns taken in the end", len(p.awaited), len(p.turns))
		}
	})
}

// TestStreamReadsAreBounded shows that no more pages are read at a time than streamReadsMax, whoever asks, that those who give up leave nothing,
// and that a read which breaks off takes nobody's turn.
func TestStreamReadsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		reading, most := 0, 0
		p := newPages(func(_ context.Context, key pageKey) eventPage {
			mu.Lock()
			reading++
			most = max(most, reading)
			mu.Unlock()
			<-time.After(time.Millisecond)
			mu.Lock()
			reading--
			mu.Unlock()
			if strings.HasPrefix(key.after, "broken") {
				panic(http.ErrAbortHandler)
			}
			return eventPage{}
		})
		gone, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 100 {
			for _, kind := range []string{"read", "read", "broken", "gone"} {
				wg.Go(func() {
					defer func() { _ = recover() }() // as net/http does
					ctx := t.Context()
					if kind == "gone" {
						ctx = gone
					}
					p.get(ctx, pageKey{1, fmt.Sprint(kind, i), 1})
				})
			}
		}
		<-time.After(5 * time.Millisecond)
		leave()
		wg.Wait()
		if most != streamReadsMax {
			t.Errorf("%d were read at a time, want %d", most, streamReadsMax)
		}
		if len(p.awaited) != 0 || len(p.turns) != 0 {
			t.Errorf("%d pages are awaited and %d turns taken in the end", len(p.awaited), len(p.turns))
		}
	})
}

// TestCrowdLooksTogether shows that few who wait look as soon as they may, and many at the same times.
func TestCrowdLooksTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := waits{began: time.Now()}
		<-time.After(1_010 * time.Millisecond)
		looked := time.Now()
		<-time.After(7 * time.Millisecond)
		if got := w.pauseAfter(looked); got != 43*time.Millisecond {
			t.Errorf("alone: %v", got)
		}
		w.count.Store(crowdLeast)
		if got := w.pauseAfter(looked); got != 33*time.Millisecond {
			t.Errorf("in a crowd: %v", got)
		}
	})
}

// TestStreamPagesAreBounded reads large events as a stream does: each page holds little more than its bound, none is lost, and what is read is soon no
// more than what fits.
func TestStreamPagesAreBounded(t *testing.T) {
	s := benchServer(t)
	value := strings.Repeat("u", hook.UserDataValueBytesMax)
	body := fmt.Sprintf(`{"mediaType":"chat","subtype":"SMS","queue":"q","userData":{"a":%q,"b":%q,"c":%q,"d":%q}}`, value, value, value, value)
	const events = 40
	for range events {
		created(t, s, body)
	}
	center := s.store.ContactCenters()[0].Number
	seen, reads := 0, 0
	for key := (pageKey{center, "", streamBatch}); ; {
		page := s.readPage(t.Context(), key)
		if page.err != nil {
			t.Fatal(page.err)
		}
		if page.events == 0 {
			break
		}
		if len(page.text) > streamPageBytesMax+20<<10 {
			t.Errorf("a page of %d events has %d bytes", page.events, len(page.text))
		}
		if reads++; reads > 1 && key.limit > 8 {
			t.Errorf("read %d asks for %d events", reads, key.limit)
		}
		seen += page.events
		key.after, key.limit = page.next, page.limitAfter(key.limit)
	}
	if seen != events {
		t.Errorf("%d events were read, want %d", seen, events)
	}
}

func created(tb testing.TB, s *Server, body string) {
	tb.Helper()
	r := benchRequest(http.MethodPost, "/v1/interactions")
	r.ContentLength, r.Body = int64(len(body)), io.NopCloser(strings.NewReader(body))
	c := &statusOnly{discard: discard{http.Header{}}}
	if s.Handler().ServeHTTP(c, r); c.status != http.StatusCreated {
		tb.Fatalf("status %d", c.status)
	}
}

func benchRequest(method, path string) *http.Request {
	return &http.Request{
		Method: method, URL: &url.URL{Path: path}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{headerKey: {benchKey}, "Content-Type": {typeJSON}}, Body: http.NoBody,
	}
}

// BenchmarkStreams is what it costs to send each event to each of some readers that begin far behind: ns/event is for one reader's event.
func BenchmarkStreams(b *testing.B) {
	const events = 2_000
	for _, readers := range []int{1, 100} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			s := benchServer(b)
			var writers sync.WaitGroup
			for range 50 {
				writers.Go(func() {
					for range events / 50 {
						created(b, s, usualInteraction)
					}
				})
			}
			writers.Wait()
			handler := s.Handler()
			b.ReportAllocs()
			for b.Loop() {
				var wg sync.WaitGroup
				for range readers {
					wg.Go(func() {
						ctx, cancel := context.WithCancel(b.Context())
						defer cancel()
						r := benchRequest(http.MethodGet, "/v1/events").WithContext(ctx)
						r.Header.Set("Accept", typeEventStream)
						handler.ServeHTTP(&untilEvents{discard: discard{http.Header{}}, left: events, enough: cancel}, r)
					})
				}
				wg.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*readers*events), "ns/event")
		})
	}
}

// untilEvents is the writer of a stream that is ended once it has had so many events.
type untilEvents struct {
	discard
	left   int
	enough func()
}

func (w *untilEvents) Write(text []byte) (int, error) {
	if w.left -= bytes.Count(text, []byte("\nevent: ")); w.left <= 0 {
		w.enough()
	}
	return len(text), nil
}

func (w *untilEvents) Flush() {}
