package store

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// backlogAsked is for how long after somebody asked what is open is counted again and again.
	backlogAsked = time.Minute
	// backlogWait is how long who asks first waits for the count at most: long enough where little is open.
	backlogWait = 50 * time.Millisecond
	// backlogRestShare is how many times as long as a count took is rested after it: it takes some 2 % of one processor at most.
	backlogRestShare = 50
	// backlogRestLeast is how long is rested at least: what nobody can read faster need not be counted.
	backlogRestLeast = time.Second
	// backlogStep is how many entries of an index one statement counts: some milliseconds.
	backlogStep = 10_000
	// backlogsMax is of how many contact centres the counts are kept; the one that was not asked about for longest is forgotten.
	backlogsMax = 1_000

	countPending statement = `SELECT count(*), coalesce(min(due_at), 0) FROM (SELECT due_at FROM deliveries
		WHERE center = $1 AND webhook = $2 AND state = 1 AND (due_at, event) > ($3, $4) ORDER BY due_at, event LIMIT $5) part`
	placePending statement = `SELECT due_at, event FROM deliveries
		WHERE center = $1 AND webhook = $2 AND state = 1 AND (due_at, event) > ($3, $4) ORDER BY due_at, event LIMIT 1 OFFSET $5`
	countUsedUp statement = `SELECT count(*), coalesce(max(event), 0) FROM (SELECT event FROM deliveries
		WHERE center = $1 AND webhook = $2 AND state = 3 AND event > $3 ORDER BY event LIMIT $4) part`
	countWaiting statement = `SELECT webhook, count(*) FROM (SELECT webhook FROM deliveries
		WHERE center = $1 AND state = 2 AND (waits_for, webhook) > ($2, $3) ORDER BY waits_for, webhook LIMIT $4) part GROUP BY webhook`
	placeWaiting statement = `SELECT waits_for, webhook FROM deliveries
		WHERE center = $1 AND state = 2 AND (waits_for, webhook) > ($2, $3) ORDER BY waits_for, webhook LIMIT 1 OFFSET $4`
)

// Backlog is what is open in a contact centre, as it was counted. What happened during the count may or may not be in it.
type Backlog struct {
	// CountedAt is when it was counted; zero means that it was not counted yet.
	CountedAt time.Time
	// Whole is the contact centre's, and Webhooks are those of its webhooks that have anything open. Nobody writes to the map.
	Whole    OpenDeliveries
	Webhooks map[hook.WebhookNumber]OpenDeliveries
}

// OpenDeliveries is how many deliveries are open, by their states as the lists have them.
type OpenDeliveries struct {
	// Pending ones are due now or later, being sent, or wait for their STARTED. Held ones are those of a webhook that is disabled or deleted or
	// whose circuit is open. Exhausted ones have used up their attempts.
	Pending, Held, Exhausted int64
	// OldestDue is since when the longest waiting of the pending ones is due, and OldestHeld the same of the held ones; zero means that none is
	// due. A leased one is due when its lease ends.
	OldestDue, OldestHeld time.Time
}

// IsZero reports whether nothing is open.
func (o *OpenDeliveries) IsZero() bool { return *o == OpenDeliveries{} }

// add counts others.
func (o *OpenDeliveries) add(other *OpenDeliveries) {
	o.Pending += other.Pending
	o.Held += other.Held
	o.Exhausted += other.Exhausted
	o.OldestDue, o.OldestHeld = earlier(o.OldestDue, other.OldestDue), earlier(o.OldestHeld, other.OldestHeld)
}

// earlier returns the earlier one of two times that may be none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// backlogs are the counts of the contact centres that were asked about.
type backlogs struct {
	wake    chan struct{}
	mu      sync.Mutex // guards centers and what they point to
	centers map[hook.ContactCenterNumber]*askedBacklog
}

// askedBacklog is the last count of a contact centre.
type askedBacklog struct {
	asked   time.Time
	counted Backlog
	// ready is closed with the first count.
	ready chan struct{}
}

