package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// once accepts changes under an Idempotency-Key and returns the answer that was kept, or nothing.
func once(t testing.TB, s *storetest.Opened, center hook.ContactCenterNumber, now time.Time, key *store.Once[[]store.ChangeResult], changes ...hook.Change) (string, error) {
	t.Helper()
	_, err := s.AcceptChanges(t.Context(), center, now, changes, key)
	if answered := new(store.AnsweredError); errors.As(err, &answered) {
		return fmt.Sprintf("%d %q", answered.Status, answered.Body), nil
	}
	return "", err
}

// Guarantee 1: under one key a request is made once, and every repetition gets the first answer, byte for byte.
func TestOnceAnswersAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		webhook(t, s, theCenter)
		id := newInteraction()
		changes := []hook.Change{create(id, "q"), stop(id), accept(id, "x")}
		answer, err := once(t, s, theCenter, now, onceChanges("key", 1), changes...)
		must(t, err)
		if answer != "" {
			t.Fatalf("the first request was answered with %s", answer)
		}
		before := snapshot(t, s)
		want := fmt.Sprintf("207 %q", "<nil>\x00\xff\nQUEUED\nSTOPPED\nconflict STOPPED")
		for range 2 {
			answer, err = once(t, s, theCenter, now.Add(time.Hour), onceChanges("key", 1), changes...)
			must(t, err)
			if answer != want {
				t.Errorf("answered with %s, want %s", answer, want)
			}
			s.Reopen(t)
		}
		if diff := cmp.Diff(before, snapshot(t, s), same(), unkeyed()); diff != "" {
			t.Errorf("the repetitions changed something (-before +after):\n%s", diff)
		}
	})
}

// Guarantee 1: a key is one request's; another request under it changes nothing.
func TestOnceReused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		id := newInteraction()
		_, err := once(t, s, theCenter, now, onceChanges("key", 1), create(id, "q"))
		must(t, err)
		before := snapshot(t, s)
		_, err = once(t, s, theCenter, now, onceChanges("key", 2), stop(id))
		wantError(t, err, hook.ErrReused)
		if diff := cmp.Diff(before, snapshot(t, s)); diff != "" {
			t.Errorf("the other request changed something (-before +after):\n%s", diff)
		}
		if answer, err := once(t, s, theCenter, now, onceChanges("another key", 2), stop(id)); err != nil || answer != "" {
			t.Errorf("under another key: %s, %v", answer, err)
		}
	})
}

// Guarantee 1: each contact centre has its own keys.
func TestOncePerContactCenter(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		other := contactCenter(t, s, "other")
		for _, center := range []hook.ContactCenterNumber{theCenter, other.Number} {
			answer, err := once(t, s, center, now, onceChanges("key", byte(center)), create(newInteraction(), "q"))
			if err != nil || answer != "" {
				t.Errorf("contact centre %d: %s, %v", center, answer, err)
			}
			if n := len(events(t, s, center)); n != 1 {
				t.Errorf("contact centre %d has %d events", center, n)
			}
		}
	})
}

// I7: an answer is kept for its time and not longer; then the key is free, for any request.
func TestOnceExpires(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		_, err := once(t, s, theCenter, now, onceChanges("key", 1), create(newInteraction(), "q"))
		must(t, err)
		if answer, err := once(t, s, theCenter, now.Add(store.AnswerTTL-time.Millisecond), onceChanges("key", 1)); err != nil || answer == "" {
			t.Errorf("just before: %q, %v", answer, err)
		}
		later := now.Add(store.AnswerTTL)
		if answer, err := once(t, s, theCenter, later, onceChanges("key", 2), create(newInteraction(), "q")); err != nil || answer != "" {
			t.Errorf("just after: %q, %v", answer, err)
		}
		if answer, err := once(t, s, theCenter, later, onceChanges("key", 2)); err != nil || answer == "" {
			t.Errorf("under the new answer: %q, %v", answer, err)
		}
		if n := len(events(t, s, theCenter)); n != 2 {
			t.Errorf("%d events, want 2", n)
		}
	})
}

