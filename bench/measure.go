package main

import (
	"context"
	"fmt"
	"time"
)

// A subject is what a trial loads.
type subject struct {
	addresses []string
	key       string
	pids      []int
	recorded  func(context.Context) error         // waits until the last outcome is; nil where none is
	bill      func(context.Context) (bill, error) // what PostgreSQL has used; nil where there is none
}

// measure runs one trial of a setup.
func (b *lab) measure(ctx context.Context, s setup) (result, error) {
	if err := b.newTrial(ctx, s.Webhooks, ledgerSequencesMax/max(1, s.Webhooks)); err != nil {
		return result{}, err
	}
	switch s.Target {
	case hookswitchTarget:
	case rawTarget, leanRawTarget:
		return b.load(ctx, s, subject{addresses: []string{b.sinkAt}, pids: []int{b.generator.pid()}})
	case relayTarget, relayWaitsTarget:
		args := relayArgs{Sink: b.sinkAt, Webhooks: s.Webhooks, Concurrency: min(s.Concurrency*s.Webhooks, relayWorkersMax), Waits: s.Target == relayWaitsTarget}
		if err := b.relay.call(ctx, "open", args, nil); err != nil {
			return result{}, err
		}
		return b.load(ctx, s, subject{addresses: []string{b.relayAt}, pids: []int{b.relay.pid()}})
	}
	f, err := b.serve(ctx, s.Nodes)
	if err != nil {
		return result{}, err
	}
	defer b.discard(ctx, f)
	if err := b.webhooks(ctx, f, s.Webhooks, s.Concurrency); err != nil {
		return result{}, err
	}
	return b.load(ctx, s, f.subject())
}

// relayWorkersMax bounds the relay's POSTs in flight over all webhooks.
const relayWorkersMax = 1024

// webhooks makes so many webhooks, one for each of the sink's paths.
func (b *lab) webhooks(ctx context.Context, f *fleet, n, concurrency int) error {
	for w := range n {
		if _, err := f.webhook(ctx, "http://"+b.sinkAt+sinkPath(w), concurrency); err != nil {
			return err
		}
	}
	return nil
}

// load warms the target up, loads it, waits until all is delivered and recorded, and adds everything up.
func (b *lab) load(ctx context.Context, s setup, at subject) (result, error) {
	r := result{Setup: s}
	if err := b.open(ctx, s.Kind, at, s.Conns, s.Batch); err != nil {
		return r, err
	}
	r.Memory.IdleBytes = memoryOf(at.pids, "VmRSS")
	empty, err := at.read(ctx)
	if err != nil {
		return r, err
	}
	if _, err := b.send(ctx, s.Pace.warmUp(), s.Webhooks); err != nil {
		return r, fmt.Errorf("warm up: %w", err)
	}
	if err := b.sink.call(ctx, "mark", struct{}{}, nil); err != nil {
		return r, err
	}
	warm, err := at.read(ctx)
	if err != nil {
		return r, err
	}
	before, most := b.cpu(at.pids), watch(at.pids)
	sent, err := b.send(ctx, s.Pace, s.Webhooks)
	r.Memory.LoadBytes = most()
	if err != nil {
		return r, err
	}
	if at.recorded != nil {
		if err := at.recorded(ctx); err != nil {
			return r, err
		}
	}
	now := time.Now()
	r.Sent, r.CPU = sent, b.cpu(at.pids).minus(before)
	r.Memory.PeakBytes = memoryOf(at.pids, "VmHWM")
	end, err := at.read(ctx)
	if err != nil {
		return r, err
	}
	if err := b.sink.call(ctx, "check", sent.Sequences, &r.Account); err != nil {
		return r, err
	}
	r.RecordedAfter = now.Sub(time.Unix(0, r.Account.LastNano))
	r.PerS = float64(r.Account.Arrived) / (float64(r.Account.LastNano-sent.FirstNano) / float64(time.Second))
	if at.bill != nil {
		r.CPU.Postgres, r.Expense = end.cpu-warm.cpu, &expense{
			WALBytes:  per(end.wal-warm.wal, r.Account.Arrived),
			DiskBytes: per(end.disk-empty.disk, r.Account.Acknowledged*int64(s.Webhooks)),
		}
	}
	if r.Account.Missing > 0 || r.Account.BadSignatures > 0 {
		return r, fmt.Errorf("%w: %d missing, %d bad signatures", errIncomplete, r.Account.Missing, r.Account.BadSignatures)
	}
	return r, b.generator.call(ctx, "close", struct{}{}, nil)
}

// read reads the meters of PostgreSQL where there are any.
func (s subject) read(ctx context.Context) (bill, error) {
	if s.bill == nil {
		return bill{}, nil
	}
	return s.bill(ctx)
}

// per divides bytes among deliveries.
func per(bytes, deliveries int64) float64 { return float64(bytes) / float64(max(1, deliveries)) }

// warmUp is the pace of the warm-up before a trial.
func (p pace) warmUp() pace {
	if p.Events > 0 {
		return pace{Events: (p.Events + warmUpPart - 1) / warmUpPart}
	}
	return pace{Seconds: warmUpSeconds, Rate: p.Rate}
}
