package storetest

import "sync"

// Moment is when a commit fails.
type Moment int

// The moments at which a commit can fail.
const (
	// BeforeCommit is when all statements were executed: nothing is changed.
	BeforeCommit Moment = iota
	// AfterCommit is when the transaction is on disk, but its caller is told that it failed.
	AfterCommit
)

// Always makes commits fail until [Faulty.Mend].
const Always = -1

// Faulty makes the commits of a store fail. Its zero value lets all of them succeed.
type Faulty struct {
	mu     sync.Mutex // guards faults
	faults [2]fault
}

type fault struct {
	times int
	err   error
}

// Fail makes the next commits, as many as times says or [Always], fail with err at a moment.
func (f *Faulty) Fail(at Moment, times int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[at] = fault{times: times, err: err}
}

// Mend lets commits succeed again.
func (f *Faulty) Mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = [2]fault{}
}

// BeforeCommit is what the store asks before each commit.
func (f *Faulty) BeforeCommit() error { return f.take(BeforeCommit) }

// AfterCommit is what the store asks after each commit.
func (f *Faulty) AfterCommit() error { return f.take(AfterCommit) }

func (f *Faulty) take(at Moment) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	due := &f.faults[at]
	if due.times == 0 {
		return nil
	}
	if due.times > 0 {
		due.times--
	}
	return due.err
}
