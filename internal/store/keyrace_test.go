package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// Two admins who end each other's key at the same moment, on two nodes where there can be two, leave one key that lasts: one of them is
// refused.
func TestLastAdminKeyStaysWhenTwoEndEachOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		first, now, scope := e.Open(t), moment(), store.KeyScope{Center: theCenter, Admin: true}
		nodes := []*storetest.Opened{first, first}
		if e.Shared {
			nodes[1] = first.Join(t)
		}
		ends := []func(*store.Store, hook.KeyID) error{
			func(s *store.Store, id hook.KeyID) error { return s.DeleteKey(t.Context(), now, scope, id) },
			func(s *store.Store, id hook.KeyID) error {
				_, err := s.ChangeKey(t.Context(), now, scope, id, nil, func(k *hook.Key) error { k.Enabled = false; return nil })
				return err
			},
			func(s *store.Store, id hook.KeyID) error {
				_, err := s.ChangeKey(t.Context(), now, scope, id, nil, func(k *hook.Key) error { k.ExpiresAt = now.Add(time.Hour); return nil })
				return err
			},
		}
		for round := range 12 {
			must(t, first.Write(t.Context(), `DELETE FROM api_keys`))
			var ids [2]hook.KeyID
			for i := range ids {
				k, _ := keyed(t, first, now, hook.Key{Name: "admin", Permissions: []hook.Permission{hook.PermitAdmin}, Enabled: true})
				ids[i] = k.ID
			}
			begin, ended := make(chan struct{}), make(chan error)
			for i := range ids {
				go func() {
					<-begin
					ended <- ends[(round+i*(round/3))%len(ends)](nodes[i].Store, ids[1-i])
				}()
			}
			close(begin)
			refused := 0
			for range ids {
				var conflict *hook.ConflictError
				if err := <-ended; errors.As(err, &conflict) {
					refused++
				} else if err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			}
			left, err := first.Texts(`SELECT CAST(count(*) AS TEXT) FROM api_keys WHERE center = 0 AND enabled = 1 AND expires_at = 0`)
			must(t, err)
			if refused != 1 || left[0] != "1" {
				t.Errorf("round %d: %d were refused, and %s keys that last are left", round, refused, left[0])
			}
		}
	})
}

// What is kept of keys in memory is that of keys which exist: asking about others, or for changes of them, leaves nothing behind, and
// a key that was deleted is forgotten on every node.
func TestUsesOfNoKeysAreKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now, scope := e.Open(t), moment(), store.KeyScope{Center: theCenter}
		k, _ := keyed(t, s, now, hook.Key{Center: theCenter, Name: "crm", Permissions: []hook.Permission{hook.PermitWebhooks}, Enabled: true})
		nodes := []*storetest.Opened{s}
		if e.Shared {
			nodes = append(nodes, s.Join(t))
		}
		for range 3 {
			none := hook.KeyID{UUID: newUUID()}
			if _, err := s.ChangeKey(t.Context(), now, scope, none, nil, func(*hook.Key) error { return nil }); !errors.Is(err, hook.ErrNotFound) {
				t.Error(err)
			}
			if _, err := s.Key(scope, none); !errors.Is(err, hook.ErrNotFound) {
				t.Error(err)
			}
		}
		for i, node := range nodes {
			if n := node.KeyUses(); n != 1 {
				t.Errorf("node %d keeps %d", i, n)
			}
		}
		must(t, s.DeleteKey(t.Context(), now, scope, k.ID))
		for i, node := range nodes {
			if _, err := node.FindCaller(hook.KeyProof{}, now); !errors.Is(err, hook.ErrNoKey) { // looks what others have changed
				t.Error(err)
			}
			if n := node.KeyUses(); n != 0 {
				t.Errorf("node %d keeps %d after the deletion", i, n)
			}
		}
	})
}
