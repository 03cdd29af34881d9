package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	insertAttempt statement = `INSERT INTO attempts (center, event, webhook, number, started_at, duration_us, status, failure, error, response,
		dns_us, connect_us, tls_us, first_byte_us, events) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`
	// The next ones change a delivery after its attempt, under its lease. The first two leave one that a FINISHED follows. The
	// state is compared as state + 0, here and wherever the key is known: the partial index of what is due, which PostgreSQL
	// would as soon read when it takes the open set for small, is of no use for that.
	deliverDelivery statement = `DELETE FROM deliveries WHERE center = $1 AND event = $2 AND webhook = $3 AND lease = $4 AND state + 0 = 1 AND followed = 0`
	exhaustDelivery statement = `UPDATE deliveries SET state = 3, due_at = 0, lease = 0, attempts = $5
		WHERE center = $1 AND event = $2 AND webhook = $3 AND lease = $4 AND state + 0 = 1 AND followed = 0`
	retryDelivery statement = `UPDATE deliveries SET due_at = $6, lease = 0, attempts = $5
		WHERE center = $1 AND event = $2 AND webhook = $3 AND lease = $4 AND state + 0 = 1`
	// lockDelivery takes the lock of one that is changed next. Where one statement would make all changes it does without: that takes
	// them in its own order, which is that of the outcomes.
	lockDelivery     statement = `SELECT lease FROM deliveries WHERE center = $1 AND event = $2 AND webhook = $3 {{for update}}`
	unfollowDelivery statement = `UPDATE deliveries SET followed = 0
		WHERE center = $1 AND event = $2 AND webhook = $3 AND lease = $4 AND state + 0 = 1`
	freeFinished statement = `UPDATE deliveries SET state = 1, due_at = $4, waits_for = 0
		WHERE center = $1 AND waits_for = $2 AND webhook = $3 AND state = 2`
)

// Record appends each attempt to the log and changes its delivery: delivered, due again, or exhausted. It is one
// transaction for the whole batch. An outcome whose lease was lost changes nothing.
func (s *Store) Record(ctx context.Context, now time.Time, outcomes []hook.Outcome) (hook.Recorded, error) {
	r := &record{outcomes: outcomes, notices: notices{store: s, now: now}}
	if err := s.outcomes.commit(ctx, r); err != nil {
		return hook.Recorded{}, fmt.Errorf("record outcomes: %w", err)
	}
	r.notices.committed()
	slices.Sort(r.recorded.Late)
	s.metrics.activities.recorded(now, outcomes, r.recorded.Late)
	return r.recorded, nil
}

// record is a task: one batch of outcomes. Its first stage changes the deliveries under their leases; what comes of that
// says whose lease still held, and the others are looked at again.
type record struct {
	outcomes []hook.Outcome
	recorded hook.Recorded
	// held says which outcomes changed their delivery; followed which could not because a FINISHED follows it.
	held, followed []bool
	// order is that of the deliveries' keys.
	order []int
	// rest are the stages for what is not usual.
	rest steps
	// told are the outcomes that an operator is told of, if they changed their delivery. Where the task was asked what it shares with
	// others, named is the catalogue's version by which it answered, and the group is begun anew if that is not the one any more.
	told    []toldOutcome
	named   int64
	notices notices
}

// toldOutcome is an outcome that an operator is told of.
type toldOutcome struct {
	index   int
	kind    hook.NoticeKind
	webhook *hook.Webhook
}

func (r *record) weight() int { return len(r.outcomes) }

// share names the notices that it may raise: two tasks must not decide about one beside each other.
func (r *record) share(with func(thing)) bool {
	r.named = r.notices.store.catalogue.current()
	r.findTold()
	var last thing
	for _, o := range r.told {
		if th := noticeThing(o.webhook, o.kind); th != last { // most are about one webhook
			with(th)
			last = th
		}
	}
	return true
}

func (r *record) stage(n int, b batch) (more bool) {
	switch n {
	case 0:
		r.recorded, r.rest, r.notices.created = hook.Recorded{}, nil, 0
		switch r.named {
		case 0:
			r.findTold()
		case r.notices.store.catalogue.current():
		default:
			fail(b, errStale)
		}
		r.held, r.followed = make([]bool, len(r.outcomes)), make([]bool, len(r.outcomes))
		r.lock(b)
		for _, i := range r.order {
			resolve(b, &r.outcomes[i], &r.held[i])
		}
		return true
	case 1:
		for _, i := range r.order {
			if r.held[i] {
				logAttempt(b, &r.outcomes[i])
			} else {
				r.unfollow(b, i)
			}
		}
		if slices.Contains(r.held, false) {
			r.rest = append(r.rest, r.freeAll)
		}
		if len(r.told) > 0 {
			r.rest = append(r.rest, r.raise, r.notices.tell)
		}
	default:
		r.rest[n-2](b)
	}
	return n-1 < len(r.rest)
}

