package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

const (
	// pagesLimit is how long a page of the console may take.
	pagesLimit = 200 * time.Millisecond
	// pagesWarmUps and pagesRuns are how often each page is asked for before it counts and after that.
	pagesWarmUps, pagesRuns = 3, 50
	// pageEnd is the end of every page that was shown whole.
	pageEnd = "</html>"
	// pageBytesMax bounds what is read of a page.
	pageBytesMax = 8 << 20
	// consolePath is where the console is, and centerPath where the pages of the measured contact centre are.
	consolePath = "/console/"
	centerPath  = consolePath + "cc/default/"
	// pageSelected is how many deliveries are selected in a list, to be replayed: all of one page.
	pageSelected = 50
)

var errPage = errors.New("the console did not show the page")

// A consolePage is a page of the console, with new values each time.
type consolePage struct {
	name string
	path func(*listing) string
}

// fixedPages are pages of the contact centre that are asked for again and again with the same query.
func fixedPages(page string, queries ...string) (list []consolePage) {
	for _, query := range queries {
		path := centerPath + page
		if query != "" {
			path += "?" + query
		}
		list = append(list, consolePage{strings.TrimPrefix(path, strings.TrimSuffix(centerPath, "/")), func(*listing) string { return path }})
	}
	return list
}

// changingPage is a page of the contact centre, each time another one or with another query.
func changingPage(name string, path func(*listing) string) consolePage {
	return consolePage{name, func(l *listing) string { return centerPath + path(l) }}
}

// consolePages are all pages of the console, each list also with each of its filters, among them those that look at most: what is rare.
func consolePages() (list []consolePage) {
	list = append(
		list,
		consolePage{"/console/sign-in", func(*listing) string { return consolePath + "sign-in" }},
		consolePage{"/console/, which leads to the overview", func(*listing) string { return consolePath }},
	)
	list = append(list, fixedPages("", "", "span=1h", "span=6h", "span=24h")...)
	list = append(list, interactionPages()...)
	list = append(list, deliveryPages()...)
	list = append(list, webhookPages()...)
	for _, one := range []struct {
		page    string
		queries []string
	}{
		{"queues", []string{"", "queue=" + rareQueue, "state=NEW", "order=newest", "order=newest&page=20"}},
		{"queues/new", []string{""}},
		{"replays", []string{""}},
		{"replays/new", []string{"", "states=exhausted&from=2020-01-01T00:00"}},
		{"notices", []string{"", "type=webhook.disabled", "type=webhook.failing"}},
		{"live", []string{"", "event=FINISHED", "media=email", "subtype=WhatsApp", "queue=" + rareQueue}},
		{"keys", []string{"", "scope=server"}},
		{"keys/new", []string{""}},
		{"audit", []string{"", "scope=server", "action=webhook", "actor=nobody", "subject=nothing", "action=webhook.delete&actor=nobody"}},
		{"settings", []string{"", "report=yes"}},
	} {
		list = append(list, fixedPages(one.page, one.queries...)...)
	}
	return append(
		list,
		changingPage("/queues/{id}", func(l *listing) string { return "queues/" + l.interaction(true) }),
		changingPage("/replays/{id}", func(l *listing) string { return "replays/" + l.replay }),
		changingPage("/keys/{id}", func(l *listing) string { return "keys/" + l.key }),
		changingPage("/notices?webhook={id}", func(l *listing) string { return "notices?webhook=" + l.hooks[len(l.hooks)-1] }),
		changingPage("/audit?from=…", func(l *listing) string { return "audit?from=" + l.moment() }),
		changingPage("/audit?to=…", func(l *listing) string { return "audit?actor=nobody&to=" + l.moment() }),
	)
}

