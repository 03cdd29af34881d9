package pgtest

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	oldestMajor   = 15                          // the oldest PostgreSQL that Hookswitch supports
	debianFolders = "/usr/lib/postgresql/*/bin" // where Debian installs the servers, which it does not put on the PATH
)

// majorText finds the major version in what `postgres --version` prints.
var majorText = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

// findPrograms returns the folder of the server's programs: the first of path, or else the newest of pattern's, that is not too old.
func findPrograms(path []string, pattern string) (string, error) {
	debian, err := filepath.Glob(pattern)
	if err != nil {
		return "", fmt.Errorf("list %s: %w", pattern, err)
	}
	slices.SortStableFunc(debian, func(a, b string) int { return major(b) - major(a) })
	for _, folder := range slices.Concat(path, debian) {
		if _, err := exec.LookPath(filepath.Join(folder, "initdb")); err == nil && major(folder) >= oldestMajor {
			return filepath.Abs(folder)
		}
	}
	return "", fmt.Errorf("PostgreSQL %d or newer is not installed, neither on the PATH nor in %s: run scripts/setup", oldestMajor, pattern)
}

// major returns the major version of the server in a folder, or 0 where there is none.
func major(folder string) int {
	program := filepath.Join(folder, "postgres")
	if !strings.ContainsRune(program, filepath.Separator) {
		return 0 // an empty entry of PATH, which would be looked up on the PATH again
	}
	out, err := exec.CommandContext(context.Background(), program, "--version").Output() //nolint:gosec // its name is fixed
	if err != nil {
		return 0
	}
	found := majorText.FindSubmatch(out)
	if found == nil {
		return 0
	}
	number, err := strconv.Atoi(string(found[1]))
	if err != nil {
		return 0
	}
	return number
}
