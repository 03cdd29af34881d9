package tidy_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeSnippets shows that the Go code in the README is that of a compiled example.
func TestReadmeSnippets(t *testing.T) {
	readme := readText(t, "README.md")
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readme, -1)
	if len(snippets) == 0 {
		t.Fatal("README.md has no Go snippet")
	}
	example := unindented(readText(t, "receiver/example_readme_test.go"))
	for _, s := range snippets {
		if !strings.Contains(example, unindented(s[1])) {
			t.Errorf("this snippet of README.md is not in receiver/example_readme_test.go:\n%s", s[1])
		}
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// unindented drops the space at the beginning of each line.
func unindented(text string) string {
	return regexp.MustCompile(`(?m)^[ \t]+`).ReplaceAllString(text, "")
}

// TestMetricsAreDocumented shows that docs/metrics.md names every metric that the program registers, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	code := readText(t, "internal/delivery/metrics.go") + readText(t, "internal/api/observe.go")
	page := readText(t, "docs/metrics.md")
	registered := map[string]bool{}
	for _, m := range regexp.MustCompile(`Name: "(hookswitch_[a-z_]+)"`).FindAllStringSubmatch(code, -1) {
		registered[m[1]] = true
		if !strings.Contains(page, "`"+m[1]) {
			t.Errorf("docs/metrics.md does not name %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile("`(hookswitch_[a-z_]+)").FindAllStringSubmatch(page, -1) {
		if !registered[m[1]] {
			t.Errorf("docs/metrics.md names %s, which is not registered", m[1])
		}
	}
	if len(registered) == 0 {
		t.Error("found no metric in the code")
	}
}
