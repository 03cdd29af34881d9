package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// Guarantee 1: there is one configured admin key, the last that was set, in memory and after a restart.
func TestAdminKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		if s.HasAdminKey() {
			t.Error("a new store has an admin key")
		}
		first, second := hook.ProofOf("any text at all"), hook.ProofOf(hook.NewKeyText(hook.KeyID{UUID: newUUID()}, [32]byte{2}))
		must(t, s.SetAdminKey(t.Context(), now, first.Hash))
		must(t, s.SetAdminKey(t.Context(), now, first.Hash)) // the same one again
		if by, err := s.CallerOf(first, now); err != nil || by.Center != 0 || by.Actor != "admin key" || !by.May(hook.PermitAdmin) {
			t.Errorf("the first key is %+v, %v", by, err)
		}
		must(t, s.SetAdminKey(t.Context(), now, second.Hash))
		for range 2 {
			_, old := s.CallerOf(first, now)
			_, current := s.CallerOf(second, now)
			_, none := s.CallerOf(hook.KeyProof{}, now)
			if !errors.Is(old, hook.ErrNoKey) || current != nil || !errors.Is(none, hook.ErrNoKey) || !s.HasAdminKey() {
				t.Errorf("old %v, current %v, none %v", old, current, none)
			}
			s.Reopen(t)
		}
	})
}

// keyed makes a key and returns its proof.
func keyed(t *testing.T, s *storetest.Opened, now time.Time, k hook.Key) (hook.Key, hook.KeyProof) {
	t.Helper()
	if k.ID.IsZero() {
		k.ID.UUID = newUUID()
	}
	proof := hook.ProofOf(hook.NewKeyText(k.ID, [32]byte{1}))
	made, err := s.CreateKey(t.Context(), now, k, proof.Hash, nil)
	must(t, err)
	return made, proof
}

// A key opens from its creation to its end what it may, on every node and after a restart; and what it was told it is told again.
func TestKeyFromCreationToEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		scope := store.KeyScope{Center: theCenter}
		k, proof := keyed(t, s, now, hook.Key{Center: theCenter, Name: "crm", Permissions: []hook.Permission{hook.PermitWebhooks}, Enabled: true, ExpiresAt: now.Add(time.Hour)})
		opens := func(at time.Time) error {
			_, err := s.FindCaller(proof, at)
			return err
		}
		set := func(change func(*hook.Key)) {
			t.Helper()
			_, err := s.ChangeKey(t.Context(), now, scope, k.ID, nil, func(k *hook.Key) error { change(k); return nil })
			must(t, err)
		}
		var ended *hook.KeyEndedError
		if err := opens(now); err != nil {
			t.Errorf("a new key: %v", err)
		}
		if err := opens(now.Add(time.Hour)); !errors.As(err, &ended) || !ended.ExpiredAt.Equal(now.Add(time.Hour)) {
			t.Errorf("an expired key: %v", err)
		}
		wrong := proof
		wrong.Hash[31]++
		if _, err := s.FindCaller(wrong, now.Add(time.Hour)); !errors.Is(err, hook.ErrNoKey) {
			t.Errorf("a wrong secret: %v", err)
		}
		set(func(k *hook.Key) { k.Enabled = false })
		set(func(k *hook.Key) { k.Enabled = false }) // no change, and not logged
		if err := opens(now); !errors.As(err, &ended) || !ended.ExpiredAt.IsZero() {
			t.Errorf("a disabled key: %v", err)
		}
		s.Reopen(t)
		if err := opens(now); !errors.As(err, &ended) {
			t.Errorf("a disabled key after a restart: %v", err)
		}
		set(func(k *hook.Key) { k.Enabled = true })
		set(func(k *hook.Key) { k.ExpiresAt = time.Time{} })
		set(func(k *hook.Key) { k.Name, k.Permissions = "billing", []hook.Permission{hook.PermitDeliveries} })
		if by, err := s.FindCaller(proof, now.Add(time.Hour)); err != nil || by.Center != theCenter || !by.May(hook.PermitDeliveries) || by.May(hook.PermitWebhooks) || !strings.Contains(string(by.Actor), "billing") {
			t.Errorf("after the changes: %+v, %v", by, err)
		}
		if _, err := s.Key(store.KeyScope{Center: theCenter + 1}, k.ID); !errors.Is(err, hook.ErrNotFound) {
			t.Errorf("for another contact centre: %v", err)
		}
		if err := s.DeleteKey(t.Context(), now, store.KeyScope{Center: theCenter + 1}, k.ID); !errors.Is(err, hook.ErrNotFound) {
			t.Errorf("deleted by another contact centre: %v", err)
		}
		must(t, s.DeleteKey(t.Context(), now, scope, k.ID))
		if err := opens(now); !errors.Is(err, hook.ErrNoKey) {
			t.Errorf("a deleted key: %v", err)
		}
		want := []string{"key.create", "key.disable", "key.enable", "key.expire", "key.update", "key.delete"}
		var got []string
		for _, entry := range auditLog(t, s, theCenter, store.AuditFilter{}) {
			got = append(got, entry.Action)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the log (-want +got):\n%s", diff)
		}
	})
}

