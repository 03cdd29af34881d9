package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	// warmUpSeconds is sent before what counts: connections, caches and the garbage collector's pace are then as they stay.
	warmUpSeconds = 0.5
	// warmUpPart is the part of the events that are sent before what counts, where their number is fixed.
	warmUpPart = 8
	// standstillMax is how long nothing may arrive before a trial is given up.
	standstillMax = 30 * time.Second
	// memoryEvery is how often resident memory is looked at under load.
	memoryEvery = 50 * time.Millisecond
)

var errIncomplete = errors.New("acknowledged events did not arrive")

// A target is what a trial measures.
type target string

const (
	rawTarget        target = "raw"
	leanRawTarget    target = "raw-lean"
	relayTarget      target = "relay"
	relayWaitsTarget target = "relay-waits"
	hookswitchTarget target = "hookswitch"
)

// A setup is what one trial does; trials with the same setup are rounds of one row.
type setup struct {
	Target      target   `json:"target"`
	Kind        loadKind `json:"kind"`
	Conns       int      `json:"conns"`
	Webhooks    int      `json:"webhooks"`
	Nodes       int      `json:"nodes,omitempty"`
	Concurrency int      `json:"concurrency"` // of each webhook
	Batch       int      `json:"batch"`
	Pace        pace     `json:"pace"`
}

// A result is what came of a trial.
type result struct {
	Setup   setup   `json:"setup"`
	Round   int     `json:"round"`
	PerS    float64 `json:"deliveriesPerSecond"` // from the first request to the last arrival
	Sent    sending `json:"sent"`
	Account account `json:"account"`
	// RecordedAfter is how long after the last arrival the last outcome was recorded, as far as polling tells.
	RecordedAfter time.Duration `json:"recordedAfterNano"`
	CPU           usage         `json:"cpu"`
	Memory        memory        `json:"memory"`
	Expense       *expense      `json:"postgres,omitempty"`
}

// An expense is what each delivery cost PostgreSQL, beside CPU time.
type expense struct {
	WALBytes  float64 `json:"walBytesPerDelivery"`
	DiskBytes float64 `json:"diskBytesPerDelivery"` // by which the database grew, from before the warm-up
}

// usage is the CPU time of each process over a trial, until the last outcome was recorded.
type usage struct {
	Target    time.Duration `json:"targetNano"`
	Sink      time.Duration `json:"sinkNano"`
	Generator time.Duration `json:"generatorNano"`
	Postgres  time.Duration `json:"postgresNano,omitempty"`
}

func (u usage) minus(v usage) usage {
	return usage{Target: u.Target - v.Target, Sink: u.Sink - v.Sink, Generator: u.Generator - v.Generator, Postgres: u.Postgres - v.Postgres}
}

// memory is what of the target was resident.
type memory struct {
	IdleBytes int64 `json:"idleBytes"`
	LoadBytes int64 `json:"loadBytes"` // the most that was seen under load
	PeakBytes int64 `json:"peakBytes"` // the kernel's own high-water mark
}

// A lab holds what trials share: the other roles, and the settings of the whole run.
type lab struct {
	options   options
	ledger    *ledger
	sink      *child
	relay     *child
	generator *child
	sinkAt    string
	relayAt   string
	postgres  *postgres // nil: the store is SQLite
	binary    string
	dir       string
	trials    uint16
	used      int // sequences of the ledger that the trial before used
}

func newLab(ctx context.Context, o options, dir string) (*lab, error) {
	shared, err := newLedgerFile()
	if err != nil {
		return nil, err
	}
	defer done(shared) // mapped here and inherited by the children
	b := &lab{options: o, dir: dir}
	if b.ledger, err = openLedger(shared); err != nil {
		return nil, err
	}
	for role, at := range map[string]**child{sinkRole: &b.sink, relayRole: &b.relay, generatorRole: &b.generator} {
		if *at, err = startChild(role, shared); err != nil {
			b.close()
			return nil, err
		}
	}
	if err = errors.Join(b.sink.call(ctx, "address", struct{}{}, &b.sinkAt), b.relay.call(ctx, "address", struct{}{}, &b.relayAt)); err != nil {
		b.close()
		return nil, err
	}
	if b.binary = o.server; b.binary == "" {
		if b.binary, err = buildServer(ctx, dir); err != nil {
			b.close()
			return nil, err
		}
	}
	if o.place.store == postgresStore {
		if b.postgres, err = openPostgres(ctx, o.place.database); err != nil {
			b.close()
			return nil, err
		}
	}
	return b, nil
}

func (b *lab) close() {
	for _, c := range []*child{b.generator, b.relay, b.sink} {
		if c != nil {
			c.end()
		}
	}
	if b.postgres == nil {
		return
	}
	if err := b.postgres.close(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n", err)
	}
}

// newTrial forgets the trial before, at the sink and in the ledger.
func (b *lab) newTrial(ctx context.Context, webhooks, sequences int) error {
	b.trials++
	b.ledger.clear(b.used)
	b.used = 0
	return b.sink.call(ctx, "reset", resetArgs{Trial: b.trials, Webhooks: webhooks, Sequences: min(sequences, ledgerSequencesMax)}, nil)
}

// open opens a load for the current trial.
func (b *lab) open(ctx context.Context, kind loadKind, at subject, conns, batch int) error {
	return b.generator.call(ctx, "open", load{
		Kind: kind, Addresses: at.addresses, Key: at.key, Trial: b.trials, Order: b.options.order, Conns: conns,
		Share: b.options.share, Lag: b.options.lag, Batch: batch,
	}, nil)
}

// send sends at one pace and waits until everything acknowledged has arrived at all webhooks. Nothing may have arrived between
// the sink's mark, or the trial's beginning, and this.
func (b *lab) send(ctx context.Context, p pace, webhooks int) (sending, error) {
	var sent sending
	if err := b.generator.call(ctx, "send", p, &sent); err != nil {
		return sent, err
	}
	b.used = max(b.used, int(sent.Sequences))
	if sent.FirstProblem != "" {
		fmt.Fprintf(os.Stderr, "  %d refused, %d broken: %s\n", sent.Refused, sent.Broken, sent.FirstProblem)
	}
	return sent, b.arrived(ctx, sent.Acknowledged*int64(webhooks))
}

// arrived waits until the sink has so many events.
func (b *lab) arrived(ctx context.Context, wanted int64) error {
	last, at := int64(-1), time.Now()
	for {
		var unique int64
		if err := b.sink.call(ctx, "unique", struct{}{}, &unique); err != nil {
			return err
		}
		switch {
		case unique >= wanted:
			return nil
		case unique > last:
			last, at = unique, time.Now()
		case time.Since(at) > standstillMax:
			return fmt.Errorf("%w: %d of %d", errIncomplete, unique, wanted)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for arrivals: %w", context.Cause(ctx))
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// cpu is what the processes of a trial have used; PostgreSQL's share is on its bill.
func (b *lab) cpu(pids []int) usage {
	return usage{Target: cpuTime(pids...), Sink: cpuTime(b.sink.pid()), Generator: cpuTime(b.generator.pid())}
}

// watch looks at the memory of processes until it is told to stop, and then says what it saw most.
func watch(pids []int) func() int64 {
	done, most := make(chan struct{}), make(chan int64)
	go func() {
		var seen int64
		tick := time.NewTicker(memoryEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				most <- seen
				return
			case <-tick.C:
				seen = max(seen, memoryOf(pids, "VmRSS"))
			}
		}
	}()
	return func() int64 { close(done); return <-most }
}
