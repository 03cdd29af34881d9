package token

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The times and the size of what is kept.
const (
	// margin is how long before its end a token is renewed at the latest: a post may take as long to arrive.
	margin = time.Minute
	// marginShare is the part of a short life that is the margin.
	marginShare = 4
	// lifeUnknown is how long a token is used that says nothing of its life.
	lifeUnknown = 5 * time.Minute
	// lifeMax bounds the life of any token, so that a server's mistake does not last.
	lifeMax = 24 * time.Hour
	// failureKept and failureKeptMax bound how long a failure is kept.
	failureKept    = 10 * time.Second
	failureKeptMax = time.Minute
	// youngAge is the age below which a receiver's 401 is not blamed on the token.
	youngAge = 10 * time.Second
	// keptMax is how many tokens are kept: at most 64 MiB, and a few MiB with tokens of the usual length.
	keptMax = 4_096
)

// key names what a token is for; it is a hash, so that the cache holds no secret in another form.
type key [sha256.Size]byte

func keyOf(o *hook.ClientCredentials) key {
	text, err := json.Marshal([]any{o.TokenURL, o.ClientID, o.ClientSecret.Reveal(), o.Scopes, o.Audience, o.InBody})
	if err != nil { // texts always encode
		panic(fmt.Sprintf("encode a key: %v", err))
	}
	return sha256.Sum256(text)
}

// entry is what is known of one key.
type entry struct {
	token string
	// madeAt, renewAt and expiresAt are the token's times.
	madeAt, renewAt, expiresAt time.Time
	// failed is the last failure, which counts until failedUntil.
	failed      *failure
	failedUntil time.Time
	// asking is closed when the request that is under way has ended; nil while there is none.
	asking chan struct{}
	// used is the cache's count when the entry was used last.
	used uint64
}

// valid reports whether the token can be used.
func (e *entry) valid(now time.Time) bool { return e.token != "" && now.Before(e.expiresAt) }

// failing reports whether the last failure counts for a post with such a timeout.
func (e *entry) failing(now time.Time, timeout time.Duration) bool {
	return e.failed != nil && now.Before(e.failedUntil) && (e.failed.within == 0 || timeout <= e.failed.within)
}

// cache keeps the tokens.
type cache struct {
	// mu guards all below, and every entry.
	mu      sync.Mutex
	entries map[key]*entry
	// uses counts how often an entry was asked for.
	uses uint64
}

// entry returns what is known of a key, and remembers that it was used. The caller holds mu.
func (c *cache) entry(k key) *entry {
	if c.entries == nil {
		c.entries = map[key]*entry{}
	}
	c.uses++
	e, ok := c.entries[k]
	if !ok {
		if len(c.entries) >= keptMax {
			c.makeRoom()
		}
		e = &entry{}
		c.entries[k] = e
	}
	e.used = c.uses
	return e
}

// makeRoom removes the entry that was used least recently, but none that somebody waits for. It looks at all, which takes less time than
// the request for the token that is to have the room. The caller holds mu.
func (c *cache) makeRoom() {
	var oldest key
	least := c.uses
	for k, e := range c.entries {
		if e.asking == nil && e.used < least {
			oldest, least = k, e.used
		}
	}
	delete(c.entries, oldest)
}

// take returns a token or a failure that is known; or what to wait for; or, if neither, that the caller has to ask, and then to call
// settle. spare reports whether a token is there in case that this fails.
func (c *cache) take(k key, now time.Time, timeout time.Duration) (token string, failed *failure, wait chan struct{}, spare bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entry(k)
	valid := e.valid(now)
	switch {
	case valid && (now.Before(e.renewAt) || e.asking != nil || e.failing(now, timeout)):
		return e.token, nil, nil, false
	case e.asking != nil:
		return "", nil, e.asking, false
	case e.failing(now, timeout):
		return "", e.failed, nil, false
	}
	e.asking = make(chan struct{})
	return "", nil, nil, valid
}

// settle ends what take has begun, and returns what the caller is to use. A failure that is the caller's own is not kept.
func (c *cache) settle(k key, now time.Time, g *grant, failed *failure) (string, *failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entry(k)
	close(e.asking)
	e.asking = nil
	if failed == nil {
		life := min(g.life, lifeMax)
		e.token, e.madeAt, e.expiresAt = g.token, g.asked, g.asked.Add(life)
		e.renewAt = e.expiresAt.Add(-min(margin, life/marginShare))
		e.failed = nil
		return g.token, nil
	}
	if !failed.own {
		e.failed, e.failedUntil = failed, now.Add(min(max(failed.retryAfter, failureKept), failureKeptMax))
	}
	if e.valid(now) {
		return e.token, nil
	}
	return "", failed
}

// reject drops a token that a receiver refused, and reports whether another one is worth a try: it is not, where the token is too young to
// be the reason.
func (c *cache) reject(k key, token string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entry(k)
	switch {
	case e.token != token:
		return e.valid(now) // somebody has got another one meanwhile
	case now.Sub(e.madeAt) < youngAge:
		return false
	}
	e.token = ""
	return true
}

// token returns a token for a post, or why there is none.
func (s *Sender) token(ctx context.Context, deadline time.Time, k key, p *hook.Post) (string, *failure) {
	for {
		token, failed, wait, spare := s.cache.take(k, time.Now(), p.Timeout)
		switch {
		case token != "" || failed != nil:
			return token, failed
		case wait != nil:
			if failed := waitFor(ctx, deadline, wait, p.Timeout); failed != nil {
				return "", failed
			}
			continue
		}
		g, failed := s.ask(ctx, deadline, p, spare)
		return s.cache.settle(k, time.Now(), g, failed)
	}
}

// waitFor waits for another post's request for a token, within this post's time.
func waitFor(ctx context.Context, deadline time.Time, asking <-chan struct{}, timeout time.Duration) *failure {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-asking:
		return nil
	case <-timer.C:
		return late(timeout)
	case <-ctx.Done():
		f := failureOf(hook.FailureToken, "cancelled before there was a token")
		f.own = true
		return f
	}
}
