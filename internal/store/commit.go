package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// groupWeightMax is how many rows of work share a transaction.
	groupWeightMax = 512
	// tasksWaitingMax is how many tasks may wait for the disk; further callers wait to be let in.
	tasksWaitingMax = 4_096
	// admitWaitMax is how long a caller waits to be let in before the store counts as unavailable.
	admitWaitMax = 10 * time.Second
	// helpFrom is the weight of waiting tasks that is worth a group beside the present one.
	helpFrom = 128
	// helpAfter is how long a group takes before others are committed beside it, and helpEvery how often that is looked at.
	helpAfter = 50 * time.Millisecond
	helpEvery = 20 * time.Millisecond
	// refreshesMax is how often a group is begun anew because another process changed the catalogue.
	refreshesMax = 8
)

// ticket is a task in the queue and the place where its caller waits.
type ticket struct {
	task task
	done chan error
}

func newTicket() *ticket { return &ticket{done: make(chan error, 1)} }

// committer runs the queued tasks in groups.
type committer struct {
	engine engine
	// helpers is how many writers help out while a group takes long.
	helpers int
	// waiting is the weight of the tasks in the queue, and crowded is signalled when it is worth a group beside the present one.
	waiting atomic.Int64
	crowded chan struct{}
	// began is when the present group of the first writer began, in nanoseconds since 1970; zero while it waits.
	began atomic.Int64
	// beside is whether the engine executes tasks beside each other.
	beside  bool
	tickets chan *ticket
	pool    sync.Pool // of *ticket
	// stopped is closed when no more tasks will be run.
	stopped chan struct{}
	// health is that of the database, whoever finds out about it.
	health *health
	// refresh reads anew what is kept in memory: when guard finds that it is not what is stored, and where there is no guard
	// before the first group after a failed commit, because that commit may have been made without anybody following it.
	refresh func() error
	// guard, if not nil, is part of every group; it fails with errStale when what is kept in memory is not what is stored.
	guard   task
	metrics *groupMetrics
}

// errStale says that another process has changed what this one keeps in memory.
var errStale = errors.New("the catalogue in memory is not the stored one")

func newCommitter(e engine, helpers int, m *groupMetrics) *committer {
	return &committer{
		engine:  e,
		helpers: helpers,
		metrics: m,
		health:  new(health),
		tickets: make(chan *ticket, tasksWaitingMax),
		crowded: make(chan struct{}, 1),
		stopped: make(chan struct{}),
	}
}

// commit queues a task and waits until it is on disk. Once the task is queued the context is not looked at any more: the
// commit takes a bounded time, and the caller must know what became of it.
func (c *committer) commit(ctx context.Context, t task) error {
	tk, ok := c.pool.Get().(*ticket)
	if !ok {
		tk = newTicket()
	}
	tk.task = t
	c.arrive(t)
	if err := c.admit(ctx, tk); err != nil {
		c.leave(t)
		c.pool.Put(tk)
		return err
	}
	select {
	case err := <-tk.done:
		tk.task = nil
		c.pool.Put(tk)
		return err
	case <-c.stopped:
	}
	select { // it may have been answered in the same moment
	case err := <-tk.done:
		return err
	default:
		return fmt.Errorf("%w: it is closed", hook.ErrUnavailable)
	}
}

// arrive counts a task that is about to wait, and calls a helper when many do.
func (c *committer) arrive(t task) {
	if c.waiting.Add(int64(t.weight())) < helpFrom || c.helpers == 0 {
		return
	}
	select {
	case c.crowded <- struct{}{}:
	default:
	}
}

func (c *committer) leave(t task) { c.waiting.Add(-int64(t.weight())) }

func (c *committer) admit(ctx context.Context, tk *ticket) error {
	select {
	case c.tickets <- tk:
		return nil
	default:
	}
	wait := time.NewTimer(admitWaitMax)
	defer wait.Stop()
	select {
	case c.tickets <- tk:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the store: %w", context.Cause(ctx))
	case <-wait.C:
		return fmt.Errorf("%w: %d tasks wait for the disk", hook.ErrUnavailable, tasksWaitingMax)
	case <-c.stopped:
		return fmt.Errorf("%w: it is closed", hook.ErrUnavailable)
	}
}

// run commits until the context ends and the queue is empty. One writer makes the largest groups, and these cost least. The
// others help out when enough waits for a large group of their own, or while a group takes long because it waits for
// somebody else's locks.
func (c *committer) run(ctx context.Context) {
	defer close(c.stopped)
	var writers sync.WaitGroup
	writers.Go(func() { c.write(ctx) })
	for range c.helpers {
		writers.Go(func() { c.help(ctx) })
	}
	writers.Wait()
}