func interactionPages() []consolePage {
	return append(
		fixedPages("interactions", "", "state=open", "state=QUEUED", "state=IN_PROCESS", "state=STOPPED", "media=email", "subtype=WhatsApp", "queue=queue-Bb", "queue="+rareQueue,
			"within=1h", "within=today", "within=7d", "within=7d&queue="+rareQueue, "state=open&media=email&queue="+rareQueue),
		changingPage("/interactions?session={id}", func(l *listing) string {
			return "interactions?session=" + l.world.sessionID(l.random.Int64N(l.world.events/2)).String()
		}),
		changingPage("/interactions?q={id}, which leads to the interaction", func(l *listing) string { return "interactions?q=" + l.interaction(false) }),
		changingPage("/interactions?from=…", func(l *listing) string { return "interactions?from=" + l.moment() }),
		changingPage("/interactions?to=…", func(l *listing) string { return "interactions?to=" + l.moment() }),
		changingPage("/interactions?cursor=…", func(l *listing) string {
			return "interactions?cursor=" + l.deepInteractions[l.random.IntN(len(l.deepInteractions))]
		}),
		changingPage("/interactions/{id}", func(l *listing) string { return "interactions/" + l.interaction(false) }),
		changingPage("/interactions/{id}, still open", func(l *listing) string { return "interactions/" + l.interaction(true) }),
	)
}

func deliveryPages() []consolePage {
	queries := []string{"", "status=418", "status=599", "event=FINISHED", "media=email"}
	for _, state := range []string{"all", "failing", "pending", "held", "delivered", "exhausted"} {
		queries = append(queries, "state="+state)
	}
	for _, failure := range []string{"timeout", "dns", "blocked", "request"} {
		queries = append(queries, "state=all&failure="+failure)
	}
	queries = append(queries, "state=failing&status=418", "state=failing&failure=request", "state=held&media=email", "state=pending&event=FINISHED&media=email")
	selected := func(page string) func(*listing) string {
		return func(l *listing) string {
			query := url.Values{}
			for range pageSelected {
				query.Add("id", l.delivery())
			}
			return page + "?" + query.Encode()
		}
	}
	return append(
		fixedPages("deliveries", queries...),
		changingPage("/deliveries?interaction={id}", func(l *listing) string { return "deliveries?state=all&interaction=" + l.interaction(false) }),
		changingPage("/deliveries?session={id}", func(l *listing) string {
			return "deliveries?state=all&session=" + l.world.sessionID(l.random.Int64N(l.world.events/2)).String()
		}),
		changingPage("/deliveries?from=…", func(l *listing) string { return "deliveries?state=all&from=" + l.moment() }),
		changingPage("/deliveries?to=…", func(l *listing) string { return "deliveries?state=all&to=" + l.moment() }),
		changingPage("/deliveries?cursor=…", func(l *listing) string { return "deliveries?state=all&cursor=" + l.deep[l.random.IntN(len(l.deep))] }),
		changingPage("/deliveries/{id}", func(l *listing) string { return "deliveries/" + l.delivery() }),
		changingPage("/deliveries/replay, a page full", selected("deliveries/replay")),
		changingPage("/deliveries/replayed, a page full", selected("deliveries/replayed")),
	)
}

func webhookPages() []consolePage {
	list := append(fixedPages("webhooks", ""), fixedPages("webhooks/new", "")...)
	for i, h := range worldHooks() {
		list = append(
			list,
			changingPage("/webhooks/{id} of "+h.name, func(l *listing) string { return "webhooks/" + l.hooks[i] }),
			changingPage("/deliveries?webhook={id} of "+h.name, func(l *listing) string { return "deliveries?state=all&webhook=" + l.hooks[i] }),
			changingPage("/deliveries?state=failing&webhook={id} of "+h.name, func(l *listing) string { return "deliveries?state=failing&webhook=" + l.hooks[i] }),
		)
	}
	for _, page := range []string{"edit", "test", "delete"} {
		list = append(list, changingPage("/webhooks/{id}/"+page, func(l *listing) string { return "webhooks/" + l.hooks[0] + "/" + page }))
	}
	return list
}

// interaction is the id of one from anywhere in the world, or of one that is open.
func (l *listing) interaction(open bool) string {
	all := l.world.events / 2
	if open {
		return l.world.interactionID(all - 1 - l.random.Int64N(min(worldLag, all))).String()
	}
	return l.world.interactionID(l.random.Int64N(all)).String()
}

// delivery is the id of one from anywhere in the world.
func (l *listing) delivery() string { return l.someDeliveries[l.random.IntN(len(l.someDeliveries))] }

// moment is a time of the world as an input of the type datetime-local has it.
func (l *listing) moment() string {
	return url.QueryEscape(l.world.end.Add(-time.Duration(l.random.Int64N(int64(worldSpan)))).UTC().Format("2006-01-02T15:04"))
}

