package crash_test

import (
	"context"
	"hash/fnv"
	"net/http"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// replayInteractions bounds the interactions of a test: what fails of them, tried twice, must not open a circuit
	// (hook.BreakerFailuresMax), which would hold the rest.
	replayInteractions = (hook.BreakerFailuresMax - 1) / 4
	// replayTakes is about how long a replay shall take that is killed in the middle.
	replayTakes = 3 * time.Second
	// replayStep is how far apart its batches are: ten a second (replayBatches in internal/hook).
	replayStep = 100 * time.Millisecond
	// replayLeftMax is how long after the end of a node another one goes on with its replay (replayLag and replaysLookEvery in
	// internal/store), and replayMargin what a machine that does much else adds to that.
	replayLeftMax = 3 * time.Second
	replayMargin  = 500 * time.Millisecond
)

// ranged is a replay of a range as the API shows it.
type ranged struct {
	ID, State                  string
	Matched, Replayed, Skipped int
}

// given is a webhook whose deliveries were all given up.
type given struct {
	f       *fleet
	ledger  *ledger
	webhook string
	// tried is how many attempts each of them took.
	tried  int
	events []key
	began  time.Time
}

// unlucky chooses some FINISHED that the receiver refuses until they are given up once more: a replay that came back to them would
// make more attempts.
func unlucky(k key) bool {
	h := fnv.New32a()
	h.Write([]byte(k.id))
	return k.event == interaction.EventFinished && h.Sum32()%8 == 0
}

// giveUp makes two webhooks, whose receivers refuse everything, and n interactions, and waits until everything is exhausted. Then the
// receivers take all but what is unlucky.
func giveUp(ctx context.Context, f *fleet, n int) (list []*given) {
	f.t.Helper()
	began := time.Now()
	for attempts := range 2 {
		g := &given{f: f, ledger: newLedger(f.t), tried: attempts + 1, began: began}
		g.ledger.nodes = true // what arrived twice is judged in the end
		g.ledger.behave(0, func(key, int) bool { return true })
		g.webhook = f.serving().subscribe(ctx, f.t, map[string]any{
			"url": g.ledger.url, "secret": secret, "concurrency": concurrency, "requestTimeout": nodeRequestTimeout.String(),
			"retry":          map[string]any{"timeout": "100ms", "attempts": attempts},
			"circuitBreaker": map[string]any{"failures": hook.BreakerFailuresMax, "share": 1, "minimum": hook.BreakerMinimumMax}, // see replayInteractions
		})
		list = append(list, g)
	}
	events, err := f.create(ctx, n)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, g := range list {
		g.events = events
		g.ledger.owe(events)
		f.until(ctx, "everything to be given up", func() bool { return f.idle(ctx, g.webhook) })
		if n := f.count(ctx, g.webhook, "exhausted"); n != len(events) {
			f.t.Fatalf("%d deliveries are exhausted, want %d", n, len(events))
		}
		g.ledger.behave(slowAnswer, func(k key, attempt int) bool { return unlucky(k) && attempt <= 2*g.tried })
	}
	return list
}

// replay begins the replay of all that is exhausted, no faster than a rate; 0 is as fast as it can.
func (g *given) replay(ctx context.Context, rate int) (r ranged) {
	g.f.t.Helper()
	body := map[string]any{"webhookId": g.webhook, "from": g.began.Format(time.RFC3339Nano)}
	if rate > 0 {
		body["rate"] = rate
	}
	g.f.ask(ctx, http.MethodPost, "/v1/replays", body, &r)
	return r
}

// show reads a replay.
func (f *fleet) show(ctx context.Context, id string) (r ranged) {
	f.t.Helper()
	f.ask(ctx, http.MethodGet, "/v1/replays/"+id, nil, &r)
	return r
}

