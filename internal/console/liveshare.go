package console

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// errDrained says that live pages end.
var errDrained = errors.New("live pages end")

// updates are those of live pages that look the same to all who may see the same: they are made once for everybody who looks at the same time,
// and not once for each.
type updates struct {
	// reads has one entry for each live page of events that reads some.
	reads chan struct{}

	mu sync.Mutex // guards byName, and of each update its watchers
	// byName has an update for each page that somebody watches; so there are no more of them than live pages.
	byName map[string]*update
}

// update is the last one of a page.
type update struct {
	name     string
	watchers int
	// turn has an entry while one of the watchers reads or changes what follows.
	turn chan struct{}
	at   time.Time
	text string
	err  error
}

// join finds the update of a page, which is kept until all who watch it have left.
func (u *updates) join(name string) *update {
	u.mu.Lock()
	defer u.mu.Unlock()
	one := u.byName[name]
	if one == nil {
		one = &update{name: name, turn: make(chan struct{}, 1)}
		u.byName[name] = one
	}
	one.watchers++
	return one
}

// leave ends a join; of nil it does nothing.
func (u *updates) leave(one *update) {
	if one == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if one.watchers--; one.watchers == 0 {
		delete(u.byName, one.name)
	}
}

// get returns what another watcher has made since a time, or makes it. Who waits for another one stops when the context ends or over is closed.
func (one *update) get(ctx context.Context, over <-chan struct{}, since, now time.Time, produce func() (string, error)) (string, error) {
	select {
	case one.turn <- struct{}{}:
		defer func() { <-one.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	case <-over:
		return "", errDrained
	}
	if one.at.After(since) {
		return one.text, one.err
	}
	text, err := produce()
	if ctx.Err() == nil { // else it may have failed because of the one who made it
		one.at, one.text, one.err = now, text, err
	}
	return text, err
}

// sharedName tells apart what looks different: the same URL looks the same to all who may see the same.
func (c *call) sharedName() string {
	parts := []string{c.r.URL.Path, c.r.URL.RawQuery, "of one contact centre"}
	if c.by.Center == 0 {
		parts[2] = "of all"
	}
	for _, p := range c.by.Permissions {
		parts = append(parts, string(p))
	}
	slices.Sort(parts[3:])
	return strings.Join(parts, "\n")
}
