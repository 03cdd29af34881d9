package store_test

import (
	"testing"

	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// Guarantee 1: there is one configured admin key, the last that was set, in memory and after a restart.
func TestAdminKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		if s.HasAdminKey() {
			t.Error("a new store has an admin key")
		}
		first, second := [32]byte{1}, [32]byte{2}
		must(t, s.SetAdminKey(t.Context(), now, first))
		must(t, s.SetAdminKey(t.Context(), now, first)) // the same one again
		if k, ok := s.KeyByHash(first); !ok || k.Center != 0 || k.Name != "configured" || !k.CreatedAt.Equal(now) || k.ID.IsZero() {
			t.Errorf("the first key is %+v, %v", k, ok)
		}
		must(t, s.SetAdminKey(t.Context(), now, second))
		for range 2 {
			_, old := s.KeyByHash(first)
			_, current := s.KeyByHash(second)
			_, none := s.KeyByHash([32]byte{})
			if old || !current || none || !s.HasAdminKey() {
				t.Errorf("old %v, current %v, none %v", old, current, none)
			}
			s.Reopen(t)
		}
	})
}
