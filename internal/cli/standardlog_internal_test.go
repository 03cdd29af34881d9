package cli

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A receiver that has net/http log as fast as it can gets a line a second, and into none of them what is quoted of it.
func TestStandardLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := &standardLog{log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}
		for range 2 {
			for range 10_000 {
				fmt.Fprintf(s, "Unsolicited response received on idle HTTP channel starting with %q; err=<nil>\n", "Authorization: hunter2")
			}
			<-time.After(standardLogEvery)
		}
		fmt.Fprint(s, strings.Repeat("x", 1_000))
		if n := strings.Count(out.String(), "\n"); n != 3 || strings.Contains(out.String(), "hunter2") || out.Len() > 3*(standardLogBytesMax+200) {
			t.Errorf("%d lines: %s", n, out.String())
		}
		if !strings.Contains(out.String(), "starting with\" leftOut=9999") {
			t.Error(out.String())
		}
	})
}
