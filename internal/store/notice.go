package store

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// markNotice counts what happened, and keeps everybody else from deciding about the same notice until the transaction ends.
	markNotice statement = `INSERT INTO notice_marks (center, kind, webhook, last_at, held_back) VALUES ($1, $2, $3, 0, $4)
		ON CONFLICT (center, kind, webhook) DO UPDATE SET held_back = notice_marks.held_back + excluded.held_back
		RETURNING last_at, held_back`
	moveNotice statement = `UPDATE notice_marks SET last_at = $4, held_back = $5 WHERE center = $1 AND kind = $2 AND webhook = $3`
)

// happening is something that an operator is told about a webhook.
type happening struct {
	kind    hook.NoticeKind
	webhook *hook.Webhook // as it is after it
	times   int64
	detail  hook.NoticeDetail
	// moment is when what lasts became worth a notice: it is told once after that, and not counted; zero for what happens.
	moment time.Time
	// urgent is told in a quiet period too.
	urgent bool
	// summary is told when what was held back is.
	summary bool

	// told is the count of the notice, zero when it is held back.
	told int64
}

// notices raises notices in the transaction of what they tell, so that they are told exactly once and never lost. It has two
// stages: count, and then tell.
type notices struct {
	store *Store
	now   time.Time
	list  []happening
	// created is how many deliveries the notices have, for when they are committed.
	created int
}

// add notes a happening. Of one kind about one webhook there is one in a transaction. Nothing is told of webhooks that get notices
// themselves, for that would never end, and of deleted ones.
func (n *notices) add(h happening) {
	if h.webhook.Settings.Serves() == hook.PurposeNotices || h.webhook.Deleted() {
		return
	}
	for i := range n.list {
		if known := &n.list[i]; known.kind == h.kind && known.webhook.Number == h.webhook.Number {
			known.times += h.times
			return
		}
	}
	n.list = append(n.list, h)
}

// place is that of a mark in the order of locks, behind what the transaction has locked in the stages before.
func (h *happening) place() uint64 {
	return uint64(h.webhook.Number)*uint64(len(hook.NoticeKinds())+1) + uint64(encode(hook.NoticeKinds(), h.kind))
}

// thing names what two tasks that may raise the same notice share.
func noticeThing(w *hook.Webhook, kind hook.NoticeKind) thing {
	return thing{center: w.ContactCenter, key: fmt.Sprint("notice ", kind, " ", w.Number)}
}

// count counts what happened and decides what is told. The marks stay locked until the end of the transaction.
func (n *notices) count(b batch) {
	slices.SortFunc(n.list, func(x, y happening) int { return cmp.Compare(x.place(), y.place()) })
	for i := range n.list {
		h := &n.list[i]
		h.told = 0
		b.at(h.place())
		b.query(markNotice, func(r row) error {
			var last int64
			var m hook.NoticeMark
			err := r(&last, &m.Held)
			m.Last = fromMilli(last)
			h.decide(m, n.now, n.store.options.NoticeQuiet)
			return err
		}, h.webhook.ContactCenter, encode(hook.NoticeKinds(), h.kind), h.webhook.Number, h.times)
	}
}

// decide decides from the mark, in which this is counted already.
func (h *happening) decide(m hook.NoticeMark, now time.Time, quiet time.Duration) {
	switch {
	case !h.moment.IsZero():
	case h.urgent:
		h.told = m.Held
		return
	default:
		h.told, _ = m.Happen(now, quiet, 0)
		return
	}
	if m.Last.Before(h.moment) && (h.urgent || !m.Quiet(now, quiet)) {
		h.told = m.Held + 1
	}
}

// tell writes the notices, with a delivery for each webhook that wants one.
func (n *notices) tell(b batch) {
	n.created = 0
	for i := range n.list {
		h := &n.list[i]
		if h.told == 0 {
			continue
		}
		b.at(h.place())
		b.exec(moveNotice, nil, h.webhook.ContactCenter, encode(hook.NoticeKinds(), h.kind), h.webhook.Number, milli(n.now), 0)
		n.write(b, h)
	}
}

func (n *notices) write(b batch, h *happening) {
	about := *h.webhook
	about.CenterID = n.store.catalogue.idOf(about.ContactCenter)
	told := &hook.Notice{Kind: h.kind, Webhook: &about, At: n.now, Count: h.told, Summary: h.summary, NoticeDetail: h.detail}
	event, err := hook.NewNoticeEvent(told, n.store.nextSerial(n.now, 0), hook.OperationID{UUID: hook.V4(random16())}, n.store.options.PublicURL)
	if err != nil { // cannot happen: the payload is made of texts and numbers
		n.store.options.Log.Error("a notice cannot be written", "webhook", about.ID.String(), "kind", string(h.kind), "error", err)
		return
	}
	b.at(math.MaxInt64) // nobody else knows these rows
	queueInsertEvent(b, event)
	for _, w := range n.store.catalogue.listOf(about.ContactCenter) {
		if w.Wants(event) {
			b.exec(insertDelivery, nil, event.ContactCenter, event.Serial, w.Number, int64(hook.DeliveryPending), milli(n.now), 0, hook.Serial(0))
			n.created++
		}
	}
}

// committed counts the deliveries that the transaction has made.
func (n *notices) committed() { n.store.metrics.created.Add(float64(n.created)) }

// steps are the two stages, for tasks that are made of steps.
func (n *notices) steps() steps { return steps{n.count, n.tell} }
