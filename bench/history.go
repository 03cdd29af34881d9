package main

import (
	"context"
	"fmt"
	"os"
	"slices"
)

const (
	// historyRounds is how often the full and the empty store are compared; each round is as long as a trial.
	historyRounds = 3
	// growthTenths is how many stretches of equal length the growth is looked at in.
	growthTenths = 10
	// besideRounds is how often the relay is measured after the first tenth and after the last.
	besideRounds = 3
)

// A tenth is what one stretch of the growth came to.
type tenth struct {
	Deliveries int64    `json:"deliveries"` // in the store afterwards
	PerS       float64  `json:"deliveriesPerSecond"`
	Relay      float64  `json:"relayPerSecond,omitempty"` // right afterwards, at the first and the last
	CPUMicros  float64  `json:"postgresCpuMicrosPerDelivery,omitempty"`
	Expense    *expense `json:"postgres,omitempty"`
}

// A growth is what came of making all deliveries.
type growth struct {
	held                           int64
	tenths                         []tenth
	missing, duplicates, disorders int64
	parts                          []part // of PostgreSQL
}

// history makes deliveries in one store, at full load. Two questions are asked of it. Is the last tenth of them as fast as the
// first? Each is divided by the rate of the relay right after it, so that a machine in another mood is so for both. And is the
// store then as fast as an empty one, in turns with it?
func (b *lab) history(ctx context.Context, rep *reporter) error {
	full, err := b.serve(ctx, b.options.place.nodes)
	if err != nil {
		return err
	}
	defer func() { b.discard(ctx, full) }()
	if err := b.webhooks(ctx, full, 1, b.options.concurrency); err != nil {
		return err
	}
	g, err := b.grow(ctx, full, rep)
	if err != nil {
		return fmt.Errorf("grow: %w", err)
	}
	g.say(rep)
	size, err := full.bytes(ctx)
	if err != nil {
		return err
	}
	sized := g.held
	if full.database != nil {
		g.sayParts(rep, size)
	}
	later, err := b.inTurns(ctx, full, rep)
	if err != nil {
		return err
	}
	peak := memoryOf(full.subject().pids, "VmHWM")
	full.stop()
	if full.database == nil { // a clean end writes everything into the database itself
		if size, err = full.bytes(ctx); err != nil {
			return err
		}
		sized += later
	}
	rep.say("\n%d deliveries in the store, %.0f MB, %.0f bytes for each delivery with its share of interaction, event and attempt; %.0f MB resident at most.",
		sized, float64(size)/(1<<20), per(size, sized), float64(peak)/(1<<20))
	return nil
}

// inTurns measures a full store beside empty ones, and returns how many deliveries it made in it.
func (b *lab) inTurns(ctx context.Context, full *fleet, rep *reporter) (made int64, err error) {
	s := b.options.single(hookswitchTarget, mostConns).over(b.options.place.nodes).setup
	var empties, fulls []float64
	for round := range historyRounds {
		onEmpty, err := b.measure(ctx, s)
		if err != nil {
			return made, fmt.Errorf("empty store: %w", err)
		}
		onFull, err := b.measureOn(ctx, full, s)
		if err != nil {
			return made, fmt.Errorf("full store: %w", err)
		}
		made += onFull.Account.Acknowledged
		onEmpty.Round, onFull.Round = round, round
		if err := rep.keep("empty store", onEmpty); err != nil {
			return made, err
		}
		if err := rep.keep("full store", onFull); err != nil {
			return made, err
		}
		fmt.Fprintf(os.Stderr, "round %d: empty %.0f/s, full %.0f/s\n", round+1, onEmpty.PerS, onFull.PerS)
		empties, fulls = append(empties, onEmpty.PerS), append(fulls, onFull.PerS)
	}
	rep.say("| store, in turns | deliveries/s, single, %d connections, median of %d |", mostConns, historyRounds)
	rep.say("|---|---|")
	rep.say("| empty | %.0f |", median(empties))
	rep.say("| full | %.0f |", median(fulls))
	rep.say("| full / empty, median of the rounds | %.2f |", median(ratios(fulls, empties)))
	return made, nil
}

