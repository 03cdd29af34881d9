package config

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	// Key is the key, or empty where the problem is the file as a whole.
	Key string
	// Origin is the place that the value came from, for example "flag --lease".
	Origin string
	// Message says what is wrong and what would be right.
	Message string
	// Excerpt is the part of the file around the problem, or empty.
	Excerpt string
}

// Error is a configuration that cannot be used. It names everything that is wrong with it.
type Error struct {
	// Problems are in the order of the default file; those of the file as a whole come first.
	Problems []Problem
}

// Error returns one line per problem, and the excerpts of the file.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("the configuration cannot be used:")
	for _, p := range e.Problems {
		b.WriteString("\n  ")
		if p.Key != "" {
			b.WriteString(p.Key + " ")
		}
		fmt.Fprintf(&b, "%s (from %s)", p.Message, p.Origin)
		for line := range strings.Lines(p.Excerpt) {
			b.WriteString("\n    " + strings.TrimRight(line, "\n"))
		}
	}
	return b.String()
}

// Refuse returns the [Error] that the value in force of a key cannot be used, for a reason that only the rest of the program
// can know.
func (c *Config) Refuse(key, reason string) *Error {
	p := Problem{Key: key, Message: reason}
	for _, s := range c.settings {
		if s.Name == key {
			p.Message, p.Origin = fmt.Sprintf("%q %s", s.Value, reason), s.Origin
		}
	}
	return &Error{Problems: []Problem{p}}
}
