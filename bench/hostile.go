package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// The bounds, which fail the run when they are broken.
const (
	// hostileBytesMax is what a server under attack may have in memory: the 224 MiB of its heap's soft limit, and what is beside the heap.
	hostileBytesMax = 320 << 20
	// hostileTimes is how many times its calm value the p99 of the good may be, and hostileFloor what it may be anyway: below that a ratio is noise.
	hostileTimes, hostileFloor = 3, 25 * time.Millisecond
)

// beyondCut is how long an attack lasts in a full run whose connections are cut off after 10 s, or 30 s.
func beyondCut(kind attackKind) float64 {
	if kind == slowHeaders {
		return 16
	}
	if kind == slowBodies {
		return 38
	}
	return 0
}

var errHostile = errors.New("the server did not hold against hostile callers")

// A siege is what the good callers and the server saw during one attack.
type siege struct {
	Attack    attackKind       `json:"attack"`
	Requests  [2]time.Duration `json:"requestsP50P99Nano"`
	Arrivals  [2]time.Duration `json:"deliveriesP50P99Nano"`
	Good      int64            `json:"good"`
	Errors    int64            `json:"errors"`
	FirstErr  string           `json:"firstError,omitempty"`
	PeakBytes int64            `json:"peakBytes"`
	CPU       float64          `json:"cores"`
	Damage    damage           `json:"damage"`
}

// hostile measures good callers beside each kind of hostile ones, on one server after the other attack, and then a receiver.
func (b *lab) hostile(ctx context.Context, rep *reporter) error {
	shared, err := newLedgerFile()
	if err != nil {
		return err
	}
	defer done(shared)
	files, err := raiseFiles()
	if err != nil {
		return err
	}
	enemy, err := startAttacker(shared)
	if err != nil {
		return err
	}
	defer enemy.end()
	rep.say("Beside %d good interactions a second, over connections that are opened anew each second. This process may open %d files.", goodRate, files)
	rep.say("Bounds: no error of the good, %d MB resident, a p99 of at most %d times that of the calm (the longer of before and after) or %v.\n",
		hostileBytesMax>>20, hostileTimes, hostileFloor)
	rep.say("| attack | requests p50, p99 | / calm | deliveries p50, p99 | / calm | errors of %s | peak MB | cores | what the attacker did |", "the good")
	rep.say("|---|---|---|---|---|---|---|---|---|")
	return errors.Join(
		b.besiege(ctx, rep, enemy, b.openCastle, []attackKind{slowHeaders, slowBodies, idleAttack, crowdAttack, wrongKeys, bombs, hugeHeaders, slowReaders}),
		b.besiege(ctx, rep, enemy, b.openListener, []attackKind{wrongSmall, wrongLarge}),
		b.besiege(ctx, rep, enemy, b.openReceiver, []attackKind{wrongSmall, wrongLarge}))
}

// calm is no attack; calmAgain is that, too, after all attacks: both together show what the machine itself does.
const calm, calmAgain attackKind = "calm", "calm again"

func (b *lab) besiege(ctx context.Context, rep *reporter, enemy *child, open func(context.Context) (*castle, error), kinds []attackKind) error {
	c, err := open(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	var seen []siege
	for _, kind := range append(append([]attackKind{calm}, kinds...), calmAgain) {
		if kind != calm && kind != calmAgain && b.options.only != nil && !b.options.only.MatchString(string(kind)) {
			continue
		}
		got, err := b.assault(ctx, enemy, c, kind)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		if err := rep.keep("siege", got); err != nil {
			return err
		}
		seen = append(seen, got)
		rep.say("%s", got.row(&seen[0]))
	}
	return judge(seen)
}

// row is the siege as a row of the table.
func (s *siege) row(calm *siege) string {
	did := "-"
	if d := s.Damage; d.Connections > 0 {
		did = fmt.Sprintf("%d connections (%d at a time, %d ended by the server), %d requests, %.1f MB", d.Connections, d.Open, d.Failed, d.Requests, float64(d.Bytes)/(1<<20))
	}
	arrivals := "| | |"
	if s.Arrivals[0] > 0 {
		arrivals = fmt.Sprintf("| %s, %s | %.1f, %.1f |", milliseconds(s.Arrivals[0]), milliseconds(s.Arrivals[1]), over(s.Arrivals[0], calm.Arrivals[0]), over(s.Arrivals[1], calm.Arrivals[1]))
	}
	return fmt.Sprintf("| %s | %s, %s | %.1f, %.1f %s %d of %d | %d | %.2f | %s |",
		s.Attack, milliseconds(s.Requests[0]), milliseconds(s.Requests[1]), over(s.Requests[0], calm.Requests[0]), over(s.Requests[1], calm.Requests[1]),
		arrivals, s.Errors, s.Good, s.PeakBytes>>20, s.CPU, did)
}

// judge compares what was seen with the bounds.
func judge(seen []siege) error {
	var requests, arrivals time.Duration
	for _, s := range seen {
		if s.Attack == calm || s.Attack == calmAgain {
			requests, arrivals = max(requests, s.Requests[1]), max(arrivals, s.Arrivals[1])
		}
	}
	requests, arrivals = max(hostileTimes*requests, hostileFloor), max(hostileTimes*arrivals, hostileFloor)
	var failed []error
	for _, s := range seen {
		if s.Errors > 0 {
			failed = append(failed, fmt.Errorf("%w: %s: %d errors of good callers (%s)", errHostile, s.Attack, s.Errors, s.FirstErr))
		}
		if s.PeakBytes > hostileBytesMax {
			failed = append(failed, fmt.Errorf("%w: %s: %d MB resident", errHostile, s.Attack, s.PeakBytes>>20))
		}
		if s.Requests[1] > requests || s.Arrivals[1] > arrivals {
			failed = append(failed, fmt.Errorf("%w: %s: p99 of requests %v, of deliveries %v; at most %v and %v are meant", errHostile, s.Attack, s.Requests[1], s.Arrivals[1], requests, arrivals))
		}
	}
	return errors.Join(failed...)
}

func over(a, b time.Duration) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// assault runs the good load for a while, beside an attack unless kind is a calm.
func (b *lab) assault(ctx context.Context, enemy *child, c *castle, kind attackKind) (siege, error) {
	seconds := max(4*b.options.seconds, 6)
	if !b.options.quick {
		seconds = max(seconds, beyondCut(kind))
	}
	s := siege{Attack: kind}
	attacked := make(chan error, 1)
	go func() {
		if kind == calm || kind == calmAgain {
			attacked <- nil
			return
		}
		attacked <- enemy.call(ctx, "attack", assault{Kind: kind, Address: c.address, Key: c.key, Seconds: seconds + 2}, &s.Damage)
	}()
	rest(ctx, time.Second) // until the attack is under way
	watch, stop := context.WithCancel(ctx)
	var watched sync.WaitGroup
	watched.Go(func() {
		for ticker := time.Tick(memoryEvery); watch.Err() == nil; {
			s.PeakBytes = max(s.PeakBytes, memoryOf([]int{c.pid}, "VmRSS"))
			select {
			case <-ticker:
			case <-watch.Done():
			}
		}
	})
	begun, cpu := time.Now(), cpuTime(c.pid)
	c.good.run(ctx, time.Duration(seconds*float64(time.Second)), &s)
	s.CPU = (cpuTime(c.pid) - cpu).Seconds() / time.Since(begun).Seconds()
	err := <-attacked
	stop()
	watched.Wait()
	return s, err
}