// I7: old answers are removed, all of them, a bounded number in each transaction; the others stay.
func TestOncePrunes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		var s *storetest.Opened
		var left []int64 // after each transaction of the pruning
		pruning := false
		count := func() int64 {
			list, err := s.Numbers(`SELECT count(*) FROM answers`)
			must(t, err)
			return list[0]
		}
		s = e.Open(t, storetest.Before(func(s *store.Store) {
			s.Watch(&store.Spy{After: func(int, error) {
				if pruning {
					left = append(left, count())
				}
			}})
		}))
		now := moment().AddDate(0, 0, 2) // out of reach of the pruning that the store does by itself
		const spare = 50
		old := now.Add(-store.AnswerTTL)
		must(t, s.Write(t.Context(), fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO answers (center, key, fingerprint, status, body, at) SELECT 1, 'old ' || i, $1, 200, $1, $2 FROM n`,
			2*store.AnswersPruneMax+spare), []byte("x"), old.UnixMilli()))
		_, err := once(t, s, theCenter, old.Add(time.Millisecond), onceChanges("young", 1))
		must(t, err)
		pruning = true
		s.PruneAnswers(t.Context(), now)
		if diff := cmp.Diff([]int64{store.AnswersPruneMax + spare + 1, spare + 1, 1}, left); diff != "" {
			t.Errorf("left after each transaction (-want +got):\n%s", diff)
		}
		if answer, err := once(t, s, theCenter, now, onceChanges("young", 1)); err != nil || answer == "" {
			t.Errorf("the young answer: %q, %v", answer, err)
		}
	})
}

// Guarantee 1: of many concurrent requests under one key one is made, and the others get its answer.
func TestOnceConcurrent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		const callers = 16
		var wg sync.WaitGroup
		answers := make(chan string, callers)
		for range callers {
			wg.Go(func() {
				answer, err := once(t, s, theCenter, now, onceChanges("key", 1), create(newInteraction(), "q"))
				if err != nil {
					t.Error(err)
				}
				answers <- answer
			})
		}
		wg.Wait()
		made := 0
		for range callers {
			if <-answers == "" {
				made++
			}
		}
		if n := len(events(t, s, theCenter)); made != 1 || n != 1 {
			t.Errorf("%d requests were made, with %d events, want one", made, n)
		}
	})
}

// Guarantee 1: change and answer are one transaction: when it fails there is neither, and when it is made there are both.
func TestOnceWithItsChange(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		for _, at := range []storetest.Moment{storetest.BeforeCommit, storetest.AfterCommit} {
			s, now := e.Open(t), moment()
			s.Faulty.Fail(at, 1, errFault)
			_, err := once(t, s, theCenter, now, onceChanges("key", 1), create(newInteraction(), "q"))
			wantError(t, err, hook.ErrUnavailable)
			s.Reopen(t)
			made := len(events(t, s, theCenter)) == 1
			answer, err := once(t, s, theCenter, now, onceChanges("key", 1), create(newInteraction(), "q"))
			must(t, err)
			if answered := answer != ""; made != (at == storetest.AfterCommit) || answered != made {
				t.Errorf("moment %d: made %v, answered %v", at, made, answered)
			}
			if n := len(events(t, s, theCenter)); n != 1 {
				t.Errorf("moment %d: %d events in the end, want one", at, n)
			}
		}
	})
}

// Guarantee 1: an answer that is not worth keeping, for example to a request that failed, leaves the key free.
func TestOnceKeepsNot(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		gone := hook.WebhookID{UUID: newUUID()}
		key := &store.Once[*hook.Webhook]{Key: "key", Encode: func(_ *hook.Webhook, err error) (store.Answer, bool) {
			return store.Answer{Status: 200}, err == nil
		}}
		for range 2 {
			_, err := s.EnableWebhook(t.Context(), theCenter, gone, now, true, key)
			wantError(t, err, hook.ErrNotFound)
		}
	})
}

// Guarantee 1: every write that takes a key is made once under it.
func TestOnceEveryWrite(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		change(t, s, now, create(newInteraction(), "q"))
		d := deliver(t, s, now, w)[0]
		next := &hook.Webhook{ID: hook.WebhookID{UUID: newUUID()}, ContactCenter: theCenter, Settings: w.Settings, Secrets: w.Secrets}
		writes := map[string]func() error{
			"create webhook": func() error {
				_, err := s.CreateWebhook(t.Context(), now, next, anyOnce[*hook.Webhook]("create webhook"))
				return err
			},
			"enable webhook": func() error {
				_, err := s.EnableWebhook(t.Context(), theCenter, w.ID, now, true, anyOnce[*hook.Webhook]("enable webhook"))
				return err
			},
			"replay delivery": func() error {
				_, err := s.ReplayDelivery(t.Context(), theCenter, d.ID(), now, anyOnce[*store.Delivery]("replay delivery"))
				return err
			},
			"create contact centre": func() error {
				_, err := s.CreateContactCenter(t.Context(), now, "second", "", anyOnce[hook.ContactCenter]("create contact centre"))
				return err
			},
		}
		for name, write := range writes {
			if err := write(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			before := snapshot(t, s)
			err := write()
			if answered := new(store.AnsweredError); !errors.As(err, &answered) || string(answered.Body) != name {
				t.Errorf("%s again: %v", name, err)
			}
			if diff := cmp.Diff(before, snapshot(t, s), same(), unkeyed()); diff != "" {
				t.Errorf("%s again (-before +after):\n%s", name, diff)
			}
		}
	})
}

func anyOnce[T any](key string) *store.Once[T] {
	return &store.Once[T]{Key: key, Encode: func(T, error) (store.Answer, bool) {
		return store.Answer{Status: 200, Body: []byte(key)}, true
	}}
}
