package hook_test

import (
	"testing"

	"github.com/hookswitch/hookswitch/internal/hook"
)

func TestIsJWT(t *testing.T) {
	for text, want := range map[string]bool{
		"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln": true,
		"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.":      true, // unsigned: a token, and a bad one
		"eyJ-_.a.b":                                 true,
		"":                                          false, "..": false, "ey.": false, "ey..": false, "ey.a": false,
		"eyJ.a.b.c":             false, // two dots, not three
		"eyJ.a=.b":              false, // base64url has no padding here
		"eyJ.a b.c":             false,
		"a-key.with.dots":       false, // a configured admin key may have them
		"hsk_0123456789abcdef":  false,
		`{"payload":"a.b","x"}`: false, // the JSON serialisation is none that a header carries
	} {
		if got := hook.IsJWT(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
