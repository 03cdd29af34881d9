package delivery

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/signature"
)

// nodesFollow is how long another node may sign with the secrets that were (specification of the store's catalogue).
const nodesFollow = time.Second

// version is what a webhook's secrets were until they were changed; zero is still.
type version struct {
	secrets  hook.Secrets
	replaced time.Time
}

// rotation is a sender that rotates and receivers that follow the documented steps, each at any moment that they allow.
type rotation struct {
	now      time.Time
	versions []version
	made     int
	// added is when each secret was made known, and promoted when the last one became current.
	added    map[string]time.Time
	promoted time.Time
	// known is what the receiver of X-Hub-Signature accepts.
	known map[string]bool
	// only is the one secret of a receiver of Standard Webhooks that accepts one at a time.
	only string
}

func (r *rotation) secrets() *hook.Secrets { return &r.versions[len(r.versions)-1].secrets }

// change makes a new version; the one before is still signed with by a node that has not seen it.
func (r *rotation) change(t *rapid.T, change func(*hook.Secrets) error) {
	last := &r.versions[len(r.versions)-1]
	next := last.secrets
	if err := change(&next); err != nil {
		t.Fatal(err)
	}
	last.replaced = r.now
	r.versions = append(r.versions, version{secrets: next})
}

// add adds a next secret: a new one, or the previous one again. One that the second receiver has switched to is not taken away from it.
func (r *rotation) add(t *rapid.T) {
	s := r.secrets()
	if !s.Next.IsZero() && r.only == s.Next.Reveal() {
		return
	}
	r.made++
	next := hook.NewSecret(strings.Repeat(string(rune('a'+r.made%26)), 16+r.made/26))
	if r.canReturn() && rapid.Bool().Draw(t, "back") {
		next = s.Previous
	}
	r.added[next.Reveal()] = r.now
	r.change(t, func(s *hook.Secrets) error { return s.AddNext(next) })
}

// canReturn reports whether the previous secret can be added again: not when it ends for the node that follows late before that hears of it, while
// the second receiver still counts on it.
func (r *rotation) canReturn() bool {
	s := r.secrets()
	return !s.Previous.IsZero() && (r.only != s.Previous.Reveal() || s.PreviousUntil.Sub(r.now) > nodesFollow)
}

func (r *rotation) cancel(t *rapid.T) {
	if s := r.secrets(); !s.Next.IsZero() && r.only != s.Next.Reveal() {
		r.change(t, (*hook.Secrets).CancelNext)
	}
}

// promote waits for the receivers: the first one must accept both, and the second one must not be behind by two.
func (r *rotation) promote(t *rapid.T) {
	s := r.secrets()
	if s.Next.IsZero() || !r.known[s.Next.Reveal()] || !s.Previous.IsZero() && r.only == s.Previous.Reveal() {
		return
	}
	keep := time.Duration(rapid.SampledFrom([]int64{0, 1, int64(time.Minute), int64(hook.KeepPreviousDefault)}).Draw(t, "keep"))
	if r.only == s.Current.Reveal() {
		keep = max(keep, time.Minute)
	}
	r.promoted = r.now
	r.change(t, func(s *hook.Secrets) error { return s.Promote(r.now, keep) })
}

func (r *rotation) expire(t *rapid.T) {
	if s := r.secrets(); !s.Previous.IsZero() && r.only != s.Previous.Reveal() {
		r.change(t, (*hook.Secrets).ExpirePrevious)
	}
}

// learn has the first receiver accept the next secret too, and drop has it accept nothing but what is current and next.
func (r *rotation) learn(*rapid.T) {
	if s := r.secrets(); !s.Next.IsZero() {
		r.known[s.Next.Reveal()] = true
	}
}

func (r *rotation) drop(*rapid.T) {
	if r.now.Sub(r.promoted) < nodesFollow {
		return
	}
	s, kept := r.secrets(), map[string]bool{}
	for _, secret := range []hook.Secret{s.Current, s.Next} {
		if r.known[secret.Reveal()] {
			kept[secret.Reveal()] = true
		}
	}
	r.known = kept
}

// turn has the second receiver switch to the newest secret, once every node signs with it.
func (r *rotation) turn(*rapid.T) {
	s := r.secrets()
	newest := s.Next
	if newest.IsZero() {
		newest = s.Current
	}
	if r.now.Sub(r.added[newest.Reveal()]) >= nodesFollow {
		r.only = newest.Reveal()
	}
}

// wait lets time pass, but not beyond the end of a secret that is still needed.
func (r *rotation) wait(t *rapid.T) {
	now := r.now.Add(time.Duration(rapid.SampledFrom([]int64{1, int64(time.Second), int64(time.Minute), int64(time.Hour)}).Draw(t, "wait")))
	if s := r.secrets(); r.only != s.Previous.Reveal() || now.Before(s.PreviousUntil) {
		r.now = now
	}
}

