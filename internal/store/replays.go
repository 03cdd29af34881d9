package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// replaysKeptMax is how many replays of a contact centre are kept; the creation of another removes the oldest that has ended.
	replaysKeptMax = 1_000
	// replaysLock is what creations of replays in a contact centre wait for.
	replaysLock = "replays"
)

const (
	selectReplays statement = `SELECT center, id, webhook, filter, rate, dry_run, state, actor, created_at, updated_at, finished_at, due_at,
		passed, matched, replayed, skipped FROM replays`
	selectReplay     statement = selectReplays + ` WHERE center = $1 AND id = $2`
	lockReplay       statement = selectReplay + ` {{for update}}`
	selectReplaysOld statement = selectReplays + ` WHERE center = $1 AND id < $2 ORDER BY id DESC LIMIT $3`
	selectReplayEnds statement = `SELECT id, state FROM replays WHERE center = $1 ORDER BY id`
	deleteReplay     statement = `DELETE FROM replays WHERE center = $1 AND id = $2`
	insertReplay     statement = `INSERT INTO replays (center, id, webhook, filter, rate, dry_run, state, actor, created_at, updated_at, due_at, passed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11)`
	updateReplay statement = `UPDATE replays SET state = $3, updated_at = $4, finished_at = $5, due_at = $6, passed = $7, matched = $8,
		replayed = $9, skipped = $10 WHERE center = $1 AND id = $2`
)

// storedReplayFilter is a replay's filter as it is stored and logged.
type storedReplayFilter struct {
	From       time.Time               `json:"from"`
	To         time.Time               `json:"to"`
	States     []string                `json:"states"`
	Events     []interaction.Event     `json:"events,omitempty"`
	MediaTypes []interaction.MediaType `json:"mediaTypes,omitempty"`
}

func storeReplayFilter(f *hook.ReplayFilter) storedReplayFilter {
	stored := storedReplayFilter{From: f.From, To: f.To, Events: f.Events, MediaTypes: f.MediaTypes}
	for _, s := range f.States {
		stored.States = append(stored.States, s.String())
	}
	return stored
}

func (f *storedReplayFilter) filter() hook.ReplayFilter {
	filter := hook.ReplayFilter{From: f.From, To: f.To, Events: f.Events, MediaTypes: f.MediaTypes}
	for _, s := range [...]hook.DeliveryState{hook.DeliveryExhausted, hook.DeliveryDelivered} {
		if slices.Contains(f.States, s.String()) {
			filter.States = append(filter.States, s)
		}
	}
	return filter
}

// loggedReplay is a replay in the audit log.
type loggedReplay struct {
	WebhookID hook.WebhookID `json:"webhookId"`
	storedReplayFilter
	Rate     int    `json:"rate,omitempty"`
	DryRun   bool   `json:"dryRun,omitempty"`
	State    string `json:"state"`
	Matched  int64  `json:"matched"`
	Replayed int64  `json:"replayed"`
	Skipped  int64  `json:"skipped"`
}

// auditReplay logs what was done with a replay; before is nil for its creation.
func (s *Store) auditReplay(b batch, now time.Time, actor hook.Actor, verb string, before, after *hook.Replay) error {
	logged := func(r *hook.Replay) any {
		if r == nil {
			return nil
		}
		return loggedReplay{
			WebhookID: r.Webhook.ID, storedReplayFilter: storeReplayFilter(&r.Filter), Rate: r.Rate, DryRun: r.DryRun, State: r.State.String(),
			Matched: r.Counts.Matched, Replayed: r.Counts.Replayed, Skipped: r.Counts.Skipped,
		}
	}
	return s.audit(b, now, auditEntry{
		center: after.ContactCenter, actor: actor, action: "replay." + verb, subject: after.ID.String(), before: logged(before), after: logged(after),
	})
}

func (s *Store) scanReplay(r row) (*hook.Replay, error) {
	p := new(hook.Replay)
	var number hook.WebhookNumber
	var filter, actor string
	var created, updated, finished, due int64
	err := r(&p.ContactCenter, &p.ID.UUID, &number, &filter, &p.Rate, &p.DryRun, &p.State, &actor, &created, &updated, &finished, &due,
		&p.Passed, &p.Counts.Matched, &p.Counts.Replayed, &p.Counts.Skipped)
	if err != nil {
		return nil, err
	}
	var stored storedReplayFilter
	if err := json.Unmarshal([]byte(filter), &stored); err != nil {
		return nil, fmt.Errorf("decode filter of replay %s: %w", p.ID, err)
	}
	p.Filter, p.Actor = stored.filter(), hook.Actor(actor)
	p.Times = hook.ReplayTimes{Created: fromMilli(created), Updated: fromMilli(updated), Finished: fromMilli(finished), Due: fromMilli(due)}
	var known bool
	if p.Webhook, known = s.WebhookByNumber(number); !known { // another process made it a moment ago
		p.Webhook = &hook.Webhook{Number: number, ContactCenter: p.ContactCenter}
	}
	return p, nil
}

