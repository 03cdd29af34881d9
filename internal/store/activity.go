package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// ActivityStep is how finely the activity of a contact centre is kept.
	ActivityStep = 10 * time.Second
	// ActivityKept is for how long the activity of a contact centre is kept.
	ActivityKept = 48 * time.Hour
	// WebhookActivityStep is how finely the activity of a webhook is kept.
	WebhookActivityStep = 5 * time.Minute
	// WebhookActivityKept is for how long the activity of a webhook is kept.
	WebhookActivityKept = 7 * 24 * time.Hour
	// activityWriteEvery is how often it is written what went on: so much is lost at most when a process is killed.
	activityWriteEvery = 5 * time.Second
	// activityLate is for how long after its end a step may still get something: what was committed late belongs to the time at which it began.
	activityLate = time.Minute
	// activityRowsMax is how many rows one transaction writes.
	activityRowsMax = 200
	// activityPruneEvery is how often what is older than it is kept is removed.
	activityPruneEvery = time.Hour

	writeActivity statement = `INSERT INTO activity (center, webhook, at, process, accepted, acknowledged, failed, exhausted, delays)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (center, webhook, at, process) DO UPDATE SET accepted = excluded.accepted,
		acknowledged = excluded.acknowledged, failed = excluded.failed, exhausted = excluded.exhausted, delays = excluded.delays`
	selectActivity statement = `SELECT at, process, accepted, acknowledged, failed, exhausted, delays FROM activity
		WHERE center = $1 AND webhook = $2 AND at >= $3 AND at < $4`
	deleteActivity statement = `DELETE FROM activity WHERE center = $1 AND webhook = $2 AND at < $3`
)

// activities are what goes on here and was not written yet, or may still go on.
type activities struct {
	// process is the number under which this process writes. It is random: nobody else adds to its rows.
	process int64
	mu      sync.Mutex // guards what follows
	steps   map[activityKey]*activityOfStep
	// forgotten is when the last step began that is written and not in memory any more, of contact centres and of webhooks: nothing is counted
	// in such a step, because what is written of it would be replaced.
	forgotten [2]int64
}

// activityKey names one step of a contact centre, or, where the webhook is not zero, of that.
type activityKey struct {
	center  hook.ContactCenterNumber
	webhook hook.WebhookNumber
	at      int64
}

// activityOfStep is what went on in a step, and whether all of that is written.
type activityOfStep struct {
	hook.Activity
	written bool
}

func newActivities() *activities {
	var random [8]byte
	rand.Read(random[:]) // never fails: see crypto/rand
	return &activities{process: int64(binary.BigEndian.Uint64(random[:]) & math.MaxInt64), steps: map[activityKey]*activityOfStep{}}
}

// activityStep is how fine the steps are.
func activityStep(webhook hook.WebhookNumber) time.Duration {
	if webhook == 0 {
		return ActivityStep
	}
	return WebhookActivityStep
}

// of returns the step of a time. The caller holds mu.
func (a *activities) of(center hook.ContactCenterNumber, webhook hook.WebhookNumber, now time.Time) *activityOfStep {
	unit := activityStep(webhook).Milliseconds()
	key := activityKey{center, webhook, now.UnixMilli()}
	key.at -= key.at % unit
	step, ok := a.steps[key]
	if forgotten := *a.last(webhook); !ok && key.at <= forgotten {
		key.at = forgotten + unit
		step, ok = a.steps[key]
	}
	if !ok {
		step = &activityOfStep{Activity: hook.Activity{At: fromMilli(key.at)}}
		a.steps[key] = step
	}
	step.written = false
	return step
}

// last returns when the last step began that is forgotten. The caller holds mu.
func (a *activities) last(webhook hook.WebhookNumber) *int64 {
	if webhook == 0 {
		return &a.forgotten[0]
	}
	return &a.forgotten[1]
}

// accepted counts events that were accepted.
func (a *activities) accepted(center hook.ContactCenterNumber, now time.Time, events int) {
	if events == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.of(center, 0, now).Accepted += int64(events)
}

// recorded counts the outcomes that were recorded: not those that came too late, whose places are in order.
func (a *activities) recorded(now time.Time, outcomes []hook.Outcome, late []int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range outcomes {
		if _, lost := slices.BinarySearch(late, i); lost {
			continue
		}
		o := &outcomes[i]
		center := o.Delivery.Event.ContactCenter
		a.of(center, 0, now).Count(o)
		a.of(center, o.Delivery.Webhook, now).Count(o)
	}
}

// writtenStep is one step as it is about to be written.
type writtenStep struct {
	activityKey
	hook.Activity
}

// unwritten returns what is to be written, in the order of the keys, and forgets the steps that are written and long over.
func (a *activities) unwritten(now time.Time) (list []writtenStep) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, step := range a.steps {
		switch over := now.UnixMilli() >= key.at+(activityStep(key.webhook)+activityLate).Milliseconds(); {
		case !step.written:
			list = append(list, writtenStep{key, step.Activity})
			step.written = true
		case over:
			delete(a.steps, key)
			last := a.last(key.webhook)
			*last = max(*last, key.at)
		}
	}
	slices.SortFunc(list, func(x, y writtenStep) int {
		return cmp.Or(cmp.Compare(x.center, y.center), cmp.Compare(x.webhook, y.webhook), cmp.Compare(x.at, y.at))
	})
	return list
}

