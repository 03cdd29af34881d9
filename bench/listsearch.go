package main

import (
	"net/url"
	"strings"
	"time"
)

// pageUsual is how many rows a page has when nobody says.
const pageUsual = 50

// A listSearch is a request for a page of a list, with new values each time.
type listSearch struct {
	name string
	path func(*listing) string
}

func withCursor(path, cursor string) string {
	before, query, _ := strings.Cut(path, "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		return path // our own queries can be read
	}
	q.Set("cursor", cursor)
	return before + "?" + q.Encode()
}

// A listFilter is one parameter of a search. Those of one group exclude each other.
type listFilter struct {
	name, group string
	value       func(*listing) string
}

func fixed(name, group, query string) listFilter {
	return listFilter{name, group, func(*listing) string { return query }}
}

// deliveryFilters are all filters of GET /v1/deliveries; the first ones of each group, as many as are marked, are combined.
func deliveryFilters() (all []listFilter, combined map[string]bool) {
	all = []listFilter{
		fixed("state=pending", "state", "state=pending"),
		fixed("state=delivered", "state", "state=delivered"),
		fixed("state=exhausted", "state", "state=exhausted"),
		fixed("state=held", "state", "state=held"),
	}
	for i, h := range worldHooks() {
		all = append(all, listFilter{"webhook of " + h.name, "webhook", func(l *listing) string { return "webhookId=" + l.hooks[i] }})
	}
	anyOf := func(l *listing) int64 { return l.random.Int64N(l.world.events / 2) }
	all = append(all,
		listFilter{"interaction", "interaction", func(l *listing) string { return "interactionId=" + l.world.interactionID(anyOf(l)).String() }},
		listFilter{"session", "session", func(l *listing) string { return "sessionId=" + l.world.sessionID(anyOf(l)).String() }},
	)
	for _, status := range []string{"503", "200", "418", "302", "599"} {
		all = append(all, fixed("status="+status, "status", "status="+status))
	}
	for _, failure := range []string{"timeout", "status", "redirect", "dns", "refused", "broken", "tls", "blocked", "request"} {
		all = append(all, fixed("failure="+failure, "failure", "failure="+failure))
	}
	for _, media := range []string{"email", "chat"} {
		all = append(all, fixed("mediaType="+media, "media", "mediaType="+media))
	}
	for _, event := range []string{"FINISHED", "STARTED"} {
		all = append(all, fixed("event="+event, "event", "event="+event))
	}
	all = append(
		all,
		listFilter{"to any time", "time", func(l *listing) string { return "to=" + l.instant(worldSpan) }},
		listFilter{"from a time in the last hour", "time", func(l *listing) string { return "from=" + l.instant(time.Hour) }},
		listFilter{"deep cursor", "time", func(l *listing) string { return "cursor=" + l.deep[l.random.IntN(len(l.deep))] }},
	)
	combined = map[string]bool{
		"webhook of 60 %": true, "webhook of 20 %, dead": true, "webhook of 14.6 %, with an outage": true, "webhook of 0.4 %, disabled": true,
		"webhook of 0.01 %": true, "status=503": true, "status=200": true, "failure=timeout": true, "failure=blocked": true, "mediaType=email": true,
		"event=FINISHED": true, "to any time": true, "interaction": true, "session": true,
		"state=pending": true, "state=delivered": true, "state=exhausted": true, "state=held": true, "deep cursor": true,
	}
	return all, combined
}

func interactionFilters() (all []listFilter, combined map[string]bool) {
	combined = map[string]bool{}
	for _, f := range []listFilter{
		fixed("state=open", "state", "state=open"),
		fixed("state=QUEUED", "state", "state=QUEUED"),
		fixed("state=IN_PROCESS (none)", "state", "state=IN_PROCESS"),
		fixed("state=STOPPED", "state", "state=STOPPED"),
		fixed("queue of 2 %", "queue", "queue=queue-Bb"),
		fixed("queue of 0.001 %", "queue", "queue="+rareQueue),
		fixed("mediaType=email", "media", "mediaType=email"),
		fixed("subtype=WhatsApp (none)", "subtype", "subtype=WhatsApp"),
		{"session", "session", func(l *listing) string {
			return "sessionId=" + l.world.sessionID(l.random.Int64N(l.world.events/2)).String()
		}},
		{"created before any time", "time", func(l *listing) string { return "createdBefore=" + l.instant(worldSpan) }},
		{"created after a time in the last hour", "time", func(l *listing) string { return "createdAfter=" + l.instant(time.Hour) }},
		{"deep cursor", "time", func(l *listing) string { return "cursor=" + l.deepInteractions[l.random.IntN(len(l.deepInteractions))] }},
	} {
		all = append(all, f)
		combined[f.name] = true
	}
	return all, combined
}

// searches are all that are measured: each list without a filter, with each filter, and with each two.
func (l *listing) searches() (list []listSearch) {
	plain := func(name, path string) listSearch { return listSearch{name, func(*listing) string { return path }} }
	list = append(list, plain("deliveries", "/v1/deliveries"), plain("deliveries, 200 on a page", "/v1/deliveries?limit=200"))
	all, combined := deliveryFilters()
	list = append(list, searchesOf("deliveries", "/v1/deliveries?", all, combined)...)
	list = append(list, plain("interactions", "/v1/interactions"), plain("interactions, 200 on a page", "/v1/interactions?limit=200"))
	all, combined = interactionFilters()
	return append(list, searchesOf("interactions", "/v1/interactions?", all, combined)...)
}

func searchesOf(name, path string, all []listFilter, combined map[string]bool) (list []listSearch) {
	for _, f := range all {
		list = append(list, listSearch{name + ", " + f.name, func(l *listing) string { return path + f.value(l) }})
	}
	for i, f := range all {
		for _, g := range all[i+1:] {
			if f.group != g.group && combined[f.name] && combined[g.name] {
				list = append(list, listSearch{name + ", " + f.name + ", " + g.name, func(l *listing) string {
					return path + f.value(l) + "&" + g.value(l)
				}})
			}
		}
	}
	return list
}
