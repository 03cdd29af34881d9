package crash_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"

	"github.com/hookswitch/hookswitch/interaction"
)

// fleetInteractions is how many interactions one request of a fleet's test creates and stops.
const fleetInteractions = 50

// fleet is what serves one store: one server on SQLite, two on PostgreSQL. A test on it says what must hold on both.
type fleet struct {
	t       *testing.T
	servers []*server
	random  *rand.Rand
	// rows runs a query on the store itself. On SQLite nothing may serve it then.
	rows func(ctx context.Context, each func(scan func(...any) error) error, sql string) error
}

// eachFleet runs a test on both engines beside each other. The servers run and have no webhook.
func eachFleet(t *testing.T, test func(context.Context, *fleet)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		seed := *seedFlag
		if seed == 0 {
			seed = rand.Uint64()
		}
		t.Logf("seed %d: repeat with -args -seed=%d", seed, seed)
		database := filepath.Join(t.TempDir(), "crash.db")
		s := newServer(t, database)
		s.start()
		test(testContext(t), &fleet{
			t: t, servers: []*server{s}, random: rand.New(rand.NewPCG(seed, 0)),
			rows: func(_ context.Context, each func(func(...any) error) error, sql string) error {
				return rowsOfFile(database, each, sql)
			},
		})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t, 2, withoutWebhook())
		f := &fleet{t: t, random: c.random}
		for _, n := range c.nodes {
			f.servers = append(f.servers, n.server)
		}
		f.rows = func(ctx context.Context, each func(func(...any) error) error, sql string) error {
			return c.query(ctx, func(r pgx.Rows) error { return each(r.Scan) }, sql)
		}
		test(testContext(t), f)
	})
}

// rowsOfFile runs a query on an SQLite file.
func rowsOfFile(path string, each func(scan func(...any) error) error, sql string) (err error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	stmt, err := conn.Prepare(sql)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	scan := func(dest ...any) error {
		for i, d := range dest {
			switch d := d.(type) {
			case *int:
				*d = int(stmt.ColumnInt64(i))
			case *[]byte:
				*d = make([]byte, stmt.ColumnLen(i))
				stmt.ColumnBytes(i, *d)
			default:
				return fmt.Errorf("column %d: no %T can be read", i, d)
			}
		}
		return nil
	}
	for {
		if more, err := stmt.Step(); err != nil || !more {
			return err
		}
		if err := each(scan); err != nil {
			return err
		}
	}
}

// look runs a query on the store itself and fails the test with its error.
func (f *fleet) look(ctx context.Context, each func(scan func(...any) error) error, sql string) {
	f.t.Helper()
	if err := f.rows(ctx, each, sql); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
}

// serving returns a process that serves, or nil while there is none.
func (f *fleet) serving() *process {
	for _, s := range f.servers {
		s.mu.Lock()
		p := s.current
		s.mu.Unlock()
		if p != nil {
			return p
		}
	}
	return nil
}

// ask makes a request that must succeed, on a process that nobody kills meanwhile, and decodes its answer into v unless that is nil.
func (f *fleet) ask(ctx context.Context, method, path string, body, v any) {
	f.t.Helper()
	p := f.serving()
	a, err := p.call(ctx, method, path, body, "")
	if err == nil && a.status/100 != 2 {
		err = fmt.Errorf("answered %d %s", a.status, a.body)
	}
	if err == nil && v != nil {
		err = a.decode(v)
	}
	if err != nil {
		f.t.Fatalf("%s %s: %v\n%s", method, path, err, p.log())
	}
}

// until looks again and again until a condition holds.
func (f *fleet) until(ctx context.Context, what string, holds func() bool) {
	f.t.Helper()
	until(ctx, f.t, what, holds, func() string { return "\n" + f.serving().log() })
}

// strike kills a server at a random moment within a time.
func (f *fleet) strike(ctx context.Context, i int, within time.Duration) {
	f.t.Helper()
	if err := pause(ctx, time.Duration(f.random.Int64N(int64(within)))); err != nil {
		f.t.Fatal(err)
	}
	f.servers[i].kill()
}

// stop ends all servers gracefully, so that every outcome is recorded.
func (f *fleet) stop() {
	f.t.Helper()
	for _, s := range f.servers {
		s.stop()
	}
}

// create creates and stops n interactions, however often servers are killed meanwhile, and returns their events.
func (f *fleet) create(ctx context.Context, n int) (events []key, err error) {
	for len(events) < 2*n {
		var changes []map[string]any
		for range min(fleetInteractions, n-len(events)/2) {
			id := uuid.Must(uuid.NewV7()).String()
			changes = append(changes,
				map[string]any{"op": "create", "id": id, "mediaType": "chat", "subtype": "InboundNew", "queue": "support"},
				map[string]any{"op": "stop", "id": id, "by": "workflow"})
			events = append(events, key{id, interaction.EventStarted}, key{id, interaction.EventFinished})
		}
		if err := f.change(ctx, changes, uuid.NewString()); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// change asks for changes until they are made.
func (f *fleet) change(ctx context.Context, changes []map[string]any, once string) error {
	for {
		p := f.serving()
		if p == nil {
			if err := pause(ctx, lookEvery); err != nil {
				return err
			}
			continue
		}
		a, err := p.call(ctx, http.MethodPost, "/v1/interactions/batch", map[string]any{"changes": changes}, once)
		switch {
		case err != nil && (ctx.Err() != nil || !p.killed.Load()):
			return fmt.Errorf("create, on a server that was not killed: %w", err)
		case err != nil:
		case a.status == http.StatusServiceUnavailable: // another node, which was killed, may hold the key
			if err := pause(ctx, retryWait); err != nil {
				return err
			}
		case a.status/100 != 2:
			return fmt.Errorf("create: answered %d %s", a.status, a.body)
		default:
			_, err := allMade(a)
			return err
		}
	}
}

// count counts a webhook's deliveries in a state, as the API lists them.
func (f *fleet) count(ctx context.Context, webhook, state string) (n int) {
	f.t.Helper()
	pages(ctx, f.t, f.serving(), "/v1/deliveries?limit=200&state="+state+"&webhookId="+webhook, "cursor", func(delivery) { n++ })
	return n
}

// idle reports whether a webhook has nothing to deliver.
func (f *fleet) idle(ctx context.Context, webhook string) bool {
	f.t.Helper()
	at := "/v1/deliveries?limit=1&state=pending&webhookId=" + webhook
	for next := ""; ; {
		var page struct {
			Items      []delivery
			NextCursor string
		}
		f.ask(ctx, http.MethodGet, at+next, nil, &page)
		if len(page.Items) > 0 || page.NextCursor == "" { // a page may be empty and yet not the last
			return len(page.Items) == 0
		}
		next = "&cursor=" + page.NextCursor
	}
}
