package crash_test

import (
	"context"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
)

const (
	// concurrency is the webhook's: its POSTs in flight.
	concurrency = 32
	// jitterMax is the longest time from the moment when it is decided to kill to the kill.
	jitterMax = 25 * time.Millisecond
	// resumeAim is how soon after a restart the first old delivery shall arrive (issue 2, "How fast").
	resumeAim = 2 * time.Second
	// resumeMax bounds the same on a machine that does much else, and with the race detector. It is far less than a lease,
	// after which a delivery is taken over in any case.
	resumeMax = 30 * time.Second
)

// rig is a server, the receiver and the load between them.
type rig struct {
	*server
	ledger *ledger
	load   *load
	random *rand.Rand
	kills  []kill
}

// kill is what was seen at one kill.
type kill struct {
	process int
	// up is how long the process had lived.
	up time.Duration
	// owed is how many changes were known to be made and not delivered.
	owed int
}

func newRig(t *testing.T) *rig {
	if raced {
		// The short form. The long one runs alone, so that its times mean something.
		t.Parallel()
	}
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: repeat with -args -seed=%d", seed, seed)
	s, l := newServer(t, filepath.Join(t.TempDir(), "crash.db")), newLedger(t)
	return &rig{
		server: s, ledger: l, load: &load{server: s, ledger: l, seed: seed}, random: rand.New(rand.NewPCG(seed, 0)),
	}
}

// up starts the first process and makes the webhook.
func (r *rig) up(ctx context.Context) *process {
	r.t.Helper()
	p := r.restart(ctx)
	p.subscribe(ctx, r.t, map[string]any{
		"url": r.ledger.url, "secret": secret, "concurrency": concurrency, "requestTimeout": "60s",
		"retry": map[string]any{"timeout": "100ms", "attempts": 100, "backoff": 1, "maxTimeout": "1s", "jitter": 0},
	})
	return p
}

// restart starts a process once everything is handled that the one before has sent.
func (r *rig) restart(ctx context.Context) *process {
	r.t.Helper()
	r.ledger.quiet(ctx)
	r.ledger.begin(time.Now())
	return r.start()
}

// strike kills the current process after a random moment.
func (r *rig) strike(ctx context.Context) {
	wait := time.NewTimer(time.Duration(r.random.Int64N(int64(jitterMax))))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
	p := r.kill()
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	r.kills = append(r.kills, kill{process: p.number, up: time.Since(p.began), owed: r.ledger.owed})
}

// moments are numbers of made changes at which to kill, in order.
func (r *rig) moments(kills, events int) []int {
	list := make([]int, kills)
	for i := range list {
		list[i] = events/50 + r.random.IntN(events*9/10)
	}
	slices.Sort(list)
	return list
}

// background runs the load of n interactions; what it returns waits for its end.
func (r *rig) background(ctx context.Context, n int) (ended <-chan struct{}, wait func()) {
	done := make(chan struct{})
	var failed error
	began := time.Now()
	go func() {
		defer close(done)
		failed = r.load.run(ctx, n)
	}()
	return done, func() {
		r.t.Helper()
		<-done
		if failed != nil {
			r.t.Fatalf("load: %v", failed)
		}
		r.t.Logf("%d interactions made and stopped in %v: %d requests acknowledged, %d answers lost, of which %d were made",
			n, time.Since(began).Round(time.Millisecond), r.load.acknowledged.Load(), r.load.lost.Load(), r.load.made.Load())
	}
}

// madeAtLeast waits until so many changes with events were made, or the load ended.
func (r *rig) madeAtLeast(ctx context.Context, n int, ended <-chan struct{}) {
	r.t.Helper()
	r.ledger.await(ctx, "the load to go on", func() bool {
		select {
		case <-ended:
			return true
		default:
			return r.ledger.made >= n
		}
	})
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	if at, ok := t.Deadline(); ok {
		// Time to tell what was waited for in vain, before the test binary is ended.
		ctx, cancel = context.WithDeadline(ctx, at.Add(-30*time.Second))
		t.Cleanup(cancel)
	}
	return ctx
}

// TestCrashUnderLoad kills the server at random moments of a load that never waits for it.
func TestCrashUnderLoad(t *testing.T) {
	ctx, r := testContext(t), newRig(t)
	n := *interactionsFlag / unitInteractions * unitInteractions
	r.up(ctx)
	ended, wait := r.background(ctx, n)
	for _, at := range r.moments(*killsFlag, 2*n) {
		r.madeAtLeast(ctx, at, ended)
		r.strike(ctx)
		r.restart(ctx)
	}
	wait()
	r.conclude(ctx, 2*n)
}

