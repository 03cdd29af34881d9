package hook

import (
	"slices"
	"strconv"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
)

// The bounds of replays.
const (
	// ReplayRateMax bounds a replay's rate, in deliveries per second.
	ReplayRateMax = 100_000
	// ReplayBatchMax is how many deliveries are made pending again in one transaction.
	ReplayBatchMax = 200
	// ReplaysUnfinishedMax is how many replays of a contact centre may run or be paused at a time.
	ReplaysUnfinishedMax = 10
	// replayBatches is how many batches a second a rate is made of, where it is large enough: so a receiver sees no gusts.
	replayBatches = 10
)

// ReplayID names a replay; it is time-ordered (version 7).
type ReplayID struct{ UUID }

// ReplayState is where a replay is in its life.
type ReplayState uint8

// The states of a replay. Their numbers are stored and never change.
const (
	ReplayRunning   ReplayState = 1 // ReplayRunning is on its way through its range.
	ReplayPaused    ReplayState = 2 // ReplayPaused stands still until it is resumed.
	ReplayFinished  ReplayState = 3 // ReplayFinished has passed its range.
	ReplayCancelled ReplayState = 4 // ReplayCancelled was ended before; what it has replayed stays so.
)

// ReplayStates returns every state.
func ReplayStates() []ReplayState {
	return []ReplayState{ReplayRunning, ReplayPaused, ReplayFinished, ReplayCancelled}
}

// String returns the state's name as the API writes it.
func (s ReplayState) String() string {
	switch s {
	case ReplayRunning:
		return "running"
	case ReplayPaused:
		return "paused"
	case ReplayFinished:
		return "finished"
	case ReplayCancelled:
		return "cancelled"
	default:
		return "ReplayState(" + strconv.Itoa(int(s)) + ")"
	}
}

// Ended reports whether nothing can follow.
func (s ReplayState) Ended() bool { return s == ReplayFinished || s == ReplayCancelled }

// ReplayFilter says which deliveries of a webhook a replay is about. An empty list of events or media types lets all through.
type ReplayFilter struct {
	// From is inclusive and To exclusive; they are about when the event occurred, to the millisecond.
	From, To time.Time
	// States are exhausted, delivered or both.
	States     []DeliveryState
	Events     []interaction.Event
	MediaTypes []interaction.MediaType
}

// Wants reports whether the filter lets a delivery of this event through that is in this state.
func (f *ReplayFilter) Wants(state DeliveryState, kind interaction.Event, media interaction.MediaType) bool {
	return slices.Contains(f.States, state) && wants(f.Events, kind) && wants(f.MediaTypes, media)
}

// Replay makes many deliveries of one webhook pending again, in the order of their events.
type Replay struct {
	ID            ReplayID
	ContactCenter ContactCenterNumber
	Webhook       *Webhook
	Filter        ReplayFilter
	// Rate is how many deliveries a second at most; zero means no limit.
	Rate int
	// DryRun is whether it only counts.
	DryRun bool
	State  ReplayState
	// Actor is who asked for it.
	Actor Actor
	Times ReplayTimes
	// Passed is the serial of the event that was looked at last.
	Passed Serial
	Counts ReplayCounts
}

// ReplayTimes are the times of a replay's life.
type ReplayTimes struct {
	Created, Updated time.Time
	// Finished is when it was finished or cancelled; zero before.
	Finished time.Time
	// Due is when its next batch may begin.
	Due time.Time
}

// ReplayCounts say what a replay has done so far. Matched is the sum of the other two, except in a dry run, which does neither.
type ReplayCounts struct {
	// Matched is how many deliveries the filter has let through.
	Matched int64
	// Replayed is how many of them it made pending again.
	Replayed int64
	// Skipped is how many were pending already when it came to them, or were being sent, or had been removed.
	Skipped int64
}

// Add returns the sum.
func (c ReplayCounts) Add(o ReplayCounts) ReplayCounts {
	return ReplayCounts{Matched: c.Matched + o.Matched, Replayed: c.Replayed + o.Replayed, Skipped: c.Skipped + o.Skipped}
}

// Begin makes a draft a running replay: what was not given gets its default, and times are those that are stored. The draft must be
// valid.
func (r *Replay) Begin(now time.Time) {
	now = now.UTC().Truncate(time.Millisecond)
	f := &r.Filter
	if f.To.IsZero() {
		f.To = now
	}
	if len(f.States) == 0 {
		f.States = []DeliveryState{DeliveryExhausted}
	}
	f.From, f.To = f.From.UTC().Truncate(time.Millisecond), f.To.UTC().Truncate(time.Millisecond)
	r.State, r.Times = ReplayRunning, ReplayTimes{Created: now, Updated: now, Due: now}
	r.Passed = max(SerialAt(f.From), 1) - 1
}

