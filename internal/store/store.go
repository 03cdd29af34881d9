package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// LeaseDefault is how long a claim on a delivery lasts. It is longer than the longest request timeout, so that a
	// delivery whose POST began in time is recorded in time.
	LeaseDefault = 90 * time.Second
	// LeaseMax bounds a lease.
	LeaseMax = 10 * time.Minute
	// catalogueCheckEvery is how often a process looks whether another one has changed webhooks: so old is what the delivery
	// engine knows of them at most. Changes of interactions look for themselves.
	catalogueCheckEvery = time.Second
	// maintainRest is how long is waited after that failed: a database that is away is not reported several times a second.
	maintainRest = 5 * time.Second
	// maintainEvery is how often the engine may tidy up beside the writer.
	maintainEvery = 250 * time.Millisecond
)

// Options are what a store needs.
type Options struct {
	// Database is a file's path, with or without "sqlite:" before it, or the URL of a PostgreSQL database: postgres://….
	Database string
	// PublicURL is the base of every selfUri, without a trailing slash.
	PublicURL string
	// Lease is how long a claim on a delivery lasts; zero means [LeaseDefault].
	Lease time.Duration
	// Retention is how long an interaction stays readable after it was stopped, where its contact centre says nothing else; zero
	// means for ever.
	Retention time.Duration
	// Accepted is told of each event once it is committed; it must not block. Nil means nobody is told.
	Accepted func(*hook.Event)
	// NoticeQuiet is how long after a notice nothing of its kind about the same webhook is sent; zero means
	// [hook.NoticeQuietDefault].
	NoticeQuiet time.Duration
	// Sealer encrypts what is secret. Where it is nil, FindSealer is asked for it once the database is open, with the numbers of the
	// keys that were used there: none is a store in which nothing is sealed yet.
	Sealer     Sealer
	FindSealer func(known []uint32) (Sealer, error)
	// Log gets what nobody asked for and somebody should know; nil means nothing is logged.
	Log *slog.Logger
	// Metrics gets the store's metrics; nil means they are kept nowhere. One registerer serves one store.
	Metrics prometheus.Registerer
	// Faults makes commits fail; it is for tests alone, and nil otherwise.
	Faults Faults
}

// Lanes takes fresh deliveries straight from memory, so that a delivery needs no read before its first POST.
type Lanes interface {
	// Room reports whether the webhook's lane would take a delivery now. It is a hint, asked before the commit: without
	// room the delivery is born due in the store.
	Room(w hook.WebhookNumber) bool
	// Take hands a committed, leased delivery over; false means that there is no room after all.
	Take(d *hook.Delivery) bool
	// Due tells that the store has deliveries to the webhook that are due now, and were made so by a replay. It must not block.
	Due(w hook.WebhookNumber)
}

// Store is one open database. It is safe for concurrent use.
type Store struct {
	options Options
	engine  engine
	// committer takes changes, and outcomes takes what is done with deliveries. The latter has groups of its own on an engine
	// that commits several at once: a group takes the locks of interactions first and then, in one order, those of deliveries.
	committer *committer
	outcomes  *committer
	catalogue catalogue
	lanes     Lanes
	probes    probes
	serials   serials
	audits    serials // those of the audit log are apart: no event's key depends on them
	arrivals  arrivals
	metrics   *metrics
	replays   replayRuns
	keys      keyState
	sealing   sealing
	// noticeLook is noticeLookEvery, but in tests.
	noticeLook time.Duration
}

