package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// An event is one line of `go test -json` (cmd/test2json: "Output Format").
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
}

// A key names one test; test is empty for the package as a whole.
type key struct{ pkg, test string }

// A summary holds the output of each test until it is known whether anybody wants to read it.
type summary struct {
	out     io.Writer
	verbose bool
	output  map[key][]string
	ended   map[key]string // pass, fail or skip
}

func newSummary(out io.Writer, verbose bool) *summary {
	return &summary{out: out, verbose: verbose, output: map[key][]string{}, ended: map[key]string{}}
}

func (s *summary) add(line []byte) {
	var e event
	if line[0] != '{' || json.Unmarshal(line, &e) != nil {
		s.print(string(line)) // go's own words, about flags for instance
		return
	}
	k := key{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		s.print(e.Output)
	case "output":
		s.hear(k, e.Output)
	case "pass", "fail", "skip":
		s.end(k, e.Action)
	}
}

func (s *summary) hear(k key, text string) {
	switch {
	case s.verbose:
		s.print(text)
	case k.test != "":
		s.output[k] = append(s.output[k], text)
	case text == "PASS\n" || text == "FAIL\n":
		// a package's verdict, repeated by the line that names the package
	default:
		if strings.HasPrefix(text, "FAIL\t") {
			s.printUnfinished(k.pkg)
		}
		s.print(text)
	}
}

func (s *summary) end(k key, action string) {
	if k.test != "" || action != "skip" { // a package is "skipped" when it has no tests
		// With -count a test ends several times: once failed, or skipped, remains so.
		if was := s.ended[k]; was != "fail" && (was != "skip" || action == "fail") {
			s.ended[k] = action
		}
	}
	if action == "fail" && k.test == "" {
		s.printUnfinished(k.pkg)
	}
	if action != "pass" {
		s.printHeld(k)
	}
	delete(s.output, k)
}

// printUnfinished prints the tests that a panic or a timeout cut off: they have said something and never ended.
func (s *summary) printUnfinished(pkg string) {
	for _, k := range slices.SortedFunc(maps.Keys(s.output), compareKeys) {
		if k.pkg == pkg && k.test != "" {
			s.printHeld(k)
			s.ended[k] = "fail"
			delete(s.output, k)
		}
	}
}

func (s *summary) printHeld(k key) {
	for _, text := range s.output[k] {
		if !strings.HasPrefix(text, "=== ") {
			s.print(text)
		}
	}
}

// finish prints the counts. A test with subtests counts only where it failed by itself, a package only where it failed
// without a failing test, so that each failure is counted once.
func (s *summary) finish() bool {
	var passed, failed, skipped int
	parents, blamed := map[key]bool{}, map[key]bool{}
	for k, action := range s.ended {
		for up, ok := parent(k); ok; up, ok = parent(up) {
			parents[up] = true
			blamed[up] = blamed[up] || action == "fail"
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(s.ended), compareKeys) {
		switch action := s.ended[k]; {
		case action == "fail" && !blamed[k]:
			failed++
		case action == "skip":
			skipped++
			s.print(fmt.Sprintf("skipped, which counts as failed: %s %s\n", k.pkg, k.test))
		case action == "pass" && k.test != "" && !parents[k]:
			passed++
		}
	}
	if passed+failed+skipped == 0 {
		s.print("no test ran, which counts as failed\n")
		failed++
	}
	s.print(fmt.Sprintf("%d passed, %d failed\n", passed, failed+skipped))
	return failed+skipped == 0
}

// parent is the test that a subtest is part of, or the package that a test is part of.
func parent(k key) (key, bool) {
	if k.test == "" {
		return key{}, false
	}
	if i := strings.LastIndex(k.test, "/"); i >= 0 {
		return key{k.pkg, k.test[:i]}, true
	}
	return key{k.pkg, ""}, true
}

func compareKeys(a, b key) int {
	if c := strings.Compare(a.pkg, b.pkg); c != 0 {
		return c
	}
	return strings.Compare(a.test, b.test)
}

func (s *summary) print(text string) {
	fmt.Fprint(s.out, text) //nolint:errcheck // a bufio.Writer keeps the error for Flush
}
