package cli

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/internal/store"
)

// tellSteps tells of a table of 300,000 rows, 10,000 of them every second.
func tellSteps(p *progress) {
	for done := int64(0); done <= 300_000; done += 10_000 {
		p.tell(store.CopyProgress{Table: "events", Done: done, Total: 300_000})
		<-time.After(time.Second)
	}
}

// Where no person looks on, a copy says every few seconds how far it is, and how fast.
func TestProgressInALog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := &progress{app: quietApp(), log: slog.New(slog.NewTextHandler(&out, nil))}
		tellSteps(p)
		p.end()
		if n := strings.Count(out.String(), "msg=copying table=events comparing=false rows="); n != 10 {
			t.Errorf("%d lines in 30 seconds: %s", n, out.String())
		}
		if !strings.Contains(out.String(), "rows=30000 total=300000 rows_per_second=10000\n") {
			t.Errorf("got %s", out.String())
		}
	})
}

// On a terminal each table has a bar, which is drawn over itself; whatever comes next begins a line.
func TestProgressOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := quietApp()
		var out bytes.Buffer
		a.Stderr, a.StderrTerminal = &out, true
		p := &progress{app: a}
		tellSteps(p)
		p.tell(store.CopyProgress{Table: "answers", Verifying: true, Done: 1, Total: 2})
		p.end()
		p.end()
		lines := strings.Split(out.String(), "\n")
		last := func(line string) string { return line[strings.LastIndex(line, "\r")+1:] }
		want := []string{
			"copy    events          [" + strings.Repeat("=", 30) + "] 300000 of 300000, 10000/s\x1b[K",
			"compare answers         [" + strings.Repeat("=", 15) + strings.Repeat(" ", 15) + "] 1 of 2, 1000/s\x1b[K", "",
		}
		var got []string
		for _, line := range lines {
			got = append(got, last(line))
		}
		if diff := cmp.Diff(want, got); diff != "" || strings.Count(out.String(), "\r") != 32 {
			t.Errorf("%d drawings (-want +got):\n%s", strings.Count(out.String(), "\r"), diff)
		}
	})
}

// A difference is printed, in words and as JSON, and so is what was changed on the way.
func TestCopiedIsPrinted(t *testing.T) {
	a := quietApp()
	var out, said bytes.Buffer
	a.Stdout, a.Stderr = &out, &said
	report := &store.CopyReport{Freed: 3, Replaced: 2, Took: time.Second, Tables: []store.CopiedTable{
		{Name: "events", Source: 2, Copied: 2, Destination: 2}, {Name: "answers", Source: 2, Copied: 2, Destination: 1},
	}}
	if err := a.printCopied(report, false); err != nil {
		t.Fatal(err)
	}
	if err := a.printCopied(report, true); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"events   2       2            same 0000", "answers  2       1            DIFFERS 0000", `"same": false`, `"rowsPerSecond": 4`} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is missing in %s", part, out.String())
		}
	}
	for _, part := range []string{"3 deliveries were leased", "2 texts", "4 rows in 1s, 4 rows/s"} {
		if !strings.Contains(said.String(), part) {
			t.Errorf("%q is missing in %s", part, said.String())
		}
	}
}
