package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// noted is a batch that executes nothing and notes its calls.
type noted struct {
	place uint64
	calls []notedCall
}

type notedCall struct {
	place uint64
	text  statement
	key   string
}

func (n *noted) exec(s statement, _ func(int64), args ...any) { n.note(s, args) }

func (n *noted) query(s statement, _ func(row) error, args ...any) { n.note(s, args) }

func (n *noted) at(place uint64) { n.place = place }

func (n *noted) lock(hook.ContactCenterNumber, string) {}

func (n *noted) note(s statement, args []any) {
	n.calls = append(n.calls, notedCall{n.place, s, fmt.Sprint(args[1], " ", args[2])})
}

// LockOrder is in which order outcomes take the locks of their deliveries, each an event and a webhook, where all calls of one statement that can
// be merged are.
func (s *Store) LockOrder(outcomes []hook.Outcome) (keys []string) {
	b := new(noted)
	r := &record{outcomes: outcomes, notices: notices{store: s}}
	r.stage(0, b)
	slices.SortStableFunc(b.calls, func(x, y notedCall) int { return cmp.Compare(x.place, y.place) })
	take := func(c notedCall) {
		if !slices.Contains(keys, c.key) {
			keys = append(keys, c.key)
		}
	}
	for i, c := range b.calls {
		take(c)
		for _, later := range b.calls[i:] {
			if merges := !strings.HasPrefix(string(c.text), "UPDATE"); merges && later.text == c.text {
				take(later)
			}
		}
	}
	return keys
}
