package hook

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What may be a credential never shows, and what else there is shows as it is.
func TestRedactedURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://receiver.example/interactions":         "https://receiver.example/interactions",
		"https://receiver.example:8443/a%2Fb":           "https://receiver.example:8443/a%2Fb",
		"https://user:pass@receiver.example/":           "https://***@receiver.example/",
		"https://user@receiver.example":                 "https://***@receiver.example",
		"https://receiver.example/?token=abc&x=1&plain": "https://receiver.example/?token=***&x=***&***",
		"https://receiver.example/#abc":                 "https://receiver.example/#***",
		"mailto:ops@example.com":                        "mailto:ops@example.com",
		"https://receiver.example/%zz":                  "***",
	} {
		s := Settings{URL: raw}
		if got := s.Redacted(nil).URL; got != want {
			t.Errorf("%s shows as %s, want %s", raw, got, want)
		}
	}
}

// A value that is not shown shows that it changed, and the settings themselves stay as they are.
func TestRedactedTellsChanges(t *testing.T) {
	before := Settings{URL: "https://receiver.example/?token=old", Credentials: Credentials{Headers: map[string]string{"X-Same": "s3cret-same", "X-Other": "s3cret-old", "X-Gone": "s3cret-gone"}}}
	after := Settings{URL: "https://receiver.example/?token=s3cret-new", Credentials: Credentials{Headers: map[string]string{"X-Same": "s3cret-same", "X-Other": "s3cret-new", "X-New": "s3cret-added"}}}
	got := after.Redacted(&before)
	want := Settings{
		URL:         "https://receiver.example/?token=*** (changed)",
		Credentials: Credentials{Headers: map[string]string{"X-Same": "***", "X-Other": "*** (changed)", "X-New": "***"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("redacted (-want +got):\n%s", diff)
	}
	text, err := json.Marshal([]Settings{got, before.Redacted(nil)})
	if err != nil || strings.Contains(string(text), "s3cret") {
		t.Errorf("a value shows: %s, %v", text, err)
	}
	if after.Headers["X-New"] != "s3cret-added" {
		t.Error("the settings were changed")
	}
	other := Settings{URL: "https://elsewhere.example/?token=s3cret-new"}
	if got := other.Redacted(&before).URL; got != "https://elsewhere.example/?token=***" {
		t.Errorf("another host shows as %s", got)
	}
}
