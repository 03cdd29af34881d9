package crash_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
)

// frozenLocksMax is how long a node that freezes in the middle of a transaction keeps its locks (postgresIdleMax in internal/store).
const frozenLocksMax = 2 * time.Second

// freeze stops node i with SIGSTOP, as a machine that hangs would, waits until it stands still and notes what was in flight.
func (c *cluster) freeze(ctx context.Context, i int) {
	c.t.Helper()
	p := c.process(i)
	c.nodes[i].frozen.Store(true)
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		c.t.Fatalf("freeze node %d: %v", i, err)
	}
	c.until(ctx, "the node to stand still", func() bool { return stopped(p.cmd.Process.Pid) })
	c.noteFault(ctx)
}

// stopped reads a process's state: the first letter after its name, which is in parentheses (proc_pid_stat(5)).
func stopped(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := bytes.Cut(text[max(0, bytes.LastIndexByte(text, ')')):], []byte(" "))
	return bytes.HasPrefix(rest, []byte("T"))
}

// thaw lets node i go on.
func (c *cluster) thaw(i int) {
	c.t.Helper()
	if err := c.process(i).cmd.Process.Signal(syscall.SIGCONT); err != nil {
		c.t.Fatalf("thaw node %d: %v", i, err)
	}
	c.nodes[i].frozen.Store(false)
}

// TestCrashNodeFrozen freezes nodes under load for longer than their leases: the others take their work over, what the frozen
// ones record late changes nothing, and they serve again.
func TestCrashNodeFrozen(t *testing.T) {
	t.Parallel()
	ctx, c := testContext(t), newCluster(t, nodesMany, withSetting("concurrency", slowPosts))
	c.ledger.behave(2*slowAnswer, nil)
	n, late := min(*interactionsFlag/5, strikeMax), 0
	limit := c.plan.lease + frozenLocksMax + sweepMax + takeOverMargin + time.Duration(2*n)*2*slowAnswer/(2*slowPosts)
	for round := range max(*killsFlag/5, 1) {
		i := c.random.IntN(nodesMany)
		ended, wait := c.load(ctx, n)
		c.made(ctx, c.ledger.known()+n/4, ended)
		c.busy(ctx, i, ended)
		c.freeze(ctx, i)
		frozen := time.Now()
		wait()
		c.delivered(ctx)
		count, longest := c.owedAt(frozen, i)
		if longest > limit {
			t.Errorf("node %d was frozen, and %v later something arrived that it had acknowledged; want %v at most", i, longest, limit)
		}
		if err := pause(ctx, time.Until(frozen.Add(c.plan.lease+sweepMax))); err != nil {
			t.Fatal(err)
		}
		stood := time.Since(frozen)
		before := c.ledger.posts()
		c.thaw(i)
		c.until(ctx, "the late outcomes", func() bool { return c.metric(ctx, i, "hookswitch_outcomes_late_total") > 0 })
		c.until(ctx, "the node to be rid of what it had", func() bool { return c.metric(ctx, i, "hookswitch_deliveries_in_memory") == 0 })
		here := c.metric(ctx, i, "hookswitch_outcomes_late_total")
		late += here
		t.Logf("round %d: node %d stood still for %v, %d events that it had acknowledged arrived meanwhile, the last after %v; %d outcomes were late; %d POSTs after it went on",
			round, i, stood.Round(time.Millisecond), count, longest.Round(time.Millisecond), here, c.ledger.posts()-before)
		// A counter of a process: the next round may be about the same one.
		c.stop(i)
		c.start(i)
	}
	if late == 0 {
		t.Error("no outcome was late: the test shows nothing")
	}
	c.check(ctx, 0)
}

// TestCrashLateFailuresExhaustNothing freezes a node with POSTs in flight that fail, at a webhook that allows no second
// attempt, and lets it go on while other nodes make the same POSTs: its failures are late, and exhaust nothing, because the
// leases are not its own any more.
func TestCrashLateFailuresExhaustNothing(t *testing.T) {
	t.Parallel()
	const events = 20
	ctx, c := testContext(t), newCluster(t, nodesMany, withLease(6*time.Second), withSetting("requestTimeout", "5s"),
		withSetting("retry", map[string]any{"attempts": 0}))
	c.ledger.set(hold)
	for range events {
		id := c.interact(ctx, 0)
		c.ledger.acknowledged(0, []key{{id, interaction.EventStarted}})
	}
	held := func() bool { return c.ledger.held == events }
	c.ledger.await(ctx, "all POSTs to be in flight", held)
	c.freeze(ctx, 0)
	c.ledger.set(down)
	c.ledger.await(ctx, "all POSTs to fail", func() bool { return c.ledger.held == 0 })
	c.ledger.set(hold)
	c.ledger.await(ctx, "all POSTs to be in flight again, from other nodes", held)
	c.thaw(0)
	c.until(ctx, "the late outcomes", func() bool { return c.metric(ctx, 0, "hookswitch_outcomes_late_total") == events })
	c.ledger.set(up)
	c.delivered(ctx)
	c.check(ctx, 0)
	t.Logf("%d failures of a frozen node were late", events)
}