// TestCrashDuringTakeOver kills the server again and again in its first moments, while it migrates, takes over what the
// one before had leased, or begins to deliver.
func TestCrashDuringTakeOver(t *testing.T) {
	ctx, r := testContext(t), newRig(t)
	n := max(*interactionsFlag/4, 500) / unitInteractions * unitInteractions
	starts := 3 * *killsFlag
	r.ledger.set(hold)
	p := r.up(ctx)
	usual := time.Since(p.began)
	_, wait := r.background(ctx, n)
	wait()
	r.strike(ctx)
	r.ledger.set(up)
	for range starts {
		r.ledger.quiet(ctx)
		r.ledger.begin(time.Now())
		p := r.launch()
		// Up to twice as long as a start took: half of the kills come before the process listens.
		moment := time.NewTimer(time.Duration(r.random.Int64N(2 * int64(usual))))
		select {
		case <-moment.C:
		case <-p.exited:
			t.Fatalf("process %d ended by itself: %v\n%s", p.number, p.err, p.log())
		}
		p.kill()
	}
	t.Logf("killed %d times within %v of the start; a start takes %v", starts, 2*usual, usual.Round(time.Millisecond))
	r.restart(ctx)
	r.conclude(ctx, 2*n)
}

// TestCrashWhileReceiverIsDown kills the server before, during and after a time in which the receiver refuses everything.
func TestCrashWhileReceiverIsDown(t *testing.T) {
	ctx, r := testContext(t), newRig(t)
	n := max(*interactionsFlag/4, 500) / unitInteractions * unitInteractions
	r.up(ctx)
	ended, wait := r.background(ctx, n)
	for i, at := range r.moments(max(*killsFlag/2, 3), 2*n) {
		r.madeAtLeast(ctx, at, ended)
		if i%2 == 0 {
			r.ledger.set(down)
			r.ledger.await(ctx, "the receiver to refuse", func() bool { return r.ledger.lives[len(r.ledger.lives)-1].refused > 0 || r.ledger.owed == 0 })
		}
		r.strike(ctx)
		r.restart(ctx)
		if i%2 == 0 {
			// The new process must try, fail and record its failures before the receiver is back.
			r.ledger.await(ctx, "the receiver to refuse again", func() bool { return r.ledger.lives[len(r.ledger.lives)-1].refused > 1 || r.ledger.owed == 0 })
			r.ledger.set(up)
			// The circuit is open, over kills too. A probe must find the receiver up before it is down again, or the waits between
			// probes grow and grow.
			r.ledger.await(ctx, "a probe to close the circuit", func() bool { return r.ledger.lives[len(r.ledger.lives)-1].posts > 0 || r.ledger.owed == 0 })
		}
	}
	wait()
	r.conclude(ctx, 2*n)
}

// conclude waits until all is delivered and compares what the load, the receiver and the server know.
func (r *rig) conclude(ctx context.Context, events int) {
	r.t.Helper()
	began := time.Now()
	r.ledger.settled(ctx)
	r.t.Logf("everything that was acknowledged is delivered, %v after the load", time.Since(began).Round(time.Millisecond))
	// A graceful end records every outcome, so that the next process has nothing to deliver.
	began = time.Now()
	r.stop()
	r.t.Logf("a graceful end took %v", time.Since(began).Round(time.Millisecond))
	p := r.restart(ctx)
	r.checkEvents(ctx, p, events)
	r.checkDeliveries(ctx, p, events)
	r.checkDuplicates()
	r.checkResumption()
	if posts := r.ledger.lives[len(r.ledger.lives)-1].posts; posts != 0 {
		r.t.Errorf("after a graceful end the next process delivered %d events again", posts)
	}
}

// checkEvents compares the server's events with what the load caused and the receiver got.
func (r *rig) checkEvents(ctx context.Context, p *process, want int) {
	r.t.Helper()
	type event struct {
		OperationID string
		Event       interaction.Event
		Interaction shown
	}
	seen := map[key]bool{}
	pages(ctx, r.t, p, "/v1/events?limit=200", "after", func(e event) {
		k := key{e.Interaction.ID, e.Event}
		r.ledger.mu.Lock()
		defer r.ledger.mu.Unlock()
		a, ok := r.ledger.accounts[k]
		switch {
		case seen[k]:
			r.ledger.fault("%s of %s is there twice", k.event, k.id)
		case !ok || a.received == 0:
			r.ledger.fault("%s of %s is in the store and was never delivered", k.event, k.id)
		case a.op != e.OperationID:
			r.ledger.fault("%s of %s is operation %s in the store and arrived as %s", k.event, k.id, e.OperationID, a.op)
		case k.event == interaction.EventFinished && !seen[key{k.id, interaction.EventStarted}]:
			r.ledger.fault("FINISHED of %s is before its STARTED", k.id)
		}
		seen[k] = true
	})
	if _, _, unknown := r.ledger.totals(); len(seen) != want || r.ledger.made != want || unknown != 0 {
		r.t.Errorf("the store holds %d events, the load caused %d, want %d; %d arrived that nobody caused", len(seen), r.ledger.made, want, unknown)
	}
}

