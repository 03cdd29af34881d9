package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// isolation measures a healthy webhook at a steady rate, alone and beside one whose receiver never answers, in turns.
func (b *lab) isolation(ctx context.Context, rep *reporter) error {
	s := setup{
		Target: hookswitchTarget, Kind: singleLoad, Conns: steadyConns, Webhooks: 1, Nodes: b.options.place.nodes,
		Concurrency: fanOutConcurrency, Pace: pace{Seconds: b.options.seconds, Rate: steadyRate},
	}
	names := []string{"alone", "beside a receiver that hangs"}
	results := map[string][]result{}
	for round := range b.options.rounds {
		for i, name := range names {
			got, err := b.besides(ctx, s, i == 1)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			got.Round = round
			fmt.Fprintf(os.Stderr, "round %d: %-30s p99 %v\n", round+1, name, got.Account.P99)
			if err := rep.keep(name, got); err != nil {
				return err
			}
			results[name] = append(results[name], got)
		}
	}
	rep.say("| healthy webhook, %d/s | p50 | p95 | p99 |", steadyRate)
	rep.say("|---|---|---|---|")
	for _, name := range names {
		got := results[name]
		rep.say("| %s | %s | %s | %s |", name, latency(got, func(g result) time.Duration { return g.Account.P50 }),
			latency(got, func(g result) time.Duration { return g.Account.P95 }), latency(got, func(g result) time.Duration { return g.Account.P99 }))
	}
	return nil
}

// besides runs one trial of a healthy webhook, with a hanging one beside it if asked for.
func (b *lab) besides(ctx context.Context, s setup, hanging bool) (result, error) {
	if err := b.newTrial(ctx, 1, ledgerSequencesMax); err != nil {
		return result{}, err
	}
	f, err := b.serve(ctx, s.Nodes)
	if err != nil {
		return result{}, err
	}
	defer b.remove(ctx, f)
	defer f.kill() // what hangs would hold up a clean end
	healthy, err := f.webhook(ctx, "http://"+b.sinkAt+sinkPath(0), s.Concurrency)
	if err != nil {
		return result{}, err
	}
	if hanging {
		if _, err := f.webhook(ctx, "http://"+b.sinkAt+hangPath, s.Concurrency); err != nil {
			return result{}, err
		}
	}
	at := f.subject()
	at.recorded = func(ctx context.Context) error { return f.recorded(ctx, healthy) }
	return b.load(ctx, s, at)
}
