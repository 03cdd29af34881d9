package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// Guarantee 3: a delivery is born leased, and handed over, when its lane has room and its webhook is enabled; else it is
// born due.
func TestLeaseAtBirth(t *testing.T) {
	tests := []struct {
		name    string
		room    bool
		full    bool
		enabled bool
		taken   int
		due     int
	}{
		{"room", true, false, true, 1, 0},
		{"no room", false, false, true, 0, 1},
		{"room that is gone when it is committed", true, true, true, 0, 1},
		{"a disabled webhook", true, false, false, 0, 0},
	}
	for i := range tests {
		tt := &tests[i]
		t.Run(tt.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, e storetest.Engine) {
				l := &lane{room: tt.room, full: tt.full}
				s, now := e.Open(t, l.option()), moment()
				w := webhook(t, s, theCenter, func(w *hook.Webhook) { w.Enabled = tt.enabled })
				change(t, s, now, create(newInteraction(), "q"))
				taken := l.all()
				due := claim(t, s, now, w, 10)
				if len(taken) != tt.taken || len(due) != tt.due {
					t.Fatalf("%d taken and %d due, want %d and %d", len(taken), len(due), tt.taken, tt.due)
				}
				if tt.taken == 1 {
					d := taken[0]
					want := hook.Lease{Token: d.Lease.Token, Until: now.Add(store.LeaseDefault)}
					if diff := cmp.Diff(want, d.Lease); diff != "" || d.Lease.Token == 0 {
						t.Errorf("lease (-want +got):\n%s", diff)
					}
					if diff := cmp.Diff(events(t, s, theCenter)[0], d.Event); diff != "" {
						t.Errorf("the event in memory is not the one in the store (-store +memory):\n%s", diff)
					}
					if r := record(t, s, now, acknowledges(d, now)); len(r.Late) != 0 {
						t.Error("its outcome was late")
					}
				}
			})
		})
	}
}

// Guarantee 3: without lanes everything is born due.
func TestLeaseWithoutLanes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		change(t, s, now, create(newInteraction(), "q"))
		claimOne(t, s, now, w)
	})
}

// Guarantee 3: a leased delivery is claimed by nobody before its lease ends, and then it is.
func TestLeaseEnds(t *testing.T) {
	const length = 10 * time.Second
	for _, room := range []bool{false, true} {
		t.Run(map[bool]string{false: "of a claim", true: "of a birth"}[room], func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, e storetest.Engine) {
				l := &lane{room: room}
				s := e.Open(t, l.option(), storetest.With(func(o *store.Options) { o.Lease = length }))
				now := moment()
				w := webhook(t, s, theCenter)
				change(t, s, now, create(newInteraction(), "q"))
				if !room {
					claimOne(t, s, now, w)
				}
				for _, early := range []time.Duration{0, time.Millisecond, length - time.Millisecond} {
					if got := claim(t, s, now.Add(early), w, 10); len(got) != 0 {
						t.Fatalf("claimed again after %v", early)
					}
				}
				again := claimOne(t, s, now.Add(length), w)
				if want := now.Add(2 * length); !again.Lease.Until.Equal(want) {
					t.Errorf("the second lease ends at %v, want %v", again.Lease.Until, want)
				}
			})
		})
	}
}

