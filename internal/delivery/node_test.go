package delivery

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/internal/store"
)

// node is an engine on a real SQLite store, as the program runs them.
type node struct {
	*store.Store
	engine *Engine
	// dead is set when the process is gone: nothing reaches the store any more.
	dead    atomic.Bool
	endings []func()
}

// startNode opens a store and runs an engine on it until the test ends, or until end or kill.
func startNode(t testing.TB, database string, s Sender, change ...func(*Options)) *node {
	t.Helper()
	n := new(node)
	o := Options{Queue: mortal{n}, Disabler: mortal{n}, Sender: s, PublicURL: publicURL, Version: "1.2.3"}
	for _, c := range change {
		c(&o)
	}
	opened, err := store.Open(context.Background(), store.Options{Sealer: sealtest.Keyset(), Database: database, PublicURL: publicURL, Lease: o.Lease})
	if err != nil {
		t.Fatal(err)
	}
	n.Store = opened
	n.engine = New(o)
	opened.HandTo(n.engine)
	n.endings = []func(){
		run(t, n.engine.Run), // the engine first: its drain needs the store
		run(t, opened.Run),
		func() {
			if err := opened.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		},
	}
	t.Cleanup(n.end)
	return n
}

// run runs until the returned function is called, which waits.
func run(t testing.TB, what func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- what(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

// end stops the node in good order.
func (n *node) end() {
	for _, end := range n.endings {
		end()
	}
	n.endings = nil
}

// kill drops the engine and the store as the death of the process does: what was not committed never will be.
func (n *node) kill() {
	n.dead.Store(true)
	n.engine.options.DrainTimeout = time.Nanosecond
	n.end()
}

// mortal is a store that nothing reaches once its process is dead.
type mortal struct{ node *node }

func (m mortal) gone() error {
	if m.node.dead.Load() {
		return fmt.Errorf("the process is dead: %w", hook.ErrUnavailable)
	}
	return nil
}

func (m mortal) WebhookByNumber(n hook.WebhookNumber) (*hook.Webhook, bool) {
	return m.node.WebhookByNumber(n)
}

func (m mortal) Due(ctx context.Context) ([]hook.Due, error) {
	if err := m.gone(); err != nil {
		return nil, err
	}
	return m.node.Due(ctx)
}

func (m mortal) Claim(ctx context.Context, now time.Time, webhook hook.WebhookNumber, limit int) ([]*hook.Delivery, error) {
	if err := m.gone(); err != nil {
		return nil, err
	}
	return m.node.Claim(ctx, now, webhook, limit)
}

func (m mortal) Record(ctx context.Context, now time.Time, outcomes []hook.Outcome) (hook.Recorded, error) {
	if err := m.gone(); err != nil {
		return hook.Recorded{}, err
	}
	return m.node.Record(ctx, now, outcomes)
}

func (m mortal) Release(ctx context.Context, now time.Time, deliveries []*hook.Delivery) error {
	if err := m.gone(); err != nil {
		return err
	}
	return m.node.Release(ctx, now, deliveries)
}

func (m mortal) SwapCircuit(ctx context.Context, webhook hook.WebhookNumber, from, to hook.Circuit) (bool, error) {
	if err := m.gone(); err != nil {
		return false, err
	}
	return m.node.SwapCircuit(ctx, webhook, from, to)
}

func (m mortal) DisableGone(ctx context.Context, now time.Time, sent *hook.Webhook) error {
	if err := m.gone(); err != nil {
		return err
	}
	return m.node.DisableGone(ctx, now, sent)
}

// webhook makes a webhook in the store.
func (n *node) webhook(t testing.TB, number int, changes ...func(*hook.Settings)) *hook.Webhook {
	t.Helper()
	w := newWebhook(hook.WebhookNumber(number), changes...)
	check(t, w)
	made, err := n.CreateWebhook(context.Background(), time.Now(), w, nil)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// interactionID names the tests' interactions.
func interactionID(of int) hook.InteractionID { return hook.InteractionID{UUID: numbered(1, of)} }

// begin returns the change that makes an interaction and submits it: STARTED.
func begin(of int) hook.Change {
	return hook.Change{Op: hook.OpCreate, ID: interactionID(of), Draft: &hook.Draft{
		ID: interactionID(of), SessionID: hook.SessionID{UUID: numbered(2, of)}, Media: interaction.MediaChat,
		Subtype: interaction.SubtypeInboundNew, Queue: "support",
	}}
}

// finish returns the change that stops an interaction: FINISHED.
func finish(of int) hook.Change {
	return hook.Change{Op: hook.OpStop, ID: interactionID(of), By: hook.ByWorkflow}
}

// accept commits changes.
func (n *node) accept(t testing.TB, changes ...hook.Change) {
	t.Helper()
	results, err := n.AcceptChanges(context.Background(), 1, time.Now(), changes, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
}

// resolved reports whether each delivery of the enabled webhooks is delivered or exhausted.
func (n *node) resolved(t testing.TB) bool {
	t.Helper()
	due, err := n.Due(context.Background()) // a FINISHED that waits has a STARTED that is due
	if err != nil {
		t.Fatal(err)
	}
	return len(due) == 0
}

// list returns the deliveries of a state.
func (n *node) list(t testing.TB, state hook.DeliveryState) []*store.Delivery {
	t.Helper()
	var all []*store.Delivery
	for cursor := ""; ; {
		page, next, err := n.Deliveries(context.Background(), 1, store.DeliveryFilter{State: state}, store.Page{Limit: 200, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
		if cursor = next; next == "" {
			return all
		}
	}
}

// database returns a path for a new database.
func database(t testing.TB) string { return filepath.Join(t.TempDir(), "hookswitch.db") }

// eventually waits, by the test's clock, until something is true. What may take long is looked at less often.
func eventually(t testing.TB, most time.Duration, what string, holds func() bool) {
	t.Helper()
	pause := max(20*time.Millisecond, most/1_000)
	for began := time.Now(); !holds(); <-time.After(pause) {
		if time.Since(began) > most {
			t.Fatalf("%s: not within %v", what, most)
		}
	}
}

// tally counts keys.
type tally[K comparable] struct {
	mu   sync.Mutex // guards seen
	seen map[K]int
}

// count counts a key and returns how often it was counted, this time included.
func (o *tally[K]) count(key K) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil {
		o.seen = map[K]int{}
	}
	o.seen[key]++
	return o.seen[key]
}
