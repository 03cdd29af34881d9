package api

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/hookswitch/hookswitch/internal/hook"
)

func TestProblemTable(t *testing.T) {
	for name, c := range map[string]struct {
		err        error
		status     int
		retryAfter bool
	}{
		"invalid":     {&hook.InvalidError{Fields: []hook.FieldError{{Field: "body.x", Message: "m"}}}, 422, false},
		"conflict":    {&hook.ConflictError{Verb: "stop", State: "NEW"}, 409, false},
		"not found":   {hook.ErrNotFound, 404, false},
		"bad id":      {hook.ErrBadID, 422, false},
		"reused":      {hook.ErrReused, 422, false},
		"unavailable": {hook.ErrUnavailable, 503, true},
		"locked":      {fmt.Errorf("secrets: %w", hook.ErrLocked), 503, true},
		"gone":        {context.Canceled, 503, true},
		"too late":    {context.DeadlineExceeded, 503, true},
		"made":        {newProblem(418, "d").with("Retry-After", "1"), 418, true},
	} {
		t.Run(name, func(t *testing.T) {
			p, ok := problemOf(fmt.Errorf("wrapped: %w", c.err))
			if !ok || p.Status != c.status || (p.header.Get("Retry-After") != "") != c.retryAfter || p.Detail == "" {
				t.Errorf("%+v, %v", p, ok)
			}
		})
	}
	if p, ok := problemOf(errors.New("anything else")); ok {
		t.Errorf("%+v", p)
	}
}
