package cli

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/client"
)

// The pages of a report are added up. A person who waits sees how far it is, on a line that is cleared at the end.
func TestReportIsAddedUp(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a := quietApp()
			var out bytes.Buffer
			a.Stderr, a.StderrTerminal = &out, terminal
			var cursors []string
			sum, err := a.addUp(func(cursor string) ([]byte, error) {
				<-time.After(60 * time.Millisecond)
				cursors = append(cursors, cursor)
				next := ""
				if n := len(cursors); n < 5 {
					next = fmt.Sprintf(`,"nextCursor":"c%d"`, n)
				}
				return []byte(`{"policy":{"interactions":"1h"},"interactions":1,"events":2,"deliveries":3,"attempts":4,"payloads":5` + next + `}`), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			want := client.RetentionReport{Policy: client.RetentionPolicy{Interactions: "1h"}, Interactions: 5, Events: 10, Deliveries: 15, Attempts: 20, Payloads: 25}
			if diff := cmp.Diff(want, sum); diff != "" {
				t.Errorf("the sum (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"", "c1", "c2", "c3", "c4"}, cursors); diff != "" {
				t.Errorf("cursors (-want +got):\n%s", diff)
			}
			shown := ""
			if terminal {
				shown = "\rso far 2 interactions, 6 deliveries, 8 attempts, 10 payloads\x1b[K" +
					"\rso far 4 interactions, 12 deliveries, 16 attempts, 20 payloads\x1b[K\r\x1b[K"
			}
			if out.String() != shown {
				t.Errorf("on a terminal: %v: %q", terminal, out.String())
			}
		})
	}
}

// A page that fails ends the report with its error, and one that is no report too.
func TestReportFails(t *testing.T) {
	broken := errors.New("broken")
	if _, err := quietApp().addUp(func(string) ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := quietApp().addUp(func(string) ([]byte, error) { return []byte("<html>"), nil }); err == nil || !strings.HasPrefix(err.Error(), "read answer") {
		t.Errorf("got %v", err)
	}
}
