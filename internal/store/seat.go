package store

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// seatLease is how long a slot is a node's after it was renewed, and seatRenewEvery how often it is renewed.
	seatLease      = 10 * time.Minute
	seatRenewEvery = 20 * time.Second
	// seatTriesMax is how often a slot is asked for when other nodes are quicker.
	seatTriesMax = 32
	// clockSkewMax is by how much a node's clock may differ from the database's before it is warned of.
	clockSkewMax = 2 * time.Second
)

// The times of slots are the database's, so that nodes need not agree on one for them.
const (
	databaseNow           = `(extract(epoch FROM clock_timestamp()) * 1000)::BIGINT`
	takeSlot    statement = `INSERT INTO nodes (slot, token, started_at, until, name)
		SELECT s, $2, ` + databaseNow + `, ` + databaseNow + ` + $3, $4 FROM generate_series(0, $1 - 1) s
		WHERE NOT EXISTS (SELECT 1 FROM nodes n WHERE n.slot = s AND n.until > ` + databaseNow + `) ORDER BY s LIMIT 1
		ON CONFLICT (slot) DO UPDATE SET token = excluded.token, started_at = excluded.started_at, until = excluded.until, name = excluded.name
		WHERE nodes.until <= ` + databaseNow + ` RETURNING slot`
	renewSlot statement = `UPDATE nodes SET until = ` + databaseNow + ` + $3 WHERE slot = $1 AND token = $2 RETURNING until - $3`
	leaveSlot statement = `UPDATE nodes SET until = 0 WHERE slot = $1 AND token = $2`
)

// seat is a node's slot among those that use one database.
type seat struct {
	engine *postgresEngine
	log    *slog.Logger
	skew   prometheus.Gauge
	name   string
	token  int64
	held   atomic.Int32

	// renewed is when the slot was last renewed, by this machine's clock alone.
	renewed atomic.Pointer[time.Time]

	mu     sync.Mutex // held while the slot is taken or renewed; guards warned
	warned bool
}

// takeSeat takes a free slot. It says what stands in the way when there is none.
func takeSeat(e *postgresEngine, log *slog.Logger, skew prometheus.Gauge) (*seat, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	random := random10()
	s := &seat{engine: e, log: log, skew: skew, name: fmt.Sprintf("%s:%d", host, os.Getpid())}
	for _, b := range random[:7] {
		s.token = s.token<<8 | int64(b)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.take(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *seat) slot() hook.Slot { return hook.Slot(s.held.Load()) }

// take takes a slot. The caller holds the lock.
func (s *seat) take() error {
	for range seatTriesMax {
		began, taken := time.Now(), false
		err := s.engine.work(reading, func(b *postgresBatch) error {
			b.query(takeSlot, func(r row) error {
				var slot int64
				err := r(&slot)
				s.held.Store(int32(slot))
				taken = true
				return err
			}, int64(hook.SlotsMax), s.token, seatLease.Milliseconds(), s.name)
			return nil
		})
		if err != nil {
			return fmt.Errorf("take a slot: %w", err)
		}
		if taken {
			s.renewed.Store(&began)
			return nil
		}
	}
	return fmt.Errorf("%w: all %d slots for nodes of this database are taken; those of dead ones are free %v after they died", hook.ErrUnavailable, hook.SlotsMax, seatLease)
}

// hold makes sure that the slot is this node's for long enough to commit a transaction: a node that was frozen or cut off for
// so long that another one may have its slot takes a new one first.
func (s *seat) hold() error {
	const enough = seatLease - 2*postgresTransactMax
	if time.Since(*s.renewed.Load()) < enough { // without the lock: a renewal that the database does not answer holds up nobody
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(*s.renewed.Load()) < enough {
		return nil
	}
	return s.renew()
}

// keep renews the slot when it is time.
func (s *seat) keep() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(*s.renewed.Load()) < seatRenewEvery {
		return nil
	}
	return s.renew()
}

// renew renews the slot, or takes another one if it is lost. The caller holds the lock.
func (s *seat) renew() error {
	began, kept := time.Now(), false
	var now int64
	err := s.engine.work(reading, func(b *postgresBatch) error {
		b.query(renewSlot, func(r row) error {
			kept = true
			return r(&now)
		}, int64(s.held.Load()), s.token, seatLease.Milliseconds())
		return nil
	})
	switch {
	case err != nil:
		return fmt.Errorf("renew the slot: %w", err)
	case !kept:
		return s.take()
	}
	s.renewed.Store(&began)
	s.compareClocks(began, time.UnixMilli(now), time.Now())
	return nil
}

// compareClocks warns when this machine's clock and the database's differ by so much that a delivery's lease may seem to end
// too early: it would be sent twice. The caller holds the lock.
func (s *seat) compareClocks(before, database, after time.Time) {
	skew := max(before.Sub(database), database.Sub(after))
	s.skew.Set(max(skew, 0).Seconds())
	if skew > clockSkewMax && !s.warned {
		s.log.Warn("this machine's clock differs from the database's; set it, or deliveries may be sent twice", "by", skew)
	}
	s.warned = skew > clockSkewMax
}

// leave gives the slot back.
func (s *seat) leave() error {
	return s.engine.work(reading, func(b *postgresBatch) error {
		b.query(leaveSlot, nil, int64(s.held.Load()), s.token)
		return nil
	})
}
