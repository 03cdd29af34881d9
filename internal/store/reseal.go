package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// resealRowsMax is how many records are sealed anew in one transaction.
	resealRowsMax = 64
	// resealEvery is how often is looked whether something is not sealed under the primary key.
	resealEvery = 5 * time.Second
)

// What is not under the primary key is found by an index, in two halves: those below its number, with what is not sealed yet, and
// those above. A row that somebody else holds is passed over: it is being written, and if it was not sealed under the primary key
// then, the next look finds it.
const (
	webhooksBelow statement = `SELECT center, id, settings, unsealed, sealed FROM webhooks WHERE sealed_with < $1 ORDER BY sealed_with LIMIT $2 {{skip locked}}`
	webhooksAbove statement = `SELECT center, id, settings, unsealed, sealed FROM webhooks WHERE sealed_with > $1 ORDER BY sealed_with LIMIT $2 {{skip locked}}`
	resealWebhook statement = `UPDATE webhooks SET settings = $3, unsealed = '', sealed = $4, sealed_with = $5 WHERE center = $1 AND id = $2`
	answersBelow  statement = `SELECT center, key, body FROM answers WHERE sealed_with > 0 AND sealed_with < $1 ORDER BY sealed_with LIMIT $2 {{skip locked}}`
	answersAbove  statement = `SELECT center, key, body FROM answers WHERE sealed_with > 0 AND sealed_with > $1 ORDER BY sealed_with LIMIT $2 {{skip locked}}`
	resealAnswer  statement = `UPDATE answers SET body = $3, sealed_with = $4 WHERE center = $1 AND key = $2`
)

// sealing is what is known of what is sealed with which key.
type sealing struct {
	// lacks is the key with which others seal, and which this process does not hold; zero is none.
	lacks atomic.Uint32

	mu    sync.Mutex // guards found
	found MasterKeys
}

// keepSealed seals under the primary key what is not: what was stored before anything was sealed, and what was sealed under
// a key that was primary before. How far it is, is in the rows.
func (s *Store) keepSealed(ctx context.Context) {
	said := ""
	look := func(now time.Time) {
		if err := s.resealAll(ctx, now); ctx.Err() == nil {
			said = s.noteSealing(said, err)
		}
	}
	look(time.Now())
	every(ctx, resealEvery, look)
}

// noteSealing logs a problem once, and that it is over. It returns what was said.
func (s *Store) noteSealing(said string, err error) string {
	if err == nil {
		if said != "" {
			s.options.Log.Info("secrets are sealed under the primary master key again")
		}
		return ""
	}
	s.metrics.sealing.failures.Inc()
	if err.Error() != said {
		s.options.Log.Warn("sealing secrets under the primary master key failed; it will be tried again", "error", err)
	}
	return err.Error()
}

// keyLook is what one look at the store has found: the keys that were used, and how many records are under each.
type keyLook struct {
	used  []usedKey
	count map[uint32]int64
}

// newest reports whether a key is the one that became primary last.
func (l *keyLook) newest(number uint32) bool {
	return len(l.used) > 0 && l.used[len(l.used)-1].number == number
}

// remaining is how many records are under other keys.
func (l *keyLook) remaining(primary uint32) (records int64) {
	for number, n := range l.count {
		if number != primary {
			records += n
		}
	}
	return records
}

// lookAtKeys looks at what is sealed with which key.
func (s *Store) lookAtKeys() (l keyLook, err error) {
	if l.used, err = s.readMasterKeys(); err != nil {
		return l, err
	}
	l.count, err = s.countByKey()
	return l, err
}

// resealAll seals all that is not under the primary key, and notes what there is.
func (s *Store) resealAll(ctx context.Context, now time.Time) (failed error) {
	if s.catalogue.lockedNow() > 0 { // its keys may have come since
		failed = s.refresh()
	}
	look, err := s.lookAtKeys()
	if err != nil {
		return errors.Join(failed, err)
	}
	if failed == nil {
		look, failed = s.resealFrom(ctx, now, look)
	}
	s.noteKeys(now, look, failed)
	return failed
}

// resealFrom seals what a look has found not to be under the primary key, a bounded number of records at a time. It returns the last look.
func (s *Store) resealFrom(ctx context.Context, now time.Time, look keyLook) (_ keyLook, err error) {
	commit := func(t task) error { return s.committer.commit(ctx, t) }
	if err := s.keepUp(look.used); err != nil {
		return look, err
	}
	if err := s.usePrimary(now, look.used, commit); err != nil {
		return look, err
	}
	primary := s.options.Sealer.Primary()
	if !look.newest(primary) { // it was used for the first time just now
		if look, err = s.lookAtKeys(); err != nil || !look.newest(primary) {
			return look, err // it has just changed: the next look will find that
		}
	}
	for look.remaining(primary) > 0 && ctx.Err() == nil {
		r := &reseal{store: s, primary: primary}
		if err := commit(r); err != nil {
			return look, err
		}
		s.metrics.sealing.resealed.Add(float64(r.done))
		if look, err = s.lookAtKeys(); err != nil {
			return look, err
		}
		if r.done == 0 {
			return look, r.problem // what is left is in other hands, or is counted anew at the next look
		}
		s.noteKeys(now, look, r.problem)
	}
	return look, nil
}

