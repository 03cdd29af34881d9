package hook_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

func hours(n int) *hook.Duration {
	d := hook.Duration(time.Duration(n) * time.Hour)
	return &d
}

// What is not set is inherited: interactions from the server, the others from what they belong to.
func TestRetentionPolicy(t *testing.T) {
	const server = 90 * time.Hour
	inherited := func(d time.Duration) hook.Kept { return hook.Kept{For: d * time.Hour, Inherited: true} }
	set := func(d time.Duration) hook.Kept { return hook.Kept{For: d * time.Hour} }
	for name, tt := range map[string]struct {
		set  hook.Retention
		want hook.RetentionPolicy
	}{
		"nothing":           {hook.Retention{}, hook.RetentionPolicy{inherited(90), inherited(90), inherited(90), inherited(90)}},
		"interactions":      {hook.Retention{Interactions: hours(9)}, hook.RetentionPolicy{set(9), inherited(9), inherited(9), inherited(9)}},
		"for ever":          {hook.Retention{Interactions: hours(0)}, hook.RetentionPolicy{set(0), inherited(0), inherited(0), inherited(0)}},
		"deliveries":        {hook.Retention{Deliveries: hours(8)}, hook.RetentionPolicy{inherited(90), set(8), inherited(8), inherited(90)}},
		"all":               {hook.Retention{hours(9), hours(8), hours(7), hours(6)}, hook.RetentionPolicy{set(9), set(8), set(7), set(6)}},
		"longer than later": {hook.Retention{Payloads: hours(100)}, hook.RetentionPolicy{inherited(90), inherited(90), inherited(90), set(100)}},
	} {
		if diff := cmp.Diff(tt.want, tt.set.Policy(server)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		text, err := json.Marshal(tt.set)
		var again hook.Retention
		if err := errors.Join(err, json.Unmarshal(text, &again)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.set, again); diff != "" {
			t.Errorf("%s as JSON (-want +got):\n%s", name, diff)
		}
	}
}

// Every wrong field is named, with its bounds; none is kept longer than what it belongs to.
func TestRetentionValidate(t *testing.T) {
	second := hook.Duration(time.Second)
	least, most := hook.RetentionMin-second, hook.RetentionMax+second
	for name, tt := range map[string]struct {
		set    hook.Retention
		server time.Duration
		want   []string
	}{
		"nothing":                 {},
		"bounds":                  {set: hook.Retention{hours(876_000), hours(876_000), hours(1), hours(1)}},
		"for ever":                {set: hook.Retention{Interactions: hours(0), Deliveries: hours(876_000)}, server: time.Hour},
		"too short":               {set: hook.Retention{&least, &least, &least, &least}, want: []string{"r.interactions", "r.deliveries", "r.attempts", "r.payloads"}},
		"too long":                {set: hook.Retention{&most, &most, &most, &most}, want: []string{"r.interactions", "r.deliveries", "r.attempts", "r.payloads"}},
		"parts for ever":          {set: hook.Retention{nil, hours(0), hours(0), hours(0)}, want: []string{"r.deliveries", "r.attempts", "r.payloads"}},
		"longer than owners":      {set: hook.Retention{hours(9), hours(10), hours(11), hours(10)}, want: []string{"r.deliveries", "r.attempts", "r.payloads"}},
		"longer than the owner's": {set: hook.Retention{nil, nil, hours(10), nil}, server: 9 * time.Hour, want: []string{"r.attempts"}},
		"as long as the server's": {set: hook.Retention{nil, hours(9), hours(9), hours(9)}, server: 9 * time.Hour},
		"a server that keeps all": {set: hook.Retention{nil, hours(9), hours(9), hours(9)}},
	} {
		err := tt.set.Validate("r.", tt.server)
		var invalid *hook.InvalidError
		var got []string
		if errors.As(err, &invalid) {
			for _, f := range invalid.Fields {
				got = append(got, f.Field)
			}
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// What is valid keeps nothing longer than what it belongs to.
func TestRetentionIsNested(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string) *hook.Duration {
			if n := rapid.IntRange(-1, 6).Draw(rt, name); n >= 0 {
				return hours(n)
			}
			return nil
		}
		r := hook.Retention{draw("interactions"), draw("deliveries"), draw("attempts"), draw("payloads")}
		server := time.Duration(rapid.IntRange(0, 6).Draw(rt, "server")) * time.Hour
		if r.Validate("", server) != nil {
			return
		}
		within := func(part, owner hook.Kept) bool { return owner.For == 0 || part.For != 0 && part.For <= owner.For }
		if p := r.Policy(server); !within(p.Deliveries, p.Interactions) || !within(p.Attempts, p.Deliveries) || !within(p.Payloads, p.Interactions) {
			rt.Fatalf("%+v is valid", p)
		}
	})
}
