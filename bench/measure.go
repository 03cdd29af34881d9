package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// measure runs one trial of a setup.
func (b *lab) measure(ctx context.Context, s setup) (result, error) {
	if err := b.newTrial(ctx, s.Webhooks, ledgerSequencesMax/max(1, s.Webhooks)); err != nil {
		return result{}, err
	}
	switch s.Target {
	case hookswitchTarget:
	case rawTarget, leanRawTarget:
		return b.load(ctx, s, b.sinkAt, "", b.generator.pid(), nil)
	case relayTarget, relayWaitsTarget:
		args := relayArgs{Sink: b.sinkAt, Webhooks: s.Webhooks, Concurrency: min(s.Concurrency*s.Webhooks, relayWorkersMax), Waits: s.Target == relayWaitsTarget}
		if err := b.relay.call(ctx, "open", args, nil); err != nil {
			return result{}, err
		}
		return b.load(ctx, s, b.relayAt, "", b.relay.pid(), nil)
	}
	srv, err := b.serve(ctx)
	if err != nil {
		return result{}, err
	}
	defer b.discard(ctx, srv)
	if err := b.webhooks(ctx, srv, s.Webhooks, s.Concurrency); err != nil {
		return result{}, err
	}
	return b.load(ctx, s, srv.address, srv.key, srv.pid(), func() error { return srv.recorded(ctx, "") })
}

// relayWorkersMax bounds the relay's POSTs in flight over all webhooks.
const relayWorkersMax = 1024

// serve starts a hookswitch on an empty store.
func (b *lab) serve(ctx context.Context) (*server, error) {
	dir, err := os.MkdirTemp(b.dir, "store-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	srv, err := newServer(ctx, b.binary, dir, b.options.serveArguments)
	if err != nil {
		return nil, err
	}
	if err := srv.start(ctx); err != nil {
		if srv.cmd != nil && srv.cmd.Process != nil {
			srv.kill()
		}
		return nil, err
	}
	return srv, nil
}

// discard stops a hookswitch, without ceremony when the run was broken off, and removes its store.
func (b *lab) discard(ctx context.Context, srv *server) {
	if ctx.Err() != nil {
		srv.kill()
	} else {
		srv.stop()
	}
	b.remove(srv)
}

func (b *lab) remove(srv *server) {
	if err := os.RemoveAll(srv.dir); err != nil {
		fmt.Fprintf(os.Stderr, "remove store: %v\n", err)
	}
}

// webhooks makes so many webhooks, one for each of the sink's paths.
func (b *lab) webhooks(ctx context.Context, srv *server, n, concurrency int) error {
	for w := range n {
		if _, err := srv.webhook(ctx, "http://"+b.sinkAt+sinkPath(w), concurrency); err != nil {
			return err
		}
	}
	return nil
}

// load warms the target up, loads it, waits until all is delivered and recorded, and adds everything up.
func (b *lab) load(ctx context.Context, s setup, address, key string, pid int, recorded func() error) (result, error) {
	r := result{Setup: s}
	if err := b.open(ctx, s.Kind, address, key, s.Conns, s.Batch); err != nil {
		return r, err
	}
	r.Memory.IdleBytes = memoryBytes(pid, "VmRSS")
	if _, err := b.send(ctx, s.Pace.warmUp(), 0, s.Webhooks); err != nil {
		return r, fmt.Errorf("warm up: %w", err)
	}
	if err := b.sink.call(ctx, "mark", struct{}{}, nil); err != nil {
		return r, err
	}
	before, most := b.cpu(pid), watch(pid)
	sent, err := b.send(ctx, s.Pace, 0, s.Webhooks)
	r.Memory.LoadBytes = most()
	if err != nil {
		return r, err
	}
	if recorded != nil {
		if err := recorded(); err != nil {
			return r, err
		}
	}
	now := time.Now()
	r.Sent, r.CPU = sent, b.cpu(pid).minus(before)
	r.Memory.PeakBytes = memoryBytes(pid, "VmHWM")
	if err := b.sink.call(ctx, "check", sent.Sequences, &r.Account); err != nil {
		return r, err
	}
	r.RecordedAfter = now.Sub(time.Unix(0, r.Account.LastNano))
	r.PerS = float64(r.Account.Arrived) / (float64(r.Account.LastNano-sent.FirstNano) / float64(time.Second))
	if r.Account.Missing > 0 || r.Account.BadSignatures > 0 {
		return r, fmt.Errorf("%w: %d missing, %d bad signatures", errIncomplete, r.Account.Missing, r.Account.BadSignatures)
	}
	return r, b.generator.call(ctx, "close", struct{}{}, nil)
}

// warmUp is the pace of the warm-up before a trial.
func (p pace) warmUp() pace {
	if p.Events > 0 {
		return pace{Events: (p.Events + warmUpPart - 1) / warmUpPart}
	}
	return pace{Seconds: warmUpSeconds, Rate: p.Rate}
}
