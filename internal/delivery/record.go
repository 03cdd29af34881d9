package delivery

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

const (
	// outcomesWaitingMax bounds the outcomes that wait for the disk; workers wait when it is reached.
	outcomesWaitingMax = 4_096
	// recordMax is how many outcomes are recorded in one transaction.
	recordMax = 1_024
	// The wait before a failed recording is tried again grows from the first to the second of these.
	recordRetryShortest = 50 * time.Millisecond
	recordRetryLongest  = 2 * time.Second
	// recordLastMax is how often recording is tried when the drain's time is over and the store still fails.
	recordLastMax = 5
)

// recorder writes outcomes to the store in batches, beside the workers.
type recorder struct {
	engine  *Engine
	waiting chan hook.Outcome
}

func newRecorder(e *Engine) *recorder {
	return &recorder{engine: e, waiting: make(chan hook.Outcome, outcomesWaitingMax)}
}

// add hands an outcome over. It waits when too many wait already: then the disk is what is slow.
func (r *recorder) add(o hook.Outcome) { r.waiting <- o }

// run records until the context ends and nothing waits any more.
func (r *recorder) run(ctx context.Context) {
	batch := make([]hook.Outcome, 0, recordMax)
	for {
		batch = batch[:0]
		select {
		case o := <-r.waiting:
			batch = append(batch, o)
		case <-ctx.Done():
			select {
			case o := <-r.waiting:
				batch = append(batch, o)
			default:
				return
			}
		}
		r.record(ctx, r.fill(batch))
	}
}

func (r *recorder) fill(batch []hook.Outcome) []hook.Outcome {
	for len(batch) < recordMax {
		select {
		case o := <-r.waiting:
			batch = append(batch, o)
		default:
			return batch
		}
	}
	return batch
}

// record writes a batch, again and again while the store cannot commit. What cannot be recorded for another reason is
// recorded alone, so that it takes nothing else with it; its delivery is due again when its lease ends.
func (r *recorder) record(ctx context.Context, batch []hook.Outcome) {
	wait := recordRetryShortest
	for tries := 1; ; tries++ {
		recorded, err := r.engine.options.Queue.Record(context.WithoutCancel(ctx), time.Now(), batch)
		switch {
		case err == nil:
			r.follow(batch, recorded)
			return
		case !errors.Is(err, hook.ErrUnavailable) && len(batch) > 1:
			for i := range batch {
				r.record(ctx, batch[i:i+1])
			}
			return
		case !errors.Is(err, hook.ErrUnavailable), r.ending(ctx) && tries >= recordLastMax:
			r.engine.options.Log.Error("recording outcomes failed; their deliveries are due again when their leases end", "count", len(batch), "error", err)
			return
		}
		r.engine.options.Log.Warn("the store cannot record outcomes; it will be tried again", "count", len(batch), "error", err)
		r.pause(ctx, wait)
		wait = min(2*wait, recordRetryLongest)
	}
}

// ending reports whether the store is not waited for any longer: the workers have ended, or the drain's time is over and
// they may be waiting for room to hand their outcomes over.
func (r *recorder) ending(ctx context.Context) bool {
	return ctx.Err() != nil || r.engine.sending.Err() != nil
}

// pause waits; when the engine ends, only as long as the shortest wait.
func (r *recorder) pause(ctx context.Context, wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		<-time.After(recordRetryShortest)
	case <-r.engine.sending.Done():
		<-time.After(recordRetryShortest)
	}
}

// follow passes on what the recording makes due.
func (r *recorder) follow(batch []hook.Outcome, recorded hook.Recorded) {
	r.engine.metrics.recorded(batch, recorded)
	for _, n := range recorded.Freed {
		r.engine.sweeper.hint(n, time.Now())
	}
	for i := range batch {
		o := &batch[i]
		switch {
		case slices.Contains(recorded.Late, i): // what it says of its delivery is not so
		case !o.Next.IsZero():
			r.engine.sweeper.hint(o.Delivery.Webhook, o.Next)
		case o.Exhausts():
			r.engine.logExhausted(o)
		}
	}
}
