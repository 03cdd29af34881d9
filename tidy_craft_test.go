package tidy_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const decisions = "docs/decisions/0002-dependencies.md"

func craftChecks() []check {
	mod := func(text string) map[string]string {
		return map[string]string{"go.mod": "module m.example/m\n" + text, decisions: "`example.org/known`"}
	}
	makefile := func(text string) map[string]string { return one("Makefile", text) }
	const help = "help: ## list\n\t@echo help: list; echo build: make it\n"
	return []check{
		{
			name: "pinned dependencies", find: findUnpinned,
			bad: []example{
				{"a replacement", mod("replace example.org/a => ../a\n"), "replace"},
				{"a replacement in a block", mod("replace (\n\texample.org/a => example.org/b v1.0.0\n)\n"), "replace"},
				{"a commit instead of a release", mod("require example.org/known v0.0.0-20260101000000-0123456789ab\n"), "a release"},
				{"a range in package.json", one("internal/oracle/package.json", `{"dependencies":{"x":"^1.0.0"}}`), "^1.0.0"},
				{"whatever is newest in package.json", one("internal/oracle/package.json", `{"devDependencies":{"x":"latest"}}`), "latest"},
				{"whatever is newest in a script", one("scripts/setup", "go install example.org/a@"+"latest\n"), "@"},
				{"whatever is newest in a Makefile", one("Makefile", "a:\n\tgo run example.org/a@"+"master\n"), "@"},
			},
			good: []example{
				{"releases", mod("require (\n\texample.org/known v1.2.3\n\texample.org/b/v2 v2.0.0-rc.1 // indirect\n\texample.org/c v0.0.0-20260101000000-0123456789ab // indirect\n)\n"), ""},
				{"an exact package.json", one("internal/oracle/package.json", `{"version":"1.0.0","dependencies":{"x":"1.0.0"}}`), ""},
			},
		},
		{
			name: "reasons for dependencies", find: findUnexplained,
			bad: []example{
				{"a module", mod("require example.org/new v1.0.0\n"), "example.org/new"},
				{"a module in a block", mod("require (\n\texample.org/new v1.0.0\n)\n"), "example.org/new"},
				{"a module whose name only begins alike", mod("require example.org/know v1.0.0\n"), "example.org/know"},
				{"a tool", map[string]string{"tools/go.mod": "module m.example/t\ntool example.org/new/cmd/t\n", decisions: ""}, "example.org/new/cmd/t"},
				{"a tool in a block", map[string]string{"tools/go.mod": "module m.example/t\ntool (\n\texample.org/new/cmd/t\n)\n", decisions: ""}, "example.org/new/cmd/t"},
			},
			good: []example{{"a known module and an indirect one", mod("require (\n\texample.org/known v1.0.0\n\texample.org/b v1.0.0 // indirect\n)\n"), ""}},
		},
		{
			name: "Makefile", find: findUnhelpfulTargets,
			bad: []example{
				{"a target without help", makefile(help + "build:\n\ttrue\n"), "build has no `## help`"},
				{"a target that help does not print", makefile(help + "fmt: ## format it\n\ttrue\n"), "does not print fmt"},
				{"a help text that help does not print", makefile(help + "build: ## something else\n\ttrue\n"), "does not print build"},
				{"help that fails", makefile("help: ## list\n\t@echo help: list; false\n"), "make help"},
			},
			good: []example{
				{"a helpful one", makefile("A := 1\nB ?= 2\n.PHONY: help build\n" + help + "build: help ## make it\n\ttrue\n"), ""},
				{"no Makefile", one("a.txt", ""), ""},
			},
		},
	}
}

// A modfile is what go.mod says, as far as the rules ask: not a parser of everything that go.mod may hold.
type modfile struct {
	module       string
	direct       [][2]string // path, version
	tools        []string
	replacements []string
}

func parseMod(text string) modfile {
	var m modfile
	block := ""
	lines(text, func(_ int, line string) {
		code, comment, _ := strings.Cut(line, "//")
		words := strings.Fields(code)
		switch {
		case len(words) == 0:
			return
		case words[0] == ")":
			block = ""
			return
		case len(words) == 2 && words[1] == "(":
			block = words[0]
			return
		case block != "":
			words = append([]string{block}, words...)
		}
		switch {
		case words[0] == "module":
			m.module = words[1]
		case words[0] == "require" && !strings.HasPrefix(strings.TrimSpace(comment), "indirect"):
			m.direct = append(m.direct, [2]string{words[1], words[2]})
		case words[0] == "tool":
			m.tools = append(m.tools, words[1])
		case words[0] == "replace":
			m.replacements = append(m.replacements, words[1])
		}
	})
	return m
}