// measureOn runs one trial on nodes that are there already.
func (b *lab) measureOn(ctx context.Context, f *fleet, s setup) (result, error) {
	if err := b.newTrial(ctx, s.Webhooks, ledgerSequencesMax); err != nil {
		return result{}, err
	}
	return b.load(ctx, s, f.subject())
}

// grow makes the deliveries, each really delivered and recorded: the first tenth, then the other nine without a pause.
func (b *lab) grow(ctx context.Context, f *fleet, rep *reporter) (growth, error) {
	var g growth
	all := tenths(b.options.extras.history)
	for _, stretch := range [][]int64{all[:1], all[1:]} {
		if err := b.stretch(ctx, f, stretch, &g); err != nil {
			return g, err
		}
		last := &g.tenths[len(g.tenths)-1]
		if f.database != nil {
			var err error
			if g.parts, err = f.database.parts(ctx); err != nil { // at once: the longer it waits, the more is vacuumed
				return g, err
			}
		}
		var err error
		if last.Relay, err = b.beside(ctx); err != nil {
			return g, fmt.Errorf("relay: %w", err)
		}
		fmt.Fprintf(os.Stderr, "relay beside: %.0f/s\n", last.Relay)
	}
	for _, t := range g.tenths {
		if err := rep.keep("tenth", t); err != nil {
			return g, err
		}
	}
	return g, rep.keep("parts", g.parts)
}

// stretch makes some tenths one after the other.
func (b *lab) stretch(ctx context.Context, f *fleet, events []int64, g *growth) error {
	if err := b.newTrial(ctx, 1, ledgerSequencesMax); err != nil {
		return err
	}
	at := f.subject()
	if err := b.open(ctx, singleLoad, at, mostConns, 0); err != nil {
		return err
	}
	warm, err := b.send(ctx, pace{Seconds: warmUpSeconds}, 1)
	if err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	g.held += warm.Acknowledged
	sequences := warm.Sequences
	for _, n := range events {
		t, sent, err := b.tenth(ctx, at, n)
		if err != nil {
			return err
		}
		g.held, sequences = g.held+sent.Acknowledged, sent.Sequences
		t.Deliveries = g.held
		g.tenths = append(g.tenths, t)
		fmt.Fprintf(os.Stderr, "%d deliveries: %.0f/s\n", t.Deliveries, t.PerS)
	}
	if err := at.recorded(ctx); err != nil {
		return err
	}
	var a account
	if err := b.sink.call(ctx, "check", sequences, &a); err != nil {
		return err
	}
	g.missing, g.duplicates, g.disorders = g.missing+a.Missing, g.duplicates+a.Duplicates, g.disorders+a.OutOfOrder
	if a.Missing > 0 || a.BadSignatures > 0 {
		return fmt.Errorf("%w: %d missing, %d bad signatures", errIncomplete, a.Missing, a.BadSignatures)
	}
	return nil
}

func (b *lab) tenth(ctx context.Context, at subject, events int64) (tenth, sending, error) {
	var t tenth
	if err := b.sink.call(ctx, "mark", struct{}{}, nil); err != nil {
		return t, sending{}, err
	}
	before, err := at.read(ctx)
	if err != nil {
		return t, sending{}, err
	}
	sent, err := b.send(ctx, pace{Events: events}, 1)
	if err != nil {
		return t, sent, err
	}
	if sent.Acknowledged == 0 {
		return t, sent, fmt.Errorf("%w: %s", errAPI, sent.FirstProblem)
	}
	after, err := at.read(ctx)
	if err != nil {
		return t, sent, err
	}
	var a account
	if err := b.sink.call(ctx, "check", uint32(0), &a); err != nil {
		return t, sent, err
	}
	t.PerS = float64(sent.Acknowledged) * 1e9 / float64(a.LastNano-sent.FirstNano)
	if at.bill != nil {
		t.CPUMicros = per((after.cpu - before.cpu).Microseconds(), sent.Acknowledged)
		t.Expense = &expense{WALBytes: per(after.wal-before.wal, sent.Acknowledged), DiskBytes: per(after.disk-before.disk, sent.Acknowledged)}
	}
	return t, sent, nil
}