// post has each version that a node may still have sign a POST, and every receiver verify it.
func (r *rotation) post(t *rapid.T) {
	body := []byte(`{"operationId":"x"}`)
	var known [][]byte
	for secret := range r.known {
		known = append(known, []byte(secret))
	}
	for i, v := range r.versions {
		if !v.replaced.IsZero() && r.now.Sub(v.replaced) >= nodesFollow {
			continue
		}
		target, err := newTarget(&hook.Webhook{Settings: hook.DefaultSettings(), Secrets: v.secrets}, "1")
		if err != nil {
			t.Fatal(err)
		}
		h := target.header(&message{operation: hook.OperationID{UUID: randomID()}, body: body}, r.now, [8]byte{})
		if err := signature.Verify(h, body, known...); err != nil {
			t.Fatalf("X-Hub-Signature of version %d: %v", i, err)
		}
		if err := signature.VerifyStandard(h, body, known, r.now, 0); err != nil {
			t.Fatalf("webhook-signature of version %d, by one that accepts several: %v", i, err)
		}
		if err := signature.VerifyStandard(h, body, [][]byte{[]byte(r.only)}, r.now, 0); err != nil {
			t.Fatalf("webhook-signature of version %d, by one that accepts one: %v", i, err)
		}
	}
}

// TestRotationLosesNoPost has the sender and two receivers take the steps of docs/signatures.md in any order that these allow, with
// several rotations one after the other, on two nodes of which one follows late: every receiver verifies every POST.
func TestRotationLosesNoPost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const first = "the first secret"
		r := &rotation{
			now: time.Unix(1_800_000_000, 0), versions: []version{{secrets: hook.Secrets{Current: hook.NewSecret(first)}}},
			added: map[string]time.Time{}, known: map[string]bool{first: true}, only: first,
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": r.add, "cancel": r.cancel, "promote": r.promote, "expire": r.expire, "learn": r.learn, "drop": r.drop, "turn": r.turn, "wait": r.wait,
			"": r.post,
		})
	})
}

// TestSignedWithEverySecret has the public library for Standard Webhooks verify a POST with each secret alone, and counts the
// signatures: current, next, previous in this order; the hub headers with the current one; nothing with a previous one that
// has ended, whether or not somebody has removed it.
func TestSignedWithEverySecret(t *testing.T) {
	const current, next, previous = "current 01234567", "next 01234567890", "previous 0123456"
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook(1)
		w.Secrets = hook.Secrets{
			Current: hook.NewSecret(current), Next: hook.NewSecret(next), Previous: hook.NewSecret(previous), PreviousUntil: time.Now().Add(time.Minute),
		}
		q, seen := newMemory(w), new(log)
		e, _ := start(t, q, seen.of(func(context.Context, hook.Post) hook.Answer { return acknowledge() }))
		for _, want := range [][]string{{current, next, previous}, {current, next}} {
			q.emit(e, w.Number, newEvent(7))
			settled(t, q, time.Second)
			p := seen.posts()[len(seen.posts())-1]
			var got []string
			for _, value := range strings.Split(p.Header.Get(signature.StandardHeader), " ") {
				alone := p.Header.Clone()
				alone.Set(signature.StandardHeader, value)
				for _, secret := range []string{current, next, previous} {
					library, err := standardwebhooks.NewWebhook(signature.StandardSecret([]byte(secret)))
					if err != nil {
						t.Fatal(err)
					}
					if library.Verify(p.Body, alone) == nil {
						got = append(got, secret)
						if err := library.Verify(p.Body, p.Header); err != nil {
							t.Errorf("the library finds the signature of %s only when it is alone: %v", secret, err)
						}
					}
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("signed with (-want +got):\n%s", diff)
			}
			if err := signature.Verify(p.Header, p.Body, []byte(current)); err != nil {
				t.Errorf("the hub headers: %v", err)
			}
			<-time.After(time.Minute)
		}
	})
}

// TestTestIsSignedWithEverySecret sends a test during a rotation.
func TestTestIsSignedWithEverySecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, seen := newWebhook(1), new(log)
		if err := w.Secrets.AddNext(hook.NewSecret("next 01234567890")); err != nil {
			t.Fatal(err)
		}
		e, _ := start(t, newMemory(w), seen.of(func(context.Context, hook.Post) hook.Answer { return acknowledge() }))
		e.Test(t.Context(), w)
		p := seen.posts()[0]
		wantSigned(t, p.Post, w)
		if err := signature.VerifyStandard(p.Header, p.Body, [][]byte{[]byte("next 01234567890")}, time.Now(), 0); err != nil {
			t.Errorf("with the next secret: %v", err)
		}
	})
}
