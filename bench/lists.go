package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// listLimit is how long a page of a list or a search may take.
	listLimit = 50 * time.Millisecond
	// listWarmUps and listRuns are how often each search is made before it counts and after that, with new values each time.
	listWarmUps, listRuns = 3, 100
	// listFollows is how many pages more are read of a search whose page had a cursor and was not full: they count too.
	listFollows = 3
	// listsName is how a database is called that is kept.
	listsName = "hookswitch_lists"
	// listsNumber is how many deliveries there are when nobody says; the bounds are those of -n.
	listsNumber, listsNumberLeast, listsNumberMost = 5_000_000, 10_000, 100_000_000
	// spotChecks is how many deliveries and interactions are read back after the store was filled.
	spotChecks = 200
)

var (
	errSlow  = errors.New("a search took longer than its limit")
	errWorld = errors.New("the store does not hold what was written into it")
)

// A searched is what a search came to.
type searched struct {
	Name string        `json:"name"`
	P50  time.Duration `json:"p50Nano"`
	P99  time.Duration `json:"p99Nano"`
	Max  time.Duration `json:"maxNano"`
	// Rows is how many the pages had, in the mean; Empty which share of the pages had none and a cursor to go on from.
	Rows  float64 `json:"rows"`
	Empty float64 `json:"empty"`
}

