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
	// pageBytesMax bounds what is read of a page.
	pageBytesMax = 8 << 20
	// consolePath is where the pages of the measured contact centre are.
	consolePath = "/console/cc/default/"
)

var errPage = errors.New("the console did not show the page")

// A consolePage is a page of the console, with new values each time.
type consolePage struct {
	name string
	path func(*listing) string
}

// consolePages are all pages of the console, each list also with each of its filters that looks at most.
func consolePages() (list []consolePage) {
	for _, path := range []string{
		"", "interactions", "queues", "deliveries", "replays", "replays/new", "webhooks", "webhooks/new", "notices", "live", "keys", "keys/new", "audit", "settings", "settings?report=yes",
	} {
		list = append(list, consolePage{"/" + path, func(*listing) string { return path }})
	}
	add := func(path, query string) {
		list = append(list, consolePage{"/" + path + "?" + query, func(*listing) string { return path + "?" + query }})
	}
	for _, span := range []string{"1h", "6h", "24h"} {
		add("", "span="+span)
	}
	for _, query := range []string{"state=open", "state=QUEUED", "state=STOPPED", "mediaType=email", "subtype=WhatsApp", "queue=" + rareQueue} {
		add("interactions", query)
	}
	add("queues", "queue="+rareQueue)
	for _, query := range []string{
		"state=all", "state=failing", "state=pending", "state=held", "state=delivered", "state=exhausted", "status=418", "status=599", "failure=timeout", "failure=dns", "event=FINISHED", "mediaType=email",
	} {
		add("deliveries", query)
	}
	for i, h := range worldHooks() {
		list = append(
			list,
			consolePage{"/webhooks/{id} of " + h.name, func(l *listing) string { return "webhooks/" + l.hooks[i] }},
			consolePage{"/deliveries?webhook={id} of " + h.name, func(l *listing) string { return "deliveries?state=all&webhook=" + l.hooks[i] }},
		)
	}
	anyOf := func(l *listing) string { return l.world.interactionID(l.random.Int64N(l.world.events / 2)).String() }
	return append(
		list,
		consolePage{"/webhooks/{id}/edit", func(l *listing) string { return "webhooks/" + l.hooks[0] + "/edit" }},
		consolePage{"/interactions/{id}", func(l *listing) string { return "interactions/" + anyOf(l) }},
		consolePage{"/interactions?search={session}", func(l *listing) string {
			return "interactions?search=" + l.world.sessionID(l.random.Int64N(l.world.events/2)).String()
		}},
		consolePage{"/interactions?from=…", func(l *listing) string { return "interactions?from=" + l.moment() }},
		consolePage{"/deliveries?to=…", func(l *listing) string { return "deliveries?state=all&to=" + l.moment() }},
		consolePage{"/deliveries/{id}", func(l *listing) string { return "deliveries/" + l.someDeliveries[l.random.IntN(len(l.someDeliveries))] }},
	)
}

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
	if err := l.readDeliveries(ctx); err != nil {
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
	if response.StatusCode != http.StatusOK || !strings.Contains(string(body), "Sign out") {
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

// measurePage asks for a page many times.
func (l *listing) measurePage(ctx context.Context, client *http.Client, p consolePage) (got searched, bytes int, err error) {
	got.Name = p.name
	var h histogram
	for n := range pagesWarmUps + pagesRuns {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.fleet.nodes[0].address+consolePath+p.path(l), nil)
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
