package tidy_test

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

func wordChecks() []check {
	comment := "// Package a is first. It is second.\n"
	exported := func(text string) map[string]string { return one("a.go", comment+"package a\n"+text) }
	return []check{
		{
			name: "package comments", find: findPackageComments,
			bad: []example{
				{"none", one("x/a.go", "package x\n"), "no package comment"},
				{"a single sentence", one("x/doc.go", "// Package x keeps its word.\npackage x\n"), "more than one sentence"},
				{"another name", one("x/doc.go", "// Package y keeps its word. It does.\npackage x\n"), `"Package x "`},
				{"outside doc.go", one("x/a.go", "// Package x keeps its word. It does.\npackage x\n"), "doc.go"},
				{"twice", map[string]string{
					"x/doc.go": "// Package x keeps its word. It does.\npackage x\n",
					"x/a.go":   "// Package x again. And again.\npackage x\n",
				}, "doc.go"},
				{"a program without one", one("x/main.go", "package main\n"), "no package comment"},
			},
			good: []example{
				{"two sentences in doc.go", one("x/doc.go", "// Package x keeps its word. It does.\npackage x\n"), ""},
				{"two paragraphs", one("x/doc.go", "// Package x keeps its word.\n//\n// It does.\npackage x\n"), ""},
				{"a program", one("x/main.go", "// Hookswitch rings.\npackage main\n"), ""},
				{"a folder of tests", one("x/a_test.go", "package x\n"), ""},
			},
		},
		{
			name: "doc comments", find: findDocComments,
			bad: []example{
				{"a bare function", exported("func F() {}"), "F has no comment"},
				{"a bare method", exported("type t struct{}\n// T is t.\ntype T struct{}\nfunc (*T) M() {}"), "M has no comment"},
				{"a bare method of a generic type", exported("// T is t.\ntype T[P any] struct{}\nfunc (T[P]) M() {}"), "M has no comment"},
				{"a bare type", exported("type T struct{}"), "T has no comment"},
				{"a bare constant in a group", exported("// Things.\nconst (\n\t// A is one.\n\tA = 1\n\tB = 2\n)"), "B has no comment"},
				{"a bare variable", exported("var V = 1"), "V has no comment"},
				{"another beginning", exported("// This is F.\nfunc F() {}"), `begins with "F "`},
				{"a longer name", exported("// Func is F.\nfunc F() {}"), `begins with "F "`},
				{"no full stop", exported("// F is f\nfunc F() {}"), "full stop"},
				{"no full stop after two paragraphs", exported("// F is f.\n//\n// So it is\nfunc F() {}"), "full stop"},
				{"a directive only", exported("//go:noinline\nfunc F() {}"), "F has no comment"},
			},
			good: []example{
				{"sentences", exported("// F is f. It is\n// long.\nfunc F() {}"), ""},
				{"a comment at the line's end", exported("const (\n\tA = 1 // A is one.\n)"), ""},
				{"a code block at the end", exported("// F is f, used so:\n//\n//\tF()\nfunc F() {}"), ""},
				{"a list at the end", exported("// F is f:\n//   - one\n//   - two\nfunc F() {}"), ""},
				{"a possessive", exported("// F's only use is f.\nfunc F() {}"), ""},
				{"unexported", exported("func f() {}\ntype t struct{}\nfunc (t) M() {}"), ""},
				{"tests", one("a_test.go", "package a\nfunc TestF() {}"), ""},
				{"generated code", one("a.go", generatedMark+"package a\nfunc F() {}"), ""},
			},
		},
	}
}

func findPackageComments(_ *testing.T, r *repo) []problem {
	var out []problem
	seen := map[string][]goFile{}
	for _, f := range r.source() {
		seen[f.dir] = append(seen[f.dir], f)
	}
	for dir, files := range seen {
		commented := slices.DeleteFunc(slices.Clone(files), func(f goFile) bool { return strings.TrimSpace(f.ast.Doc.Text()) == "" })
		if len(commented) == 0 {
			out = append(out, problem{dir, 0, "no package comment: doc.go says what it guarantees, to whom, and what may fail"})
			continue
		}
		for _, f := range commented {
			if what := judgePackageComment(f); what != "" {
				out = append(out, r.at(f.ast.Package, what))
			}
		}
	}
	return sorted(out)
}

var sentenceEnd = regexp.MustCompile(`[.!?:]["')]*(\s|$)`)

func judgePackageComment(f goFile) string {
	name, text := f.ast.Name.Name, f.ast.Doc.Text()
	switch {
	case name == "main":
		return ""
	case path.Base(f.path) != "doc.go":
		return "the package comment belongs in doc.go"
	case !strings.HasPrefix(text, "Package "+name+" "):
		return fmt.Sprintf("the package comment begins with %q", "Package "+name+" ")
	case len(sentenceEnd.FindAllString(text, 2)) < 2:
		return "the package comment takes more than one sentence: it states what is guaranteed"
	}
	return ""
}

