package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// install makes a folder with programs that say they are of a version.
func install(t *testing.T, folder, version string, programs ...string) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range programs {
		script := fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %s'\n", name, version)
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindPrograms(t *testing.T) {
	root := t.TempDir()
	install(t, root+"/path/old", "14.9", "postgres", "initdb")
	install(t, root+"/path/client", "17.1", "psql")
	install(t, root+"/path/new", "16beta1", "postgres", "initdb")
	install(t, root+"/lib/9/bin", "9.6.24", "postgres", "initdb")
	install(t, root+"/lib/15/bin", "15.20 (Debian 15.20-0+deb12u1)", "postgres", "initdb")
	install(t, root+"/lib/100/bin", "100.1", "postgres", "initdb")
	for name, test := range map[string]struct {
		path    []string
		pattern string
		want    string
	}{
		"the newest of Debian's":                     {nil, "lib/*/bin", "lib/100/bin"},
		"the PATH comes first":                       {[]string{"path/new"}, "lib/*/bin", "path/new"},
		"too old, or without a server, on the PATH":  {[]string{"path/old", "path/client", "path/none"}, "lib/15/bin", "lib/15/bin"},
		"an empty entry of the PATH is not a folder": {[]string{""}, "lib/15/bin", "lib/15/bin"},
	} {
		t.Run(name, func(t *testing.T) {
			for i, folder := range test.path {
				if folder != "" {
					test.path[i] = filepath.Join(root, folder)
				}
			}
			got, err := findPrograms(test.path, filepath.Join(root, test.pattern))
			if diff := cmp.Diff(filepath.Join(root, test.want), got); diff != "" || err != nil {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestMissingProgramsSayWhatToRun(t *testing.T) {
	root := t.TempDir()
	install(t, root+"/9/bin", "9.6.24", "postgres", "initdb")
	_, err := findPrograms([]string{root}, root+"/*/bin")
	if err == nil || !strings.Contains(err.Error(), "PostgreSQL 15 or newer is not installed") || !strings.Contains(err.Error(), "run scripts/setup") {
		t.Errorf("got %v, want what is missing and what to run", err)
	}
}

func TestSweepDeletesOnlyFoldersOfDeadProcesses(t *testing.T) {
	dead := exec.Command(os.Args[0], "-test.run=^$")
	dead.Env = []string{"TMPDIR=" + t.TempDir()}
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	kept := []string{
		fmt.Sprintf("%s%d-1", folderPrefix, os.Getpid()),
		fmt.Sprintf("%s%d-1", folderPrefix, os.Getppid()),
		folderPrefix + "someone-1",
		fmt.Sprintf("other-%d-1", dead.Process.Pid),
	}
	for _, name := range append(kept, fmt.Sprintf("%s%d-1", folderPrefix, dead.Process.Pid)) {
		install(t, filepath.Join(parent, name, "pristine"), "15", "postgres")
	}
	sweep(parent)
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for _, entry := range entries {
		left[entry.Name()] = true
	}
	want := map[string]bool{}
	for _, name := range kept {
		want[name] = true
	}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("(-want +left):\n%s", diff)
	}
}
