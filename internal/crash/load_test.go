package crash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/hookswitch/hookswitch/interaction"
)

const (
	// loadWorkers is how many requests are in flight: two times the POSTs that the webhook allows.
	loadWorkers = 64
	// unitInteractions is how many interactions one piece of a worker's work has.
	unitInteractions = 10
)

// load is a contact centre: many workers who make and stop interactions, and who find out what became of every change.
type load struct {
	server *server
	ledger *ledger
	seed   uint64

	acknowledged atomic.Int64 // changes that were answered 2xx
	lost         atomic.Int64 // requests whose answer was lost
	made         atomic.Int64 // those of them that were found to be made
}

// run makes n interactions and stops them all.
func (l *load) run(ctx context.Context, n int) error {
	var (
		wg     sync.WaitGroup
		once   sync.Once
		failed error
		next   atomic.Int64
	)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	units := n / unitInteractions
	for range loadWorkers {
		wg.Go(func() {
			for u := next.Add(1); u <= int64(units); u = next.Add(1) {
				if err := l.unit(ctx, rand.New(rand.NewPCG(l.seed, uint64(u)))); err != nil {
					once.Do(func() { failed = err })
					cancel()
					return
				}
			}
		})
	}
	wg.Wait()
	return failed
}

// unit makes a few interactions in one of several ways, and stops them in another order.
func (l *load) unit(ctx context.Context, random *rand.Rand) error {
	w := worker{load: l, random: random}
	var err error
	switch random.IntN(5) {
	case 0:
		return w.batches(ctx)
	case 1:
		err = w.each(ctx, w.submitted)
	case 2:
		err = w.each(ctx, w.keyed)
	default:
		err = w.each(ctx, w.created)
	}
	if err != nil {
		return err
	}
	random.Shuffle(len(w.ids), func(i, j int) { w.ids[i], w.ids[j] = w.ids[j], w.ids[i] })
	for _, id := range w.ids {
		if err := w.make(ctx, stop(id)); err != nil {
			return err
		}
	}
	return nil
}

// worker does one unit.
type worker struct {
	*load
	random *rand.Rand
	ids    []string
}

func (w *worker) each(ctx context.Context, one func(context.Context) error) error {
	for range unitInteractions {
		if err := one(ctx); err != nil {
			return err
		}
	}
	return nil
}

// created creates and submits in one request.
func (w *worker) created(ctx context.Context) error {
	id := uuid.Must(uuid.NewV7()).String()
	w.ids = append(w.ids, id)
	return w.make(ctx, w.creation(id))
}

// creation is the change that creates and submits an interaction.
func (w *worker) creation(id string) change {
	return change{
		path: "/v1/interactions", body: w.draft(id, "support"), ids: []string{id},
		events: []key{{id, interaction.EventStarted}}, done: func(s shown) bool { return s.State != "" },
	}
}