// wait waits until a replay has finished and what it made pending was tried, and checks its counts.
func (g *given) wait(ctx context.Context, id string, want int) {
	g.f.t.Helper()
	g.f.until(ctx, "the replay to finish", func() bool { return g.f.show(ctx, id).State == "finished" })
	if got, want := g.f.show(ctx, id), (ranged{id, "finished", want, want, 0}); got != want {
		g.f.t.Errorf("the replay is %+v, want %+v", got, want)
	}
	g.f.until(ctx, "what was replayed to be delivered", func() bool { return g.f.idle(ctx, g.webhook) })
	for _, action := range []string{"replay.create", "replay.finish"} {
		var page struct{ Items []struct{ Action string } }
		g.f.ask(ctx, http.MethodGet, "/v1/audit?action="+action+"&subject="+id, nil, &page)
		if len(page.Items) != 1 {
			g.f.t.Errorf("%s was logged %d times, want once", action, len(page.Items))
		}
	}
}

// refused is how many events are unlucky.
func (g *given) refused() (n int) {
	for _, k := range g.events {
		if unlucky(k) {
			n++
		}
	}
	return n
}

// tries checks the recorded attempts of all deliveries: so many deliveries have so many, numbered from 1, and the last one alone was
// acknowledged.
func (f *fleet) tries(ctx context.Context, list []*given) {
	f.t.Helper()
	got := make([]map[int]int, len(list)) // webhooks are numbered in the order of their creation
	for i := range got {
		got[i] = map[int]int{}
	}
	first := -1
	f.look(ctx, func(scan func(...any) error) error {
		var webhook, count, last, acknowledged, at int
		err := scan(&webhook, &count, &last, &acknowledged, &at)
		if first < 0 {
			first = webhook
		}
		if count != last || acknowledged != 1 || at != last {
			f.t.Errorf("a delivery has %d attempts, the last is number %d, %d were acknowledged, number %d last", count, last, acknowledged, at)
		}
		got[webhook-first][count]++
		return err
	}, `SELECT webhook, count(*), max(number), count(*) FILTER (WHERE failure = 0), coalesce(max(number) FILTER (WHERE failure = 0), 0)
		FROM attempts GROUP BY webhook, event ORDER BY webhook`)
	for i, g := range list {
		once, twice := got[i][g.tried+1], got[i][2*g.tried+1]
		if once != len(g.events)-g.refused() || twice != g.refused() || len(got[i]) > 2 {
			f.t.Errorf("of %d deliveries, given up after %d attempts, so many have so many attempts: %v; want %d of %d and %d of %d",
				len(g.events), g.tried, got[i], len(g.events)-g.refused(), g.tried+1, g.refused(), 2*g.tried+1)
		}
	}
	f.look(ctx, func(scan func(...any) error) error {
		var open int
		err := scan(&open)
		if open != 0 {
			f.t.Errorf("%d deliveries are open or exhausted after the end", open)
		}
		return err
	}, `SELECT count(*) FROM deliveries`)
}

// arrived checks what the receiver got: each event, as the attempt that the record ends with, and again only what was in flight at a
// kill.
func (g *given) arrived(kills int) {
	g.f.t.Helper()
	limits := constants(g.f.t, "../delivery/record.go", "outcomesWaitingMax", "recordMax")
	most := kills * (concurrency + limits["outcomesWaitingMax"] + limits["recordMax"])
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	again := 0
	for _, k := range g.events {
		a, want := g.ledger.accounts[k], g.tried+1
		if unlucky(k) {
			want = 2*g.tried + 1
		}
		if a.received == 0 || a.attempt != want || a.received > kills+1 {
			g.ledger.fault("%s of %s arrived %d times, last as attempt %d; want attempt %d, at least once and at most %d times", k.event, k.id, a.received, a.attempt, want, kills+1)
		}
		again += a.received - 1
	}
	if again > most || g.ledger.late > 0 || len(g.ledger.accounts) != len(g.events) {
		g.f.t.Errorf("%d events arrived again, want %d at most; %d STARTED after their FINISHED, want none; %d events arrived, want %d",
			again, most, g.ledger.late, len(g.ledger.accounts), len(g.events))
	}
	g.f.t.Logf("%d events replayed over %d kills, %d arrived again", len(g.events), kills, again)
}

