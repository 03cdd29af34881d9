package main

import (
	"context"
	"fmt"
	"os"
)

const (
	// fillChunk is how many events are accepted before those are waited for: what waits in the store stays small.
	fillChunk = 100_000
	// historyRounds is how often the full and the empty store are compared; each round is as long as a trial.
	historyRounds = 3
)

// A filling is what one chunk of the fill came to.
type filling struct {
	Deliveries int64   `json:"deliveries"` // in the store afterwards
	PerS       float64 `json:"deliveriesPerSecond"`
}

// history fills a store through the API, then measures it beside an empty one, in turns: the same machine in the same
// minute, so that a difference is the store's.
func (b *lab) history(ctx context.Context, rep *reporter) error {
	full, err := b.serve(ctx)
	if err != nil {
		return err
	}
	defer func() { b.discard(ctx, full) }()
	if err := b.webhooks(ctx, full, 1, b.options.concurrency); err != nil {
		return err
	}
	s := setup{Target: hookswitchTarget, Kind: singleLoad, Conns: mostConns, Webhooks: 1, Concurrency: b.options.concurrency, Pace: pace{Seconds: b.options.seconds}}
	first, err := b.measureOn(ctx, full, s)
	if err != nil {
		return fmt.Errorf("empty store: %w", err)
	}
	held, err := b.fill(ctx, full, rep)
	if err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	var empties, fulls []float64
	for round := range historyRounds {
		onEmpty, err := b.measure(ctx, s)
		if err != nil {
			return fmt.Errorf("empty store: %w", err)
		}
		onFull, err := b.measureOn(ctx, full, s)
		if err != nil {
			return fmt.Errorf("full store: %w", err)
		}
		held += onFull.Account.Acknowledged
		onEmpty.Round, onFull.Round = round, round
		if err := rep.keep("empty store", onEmpty); err != nil {
			return err
		}
		if err := rep.keep("full store", onFull); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "round %d: empty %.0f/s, full %.0f/s\n", round+1, onEmpty.PerS, onFull.PerS)
		empties, fulls = append(empties, onEmpty.PerS), append(fulls, onFull.PerS)
	}
	peak := memoryBytes(full.pid(), "VmHWM")
	full.stop() // a clean end writes everything into the database itself
	size, err := full.storeBytes()
	if err != nil {
		return err
	}
	held += first.Account.Acknowledged
	rep.say("| store | deliveries/s, single, %d connections |", mostConns)
	rep.say("|---|---|")
	rep.say("| the same store before it was filled | %.0f |", first.PerS)
	rep.say("| empty, in turns with the full one (median of %d) | %.0f |", historyRounds, median(empties))
	rep.say("| full | %.0f |", median(fulls))
	rep.say("| full / empty, median of the rounds | %.2f |", median(ratios(fulls, empties)))
	rep.say("\n%d deliveries in the store, %.0f MB, %.0f bytes for each delivery with its share of interaction, event and attempt; %.0f MB resident at most.",
		held, float64(size)/(1<<20), float64(size)/float64(max(1, held)), float64(peak)/(1<<20))
	return nil
}

// measureOn runs one trial on a server that is there already.
func (b *lab) measureOn(ctx context.Context, srv *server, s setup) (result, error) {
	if err := b.newTrial(ctx, s.Webhooks, ledgerSequencesMax); err != nil {
		return result{}, err
	}
	return b.load(ctx, s, srv.address, srv.key, srv.pid(), func() error { return srv.recorded(ctx, "") })
}

// fill brings deliveries into the store by batch calls, each really delivered and recorded.
func (b *lab) fill(ctx context.Context, srv *server, rep *reporter) (int64, error) {
	if err := b.newTrial(ctx, 1, ledgerSequencesMax); err != nil {
		return 0, err
	}
	if err := b.open(ctx, batchLoad, srv.address, srv.key, b.options.batchConns, b.options.batch); err != nil {
		return 0, err
	}
	var held int64
	for held < b.options.extras.history {
		if err := b.sink.call(ctx, "mark", struct{}{}, nil); err != nil {
			return held, err
		}
		sent, err := b.send(ctx, pace{Events: min(fillChunk, b.options.extras.history-held)}, 0, 1)
		if err != nil {
			return held, err
		}
		if sent.Acknowledged == 0 {
			return held, fmt.Errorf("%w: %s", errAPI, sent.FirstProblem)
		}
		var a account
		if err := b.sink.call(ctx, "check", uint32(0), &a); err != nil {
			return held, err
		}
		held += sent.Acknowledged
		perS := float64(sent.Acknowledged) * 1e9 / float64(a.LastNano-sent.FirstNano)
		if err := rep.keep("fill", filling{Deliveries: held, PerS: perS}); err != nil {
			return held, err
		}
		fmt.Fprintf(os.Stderr, "filled to %d: %.0f/s\n", held, perS)
	}
	return held, srv.recorded(ctx, "")
}
