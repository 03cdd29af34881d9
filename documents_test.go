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
