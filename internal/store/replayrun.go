package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// replaysLookEvery is how often a store looks for replays that nobody goes on with.
	replaysLookEvery = time.Second
	// replayLag is how long after its due time a replay counts as left by the node that went on with it. Until then that node alone
	// goes on; when two do all the same, one of them finds that the other has passed the place.
	replayLag = 2 * time.Second
	// replayRest is how long is waited after a batch that failed.
	replayRest = time.Second
	// replaysFoundMax is how many replays a look finds.
	replaysFoundMax = 100
)

const (
	selectLeftReplays statement = `SELECT center, id, due_at FROM replays WHERE state = 1 AND due_at <= $1 ORDER BY due_at LIMIT $2`
	// holdReplay makes this the only transaction of all nodes that goes on with the replay, unless it was paused, cancelled or gone on
	// with since. Nobody waits for it: whoever finds it locked comes back.
	holdReplay statement = `SELECT (SELECT w.deleted_at FROM webhooks w WHERE w.center = replays.center AND w.number = replays.webhook)
		FROM replays WHERE center = $1 AND id = $2 AND state + 0 = 1 AND passed = $3 {{skip locked}}`
)

// replayKey names a replay.
type replayKey struct {
	center hook.ContactCenterNumber
	id     hook.ReplayID
}

// replayRuns tells the goroutine that goes on with replays which ones were begun here.
type replayRuns struct {
	// wake says that there are some.
	wake chan struct{}
	// still makes it do nothing, for tests that go on with replays themselves.
	still bool

	mu    sync.Mutex // guards begun
	begun []replayKey
}

func (r *replayRuns) begin(k replayKey) {
	r.mu.Lock()
	r.begun = append(r.begun, k)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default: // it was said already
	}
}

func (r *replayRuns) take() []replayKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	begun := r.begun
	r.begun = nil
	return begun
}

// runReplays goes on with replays until the context ends: with those that were begun here, and with those of a node that is gone.
func (s *Store) runReplays(ctx context.Context) {
	if s.replays.still {
		return
	}
	own := map[replayKey]time.Time{} // when the next batch of each may begin
	var looked time.Time
	for ctx.Err() == nil {
		for _, k := range s.replays.take() {
			own[k] = time.Time{}
		}
		if now := time.Now(); now.Sub(looked) >= replaysLookEvery {
			looked = now
			s.findReplays(now, own)
		}
		for _, k := range slices.Collect(maps.Keys(own)) {
			if !own[k].After(time.Now()) && ctx.Err() == nil {
				s.goOn(ctx, k, own)
			}
		}
		next := looked.Add(replaysLookEvery)
		for _, at := range own {
			if at.Before(next) {
				next = at
			}
		}
		s.awaitReplays(ctx, time.Until(next))
	}
}

// awaitReplays waits so long, or until a replay was begun.
func (s *Store) awaitReplays(ctx context.Context, d time.Duration) {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-ctx.Done():
	case <-wait.C:
	case <-s.replays.wake:
	}
}

// findReplays adds the replays that nobody goes on with. Where no other process can, that is all of them.
func (s *Store) findReplays(now time.Time, own map[replayKey]time.Time) {
	if s.engine.traits().shared {
		now = now.Add(-replayLag)
	}
	err := s.engine.read(selectLeftReplays, func(r row) error {
		var k replayKey
		err := r(&k.center, &k.id.UUID, new(int64))
		if _, known := own[k]; !known {
			own[k] = time.Time{}
		}
		return err
	}, milli(now), replaysFoundMax)
	if err != nil {
		s.options.Log.Warn("looking for replays failed; it will be tried again", "error", err)
	}
}

// goOn does one batch of a replay and notes when the next one may begin, or forgets the replay when there is none.
func (s *Store) goOn(ctx context.Context, k replayKey, own map[replayKey]time.Time) {
	next, more, err := s.replaySome(ctx, k, time.Now())
	switch {
	case errors.Is(err, hook.ErrNotFound): // it ended, and others were made since
		delete(own, k)
	case err != nil:
		if ctx.Err() == nil {
			s.options.Log.Warn("a batch of a replay failed; it will be tried again", "replay", k.id.String(), "error", err)
		}
		own[k] = time.Now().Add(replayRest)
	case more:
		own[k] = next
	default:
		delete(own, k)
	}
}

