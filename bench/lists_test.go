package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"
	"time"
)

// A world has what it says: about as many deliveries as asked for, the webhooks' shares, every class of failure; and each row belongs
// to what is there.
func TestWorld(t *testing.T) {
	t.Parallel()
	w := newWorld(100_000, time.Now())
	w.center = 1
	for h := range worldHooks() {
		w.hooks = append(w.hooks, int64(h+1))
	}
	rows := map[string]int{}
	serials, failures := map[int64]bool{}, map[int64]int{}
	open, pending, exhausted := map[[2]int64]bool{}, 0, 0
	deliveries, toFirst := map[[2]int64]bool{}, 0
	number := func(r []any, column int) int64 {
		n, ok := r[column].(int64)
		if !ok {
			t.Fatalf("column %d of %v is no number", column, r)
		}
		return n
	}
	for _, table := range w.tables() {
		last := [2]int64{}
		for r := range table.rows {
			if rows[table.table]++; len(r) != len(table.columns) {
				t.Fatalf("a row of %s has %d columns, not %d", table.table, len(r), len(table.columns))
			}
			key := [2]int64{number(r, 1)}
			if table.table == "deliveries" || table.table == "attempts" {
				key[1] = number(r, 2)
				deliveries[key] = true
			}
			if key[0] < last[0] || table.table != "attempts" && table.table != "activity" && key == last {
				t.Fatalf("%s: %v comes after %v", table.table, key, last)
			}
			last = key
			switch table.table {
			case "events":
				serials[key[0]] = true
			case "deliveries":
				open[key] = true
				if number(r, 3) == 3 {
					exhausted++
				} else if number(r, 2) == 2 {
					pending++
				}
			case "attempts":
				failures[number(r, 7)]++
			}
		}
	}
	for key := range deliveries {
		if !serials[key[0]] {
			t.Fatalf("the delivery %v has no event", key)
		}
		if key[1] == 1 {
			toFirst++
		}
	}
	if n := len(deliveries); n < 95_000 || n > 105_000 || toFirst*100 < n*58 || toFirst*100 > n*62 {
		t.Errorf("%d deliveries, %d of them to the first webhook", n, toFirst)
	}
	if pending < 19_000 || pending > 21_000 || exhausted < 3_500 || exhausted > 4_500 {
		t.Errorf("%d are pending of the dead webhook, %d exhausted", pending, exhausted)
	}
	if len(failures) != 10 {
		t.Errorf("attempts by failure: %v", failures)
	}
	sessions := map[any]int{}
	for k := range int64(2 * sessionBlock) {
		sessions[w.sessionID(k)]++
	}
	sizes := map[int]int{}
	for _, n := range sessions {
		sizes[n]++
	}
	for n := 1; n <= sessionSizeMax; n++ {
		if sizes[n] != 2 {
			t.Errorf("%d sessions of %d interactions", sizes[n], n)
		}
	}
}

// A small store is filled, read back through the API and searched; then it is used again as it is, but not as another one.
func TestLists(t *testing.T) {
	runtime.LockOSThread() // see dieWithParent
	defer runtime.UnlockOSThread()
	dir := t.TempDir()
	binary, err := buildServer(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	run := func(number string) (string, error) {
		o, err := parseOptions([]string{"-lists", "-n", number, "-keep", filepath.Join(dir, "kept.db"), "-only", `^deliveries, (state=exhausted|session|` +
			`failure=timeout|state=pending, webhook of 20 %, dead)$|^interactions$`}, &bytes.Buffer{})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		b := &lab{options: o, dir: t.TempDir(), binary: binary}
		err = b.lists(t.Context(), &reporter{raw: json.NewEncoder(&bytes.Buffer{}), out: &out})
		return out.String(), err
	}
	for _, when := range []string{"new", "used again"} {
		said, err := run("20000")
		if err != nil && !errors.Is(err, errSlow) { // how quick it is depends on the machine
			t.Fatalf("%s: %v", when, err)
		}
		for _, want := range []string{
			`\| deliveries, session \| .* 0 % \|`, `\| deliveries, state=exhausted \| .* \| 50.0 \| 0 % \|`, `\| deliveries, failure=timeout \| .* \| 50.0 \|`,
			`\| deliveries, state=pending, webhook of 20 %, dead \| .* \| 50.0 \|`, `\| interactions \| .* \| 50.0 \|`,
		} {
			if !regexp.MustCompile(want).MatchString(said) {
				t.Errorf("%s: no %s in\n%s", when, want, said)
			}
		}
	}
	if _, err := run("30000"); !errors.Is(err, errWorld) {
		t.Errorf("another number of deliveries: %v", err)
	}
}