// submitted takes the long way, which has changes that cause no event.
func (w *worker) submitted(ctx context.Context) error {
	id := uuid.Must(uuid.NewV7()).String()
	w.ids = append(w.ids, id)
	at := "/v1/interactions/" + id
	for _, c := range []change{
		{path: "/v1/interactions", body: w.draft(id, ""), done: func(s shown) bool { return s.State != "" }},
		{
			path: at + "/submit", body: map[string]any{"queue": "support"}, events: []key{{id, interaction.EventStarted}},
			done: func(s shown) bool { return s.State == "QUEUED" },
		},
		{path: at + "/accept", body: map[string]any{"agent": "a.smith"}, done: func(s shown) bool { return s.State == "IN_PROCESS" }},
		{path: at + "/return", body: map[string]any{"queue": "other"}, done: func(s shown) bool { return s.Queue == "other" }},
	} {
		c.ids = []string{id}
		if err := w.make(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// keyed lets the server choose the id, so that only an Idempotency-Key makes it safe to repeat a request.
func (w *worker) keyed(ctx context.Context) error {
	c := change{path: "/v1/interactions", body: w.draft("", "support"), once: uuid.NewString()}
	c.answered = func(a *answer) ([]key, error) {
		var s shown
		if err := a.decode(&s); err != nil {
			return nil, err
		}
		w.ids = append(w.ids, s.ID)
		return []key{{s.ID, interaction.EventStarted}}, nil
	}
	return w.make(ctx, c)
}

// batches creates all in one request, and creates and stops as many in another.
func (w *worker) batches(ctx context.Context) error {
	var first, both []map[string]any
	one, two := change{path: "/v1/interactions/batch"}, change{path: "/v1/interactions/batch"}
	for i := range unitInteractions {
		id := uuid.Must(uuid.NewV7()).String()
		create, end := w.draft(id, "support"), map[string]any{"op": "stop", "id": id, "by": "workflow"}
		create["op"] = "create"
		if i%2 == 0 {
			w.ids = append(w.ids, id)
			first = append(first, create)
			one.ids = append(one.ids, id)
			one.events = append(one.events, key{id, interaction.EventStarted})
			continue
		}
		both = append(both, create, end)
		two.ids = append(two.ids, id)
		two.events = append(two.events, key{id, interaction.EventStarted}, key{id, interaction.EventFinished})
	}
	for _, id := range w.ids {
		both = append(both, map[string]any{"op": "stop", "id": id, "by": "agentDesktop"})
		two.ids = append(two.ids, id)
		two.events = append(two.events, key{id, interaction.EventFinished})
	}
	one.body, one.done = map[string]any{"changes": first}, func(s shown) bool { return s.State != "" }
	two.body, two.done = map[string]any{"changes": both}, func(s shown) bool { return s.State == "STOPPED" }
	for _, c := range []change{one, two} {
		c.answered = allMade
		if err := w.make(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// allMade checks that each change of a batch was made.
func allMade(a *answer) ([]key, error) {
	var results struct {
		Results []struct{ Status int }
	}
	if err := a.decode(&results); err != nil {
		return nil, err
	}
	for _, r := range results.Results {
		if r.Status/100 != 2 {
			return nil, fmt.Errorf("a change of a batch was answered %d: %s", r.Status, a.body)
		}
	}
	return nil, nil
}

func (w *worker) draft(id, queue string) map[string]any {
	d := map[string]any{"mediaType": "chat", "subtype": "InboundNew", "subject": "crash"}
	if w.random.IntN(4) == 0 {
		d["mediaType"] = "email"
	}
	if id != "" {
		d["id"] = id
	}
	if queue != "" {
		d["queue"] = queue
	}
	return d
}

func stop(id string) change {
	return change{
		path: "/v1/interactions/" + id + "/stop", body: map[string]any{"by": "agentDesktop", "reason": "resolved"}, ids: []string{id},
		events: []key{{id, interaction.EventFinished}}, done: func(s shown) bool { return s.State == "STOPPED" },
	}
}

// shown is an interaction as the API shows it; one that does not exist has no state.
type shown struct{ ID, State, Queue string }

// change is one request, and how to find out whether it was made when its answer is lost.
type change struct {
	path   string
	body   any
	once   string
	events []key
	ids    []string
	// done says of an interaction whether the change was made.
	done func(shown) bool
	// answered checks the answer, where there is more to it than its status, and returns further events.
	answered func(*answer) ([]key, error)
}

// make makes a change, however often the server is killed meanwhile.
func (l *load) make(ctx context.Context, c change) error {
	for {
		p, err := l.server.live(ctx)
		if err != nil {
			return err
		}
		l.ledger.ask(p.number, c.events)
		a, err := p.call(ctx, http.MethodPost, c.path, c.body, c.once)
		switch {
		case err == nil && a.status/100 == 2:
			return l.acknowledge(&c, a)
		case err == nil:
			return fmt.Errorf("POST %s: answered %d %s", c.path, a.status, a.body)
		case !p.killed.Load():
			return fmt.Errorf("POST %s, on a server that was not killed: %w", c.path, err)
		}
		l.lost.Add(1)
		if c.once != "" {
			continue // the server knows whether it was made
		}
		made, err := l.wasMade(ctx, &c)
		if err != nil {
			return err
		}
		if made {
			l.made.Add(1)
			l.ledger.owe(c.events)
			return nil
		}
	}
}

func (l *load) acknowledge(c *change, a *answer) error {
	l.acknowledged.Add(1)
	events := c.events
	if c.answered != nil {
		more, err := c.answered(a)
		if err != nil {
			return fmt.Errorf("POST %s: %w", c.path, err)
		}
		events = append(events, more...)
	}
	l.ledger.owe(events)
	return nil
}

// wasMade finds out whether a change was made whose answer was lost: all of it or nothing.
func (l *load) wasMade(ctx context.Context, c *change) (bool, error) {
	count := 0
	for _, id := range c.ids {
		s, err := l.read(ctx, id)
		if err != nil {
			return false, err
		}
		if c.done(s) {
			count++
		}
	}
	if count != 0 && count != len(c.ids) {
		return false, fmt.Errorf("POST %s: %d of its %d changes were made, though they are one transaction", c.path, count, len(c.ids))
	}
	return count > 0, nil
}

// read reads an interaction, however often the server is killed meanwhile.
func (l *load) read(ctx context.Context, id string) (shown, error) {
	for {
		p, err := l.server.live(ctx)
		if err != nil {
			return shown{}, err
		}
		a, err := p.call(ctx, http.MethodGet, "/v1/interactions/"+id, nil, "")
		switch {
		case err != nil && p.killed.Load():
			continue
		case err != nil:
			return shown{}, fmt.Errorf("read interaction, on a server that was not killed: %w", err)
		case a.status == http.StatusNotFound:
			return shown{}, nil
		case a.status != http.StatusOK:
			return shown{}, fmt.Errorf("read interaction: answered %d %s", a.status, a.body)
		}
		var s shown
		err = a.decode(&s)
		return s, err
	}
}
