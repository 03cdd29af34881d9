package store

import (
	"errors"
	"time"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// Counting returns a function that does all the counting of one commit.
func Counting() func() {
	m := newMetrics()
	a := &acceptance{created: 2, emitted: []emission{{event: &hook.Event{Kind: interaction.EventStarted}}}}
	return func() {
		began := time.Now()
		m.accepted(a)
		m.groups.committed(1, time.Since(began), nil)
	}
}

// ReasonOf says why a failed commit counts as failed.
func ReasonOf(err error) string { return string(reasonOf(err)) }

// ErrLost is a connection that was lost before the commit.
var ErrLost error = &lostError{errors.New("connection reset")}
