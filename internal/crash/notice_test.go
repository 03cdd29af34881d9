package crash_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// summaryKills is from how many kills on TestCrashNotices waits for the end of the shortest quiet period.
	summaryKills = 20
	// noticesSpread is about how long it takes to create, to deliver twice and to give up what TestCrashNotices does between two kills.
	noticesSpread = 300 * time.Millisecond
)

// board is the receiver of an operator: it remembers each notice.
type board struct {
	t   *testing.T
	url string

	mu    sync.Mutex // guards what follows
	seen  map[string][]byte
	again int
}

func newBoard(t *testing.T) *board {
	b := &board{t: t, seen: map[string][]byte{}}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender was killed
		}
		n, err := hook.ParseNotice(body)
		if err != nil {
			t.Errorf("read notice %s: %v", body, err)
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if before, ok := b.seen[n.ID]; ok {
			if b.again++; !bytes.Equal(before, body) {
				t.Errorf("a notice changed between two attempts: %s, then %s", before, body)
			}
		}
		b.seen[n.ID] = body
	}))
	b.url = s.URL
	t.Cleanup(s.Close)
	return b
}

// take reports whether a notice arrived, and forgets it.
func (b *board) take(id string, body []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	before, ok := b.seen[id]
	delete(b.seen, id)
	return ok && bytes.Equal(before, body)
}

// holds reports whether so many notices arrived.
func (b *board) holds(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.seen) == n
}

// about names what is counted of one webhook.
type about struct {
	webhook int
	kind    hook.NoticeKind
}

// dead makes a webhook whose receiver refuses everything.
func dead(ctx context.Context, f *fleet, settings map[string]any) (id string) {
	f.t.Helper()
	l := newLedger(f.t)
	l.behave(0, func(key, int) bool { return true })
	settings["url"], settings["secret"], settings["concurrency"], settings["requestTimeout"] = l.url, secret, concurrency, nodeRequestTimeout.String()
	return f.serving().subscribe(ctx, f.t, settings)
}

// TestCrashNotices kills servers while deliveries are given up and a circuit opens and is closed again: the counts of the notices, with
// what is held back for a quiet period, are what happened, to the last one, and every notice arrives at a receiver that works.
func TestCrashNotices(t *testing.T) {
	t.Parallel()
	eachFleet(t, func(ctx context.Context, f *fleet) {
		b := newBoard(f.t)
		// In the order of their numbers. The first one's circuit stays closed, so that everything is given up; the other one's opens.
		given := dead(ctx, f, map[string]any{
			"retry":          map[string]any{"timeout": "100ms", "attempts": 1},
			"circuitBreaker": map[string]any{"failures": hook.BreakerFailuresMax, "share": 1, "minimum": hook.BreakerMinimumMax},
		})
		held := dead(ctx, f, map[string]any{"retry": map[string]any{"attempts": 0}})
		f.serving().subscribe(ctx, f.t, map[string]any{
			"url": b.url, "secret": secret, "purpose": "notices", "requestTimeout": nodeRequestTimeout.String(),
			"retry": map[string]any{"timeout": "100ms", "attempts": 100, "backoff": 1, "jitter": 0},
		})
		kills, long := max(*killsFlag, 2), *killsFlag >= summaryKills
		for _, s := range f.servers {
			if long {
				s.flags = append(s.flags, "--notice-quiet", hook.NoticeQuietShortest.String()) // from its next start on
			}
		}
		for k := range kills {
			created := make(chan error, 1)
			go func() {
				_, err := f.create(ctx, fleetInteractions)
				created <- err
			}()
			f.strike(ctx, k%len(f.servers), noticesSpread)
			f.servers[k%len(f.servers)].start()
			if err := <-created; err != nil {
				f.t.Fatal(err)
			}
			f.ask(ctx, http.MethodPost, "/v1/webhooks/"+held+"/enable", nil, nil) // closes its circuit
		}
		f.until(ctx, "everything to be given up", func() bool { return f.idle(ctx, given) })
		summary := func() (n int) {
			pages(ctx, f.t, f.serving(), "/v1/notices?limit=200&type=delivery.exhausted&webhookId="+given, "cursor", func(r struct {
				Notice struct{ Data hook.NoticeData }
			},
			) {
				if r.Notice.Data.Summary {
					n++
				}
			})
			return n
		}
		if long {
			f.until(ctx, "a summary of what was held back", func() bool { return summary() > 0 })
		}
		notices := 0
		f.until(ctx, "the notices to arrive", func() bool {
			notices = 0
			pages(ctx, f.t, f.serving(), "/v1/notices?limit=200", "cursor", func(struct{}) { notices++ })
			return b.holds(notices)
		})
		f.stop()
		happened, told := f.happened(ctx), f.told(ctx, b, given, held)
		for a, n := range happened {
			if told[a] != n {
				f.t.Errorf("%s of webhook %d happened %d times, and %d are told or held back", a.kind, a.webhook, n, told[a])
			}
		}
		exhausted := about{f.first(ctx), hook.NoticeExhausted}
		if n := 2 * kills * fleetInteractions; happened[exhausted] != n {
			f.t.Errorf("%d deliveries are exhausted, want %d", happened[exhausted], n)
		}
		f.t.Logf("%d kills: %d notices, %d arrived again; happened %v, told or held back %v", kills, notices, b.again, happened, told)
	})
}

