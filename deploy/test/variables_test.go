package deploy

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v3"
)

// variables are the environment's names of the configuration's keys, which internal/config makes from the same file by the same rule.
func variables() []string {
	text, err := os.ReadFile("../../internal/config/default.yaml")
	if err != nil {
		panic(err) // without it, nothing here means anything
	}
	var keys map[string]any
	if err := yaml.Unmarshal(text, &keys); err != nil {
		panic(err)
	}
	var out []string
	for key := range keys {
		out = append(out, "HOOKSWITCH_"+strings.ToUpper(strings.ReplaceAll(key, "-", "_")))
	}
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		panic(err)
	}
	// What may hold a password may stand in a file of its own, which such a variable names.
	for _, m := range regexp.MustCompile("(?m)^`(HOOKSWITCH_[A-Z_]+_FILE)` may name a file").FindAllStringSubmatch(string(page), -1) {
		out = append(out, m[1])
	}
	return out
}

var variable = regexp.MustCompile(`HOOKSWITCH_\w*`)

// Every variable that deploy/ names is a key of the configuration.
func TestVariablesAreKeys(t *testing.T) {
	if len(variables()) < 9 || !slices.Contains(variables(), "HOOKSWITCH_PUBLIC_URL") {
		t.Fatalf("read the keys %v", variables())
	}
	seen := map[string]bool{}
	err := fs.WalkDir(os.DirFS(".."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == "test" || path.Base(name) == ".env":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		}
		text, err := os.ReadFile(path.Join("..", name))
		for _, found := range variable.FindAllString(string(text), -1) {
			seen[found] = true
			// The first is Kubernetes' own, in a comment; the others are those of the client commands (internal/cli/connect.go, trust.go).
			others := []string{"HOOKSWITCH_PORT", "HOOKSWITCH_SERVER", "HOOKSWITCH_CA_FILE"}
			if !slices.Contains(variables(), found) && !slices.Contains(others, found) {
				t.Errorf("%s: %s is no key of the configuration", name, found)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"HOOKSWITCH_DATABASE", "HOOKSWITCH_ADMIN_KEY", "HOOKSWITCH_PUBLIC_URL", "HOOKSWITCH_LISTEN"} {
		if !seen[name] {
			t.Errorf("%s is set nowhere", name)
		}
	}
}
