package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// readyProbeBytes is half of what a probe of the disk writes: more than what is free by chance on a full one.
const readyProbeBytes = 64 << 10

// probes lets those who ask at the same time share one probe: while a database across a network is silent, a probe takes long.
type probes struct {
	mu      sync.Mutex // guards running
	running *probe
}

type probe struct {
	done chan struct{}
	err  error // written before done is closed
}

// Ready reports whether the store can commit: nil when no commit has failed since the last probe, or when a probe succeeds. The probe needs
// space, as a change does: on a full disk what is there already can still be written over. A probe that takes longer than the
// context is [hook.ErrUnavailable].
func (s *Store) Ready(ctx context.Context) error {
	if !s.engine.traits().shared {
		return s.probe(ctx)
	}
	p := s.probes.join(func() error { return s.probe(context.WithoutCancel(ctx)) })
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("%w: it does not answer: %w", hook.ErrUnavailable, context.Cause(ctx))
	}
}

// join returns the probe that runs, or starts one.
func (p *probes) join(run func() error) *probe {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		return p.running
	}
	started := &probe{done: make(chan struct{})}
	p.running = started
	go func() {
		defer close(started.done)
		started.err = run()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.running = nil
	}()
	return started
}

func (s *Store) probe(ctx context.Context) error {
	if !s.committer.health.doubt() {
		return s.engine.read(`SELECT 1`, func(r row) error { var one int; return r(&one) })
	}
	body := make([]byte, readyProbeBytes)
	rand.Read(body) // never fails: see crypto/rand; zeros would be compressed to nothing
	probe := []any{adminCenter, "", body, 0}
	err := s.committer.commit(ctx, steps{func(b batch) {
		b.exec(`INSERT INTO answers (center, key, fingerprint, status, body, at) VALUES ($1, $2, $3, $4, $3, $4)`, nil, probe...)
		b.exec(deleteAnswer, nil, probe[:2]...)
	}})
	if err == nil {
		s.committer.health.trust()
	}
	return err
}
