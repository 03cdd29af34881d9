package store

import "slices"

// Faults makes commits fail, for the tests of what happens then. A test implements it; nothing else does.
type Faults interface {
	// BeforeCommit is asked when all statements of a transaction were executed; an error rolls it back.
	BeforeCommit() error
	// AfterCommit is asked when a transaction is committed; an error is reported in place of the success.
	AfterCommit() error
}

// faultyEngine is an engine whose commits fail when a test says so. It works with every engine, because the fault is a task.
type faultyEngine struct {
	engine
	faults Faults
}

func (e *faultyEngine) transact(tasks []task) error {
	fault := steps{func(b batch) {
		b.query(`SELECT 1`, func(row) error { return e.faults.BeforeCommit() })
	}}
	if err := e.engine.transact(append(slices.Clip(tasks), fault)); err != nil {
		return err
	}
	return e.faults.AfterCommit()
}
