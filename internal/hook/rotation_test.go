package hook_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// revealed shows the secrets that sign at a time, in their order.
func revealed(s *hook.Secrets, now time.Time) (list []string) {
	for _, secret := range s.Signing() {
		if secret.Signs(now) {
			list = append(list, secret.Secret.Reveal())
		}
	}
	return list
}

// A rotation goes through its steps, back and forth; each step says which secrets sign after it, and a step that is out of its turn changes
// nothing and is a conflict.
func TestRotation(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := hook.Secrets{Current: hook.NewSecret("a")}
	for i, step := range []struct {
		name     string
		do       func() error
		conflict bool
		want     []string
	}{
		{"promote nothing", func() error { return s.Promote(now, time.Hour) }, true, []string{"a"}},
		{"expire nothing", s.ExpirePrevious, true, []string{"a"}},
		{"cancel nothing", s.CancelNext, true, []string{"a"}},
		{"add the current one", func() error { return s.AddNext(hook.NewSecret("a")) }, true, []string{"a"}},
		{"add", func() error { return s.AddNext(hook.NewSecret("b")) }, false, []string{"a", "b"}},
		{"add another one", func() error { return s.AddNext(hook.NewSecret("c")) }, false, []string{"a", "c"}},
		{"cancel", s.CancelNext, false, []string{"a"}},
		{"add again", func() error { return s.AddNext(hook.NewSecret("b")) }, false, []string{"a", "b"}},
		{"promote", func() error { return s.Promote(now, time.Hour) }, false, []string{"b", "a"}},
		{"promote twice", func() error { return s.Promote(now, time.Hour) }, true, []string{"b", "a"}},
		{"go back", func() error { return s.AddNext(hook.NewSecret("a")) }, false, []string{"b", "a"}},
		{"be back", func() error { return s.Promote(now, time.Hour) }, false, []string{"a", "b"}},
		{"add during the overlap", func() error { return s.AddNext(hook.NewSecret("d")) }, false, []string{"a", "d", "b"}},
		{"promote during the overlap", func() error { return s.Promote(now, time.Hour) }, false, []string{"d", "a"}},
		{"expire", s.ExpirePrevious, false, []string{"d"}},
		{"add a last one", func() error { return s.AddNext(hook.NewSecret("e")) }, false, []string{"d", "e"}},
		{"promote and keep nothing", func() error { return s.Promote(now, 0) }, false, []string{"e"}},
	} {
		before, err := s, step.do()
		conflict := new(hook.ConflictError)
		if errors.As(err, &conflict) != step.conflict || err != nil && !step.conflict {
			t.Errorf("step %d, %s: %v", i, step.name, err)
		}
		if step.conflict && (!s.Equal(&before) || conflict.Detail == "") {
			t.Errorf("step %d, %s: a conflict changed something, or says nothing: %v", i, step.name, err)
		}
		if diff := cmp.Diff(step.want, revealed(&s, now)); diff != "" {
			t.Errorf("step %d, %s: signing (-want +got):\n%s", i, step.name, diff)
		}
	}
}

// A previous secret signs until its time and not at it, whether or not somebody removes it.
func TestPreviousSecretEnds(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := hook.Secrets{Current: hook.NewSecret("a"), Next: hook.NewSecret("b")}
	if err := s.Promote(now, time.Hour); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]bool{0: true, time.Hour - 1: true, time.Hour: false, 1_000 * time.Hour: false} {
		at := now.Add(after)
		if signs := slices.Contains(revealed(&s, at), "a"); signs != want || s.PreviousEnded(at) == want {
			t.Errorf("after %v it signs: %v, and has ended: %v", after, signs, s.PreviousEnded(at))
		}
	}
}
