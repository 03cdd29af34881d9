package api

import (
	"fmt"
	"net/http"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// renewAfter is how old the verdict on a caller may be when the server acts on it: about what another node takes to hear of a change to a
// key.
const renewAfter = time.Second

// renew judges anew who makes the call, and whether that may. A call that has waited, for events or for its own body, was let in by what
// was true then: the key may have ended since, the token may have expired, or it may have lost the permission. What is not in memory opens
// nothing any more, so that neither the database is asked nor the limit of the address touched.
func (c *call) renew() error {
	var by hook.Caller
	var err error
	if token := c.server.tokenText(c.r.Header); token != "" {
		by, err = c.server.checks.token(c.r.Context(), token, nil)
	} else if by, err = c.server.store.CallerOf(proofOf(keyText(c.r.Header)), c.server.clock()); err != nil {
		return c.server.refused(err)
	}
	if err != nil {
		return fmt.Errorf("judge the token again: %w", err)
	}
	if by.Center != c.by.Center {
		return newProblem(http.StatusForbidden, "the key or token belongs to another contact centre than when the request began")
	}
	c.by = by
	return c.row.refuses(&by)
}

// renewLate is renew for a call that has taken its time.
func (c *call) renewLate() *Problem {
	if c.row == nil || c.row.access == open || c.server.clock().Sub(c.now) < renewAfter {
		return nil
	}
	if err := c.renew(); err != nil {
		return c.server.problem(err)
	}
	return nil
}

// mayGoOn reports whether who makes the call may still make it.
func (c *call) mayGoOn() bool { return c.renew() == nil }