// again has steps written once more, because it is not known that they were.
func (a *activities) again(list []writtenStep) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range list {
		if step, ok := a.steps[list[i].activityKey]; ok {
			step.written = false
		}
	}
}

// own returns the steps of a contact centre or webhook that are in memory, by their beginning.
func (a *activities) own(center hook.ContactCenterNumber, webhook hook.WebhookNumber) map[int64]hook.Activity {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := map[int64]hook.Activity{}
	for key, step := range a.steps {
		if key.center == center && key.webhook == webhook {
			found[key.at] = step.Activity
		}
	}
	return found
}

// keepActivity writes from time to time what went on, and removes what is too old, until the context ends.
func (s *Store) keepActivity(ctx context.Context) {
	pruned := time.Now()
	every(ctx, activityWriteEvery, func(now time.Time) {
		commit := func(t task) error { return s.committer.commit(ctx, t) }
		s.writeActivity(now, commit)
		if now.Sub(pruned) >= activityPruneEvery {
			pruned = now
			s.pruneActivity(now, commit)
		}
	})
}

// writeActivity writes what was not written yet. A row has all that this process counted in its step, so that one that is written twice
// counts once.
func (s *Store) writeActivity(now time.Time, commit func(task) error) {
	list := s.metrics.activities.unwritten(now)
	for some := range slices.Chunk(list, activityRowsMax) {
		err := commit(steps{func(b batch) {
			for i := range some {
				w := &some[i]
				b.exec(writeActivity, nil, w.center, w.webhook, w.at, s.metrics.activities.process, w.Accepted, w.Acknowledged, w.Failed, w.Exhausted, w.Delays.Encode())
			}
		}})
		if err != nil {
			s.metrics.activities.again(list)
			s.options.Log.Warn("noting what went on failed; it will be tried again", "error", err)
			return
		}
	}
}

// pruneActivity removes what is older than it is kept, of every contact centre and webhook.
func (s *Store) pruneActivity(now time.Time, commit func(task) error) {
	var old []activityKey
	for _, c := range s.ContactCenters() {
		old = append(old, activityKey{center: c.Number, at: milli(now.Add(-ActivityKept))})
	}
	s.catalogue.mu.RLock()
	for _, w := range s.catalogue.webhooks {
		old = append(old, activityKey{w.ContactCenter, w.Number, milli(now.Add(-WebhookActivityKept))})
	}
	s.catalogue.mu.RUnlock()
	slices.SortFunc(old, func(x, y activityKey) int {
		return cmp.Or(cmp.Compare(x.center, y.center), cmp.Compare(x.webhook, y.webhook))
	})
	for some := range slices.Chunk(old, activityRowsMax) {
		err := commit(steps{func(b batch) {
			for _, o := range some {
				b.exec(deleteActivity, nil, o.center, o.webhook, o.at)
			}
		}})
		if err != nil {
			s.options.Log.Warn("removing old activity failed; it will be tried again", "error", err)
			return
		}
	}
}

// Activity returns what went on from one time to another in a contact centre, or in one webhook of it where that is not zero, in spans of a
// length that is a multiple of the step in which it is kept. There is one for each span, whether anything went on or not; the last ones may
// still grow. What other processes counted in the last seconds is not in it.
func (s *Store) Activity(_ context.Context, center hook.ContactCenterNumber, webhook hook.WebhookNumber, from, to time.Time, span time.Duration) ([]hook.Activity, error) {
	unit := activityStep(webhook)
	span = max(span.Truncate(unit), unit)
	from = from.UTC().Truncate(span)
	list := make([]hook.Activity, max(int((to.Sub(from)+span-1)/span), 0))
	for i := range list {
		list[i].At = from.Add(time.Duration(i) * span)
	}
	add := func(at int64, a *hook.Activity) {
		if at >= milli(from) && at < milli(to) {
			list[fromMilli(at).Sub(from)/span].Merge(a)
		}
	}
	own := s.metrics.activities.own(center, webhook)
	err := s.engine.read(selectActivity, func(r row) error {
		var a hook.Activity
		var at, process int64
		var delays []byte
		err := r(&at, &process, &a.Accepted, &a.Acknowledged, &a.Failed, &a.Exhausted, &delays)
		if _, here := own[at]; err != nil || here && process == s.metrics.activities.process {
			return err
		}
		if a.Delays, err = hook.DecodeDelays(delays); err == nil {
			add(at, &a)
		}
		return err
	}, center, webhook, milli(from), milli(to))
	if err != nil {
		return nil, fmt.Errorf("read activity: %w", err)
	}
	for at, a := range own {
		add(at, &a)
	}
	return list, nil
}
