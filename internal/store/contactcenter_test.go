package store_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// Guarantee 1: every store has the default contact centre, once, and keeps the others with their numbers.
func TestContactCentersAreKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t)
		first, err := s.ContactCenter(hook.DefaultContactCenter)
		if err != nil || first.Number != theCenter || first.ID != hook.DefaultContactCenter || first.CreatedAt.IsZero() {
			t.Fatalf("the default one is %+v, %v", first, err)
		}
		second := contactCenter(t, s, "second")
		third := contactCenter(t, s, "third")
		want := []hook.ContactCenter{first, second, third}
		if second.Number != 2 || third.Number != 3 || second.Name != "The centre second" {
			t.Errorf("they are %+v", want)
		}
		for range 2 {
			if diff := cmp.Diff(want, s.ContactCenters()); diff != "" {
				t.Errorf("contact centres (-want +got):\n%s", diff)
			}
			got, err := s.ContactCenter("third")
			if diff := cmp.Diff(third, got); diff != "" || err != nil {
				t.Errorf("the third, %v (-want +got):\n%s", err, diff)
			}
			_, err = s.ContactCenter("fourth")
			wantError(t, err, hook.ErrNotFound)
			s.Reopen(t)
		}
	})
}

// Guarantee 1: a used id is a conflict and changes nothing; of many who want one id, one gets it.
func TestContactCenterUsedID(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s := e.Open(t)
		_, err := s.CreateContactCenter(t.Context(), moment(), hook.DefaultContactCenter, "Mine", nil)
		wantConflict(t, err, "used")
		const callers = 8
		var wg sync.WaitGroup
		made := make(chan bool, callers)
		for range callers {
			wg.Go(func() {
				_, err := s.CreateContactCenter(t.Context(), moment(), "wanted", "", nil)
				if err != nil {
					wantConflict(t, err, "used")
				}
				made <- err == nil
			})
		}
		wg.Wait()
		n := 0
		for range callers {
			if <-made {
				n++
			}
		}
		if list := s.ContactCenters(); n != 1 || len(list) != 2 || list[0].Name != "Default" || list[1].Number != 2 {
			t.Errorf("%d were made: %+v", n, list)
		}
	})
}

// Guarantee 1: what is set for a contact centre counts for every later reader, of other processes too, and after a restart; who did
// it is logged with it. A change that is refused changes nothing.
func TestContactCenterIsUpdated(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		other := s
		if e.Shared {
			other = s.Join(t)
		}
		made := contactCenter(t, s, "second")
		day := hook.Duration(24 * time.Hour)
		rename := func(c *hook.ContactCenter) error {
			c.Name, c.Settings.Retention.Payloads = "New", &day
			return nil
		}
		ctx := hook.WithActor(t.Context(), "admin key")
		got, err := s.UpdateContactCenter(ctx, now, made.ID, rename)
		must(t, err)
		want := made
		want.Name, want.UpdatedAt, want.Settings.Retention.Payloads = "New", now, &day
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("updated (-want +got):\n%s", diff)
		}
		if _, err := other.UpdateContactCenter(ctx, now, "third", rename); !isNotFound(err) {
			t.Errorf("one that does not exist: %v", err)
		}
		refused := errors.New("refused")
		_, err = other.UpdateContactCenter(ctx, now, made.ID, func(c *hook.ContactCenter) error {
			c.Name = "Newer"
			return refused
		})
		wantError(t, err, refused)
		for range 2 {
			for _, node := range []*storetest.Opened{s, other} {
				found, err := node.ReadContactCenter(made.ID)
				if diff := cmp.Diff(want, found); diff != "" || err != nil {
					t.Errorf("found, %v (-want +got):\n%s", err, diff)
				}
				if p := node.Retention(found); p.Payloads != (hook.Kept{For: 24 * time.Hour}) {
					t.Errorf("its policy is %+v", p)
				}
			}
			s.Reopen(t)
		}
		logged, err := s.Texts(`SELECT actor || ' ' || action || ' ' || subject || ' ' || before || ' ' || after FROM audit WHERE subject = 'second' ORDER BY serial`)
		must(t, err)
		if diff := cmp.Diff([]string{
			`hookswitch contactCenter.create second  {"name":"The centre second","settings":{}}`,
			`admin key contactCenter.update second {"name":"The centre second","settings":{}} {"name":"New","settings":{"retention":{"payloads":"24h"}}}`,
		}, logged); diff != "" {
			t.Errorf("logged (-want +got):\n%s", diff)
		}
	})
}