// lock brings the outcomes into the order of the deliveries' keys, in which lockStarted takes the locks of those of one event, too. Those that
// are changed by several statements are locked before the first of them, or the statements would make an order of their own.
func (r *record) lock(b batch) {
	r.order = r.order[:0]
	delivered := 0
	for i := range r.outcomes {
		r.order = append(r.order, i)
		if r.outcomes[i].Attempt.Acknowledged() {
			delivered++
		}
	}
	slices.SortFunc(r.order, func(x, y int) int {
		a, b := r.outcomes[x].Delivery, r.outcomes[y].Delivery
		return cmp.Or(cmp.Compare(a.Event.Serial, b.Event.Serial), cmp.Compare(a.Webhook, b.Webhook))
	})
	if !r.notices.store.engine.traits().shared || delivered == 0 || delivered == len(r.outcomes) {
		return
	}
	for _, i := range r.order {
		d, e := r.outcomes[i].Delivery, r.outcomes[i].Delivery.Event
		b.at(uint64(e.Serial))
		b.query(lockDelivery, func(row) error { return nil }, e.ContactCenter, e.Serial, d.Webhook)
	}
}

// resolve changes the delivery as the outcome says; held tells whether that was still the outcome's to do.
func resolve(b batch, o *hook.Outcome, held *bool) {
	d, e := o.Delivery, o.Delivery.Event
	changed := func(n int64) { *held = n == 1 }
	b.at(uint64(e.Serial))
	switch {
	case o.Attempt.Acknowledged():
		b.exec(deliverDelivery, changed, e.ContactCenter, e.Serial, d.Webhook, d.Lease.Token)
	case o.Exhausts():
		b.exec(exhaustDelivery, changed, e.ContactCenter, e.Serial, d.Webhook, d.Lease.Token, o.Attempt.Number)
	default:
		b.exec(retryDelivery, changed, e.ContactCenter, e.Serial, d.Webhook, d.Lease.Token, o.Attempt.Number, milli(o.Next))
	}
}

func logAttempt(b batch, o *hook.Outcome) {
	a, e, t := &o.Attempt, o.Delivery.Event, &o.Attempt.Timing
	b.exec(insertAttempt, nil, e.ContactCenter, e.Serial, o.Delivery.Webhook, a.Number, milli(a.StartedAt), a.Duration.Microseconds(),
		a.Status, int64(a.Failure), a.Error, a.Response, t.DNS.Microseconds(), t.Connect.Microseconds(), t.TLS.Microseconds(),
		t.FirstByte.Microseconds(), max(a.Events, 1))
}

// unfollow tells a delivery that a FINISHED follows, or that was changed in the moment of its removal, from one whose lease was
// lost.
func (r *record) unfollow(b batch, i int) {
	d, e := r.outcomes[i].Delivery, r.outcomes[i].Delivery.Event
	b.at(uint64(e.Serial))
	b.exec(unfollowDelivery, func(n int64) {
		if r.followed[i] = n == 1; !r.followed[i] {
			r.recorded.Late = append(r.recorded.Late, i)
		}
	}, e.ContactCenter, e.Serial, d.Webhook, d.Lease.Token)
}

func (r *record) freeAll(b batch) {
	for _, i := range r.order {
		r.free(b, i)
	}
}

// free resolves a STARTED that a FINISHED follows, and makes that one due.
func (r *record) free(b batch, i int) {
	if !r.followed[i] {
		return
	}
	o := &r.outcomes[i]
	d, e := o.Delivery, o.Delivery.Event
	resolve(b, o, &r.held[i])
	logAttempt(b, o)
	b.exec(freeFinished, func(n int64) {
		if n > 0 {
			r.recorded.Freed = append(r.recorded.Freed, d.Webhook)
		}
	}, e.ContactCenter, e.Serial, d.Webhook, milli(r.notices.now))
}

// tells returns what an operator is told of an outcome, and of which webhook; nil is nothing, as of nearly all.
func (r *record) tells(o *hook.Outcome) (hook.NoticeKind, *hook.Webhook) {
	if o.Attempt.Acknowledged() {
		return "", nil
	}
	w, ok := r.notices.store.WebhookByNumber(o.Delivery.Webhook)
	switch {
	case !ok:
	case o.Exhausts():
		return hook.NoticeExhausted, w
	case w.Settings.Retry.Failing(o):
		return hook.NoticeFailing, w
	}
	return "", nil
}

// findTold finds the outcomes that are told: few, and mostly none.
func (r *record) findTold() {
	r.told = r.told[:0]
	for i := range r.outcomes {
		if kind, w := r.tells(&r.outcomes[i]); w != nil {
			r.told = append(r.told, toldOutcome{i, kind, w})
		}
	}
}

// raise counts what is told of the outcomes that changed their delivery, about each webhook as it is now.
func (r *record) raise(b batch) {
	r.notices.list = nil
	for _, t := range r.told {
		w, ok := r.notices.store.WebhookByNumber(t.webhook.Number)
		if !ok || !r.held[t.index] {
			continue
		}
		o := &r.outcomes[t.index]
		e := o.Delivery.Event
		detail := hook.NoticeDetail{Delivery: o.Delivery.ID(), Interaction: e.InteractionID, Event: e.Kind, Attempt: o.Attempt}
		if t.kind == hook.NoticeFailing {
			detail.GivesUpAt = w.Settings.Retry.GivesUpAt(o)
		}
		r.notices.add(happening{kind: t.kind, webhook: w, times: 1, detail: detail})
	}
	r.notices.count(b)
}
