package store

import (
	"fmt"
	"strings"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// selection is a SELECT of one contact centre's rows with the conditions that a filter asks for.
type selection struct {
	sql  strings.Builder
	args []any
}

func newSelect(from statement, column string, center hook.ContactCenterNumber) *selection {
	q := &selection{args: []any{center}}
	q.sql.WriteString(string(from) + " WHERE " + column + " = $1")
	return q
}

// where adds a condition in which each %s stands for one of the arguments.
func (q *selection) where(condition string, args ...any) {
	q.sql.WriteString(" AND ")
	q.add(condition, args)
}

func (q *selection) add(fragment string, args []any) {
	marks := make([]any, len(args))
	for i, arg := range args {
		q.args = append(q.args, arg)
		marks[i] = fmt.Sprintf("$%d", len(q.args))
	}
	fmt.Fprintf(&q.sql, fragment, marks...)
}

// text ends the statement.
func (q *selection) text(end string, args ...any) statement {
	q.sql.WriteString(" ")
	q.add(end, args)
	return statement(q.sql.String())
}