// replaySome does one batch of a replay, if it is running and due, in one transaction: after it the deliveries are pending, and the
// replay is past them, or neither is. It returns when the next batch may begin, and whether there is one.
func (s *Store) replaySome(ctx context.Context, k replayKey, now time.Time) (next time.Time, more bool, err error) {
	r, err := s.Replay(ctx, k.center, k.id)
	if err != nil || r.State != hook.ReplayRunning {
		return next, false, err
	}
	if r.Times.Due.After(now) {
		return r.Times.Due, true, nil
	}
	began := time.Now()
	most, apart := r.Pace()
	b := &replayBatch{store: s, now: now.UTC().Truncate(time.Millisecond), walk: replayWalk{of: r, most: most}}
	if err := b.walk.look(s.engine); err != nil {
		return next, false, fmt.Errorf("look for deliveries: %w", err)
	}
	if err := s.commitReplay(ctx, b, began); err != nil {
		return next, false, fmt.Errorf("replay deliveries: %w", err)
	}
	if !b.held || b.failed != nil { // paused, cancelled, or another node goes on with it: if that leaves it, it is found again
		return next, false, b.failed
	}
	if n := b.after.Counts.Replayed - r.Counts.Replayed; n > 0 {
		s.countReplayed(r.Webhook.Number, n)
	}
	rest := max(b.took*time.Duration(paceOf(s.engine.traits()).share)-time.Since(began), retainPauseShortest)
	if b.walk.matched > 0 {
		rest = max(rest, apart)
	}
	return now.Add(time.Since(began) + rest), b.after.State == hook.ReplayRunning, nil
}

// commitReplay commits a batch. Where several groups are committed at the same time, it gets a transaction of its own beside them;
// else it is part of a group.
func (s *Store) commitReplay(ctx context.Context, b *replayBatch, began time.Time) error {
	if !s.engine.traits().shared {
		return s.committer.commit(ctx, b)
	}
	err := s.engine.transact([]task{b})
	b.took = time.Since(began)
	return err
}

// replayBatch is a task: some deliveries of a replay on their way back into the open set, and the replay past them.
type replayBatch struct {
	store *Store
	now   time.Time
	walk  replayWalk

	began time.Time
	// held is whether this transaction is the one that goes on, and deleted whether the webhook was deleted meanwhile.
	held    bool
	deleted bool
	list    []*replay
	byEvent map[hook.Serial]*replay
	after   hook.Replay
	failed  error
	// took is how long the writer was busy with it; beside other writers, how long it took from the beginning.
	took time.Duration
}

func (x *replayBatch) weight() int { return max(len(x.walk.found), 1) }

func (x *replayBatch) stage(n int, b batch) (more bool) {
	switch n {
	case 0:
		x.began = time.Now()
		x.hold(b)
	case 1:
		x.begin()
		x.each(func(r *replay) { r.lockLife(b) })
	case 2:
		x.each(func(r *replay) { r.readOpen(b) })
	case 3:
		x.each(func(r *replay) { x.order(b, r) })
	default:
		x.each(func(r *replay) { r.reopen(b) })
		x.move(b)
		x.took = time.Since(x.began)
	}
	return n < 4
}

func (x *replayBatch) hold(b batch) {
	x.held, x.deleted, x.list, x.byEvent, x.failed = false, false, nil, nil, nil
	b.query(holdReplay, func(r row) error {
		var deleted int64
		err := r(&deleted)
		x.held, x.deleted = true, deleted != 0
		return err
	}, x.walk.of.ContactCenter, x.walk.of.ID.UUID, x.walk.of.Passed)
}

// begin makes the list, unless nothing is to be replayed after all.
func (x *replayBatch) begin() {
	if !x.held || x.deleted {
		return
	}
	x.byEvent = make(map[hook.Serial]*replay, len(x.walk.found))
	for _, f := range x.walk.found {
		r := &replay{
			webhook: x.walk.of.Webhook, event: f.event, now: x.now, kind: f.kind, life: life{serial: f.interaction}, id: f.id, states: x.walk.of.Filter.States,
		}
		x.list, x.byEvent[f.event] = append(x.list, r), r
	}
}

func (x *replayBatch) each(f func(*replay)) {
	for _, r := range x.list {
		f(r)
	}
}

// order makes a FINISHED wait for a STARTED that this batch replays, too: it comes before, but is not open yet.
func (x *replayBatch) order(b batch, r *replay) {
	r.order(b)
	if r.failed != nil || r.kind != interaction.EventFinished {
		return
	}
	if started := x.byEvent[r.life.started]; started != nil && started.failed == nil {
		r.waits, started.followed = true, true
	}
}

// move writes how far the replay has come. One whose webhook was deleted ends here.
func (x *replayBatch) move(b batch) {
	if !x.held {
		return
	}
	before := x.walk.of
	if x.deleted {
		x.after = *before
		if err := x.after.Cancel(x.now); err == nil { // it is running, and held
			x.write(b, "cancel")
		}
		return
	}
	counts := hook.ReplayCounts{Matched: x.walk.matched}
	for _, r := range x.list {
		if r.failed == nil {
			counts.Replayed++
		} else {
			counts.Skipped++
		}
	}
	x.after = before.After(x.now, x.walk.passed, counts, x.walk.more)
	x.write(b, "finish")
}

// write writes the replay, and logs its end by this verb.
func (x *replayBatch) write(b batch, verb string) {
	b.at(0)
	queueUpdateReplay(b, &x.after)
	if !x.after.State.Ended() {
		return
	}
	x.failed = x.store.auditReplay(b, x.now, hook.ActorServer, verb, x.walk.of, &x.after)
}