// CreateReplay makes a replay of the deliveries that the draft's filter names, and begins it: ID, contact centre, filter, rate and
// dry run are the caller's, and must be valid. A webhook that is not there is [hook.ErrNotFound], one that was deleted a
// [hook.ConflictError], and so are too many replays that have not ended.
func (s *Store) CreateReplay(ctx context.Context, now time.Time, webhook hook.WebhookID, draft *hook.Replay, once *Once[*hook.Replay]) (*hook.Replay, error) {
	c := &replayCreation{store: s, now: now, webhook: webhook, made: *draft}
	c.made.Actor = hook.ActorOf(ctx)
	c.made.Begin(now)
	w := &write[*hook.Replay]{
		store: s, center: draft.ContactCenter, now: now, once: once, result: c.result,
		stages: steps{c.lock, c.look, c.insert}, after: func() { c.begin() },
	}
	return w.run(ctx)
}

// replayCreation is a replay on its way into the store.
type replayCreation struct {
	store   *Store
	now     time.Time
	webhook hook.WebhookID
	made    hook.Replay

	ended      []hook.UUID
	unfinished int
	failed     error
}

func (c *replayCreation) lock(b batch) {
	c.ended, c.unfinished, c.failed = nil, 0, nil
	b.lock(c.made.ContactCenter, replaysLock)
	var known bool
	c.made.Webhook, known = c.store.WebhookByNumber(c.store.webhookNumber(c.made.ContactCenter, c.webhook))
	if !known {
		c.failed = fmt.Errorf("webhook %s: %w", c.webhook, hook.ErrNotFound)
		return
	}
	c.failed = c.made.Webhook.CanReplay()
}

func (c *replayCreation) look(b batch) {
	b.query(selectReplayEnds, func(r row) error {
		var id hook.UUID
		var state hook.ReplayState
		err := r(&id, &state)
		if state.Ended() {
			c.ended = append(c.ended, id)
		} else {
			c.unfinished++
		}
		return err
	}, c.made.ContactCenter)
}

func (c *replayCreation) insert(b batch) {
	if c.failed == nil && c.unfinished >= hook.ReplaysUnfinishedMax {
		c.failed = &hook.ConflictError{
			Verb: "replay", State: fmt.Sprintf("%d unfinished", c.unfinished),
			Detail: fmt.Sprintf("a contact centre has %d replays at most that run or are paused; wait for one, or cancel one", hook.ReplaysUnfinishedMax),
		}
	}
	if c.failed != nil {
		return
	}
	for _, id := range c.ended[:max(len(c.ended)+c.unfinished+1-replaysKeptMax, 0)] {
		b.exec(deleteReplay, nil, c.made.ContactCenter, id)
	}
	m := &c.made
	filter, err := encodeJSON(storeReplayFilter(&m.Filter))
	if err != nil {
		c.failed = err
		return
	}
	b.exec(insertReplay, nil, m.ContactCenter, m.ID.UUID, m.Webhook.Number, filter, m.Rate, flag(m.DryRun), int64(m.State), string(m.Actor),
		milli(m.Times.Created), milli(m.Times.Due), m.Passed)
	c.failed = c.store.auditReplay(b, c.now, m.Actor, "create", nil, m)
}

func (c *replayCreation) begin() {
	if c.failed == nil {
		c.store.replays.begin(replayKey{c.made.ContactCenter, c.made.ID})
	}
}

func (c *replayCreation) result() (*hook.Replay, error) {
	if c.failed != nil {
		return nil, c.failed
	}
	return &c.made, nil
}

// PauseReplay makes a running replay stand still: no delivery is replayed after it returns. In another state it is a
// [hook.ConflictError].
func (s *Store) PauseReplay(ctx context.Context, center hook.ContactCenterNumber, id hook.ReplayID, now time.Time, once *Once[*hook.Replay]) (*hook.Replay, error) {
	return s.steerReplay(ctx, center, id, now, once, "pause", (*hook.Replay).Pause)
}

