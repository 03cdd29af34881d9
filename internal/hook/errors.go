package hook

import (
	"errors"
	"fmt"
	"strings"
)

// The sentinels that the surfaces map to statuses and exit codes. Everything else is an internal failure.
var (
	// ErrNotFound means that the record does not exist in the contact centre that asked.
	ErrNotFound = errors.New("not found")
	// ErrBadID means that a text is not an identifier.
	ErrBadID = errors.New("bad identifier")
	// ErrUnavailable means that the store cannot commit now (a full disk, a lost connection); nothing was changed, and
	// the same request may succeed later.
	ErrUnavailable = errors.New("store not available")
	// ErrLocked means that what is stored is sealed under a master key that this process does not hold. Another process may hold it.
	ErrLocked = errors.New("sealed under a master key that this process does not hold")
	// ErrReused means that an idempotency key was used before with another request.
	ErrReused = errors.New("idempotency key was used with another request")
)

// ConflictError is a change that the record's state does not allow.
type ConflictError struct {
	// Verb is what was asked, for example "stop".
	Verb string
	// State is what the record is in, for example "NEW".
	State string
	// Detail says in a sentence why, and what would be possible.
	Detail string
}

// Error returns the verb, the state and the detail.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("cannot %s: the state is %s: %s", e.Verb, e.State, e.Detail)
}

// FieldError is one wrong field of an input.
type FieldError struct {
	// Field is the path of the field as the caller wrote it, for example "retry.timeout" or "userData.colour".
	Field string
	// Message says what is wrong and what would be right, without the value.
	Message string
	// Value is what was given, shortened; empty for a secret.
	Value string
}

// InvalidError is bad input: it names every wrong field at once, never only the first.
type InvalidError struct {
	// Fields are the wrong fields, in the order in which the input is documented.
	Fields []FieldError
}

// Error lists every wrong field with its message.
func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Field + ": " + f.Message
	}
	return "invalid: " + strings.Join(parts, "; ")
}

// checker collects the wrong fields of one input.
type checker struct{ fields []FieldError }

func (c *checker) fail(field, value, format string, args ...any) {
	c.fields = append(c.fields, FieldError{Field: field, Message: fmt.Sprintf(format, args...), Value: clip(value)})
}

// err returns nil or one error that names all that was wrong.
func (c *checker) err() error {
	if len(c.fields) == 0 {
		return nil
	}
	return &InvalidError{Fields: c.fields}
}

// queue checks the name of a queue: one of white space alone is none.
func (c *checker) queue(field, value string, minBytes int) {
	if value != "" && strings.TrimSpace(value) == "" {
		c.fail(field, value, "must not be empty")
		return
	}
	c.text(field, value, minBytes, QueueBytesMax)
}

// text checks a single-line text against its size in bytes.
func (c *checker) text(field, value string, minBytes, maxBytes int) {
	switch {
	case len(value) < minBytes:
		c.fail(field, value, "must not be empty")
	case len(value) > maxBytes:
		c.fail(field, value, "is %d bytes long; at most %d are allowed", len(value), maxBytes)
	default:
		if problem := textProblem(value); problem != "" {
			c.fail(field, value, "%s", problem)
		}
	}
}