// Guarantee 3: whoever lost its lease, to another claim or to a release, records and releases nothing; that is counted.
func TestLeaseFences(t *testing.T) {
	lose := map[string]func(t *testing.T, s *storetest.Opened, w *hook.Webhook, d *hook.Delivery, now time.Time){
		"to another claim": func(t *testing.T, s *storetest.Opened, w *hook.Webhook, _ *hook.Delivery, now time.Time) {
			claimOne(t, s, now, w)
		},
		"to a release": func(t *testing.T, s *storetest.Opened, _ *hook.Webhook, d *hook.Delivery, now time.Time) {
			must(t, s.Release(t.Context(), now, []*hook.Delivery{d}))
		},
		"to an outcome": func(t *testing.T, s *storetest.Opened, _ *hook.Webhook, d *hook.Delivery, now time.Time) {
			record(t, s, now, fails(d, now, now.Add(time.Hour)))
		},
		"to an outcome that exhausted it": func(t *testing.T, s *storetest.Opened, _ *hook.Webhook, d *hook.Delivery, now time.Time) {
			record(t, s, now, exhausts(d, now))
		},
		"to an acknowledgement": func(t *testing.T, s *storetest.Opened, _ *hook.Webhook, d *hook.Delivery, now time.Time) {
			record(t, s, now, acknowledges(d, now))
		},
	}
	for name, lost := range lose {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, e storetest.Engine) {
				s, now := e.Open(t), moment()
				w := webhook(t, s, theCenter)
				change(t, s, now, create(newInteraction(), "q"))
				asleep := claimOne(t, s, now, w)
				later := now.Add(store.LeaseDefault)
				lost(t, s, w, asleep, later)
				before := delivery(t, s, asleep.ID())
				for _, o := range []hook.Outcome{acknowledges(asleep, later), fails(asleep, later, later), exhausts(asleep, later)} {
					if r := record(t, s, later, o); len(r.Late) != 1 || len(r.Freed) != 0 {
						t.Errorf("recorded %+v, want one that is late", r)
					}
				}
				must(t, s.Release(t.Context(), later, []*hook.Delivery{asleep}))
				if diff := cmp.Diff(before, delivery(t, s, asleep.ID()), unkeyed()); diff != "" {
					t.Errorf("the delivery changed (-before +after):\n%s", diff)
				}
			})
		})
	}
}

// Guarantee 3: an outcome that comes after the lease's end is recorded as long as nobody else claimed the delivery.
func TestLeaseOutlivedUnclaimed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		change(t, s, now, create(newInteraction(), "q"))
		d := claimOne(t, s, now, w)
		later := now.Add(store.LeaseMax)
		if r := record(t, s, later, acknowledges(d, later)); len(r.Late) != 0 {
			t.Errorf("recorded %+v", r)
		}
	})
}

// Guarantee 3: a released delivery is due at once and keeps its attempts.
func TestReleaseMakesDue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		change(t, s, now, create(newInteraction(), "q"), create(newInteraction(), "q"))
		for _, d := range claim(t, s, now, w, 10) {
			record(t, s, now, fails(d, now, now))
		}
		must(t, s.Release(t.Context(), now, claim(t, s, now, w, 10)))
		got := claim(t, s, now, w, 10)
		if len(got) != 2 || got[0].Attempts != 1 || got[1].Attempts != 1 {
			t.Errorf("claimed %d after the release", len(got))
		}
	})
}

// Guarantee 6: a claim takes no more than its limit, those that are due longest first, and nothing before it is due.
func TestClaimLimitAndOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w, quiet := webhook(t, s, theCenter), webhook(t, s, theCenter, disabled)
		var changes []hook.Change
		for range 5 {
			changes = append(changes, create(newInteraction(), "q"))
		}
		change(t, s, now, changes...)
		born := claim(t, s, now, w, 10)
		if !slices.IsSortedFunc(born, func(a, b *hook.Delivery) int { return int(a.Event.Serial - b.Event.Serial) }) {
			t.Error("a claim is not in the order of the events")
		}
		due := []time.Duration{4 * time.Second, 2 * time.Second, time.Second, 5 * time.Second, 3 * time.Second}
		for i, d := range born {
			record(t, s, now, fails(d, now, now.Add(due[i])))
		}
		claimed := func(after time.Duration, limit int) (indexes []int) {
			for _, d := range claim(t, s, now.Add(after), w, limit) {
				indexes = append(indexes, slices.IndexFunc(born, func(b *hook.Delivery) bool { return b.Event.Serial == d.Event.Serial }))
			}
			return indexes
		}
		for _, step := range []struct {
			after time.Duration
			limit int
			want  []int
		}{
			{999 * time.Millisecond, 10, nil},
			{time.Second, 10, []int{2}},
			{5 * time.Second, 2, []int{1, 4}},
			{5 * time.Second, 1, []int{0}},
			{5 * time.Second, 10, []int{3}},
			{5 * time.Second, 10, nil},
		} {
			if diff := cmp.Diff(step.want, claimed(step.after, step.limit)); diff != "" {
				t.Errorf("after %v with the limit %d (-want +got):\n%s", step.after, step.limit, diff)
			}
		}
		if got := claim(t, s, now, quiet, 10); len(got) != 0 {
			t.Errorf("%d deliveries of a disabled webhook were claimed", len(got))
		}
		got, err := s.Claim(t.Context(), now, 999, 10)
		if err != nil || len(got) != 0 {
			t.Errorf("a claim for an unknown webhook: %d, %v", len(got), err)
		}
	})
}

