package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// Guarantee 6: serials strictly grow within a process and from one to the next, also when the clock was set back.
func TestSerialsGrow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		other := contactCenter(t, s, "other").Number
		var last hook.Serial
		for i, at := range []time.Time{now, now, now.Add(48 * time.Hour), now, now.Add(-time.Hour), now.Add(72 * time.Hour), now.AddDate(-3, 0, 0)} {
			center := []hook.ContactCenterNumber{theCenter, other}[i%2]
			results, err := s.AcceptChanges(t.Context(), center, at, []hook.Change{create(newInteraction(), "q"), create(newInteraction(), "")}, nil)
			must(t, err)
			a, b := results[0].Interaction, results[1].Interaction
			list := []hook.Serial{a.Serial, a.StartedEvent, b.Serial}
			if list[0] <= last || list[1] <= list[0] || list[2] <= list[1] {
				t.Errorf("step %d: %v after %d", i, list, last)
			}
			last = list[2]
			if !a.CreatedAt.Equal(at) {
				t.Errorf("step %d: created at %v, want %v", i, a.CreatedAt, at)
			}
			s.Reopen(t)
		}
	})
}

// Guarantee 1: what is wrong with the options is said, and nothing is made.
func TestOpenRefusesLease(t *testing.T) {
	for _, lease := range []time.Duration{-time.Second, store.LeaseMax + 1} {
		_, err := store.Open(t.Context(), store.Options{Sealer: sealtest.Keyset(), Database: t.TempDir() + "/store.db", Lease: lease})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint(lease)) {
			t.Errorf("lease %v: %v", lease, err)
		}
	}
}
