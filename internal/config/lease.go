package config

import (
	"fmt"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The bounds of the lease.
const (
	// LeaseMin is the shortest lease: that of a webhook with the shortest request timeout.
	LeaseMin = time.Duration(hook.RequestTimeoutMin) + hook.LeaseMargin
	// LeaseMax bounds how long a dead process's deliveries wait.
	LeaseMax = 10 * time.Minute
)

// LeaseFor returns the shortest lease under which a webhook's deliveries can be sent; the rule is [hook.LeaseFor].
func LeaseFor(s *hook.Settings) time.Duration { return hook.LeaseFor(s) }

// RequestTimeoutMax returns the longest request timeout with which the lease holds a webhook's POST. What is less than the
// domain allows says that its other settings must change too.
func (c *Config) RequestTimeoutMax(s *hook.Settings) time.Duration {
	return c.Lease - (LeaseFor(s) - time.Duration(s.RequestTimeout))
}

// CheckLease says why the lease is too short for a webhook with these settings, and how to mend that, or returns nil.
func (c *Config) CheckLease(s *hook.Settings) error {
	need := LeaseFor(s)
	if need <= c.Lease {
		return nil
	}
	parts := fmt.Sprintf("%v for the POST, %v to claim and record", s.RequestTimeout, hook.Duration(hook.LeaseMargin))
	if s.Batch.Linger > 0 {
		parts += fmt.Sprintf(", %v for batch.linger", s.Batch.Linger)
	}
	if s.RateLimit > 0 {
		parts += fmt.Sprintf(", %v for a turn of rateLimit", hook.Duration(s.RateTurn()))
	}
	mend := "a shorter batch.linger or a higher rateLimit"
	if most := c.RequestTimeoutMax(s); most >= time.Duration(hook.RequestTimeoutMin) {
		mend = fmt.Sprintf("a requestTimeout of at most %v", hook.Duration(most))
	}
	return fmt.Errorf("needs a lease of at least %v (%s), but the server's lease is %v: give the webhook %s, or the server a longer lease",
		hook.Duration(need), parts, hook.Duration(c.Lease), mend)
}
