package crash_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

const (
	// exitConflict is the exit code of a program that is too old for its database (`hookswitch help exit-codes`).
	exitConflict = 4
	// nextMigration is a number that no migration of today has.
	nextMigration = 90_001
)

// The migrations of releases to come: one that programs of today can live with, on the tables that are written to most, and
// one that they cannot.
const (
	kindMigration = `-- +goose Up
ALTER TABLE deliveries ADD COLUMN note TEXT;
CREATE INDEX deliveries_by_note ON deliveries (center, note) WHERE note <> '';
ALTER TABLE interactions ADD COLUMN note TEXT;
CREATE INDEX interactions_by_note ON interactions (center, note) WHERE note <> '';
`
	breakingMigration = `-- +goose Up
UPDATE compatibility SET oldest = 90002;
`
)

// buildNext builds the program with migrations that it does not have yet, as a release to come would have them, and returns its path.
func buildNext(ctx context.Context, t *testing.T, migrations ...string) string {
	t.Helper()
	folder := t.TempDir()
	replace := map[string]string{}
	store, err := filepath.Abs(filepath.Join("..", "store", "migrations"))
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range migrations {
		name := fmt.Sprintf("%05d_next.sql", nextMigration+i)
		source := filepath.Join(folder, name)
		if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, engine := range []string{"postgres", "sqlite"} {
			replace[filepath.Join(store, engine, name)] = source
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay, program := filepath.Join(folder, "overlay.json"), filepath.Join(folder, "hookswitch")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := buildCommand(ctx, "-overlay", overlay, "-o", program).CombinedOutput(); err != nil {
		t.Fatalf("build a release to come: %v\n%s", err, out)
	}
	return program
}

// TestCrashRollingUpgrade replaces three nodes one after the other by a release whose first start changes the tables, under load:
// the nodes that run refuse nothing, the old ones go on with the new tables, and everything is delivered once.
func TestCrashRollingUpgrade(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	next := buildNext(ctx, t, kindMigration)
	c := newCluster(t, nodesMany, withLease(calmLease))
	n := *interactionsFlag / 2
	ended, wait := c.load(ctx, n)
	for i := range c.nodes {
		c.made(ctx, n*(i+1)/(nodesMany+1), ended)
		began := time.Now()
		c.stop(i)
		if version := c.schema(ctx); (version == nextMigration) != (i > 0) {
			t.Errorf("the database's schema is version %d after %d new starts", version, i)
		}
		c.nodes[i].program = next
		c.start(i)
		t.Logf("node %d was away for %v", i, time.Since(began).Round(time.Millisecond))
		for old := i + 1; old < nodesMany; old++ {
			c.use(ctx, old)
		}
	}
	wait()
	c.delivered(ctx)
	if version := c.schema(ctx); version != nextMigration {
		t.Errorf("the database's schema is version %d after the upgrade, want %d", version, nextMigration)
	}
	if refused := c.traffic.refused.Load(); refused > 0 {
		t.Errorf("%d changes were refused by nodes that were not being replaced, want none", refused)
	}
	c.check(ctx, 0)
}

// TestCrashUpgradeBreaks upgrades to a release whose tables programs of today cannot use: those that run go on, and those that
// start say why they do not, and which release does.
func TestCrashUpgradeBreaks(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	next := buildNext(ctx, t, kindMigration, breakingMigration)
	c := newCluster(t, 2)
	c.stop(0)
	c.nodes[0].program = next
	c.start(0)
	c.use(ctx, 1)
	_, wait := c.load(ctx, *interactionsFlag/20)
	wait()

	c.stop(1)
	p := c.nodes[1].launch()
	limit := time.NewTimer(startMax)
	defer limit.Stop()
	select {
	case <-p.exited:
	case <-limit.C:
		p.kill()
		t.Errorf("an old program neither serves nor ends:\n%s", p.log())
	}
	text := p.log()
	for _, part := range []string{"migrate database hookswitch at 127.0.0.1", fmt.Sprint(nextMigration + 1), "use a newer release"} {
		if !strings.Contains(text, part) {
			t.Errorf("an old program does not say %q:\n%s", part, text)
		}
	}
	if code := p.cmd.ProcessState.ExitCode(); code != exitConflict || strings.Contains(text, "not available") {
		t.Errorf("an old program ended with %d, want %d, which does not mean that another try may succeed:\n%s", code, exitConflict, text)
	}
	c.nodes[1].program = next
	c.start(1)
	c.use(ctx, 1)
	c.delivered(ctx)
	c.check(ctx, 0)
}

// schema returns the version of the database's schema.
func (c *cluster) schema(ctx context.Context) int {
	c.t.Helper()
	return c.number(ctx, `SELECT max(version_id) FROM goose_db_version`)
}

// use makes and stops an interaction on one node.
func (c *cluster) use(ctx context.Context, i int) {
	c.t.Helper()
	p := c.process(i)
	id := uuid.Must(uuid.NewV7()).String()
	for _, change := range []change{(&worker{random: c.random}).creation(id), stop(id)} {
		a, err := p.call(ctx, http.MethodPost, change.path, change.body, "")
		if err == nil && a.status/100 != 2 {
			err = fmt.Errorf("answered %d %s", a.status, a.body)
		}
		if err != nil {
			c.t.Fatalf("POST %s on node %d: %v\n%s", change.path, i, err, p.log())
		}
		c.ledger.acknowledged(i, change.events)
	}
}
