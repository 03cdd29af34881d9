package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// noticeLookEvery is how often a store looks for what lasts, and for what was held back long enough.
	noticeLookEvery = 15 * time.Second
	// noticesTellMax is how many notices that finds are written in one transaction.
	noticesTellMax = 50

	selectMarks statement = `SELECT center, kind, webhook, last_at, held_back FROM notice_marks`
)

// noticeWatch finds what is worth a notice although nothing happens. Several nodes may find the same: the mark decides.
type noticeWatch struct {
	store *Store
	// ages say how long each webhook's longest waiting delivery had been due at the last look.
	ages map[hook.WebhookNumber]time.Duration
}

// markKey names a mark.
type markKey struct {
	webhook hook.WebhookNumber
	kind    hook.NoticeKind
}

// watchNotices looks from time to time until the context ends.
func (s *Store) watchNotices(ctx context.Context) {
	w, pruned := &noticeWatch{store: s}, time.Time{}
	every(ctx, s.noticeLook, func(now time.Time) {
		err := w.look(ctx, now)
		if err == nil && s.options.Retention > 0 && now.Sub(pruned) >= noticesPruneEvery {
			pruned = now
			err = s.pruneNotices(ctx, now.Add(-s.options.Retention))
		}
		if err != nil && ctx.Err() == nil {
			s.options.Log.Warn("looking for notices failed; it will be tried again", "error", err)
		}
	})
}

// look finds what is worth a notice now, and raises it.
func (w *noticeWatch) look(ctx context.Context, now time.Time) error {
	marks, err := w.store.noticeMarks()
	if err != nil {
		return err
	}
	found := w.failing(marks, now)
	backlog, err := w.backlog(ctx, marks, now)
	if err != nil {
		return err
	}
	found = append(append(found, backlog...), w.heldBack(marks, now)...)
	for some := range slices.Chunk(found, noticesTellMax) {
		n := &notices{store: w.store, now: now}
		for _, h := range some {
			n.add(h)
		}
		if len(n.list) == 0 {
			continue // all is about webhooks of which nobody is told
		}
		if err := w.store.committer.commit(ctx, n.steps()); err != nil {
			return fmt.Errorf("raise notices: %w", err)
		}
		n.committed()
	}
	return nil
}

func (s *Store) noticeMarks() (map[markKey]hook.NoticeMark, error) {
	marks := map[markKey]hook.NoticeMark{}
	err := s.engine.read(selectMarks, func(r row) error {
		var center hook.ContactCenterNumber
		var key markKey
		var kind, last int64
		var m hook.NoticeMark
		err := r(&center, &kind, &key.webhook, &last, &m.Held)
		key.kind, m.Last = decode(hook.NoticeKinds(), kind), fromMilli(last)
		marks[key] = m
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read marks of notices: %w", err)
	}
	return marks, nil
}

// failing finds the webhooks whose circuit has been open for long.
func (w *noticeWatch) failing(marks map[markKey]hook.NoticeMark, now time.Time) (found []happening) {
	for _, wh := range w.store.openCircuits() {
		moment, urgent := hook.NoticeMoment(wh, now)
		mark := marks[markKey{wh.Number, hook.NoticeFailing}]
		if moment.IsZero() || !mark.Last.Before(moment) || !urgent && mark.Quiet(now, w.store.options.NoticeQuiet) {
			continue
		}
		found = append(found, happening{kind: hook.NoticeFailing, webhook: wh, moment: moment, urgent: urgent})
	}
	return found
}

// openCircuits returns the enabled webhooks whose circuit is open.
func (s *Store) openCircuits() (list []*hook.Webhook) {
	s.catalogue.mu.RLock()
	defer s.catalogue.mu.RUnlock()
	for _, w := range s.catalogue.webhooks {
		if w.Circuit.Open() && w.Enabled && !w.Deleted() {
			list = append(list, w)
		}
	}
	return list
}

// backlog finds the webhooks whose receiver works and yet takes less than comes in: what waits longest waits longer than at the
// last look.
func (w *noticeWatch) backlog(ctx context.Context, marks map[markKey]hook.NoticeMark, now time.Time) (found []happening, err error) {
	due, err := w.store.Due(ctx)
	if err != nil {
		return nil, err
	}
	before := w.ages
	w.ages = make(map[hook.WebhookNumber]time.Duration)
	for _, d := range due {
		age := now.Sub(d.At)
		wh, ok := w.store.WebhookByNumber(d.Webhook)
		if !ok || age <= hook.NoticeBacklogAge || !wh.Enabled || wh.Circuit.Open() {
			continue
		}
		w.ages[d.Webhook] = age
		last, known := before[d.Webhook]
		if !known || age <= last || marks[markKey{d.Webhook, hook.NoticeBacklog}].Quiet(now, w.store.options.NoticeQuiet) {
			continue
		}
		found = append(found, happening{
			kind: hook.NoticeBacklog, webhook: wh, moment: now, detail: hook.NoticeDetail{OldestDueAt: d.At},
		})
	}
	return found, nil
}

// heldBack finds what was held back for a quiet period that is over.
func (w *noticeWatch) heldBack(marks map[markKey]hook.NoticeMark, now time.Time) (found []happening) {
	for key, mark := range marks {
		wh, ok := w.store.WebhookByNumber(key.webhook)
		if ok && key.kind != "" && mark.Held > 0 && !mark.Quiet(now, w.store.options.NoticeQuiet) {
			found = append(found, happening{kind: key.kind, webhook: wh, summary: true})
		}
	}
	return found
}
