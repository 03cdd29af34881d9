package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestProcStatIsReadWhateverTheProcessIsNamed(t *testing.T) {
	const rest = " S 17 4 4 0 -1 4194560 1 2 3 4 100 20 3000 400 20 0 1 0 12 1 2"
	want := procStat{parent: 17, own: 1200 * time.Millisecond, waited: 34 * time.Second}
	for _, name := range []string{"postgres", "a) S 9 (b", ""} {
		want.name = name
		got, ok := parseStat([]byte("4 (" + name + ")" + rest))
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(procStat{})); diff != "" || !ok {
			t.Errorf("%q: ok is %v (-want +got):\n%s", name, ok, diff)
		}
	}
	for _, text := range []string{"", "4 postgres", "4 (postgres) S 17", "4 (postgres) " + strings.Repeat("x ", 20)} {
		if _, ok := parseStat([]byte(text)); ok {
			t.Errorf("%q counts as a process", text)
		}
	}
}

func TestCPUTimeOfAProcessThatIsGoneIsZero(t *testing.T) {
	if got := cpuTime(-1) + familyCPU(-1); got != 0 {
		t.Errorf("got %v", got)
	}
	if self, ok := readStat(os.Getpid()); ok && self.parent != os.Getppid() {
		t.Errorf("the parent is %d, want %d", self.parent, os.Getppid())
	}
}