func newBacklogs() *backlogs {
	return &backlogs{wake: make(chan struct{}, 1), centers: map[hook.ContactCenterNumber]*askedBacklog{}}
}

// ask notes that somebody asks, and returns the last count or, where there is none, what is closed with the first one.
func (b *backlogs) ask(center hook.ContactCenterNumber, now time.Time) (Backlog, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, ok := b.centers[center]
	if !ok {
		if len(b.centers) >= backlogsMax {
			b.forget()
		}
		c = &askedBacklog{ready: make(chan struct{})}
		b.centers[center] = c
	}
	c.asked = now
	select {
	case b.wake <- struct{}{}:
	default: // it is awake
	}
	return c.counted, c.ready
}

// forget drops the contact centre that was not asked about for longest. The caller holds mu.
func (b *backlogs) forget() {
	var oldest hook.ContactCenterNumber
	var asked time.Time
	for number, c := range b.centers {
		if asked.IsZero() || c.asked.Before(asked) {
			oldest, asked = number, c.asked
		}
	}
	delete(b.centers, oldest)
}

// next returns the contact centre that is to be counted: of those that were asked about lately, that of the oldest count.
func (b *backlogs) next(now time.Time) (center hook.ContactCenterNumber, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var counted time.Time
	for number, c := range b.centers {
		if now.Sub(c.asked) < backlogAsked && (!ok || c.counted.CountedAt.Before(counted)) {
			center, counted, ok = number, c.counted.CountedAt, true
		}
	}
	return center, ok
}

// put shows a count.
func (b *backlogs) put(center hook.ContactCenterNumber, counted Backlog) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, ok := b.centers[center]
	if !ok {
		return // it was forgotten meanwhile
	}
	if c.counted.CountedAt.IsZero() {
		close(c.ready)
	}
	c.counted = counted
}

// Backlog returns what is open in a contact centre, as it was counted last, and has it counted again. Counting goes on beside everything
// else while somebody asks, in small steps and with long rests, so that the answer may be as old as fifty counts take. Who asks
// first waits a moment for the first count; where that takes longer, the answer says that nothing was counted yet.
func (s *Store) Backlog(ctx context.Context, center hook.ContactCenterNumber) Backlog {
	known, ready := s.metrics.backlogs.ask(center, time.Now())
	if !known.CountedAt.IsZero() {
		return known
	}
	patience := time.NewTimer(backlogWait)
	defer patience.Stop()
	select {
	case <-ready:
		known, _ = s.metrics.backlogs.ask(center, time.Now())
	case <-patience.C:
	case <-ctx.Done():
	}
	return known
}

// keepBacklogs counts what is asked for until the context ends.
func (s *Store) keepBacklogs(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.metrics.backlogs.wake:
		}
		for {
			began := time.Now()
			center, ok := s.metrics.backlogs.next(began)
			if !ok {
				break
			}
			counted, err := s.countBacklog(ctx, center, began, backlogStep)
			if err == nil {
				s.metrics.backlogs.put(center, counted)
			} else if ctx.Err() == nil {
				s.options.Log.Warn("counting what is open failed; it will be tried again", "error", err)
			}
			if !pause(ctx, max(backlogRestLeast, backlogRestShare*time.Since(began))) {
				return
			}
		}
	}
}

// backlogCount is a count under way.
type backlogCount struct {
	engine engine
	center hook.ContactCenterNumber
	now    time.Time
	step   int
}

// countBacklog counts what is open, so many entries at a time.
func (s *Store) countBacklog(ctx context.Context, center hook.ContactCenterNumber, now time.Time, step int) (Backlog, error) {
	c := &backlogCount{engine: s.engine, center: center, now: now, step: step}
	counted := Backlog{CountedAt: now, Webhooks: map[hook.WebhookNumber]OpenDeliveries{}}
	waiting, err := c.waiting(ctx)
	if err != nil {
		return Backlog{}, fmt.Errorf("count waiting deliveries: %w", err)
	}
	for _, w := range s.catalogue.allOf(center) {
		open, err := c.webhook(ctx, w)
		if err != nil {
			return Backlog{}, fmt.Errorf("count open deliveries: %w", err)
		}
		open.Pending += waiting[w.Number]
		if !open.IsZero() {
			counted.Webhooks[w.Number] = open
			counted.Whole.add(&open)
		}
	}
	return counted, nil
}

