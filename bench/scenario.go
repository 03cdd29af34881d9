package main

import (
	"context"
	"fmt"
	"os"
	"slices"
)

const (
	// steadyRate is the rate at which latency is judged: well below what the machine can do.
	steadyRate = 1000
	// steadyConns is how many connections carry it; more would only stand idle.
	steadyConns = 32
	// fanOutConcurrency is each webhook's concurrency where there are many: the default of the product.
	fanOutConcurrency = 32
	// fanOutPerS is how many deliveries make a second of load where there are many webhooks. There the number of events is
	// fixed and not the time: accepting is so much faster than delivering that a second of accepting may be minutes of work.
	fanOutPerS = 20_000
	// leanConns is the number of connections that raw-lean uses: its own work grows little with them.
	leanConns = 64
	mostConns = 256
	// severalNodes is how many nodes are compared with one.
	severalNodes = 3
)

// A row is one line of the table: a setup that is measured once in each round.
type row struct {
	name  string
	setup setup
	// relay names the rows that are this one's limit, the faster of which counts.
	relay []string
}

func (r row) String() string { return string(r.setup.Target) + ", " + r.name }

// rows returns what a round measures, in order: what is compared stands close together.
func (o options) rows(rawConns int) []row {
	limits := []row{o.raw(rawTarget, rawLoad, rawConns), o.raw(leanRawTarget, leanRawLoad, leanConns)}
	if o.place.store == postgresStore {
		return append(limits, o.postgresRows()...)
	}
	out := slices.Concat(limits, []row{
		o.single(relayTarget, mostConns), o.single(hookswitchTarget, mostConns), o.single(relayWaitsTarget, mostConns),
		o.batched(1), o.steady(hookswitchTarget),
	})
	if o.quick {
		return out
	}
	out = append(out, o.steady(relayTarget))
	for _, conns := range []int{64, 16} {
		out = append(out, o.single(relayTarget, conns), o.single(hookswitchTarget, conns), o.single(relayWaitsTarget, conns))
	}
	for _, webhooks := range []int{10, 100} {
		out = append(out, o.single(relayTarget, mostConns).fan(webhooks, o.seconds), o.single(hookswitchTarget, mostConns).fan(webhooks, o.seconds),
			o.batched(webhooks))
	}
	return out
}

// postgresRows are those of hookswitch on PostgreSQL, with one node and with three unless a number was asked for.
func (o options) postgresRows() []row {
	n := o.place.nodes
	out := []row{o.single(relayTarget, mostConns), o.single(hookswitchTarget, mostConns).over(n)}
	if n == 1 {
		out = append(out, o.single(hookswitchTarget, mostConns).over(severalNodes))
	}
	out = append(out, o.single(relayWaitsTarget, mostConns), o.batched(1).over(n), o.steady(hookswitchTarget).over(n))
	if o.quick {
		return out
	}
	return append(out, o.steady(relayTarget))
}

func (o options) raw(t target, k loadKind, conns int) row {
	return row{name: fmt.Sprintf("%d connections", conns), setup: setup{Target: t, Kind: k, Conns: conns, Webhooks: 1, Pace: pace{Seconds: o.seconds}}}
}

func (o options) single(t target, conns int) row {
	r := row{name: fmt.Sprintf("single, %d connections", conns)}
	r.setup = setup{Target: t, Kind: singleLoad, Conns: conns, Webhooks: 1, Concurrency: o.concurrency, Pace: pace{Seconds: o.seconds}}
	if t == hookswitchTarget {
		r.relay = []string{"relay, " + r.name, "relay-waits, " + r.name}
	}
	return r
}

func (o options) batched(webhooks int) row {
	r := row{name: fmt.Sprintf("batch of %d, %d connections", o.batch, o.batchConns), relay: o.single(hookswitchTarget, mostConns).relay}
	r.setup = setup{
		Target: hookswitchTarget, Kind: batchLoad, Conns: o.batchConns, Webhooks: 1, Concurrency: o.concurrency, Batch: o.batch, Pace: pace{Seconds: o.seconds},
	}
	return r.fan(webhooks, o.seconds)
}

func (o options) steady(t target) row {
	r := o.single(t, steadyConns)
	r.name, r.relay = fmt.Sprintf("%d/s", steadyRate), nil
	r.setup.Pace.Rate = steadyRate
	return r
}

// over gives a row so many nodes. Its limit stays one relay: the nodes share a machine.
func (r row) over(nodes int) row {
	if nodes > 1 {
		r.name += fmt.Sprintf(", %d nodes", nodes)
		r.setup.Nodes = nodes
	}
	return r
}

// fan gives a row more webhooks, each of which gets every event.
func (r row) fan(webhooks int, seconds float64) row {
	if webhooks == 1 {
		return r
	}
	r.name += fmt.Sprintf(", %d webhooks", webhooks)
	r.setup.Webhooks, r.setup.Concurrency = webhooks, fanOutConcurrency
	r.setup.Pace = pace{Events: int64(fanOutPerS * seconds / float64(webhooks))}
	if r.setup.Target == hookswitchTarget {
		r.relay = []string{fmt.Sprintf("relay, single, %d connections, %d webhooks", mostConns, webhooks)}
	}
	return r
}

// compare runs the rounds: every row once in each, so that a machine that is slow for a while is slow for all of them.
func (b *lab) compare(ctx context.Context, rep *reporter) error {
	conns := mostConns
	if b.options.only.MatchString(string(rawTarget) + ",") {
		var err error
		if conns, err = b.bestRawConns(ctx); err != nil {
			return err
		}
	}
	rows := b.options.rows(conns)
	results := map[string][]result{}
	for round := range b.options.rounds {
		for _, r := range rows {
			if !b.options.only.MatchString(r.String()) {
				continue
			}
			got, err := b.measure(ctx, r.setup)
			if err != nil {
				return fmt.Errorf("%s: %w", r, err)
			}
			got.Round = round
			fmt.Fprintf(os.Stderr, "round %d: %-55s %9.0f/s  p99 %v\n", round+1, r, got.PerS, got.Account.P99)
			if err := rep.keep(r.String(), got); err != nil {
				return err
			}
			results[r.String()] = append(results[r.String()], got)
		}
	}
	return rep.table(rows, results)
}

// bestRawConns tries raw at a few numbers of connections: the limit is the best that it can do.
func (b *lab) bestRawConns(ctx context.Context) (int, error) {
	best, most := 0, 0.0
	for _, conns := range []int{16, 64, mostConns} {
		s := setup{Target: rawTarget, Kind: rawLoad, Conns: conns, Webhooks: 1, Pace: pace{Seconds: min(1, b.options.seconds)}}
		got, err := b.measure(ctx, s)
		if err != nil {
			return 0, fmt.Errorf("raw at %d connections: %w", conns, err)
		}
		fmt.Fprintf(os.Stderr, "raw at %d connections: %.0f/s\n", conns, got.PerS)
		if got.PerS > most {
			best, most = conns, got.PerS
		}
	}
	return best, nil
}