// beside measures the relay, as the machine is now.
func (b *lab) beside(ctx context.Context) (float64, error) {
	var perS []float64
	for range besideRounds {
		got, err := b.measure(ctx, b.options.single(relayTarget, mostConns).setup)
		if err != nil {
			return 0, err
		}
		perS = append(perS, got.PerS)
	}
	return median(perS), nil
}

// tenths splits a number into parts that differ by one at most.
func tenths(events int64) []int64 {
	out := make([]int64, growthTenths)
	for i := range out {
		out[i] = events*int64(i+1)/growthTenths - events*int64(i)/growthTenths
	}
	return out
}

func (g growth) say(rep *reporter) {
	first, last := g.tenths[0], g.tenths[len(g.tenths)-1]
	rep.say("| of %d deliveries | deliveries/s, single, %d connections | relay, right after | / relay |", g.held, mostConns)
	rep.say("|---|---|---|---|")
	rep.say("| the first tenth | %.0f | %.0f | %.2f |", first.PerS, first.Relay, first.PerS/first.Relay)
	rep.say("| the last tenth | %.0f | %.0f | %.2f |", last.PerS, last.Relay, last.PerS/last.Relay)
	rep.say("| last / first | %.2f | %.2f | %.2f |\n", last.PerS/first.PerS, last.Relay/first.Relay, last.PerS/last.Relay/(first.PerS/first.Relay))
	head, rule := "| tenth | deliveries afterwards | deliveries/s |", "|---|---|---|"
	if first.Expense != nil {
		head, rule = head+" CPU µs of PostgreSQL for each delivery | bytes of WAL | bytes on disk |", rule+"---|---|---|"
	}
	rep.say("%s", head)
	rep.say("%s", rule)
	for i, t := range g.tenths {
		line := fmt.Sprintf("| %d | %d | %.0f |", i+1, t.Deliveries, t.PerS)
		if t.Expense != nil {
			line += fmt.Sprintf(" %s | %.0f | %.0f |", measured(t.CPUMicros), t.Expense.WALBytes, t.Expense.DiskBytes)
		}
		rep.say("%s", line)
	}
	rep.say("\n%d missing, %d duplicates, %d FINISHED before STARTED.\n", g.missing, g.duplicates, g.disorders)
}

// sayParts prints what the bytes of the database are, for each delivery.
func (g growth) sayParts(rep *reporter, size int64) {
	main := []string{"interactions", "events", "deliveries", "attempts"}
	var sum int64
	rep.say("| table | part | bytes for each delivery | MB | dead tuples | autovacuums |")
	rep.say("|---|---|---|---|---|---|")
	for _, table := range main {
		for _, p := range g.parts {
			if p.Table != table {
				continue
			}
			sum += p.Bytes
			vacuum := " | "
			if p.Name == rowsPart {
				vacuum = fmt.Sprintf("%d | %d", p.Dead, p.Vacuums)
			}
			rep.say("| %s | %s | %.1f | %.1f | %s |", p.Table, p.Name, per(p.Bytes, g.held), float64(p.Bytes)/(1<<20), vacuum)
		}
	}
	rep.say("| all others, the catalogue of PostgreSQL among them | | %.1f | %.1f | | |", per(size-sum, g.held), float64(size-sum)/(1<<20))
	rep.say("| the database | | %.1f | %.1f | | |\n", per(size, g.held), float64(size)/(1<<20))
	if !slices.ContainsFunc(g.parts, func(p part) bool { return slices.Contains(main, p.Table) }) {
		rep.say("None of the tables %v was found.\n", main)
	}
}