// help commits beside the first writer when that is worth it.
func (c *committer) help(ctx context.Context) {
	look := time.NewTicker(helpEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		case <-c.crowded:
		}
		for (c.waiting.Load() >= helpFrom || c.late(time.Now())) && c.helpOnce() {
		}
	}
}

func (c *committer) late(now time.Time) bool {
	began := c.began.Load()
	return began != 0 && now.UnixNano()-began > int64(helpAfter)
}

// helpOnce commits one group, if anything waits.
func (c *committer) helpOnce() bool {
	select {
	case tk := <-c.tickets:
		c.runGroups(c.fill(tk))
		return true
	default:
		return false
	}
}

func (c *committer) write(ctx context.Context) {
	for {
		var first *ticket
		select {
		case first = <-c.tickets:
		case <-ctx.Done():
			select {
			case first = <-c.tickets:
			default:
				return
			}
		}
		c.began.Store(time.Now().UnixNano())
		c.runGroups(c.fill(first))
		c.began.Store(0)
	}
}

// fill makes a group of a task and whatever waits, up to the group's weight.
func (c *committer) fill(first *ticket) []*ticket {
	group, weight := []*ticket{first}, first.task.weight()
	c.leave(first.task)
	for weight < groupWeightMax {
		select {
		case tk := <-c.tickets:
			group = append(group, tk)
			weight += tk.task.weight()
			c.leave(tk.task)
		default:
			return group
		}
	}
	return group
}

// runGroups runs a group, or as many as it takes where the engine executes tasks beside each other. Tasks that cannot be are
// in transactions of their own: in one, the later of them would take its locks out of the order.
func (c *committer) runGroups(group []*ticket) {
	tasks := make([]task, len(group))
	for i, tk := range group {
		tasks[i] = tk.task
	}
	if !c.beside {
		c.runGroup(group, tasks)
		return
	}
	for _, wave := range waves(tasks) {
		c.runGroup(group[:len(wave)], wave)
		group = group[len(wave):]
	}
}

// runGroup runs the tasks of a group as one transaction and answers their callers.
func (c *committer) runGroup(group []*ticket, tasks []task) {
	err := c.transact(tasks)
	if err != nil && !errors.Is(err, hook.ErrUnavailable) && len(group) > 1 {
		c.runAlone(group)
		return
	}
	for _, tk := range group {
		tk.answer(err)
	}
}

func (c *committer) transact(tasks []task) error {
	if c.guard == nil && c.health.last() != nil {
		if err := c.refresh(); err != nil {
			return fmt.Errorf("%w: read anew after a failed commit: %w", hook.ErrUnavailable, err)
		}
	}
	began, callers := time.Now(), len(tasks)
	if c.guard != nil {
		tasks = append([]task{c.guard}, tasks...)
	}
	err := c.engine.transact(tasks)
	for tries := 0; errors.Is(err, errStale); tries++ {
		if tries == refreshesMax {
			err = fmt.Errorf("%w: %w", hook.ErrUnavailable, err)
		} else if err = c.refresh(); err == nil {
			err = c.engine.transact(tasks)
		}
	}
	c.health.note(err)
	c.metrics.committed(callers, time.Since(began), err)
	return err
}

// answer tells the caller what became of its task.
func (tk *ticket) answer(err error) {
	if f, ok := tk.task.(follower); ok && err == nil {
		f.committed()
	}
	tk.done <- err
}

// runAlone judges each task of a failed group in a transaction of its own, so that one bad task fails nobody else.
func (c *committer) runAlone(group []*ticket) {
	for _, tk := range group {
		tk.answer(c.transact([]task{tk.task}))
	}
}

// health remembers whether the last commit succeeded, and whether one failed that no probe has followed: a commit that
// changes little or nothing succeeds on a full disk too.
type health struct {
	mu      sync.Mutex // guards err and doubted
	err     error
	doubted bool
}

func (h *health) note(err error) {
	if err != nil && !errors.Is(err, hook.ErrUnavailable) {
		return // a task's own fault says nothing about the store
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
	h.doubted = h.doubted || err != nil
}

// doubt reports whether the store needs a probe before it counts as well.
func (h *health) doubt() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.doubted
}

// trust notes that a probe succeeded, if the last commit has.
func (h *health) trust() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.doubted = h.err != nil
}

func (h *health) last() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}
