package hook_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

func anyFilter[T any](all []T) *rapid.Generator[[]T] {
	return rapid.SliceOfN(rapid.SampledFrom(all), 0, len(all))
}

// Wants is judged against a sentence of its own: an event is wanted unless a filter that is not empty lacks it.
func TestWants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := hook.Webhook{Enabled: rapid.Bool().Draw(t, "enabled"), Settings: validSettings()}
		w.Settings.Events = anyFilter(interaction.Events()).Draw(t, "events")
		w.Settings.MediaTypes = anyFilter(interaction.MediaTypes()).Draw(t, "mediaTypes")
		w.Settings.Subtypes = anyFilter(interaction.Subtypes()).Draw(t, "subtypes")
		deleted := rapid.Bool().Draw(t, "deleted")
		if deleted {
			w.DeletedAt = noon()
		}
		if w.Deleted() != deleted {
			t.Fatalf("deleted at %v: %v", w.DeletedAt, w.Deleted())
		}
		for _, kind := range interaction.Events() {
			for _, media := range interaction.MediaTypes() {
				for _, subtype := range interaction.Subtypes() {
					want := !deleted
					if f := w.Settings.Events; len(f) > 0 && !slices.Contains(f, kind) {
						want = false
					}
					if f := w.Settings.MediaTypes; len(f) > 0 && !slices.Contains(f, media) {
						want = false
					}
					if f := w.Settings.Subtypes; len(f) > 0 && !slices.Contains(f, subtype) {
						want = false
					}
					if got := w.Wants(&hook.Event{Kind: kind, Media: media, Subtype: subtype}); got != want {
						t.Fatalf("%s %s %s: wanted %v, want %v", kind, media, subtype, got, want)
					}
				}
			}
		}
	})
}

func TestWantsByExample(t *testing.T) {
	started := hook.Event{Kind: "STARTED", Media: "chat", Subtype: "SMS"}
	for name, test := range map[string]struct {
		webhook hook.Webhook
		want    bool
	}{
		"no filter":           {hook.Webhook{Enabled: true}, true},
		"empty filters":       {hook.Webhook{Settings: hook.Settings{Filter: hook.Filter{Events: []interaction.Event{}, Subtypes: []interaction.Subtype{}}}}, true},
		"disabled":            {hook.Webhook{Enabled: false}, true}, // held until it is enabled
		"deleted":             {hook.Webhook{Enabled: true, DeletedAt: noon()}, false},
		"the event":           {hook.Webhook{Settings: hook.Settings{Filter: hook.Filter{Events: []interaction.Event{"STARTED"}}}}, true},
		"another event":       {hook.Webhook{Settings: hook.Settings{Filter: hook.Filter{Events: []interaction.Event{"FINISHED"}}}}, false},
		"the media type":      {hook.Webhook{Settings: hook.Settings{Filter: hook.Filter{MediaTypes: []interaction.MediaType{"email", "chat"}}}}, true},
		"another media type":  {hook.Webhook{Settings: hook.Settings{Filter: hook.Filter{MediaTypes: []interaction.MediaType{"email"}}}}, false},
		"the subtype":         {hook.Webhook{Settings: hook.Settings{Filter: hook.Filter{Subtypes: []interaction.Subtype{"SMS"}}}}, true},
		"another subtype":     {hook.Webhook{Settings: hook.Settings{Filter: hook.Filter{Subtypes: []interaction.Subtype{"WhatsApp", "Outbound"}}}}, false},
		"one filter of three": {hook.Webhook{Settings: hook.Settings{Filter: hook.Filter{Events: []interaction.Event{"STARTED"}, MediaTypes: []interaction.MediaType{"chat"}, Subtypes: []interaction.Subtype{"Outbound"}}}}, false},
	} {
		if got := test.webhook.Wants(&started); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// The defaults are those of specification, section 4, in the JSON of the API.
func TestDefaultSettings(t *testing.T) {
	text, err := json.Marshal(hook.DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"url":"","requestTimeout":"10s",` +
		`"retry":{"timeout":"5s","attempts":19,"backoff":3,"maxTimeout":"6h","jitter":0.1},` +
		`"success":"200","concurrency":32,"batch":{"maxEvents":1,"linger":"0s"},` +
		`"signatures":["sha1","sha256","standard"],"metadata":["attempt","delivery","userAgent"]}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	changed := hook.DefaultSettings()
	changed.Signatures[0], changed.Metadata[0] = "md5", "mood"
	if diff := cmp.Diff(want, string(text)); diff != "" || hook.DefaultSettings().Signatures[0] != "sha1" {
		t.Errorf("the defaults can be changed through one who has them:\n%s", diff)
	}
}

func TestSettingsAsJSON(t *testing.T) {
	s := validSettings()
	s.Description, s.RateLimit = "the ledger", 50
	s.Events, s.MediaTypes = []interaction.Event{"FINISHED"}, []interaction.MediaType{"email"}
	s.Subtypes, s.Headers = []interaction.Subtype{"Outbound"}, map[string]string{"X-Name": "v"}
	s.Batch = hook.Batch{MaxEvents: 500, Linger: hook.Duration(time.Second)}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back hook.Settings
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, back); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
}

func TestPreset(t *testing.T) {
	s := validSettings()
	s.Description, s.Concurrency, s.RequestTimeout = "the ledger", 7, hook.Duration(time.Minute)
	want := s
	want.RequestTimeout = hook.Duration(10 * time.Second)
	want.Retry = hook.Retry{Timeout: hook.Duration(5 * time.Second), Attempts: 5, Backoff: 1, MaxTimeout: hook.Duration(5 * time.Second)}
	if ok := hook.PresetGenesys.Apply(&s); !ok {
		t.Error("the preset is unknown")
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, unknown := range []hook.Preset{"", "Genesys", "avaya"} {
		if unknown.Apply(&s) {
			t.Errorf("%q is known", unknown)
		}
		if diff := cmp.Diff(want, s); diff != "" {
			t.Errorf("%q changed something (-want +got):\n%s", unknown, diff)
		}
	}
}
