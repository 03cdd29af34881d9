package main

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/console"
)

// Every page of the console is measured, and nothing that the console does not have: its route table and the list of pages agree. Left out are
// redirects to pages that are measured, assets, what belongs to an issuer, and the stream of events, which does not end.
func TestPagesAreAllOfTheConsole(t *testing.T) {
	s, err := console.New(console.Options{})
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{
		"GET /{$}": true, "GET /console": true, "GET /console/switch": true, "GET /console/static/{name}": true, "GET /console/sign-in/oidc": true,
		"GET /console/sign-in/callback": true, "GET /console/cc/{center}/live/stream": true, "GET /console/cc/{center}/webhooks/schedule": true,
	}
	routes := http.NewServeMux()
	for _, pattern := range s.Patterns() {
		if strings.HasPrefix(pattern, http.MethodGet+" ") && !left[pattern] {
			routes.HandleFunc(pattern, http.NotFound)
		}
	}
	one := []string{"0198f1c2-0000-7000-8000-000000000000"}
	l := &listing{
		world: newWorld(listsNumberLeast, time.Unix(1_700_000_000, 0)), random: rand.New(rand.NewPCG(1, 2)), hooks: slices.Repeat(one, len(worldHooks())),
		deep: one, deepInteractions: one, someDeliveries: one, replay: one[0], key: one[0],
	}
	measured, names := map[string]bool{}, map[string]bool{}
	for _, p := range consolePages() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1"+p.path(l), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, pattern := routes.Handler(r)
		if pattern == "" {
			t.Errorf("%s: %s is no page of the console", p.name, r.URL.Path)
		}
		if names[p.name] {
			t.Errorf("two pages are called %s", p.name)
		}
		measured[pattern], names[p.name] = true, true
	}
	for _, pattern := range s.Patterns() {
		if strings.HasPrefix(pattern, http.MethodGet+" ") && !left[pattern] && !measured[pattern] {
			t.Errorf("the page %s is not measured", pattern)
		}
	}
}
