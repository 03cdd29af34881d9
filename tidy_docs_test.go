package tidy_test

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

func docChecks() []check {
	doc := func(text string) map[string]string {
		return map[string]string{
			"docs/a.md": text, "docs/b.md": "# B\n", "internal/hook/doc.go": "package hook", "internal/store/migrations/sqlite/0001_first.sql": "",
			".gitignore": "/bin/\n*.db\n",
		}
	}
	return []check{
		{
			name: "paths in documents", find: findMissingPaths,
			bad: []example{
				{"a link to nothing", doc("see [this](c.md)"), "c.md"},
				{"a link to nothing, with a title and an anchor", doc("see [this](c.md#part \"title\")"), "c.md"},
				{"a picture of nothing", doc("![a](pictures/a.png)"), "pictures/a.png"},
				{"a reference", doc("[this]: c.md\n"), "c.md"},
				{"a path", doc("in `internal/hook/webhook.go`"), "internal/hook/webhook.go"},
				{"a folder", doc("in `internal/queue/`"), "internal/queue/"},
				{"a path in a command", doc("`go run ./cmd/hookswitch demo`"), "./cmd/hookswitch"},
				{"a file by its extension", doc("in `store/sqlite.go`"), "store/sqlite.go"},
				{"a glob that matches nothing", doc("in `internal/hook/*.sql`"), "internal/hook/*.sql"},
				{"one of two in braces", doc("in `internal/store/migrations/{sqlite,postgres}/`"), "migrations/{sqlite,postgres}"},
				{"a symbol of no package", doc("`internal/queue.Lane`"), "internal/queue.Lane"},
			},
			good: []example{
				{"what exists", doc("[b](b.md), [c](./b.md#part), [d](../internal/hook/), `internal/hook/doc.go`, `docs/`, `./internal/store/...`"), ""},
				{"globs, braces and symbols", doc("`internal/*/doc.go`, `internal/{hook,store}`, `internal/hook.Webhook`, `docs/NNNN-title.md`"), ""},
				{"what is ignored", doc("`bin/hookswitch`, `docs/hookswitch.db`"), ""},
				{"what is no path", doc("`application/json`, `/v1/interactions/{id}`, `github.com/google/uuid`, `POST/GET`, [w](https://hookswitch.example/a.md), [p](#part), `go test ./...`"), ""},
				{"a fenced block", doc("```\ncmd/nothing/here.go\n[x](y.md)\n```\n"), ""},
			},
		},
		{
			name: "line numbers in documents", find: findLineNumbers,
			bad:  []example{{"a line of a Go file", doc("in `doc.go:12`"), "doc.go:12"}},
			good: []example{{"a symbol", doc("`hook.Webhook` at 12:30"), ""}},
		},
		{
			name: "places outside the repository", find: findOutsidePlaces,
			bad: []example{
				{"a folder of one machine", doc("as in " + place("/wo", "rk/main")), "belongs to one machine"},
				{"the same in code", one("a.go", "package a\n\nconst dir = \""+place("/wo", "rk")+"\"\n"), "belongs to one machine"},
				{"a neighbour folder", doc("as in `" + place("../sha", "red/spec.md") + "`"), "belongs to one machine"},
				{"a registry", doc("from " + place("https://proxy.gol", "ang.org/")), "registry"},
				{"a registry in a lock file", one("package-lock.json", place("\"resolved\": \"https://registry.npm", "js.org/x\"")), "registry"},
			},
			good: []example{{"paths of ours, of HTTP and of the system", doc("`docs/b.md` /workflow /v1/work a/work/b /usr/bin/webhook https://pkg.go.dev"), ""}},
		},
	}
}

// place joins a text that no file of the tree may hold, this one included.
func place(parts ...string) string {
	return strings.Join(parts, "")
}

var (
	fence     = regexp.MustCompile("^\\s*(```|~~~)")
	inlineRef = regexp.MustCompile(`\]\(<?([^)\s>]+)>?[^)]*\)`)
	footRef   = regexp.MustCompile(`^\[[^\]]+\]:\s+(\S+)`)
	codeSpan  = regexp.MustCompile("`([^`]+)`")
	pathLike  = regexp.MustCompile(`^[A-Za-z0-9_.*?{},\[\]<>+-]+(/[A-Za-z0-9_.*?{},\[\]<>+-]*)+$`)
	lineRef   = regexp.MustCompile(`[\w./-]*\w\.go:\d+`)
	scheme    = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)
)

// prose calls f with every line of every document that is not within a fenced block.
func (r *repo) prose(f func(name string, number int, line string)) {
	for _, name := range r.paths {
		if path.Ext(name) != ".md" {
			continue
		}
		fenced := false
		lines(r.files[name], func(n int, line string) {
			if fence.MatchString(line) {
				fenced = !fenced
			} else if !fenced {
				f(name, n, line)
			}
		})
	}
}