// pages makes a store with much in it and measures how long each page of the console takes.
func (b *lab) pages(ctx context.Context, rep *reporter) error {
	l, err := b.openLists(ctx)
	if err != nil {
		return err
	}
	defer l.close(ctx)
	client, err := l.signIn(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(l.readDeliveries(ctx), l.readOne(ctx, "/v1/replays", &l.replay), l.readOne(ctx, "/v1/keys", &l.key)); err != nil {
		return err
	}
	rep.say("%d events and about %d deliveries in the store. Each page: %d times, with other values where it has some.\n", l.world.events, b.options.extras.number, pagesRuns)
	rep.say("| page of the console | p50 | p99 | longest | limit | size |")
	rep.say("|---|---|---|---|---|---|")
	var slow []error
	for _, p := range consolePages() {
		if b.options.only != nil && !b.options.only.MatchString(p.name) {
			continue
		}
		got, bytes, err := l.measurePage(ctx, client, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		rep.say("| `%s` | %s | %s | %s | %s | %d KB |", got.Name, milliseconds(got.P50), milliseconds(got.P99), milliseconds(got.Max), milliseconds(pagesLimit), bytes>>10)
		if err := rep.keep("page", got); err != nil {
			return err
		}
		if got.P99 > pagesLimit {
			slow = append(slow, fmt.Errorf("%w: %s: p99 %v", errSlow, got.Name, got.P99))
		}
	}
	return errors.Join(slow...)
}

// signIn makes a browser in which the admin is signed in.
func (l *listing) signIn(ctx context.Context) (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("make cookie jar: %w", err)
	}
	client := &http.Client{Jar: jar}
	node := l.fleet.nodes[0]
	form := url.Values{"key": {node.key}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+node.address+"/console/sign-in", strings.NewReader(form))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, err = read(client, r)
	return client, err
}

// read returns the size of a page, which must have been shown.
func read(client *http.Client, r *http.Request) (int, error) {
	response, err := client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("ask for page: %w", err)
	}
	defer done(response.Body)
	body, err := io.ReadAll(io.LimitReader(response.Body, pageBytesMax))
	if err != nil {
		return 0, fmt.Errorf("read page: %w", err)
	}
	if response.StatusCode != http.StatusOK || !strings.Contains(string(body), pageEnd) {
		return 0, fmt.Errorf("%w: %s: %d", errPage, response.Request.URL.Path, response.StatusCode)
	}
	return len(body), nil
}

// readDeliveries finds deliveries all over the world, for their pages.
func (l *listing) readDeliveries(ctx context.Context) error {
	for range pagesRuns {
		var p page
		if err := l.get(ctx, "/v1/deliveries?limit=1&to="+l.instant(worldSpan), &p); err != nil {
			return err
		}
		for _, d := range p.Items {
			l.someDeliveries = append(l.someDeliveries, d.ID)
		}
	}
	if len(l.someDeliveries) == 0 {
		return fmt.Errorf("%w: it has no deliveries", errWorld)
	}
	return nil
}

// readOne finds the newest of a list.
func (l *listing) readOne(ctx context.Context, path string, id *string) error {
	var p page
	if err := l.get(ctx, path, &p); err != nil {
		return err
	}
	if len(p.Items) == 0 {
		return fmt.Errorf("%w: %s has nothing; remove it and begin anew", errWorld, path)
	}
	*id = p.Items[0].ID
	return nil
}

// measurePage asks for a page many times.
func (l *listing) measurePage(ctx context.Context, client *http.Client, p consolePage) (got searched, bytes int, err error) {
	got.Name = p.name
	var h histogram
	for n := range pagesWarmUps + pagesRuns {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.fleet.nodes[0].address+p.path(l), nil)
		if err != nil {
			return got, 0, fmt.Errorf("make request: %w", err)
		}
		begin := time.Now()
		size, err := read(client, r)
		if err != nil {
			return got, 0, err
		}
		if took := time.Since(begin); n >= pagesWarmUps {
			h.add(took)
			got.Max = max(got.Max, took)
		}
		bytes = max(bytes, size)
	}
	q := h.percentiles(0.5, 0.99)
	got.P50, got.P99 = q[0], q[1]
	return got, bytes, nil
}
