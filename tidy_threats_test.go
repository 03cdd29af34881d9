package tidy_test

import (
	"fmt"
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

// threatModel is the document each of whose defences names what shows it.
const threatModel = "docs/threat-model.md"

var testName = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")

func threatChecks() []check {
	tree := func(row string) map[string]string {
		return map[string]string{
			threatModel:   "# A\n\n| attack | what stops it | shown by |\n|---|---|---|\n" + row + "\n",
			"a/a_test.go": "package a_test\n\nimport \"testing\"\n\nfunc TestThere(t *testing.T) { t.Log() }\n",
			"a/a.go":      "package a\n\n// TestNone is no test.\nfunc TestNone() {}\n",
		}
	}
	return []check{{
		name: "tests in the threat model", find: findUnshownThreats,
		bad: []example{
			{"a test that is not there", tree("| a | b | `TestThere`, `TestGone` |"), "TestGone"},
			{"a function that is no test", tree("| a | b | `TestNone` |"), "TestNone"},
			{"a row without a test", tree("| a | b | we looked at it |"), "no test"},
		},
		good: []example{
			{"a test", tree("| a | b | `TestThere` |"), ""},
			{"a command", tree("| a | b | `make lint` |"), ""},
		},
	}}
}

// findUnshownThreats finds rows of the threat model that nothing shows, and tests in it that do not exist.
func findUnshownThreats(_ *testing.T, r *repo) []problem {
	tests := map[string]bool{}
	for _, f := range r.goFiles {
		if !f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				tests[fn.Name.Name] = true
			}
		}
	}
	var out []problem
	r.prose(func(name string, n int, line string) {
		if name != threatModel {
			return
		}
		named := testName.FindAllStringSubmatch(line, -1)
		for _, m := range named {
			if !tests[m[1]] {
				out = append(out, problem{name, n, fmt.Sprintf("names %s, which is no test", m[1])})
			}
		}
		row := strings.HasPrefix(line, "| ") && !strings.HasSuffix(line, "| shown by |")
		if row && len(named) == 0 && !strings.Contains(line, "`make ") {
			out = append(out, problem{name, n, "says that something is stopped, and names no test or make target that shows it"})
		}
	})
	return out
}
