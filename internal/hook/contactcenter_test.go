package hook_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/hook"
)

func TestParseContactCenterID(t *testing.T) {
	for _, good := range []string{
		string(hook.DefaultContactCenter), "a", "0", "bank-2.emea_west", uuidText,
		strings.Repeat("c", hook.ContactCenterIDBytesMax-1), strings.Repeat("c", hook.ContactCenterIDBytesMax),
	} {
		if got, err := hook.ParseContactCenterID(good); err != nil || string(got) != good {
			t.Errorf("%q: got %q, %v", good, got, err)
		}
	}
	for name, bad := range map[string]string{
		"empty":              "",
		"too long":           strings.Repeat("c", hook.ContactCenterIDBytesMax+1),
		"upper case":         "Bank",
		"a dot first":        ".bank",
		"a dash first":       "-bank",
		"a space":            "bank 2",
		"a slash":            "bank/2",
		"a line feed after":  "bank\n",
		"a letter of German": "bänk",
		"broken UTF-8":       "b\xe4nk",
	} {
		if got, err := hook.ParseContactCenterID(bad); !errors.Is(err, hook.ErrBadID) || got != "" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}
