package store

import (
	"context"
	"fmt"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// What the suite must see that no caller does.
const (
	GroupWeightMax  = groupWeightMax
	TasksWaitingMax = tasksWaitingMax
	AdmitWaitMax    = admitWaitMax
	AnswersPruneMax = answersPruneMax
	SearchRowsMax   = searchRowsMax
	SearchRowsFirst = searchRowsFirst
)

// Spy sees each transaction of a store before and after it is made, and each statement before it is executed. It is set
// before the store runs.
type Spy struct {
	Before    func(tasks int)
	After     func(tasks int, err error)
	Statement func(text string, args []any)
	// Shared is called when outcomes have said what they share with others, before any task is executed; with Statement.
	Shared func()
}

type spiedEngine struct {
	engine
	spy *Spy
}

func (e *spiedEngine) transact(tasks []task) error {
	if e.spy.Before != nil {
		e.spy.Before(len(tasks))
	}
	if e.spy.Statement != nil {
		spied := make([]task, len(tasks))
		for i, t := range tasks {
			spied[i] = &spiedTask{t, e.spy}
		}
		tasks = spied
	}
	err := e.engine.transact(tasks)
	if e.spy.After != nil {
		e.spy.After(len(tasks), err)
	}
	return err
}

func (e *spiedEngine) read(s statement, each func(row) error, args ...any) error {
	if e.spy.Statement != nil {
		e.spy.Statement(string(s), args)
	}
	return e.engine.read(s, each, args...)
}

type spiedTask struct {
	task
	spy *Spy
}

func (t *spiedTask) share(with func(thing)) bool {
	s, ok := t.task.(sharer)
	ok = ok && s.share(with)
	if _, outcomes := t.task.(*record); outcomes && t.spy.Shared != nil {
		t.spy.Shared()
	}
	return ok
}

func (t *spiedTask) stage(n int, b batch) bool { return t.task.stage(n, &spiedBatch{b, t.spy}) }

type spiedBatch struct {
	batch
	spy *Spy
}

func (b *spiedBatch) exec(s statement, affected func(int64), args ...any) {
	b.spy.Statement(string(s), args)
	b.batch.exec(s, affected, args...)
}

func (b *spiedBatch) query(s statement, each func(row) error, args ...any) {
	b.spy.Statement(string(s), args)
	b.batch.query(s, each, args...)
}

// Watch lets a spy see what the store does from now on.
func (s *Store) Watch(spy *Spy) {
	e := &spiedEngine{engine: s.engine, spy: spy}
	s.engine, s.committer.engine, s.outcomes.engine = e, e, e
}

// Queued is how many tasks wait to be committed.
func (s *Store) Queued() int { return len(s.committer.tickets) }

// Sabotage queues a task that fails for a reason of its own.
func (s *Store) Sabotage(ctx context.Context, reason error) error {
	return s.committer.commit(ctx, steps{func(b batch) {
		b.query(`SELECT 1`, func(row) error { return reason })
	}})
}

// PruneAnswers removes the answers that are too old.
func (s *Store) PruneAnswers(ctx context.Context, now time.Time) { s.pruneAnswers(ctx, now) }

// WriteKeyUses writes when keys were last used.
func (s *Store) WriteKeyUses(ctx context.Context) {
	s.writeKeyUses(func(t task) error { return s.committer.commit(ctx, t) })
}

// KeyUses returns of how many keys the use is kept in memory.
func (s *Store) KeyUses() int {
	s.keys.uses.mu.Lock()
	defer s.keys.uses.mu.Unlock()
	return len(s.keys.uses.keys)
}

// Write executes one statement in a transaction of its own, or in a group's.
func (s *Store) Write(ctx context.Context, text string, args ...any) error {
	return s.committer.commit(ctx, steps{func(b batch) {
		b.query(statement(text), func(row) error { return nil }, args...)
	}})
}

// Texts reads a query of one column of text.
func (s *Store) Texts(text string) (list []string, err error) {
	err = s.engine.read(statement(text), func(r row) error {
		var one string
		err := r(&one)
		list = append(list, one)
		return err
	})
	return list, err
}

// Numbers reads a query of one column of numbers.
func (s *Store) Numbers(text string) (list []int64, err error) {
	err = s.engine.read(statement(text), func(r row) error {
		var one int64
		err := r(&one)
		list = append(list, one)
		return err
	})
	return list, err
}

// Plan returns SQLite's plan for a statement, a line for each step.
func (s *Store) Plan(text string, args ...any) (steps []string, err error) {
	err = s.engine.read(statement("EXPLAIN QUERY PLAN "+text), func(r row) error {
		var id, parent, unused int64
		var detail string
		err := r(&id, &parent, &unused, &detail)
		steps = append(steps, detail)
		return err
	}, args...)
	return steps, err
}

// Explain returns PostgreSQL's plan for a statement, a line for each step.
func (s *Store) Explain(text string, args ...any) (steps []string, err error) {
	err = s.engine.read(statement("EXPLAIN (COSTS OFF) "+text), func(r row) error {
		var step string
		err := r(&step)
		steps = append(steps, step)
		return err
	}, args...)
	return steps, err
}

// Merged returns the statement that PostgreSQL executes in place of many calls of another one, or nothing.
func Merged(text string, args ...any) string {
	var b arguments
	b.encode(args)
	if m := newMerger(statement(text), b.types, false); m != nil {
		return string(m.text)
	}
	return ""
}

// The statements that groups consist of mostly.
const (
	InsertInteraction = string(insertInteraction)
	InsertDelivery    = string(insertDelivery)
	InsertEvent       = string(insertEvent)
	LockInteraction   = string(lockInteraction)
	DeliverDelivery   = string(deliverDelivery)
	LockStarted       = string(lockStarted)
	ClaimDue          = string(claimDue)
)

// Waves says how many tasks, of callers that decide about the named interactions, are executed beside each other. A nil list
// is a task that is alone.
func Waves(callers ...[]hook.InteractionID) (sizes []int) {
	var tasks []task
	for _, ids := range callers {
		if ids == nil {
			tasks = append(tasks, steps{})
			continue
		}
		a := &acceptance{center: 1}
		for _, id := range ids {
			a.changes = append(a.changes, hook.Change{ID: id})
		}
		tasks = append(tasks, &write[int]{subject: a})
	}
	for _, wave := range waves(tasks) {
		sizes = append(sizes, len(wave))
	}
	return sizes
}

// Cursor makes the cursor of a position.
func Cursor(serial hook.Serial, webhook hook.WebhookNumber) string {
	return position{serial, webhook}.cursor()
}

// EventCursor makes the cursor of an event.
func EventCursor(tx int64, serial hook.Serial) string { return eventPlace{tx, serial}.cursor() }

// EventPlace reads the cursor of an event.
func EventPlace(cursor string) (tx int64, serial hook.Serial, err error) {
	p, err := parseEventCursor(cursor)
	return p.tx, p.serial, err
}

// SelectForeign finds the contact centres with events from another cluster of databases.
const SelectForeign = string(selectForeign)

// LimitPages bounds the size of the database, as a full disk would.
func (s *Store) LimitPages(ctx context.Context, pages int64) error {
	return s.committer.commit(ctx, steps{func(b batch) {
		b.query(statement(fmt.Sprintf("PRAGMA max_page_count = %d", pages)), func(row) error { return nil })
	}})
}

// StoredNumbers returns a row of a table in Markdown for each word that is stored as a number.
func StoredNumbers() (rows []string) {
	add := func(number int64, word string) { rows = append(rows, fmt.Sprint("| ", number, " | `", word, "` |")) }
	for i, word := range kindList() {
		add(int64(i+1), string(word))
	}
	for i, word := range mediaList() {
		add(int64(i+1), string(word))
	}
	for i, word := range subtypeList() {
		add(int64(i+1), string(word))
	}
	for i, word := range stopperList() {
		add(int64(i+1), string(word))
	}
	for state := hook.StateNew; state <= hook.StateStopped; state++ {
		add(int64(state), state.String())
	}
	for _, failure := range hook.Failures() {
		add(int64(failure), failure.String())
	}
	return rows
}

// Bare is an SQLite store that does not run: a test commits and maintains by itself.
type Bare struct{ engine *sqliteEngine }

// OpenBare opens one whose write-ahead log is checkpointed at a size.
func OpenBare(ctx context.Context, path string, walPagesMax int64) (*Bare, error) {
	e, err := openSQLite(ctx, path)
	if err != nil {
		return nil, err
	}
	e.walPagesMax = walPagesMax
	return &Bare{e}, nil
}

// Write executes one statement in a transaction.
func (b *Bare) Write(text string, args ...any) error {
	return b.engine.transact([]task{steps{func(b batch) { b.exec(statement(text), nil, args...) }}})
}

// Maintain does what a running store does from time to time.
func (b *Bare) Maintain() error { return b.engine.maintain() }

// Close closes the database.
func (b *Bare) Close() error { return b.engine.close() }