func findMissingPaths(_ *testing.T, r *repo) []problem {
	var out []problem
	r.prose(func(name string, n int, line string) {
		dir := path.Dir(name)
		for _, ref := range slices.Concat(footRef.FindAllStringSubmatch(line, -1), inlineRef.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, "code"), -1)) {
			target, _, _ := strings.Cut(ref[1], "#")
			if target != "" && !scheme.MatchString(target) && !r.exists(path.Join(dir, target)) {
				out = append(out, problem{name, n, fmt.Sprintf("links to %s, which does not exist", ref[1])})
			}
		}
		for _, span := range codeSpan.FindAllStringSubmatch(line, -1) {
			for _, word := range strings.Fields(span[1]) {
				word = strings.TrimRight(word, ".,;:)")
				if p, ok := r.asPath(dir, word); ok && !r.exists(p) && !r.exists(path.Join(dir, p)) {
					out = append(out, problem{name, n, fmt.Sprintf("names %s, which does not exist", word)})
				}
			}
		}
	})
	return out
}

// asPath tells a path of this repository from all else that is written with slashes: media types, routes, modules.
func (r *repo) asPath(dir, word string) (string, bool) {
	dotted := strings.HasPrefix(word, "./") || strings.HasPrefix(word, "../")
	p := strings.TrimSuffix(word, "...")
	if !pathLike.MatchString(p) || path.Clean(p) == "." || strings.Contains(p, "NNNN") || strings.Contains(p, "<") {
		return "", false
	}
	p = path.Clean(p)
	first, _, _ := strings.Cut(p, "/")
	houses := strings.Fields("cmd internal interaction signature receiver client bench deploy docs scripts tools .ci testdata")
	extensions := strings.Fields(".go .md .sql .yml .yaml .toml .sh .ts .js .css .html .txtar")
	known := slices.Contains(houses, first) || r.exists(first) || r.exists(path.Join(dir, first))
	source := slices.Contains(extensions, path.Ext(p)) && !strings.Contains(strings.TrimPrefix(first, "."), ".")
	return p, dotted || known || source
}

// exists reports whether every path that p stands for, with its braces and globs, is in the tree or is ignored by git.
func (r *repo) exists(p string) bool {
	for _, name := range braces(path.Clean(p)) {
		found := name == "." || r.ignores.match(name) || slices.ContainsFunc(r.paths, func(have string) bool {
			ok, err := path.Match(name, have)
			return have == name || ok && err == nil
		})
		if !found { // perhaps a symbol of a package
			at := strings.LastIndex(name, "/") + 1
			base, symbol, dotted := strings.Cut(name[at:], ".")
			found = dotted && symbol != "" && unicode.IsUpper(rune(symbol[0])) && slices.Contains(r.paths, name[:at]+base)
		}
		if !found {
			return false
		}
	}
	return true
}

func braces(p string) []string {
	before, rest, ok := strings.Cut(p, "{")
	list, after, closed := strings.Cut(rest, "}")
	if !ok || !closed {
		return []string{p}
	}
	var out []string
	for word := range strings.SplitSeq(list, ",") {
		out = append(out, braces(before+word+after)...)
	}
	return out
}

func findLineNumbers(_ *testing.T, r *repo) []problem {
	var out []problem
	r.prose(func(name string, n int, line string) {
		for _, ref := range lineRef.FindAllString(line, -1) {
			out = append(out, problem{name, n, ref + ": a line number is wrong after the next change, name the symbol"})
		}
	})
	return out
}

func findOutsidePlaces(_ *testing.T, r *repo) []problem {
	machine := regexp.MustCompile(place(`(^|[^A-Za-z0-9_.)}/-])/wo`, `rk($|[^A-Za-z0-9_-])|\.\./sha`, `red\b|/tmp/br`, `ief\b`))
	registry := regexp.MustCompile(place(`(proxy|sum)\.gol`, `ang\.org|registry\.(npm`, `js|yarn`, `pkg)\.|deb\.deb`, `ian\.org|py`, `pi\.org|index\.cra`, `tes\.io`))
	var out []problem
	for _, name := range r.paths {
		if strings.ContainsRune(r.files[name], 0) { // not a text
			continue
		}
		lines(r.files[name], func(n int, line string) {
			if found := machine.FindString(line); found != "" {
				out = append(out, problem{name, n, fmt.Sprintf("%q belongs to one machine", strings.TrimSpace(found))})
			}
			if found := registry.FindString(line); found != "" {
				out = append(out, problem{name, n, fmt.Sprintf("%q is a registry's host: which one serves is the machine's own setting", found)})
			}
		})
	}
	return out
}
