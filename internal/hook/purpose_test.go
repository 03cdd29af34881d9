package hook_test

import (
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// Each purpose has filters of its own, and those of another are refused rather than ignored.
func TestPurpose(t *testing.T) {
	notices := func(change func(*hook.Settings)) func(*hook.Settings) {
		return func(s *hook.Settings) {
			s.Purpose = hook.PurposeNotices
			change(s)
		}
	}
	to := func(url string) func(*hook.Settings) { return notices(func(s *hook.Settings) { s.URL = url }) }
	for name, test := range map[string]struct {
		change func(*hook.Settings)
		want   []string
	}{
		"interactions":            {func(s *hook.Settings) { s.Purpose = hook.PurposeInteractions }, nil},
		"unknown":                 {func(s *hook.Settings) { s.Purpose = "pager" }, []string{"purpose"}},
		"all notices":             {notices(func(*hook.Settings) {}), nil},
		"some notices":            {notices(func(s *hook.Settings) { s.Notices = hook.NoticeKinds()[:2] }), nil},
		"unknown notice":          {notices(func(s *hook.Settings) { s.Notices = []hook.NoticeKind{"webhook.bored"} }), []string{"notices[0]"}},
		"notices of interactions": {func(s *hook.Settings) { s.Notices = hook.NoticeKinds() }, []string{"notices"}},
		"batches of notices":      {notices(func(s *hook.Settings) { s.Batch.MaxEvents = 2 }), []string{"batch.maxEvents"}},
		"filters of interactions": {notices(func(s *hook.Settings) {
			s.Events, s.MediaTypes, s.Subtypes = interaction.Events(), interaction.MediaTypes(), interaction.Subtypes()
		}), []string{"events", "mediaTypes", "subtypes"}},
		"e-mail":                    {to("mailto:ops@example.com"), nil},
		"e-mail to the longest":     {to("mailto:" + strings.Repeat("x", 64) + "@" + strings.Repeat("y", 63) + ".example"), nil},
		"e-mail to a longer one":    {to("mailto:ops@" + strings.Repeat("y.", 200) + "example"), []string{"url"}},
		"e-mail with headers":       {to("mailto:ops@example.com?cc=all@example.com"), []string{"url"}},
		"e-mail to two":             {to("mailto:ops@example.com,all@example.com"), []string{"url"}},
		"e-mail to a name":          {to("mailto:Ops <ops@example.com>"), []string{"url"}},
		"e-mail to nobody":          {to("mailto:"), []string{"url"}},
		"e-mail to no address":      {to("mailto:ops"), []string{"url"}},
		"e-mail with a line feed":   {to("mailto:ops@example.com\nBcc: all@example.com"), []string{"url"}},
		"e-mail encoded":            {to("mailto:ops%0a@example.com"), []string{"url"}},
		"e-mail about interactions": {func(s *hook.Settings) { s.URL = "mailto:ops@example.com" }, []string{"url"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := validSettings()
			test.change(&s)
			checkFields(t, s.Validate(""), test.want...)
		})
	}
}
