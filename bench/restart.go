package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

const (
	restartConns = 64
	// restartLoad is how long the load runs before the receiver stands still.
	restartLoad = time.Second
	// restartStall is how long the receiver stands still before the kill: so there is work that is accepted and not delivered.
	restartStall = 300 * time.Millisecond
	// restartSettle lets the sink notice that the dead process's connections are gone, so that it does not take what they carried.
	restartSettle = 200 * time.Millisecond
	// restartPatience is how long old work may take where leases must end first: longer than the default lease.
	restartPatience = 2 * time.Minute
)

// A recovery is what one kill came to.
type recovery struct {
	Waiting    int64         `json:"waiting"` // events acknowledged and not delivered at the kill
	Ready      time.Duration `json:"readyNano"`
	First      time.Duration `json:"firstNano"` // from the restart to the first arrival of old work
	All        time.Duration `json:"allNano"`   // to the last
	Missing    int64         `json:"missing"`
	Duplicates int64         `json:"duplicates"`
	OutOfOrder int64         `json:"outOfOrder"`
}

// restart kills all nodes under load and measures how soon delivery goes on.
func (b *lab) restart(ctx context.Context, rep *reporter) error {
	var all []recovery
	for range max(b.options.rounds, 3) {
		r, err := b.killOnce(ctx)
		if err != nil {
			return fmt.Errorf("restart: %w", err)
		}
		if err := rep.keep("restart", r); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "restart: %+v\n", r)
		all = append(all, r)
	}
	rep.say("| after kill -9 under load | waiting | ready | first old delivery | all old deliveries | missing | duplicates | out of order |")
	rep.say("|---|---|---|---|---|---|---|---|")
	for i, r := range all {
		rep.say("| %d | %d | %s | %s | %s | %d | %d | %d |", i+1, r.Waiting, milliseconds(r.Ready), milliseconds(r.First), milliseconds(r.All), r.Missing, r.Duplicates, r.OutOfOrder)
	}
	return nil
}

func (b *lab) killOnce(ctx context.Context) (recovery, error) {
	var r recovery
	if err := b.newTrial(ctx, 1, ledgerSequencesMax); err != nil {
		return r, err
	}
	f, err := b.serve(ctx, b.options.place.nodes)
	if err != nil {
		return r, err
	}
	defer func() { b.discard(ctx, f) }()
	if err := b.webhooks(ctx, f, 1, b.options.concurrency); err != nil {
		return r, err
	}
	if err := b.open(ctx, singleLoad, f.subject(), restartConns, 0); err != nil {
		return r, err
	}
	sent, err := b.crash(ctx, f)
	if err != nil {
		return r, err
	}
	var before account
	if err := b.sink.call(ctx, "check", sent.Sequences, &before); err != nil {
		return r, err
	}
	r.Waiting = before.Missing
	if err := b.sink.call(ctx, "mark", struct{}{}, nil); err != nil {
		return r, err
	}
	begin := time.Now()
	if err := f.start(ctx); err != nil {
		return r, err
	}
	r.Ready = time.Since(begin)
	after, patience := before, standstillMax
	if f.database != nil {
		patience = restartPatience // PostgreSQL may have other nodes: what the dead ones held waits for the end of their leases
	}
	for after.Missing > 0 {
		if err := ctx.Err(); err != nil {
			return r, fmt.Errorf("wait for old work: %w", err)
		}
		if time.Since(begin) > patience {
			return r, fmt.Errorf("%w: %d of %d", errIncomplete, after.Missing, before.Missing)
		}
		time.Sleep(10 * time.Millisecond)
		if err := b.sink.call(ctx, "check", sent.Sequences, &after); err != nil {
			return r, err
		}
	}
	r.First, r.All = time.Unix(0, after.FirstNano).Sub(begin), time.Unix(0, after.LastNano).Sub(begin)
	r.Missing, r.Duplicates, r.OutOfOrder = after.Missing, after.Duplicates, after.OutOfOrder
	return r, f.recorded(ctx, "")
}

// crash loads the nodes, shuts the receiver, kills all of them at once, and opens the receiver again.
func (b *lab) crash(ctx context.Context, f *fleet) (sending, error) {
	type outcome struct {
		sent sending
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		o.err = b.generator.call(ctx, "send", pace{Seconds: 60}, &o.sent) // it ends when its connections break
		done <- o
	}()
	time.Sleep(restartLoad)
	err := b.sink.call(ctx, "gate", false, nil)
	if err == nil {
		time.Sleep(restartStall)
	}
	f.kill()
	o := <-done
	b.used = max(b.used, int(o.sent.Sequences))
	if o.err != nil {
		return o.sent, o.err
	}
	if err != nil {
		return o.sent, err
	}
	time.Sleep(restartSettle)
	return o.sent, b.sink.call(ctx, "gate", true, nil)
}
