package store

// statement is one SQL text for every engine. Its parameters are written $1, $2, … and mean the arguments in that order.
// A read-modify-write of rows that others may hold is marked {{skip locked}} where an engine has row locks to skip.
type statement string

// row gives the columns of one row to pointers: *int64, *int, *bool, *string, *[]byte, *hook.UUID and the domain's numbers.
type row func(dest ...any) error

// batch takes the statements of one stage of a task. The functions run before the task's next stage, in order. After a
// failed statement nothing more is executed and the transaction is rolled back, so a task need not check.
type batch interface {
	// exec queues a statement that returns no rows; affected, if not nil, gets the number of rows that it changed.
	exec(s statement, affected func(rows int64), args ...any)
	// query queues a statement whose every row goes to each.
	query(s statement, each func(row) error, args ...any)
}

// task is one caller's part of a group's transaction. It may be run again from stage 0 after a rollback.
type task interface {
	// stage queues the statements of the n-th stage, from 0, and reports whether there may be another.
	stage(n int, b batch) (more bool)
	// weight is how much the task adds to a group, in rows of work.
	weight() int
}

// follower is a task that does something once it is committed. It is called in the order of the commits, before the caller
// of the commit goes on, and must not block.
type follower interface{ committed() }

// engine is a database: all that differs between one and another is behind this.
type engine interface {
	// transact runs the tasks as one durable transaction.
	transact(tasks []task) error
	// read runs one query outside the writers' way.
	read(s statement, each func(row) error, args ...any) error
	// maintain does what the engine must do between groups (see sqliteEngine.maintain).
	maintain() error
	close() error
}

// steps is a task made of functions, for writes that are not on the hot path.
type steps []func(b batch)

func (s steps) weight() int { return len(s) }

func (s steps) stage(n int, b batch) bool {
	if n < len(s) {
		s[n](b)
	}
	return n+1 < len(s)
}
