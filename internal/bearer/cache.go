package bearer

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// cachedFor is how long the verdict on a good token is kept.
	cachedFor = time.Minute
	// cachedMax bounds how many are.
	cachedMax = 10_000
)

// cache keeps the verdicts on good tokens by their hashes. Only who has a good token can put something into it.
type cache struct {
	mu      sync.RWMutex // guards verdicts
	verdict map[[sha256.Size]byte]verdict
}

type verdict struct {
	caller hook.Caller
	until  time.Time
}

func newCache() *cache { return &cache{verdict: map[[sha256.Size]byte]verdict{}} }

func (c *cache) get(sum [sha256.Size]byte, now time.Time) (hook.Caller, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.verdict[sum]
	return v.caller, ok && now.Before(v.until)
}

// put keeps a verdict until the expiry, or for a while. A cache that is full drops what has ended or, where nothing has, everything:
// each of those costs one more verification.
func (c *cache) put(sum [sha256.Size]byte, caller hook.Caller, expiry, now time.Time) {
	until := now.Add(cachedFor)
	if expiry.Before(until) {
		until = expiry
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.verdict) >= cachedMax {
		for sum, v := range c.verdict {
			if !now.Before(v.until) {
				delete(c.verdict, sum)
			}
		}
		if len(c.verdict) >= cachedMax {
			clear(c.verdict)
		}
	}
	c.verdict[sum] = verdict{caller, until}
}
