package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// A worker sends on one connection, one request at a time.
type worker struct {
	g       *generator
	wire    *wire
	heir    *worker // stops what this one creates
	buf     []byte
	turn    float64  // the fraction of a stop that is owed, to reach the share exactly
	changes []change // of the batch that is being sent
	t       tally

	mu      sync.Mutex // guards created, which another worker may fill
	created []uint32   // acknowledged creates that wait for their stop, the oldest first
}

type change struct {
	event    int
	sequence uint32
}

// run sends until the pace is over: as events fall due, or one after the other where due is nil.
func (w *worker) run(ctx context.Context, due <-chan time.Time) {
	w.t = tally{}
	defer func() { w.g.note(w.t) }()
	if due != nil {
		for at := range due {
			if err := w.single(ctx, at); err != nil {
				w.broke(err)
				for range due { // the others carry on; nobody may wait for this one
					w.t.broken++
				}
			}
		}
		return
	}
	for !w.g.stopped.Load() {
		events := int64(max(1, w.g.load.Batch))
		if w.g.load.Kind != batchLoad {
			events = 1
		}
		if w.g.left.Add(-events) <= -events {
			return
		}
		if err := w.step(ctx); err != nil {
			w.broke(err)
			return
		}
	}
}

func (w *worker) broke(err error) {
	w.t.broken++
	if w.t.problem == "" {
		w.t.problem = err.Error()
	}
}

func (w *worker) step(ctx context.Context) error {
	if w.g.load.Kind == batchLoad {
		return w.batch()
	}
	return w.single(ctx, time.Now())
}

// next decides what the next event is, and takes the interaction it is about.
func (w *worker) next() (change, error) {
	l := &w.g.load
	w.turn = min(w.turn+l.Share, 2)
	if w.turn >= 1 {
		if sequence, ok := w.oldest(l.Lag / l.Conns); ok {
			w.turn--
			return change{event: finished, sequence: sequence}, nil
		}
	}
	c := change{event: started, sequence: w.g.sequence.Add(1) - 1}
	if c.sequence >= ledgerSequencesMax {
		return c, fmt.Errorf("more than %d interactions in one trial", ledgerSequencesMax)
	}
	return c, nil
}

// oldest takes the interaction that has waited longest for its stop, if more than lag wait.
func (w *worker) oldest(lag int) (sequence uint32, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.created) <= lag {
		return 0, false
	}
	sequence = w.created[0]
	w.created = w.created[1:]
	return sequence, true
}

func (w *worker) acknowledge(c change) {
	w.g.ledger.acknowledge(c.event, c.sequence)
	w.t.acknowledged++
	if c.event == started && w.g.load.Share > 0 {
		w.heir.mu.Lock()
		w.heir.created = append(w.heir.created, c.sequence)
		w.heir.mu.Unlock()
	}
}

// single sends one event that was due at the given time, and waits for its answer.
func (w *worker) single(ctx context.Context, at time.Time) error {
	l := &w.g.load
	if l.Kind == rawLoad || l.Kind == leanRawLoad {
		return w.raw(ctx, at)
	}
	c, err := w.next()
	if err != nil {
		return err
	}
	text := &w.g.texts.create
	if c.event == finished {
		text = &w.g.texts.stop
	}
	w.buf = text.appendTo(w.buf[:0], ident{l.Trial, c.sequence}, l.Order)
	w.g.ledger.send(c.event, c.sequence, at)
	status, err := w.wire.do(w.buf, w.t.problem == "" && w.t.refused > 0)
	if err != nil {
		return err
	}
	if status/100 != 2 {
		w.refused(1, status)
		return nil
	}
	w.acknowledge(c)
	return nil
}

// refused counts events that were answered without success, and slows down: a target in trouble is not to be flooded.
func (w *worker) refused(events int64, status int) {
	w.t.refused += events
	if w.t.problem == "" && len(w.wire.reads) > 0 {
		w.t.problem = clipProblem(status, w.wire.reads)
	}
	time.Sleep(5 * time.Millisecond)
}

// batch sends one batch call.
func (w *worker) batch() error {
	l, now := &w.g.load, time.Now()
	w.buf = w.g.texts.beginBatch(w.buf)
	w.changes = w.changes[:0]
	for i := range l.Batch {
		c, err := w.next()
		if err != nil {
			return err
		}
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		text := &w.g.texts.createChange
		if c.event == finished {
			text = &w.g.texts.stopPart
		}
		w.buf = text.appendTo(w.buf, ident{l.Trial, c.sequence}, l.Order)
		w.g.ledger.send(c.event, c.sequence, now)
		w.changes = append(w.changes, c)
	}
	status, err := w.wire.do(w.g.texts.endBatch(w.buf), true)
	if err != nil {
		return err
	}
	if status != http.StatusOK || succeeded(w.wire.reads) != len(w.changes) {
		w.refused(int64(len(w.changes)), status)
		return nil
	}
	for _, c := range w.changes {
		w.acknowledge(c)
	}
	return nil
}

// raw signs one event's payload and POSTs it straight to the sink.
func (w *worker) raw(ctx context.Context, at time.Time) error {
	l := &w.g.load
	c := change{event: started, sequence: w.g.sequence.Add(1) - 1}
	if c.sequence >= ledgerSequencesMax {
		return fmt.Errorf("more than %d POSTs in one trial", ledgerSequencesMax)
	}
	w.buf = w.g.payload.appendTo(w.buf[:0], ident{l.Trial, c.sequence}, l.Order)
	w.g.ledger.send(c.event, c.sequence, at)
	if l.Kind == leanRawLoad {
		return w.rawLean(c)
	}
	url := "http://" + l.Addresses[0] + sinkPath(0)
	status, err := w.g.sender.post(ctx, url, w.buf, string(w.buf[w.g.payload.id:w.g.payload.id+identBytes]))
	if err != nil {
		return err
	}
	return w.arrived(c, status)
}

func (w *worker) rawLean(c change) error {
	id := string(w.buf[w.g.payload.id : w.g.payload.id+identBytes])
	at := len(w.buf)
	w.buf = w.g.sender.appendRequest(w.buf, w.g.load.Addresses[0], w.buf, id)
	status, err := w.wire.do(w.buf[at:], false)
	if err != nil {
		return err
	}
	return w.arrived(c, status)
}

func (w *worker) arrived(c change, status int) error {
	if status != http.StatusOK {
		return fmt.Errorf("the sink answered %d", status)
	}
	w.acknowledge(c)
	return nil
}