// Validate checks a draft; the error is an [InvalidError] that names every wrong field with the prefix before each name. A time that
// is zero was not given.
func (r *Replay) Validate(prefix string, now time.Time) error {
	c := new(checker)
	f := &r.Filter
	to := f.To
	if to.IsZero() {
		to = now
	}
	switch {
	case f.From.IsZero():
		c.fail(prefix+"from", "", "is required: the time of the first event to replay, as 2026-11-22T16:00:00Z")
	case !f.From.Before(to) && f.To.IsZero():
		c.fail(prefix+"from", f.From.Format(time.RFC3339), "must be in the past")
	case !f.From.Before(to):
		c.fail(prefix+"to", f.To.Format(time.RFC3339), "must be later than from")
	}
	c.replayStates(prefix+"states", f.States)
	checkList(c, prefix+"events", f.Events, interaction.Events())
	checkList(c, prefix+"mediaTypes", f.MediaTypes, interaction.MediaTypes())
	if r.Rate != 0 {
		c.number(prefix+"rate", r.Rate, 1, ReplayRateMax)
	}
	return c.err()
}

func (c *checker) replayStates(field string, states []DeliveryState) {
	for i, s := range states {
		at := field + "[" + strconv.Itoa(i) + "]"
		switch {
		case s == DeliveryPending || s == DeliveryHeld:
			c.fail(at, s.String(), "cannot be replayed: such a delivery is still to be made; only exhausted and delivered ones can")
		case s != DeliveryExhausted && s != DeliveryDelivered:
			c.fail(at, s.String(), "must be exhausted or delivered")
		case slices.Contains(states[:i], s):
			c.fail(at, s.String(), "is named twice")
		}
	}
}

// CanReplay says why the webhook's deliveries cannot be replayed by the range, or nothing.
func (w *Webhook) CanReplay() error {
	c := new(checker)
	switch {
	case w.Deleted():
		return &ConflictError{Verb: "replay", State: "deleted", Detail: "the webhook was deleted; nothing is delivered to it any more"}
	case w.Settings.Purpose == PurposeNotices:
		c.fail("webhookId", w.ID.String(), "is a webhook for notices, which are of no interaction; only deliveries of interactions are replayed by the range")
	}
	return c.err()
}

// Pause makes a running replay stand still.
func (r *Replay) Pause(now time.Time) error {
	if r.State != ReplayRunning {
		return r.conflict("pause", "only a running replay can be paused")
	}
	r.State, r.Times.Updated = ReplayPaused, now
	return nil
}

// Resume lets a paused replay go on where it was, and not faster than its rate allows.
func (r *Replay) Resume(now time.Time) error {
	if r.State != ReplayPaused {
		return r.conflict("resume", "only a paused replay can be resumed")
	}
	r.State, r.Times.Updated = ReplayRunning, now
	return nil
}

// Cancel ends a replay that has not ended. What it has replayed stays so.
func (r *Replay) Cancel(now time.Time) error {
	if r.State.Ended() {
		return r.conflict("cancel", "the replay has ended already")
	}
	r.State, r.Times.Updated, r.Times.Finished = ReplayCancelled, now, now
	return nil
}

func (r *Replay) conflict(verb, detail string) error {
	return &ConflictError{Verb: verb, State: r.State.String(), Detail: detail}
}

// Pace returns how many deliveries the next batch may hold, and how long after it the next one may begin. Batches of that size, so
// far apart, hold no more deliveries in any second than the rate; zero means no limit.
func (r *Replay) Pace() (most int, apart time.Duration) {
	if r.Rate == 0 || r.DryRun {
		return ReplayBatchMax, 0
	}
	most = min(max(r.Rate/replayBatches, 1), ReplayBatchMax)
	apart = time.Second / time.Duration(r.Rate/most)
	return most, (apart + time.Millisecond - 1).Truncate(time.Millisecond) // as times are stored, and never less
}

// After returns what becomes of the replay by a batch: it has looked at the events up to passed, and more may follow.
func (r *Replay) After(now time.Time, passed Serial, counts ReplayCounts, more bool) Replay {
	next := *r
	next.Passed, next.Counts, next.Times.Updated, next.Times.Due = max(passed, r.Passed), r.Counts.Add(counts), now, now
	if _, apart := r.Pace(); counts.Matched > 0 {
		next.Times.Due = now.Add(apart)
	}
	if !more {
		next.State, next.Times.Finished = ReplayFinished, now
	}
	return next
}

// Progress returns the share of its range that the replay has passed, from 0 to 1. There is nothing before the webhook was made, nor
// after the replay was.
func (r *Replay) Progress() float64 {
	if r.State == ReplayFinished {
		return 1
	}
	from, to := r.Filter.From, r.Filter.To
	if w := r.Webhook; w != nil && w.CreatedAt.After(from) {
		from = w.CreatedAt
	}
	if r.Times.Created.Before(to) {
		to = r.Times.Created
	}
	begin, end := float64(SerialAt(from)), float64(SerialAt(to))
	if end <= begin {
		return 0
	}
	return min(max((float64(r.Passed)-begin)/(end-begin), 0), 1)
}