func findDocComments(_ *testing.T, r *repo) []problem {
	var out []problem
	judge := func(name *ast.Ident, groups ...*ast.CommentGroup) {
		if what := judgeComment(name.Name, groups); name.IsExported() && what != "" {
			out = append(out, r.at(name.Pos(), what))
		}
	}
	for _, f := range r.source() {
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil || ast.IsExported(receiverName(d.Recv.List[0].Type)) {
					judge(d.Name, d.Doc)
				}
			case *ast.GenDecl:
				group := d.Doc
				if d.Lparen.IsValid() { // a comment above a group speaks of the group, not of each name
					group = nil
				}
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						judge(s.Name, s.Doc, group, s.Comment)
					case *ast.ValueSpec:
						judge(s.Names[0], s.Doc, group, s.Comment) // further names in one spec share its comment
					}
				}
			}
		}
	}
	return out
}

func receiverName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiverName(e.X)
	case *ast.IndexExpr:
		return receiverName(e.X)
	case *ast.IndexListExpr:
		return receiverName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// judgeComment says what is wrong with the first comment that there is; a block or list at the end needs no full stop.
func judgeComment(name string, groups []*ast.CommentGroup) string {
	i := slices.IndexFunc(groups, func(g *ast.CommentGroup) bool { return strings.TrimSpace(g.Text()) != "" })
	if i < 0 {
		return name + " has no comment"
	}
	text := strings.TrimRight(groups[i].Text(), "\n")
	rest, ok := strings.CutPrefix(text, name)
	if !ok || strings.IndexFunc(rest, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_' }) != 0 {
		return fmt.Sprintf("the comment of %s begins with %q", name, name+" ")
	}
	last := text[strings.LastIndex(text, "\n")+1:]
	indented := strings.HasPrefix(last, " ") || strings.HasPrefix(last, "\t")
	if !indented && !strings.HasSuffix(last, ".") {
		return fmt.Sprintf("the comment of %s ends with a full stop", name)
	}
	return ""
}

func testChecks() []check {
	return []check{{
		name: "sleeps and skips in tests", find: findSleepsAndSkips,
		bad: []example{
			{"a sleep", one("a_test.go", "package a\nimport \"time\"\nfunc f() { time.Sleep(1) }"), "synctest"},
			{"a sleep under another name", one("a_test.go", "package a\nimport clock \"time\"\nfunc f() { clock.Sleep(1) }"), "synctest"},
			{"a sleep passed on", one("a_test.go", "package a\nimport \"time\"\nvar pause = time.Sleep"), "synctest"},
			{"a dot import", one("a_test.go", "package a\nimport . \"time\"\n"), "synctest"},
			{"a skip", one("a_test.go", "package a\nfunc f(t T) { t.Skip() }"), "Skip"},
			{"a skip with a reason", one("a_test.go", "package a\nfunc f(b T) { b.Skipf(\"no disk\") }"), "Skipf"},
			{"a skip at once", one("a_test.go", "package a\nfunc f(s S) { s.t.SkipNow() }"), "SkipNow"},
		},
		good: []example{
			{"a sleep in the program", one("a.go", "package a\nimport \"time\"\nfunc f() { time.Sleep(1) }"), ""},
			{"another's Sleep", one("a_test.go", "package a\nimport \"time\"\nvar _ = time.Now\nfunc f() { cat.Sleep(1) }"), ""},
		},
	}}
}

func findSleepsAndSkips(_ *testing.T, r *repo) []problem {
	var out []problem
	for _, f := range r.goFiles {
		if !f.test {
			continue
		}
		clock := "\x00" // what this file calls package time, where it imports it
		for _, spec := range f.ast.Imports {
			if spec.Path.Value == `"time"` {
				clock = "time"
				if spec.Name != nil {
					clock = spec.Name.Name
				}
				if clock == "." {
					out = append(out, r.at(spec.Pos(), "package time by its name, so that a sleep is seen: testing/synctest moves the clock"))
				}
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, _ := sel.X.(*ast.Ident)
			switch sel.Sel.Name {
			case "Sleep":
				if x != nil && x.Name == clock {
					out = append(out, r.at(n.Pos(), "a test does not sleep: testing/synctest moves the clock, a channel says when"))
				}
			case "Skip", "Skipf", "SkipNow":
				out = append(out, r.at(n.Pos(), sel.Sel.Name+": a test that cannot run is a failure, and scripts/setup installs what it needs"))
			}
			return true
		})
	}
	return out
}
