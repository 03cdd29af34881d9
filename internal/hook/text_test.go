package hook_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/hookswitch/hookswitch/internal/hook"
)

func TestTexts(t *testing.T) {
	for name, test := range map[string]struct {
		text, problem string
	}{
		"ASCII":                   {"support", ""},
		"a space":                 {"support team", ""},
		"letters of any script":   {"Förderung 客服 🎧", ""},
		"broken UTF-8":            {"caf\xe9", "is not valid UTF-8"},
		"half a character":        {"caf\xc3", "is not valid UTF-8"},
		"a surrogate":             {"\xed\xa0\x80", "is not valid UTF-8"},
		"NUL":                     {"a\x00b", "holds a control character"},
		"a line feed":             {"a\nb", "holds a control character"},
		"a carriage return":       {"a\rb", "holds a control character"},
		"a tab":                   {"a\tb", "holds a control character"},
		"an escape":               {"a\x1b[2Jb", "holds a control character"},
		"a delete":                {"a\x7fb", "holds a control character"},
		"a next line of Latin-1":  {"a\u0085b", "holds a control character"},
		"the last C1 control":     {"a\u009fb", "holds a control character"},
		"a character right after": {"a\u00a0b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			ch := hook.Change{Op: hook.OpSubmit, Queue: test.text}
			got := fieldErrors(t, ch.Validate(""))
			switch {
			case test.problem == "" && len(got) > 0:
				t.Errorf("got %+v", got)
			case test.problem != "" && (len(got) != 1 || got[0].Message != test.problem):
				t.Errorf("got %+v, want %q", got, test.problem)
			}
		})
	}
}

// Whatever is given, an error repeats a bounded part of it, in valid UTF-8: it is written as JSON.
func TestI7ErrorsRepeatBoundedText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given := strings.Repeat(rapid.OneOf(
			rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		).Draw(t, "text"), rapid.IntRange(1, 300).Draw(t, "times"))
		ch := hook.Change{Op: hook.Op("\x00" + given)}
		for _, f := range fieldErrors(t, ch.Validate("")) {
			if len(f.Value) > 3*64+len("…") || !utf8.ValidString(f.Value) {
				t.Fatalf("the value is %d bytes long: %q", len(f.Value), f.Value)
			}
		}
	})
}

func TestErrorsCutBetweenCharacters(t *testing.T) {
	for name, test := range map[string]struct{ given, want string }{
		"short enough":       {strings.Repeat("x", 64), strings.Repeat("x", 64)},
		"one byte too long":  {strings.Repeat("x", 65), strings.Repeat("x", 64) + "…"},
		"within a character": {strings.Repeat("x", 63) + "é", strings.Repeat("x", 63) + "…"},
		"not UTF-8":          {"\xff", "\uFFFD"},
	} {
		ch := hook.Change{Op: hook.Op(test.given)}
		if got := fieldErrors(t, ch.Validate(""))[0].Value; got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
