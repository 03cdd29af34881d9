package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSummary(t *testing.T) {
	const start = `{"Action":"start","Package":"p"}`
	tests := []struct {
		name   string
		events []string
		v      bool
		want   string
		ok     bool
	}{
		{
			name: "passes say little and subtests are what is counted",
			events: []string{
				start, said("T", `=== RUN   T\n`), said("T/a", `noise\n`), said("T/a", `    --- PASS: T/a (0.00s)\n`),
				ended("T/a", "pass"), ended("T/b", "pass"), ended("T", "pass"),
				said("", `PASS\n`), said("", `ok  \tp\t0.1s\n`), ended("", "pass"),
			},
			want: "ok  \tp\t0.1s\n2 passed, 0 failed\n", ok: true,
		},
		{
			name: "a failure shows its output and counts once",
			events: []string{
				start, said("T", `=== RUN   T\n`), said("T/a", `    a.go:1: \"so\" \u003c it\n`), said("T/a", `    --- FAIL: T/a (0.00s)\n`),
				ended("T/a", "fail"), said("T", `--- FAIL: T (0.00s)\n`), ended("T", "fail"), ended("U", "pass"),
				said("", `FAIL\n`), said("", `FAIL\tp\t0.1s\n`), ended("", "fail"),
			},
			want: "    a.go:1: \"so\" < it\n    --- FAIL: T/a (0.00s)\n--- FAIL: T (0.00s)\nFAIL\tp\t0.1s\n1 passed, 1 failed\n",
		},
		{
			name:   "a test that fails beside its passing subtest",
			events: []string{start, ended("T/a", "pass"), ended("T", "fail"), ended("", "fail")},
			want:   "1 passed, 1 failed\n",
		},
		{
			name:   "a skipped test is a failure",
			events: []string{start, said("T", `--- SKIP: T (0.00s)\n`), ended("T", "skip"), ended("U", "pass"), ended("", "pass")},
			want:   "--- SKIP: T (0.00s)\nskipped, which counts as failed: p T\n1 passed, 1 failed\n",
		},
		{
			name:   "a test skipped in one of two rounds",
			events: []string{start, ended("T", "skip"), ended("T", "pass"), ended("", "pass")},
			want:   "skipped, which counts as failed: p T\n0 passed, 1 failed\n",
		},
		{
			name:   "a test that failed in one of two rounds",
			events: []string{start, ended("T", "fail"), ended("T", "pass"), ended("", "fail")},
			want:   "0 passed, 1 failed\n",
		},
		{
			name:   "a package without tests is neither",
			events: []string{start, said("", `?   \tp\t[no test files]\n`), ended("", "skip"), `{"Action":"pass","Package":"q","Test":"T"}`},
			want:   "?   \tp\t[no test files]\n1 passed, 0 failed\n", ok: true,
		},
		{
			name:   "a package that does not compile",
			events: []string{`{"ImportPath":"p","Action":"build-output","Output":"a.go:1: no\n"}`, `{"ImportPath":"p","Action":"build-fail"}`, start, said("", `FAIL\tp [build failed]\n`), ended("", "fail")},
			want:   "a.go:1: no\nFAIL\tp [build failed]\n0 passed, 1 failed\n",
		},
		{
			name:   "a test that is cut off",
			events: []string{start, said("T", `=== RUN   T\n`), said("T", `panic: no\n`), said("", `FAIL\tp\t0.1s\n`), ended("", "fail")},
			want:   "panic: no\nFAIL\tp\t0.1s\n0 passed, 1 failed\n",
		},
		{
			name:   "no test at all",
			events: []string{start, said("", `ok  \tp\t0.1s [no tests to run]\n`), ended("", "pass")},
			want:   "ok  \tp\t0.1s [no tests to run]\nno test ran, which counts as failed\n0 passed, 1 failed\n",
		},
		{
			name:   "words that are no event",
			events: []string{"flag provided but not defined: -x"},
			want:   "flag provided but not defined: -x\nno test ran, which counts as failed\n0 passed, 1 failed\n",
		},
		{
			name:   "everything, when asked for",
			events: []string{start, said("T", `=== RUN   T\n`), ended("T", "pass"), said("", `PASS\n`), ended("", "pass")},
			v:      true,
			want:   "=== RUN   T\nPASS\n1 passed, 0 failed\n", ok: true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			ok, err := run(strings.NewReader(strings.Join(tt.events, "\n")+"\n"), &out, tt.v)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
			if ok != tt.ok {
				t.Errorf("ok = %t, want %t", ok, tt.ok)
			}
		})
	}
}

func said(test, text string) string {
	return `{"Action":"output","Package":"p","Test":"` + test + `","Output":"` + text + `"}`
}

func ended(test, action string) string {
	return `{"Action":"` + action + `","Package":"p","Test":"` + test + `"}`
}
