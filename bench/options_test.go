package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, arguments string) (options, error) {
	t.Helper()
	return parseOptions(strings.Fields(arguments), io.Discard)
}

func TestStoreNodesAndDatabaseGoTogether(t *testing.T) {
	for arguments, want := range map[string]place{
		"":                          {store: sqliteStore, nodes: 1},
		"-store postgres -nodes 16": {store: postgresStore, nodes: 16},
		"-store postgres -database postgresql://a:b@h:5432/d?sslmode=require": {
			store: postgresStore, nodes: 1, database: "postgresql://a:b@h:5432/d?sslmode=require",
		},
	} {
		o, err := parse(t, arguments)
		if diff := cmp.Diff(want, o.place, cmp.AllowUnexported(place{})); diff != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", arguments, err, diff)
		}
	}
	for arguments, want := range map[string]string{
		"-store mysql":                         "-store is sqlite or postgres",
		"-nodes 3":                             "an SQLite store belongs to one process",
		"-database postgres://h/d":             "-database goes with -store postgres",
		"-store postgres -nodes 0":             "-nodes is 1 to 16",
		"-store postgres -nodes 17":            "-nodes is 1 to 16",
		"-store postgres -database h.db":       "-database is a URL",
		"-store postgres -database mysql://h":  "-database is a URL",
		"-store postgres -database postgres:d": "-database is a URL",
		"-history 9":                           "-history is at least 10",
	} {
		if _, err := parse(t, arguments); !errors.Is(err, errUsage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want wrong usage that says %q", arguments, err, want)
		}
	}
}

func TestPasswordsAreNeitherPrintedNorKept(t *testing.T) {
	for argument, want := range map[string]string{
		"postgres://u:secret@h:5432/d":                   "postgres://u:xxxxx@h:5432/d",
		"-database=postgresql://u:se:cr@et@h/d":          "-database=postgresql://u:xxxxx@h/d",
		"postgres://u@h/d?sslmode=require&password=x%2F": "postgres://u@h/d?sslmode=require&password=xxxxx",
		"postgres://u@h:5432/d":                          "postgres://u@h:5432/d",
		"-only":                                          "-only",
	} {
		if got := hidden([]string{argument}); !slices.Equal(got, []string{want}) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestEveryRowHasItsLimitAmongTheRows(t *testing.T) {
	for _, arguments := range []string{"", "-quick", "-store postgres", "-store postgres -quick", "-store postgres -nodes 5"} {
		o, err := parse(t, arguments)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		rows := o.rows(mostConns)
		for _, r := range rows {
			if names[r.String()] {
				t.Errorf("%s: two rows are named %s", arguments, r)
			}
			names[r.String()] = true
		}
		for _, r := range rows {
			for _, limit := range r.relay {
				if !names[limit] && !strings.HasPrefix(limit, "relay-waits") { // with batches and many webhooks only one is measured
					t.Errorf("%s: %s is compared with %s, which is not measured", arguments, r, limit)
				}
			}
		}
	}
}

func TestPostgresIsMeasuredWithOneNodeAndWithThreeUnlessANumberIsGiven(t *testing.T) {
	for arguments, want := range map[string][]string{
		"-store postgres": {
			"hookswitch, single, 256 connections", "hookswitch, single, 256 connections, 3 nodes",
			"hookswitch, batch of 100, 8 connections", "hookswitch, 1000/s",
		},
		"-store postgres -nodes 5": {
			"hookswitch, single, 256 connections, 5 nodes", "hookswitch, batch of 100, 8 connections, 5 nodes", "hookswitch, 1000/s, 5 nodes",
		},
	} {
		o, err := parse(t, arguments)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range o.rows(mostConns) {
			if r.setup.Target == hookswitchTarget {
				got = append(got, r.String())
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", arguments, diff)
		}
	}
}

func TestTenthsAddUpToTheWhole(t *testing.T) {
	for _, events := range []int64{10, 19, 2_000_000, ledgerSequencesMax} {
		parts := tenths(events)
		var sum int64
		for _, n := range parts {
			sum += n
		}
		if len(parts) != growthTenths || sum != events || slices.Max(parts)-slices.Min(parts) > 1 {
			t.Errorf("%d is split into %v", events, parts)
		}
	}
}