// allOf returns all webhooks of a contact centre, those that were deleted too.
func (c *catalogue) allOf(center hook.ContactCenterNumber) (list []*hook.Webhook) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, w := range c.webhooks {
		if w.ContactCenter == center {
			list = append(list, w)
		}
	}
	return list
}

// waiting counts the FINISHED of each webhook that wait for their STARTED.
func (c *backlogCount) waiting(ctx context.Context) (map[hook.WebhookNumber]int64, error) {
	found := map[hook.WebhookNumber]int64{}
	serial, webhook := int64(math.MinInt64), int64(math.MinInt32)
	for more := true; more; {
		var n int64
		err := c.read(ctx, countWaiting, func(r row) error {
			var w hook.WebhookNumber
			var part int64
			err := r(&w, &part)
			found[w] += part
			n += part
			return err
		}, c.center, serial, webhook, c.step)
		if err != nil {
			return nil, err
		}
		if more, err = c.goOn(ctx, n, placeWaiting, &serial, &webhook, c.center, serial, webhook, c.step-1); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// webhook counts what is open of one webhook, but for what waits.
func (c *backlogCount) webhook(ctx context.Context, w *hook.Webhook) (open OpenDeliveries, err error) {
	pending, oldest, err := c.pending(ctx, w.Number)
	if err != nil {
		return open, err
	}
	if oldest.After(c.now) {
		oldest = time.Time{}
	}
	if !w.Enabled || w.Deleted() || w.Circuit.Open() {
		open.Held, open.OldestHeld = pending, oldest
	} else {
		open.Pending, open.OldestDue = pending, oldest
	}
	open.Exhausted, err = c.exhausted(ctx, w.Number)
	return open, err
}

// pending counts what is due, now or later, or being sent, and returns when the first of it is due.
func (c *backlogCount) pending(ctx context.Context, webhook hook.WebhookNumber) (all int64, oldest time.Time, err error) {
	due, event := int64(math.MinInt64), int64(math.MinInt64)
	for more := true; more; {
		var n, first int64
		err = c.read(ctx, countPending, func(r row) error { return r(&n, &first) }, c.center, webhook, due, event, c.step)
		if err != nil {
			return 0, time.Time{}, err
		}
		if all += n; oldest.IsZero() {
			oldest = fromMilli(first)
		}
		if more, err = c.goOn(ctx, n, placePending, &due, &event, c.center, webhook, due, event, c.step-1); err != nil {
			return 0, time.Time{}, err
		}
	}
	return all, oldest, nil
}

// exhausted counts what has used up its attempts.
func (c *backlogCount) exhausted(ctx context.Context, webhook hook.WebhookNumber) (all int64, _ error) {
	for n, after := int64(c.step), int64(math.MinInt64); n == int64(c.step); all += n {
		if err := c.read(ctx, countUsedUp, func(r row) error { return r(&n, &after) }, c.center, webhook, after, c.step); err != nil {
			return 0, err
		}
	}
	return all, nil
}

// goOn reads where the next step begins: none after one that was not full.
func (c *backlogCount) goOn(ctx context.Context, n int64, place statement, major, minor *int64, args ...any) (more bool, err error) {
	if n < int64(c.step) {
		return false, nil
	}
	err = c.read(ctx, place, func(r row) error {
		more = true
		return r(major, minor)
	}, args...)
	return more, err
}

// read reads unless the context has ended.
func (c *backlogCount) read(ctx context.Context, s statement, each func(row) error, args ...any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.engine.read(s, each, args...)
}
