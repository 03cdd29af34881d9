package hook

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/interaction"
)

// Whatever is asked of a replay, in whatever order, it is made or refused with a conflict that changes nothing; what has ended
// stays so, with the time of its end.
func TestReplayStates(t *testing.T) {
	allowed := map[string][]ReplayState{
		"pause": {ReplayRunning}, "resume": {ReplayPaused}, "cancel": {ReplayRunning, ReplayPaused}, "batch": {ReplayRunning},
	}
	becomes := map[string]ReplayState{"pause": ReplayPaused, "resume": ReplayRunning, "cancel": ReplayCancelled}
	rapid.Check(t, func(t *rapid.T) {
		now := time.UnixMilli(1_800_000_000_000).UTC()
		r := Replay{Filter: ReplayFilter{From: now.Add(-time.Hour)}, Rate: rapid.IntRange(0, ReplayRateMax).Draw(t, "rate")}
		r.Begin(now)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1_000).Draw(t, "ms")) * time.Millisecond)
			verb := rapid.SampledFrom([]string{"pause", "resume", "cancel", "batch"}).Draw(t, "verb")
			before, err := r, error(nil)
			switch verb {
			case "pause":
				err = r.Pause(now)
			case "resume":
				err = r.Resume(now)
			case "cancel":
				err = r.Cancel(now)
			case "batch":
				if r.State != ReplayRunning {
					continue // the store looks first
				}
				if r.Times.Due.After(now) {
					now = r.Times.Due
				}
				matched := int64(rapid.IntRange(0, ReplayBatchMax).Draw(t, "matched"))
				r = r.After(now, r.Passed+1, ReplayCounts{Matched: matched, Replayed: matched}, rapid.IntRange(0, 5).Draw(t, "more") > 0)
			}
			if can := slices.Contains(allowed[verb], before.State); can != (err == nil) {
				t.Fatalf("%s while %s: %v", verb, before.State, err)
			}
			if err != nil {
				var conflict *ConflictError
				if !errors.As(err, &conflict) || conflict.State != before.State.String() || conflict.Verb != verb {
					t.Fatalf("%s while %s is refused with %v", verb, before.State, err)
				}
				if diff := cmp.Diff(before, r); diff != "" {
					t.Fatalf("a refused %s changed it (-before +after):\n%s", verb, diff)
				}
				continue
			}
			if want, ok := becomes[verb]; ok && r.State != want {
				t.Fatalf("%s made it %s", verb, r.State)
			}
			if r.State.Ended() != !r.Times.Finished.IsZero() || !r.Times.Updated.Equal(now) || r.Times.Due.Before(before.Times.Due) {
				t.Fatalf("after %s: %s, %+v", verb, r.State, r.Times)
			}
			if p := r.Progress(); p < before.Progress() || p > 1 || (r.State == ReplayFinished) != (p == 1 && r.State.Ended() && r.State != ReplayCancelled) {
				t.Fatalf("progress from %v to %v while %s", before.Progress(), p, r.State)
			}
		}
	})
}

// I7: in any second a replay makes no more deliveries pending than its rate, over pauses too; it is smooth, and not much slower than
// it may be.
func TestReplayKeepsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Replay{Filter: ReplayFilter{From: time.UnixMilli(0)}, Rate: rapid.IntRange(1, ReplayRateMax).Draw(t, "rate")}
		now := time.UnixMilli(1_800_000_000_000).UTC()
		r.Begin(now)
		type batch struct {
			at   time.Time
			size int64
		}
		var made []batch
		full := rapid.Bool().Draw(t, "full")
		for range rapid.IntRange(1, 400).Draw(t, "batches") {
			most, apart := r.Pace()
			if most < 1 || most > ReplayBatchMax || most > max(r.Rate/replayBatches, 1) {
				t.Fatalf("batches of %d at a rate of %d", most, r.Rate)
			}
			if rate := float64(most) / apart.Seconds(); rate < 0.8*float64(min(r.Rate, 1_000)) || rate > float64(r.Rate) {
				t.Fatalf("%d every %v at a rate of %d", most, apart, r.Rate)
			}
			size := int64(most)
			if !full {
				size = int64(rapid.IntRange(0, most).Draw(t, "size"))
				now = now.Add(time.Duration(rapid.IntRange(0, 50).Draw(t, "late")) * time.Millisecond)
			}
			made = append(made, batch{now, size})
			r = r.After(now, r.Passed+1, ReplayCounts{Matched: size}, true)
			if rapid.IntRange(0, 9).Draw(t, "pauses") == 0 {
				if err := errors.Join(r.Pause(now), r.Resume(now)); err != nil {
					t.Fatal(err)
				}
			}
			if r.Times.Due.After(now) {
				now = r.Times.Due
			}
		}
		for i := range made {
			total := int64(0)
			for _, b := range made[i:] {
				if b.at.Sub(made[i].at) < time.Second {
					total += b.size
				}
			}
			if total > int64(r.Rate) {
				t.Fatalf("%d in the second after batch %d, at a rate of %d", total, i, r.Rate)
			}
		}
	})
}

// I7: every wrong field of a draft is named at once.
func TestReplayValidate(t *testing.T) {
	now := time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC)
	from := now.Add(-time.Hour)
	for name, tt := range map[string]struct {
		replay Replay
		want   []string
	}{
		"least":  {Replay{Filter: ReplayFilter{From: from}}, nil},
		"all":    {Replay{Rate: ReplayRateMax, Filter: ReplayFilter{From: from, To: now, States: []DeliveryState{DeliveryDelivered, DeliveryExhausted}, Events: interaction.Events(), MediaTypes: interaction.MediaTypes()}}, nil},
		"none":   {Replay{}, []string{"body.from"}},
		"future": {Replay{Filter: ReplayFilter{From: now}}, []string{"body.from"}},
		"empty":  {Replay{Filter: ReplayFilter{From: from, To: from}}, []string{"body.to"}},
		"everything": {
			Replay{Rate: -1, Filter: ReplayFilter{States: []DeliveryState{DeliveryPending, DeliveryHeld, DeliveryExhausted, DeliveryExhausted, 9}, Events: []interaction.Event{"BEGUN"}, MediaTypes: []interaction.MediaType{"fax"}}},
			[]string{"body.from", "body.states[0]", "body.states[1]", "body.states[3]", "body.states[4]", "body.events[0]", "body.mediaTypes[0]", "body.rate"},
		},
		"too fast": {Replay{Rate: ReplayRateMax + 1, Filter: ReplayFilter{From: from}}, []string{"body.rate"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			var wrong *InvalidError
			if err := tt.replay.Validate("body.", now); errors.As(err, &wrong) {
				for _, f := range wrong.Fields {
					got = append(got, f.Field)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("wrong fields (-want +got):\n%s", diff)
			}
		})
	}
}

// What a draft leaves open is fixed when the replay begins.
func TestReplayBegins(t *testing.T) {
	now := time.Date(2026, 11, 22, 16, 0, 0, 1_500_000, time.FixedZone("", 3600))
	r := Replay{Filter: ReplayFilter{From: time.Time{}.Add(time.Hour)}}
	r.Begin(now)
	want := Replay{
		Filter: ReplayFilter{From: time.Time{}.Add(time.Hour), To: now.UTC().Truncate(time.Millisecond), States: []DeliveryState{DeliveryExhausted}},
		State:  ReplayRunning,
	}
	want.Times = ReplayTimes{Created: want.Filter.To, Updated: want.Filter.To, Due: want.Filter.To}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
