package store

import (
	"slices"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// statement is one SQL text for every engine. Its parameters are written $1, $2, … and mean the arguments in that order.
// Where an engine has row locks, {{for update}} marks a read of a row that the same task goes on to change, and
// {{skip locked}} one that passes over rows which another transaction holds. {{tell c}} names the column by which an engine
// that makes one statement of many tells their rows apart. {{place}} is the column of an event's place in the order in which
// events are read, and {{place behind c s}} its value, at least that of the event s of the contact centre c; where that order is
// the one of serials, both are nothing.
type statement string

// row gives the columns of one row to pointers: *int64, *int, *bool, *string, *[]byte, *hook.UUID and the domain's numbers.
type row func(dest ...any) error

// batch takes the statements of one stage of a task. The functions run before the task's next stage, in order; a statement
// that one of them queues is executed before the next stage, too. After a failed statement nothing more is executed and the
// transaction is rolled back, so a task need not check.
type batch interface {
	// exec queues a statement that returns no rows; affected, if not nil, gets the number of rows that it changed.
	exec(s statement, affected func(rows int64), args ...any)
	// query queues a statement whose every row goes to each.
	query(s statement, each func(row) error, args ...any)
	// at puts the task's next statements of this stage, up to the next call, at a place in the order in which a transaction takes
	// row locks: two transactions that take them in one order never wait for each other. The statements of a stage must not
	// depend on the order among themselves, then.
	at(place uint64)
	// lock makes the rest of the transaction wait for others that locked the same text of the same contact centre, of this
	// process or another one.
	lock(center hook.ContactCenterNumber, text string)
}

// task is one caller's part of a group's transaction. It may be run again from stage 0 after a rollback.
type task interface {
	// stage queues the statements of the n-th stage, from 0, and reports whether there may be another.
	stage(n int, b batch) (more bool)
	// weight is how much the task adds to a group, in rows of work.
	weight() int
}

// sharer is a task whose stages may be executed side by side with those of other sharers. All other tasks are executed
// alone, one after the other.
type sharer interface {
	// share names what the task reads before it writes it: two tasks that name the same thing are executed one after the
	// other. It returns false when the task must be alone after all.
	share(with func(thing)) bool
}

// thing is what tasks may have to share: an interaction, or an Idempotency-Key.
type thing struct {
	center hook.ContactCenterNumber
	id     hook.UUID
	key    string
}

// waves splits tasks, in their order, into those that may be executed beside each other.
func waves(tasks []task) [][]task {
	var list [][]task
	shared := map[thing]bool{}
	var things []thing
	open := false // whether the last wave takes another one
	for _, t := range tasks {
		things = things[:0]
		s, ok := t.(sharer)
		ok = ok && s.share(func(th thing) { things = append(things, th) })
		if !ok || slices.ContainsFunc(things, func(th thing) bool { return shared[th] }) {
			open = false
		}
		if !open {
			list = append(list, nil)
			clear(shared)
		}
		open = ok
		for _, th := range things {
			shared[th] = true
		}
		list[len(list)-1] = append(list[len(list)-1], t)
	}
	return list
}

// follower is a task that does something once it is committed. It is called before the caller of the commit goes on, and
// must not block. An engine with one writer calls it in the order of the commits.
type follower interface{ committed() }

// engine is a database: all that differs between one and another is behind this.
type engine interface {
	// transact runs the tasks as one durable transaction.
	transact(tasks []task) error
	// read runs one query outside the writers' way.
	read(s statement, each func(row) error, args ...any) error
	// maintain does what the engine must do between groups. It is called several times a second.
	maintain() error
	// traits says what the engine can do.
	traits() traits
	// slot is this process's part of its serials.
	slot() hook.Slot
	close() error
}

// traits are what the store must know of an engine.
type traits struct {
	// helpers is how many groups may be committed beside one that takes long, and apart whether claims and outcomes have groups
	// of their own, with helpers of their own.
	helpers int
	apart   bool
	// shared is whether other processes may write to the same database.
	shared bool
}

// beside is steps that may be executed beside other tasks: they read nothing that they go on to write.
type beside struct{ steps }

func (beside) share(func(thing)) bool { return true }

// steps is a task made of functions, for writes that are not on the hot path.
type steps []func(b batch)

func (s steps) weight() int { return len(s) }

func (s steps) stage(n int, b batch) bool {
	if n < len(s) {
		s[n](b)
	}
	return n+1 < len(s)
}