// Guarantee 3: concurrent claims never give one delivery to two.
func TestClaimIsExclusive(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		const total, claimers = 120, 8
		var changes []hook.Change
		for range total {
			changes = append(changes, create(newInteraction(), "q"))
		}
		change(t, s, now, changes...)
		results := make(chan []*hook.Delivery, claimers)
		for range claimers {
			go func() {
				var mine []*hook.Delivery
				defer func() { results <- mine }()
				for {
					got, err := s.Claim(t.Context(), now, w.Number, 7)
					if err != nil || len(got) == 0 {
						return
					}
					mine = append(mine, got...)
				}
			}()
		}
		owners, tokens := map[hook.Serial]int{}, map[int64]int{}
		for claimer := range claimers {
			for _, d := range <-results {
				owners[d.Event.Serial]++
				if owner, ok := tokens[d.Lease.Token]; ok && owner != claimer {
					t.Errorf("the token %d was given to two claimers", d.Lease.Token)
				}
				tokens[d.Lease.Token] = claimer
			}
		}
		if len(owners) != total {
			t.Errorf("%d deliveries were claimed, want %d", len(owners), total)
		}
		for serial, n := range owners {
			if n != 1 {
				t.Errorf("the delivery of %d was claimed %d times", serial, n)
			}
		}
	})
}

// Guarantee 6: Due names the enabled webhooks that have pending deliveries, each with the first time that one is due.
func TestDue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		idle := func(w *hook.Webhook) {
			w.Settings.Subtypes = w.Settings.Subtypes[:0]
			w.Settings.MediaTypes = append(w.Settings.MediaTypes, "email")
		}
		w, off, gone := webhook(t, s, theCenter), webhook(t, s, theCenter), webhook(t, s, theCenter)
		webhook(t, s, theCenter, idle)
		due := func() (list []hook.Due) {
			list, err := s.Due(t.Context())
			must(t, err)
			return slices.DeleteFunc(list, func(d hook.Due) bool { return d.Webhook == off.Number || d.Webhook == gone.Number })
		}
		want := func(when string, at ...time.Time) {
			t.Helper()
			var list []hook.Due
			for _, at := range at {
				list = append(list, hook.Due{Webhook: w.Number, At: at})
			}
			if diff := cmp.Diff(list, due(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		want("with nothing to do")
		change(t, s, now, create(newInteraction(), "q"))
		change(t, s, now.Add(time.Second), create(newInteraction(), "q"))
		want("with two born", now)
		first := claim(t, s, now, w, 1)[0]
		want("with one leased", now.Add(time.Second))
		second := claim(t, s, now.Add(time.Second), w, 1)[0]
		want("with two leased", now.Add(store.LeaseDefault))
		record(t, s, now, fails(first, now, now.Add(time.Hour)))
		record(t, s, now, exhausts(second, now))
		want("with one retried and one exhausted", now.Add(time.Hour))
		deliver(t, s, now.Add(time.Hour), w)
		want("with nothing left")

		_, err := s.EnableWebhook(t.Context(), theCenter, off.ID, now, false, nil)
		must(t, err)
		must(t, s.DeleteWebhook(t.Context(), theCenter, gone.ID, now))
		list, err := s.Due(t.Context())
		must(t, err)
		if len(list) != 0 {
			t.Errorf("webhooks that are disabled or deleted are due: %+v", list)
		}
	})
}

// Guarantee 3: a waiting delivery is due to nobody.
func TestDueLeavesOutWaiting(t *testing.T) {
	storetest.Each(t, func(t *testing.T, e storetest.Engine) {
		s, now := e.Open(t), moment()
		w := webhook(t, s, theCenter)
		id := newInteraction()
		change(t, s, now, create(id, "q"), stop(id))
		record(t, s, now, fails(claimOne(t, s, now, w), now, now.Add(time.Hour)))
		list, err := s.Due(t.Context())
		must(t, err)
		if diff := cmp.Diff([]hook.Due{{Webhook: w.Number, At: now.Add(time.Hour)}}, list); diff != "" {
			t.Errorf("due (-want +got):\n%s", diff)
		}
	})
}