// The last admin key that is enabled and never expires stays so, and the configured one stays while it is configured.
func TestLastAdminKeyStays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now, scope := e.Open(t), moment(), store.KeyScope{Center: theCenter, Admin: true}
		must(t, s.SetAdminKey(t.Context(), now, [32]byte{7}))
		keys, _, err := s.Keys(0, store.Page{})
		must(t, err)
		first := keys[0].ID
		ends := map[string]func(hook.KeyID) error{
			"disable": func(id hook.KeyID) error {
				_, err := s.ChangeKey(t.Context(), now, scope, id, nil, func(k *hook.Key) error { k.Enabled = false; return nil })
				return err
			},
			"expire": func(id hook.KeyID) error {
				_, err := s.ChangeKey(t.Context(), now, scope, id, nil, func(k *hook.Key) error { k.ExpiresAt = now.Add(time.Hour); return nil })
				return err
			},
			"delete": func(id hook.KeyID) error { return s.DeleteKey(t.Context(), now, scope, id) },
		}
		refused := func(when string, names []string, id hook.KeyID) {
			t.Helper()
			for _, name := range names {
				var conflict *hook.ConflictError
				if err := ends[name](id); !errors.As(err, &conflict) || conflict.Detail == "" {
					t.Errorf("%s, %s: %v", when, name, err)
				}
			}
		}
		all := []string{"disable", "expire", "delete"}
		refused("alone", all, first)
		keyed(t, s, now, hook.Key{Name: "short", Permissions: []hook.Permission{hook.PermitAdmin}, Enabled: true, ExpiresAt: now.Add(time.Hour)})
		keyed(t, s, now, hook.Key{Center: theCenter, Name: "own", Permissions: []hook.Permission{hook.PermitAdmin}, Enabled: true})
		refused("beside one that expires and one of a contact centre", all, first)
		second, _ := keyed(t, s, now, hook.Key{Name: "second", Permissions: []hook.Permission{hook.PermitAdmin}, Enabled: true})
		refused("configured", []string{"delete"}, first)
		must(t, ends["disable"](first))
		refused("the other one", all, second.ID)
		s.Reopen(t) // and nothing is configured
		must(t, ends["delete"](first))
		refused("the only one", all, second.ID)
	})
}

// Keys are listed page by page, newest first; those of another contact centre are not among them; and there is an end to how many.
func TestKeysAreListed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		for i := range 5 {
			id := hook.KeyID{UUID: hook.V7(now.Add(time.Duration(i)*time.Millisecond), [10]byte{})}
			keyed(t, s, now, hook.Key{ID: id, Center: theCenter, Name: fmt.Sprint(i), Permissions: []hook.Permission{hook.PermitWebhooks}, Enabled: true})
		}
		keyed(t, s, now, hook.Key{Name: "admin", Permissions: []hook.Permission{hook.PermitAdmin}, Enabled: true})
		var names []string
		for cursor, first := "", true; first || cursor != ""; first = false {
			list, next, err := s.Keys(theCenter, store.Page{Limit: 2, Cursor: cursor})
			must(t, err)
			for _, k := range list {
				names = append(names, k.Name)
			}
			cursor = next
		}
		if got := strings.Join(names, " "); got != "4 3 2 1 0" {
			t.Errorf("the list is %s", got)
		}
		for _, cursor := range []string{"!", "BAAA"} {
			if _, _, err := s.Keys(theCenter, store.Page{Cursor: cursor}); !errors.Is(err, hook.ErrBadID) {
				t.Errorf("the cursor %q: %v", cursor, err)
			}
		}
		for i := range hook.KeysMax - 5 {
			id := hook.V7(now, [10]byte{5: 1, 8: byte(i >> 8), 9: byte(i)})
			must(t, s.Write(t.Context(), `INSERT INTO api_keys (id, center, name, hash, created_at) VALUES ($1, 1, 'many', $2, 1)`, id, slices.Concat(id[:], id[:])))
		}
		id := hook.KeyID{UUID: newUUID()}
		var conflict *hook.ConflictError
		if _, err := s.CreateKey(t.Context(), now, hook.Key{ID: id, Center: theCenter, Name: "more"}, [32]byte{9}, nil); !errors.As(err, &conflict) {
			t.Errorf("a key too many: %v", err)
		}
	})
}