// noteKeys notes what a look has found, and what is wrong.
func (s *Store) noteKeys(now time.Time, look keyLook, failed error) {
	sealer := s.options.Sealer
	primary := sealer.Primary()
	found := MasterKeys{At: now, Primary: primary, Keys: showKeys(look.used, sealer.Numbers(), look.count), Remaining: look.remaining(primary)}
	problem := errors.Join(failed, sealer.Problem())
	if problem != nil {
		found.Problem = problem.Error()
	}
	s.metrics.sealing.looked(found.Remaining, problem)
	s.sealing.mu.Lock()
	defer s.sealing.mu.Unlock()
	s.sealing.found = found
}

// reseal is a task: it seals some records under the primary key. It changes nothing that is kept in memory, and so leaves the
// catalogue's version as it is.
type reseal struct {
	store   *Store
	primary uint32

	webhooks []unsealedWebhook
	answers  []unsealedAnswer
	// done is how many were sealed, and problem why another one could not be.
	done    int
	problem error
}

// unsealedWebhook is a webhook that is not sealed under the primary key.
type unsealedWebhook struct {
	center             hook.ContactCenterNumber
	id                 hook.WebhookID
	settings, unsealed string
	sealed             []byte
}

// unsealedAnswer is an answer that is sealed under another key.
type unsealedAnswer struct {
	center hook.ContactCenterNumber
	key    string
	sealed []byte
}

func (r *reseal) weight() int { return resealRowsMax }

// overwrites says that what is replaced must not stay readable where it was.
func (r *reseal) overwrites() bool { return true }

func (r *reseal) stage(n int, b batch) (more bool) {
	if n == 0 {
		r.webhooks, r.answers, r.done, r.problem = nil, nil, 0, nil
		for _, text := range []statement{webhooksBelow, webhooksAbove} {
			b.query(text, r.foundWebhook, int64(r.primary), resealRowsMax)
		}
		for _, text := range []statement{answersBelow, answersAbove} {
			b.query(text, r.foundAnswer, int64(r.primary), resealRowsMax)
		}
		return true
	}
	for i := range r.webhooks {
		r.sealWebhook(b, &r.webhooks[i])
	}
	for i := range r.answers {
		r.sealAnswer(b, &r.answers[i])
	}
	return false
}

func (r *reseal) foundWebhook(columns row) error {
	var w unsealedWebhook
	err := columns(&w.center, &w.id.UUID, &w.settings, &w.unsealed, &w.sealed)
	r.webhooks = append(r.webhooks, w)
	return err
}

func (r *reseal) foundAnswer(columns row) error {
	var a unsealedAnswer
	err := columns(&a.center, &a.key, &a.sealed)
	r.answers = append(r.answers, a)
	return err
}

func (r *reseal) sealWebhook(b batch, w *unsealedWebhook) {
	stored, err := r.store.anew(w)
	if err != nil {
		r.problem = fmt.Errorf("webhook %s: %w", w.id, err)
		return
	}
	r.done++
	b.exec(resealWebhook, nil, w.center, w.id.UUID, stored.settings, stored.sealed, int64(stored.key))
}

func (r *reseal) sealAnswer(b batch, a *unsealedAnswer) {
	sealer, about := r.store.options.Sealer, aboutAnswer(a.center, a.key)
	plain, err := sealer.Open(a.sealed, about)
	if err != nil {
		r.problem = fmt.Errorf("the answer to an Idempotency-Key: %w", err)
		return
	}
	sealed, key, err := sealer.Seal(plain, about)
	if err != nil {
		r.problem = err
		return
	}
	r.done++
	b.exec(resealAnswer, nil, a.center, a.key, sealed, int64(key))
}

// anew seals a webhook under the primary key. What is sealed already is carried over as it is; of what is not, the headers leave
// the settings.
func (s *Store) anew(w *unsealedWebhook) (sealedWebhook, error) {
	if len(w.sealed) == 0 {
		plain := &hook.Webhook{ID: w.id, Secrets: hook.Secrets{Current: hook.NewSecret(w.unsealed)}}
		if err := json.Unmarshal([]byte(w.settings), &plain.Settings); err != nil {
			return sealedWebhook{}, errors.New("decode settings: they are not what was stored") // the error could repeat a header
		}
		return s.seal(plain)
	}
	plain, err := s.options.Sealer.Open(w.sealed, aboutWebhook(w.id))
	if err != nil {
		return sealedWebhook{}, err
	}
	sealed, key, err := s.options.Sealer.Seal(plain, aboutWebhook(w.id))
	return sealedWebhook{w.settings, sealed, key}, err
}
