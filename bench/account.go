package main

import "time"

// resetArgs begins a trial at the sink.
type resetArgs struct {
	Trial     uint16 `json:"trial"`
	Webhooks  int    `json:"webhooks"`
	Sequences int    `json:"sequences"`
}

// An account is what the sink says about a trial: what arrived, compared with what was acknowledged.
type account struct {
	Arrived       int64         `json:"arrived"` // first arrivals since the mark
	FirstNano     int64         `json:"firstNano"`
	LastNano      int64         `json:"lastNano"`
	Acknowledged  int64         `json:"acknowledged"` // events, since the beginning
	Missing       int64         `json:"missing"`      // acknowledged events that have not arrived, times webhooks
	Duplicates    int64         `json:"duplicates"`
	Strangers     int64         `json:"strangers"`
	OutOfOrder    int64         `json:"outOfOrder"`
	Verified      int64         `json:"verified"`
	BadSignatures int64         `json:"badSignatures"`
	P50           time.Duration `json:"p50Nano"`
	P95           time.Duration `json:"p95Nano"`
	P99           time.Duration `json:"p99Nano"`
}

// mark ends the warm-up: what arrived is known, but rates and latencies begin here.
func (c *count) mark() {
	c.latency.clear()
	c.unique.Store(0)
	c.firstNano.Store(0)
	c.lastNano.Store(0)
}

// check goes through the first n interactions of the trial.
func (c *count) check(l *ledger, n uint32) account {
	p := c.latency.percentiles(0.50, 0.95, 0.99)
	a := account{
		Arrived: c.unique.Load(), FirstNano: c.firstNano.Load(), LastNano: c.lastNano.Load(), Duplicates: c.duplicates.Load(), Strangers: c.strangers.Load(),
		OutOfOrder: c.outOfOrder.Load(), Verified: c.verified.Load(), BadSignatures: c.badSignatures.Load(),
		P50: p[0], P95: p[1], P99: p[2],
	}
	for sequence := range n {
		for event := range eventCount {
			if _, acknowledged := l.read(event, sequence); !acknowledged {
				continue
			}
			a.Acknowledged++
			for w := range c.webhooks {
				if !c.has(w, event, sequence) {
					a.Missing++
				}
			}
		}
	}
	return a
}