// ResumeReplay lets a paused replay go on where it was. In another state it is a [hook.ConflictError].
func (s *Store) ResumeReplay(ctx context.Context, center hook.ContactCenterNumber, id hook.ReplayID, now time.Time, once *Once[*hook.Replay]) (*hook.Replay, error) {
	return s.steerReplay(ctx, center, id, now, once, "resume", (*hook.Replay).Resume)
}

// CancelReplay ends a replay: no delivery is replayed after it returns, and what was stays so. One that has ended is a
// [hook.ConflictError].
func (s *Store) CancelReplay(ctx context.Context, center hook.ContactCenterNumber, id hook.ReplayID, now time.Time, once *Once[*hook.Replay]) (*hook.Replay, error) {
	return s.steerReplay(ctx, center, id, now, once, "cancel", (*hook.Replay).Cancel)
}

func (s *Store) steerReplay(
	ctx context.Context, center hook.ContactCenterNumber, id hook.ReplayID, now time.Time, once *Once[*hook.Replay], verb string,
	steer func(*hook.Replay, time.Time) error,
) (*hook.Replay, error) {
	now = now.UTC().Truncate(time.Millisecond)
	actor := hook.ActorOf(ctx)
	var found *hook.Replay
	var failed error
	w := &write[*hook.Replay]{
		store: s, center: center, now: now, once: once,
		stages: steps{
			func(b batch) {
				found, failed = nil, fmt.Errorf("replay %s: %w", id, hook.ErrNotFound)
				b.query(lockReplay, func(r row) (err error) {
					found, err = s.scanReplay(r)
					failed = nil
					return err
				}, center, id.UUID)
			},
			func(b batch) {
				if failed != nil {
					return
				}
				before := *found
				if failed = steer(found, now); failed == nil {
					queueUpdateReplay(b, found)
					failed = s.auditReplay(b, now, actor, verb, &before, found)
				}
			},
		},
		result: func() (*hook.Replay, error) {
			if failed != nil {
				return nil, failed
			}
			return found, nil
		},
		after: func() {
			if failed == nil && found.State == hook.ReplayRunning {
				s.replays.begin(replayKey{center, id})
			}
		},
	}
	return w.run(ctx)
}

func queueUpdateReplay(b batch, r *hook.Replay) {
	b.exec(updateReplay, nil, r.ContactCenter, r.ID.UUID, int64(r.State), milli(r.Times.Updated), milli(r.Times.Finished), milli(r.Times.Due),
		r.Passed, r.Counts.Matched, r.Counts.Replayed, r.Counts.Skipped)
}

// Replay returns a replay, or [hook.ErrNotFound].
func (s *Store) Replay(_ context.Context, center hook.ContactCenterNumber, id hook.ReplayID) (*hook.Replay, error) {
	err := s.freshen() // which knows the webhook
	var found *hook.Replay
	if err == nil {
		err = s.engine.read(selectReplay, func(r row) (err error) {
			found, err = s.scanReplay(r)
			return err
		}, center, id.UUID)
	}
	if err == nil && found == nil {
		err = hook.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", id, err)
	}
	return found, nil
}

// Replays returns the replays of a contact centre, newest first, and the cursor of the next page or nothing.
func (s *Store) Replays(_ context.Context, center hook.ContactCenterNumber, p Page) ([]*hook.Replay, string, error) {
	after, err := parseReplayCursor(p.Cursor)
	if err != nil {
		return nil, "", err
	}
	if err := s.freshen(); err != nil {
		return nil, "", fmt.Errorf("list replays: %w", err)
	}
	var list []*hook.Replay
	err = s.engine.read(selectReplaysOld, func(r row) error {
		found, err := s.scanReplay(r)
		list = append(list, found)
		return err
	}, center, after, p.limit()+1)
	if err != nil {
		return nil, "", fmt.Errorf("list replays: %w", err)
	}
	if len(list) <= p.limit() {
		return list, "", nil
	}
	list = list[:p.limit()]
	last := list[len(list)-1].ID
	return list, base64.RawURLEncoding.EncodeToString(last.UUID[:]), nil
}

// parseReplayCursor reads a cursor, which is the last id of the page before; an empty one comes before every replay.
func parseReplayCursor(cursor string) (hook.UUID, error) {
	var after hook.UUID
	if cursor == "" {
		for i := range after {
			after[i] = 0xff
		}
		return after, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != len(after) {
		return after, fmt.Errorf("%w: the cursor is not one that a list returned", hook.ErrBadID)
	}
	return hook.UUID(b), nil
}
