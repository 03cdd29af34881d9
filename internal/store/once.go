package store

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// AnswerTTL is how long a first answer is kept for repetitions of its Idempotency-Key.
	AnswerTTL = 24 * time.Hour
	// answersPruneEvery is how often old answers are removed, and answersPruneMax how many in one transaction.
	answersPruneEvery = time.Minute
	answersPruneMax   = 2_000
	// adminCenter is the number under which answers to requests of no contact centre are kept.
	adminCenter hook.ContactCenterNumber = 0
)

// Answer is an HTTP answer as it was given first.
type Answer struct {
	Status int
	Body   []byte
}

// AnsweredError says that the request's Idempotency-Key was answered before: nothing was done, and this was the answer.
type AnsweredError struct{ Answer }

// Error says that the answer was given before.
func (e *AnsweredError) Error() string {
	return fmt.Sprintf("answered before with status %d", e.Status)
}

// Once makes a write happen once for one Idempotency-Key: the first answer is kept in the same transaction as the change,
// for [AnswerTTL], and is returned as an [AnsweredError] to every repetition. Another request under the same key gets
// [hook.ErrReused].
type Once[T any] struct {
	// Key is the caller's; it is the contact centre's own.
	Key string
	// Fingerprint tells one request from another: a hash of method, path and body.
	Fingerprint [32]byte
	// Encode makes the answer inside the transaction; false means that it is not worth keeping.
	Encode func(T, error) (Answer, bool)
	// Secret says that the answer shows a secret, so that it is stored sealed.
	Secret bool
}

const (
	selectAnswer statement = `SELECT fingerprint, status, body, sealed_with FROM answers WHERE center = $1 AND key = $2 AND at > $3`
	insertAnswer statement = `INSERT INTO answers (center, key, fingerprint, status, body, at, sealed_with) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (center, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status, body = excluded.body, at = excluded.at,
			sealed_with = excluded.sealed_with`
	oldAnswers   statement = `SELECT center, key FROM answers WHERE at <= $1 ORDER BY at LIMIT $2`
	deleteAnswer statement = `DELETE FROM answers WHERE center = $1 AND key = $2`
)

// write is a task that may be bound to an Idempotency-Key. The stages do the change and leave its result where result
// finds it; they are run again from the first one after a rollback.
type write[T any] struct {
	store  *Store
	center hook.ContactCenterNumber
	now    time.Time
	once   *Once[T]
	stages steps
	// done, if not nil, is asked after a stage whether those after it have nothing to do.
	done func(stage int) bool
	// rows is how many rows the stages write, where that is more than there are stages.
	rows int
	// subject is what the stages are about, for those that may be executed beside others; nil means alone.
	subject sharer
	result  func() (T, error)
	// after, if not nil, is run once the change is committed, in the order of the commits.
	after    func()
	answered error
}

// committed runs what follows the commit.
func (w *write[T]) committed() {
	if w.after != nil && w.answered == nil {
		w.after()
	}
}

func (w *write[T]) weight() int { return max(len(w.stages), w.rows) }

func (w *write[T]) share(with func(thing)) bool {
	if w.subject == nil || !w.subject.share(with) {
		return false
	}
	if w.once != nil {
		with(thing{center: w.center, key: w.once.Key})
	}
	return true
}

// stage runs the look-up of the key, then the stages, then the keeping of the answer.
func (w *write[T]) stage(n int, b batch) (more bool) {
	if w.once == nil {
		more = w.stages.stage(n, b)
		return more && (w.done == nil || !w.done(n))
	}
	if n == 0 {
		w.answered = nil
		b.lock(w.center, w.once.Key) // whoever repeats the request meanwhile waits for its answer
		b.query(selectAnswer, func(r row) (err error) {
			w.answered, err = w.readAnswer(r)
			return err
		}, w.center, w.once.Key, milli(w.now.Add(-AnswerTTL)))
		return true
	}
	if w.answered != nil {
		return false
	}
	if n <= len(w.stages) {
		w.stages[n-1](b)
		return true
	}
	if a, keep := w.once.Encode(w.result()); keep {
		w.keepAnswer(b, a)
	}
	return false
}

func (w *write[T]) run(ctx context.Context) (T, error) {
	if err := w.store.committer.commit(ctx, w); err != nil {
		var none T
		return none, err
	}
	if w.answered != nil {
		var none T
		return none, w.answered
	}
	return w.result()
}

// readAnswer reads what was answered before; one that shows a secret is opened.
func (w *write[T]) readAnswer(r row) (answered, err error) {
	var first Answer
	var kept []byte
	var key int64
	if err := r(&kept, &first.Status, &first.Body, &key); err != nil {
		return nil, err
	}
	if !bytes.Equal(kept, w.once.Fingerprint[:]) {
		return hook.ErrReused, nil
	}
	if key != 0 {
		if first.Body, err = w.store.options.Sealer.Open(first.Body, aboutAnswer(w.center, w.once.Key)); err != nil {
			return nil, fmt.Errorf("the answer that was kept: %w", err)
		}
	}
	return &AnsweredError{first}, nil
}

func (w *write[T]) keepAnswer(b batch, a Answer) {
	var key uint32
	if w.once.Secret {
		sealed, with, err := w.store.sealText(a.Body, aboutAnswer(w.center, w.once.Key))
		if err != nil {
			fail(b, fmt.Errorf("keep answer: %w", err))
			return
		}
		a.Body, key = sealed, with
	}
	b.exec(insertAnswer, nil, w.center, w.once.Key, w.once.Fingerprint[:], a.Status, a.Body, milli(w.now), int64(key))
}

// fail rolls the transaction back.
func fail(b batch, err error) { b.query(selectCatalogue, func(row) error { return err }) }

// pruneAnswers removes answers that are too old, a bounded number at a time.
func (s *Store) pruneAnswers(ctx context.Context, now time.Time) {
	for removed := answersPruneMax; removed == answersPruneMax; {
		var err error
		if removed, err = s.pruneSomeAnswers(ctx, now); err != nil {
			s.options.Log.Warn("removing old answers failed; it will be tried again", "error", err)
			return
		}
	}
}

func (s *Store) pruneSomeAnswers(ctx context.Context, now time.Time) (removed int, err error) {
	type place struct {
		center hook.ContactCenterNumber
		key    string
	}
	var old []place
	err = s.committer.commit(ctx, steps{
		func(b batch) {
			old = nil
			b.query(oldAnswers, func(r row) error {
				var p place
				err := r(&p.center, &p.key)
				old = append(old, p)
				return err
			}, milli(now.Add(-AnswerTTL)), answersPruneMax)
		},
		func(b batch) {
			for _, p := range old {
				b.exec(deleteAnswer, nil, p.center, p.key)
			}
		},
	})
	return len(old), err
}