// When a key was last used is known at once here, and is stored when it is written, without anybody's reading the catalogue anew.
func TestUseOfKeysIsKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now, scope := e.Open(t), moment(), store.KeyScope{Center: theCenter}
		k, proof := keyed(t, s, now, hook.Key{Center: theCenter, Name: "crm", Permissions: []hook.Permission{hook.PermitWebhooks}, Enabled: true})
		stored := func() string {
			list, err := s.Texts(`SELECT CAST(used_at AS TEXT) FROM api_keys`)
			must(t, err)
			return strings.Join(list, " ")
		}
		used := func() time.Time {
			found, err := s.Key(scope, k.ID)
			must(t, err)
			return found.UsedAt
		}
		if !used().IsZero() || stored() != "0" {
			t.Errorf("before it was used: %v, %s", used(), stored())
		}
		version, err := s.Texts(`SELECT CAST(version AS TEXT) FROM catalogue`)
		must(t, err)
		at := now.Add(time.Hour)
		for range 3 {
			_, err := s.CallerOf(proof, at)
			must(t, err)
		}
		if !used().Equal(at) || stored() != "0" {
			t.Errorf("used, and not written: %v, %s", used(), stored())
		}
		s.WriteKeyUses(t.Context())
		if want := fmt.Sprint(at.UnixMilli()); stored() != want {
			t.Errorf("written: %s, want %s", stored(), want)
		}
		if after, err := s.Texts(`SELECT CAST(version AS TEXT) FROM catalogue`); err != nil || !slices.Equal(after, version) {
			t.Errorf("the catalogue's version went from %v to %v, %v", version, after, err)
		}
		if _, err := s.CallerOf(proof, at.Add(2*time.Hour)); err != nil {
			t.Error(err)
		}
		s.Reopen(t) // a clean end writes what is left
		if want := at.Add(2 * time.Hour); !used().Equal(want) {
			t.Errorf("after a restart: %v, want %v", used(), want)
		}
	})
}

// What a node does with a key counts on the others: at once where the key is unknown there, and within a look where it is known.
func TestKeysOnTwoNodes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		if !e.Shared {
			return
		}
		a, now := e.Open(t), moment()
		b := a.Join(t)
		scope := store.KeyScope{Center: theCenter}
		k, proof := keyed(t, a, now, hook.Key{Center: theCenter, Name: "crm", Permissions: []hook.Permission{hook.PermitWebhooks}, Enabled: true})
		if _, err := b.FindCaller(proof, now); err != nil {
			t.Errorf("a key that another node made: %v", err)
		}
		_, err := a.CallerOf(proof, now.Add(time.Hour))
		must(t, err)
		_, err = b.CallerOf(proof, now.Add(2*time.Hour))
		must(t, err)
		b.WriteKeyUses(t.Context())
		a.WriteKeyUses(t.Context()) // the earlier use, later
		if found, err := a.Key(scope, k.ID); err != nil || !found.UsedAt.Equal(now.Add(2*time.Hour)) {
			t.Errorf("last used %v, %v", found.UsedAt, err)
		}
		must(t, a.DeleteKey(t.Context(), now, scope, k.ID))
		if _, err := b.FindCaller(proof, now); !errors.Is(err, hook.ErrNoKey) {
			t.Errorf("a key that another node deleted: %v", err)
		}
	})
}
