package console_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// generate finds the line by which go generate bundles: the arguments of esbuild.
var generate = regexp.MustCompile(`(?m)^//go:generate (go tool -modfile=\S+ esbuild .*)$`)

// The bundle that is committed is what esbuild makes of the sources beside it.
func TestBundleIsFresh(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range generate.FindAllStringSubmatch(string(text), -1) {
			made += compare(t, strings.Fields(line[1]))
		}
	}
	if made < 2 {
		t.Errorf("%d files were made, want a script and a stylesheet", made)
	}
}

// compare runs a command that writes into --outdir, or one --outfile, and compares with what is there.
func compare(t *testing.T, command []string) (made int) {
	t.Helper()
	scratch, folder := t.TempDir(), ""
	for i, arg := range command {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "--outdir":
			folder = value
			command[i] = name + "=" + scratch
		case "--outfile":
			folder = filepath.Dir(value)
			command[i] = name + "=" + filepath.Join(scratch, filepath.Base(value))
		}
	}
	if folder == "" {
		t.Fatalf("%v writes nowhere", command)
	}
	if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", command, err, out)
	}
	entries, err := os.ReadDir(scratch)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		fresh, err := os.ReadFile(filepath.Join(scratch, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		committed, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(fresh, committed) {
			t.Errorf("%s is stale: run go generate ./internal/console", filepath.Join(folder, entry.Name()))
		}
	}
	return len(entries)
}

// The console's script has no error of types, and the checker is one that finds them.
func TestScriptTypes(t *testing.T) {
	t.Parallel()
	if out, err := check(t, "browser"); err != nil || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
	ours, err := filepath.Abs("browser/tsconfig.json")
	if err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	for name, text := range map[string]string{
		"tsconfig.json": fmt.Sprintf(`{"extends": %q, "include": ["*.ts"]}`, ours),
		"wrong.ts":      `export const length = document.querySelector("main").children.length;`,
	} {
		if err := os.WriteFile(filepath.Join(scratch, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := check(t, scratch)
	if err == nil || !strings.Contains(out, "is possibly 'null'") {
		t.Errorf("an error of types is not found: %v\n%s", err, out)
	}
}

func check(t *testing.T, project string) (string, error) {
	t.Helper()
	program := filepath.Join("browser", "node_modules", ".bin", "tsc")
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("the npm packages of internal/console/browser are not installed: run scripts/setup (%v)", err)
	}
	out, err := exec.CommandContext(t.Context(), program, "--pretty", "false", "-p", project).CombinedOutput()
	return string(out), err
}