// lists makes a store with much in it and measures how long its lists and searches take.
func (b *lab) lists(ctx context.Context, rep *reporter) error {
	l, err := b.openLists(ctx)
	if err != nil {
		return err
	}
	defer l.close(ctx)
	if err := l.check(ctx); err != nil {
		return err
	}
	rep.say("%d events and about %d deliveries in the store. Each search: %d times with other values, and up to %d more pages where one was not full.\n",
		l.world.events, b.options.extras.number, listRuns, listFollows)
	rep.say("| search | p50 | p99 | longest | limit | rows on a page | empty pages with a cursor |")
	rep.say("|---|---|---|---|---|---|---|")
	var slow []error
	for _, s := range l.searches() {
		if b.options.only != nil && !b.options.only.MatchString(s.name) {
			continue
		}
		got, err := l.measure(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		rep.say("| %s | %s | %s | %s | %s | %.1f | %.0f %% |", got.Name, milliseconds(got.P50), milliseconds(got.P99), milliseconds(got.Max),
			milliseconds(listLimit), got.Rows, 100*got.Empty)
		if err := rep.keep("search", got); err != nil {
			return err
		}
		if got.P99 > listLimit {
			slow = append(slow, fmt.Errorf("%w: %s: p99 %v", errSlow, got.Name, got.P99))
		}
	}
	return errors.Join(slow...)
}

// A listing is the store whose lists are measured, and the server on it.
type listing struct {
	world  *world
	fleet  *fleet
	path   string // of an SQLite file
	keep   bool
	lab    *lab
	hooks  []string // the webhooks' ids, in the order of worldHooks
	random *rand.Rand
	// deep are cursors of deliveries and of interactions, anywhere in the lists.
	deep, deepInteractions []string
	// someDeliveries are the ids of deliveries from anywhere in the world.
	someDeliveries []string
	// replay and key are the ids of one each.
	replay, key string
}

// openLists makes the store, or uses the one that was kept, and starts a server on it.
func (b *lab) openLists(ctx context.Context) (_ *listing, err error) {
	l := &listing{lab: b, keep: b.options.extras.keep != "", random: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // The same values in each run.
	defer func() {
		if err != nil {
			l.close(ctx)
		}
	}()
	l.fleet = &fleet{}
	if l.fleet.dir, err = os.MkdirTemp(b.dir, "lists-"); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	place, err := l.place(ctx)
	if err != nil {
		return nil, err
	}
	// Nothing is old enough to be removed, and the server has nothing to deliver.
	arguments := append([]string{"--retention", "0"}, b.options.serveArguments...)
	node, err := newServer(ctx, b.binary, l.fleet.dir, place, "the-admin-key-of-the-lists", arguments)
	if err != nil {
		return nil, err
	}
	l.fleet.nodes = []*server{node}
	if err := node.start(ctx); err != nil {
		return nil, err
	}
	if l.hooks, err = l.readHooks(ctx); err != nil {
		return nil, err
	}
	if len(l.hooks) == 0 {
		if err := l.make(ctx); err != nil {
			return nil, err
		}
	}
	err = l.prepare(ctx)
	return l, err
}

// place says where the store is, and makes the database where there is none.
func (l *listing) place(ctx context.Context) (string, error) {
	if l.lab.postgres == nil {
		if l.path = l.lab.options.extras.keep; l.path == "" {
			l.path = filepath.Join(l.fleet.dir, "hookswitch.db")
		}
		path, err := filepath.Abs(l.path)
		if err != nil {
			return "", fmt.Errorf("find %s: %w", l.path, err)
		}
		l.path = path
		return path, nil
	}
	if !l.keep {
		var err error
		l.fleet.database, err = l.lab.postgres.create(ctx)
		if err != nil {
			return "", err
		}
		return l.fleet.database.url, nil
	}
	at := *l.lab.postgres.admin
	at.Path = "/" + listsName
	l.fleet.database = &database{postgres: l.lab.postgres, name: listsName, url: at.String()}
	var there bool
	err := ask(ctx, l.lab.postgres.admin.String(), "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = '"+listsName+"')",
		func(r pgx.Row) error { return r.Scan(&there) })
	if err == nil && !there {
		err = l.lab.postgres.execute(ctx, "CREATE DATABASE "+listsName)
	}
	return at.String(), err
}

func (l *listing) close(ctx context.Context) {
	switch {
	case !l.keep:
		l.lab.discard(ctx, l.fleet)
	default:
		l.fleet.stop()
	}
}

// listsHook is a webhook of a world, as the API shows it; its description says what world it is.
type listsHook struct {
	ID          string `json:"id"`
	Description string `json:"description"`
}

func (l *listing) describe() string {
	return fmt.Sprintf("go run ./bench -lists -n %d", l.lab.options.extras.number)
}

// readHooks returns the webhooks that are there, oldest first, and refuses a store that is not what is wanted.
func (l *listing) readHooks(ctx context.Context) (ids []string, err error) {
	var page struct {
		Items []listsHook `json:"items"`
	}
	if err := l.get(ctx, "/v1/webhooks", &page); err != nil {
		return nil, err
	}
	for _, w := range page.Items {
		if w.Description != l.describe() {
			return nil, fmt.Errorf("%w: it was made for something else than %q; keep another one", errWorld, l.describe())
		}
		ids = append([]string{w.ID}, ids...) // the list is newest first
	}
	if n := len(ids); n != 0 && n != len(worldHooks()) {
		return nil, fmt.Errorf("%w: %d webhooks, not %d; remove it and begin anew", errWorld, n, len(worldHooks()))
	}
	return ids, nil
}

func (l *listing) get(ctx context.Context, path string, into any) error {
	return l.fleet.nodes[0].call(ctx, http.MethodGet, path, nil, into)
}

// make fills the empty store: the webhooks by the API, the rest by the hand of this program while no server runs.
func (l *listing) make(ctx context.Context) error {
	node := l.fleet.nodes[0]
	for _, h := range worldHooks() {
		var made listsHook
		if err := node.call(ctx, http.MethodPost, "/v1/webhooks", map[string]any{
			"url": "http://127.0.0.1:9/", "secret": benchSecret, "description": l.describe(), "enabled": h.kind != disabledHook,
		}, &made); err != nil {
			return err
		}
		l.hooks = append(l.hooks, made.ID)
	}
	if err := l.makeFew(ctx); err != nil {
		return err
	}
	l.fleet.stop()
	w := newWorld(l.lab.options.extras.number, time.Now())
	begin := time.Now()
	if err := w.fill(ctx, l.fleet, l.path); err != nil {
		return err
	}
	size, err := l.bytes(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "filled in %v: %.0f MB\n", time.Since(begin).Round(time.Second), float64(size)/(1<<20))
	return node.start(ctx)
}

func (l *listing) bytes(ctx context.Context) (int64, error) {
	if l.path == "" {
		return l.fleet.bytes(ctx)
	}
	info, err := os.Stat(l.path)
	if err != nil {
		return 0, fmt.Errorf("measure store: %w", err)
	}
	return info.Size(), nil
}

// prepare reads what the searches need: when the world ends, and cursors that lead anywhere into it.
func (l *listing) prepare(ctx context.Context) error {
	var newest page
	if err := l.get(ctx, "/v1/deliveries?limit=1", &newest); err != nil {
		return err
	}
	if len(newest.Items) == 0 {
		return fmt.Errorf("%w: it was not filled to the end; remove it and begin anew", errWorld)
	}
	l.world = newWorld(l.lab.options.extras.number, time.Time{})
	// The newest event of all is an odd one, a step before the end.
	step := float64(worldSpan) / float64(l.world.events)
	l.world.end = newest.Items[0].CreatedAt.Add(time.Duration(step))
	for range listRuns / 2 {
		for path, deep := range map[string]*[]string{"/v1/deliveries?to=": &l.deep, "/v1/interactions?createdBefore=": &l.deepInteractions} {
			var p page
			if err := l.get(ctx, path+l.instant(worldSpan)+"&limit=1", &p); err != nil {
				return err
			}
			if p.NextCursor != "" {
				*deep = append(*deep, p.NextCursor)
			}
		}
	}
	return nil
}

// A page is what is read of a list.
type page struct {
	Items []struct {
		ID            string    `json:"id"`
		CreatedAt     time.Time `json:"createdAt"`
		State         string    `json:"state"`
		InteractionID string    `json:"interactionId"`
		WebhookID     string    `json:"webhookId"`
		AttemptsMade  int64     `json:"attemptsMade"`
		SessionID     string    `json:"sessionId"`
		Queue         string    `json:"queue"`
		LastAttempt   *struct {
			Status int64 `json:"status"`
		} `json:"lastAttempt"`
	} `json:"items"`
	NextCursor string `json:"nextCursor"`
}

// instant is a moment of the last so long, as a parameter.
func (l *listing) instant(within time.Duration) string {
	return url.QueryEscape(l.world.end.Add(-time.Duration(l.random.Int64N(int64(within)))).UTC().Format("2006-01-02T15:04:05.000Z"))
}

// check reads some of what was written through the API, and compares it with the world.
func (l *listing) check(ctx context.Context) error {
	for range spotChecks {
		k := l.random.Int64N(l.world.events / 2)
		id := l.world.interactionID(k).String()
		var found page
		if err := l.get(ctx, "/v1/deliveries?limit=200&interactionId="+id, &found); err != nil {
			return err
		}
		want := map[string]bool{}
		events := []int64{startedOf(k)}
		if n, ok := l.world.finished(k); ok {
			events = append(events, n)
		}
		for _, i := range events {
			for h := range worldHooks() {
				if l.world.wants(i, h) {
					fate, attempts := l.world.fate(i, h)
					want[fmt.Sprint(l.hooks[h], " ", l.shown(fate, h, i, attempts))] = true
				}
			}
		}
		for _, d := range found.Items {
			got := fmt.Sprint(d.WebhookID, " ", d.State, " ", d.AttemptsMade)
			if d.InteractionID != id || !want[got] || (d.LastAttempt != nil) != (d.AttemptsMade > 0) {
				return fmt.Errorf("%w: interaction %d has %+v, not one of %v", errWorld, k, d, want)
			}
		}
		if len(found.Items) < len(want) || found.NextCursor != "" {
			return fmt.Errorf("%w: interaction %d has %d deliveries, not %d", errWorld, k, len(found.Items), len(want))
		}
		var read struct {
			Queue     string `json:"queue"`
			SessionID string `json:"sessionId"`
		}
		if err := l.get(ctx, "/v1/interactions/"+id, &read); err != nil {
			return err
		}
		if read.Queue != queueOf(k) || read.SessionID != l.world.sessionID(k).String() {
			return fmt.Errorf("%w: interaction %d is %+v", errWorld, k, read)
		}
	}
	return nil
}

// shown is the state and the number of attempts that the API should show.
func (l *listing) shown(f fate, h int, i, attempts int64) string {
	switch {
	case f == exhaustedFate:
		return fmt.Sprint("exhausted ", attempts)
	case f != openFate:
		return fmt.Sprint("delivered ", attempts)
	case i%2 == 1 && l.world.wants(startedOf(interactionOf(i)), h):
		return "pending 0"
	case worldHooks()[h].kind == disabledHook:
		return fmt.Sprint("held ", attempts)
	default:
		return fmt.Sprint("pending ", attempts)
	}
}

// measure makes a search many times.
func (l *listing) measure(ctx context.Context, s listSearch) (searched, error) {
	got := searched{Name: s.name}
	var h histogram
	pages, rows, empty := 0, 0, 0
	for n := range listWarmUps + listRuns {
		at := s.path(l)
		for range 1 + listFollows {
			var answer json.RawMessage
			begin := time.Now()
			if err := l.get(ctx, at, &answer); err != nil {
				return got, err
			}
			took := time.Since(begin)
			var p page
			if err := json.Unmarshal(answer, &p); err != nil {
				return got, fmt.Errorf("read page: %w", err)
			}
			if n >= listWarmUps {
				h.add(took)
				got.Max = max(got.Max, took)
				pages, rows = pages+1, rows+len(p.Items)
				if len(p.Items) == 0 && p.NextCursor != "" {
					empty++
				}
			}
			if p.NextCursor == "" || len(p.Items) >= pageUsual {
				break
			}
			at = withCursor(at, p.NextCursor)
		}
	}
	q := h.percentiles(0.5, 0.99)
	got.P50, got.P99, got.Rows, got.Empty = q[0], q[1], float64(rows)/float64(pages), float64(empty)/float64(pages)
	return got, nil
}
