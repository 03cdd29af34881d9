// Package tidy_test keeps the written rules of this repository true without anybody having to remember them.
//
// It guarantees two things. Every rule listed in checks holds for every file of the tree that is not ignored by
// .gitignore. And no rule holds vacuously: each one first has to find the fault in small trees made to break it, and
// to find nothing in small trees that are in order. Whoever changes a rule changes its examples with it.
package tidy_test

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// A check is one rule of the house: a function that lists what breaks it, and the examples that prove the function.
type check struct {
	name string
	find func(t *testing.T, r *repo) []problem
	bad  []example
	good []example
}

// An example is a small tree. One that is bad holds exactly one fault, whose report contains want.
type example struct {
	name  string
	files map[string]string
	want  string
}

// A problem says what is wrong in which file; line is 0 where it concerns the file as a whole.
type problem struct {
	file string
	line int
	what string
}

func checks() []check {
	return slices.Concat(shapeChecks(), importChecks(), wordChecks(), testChecks(), docChecks(), threatChecks(), craftChecks())
}

func TestTidy(t *testing.T) {
	tree := load(t, os.DirFS("."))
	for _, name := range []string{"go.mod", "tools/go.mod", "Makefile", "tidy_test.go", "internal/hook/doc.go"} {
		if _, ok := tree.files[name]; !ok {
			t.Fatalf("%s was not read: the tree is not being walked, so nothing below would mean anything", name)
		}
	}
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			if len(c.bad) == 0 || len(c.good) == 0 {
				t.Fatal("a check without a bad and a good example proves nothing")
			}
			for _, e := range c.bad {
				t.Run("detects "+e.name, func(t *testing.T) {
					got := c.find(t, load(t, mapFS(e.files)))
					if len(got) != 1 || !strings.Contains(got[0].what, e.want) {
						t.Errorf("got %v, want one problem that contains %q", got, e.want)
					}
				})
			}
			for _, e := range c.good {
				t.Run("permits "+e.name, func(t *testing.T) {
					if got := c.find(t, load(t, mapFS(e.files))); len(got) != 0 {
						t.Errorf("got %v, want no problem", got)
					}
				})
			}
			for _, p := range c.find(t, tree) {
				if p.line > 0 {
					t.Errorf("%s:%d: %s", p.file, p.line, p.what)
				} else {
					t.Errorf("%s: %s", p.file, p.what)
				}
			}
		})
	}
}

// A repo is a tree as the checks see it: what .gitignore ignores is left out, Go files are parsed.
type repo struct {
	files   map[string]string
	paths   []string // every file and folder, sorted
	goFiles []goFile
	fset    *token.FileSet
	module  string
	ignores ignores
}

type goFile struct {
	path, dir       string
	ast             *ast.File
	test, generated bool
}

func load(t *testing.T, fsys fs.FS) *repo {
	t.Helper()
	r := &repo{files: map[string]string{}, fset: token.NewFileSet()}
	if text, err := fs.ReadFile(fsys, ".gitignore"); err == nil {
		r.ignores = parseIgnores(string(text))
	}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ".":
			return nil
		case d.IsDir() && (name == ".git" || r.ignores.match(name)):
			return fs.SkipDir
		case d.IsDir():
			r.paths = append(r.paths, name)
			return nil
		case r.ignores.match(name) || !d.Type().IsRegular():
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		r.paths = append(r.paths, name)
		r.files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatalf("read tree: %v", err)
	}
	slices.Sort(r.paths)
	r.module = parseMod(r.files["go.mod"]).module
	r.parse(t)
	return r
}

func (r *repo) parse(t *testing.T) {
	t.Helper()
	for _, name := range r.paths {
		if path.Ext(name) != ".go" || slices.Contains(strings.Split(name, "/"), "testdata") {
			continue
		}
		f, err := parser.ParseFile(r.fset, name, r.files[name], parser.ParseComments)
		if err != nil {
			t.Errorf("parse: %v", err)
			continue
		}
		r.goFiles = append(r.goFiles, goFile{
			path: name, dir: path.Dir(name), ast: f,
			test: strings.HasSuffix(name, "_test.go"), generated: ast.IsGenerated(f),
		})
	}
}

// source lists the files that people wrote and that are not tests.
func (r *repo) source() []goFile {
	return slices.DeleteFunc(slices.Clone(r.goFiles), func(f goFile) bool { return f.test || f.generated })
}

func (r *repo) at(p token.Pos, what string) problem {
	at := r.fset.Position(p)
	return problem{file: at.Filename, line: at.Line, what: what}
}

// lines calls f with every line of a text, numbered from 1.
func lines(text string, f func(number int, line string)) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		f(n, strings.TrimRight(line, "\r\n"))
	}
}

// ignores are the patterns of .gitignore, in the plain forms that this repository uses: `name`, `*.ext`, `/path`, and
// each with a slash at its end.
type ignores []string

func parseIgnores(text string) ignores {
	var out ignores
	lines(text, func(_ int, line string) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			out = append(out, line)
		}
	})
	return out
}

// match reports whether name, or a folder above it, is ignored.
func (ig ignores) match(name string) bool {
	for ; name != "." && name != ""; name = path.Dir(name) {
		for _, pattern := range ig {
			subject := path.Base(name)
			pattern = strings.TrimSuffix(pattern, "/")
			if strings.Contains(pattern, "/") {
				pattern, subject = strings.TrimPrefix(pattern, "/"), name
			}
			if ok, err := path.Match(pattern, subject); ok && err == nil {
				return true
			}
		}
	}
	return false
}

func mapFS(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return out
}

func one(name, text string) map[string]string {
	return map[string]string{name: text}
}

// sorted orders problems by place, so that a run prints the same text every time.
func sorted(p []problem) []problem {
	slices.SortFunc(p, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.what, b.what))
	})
	return p
}