var (
	release    = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?(\+incompatible)?$`)
	pseudo     = regexp.MustCompile(`\d{14}-[0-9a-f]{12}`)
	newest     = regexp.MustCompile(`[\w)/]@(latest|main|master|HEAD|upgrade)\b`)
	npmSection = regexp.MustCompile(`(?s)"(?:dev|optional|peer)?[dD]ependencies"\s*:\s*\{(.*?)\}`)
	npmPair    = regexp.MustCompile(`"([^"]+)"\s*:\s*"([^"]*)"`)
	npmExact   = regexp.MustCompile(`^\d+\.\d+\.\d+$`)
)

func findUnpinned(_ *testing.T, r *repo) []problem {
	var out []problem
	for name, text := range r.files {
		switch base := path.Base(name); {
		case base == "go.mod":
			m := parseMod(text)
			for _, p := range m.replacements {
				out = append(out, problem{name, 0, "replace " + p + ": who imports our packages would get another module than we tested"})
			}
			for _, d := range m.direct {
				if !release.MatchString(d[1]) || pseudo.MatchString(d[1]) {
					out = append(out, problem{name, 0, fmt.Sprintf("%s %s: require a release", d[0], d[1])})
				}
			}
		case base == "package.json":
			for _, section := range npmSection.FindAllStringSubmatch(text, -1) {
				for _, pair := range npmPair.FindAllStringSubmatch(section[1], -1) {
					if !npmExact.MatchString(pair[2]) {
						out = append(out, problem{name, 0, fmt.Sprintf("%s %s: name one version", pair[1], pair[2])})
					}
				}
			}
		case base == "Makefile" || path.Ext(name) == ".go" || strings.HasPrefix(name, "scripts/") || strings.HasPrefix(name, ".ci/"):
			lines(text, func(n int, line string) {
				if found := newest.FindString(line); found != "" {
					out = append(out, problem{name, n, found + ": name one version"})
				}
			})
		}
	}
	return sorted(out)
}

func findUnexplained(_ *testing.T, r *repo) []problem {
	explained := r.files[decisions]
	var out []problem
	for _, name := range []string{"go.mod", "tools/go.mod"} {
		m := parseMod(r.files[name])
		wanted := m.tools
		for _, d := range m.direct {
			wanted = append(wanted, d[0])
		}
		for _, w := range wanted {
			if !strings.Contains(explained, "`"+w+"`") {
				out = append(out, problem{name, 0, fmt.Sprintf("%s is not named in %s: what is it for, and what would make us drop it?", w, decisions)})
			}
		}
	}
	return out
}

func findUnhelpfulTargets(t *testing.T, r *repo) []problem {
	text, ok := r.files["Makefile"]
	if !ok {
		return nil
	}
	var out []problem
	target := regexp.MustCompile(`^([A-Za-z][\w.-]*)\s*:([^=].*)?$`)
	helps := map[string]string{}
	lines(text, func(n int, line string) {
		m := target.FindStringSubmatch(line)
		if m == nil {
			return
		}
		_, about, documented := strings.Cut(m[2], "## ")
		if !documented || strings.TrimSpace(about) == "" {
			out = append(out, problem{"Makefile", n, m[1] + " has no `## help`"})
			return
		}
		helps[m[1]] = strings.TrimSpace(about)
	})
	dir := t.TempDir()
	if err := os.CopyFS(dir, mapFS(one("Makefile", text))); err != nil {
		t.Fatalf("copy Makefile: %v", err)
	}
	cmd := exec.Command("make", "--no-print-directory", "-C", dir, "help")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") })
	var printed, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &said
	if err := cmd.Run(); err != nil {
		return append(out, problem{"Makefile", 0, fmt.Sprintf("make help: %v: %s", err, said.String())})
	}
	for name, about := range helps {
		line := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(name) + `\b.*` + regexp.QuoteMeta(about))
		if !line.MatchString(printed.String()) {
			out = append(out, problem{"Makefile", 0, fmt.Sprintf("make help does not print %s: %s", name, about)})
		}
	}
	return sorted(out)
}