// Open opens the database, brings its schema up to date, and frees the deliveries that a dead process had leased. The
// store does no work before [Store.Run].
func Open(ctx context.Context, o Options) (_ *Store, err error) {
	if o.Lease == 0 {
		o.Lease = LeaseDefault
	}
	if o.Lease < 0 || o.Lease > LeaseMax {
		return nil, fmt.Errorf("lease is %v; it must be from 1ms to %v", o.Lease, LeaseMax)
	}
	if o.Sealer == nil && o.FindSealer == nil {
		return nil, errors.New("there is no sealer for secrets")
	}
	if o.NoticeQuiet == 0 {
		o.NoticeQuiet = hook.NoticeQuietDefault
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	m := newMetrics()
	e, err := openEngine(ctx, o, m)
	if err != nil {
		return nil, err
	}
	if o.Faults != nil {
		e = &faultyEngine{engine: e, faults: o.Faults}
	}
	s := &Store{options: o, engine: e, metrics: m, noticeLook: noticeLookEvery}
	s.catalogue.uses = &s.keys.uses
	s.arrivals.wanted, s.catalogue.behind = make(chan struct{}, 1), make(chan struct{}, 1)
	s.replays.wake = make(chan struct{}, 1)
	s.startCommitters()
	if err := s.start(time.Now()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if o.Metrics != nil {
		m.register(o.Metrics, s)
	}
	return s, nil
}

// start reads what is kept in memory and takes over from the process before.
func (s *Store) start(now time.Time) error {
	if err := s.readLastSerial(); err != nil {
		return err
	}
	if err := s.readLastAudit(); err != nil {
		return err
	}
	if err := s.findSealer(now); err != nil {
		return err // and an empty database stays one, into which a store can be copied
	}
	if err := s.ensureDefaultCenter(now); err != nil {
		return fmt.Errorf("make the default contact centre: %w", err)
	}
	if !s.engine.traits().shared {
		if err := s.engine.transact([]task{s.takeOverProbes(now)}); err != nil {
			return fmt.Errorf("take over probes: %w", err)
		}
	}
	if err := s.catalogue.load(s.engine); err != nil {
		return fmt.Errorf("read webhooks: %w", err)
	}
	if s.engine.traits().shared {
		return nil // other processes are alive: what a dead one had leased is due when its leases end
	}
	if err := s.engine.transact([]task{s.takeOver(now)}); err != nil {
		return fmt.Errorf("take over leases: %w", err)
	}
	return nil
}

func (s *Store) startCommitters() {
	traits := s.engine.traits()
	s.committer = newCommitter(s.engine, traits.helpers, &s.metrics.groups)
	s.committer.refresh = s.refresh
	if traits.shared {
		s.committer.beside = true
		s.committer.guard = beside{steps{s.catalogue.check}}
	}
	s.outcomes = s.committer
	if traits.apart {
		s.outcomes = newCommitter(s.engine, traits.helpers, &s.metrics.groups)
		s.outcomes.refresh, s.outcomes.guard, s.outcomes.health = s.committer.refresh, s.committer.guard, s.committer.health
		s.outcomes.beside = s.committer.beside
	}
}

// openEngine opens the database that the options name.
func openEngine(ctx context.Context, o Options, m *metrics) (engine, error) {
	if IsPostgres(o.Database) {
		return openPostgres(ctx, o.Database, o.Lease, o.Log, m)
	}
	return openSQLite(ctx, strings.TrimPrefix(o.Database, "sqlite:"))
}

// IsPostgres reports whether the database is a PostgreSQL, which many processes may use at once.
func IsPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

// HandTo names who takes fresh deliveries. It is called once, before [Store.Run]; without it everything waits in the store.
func (s *Store) HandTo(l Lanes) { s.lanes = l }

// Run commits what the other methods queue until the context ends and the queue is empty. It is called once.
func (s *Store) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.committer.run(ctx) })
	if s.outcomes != s.committer {
		wg.Go(func() { s.outcomes.run(ctx) })
	}
	wg.Go(func() { s.maintain(ctx) })
	wg.Go(func() { s.supervise(ctx) })
	wg.Go(func() { s.followOthers(ctx) })
	wg.Go(func() { s.watchNotices(ctx) })
	wg.Go(func() { s.runReplays(ctx) })
	wg.Go(func() { s.keepRetention(ctx) })
	wg.Go(func() { s.keepKeyUses(ctx) })
	wg.Go(func() { s.keepSealed(ctx) })
	wg.Go(func() { s.keepActivity(ctx) })
	wg.Go(func() { s.keepBacklogs(ctx) })
	wg.Wait()
	last := func(t task) error { return s.engine.transact([]task{t}) } // nobody else writes any more
	s.writeKeyUses(last)
	s.writeActivity(time.Now(), last)
	return nil
}

// every calls f from time to time, with the time that it is, until the context ends.
func every(ctx context.Context, pause time.Duration, f func(now time.Time)) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			f(now)
		}
	}
}

func (s *Store) maintain(ctx context.Context) {
	tick := time.NewTicker(maintainEvery)
	defer tick.Stop()
	pruned, checked, resting := time.Now(), time.Now(), time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.catalogue.behind:
			if err := s.catalogue.loadCircuits(s.engine); err != nil {
				s.options.Log.Warn("reading circuits anew failed; it will be tried again", "error", err)
			}
		case now := <-tick.C:
			if now.Before(resting) {
				continue
			}
			if err := s.maintainOnce(now, &checked); err != nil {
				resting = now.Add(maintainRest)
				s.options.Log.Warn("maintaining the store failed; it will be tried again", "error", err)
			}
			if now.Sub(pruned) >= answersPruneEvery {
				pruned = now
				s.pruneAnswers(ctx, now)
			}
		}
	}
}

func (s *Store) maintainOnce(now time.Time, checked *time.Time) error {
	if err := s.engine.maintain(); err != nil {
		return err
	}
	if s.engine.traits().shared && now.Sub(*checked) >= catalogueCheckEvery {
		*checked = now
		if err := s.freshen(); err != nil {
			return fmt.Errorf("read webhooks anew: %w", err)
		}
	}
	return nil
}

// Close closes the database. [Store.Run] must have returned.
func (s *Store) Close() error { return s.engine.close() }

// serials makes keys that strictly grow.
type serials struct {
	mu   sync.Mutex // guards last
	last hook.Serial
}

// next makes a serial that comes after one of another node, whose clock may be ahead.
func (s *serials) next(now time.Time, slot hook.Slot, after hook.Serial) hook.Serial {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = hook.NextSerial(max(s.last, after), now, slot)
	return s.last
}

// nextSerial makes a serial of this process that comes after another one; zero is none.
func (s *Store) nextSerial(now time.Time, after hook.Serial) hook.Serial {
	return s.serials.next(now, s.engine.slot(), after)
}

// readLastSerial makes serials go on after those that the database holds, even if the clock was set back since.
func (s *Store) readLastSerial() error {
	const text = `SELECT coalesce((SELECT max(serial) FROM interactions WHERE center = c.number), 0),
		coalesce((SELECT max(serial) FROM events WHERE center = c.number), 0) FROM contact_centers c`
	return s.engine.read(text, func(r row) error {
		var interactions, events hook.Serial
		err := r(&interactions, &events)
		s.serials.last = max(s.serials.last, interactions, events)
		return err
	})
}

// random16 returns 16 random bytes, for an operation id.
func random16() (b [16]byte) {
	rand.Read(b[:]) // never fails: see crypto/rand
	return b
}

// random10 returns 10 random bytes, for a time-ordered id.
func random10() (b [10]byte) {
	rand.Read(b[:]) // never fails: see crypto/rand
	return b
}