// first is the number of the first webhook.
func (f *fleet) first(ctx context.Context) (number int) {
	f.t.Helper()
	f.look(ctx, func(scan func(...any) error) error { return scan(&number) }, `SELECT min(number) FROM webhooks`)
	return number
}

// happened reads what the notices are to tell: the exhausted deliveries, the first attempts that left one redelivery, and whether the
// circuit was opened more often than closed.
func (f *fleet) happened(ctx context.Context) map[about]int {
	f.t.Helper()
	found := map[about]int{}
	count := func(kind hook.NoticeKind, sql string) {
		f.look(ctx, func(scan func(...any) error) error {
			var webhook, n int
			err := scan(&webhook, &n)
			found[about{webhook, kind}] = n
			return err
		}, sql)
	}
	count(hook.NoticeExhausted, `SELECT webhook, count(*) FROM deliveries WHERE state = 3 GROUP BY webhook`)
	count(hook.NoticeFailing, `SELECT webhook, count(*) FROM attempts WHERE number = 1 AND failure <> 0 AND webhook = (SELECT min(number) FROM webhooks) GROUP BY webhook`)
	count(hook.NoticeCircuitOpened, `SELECT number, CASE WHEN open_since > 0 THEN 1 ELSE 0 END FROM webhooks`)
	return found
}

// told sums the counts of the notices about these webhooks, which are given in the order of their numbers, each of which must have arrived, and what is held back. What was told as closed is taken from
// what was told as opened.
func (f *fleet) told(ctx context.Context, b *board, ids ...string) map[about]int {
	f.t.Helper()
	told, numbers, notices := map[about]int{}, map[string]int{}, map[about]int{}
	for i, id := range ids {
		numbers[id] = f.first(ctx) + i
	}
	f.look(ctx, func(scan func(...any) error) error {
		var payload []byte
		if err := scan(&payload); err != nil {
			return err
		}
		n, err := hook.ParseNotice(payload)
		if err != nil {
			return err
		}
		if !b.take(n.ID, payload) {
			f.t.Errorf("this notice did not arrive: %s", payload)
		}
		a := about{numbers[n.Subject], n.Kind()}
		told[a] += int(n.Data.Count)
		notices[a]++
		return nil
	}, `SELECT payload FROM events WHERE interaction = 0`)
	f.look(ctx, func(scan func(...any) error) error {
		var webhook, kind, n int
		err := scan(&webhook, &kind, &n)
		told[about{webhook, hook.NoticeKinds()[kind-1]}] += n
		return err
	}, `SELECT webhook, kind, held_back FROM notice_marks`)
	f.look(ctx, func(scan func(...any) error) error {
		var open int
		err := scan(&open)
		if open != 0 {
			f.t.Errorf("%d deliveries of notices are not recorded as delivered", open)
		}
		return err
	}, `SELECT count(*) FROM deliveries d JOIN events e ON e.center = d.center AND e.serial = d.event WHERE e.interaction = 0`)
	if !b.holds(0) {
		f.t.Error("notices arrived that are not in the store")
	}
	first := f.first(ctx)
	for _, a := range []about{{first, hook.NoticeExhausted}, {first + 1, hook.NoticeExhausted}, {first + 1, hook.NoticeCircuitOpened}} {
		if notices[a] == 0 {
			f.t.Errorf("no notice told %s of webhook %d", a.kind, a.webhook)
		}
	}
	for a, n := range told {
		if a.kind == hook.NoticeCircuitClosed {
			told[about{a.webhook, hook.NoticeCircuitOpened}] -= n
		}
	}
	return told
}
