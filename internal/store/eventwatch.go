package store

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// othersLookEvery is how often a process looks, while somebody waits for events, whether there are some that it did not commit, or
// that could not be read yet when it did: so much later than its commit an event is announced at most, unless a transaction
// that began before it takes longer.
const othersLookEvery = 200 * time.Millisecond

// newestPlaces reads the last place of each of some contact centres, whose numbers are one text, for engines that are shared.
const newestPlaces statement = `SELECT w.center, e.tx, e.serial FROM unnest(string_to_array($1, ',')::INTEGER[]) AS w(center)
	CROSS JOIN LATERAL (SELECT tx, serial FROM events e WHERE e.center = w.center AND e.tx < ` + horizon + `
	ORDER BY e.tx DESC, e.serial DESC LIMIT 1) AS e`

// arrivals tells whoever waits that there are events.
type arrivals struct {
	// wanted says that somebody waits.
	wanted chan struct{}

	mu      sync.Mutex // guards centers and all in it
	centers map[hook.ContactCenterNumber]*arrival
}

// arrival is what those share who wait for events of one contact centre.
type arrival struct {
	watchers int
	next     chan struct{}
	// waited is whether anybody has asked for next.
	waited bool
	// newest is the last event that was announced for this process and all others.
	newest eventPlace
}

// announce wakes those who wait for events of a contact centre.
func (a *arrivals) announce(center hook.ContactCenterNumber) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w := a.centers[center]; w != nil {
		w.announce()
	}
}

// announce wakes those who wait. The caller holds the lock.
func (w *arrival) announce() {
	if w.waited {
		close(w.next)
		w.next, w.waited = make(chan struct{}), false
	}
}

// passed wakes those who wait when there is an event after the last one that was announced.
func (a *arrivals) passed(center hook.ContactCenterNumber, newest eventPlace) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w := a.centers[center]; w != nil && w.newest != newest {
		w.newest = newest
		w.announce()
	}
}

// watched names the contact centres that somebody waits for, separated by commas.
func (a *arrivals) watched() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]string, 0, len(a.centers))
	for center := range a.centers {
		list = append(list, strconv.Itoa(int(center)))
	}
	return strings.Join(list, ",")
}

// EventWatch is somebody who waits for events of a contact centre, until it is closed.
type EventWatch struct {
	arrivals *arrivals
	center   hook.ContactCenterNumber
}

// WatchEvents begins to wait for events of a contact centre: those of other processes, too. The watch must be closed.
func (s *Store) WatchEvents(center hook.ContactCenterNumber) *EventWatch {
	a := &s.arrivals
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.centers == nil {
		a.centers = make(map[hook.ContactCenterNumber]*arrival)
	}
	w := a.centers[center]
	if w == nil {
		w = &arrival{next: make(chan struct{})}
		a.centers[center] = w
	}
	w.watchers++
	select {
	case a.wanted <- struct{}{}:
	default: // it was said already
	}
	return &EventWatch{a, center}
}

// Arrived returns a channel that is closed when there may be events that were not there before. Whoever waits asks for it first,
// then reads, then waits.
func (w *EventWatch) Arrived() <-chan struct{} {
	w.arrivals.mu.Lock()
	defer w.arrivals.mu.Unlock()
	a := w.arrivals.centers[w.center]
	a.waited = true
	return a.next
}

// Close ends the watch; it is called once.
func (w *EventWatch) Close() {
	w.arrivals.mu.Lock()
	defer w.arrivals.mu.Unlock()
	a := w.arrivals.centers[w.center]
	if a.watchers--; a.watchers == 0 {
		delete(w.arrivals.centers, w.center)
	}
}

// followOthers announces what this process did not commit, or what could not be read when it did, while anybody waits, until the
// context ends. Where there are no others, a commit can be read at once, and is announced by whoever makes it.
func (s *Store) followOthers(ctx context.Context) {
	if !s.engine.traits().shared {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.arrivals.wanted:
			s.followWhileWatched(ctx)
		}
	}
}

func (s *Store) followWhileWatched(ctx context.Context) {
	look := time.NewTicker(othersLookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		centers := s.arrivals.watched()
		if centers == "" {
			return
		}
		every := othersLookEvery
		err := s.engine.read(newestPlaces, func(r row) error {
			var center hook.ContactCenterNumber
			var newest eventPlace
			err := r(&center, &newest.tx, &newest.serial)
			s.arrivals.passed(center, newest)
			return err
		}, centers)
		if err != nil {
			s.options.Log.Warn("looking for events of other nodes failed; it will be tried again", "error", err)
			every = maintainRest
		}
		look.Reset(every)
	}
}