// TestCrashReplay kills the server, or the node that goes on with it, in the middle of the replays of two webhooks, and in the first
// moments of others without a rate: each of them passes every exhausted delivery once, and finishes once.
func TestCrashReplay(t *testing.T) {
	t.Parallel()
	eachFleet(t, func(ctx context.Context, f *fleet) {
		list := giveUp(ctx, f, min(*interactionsFlag/20, replayInteractions))
		total, kills := 0, max(*killsFlag/2, 2)
		var ids []string
		for _, g := range list {
			r := g.replay(ctx, max(len(g.events)/int(replayTakes/time.Second), 10))
			ids, total = append(ids, r.ID), total+len(g.events)
		}
		replayed := func() (n int) {
			for _, id := range ids {
				n += f.show(ctx, id).Replayed
			}
			return n
		}
		for k := range kills {
			victim := k % len(f.servers)
			f.until(ctx, "the replays to go on", func() bool { return replayed() >= total*(k+1)/(kills+2) })
			f.strike(ctx, victim, replayStep)
			if len(f.servers) > 1 { // the other one, from now on
				at := replayed()
				f.until(ctx, "another node to go on", func() bool { return replayed() > at })
			} else if k == 0 {
				f.servers[victim].launch().kill() // in its first moments, too
			}
			f.servers[victim].start()
		}
		if n := replayed(); n == total {
			t.Error("the replays had finished before the last kill: the test shows nothing")
		}
		for i, g := range list {
			g.wait(ctx, ids[i], len(g.events))
			if n := f.count(ctx, g.webhook, "exhausted"); n != g.refused() {
				f.t.Errorf("%d deliveries are exhausted again, want %d", n, g.refused())
			}
			ids[i] = g.replay(ctx, 0).ID
		}
		f.strike(ctx, 0, jitterMax) // before, in or after their one transaction
		f.servers[0].start()
		for i, g := range list {
			g.wait(ctx, ids[i], g.refused())
		}
		f.stop()
		f.tries(ctx, list)
		for _, g := range list {
			g.arrived(kills + 1)
		}
	})
}

// TestCrashPausedReplay kills all servers right after a replay was paused: it stays so, and nothing is replayed, until it is resumed,
// which holds over a kill too.
func TestCrashPausedReplay(t *testing.T) {
	t.Parallel()
	eachFleet(t, func(ctx context.Context, f *fleet) {
		list := giveUp(ctx, f, min(*interactionsFlag/20, replayInteractions)/2)
		g := list[0]
		id := g.replay(ctx, max(len(g.events)/int(replayTakes/time.Second), 10)).ID
		f.until(ctx, "the replay to go on", func() bool { return f.show(ctx, id).Replayed >= len(g.events)/4 })
		again := func() {
			for _, s := range f.servers {
				s.kill()
			}
			for _, s := range f.servers {
				s.start()
			}
		}
		var paused ranged
		f.ask(ctx, http.MethodPost, "/v1/replays/"+id+"/pause", nil, &paused)
		again()
		if err := pause(ctx, replayLeftMax+replayMargin); err != nil {
			f.t.Fatal(err)
		}
		f.until(ctx, "what was replayed to be delivered", func() bool { return f.idle(ctx, g.webhook) })
		if got := f.show(ctx, id); got != paused || got.State != "paused" {
			f.t.Errorf("the replay was %+v when it was paused, and is %+v after a kill", paused, got)
		}
		delivered, left := f.count(ctx, g.webhook, "delivered"), f.count(ctx, g.webhook, "exhausted")
		if tried := len(g.events) - left; left == 0 || delivered > paused.Replayed || tried > paused.Replayed {
			f.t.Errorf("%d deliveries were replayed, and %d are delivered, %d exhausted, of %d", paused.Replayed, delivered, left, len(g.events))
		}
		f.ask(ctx, http.MethodPost, "/v1/replays/"+id+"/resume", nil, nil)
		again()
		g.wait(ctx, id, len(g.events))
		for _, g := range list { // what was refused once more, and all of the other webhook, with its own refusals
			for n := f.count(ctx, g.webhook, "exhausted"); n > 0; n = f.count(ctx, g.webhook, "exhausted") {
				g.wait(ctx, g.replay(ctx, 0).ID, n)
			}
		}
		f.stop()
		f.tries(ctx, list)
		for _, g := range list {
			g.arrived(2 * len(f.servers))
		}
	})
}