// checkDeliveries compares the server's deliveries with what the receiver got.
func (r *rig) checkDeliveries(ctx context.Context, p *process, want int) {
	r.t.Helper()
	for _, state := range []string{"pending", "exhausted", "held"} {
		pages(ctx, r.t, p, "/v1/deliveries?limit=200&state="+state, "cursor", func(d delivery) {
			r.t.Errorf("%s of %s is %s after the end", d.Event, d.InteractionID, d.State)
		})
	}
	count, tried := 0, []string(nil)
	pages(ctx, r.t, p, "/v1/deliveries?limit=200&state=delivered", "cursor", func(d delivery) {
		count++
		r.ledger.mu.Lock()
		defer r.ledger.mu.Unlock()
		a, ok := r.ledger.accounts[key{d.InteractionID, d.Event}]
		if !ok || a.op != d.OperationID {
			r.ledger.fault("%s of %s is delivered in the store as operation %s and arrived otherwise", d.Event, d.InteractionID, d.OperationID)
		}
		if d.AttemptsMade > 1 {
			tried = append(tried, d.ID)
		}
	})
	if count != want {
		r.t.Errorf("the store says that %d deliveries are delivered, want %d", count, want)
	}
	r.checkAttempts(ctx, p, tried)
}

// checkAttempts checks that the attempts of deliveries which needed several are numbered without a gap or a repetition,
// and that the last one, alone, was acknowledged.
func (r *rig) checkAttempts(ctx context.Context, p *process, ids []string) {
	r.t.Helper()
	for _, id := range ids[:min(len(ids), 500)] {
		var d delivery
		p.get(ctx, r.t, "/v1/deliveries/"+url.PathEscape(id), &d)
		if len(d.Attempts) != d.AttemptsMade {
			r.t.Errorf("delivery %s has %d attempts, and says %d", id, len(d.Attempts), d.AttemptsMade)
		}
		for i, a := range d.Attempts {
			if last := i == len(d.Attempts)-1; a.Number != i+1 || last != (a.Status == http.StatusOK) {
				r.t.Errorf("delivery %s: attempt %d of %d has the number %d and status %d %s", id, i+1, len(d.Attempts), a.Number, a.Status, a.Failure)
			}
		}
	}
	r.t.Logf("%d deliveries took more than one recorded attempt", len(ids))
}

// delivery is a delivery as the API shows it.
type delivery struct {
	ID, InteractionID, OperationID, State string
	Event                                 interaction.Event
	AttemptsMade                          int
	Attempts                              []struct {
		Number, Status    int
		Failure, Response string
	}
}

// checkDuplicates checks that what arrived again was in flight when the process that had delivered it was killed.
func (r *rig) checkDuplicates() {
	r.t.Helper()
	limits := constants(r.t, "../delivery/record.go", "outcomesWaitingMax", "recordMax")
	most := concurrency + limits["outcomesWaitingMax"] + limits["recordMax"]
	posts, duplicates, _ := r.ledger.totals()
	kills, worst := r.started-2, 0 // neither the graceful end nor the last process counts
	for i, v := range r.ledger.lives {
		worst = max(worst, v.again)
		if v.again > most {
			r.t.Errorf("%d events that process %d had delivered were delivered again; at most %d can have been in flight when it was killed", v.again, i, most)
		}
	}
	r.t.Logf("%d kills: %d POSTs, %d duplicates, at most %d of one killed process; in flight can be %d = %d POSTs + %d outcomes that wait + %d in a batch, so %d in all",
		kills, posts, duplicates, worst, most, concurrency, limits["outcomesWaitingMax"], limits["recordMax"], kills*most)
}

// checkResumption checks how soon after each restart old work arrived.
func (r *rig) checkResumption() {
	r.t.Helper()
	var took []time.Duration
	for _, v := range r.ledger.lives {
		if v.resumed > 0 {
			took = append(took, v.resumed)
		}
	}
	if len(took) == 0 {
		r.t.Log("no restart had old work to deliver")
		return
	}
	slices.Sort(took)
	owed := 0
	for _, k := range r.kills {
		owed = max(owed, k.owed)
	}
	longest := took[len(took)-1]
	r.t.Logf("from the restart to the first old delivery (%d restarts that had one): median %v, longest %v, aim %v; owed at a kill: up to %d",
		len(took), took[len(took)/2].Round(time.Millisecond), longest.Round(time.Millisecond), resumeAim, owed)
	if longest > resumeMax {
		r.t.Errorf("a restart took %v to deliver what the process before had left, want %v at most", longest, resumeMax)
	}
}

// constants reads limits of the program from its source: they are nobody else's to know.
func constants(t *testing.T, file string, names ...string) map[string]int {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(file), nil, 0)
	if err != nil {
		t.Fatalf("read the limits: %v", err)
	}
	found := map[string]int{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Names) != 1 || len(spec.Values) != 1 {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok && slices.Contains(names, spec.Names[0].Name) {
			v, _ := constant.Int64Val(constant.MakeFromLiteral(lit.Value, lit.Kind, 0)) // anything else is 0, which is refused below
			found[spec.Names[0].Name] = int(v)
		}
		return true
	})
	for _, name := range names {
		if found[name] == 0 {
			t.Fatalf("%s has no constant %s any more: what bounds the outcomes that wait to be recorded?", file, name)
		}
	}
	return found
}
